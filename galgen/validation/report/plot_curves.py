"""Figures of the means of curves: with closure below, as ratios, and their covariance."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from galgen.plot_style import (
    BAND,
    BASE,
    GENERATED,
    HELD_OUT,
    as_label,
    draw_band,
    draw_deviations,
    draw_errors,
    draw_points,
    legend_above,
    log_abscissa,
    new_figure,
)
from galgen.validation.comparison import Comparison
from galgen.validation.curves import CurveComparison
from galgen.validation.split import SplitComparison

LABELS = {"r": "separation $r$ [Mpc/$h$]", "k": "wavenumber $k$ [$h$/Mpc]"}
IN_A_ROW = 4
"""Panels of one row of the other statistics."""


def correlation_figure(split: SplitComparison) -> Figure:
    """xi(r) with its noise and the uniform base; r² xi beside it; closure below both."""
    curve = split.correlation
    figure = new_figure(9.0, 5.2)
    grid = figure.add_gridspec(2, 2, height_ratios=(2.2, 1))
    left, right = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1])
    left.set_yscale("symlog", linthresh=0.1, linscale=0.5)
    _draw_curve(left, curve, 1.0)
    left.set_ylabel(r"$\xi(r)$, linear below 0.1")
    legend_above(figure, left)
    _draw_curve(right, curve, curve.centre**2)
    right.set_ylabel(r"$r^2\,\xi(r)$ [(Mpc/$h$)$^2$]")
    _draw_closure(figure.add_subplot(grid[1, 0]), curve)
    _draw_deviation(figure.add_subplot(grid[1, 1]), curve)
    return figure


def power_figure(split: SplitComparison) -> Figure:
    """Every multipole of P(k); below, the closure of the monopole and the deviation of the rest."""
    figure = new_figure(4.5 * max(2, len(split.power)), 5.2)
    grid = figure.add_gridspec(2, len(split.power), height_ratios=(2.2, 1))
    for column, curve in enumerate(split.power):
        axes = figure.add_subplot(grid[0, column])
        _draw_curve(axes, curve, curve.centre)
        axes.set_ylabel(rf"$k\,P_{curve.name[1:]}(k)$ [(Mpc/$h$)$^2$]")
        below = figure.add_subplot(grid[1, column])
        if curve.name == "P0":
            _draw_closure(below, curve)
            legend_above(figure, axes)
        else:
            _draw_deviation(below, curve)
    return figure


def statistics_figure(split: SplitComparison) -> Figure:
    """Every curve of the other statistics, four in a row; below each its deviation."""
    curves = split.statistics
    wide = min(len(curves), IN_A_ROW)
    rows = -(-len(curves) // IN_A_ROW)
    figure = new_figure(4.5 * max(2, wide), 5.2 * rows)
    grid = figure.add_gridspec(2 * rows, wide, height_ratios=(2.2, 1) * rows)
    for index, curve in enumerate(curves):
        row, column = divmod(index, IN_A_ROW)
        above, below = (figure.add_subplot(grid[2 * row + part, column]) for part in (0, 1))
        power = curve.axis.weight_power
        _draw_curve(above, curve, curve.centre**power)
        above.set_ylabel((f"${curve.axis.symbol}^{power}$ " if power else "") + curve.name)
        _draw_deviation(below, curve)
    legend_above(figure, figure.axes[0])
    return figure


def ratio_figure(comparison: Comparison) -> Figure:
    """Generated over held-out for every targeted curve, a row per split; weak bins are faint."""
    names = [curve.name for curve in comparison.main.curves if curve.axis.targeted]
    figure = new_figure(4.6 * len(names), 0.7 + 1.9 * len(comparison.splits))
    panels = figure.subplots(len(comparison.splits), len(names), squeeze=False, sharex="col")
    for row, split in zip(panels, comparison.splits, strict=True):
        for axes, name in zip(row, names, strict=True):
            _draw_ratio(axes, split.curve(name), comparison.settings.tolerance)
            axes.set_title(f"{name}, {as_label(split.name)}", loc="left")
        row[0].set_ylabel("generated / held-out")
    for axes, name in zip(panels[-1], names, strict=True):
        axes.set_xlabel(abscissa_label(comparison.main.curve(name)))
    legend_above(figure, panels[0][0])
    return figure


def covariance_figure(split: SplitComparison) -> Figure:
    """Correlation matrices, a row for every targeted curve: held-out, generated, difference."""
    curves = [curve for curve in split.curves if curve.axis.targeted]
    figure = new_figure(9.6, 0.4 + 2.9 * len(curves))
    panels = figure.subplots(len(curves), 3, squeeze=False)
    titles = ("held-out", "generated", "generated - held-out")
    for row, curve in zip(panels, curves, strict=True):
        truth, mock = curve.held_out.correlation_matrix, curve.generated.correlation_matrix
        for axes, matrix, title in zip(row, (truth, mock, mock - truth), titles, strict=True):
            image = axes.imshow(matrix, cmap="RdBu_r", vmin=-1, vmax=1, origin="lower")
            axes.set_title(f"{curve.name}, {title}")
            _name_bins(axes, curve)
        row[0].set_ylabel(abscissa_label(curve))
        figure.colorbar(image, ax=list(row), shrink=0.85, label="correlation of bins")
    return figure


def abscissa_label(curve: CurveComparison) -> str:
    """The label of the abscissa of a curve."""
    axis = curve.axis
    unit = f" [{axis.unit}]" if axis.unit else ""
    return LABELS.get(axis.symbol, f"{axis.symbol}{unit}")


def set_abscissa(axes: Axes, curve: CurveComparison) -> None:
    """Logarithmic where the curve asks for it."""
    if curve.axis.logarithmic:
        log_abscissa(axes)


def _draw_curve(axes: Axes, curve: CurveComparison, scale: np.ndarray | float) -> None:
    x, base = curve.centre, "uniform base (same numbers)"
    draw_band(axes, x, curve.held_out, scale)
    axes.plot(x, scale * curve.base.mean, color=BASE, ls="--", label=base)
    draw_points(axes, x, curve.generated, scale)
    set_abscissa(axes, curve)


def _draw_closure(axes: Axes, curve: CurveComparison) -> None:
    """Closure of judged bins filled, of the others faint; the floor dotted."""
    axes.axhline(0, color=BASE, ls="--", lw=1)
    lowest = float(np.min(curve.closure, where=curve.judged, initial=0.0))
    bottom, x = max(-1.0, lowest - 0.25), curve.centre
    axes.plot(x, curve.floor, color=HELD_OUT, ls=":", label="one half of held-out on the other")
    for rows, faint in ((curve.judged, 1.0), (~curve.judged, 0.25)):
        closure, error = curve.closure[rows], curve.closure_error[rows]
        draw_errors(axes, x[rows], closure, error, ms=5, alpha=faint)
    lost = curve.closure < bottom
    axes.plot(x[lost], np.full(lost.sum(), bottom + 0.05), "v", color=GENERATED, ms=5)
    axes.set_ylim(bottom, 1.15)
    axes.set(xlabel=abscissa_label(curve), ylabel="closure")
    axes.legend(loc="lower left")
    set_abscissa(axes, curve)


def _draw_deviation(axes: Axes, curve: CurveComparison) -> None:
    """(generated - held-out) / error, with the ±1 and ±2 sigma bands."""
    axes.axhline(0, color=HELD_OUT, lw=1)
    draw_deviations(axes, curve.centre, curve.std, ms=5, mew=1.3)
    axes.set(xlabel=abscissa_label(curve), ylabel="difference / error")
    set_abscissa(axes, curve)


def _draw_ratio(axes: Axes, curve: CurveComparison, tolerance: float) -> None:
    """The band is the error of held-out about one, the bars that of generated."""
    x, shown = curve.centre, np.isfinite(curve.ratio) & curve.judged
    scale = np.where(curve.held_out.mean != 0, np.abs(curve.held_out.mean), np.nan)
    width, error = curve.held_out.error / scale, curve.generated.error / scale
    axes.fill_between(
        x, 1 - width, 1 + width, color=BAND, alpha=0.45, lw=0, label="held-out ±1 sigma"
    )
    for edge, label in ((1 - tolerance, f"±{tolerance:.0%}"), (1 + tolerance, None)):
        axes.axhline(edge, color=BAND, ls=":", lw=0.8, label=label)
    axes.axhline(1, color=HELD_OUT, lw=1)
    for rows, faint, label in ((shown, 1.0, "generated"), (~shown, 0.25, None)):
        draw_errors(axes, x[rows], curve.ratio[rows], error[rows], alpha=faint, label=label)
    reach = float(np.max(np.abs(curve.ratio - 1) + error, where=shown, initial=0.15))
    limit = min(1.15 * reach, 1.5)
    axes.set_ylim(1 - limit, 1 + limit)
    set_abscissa(axes, curve)


def _name_bins(axes: Axes, curve: CurveComparison) -> None:
    """At most five bins named by their centres, as many digits as tell them apart."""
    shown = np.arange(0, len(curve.centre), -(-len(curve.centre) // 5))
    names = [f"{curve.centre[i]:.2g}" for i in shown]
    axes.set_xticks(shown, names)
    axes.set_yticks(shown, names)
    axes.set_xlabel(abscissa_label(curve))
