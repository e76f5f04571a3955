"""Figures of xi(r) and P(k): the curves, and below them the closure of every bin."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from galgen.plot_style import (
    BAND,
    BASE,
    GENERATED,
    HELD_OUT,
    draw_band,
    draw_points,
    log_abscissa,
    new_figure,
)
from galgen.validation.curves import CurveComparison
from galgen.validation.split import SplitComparison

SEPARATION = "separation $r$ [Mpc/$h$]"
WAVENUMBER = "wavenumber $k$ [$h$/Mpc]"
IN_A_ROW = 4
"""Panels of one row of the other statistics."""


def correlation_figure(split: SplitComparison) -> Figure:
    """xi(r) with its noise and the uniform base; r² xi beside it; closure below both."""
    curve = split.correlation
    figure = new_figure(9.0, 5.2)
    grid = figure.add_gridspec(2, 2, height_ratios=(2.2, 1))
    left, right = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1])
    _draw_curve(left, curve, 1.0)
    left.set_yscale("symlog", linthresh=0.1, linscale=0.5)
    left.set_ylabel(r"$\xi(r)$, linear below 0.1")
    _name_above(figure, left)
    _draw_curve(right, curve, curve.centre**2)
    right.set_ylabel(r"$r^2\,\xi(r)$ [(Mpc/$h$)$^2$]")
    _draw_closure(figure.add_subplot(grid[1, 0]), curve, SEPARATION)
    _draw_deviation(figure.add_subplot(grid[1, 1]), curve, SEPARATION)
    return _log_axes(figure)


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
            _draw_closure(below, curve, WAVENUMBER)
            _name_above(figure, axes)
        else:
            _draw_deviation(below, curve, WAVENUMBER)
    return _log_axes(figure)


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
        _draw_curve(above, curve, curve.centre**curve.axis.weight_power)
        power = (
            f"${curve.axis.symbol}^{curve.axis.weight_power}$ " if curve.axis.weight_power else ""
        )
        above.set_ylabel(f"{power}{curve.name}")
        _draw_deviation(below, curve, abscissa_label(curve))
        for axes in (above, below):
            set_abscissa(axes, curve)
    _name_above(figure, figure.axes[0])
    return figure


def abscissa_label(curve: CurveComparison) -> str:
    """The label of the abscissa of a curve."""
    known = {"r": SEPARATION, "k": WAVENUMBER}
    unit = f" [{curve.axis.unit}]" if curve.axis.unit else ""
    return known.get(curve.axis.symbol, f"{curve.axis.symbol}{unit}")


def set_abscissa(axes: Axes, curve: CurveComparison) -> None:
    """Logarithmic where the curve asks for it."""
    if curve.axis.logarithmic:
        log_abscissa(axes)


def _draw_curve(axes: Axes, curve: CurveComparison, scale: np.ndarray | float) -> None:
    draw_band(axes, curve.centre, curve.held_out, scale)
    axes.plot(
        curve.centre,
        scale * curve.base.mean,
        color=BASE,
        ls="--",
        label="uniform base (same numbers)",
    )
    draw_points(axes, curve.centre, curve.generated, scale)


def _draw_closure(axes: Axes, curve: CurveComparison, label: str) -> None:
    """Closure of judged bins filled, of the others faint; the floor dotted; the target shaded."""
    axes.axhspan(curve.target, 1.0, color=BAND, alpha=0.25, lw=0)
    axes.axhline(0, color=BASE, ls="--", lw=1)
    lowest = float(np.min(curve.closure, where=curve.judged, initial=0.0))
    bottom = max(-1.0, lowest - 0.25)
    axes.plot(
        curve.centre, curve.floor, color=HELD_OUT, ls=":", label="one half of held-out on the other"
    )
    for rows, faint in ((curve.judged, 1.0), (~curve.judged, 0.25)):
        axes.errorbar(
            curve.centre[rows],
            curve.closure[rows],
            curve.closure_error[rows],
            fmt="o",
            ms=5,
            color=GENERATED,
            mfc="white",
            alpha=faint,
            capsize=2,
        )
    lost = curve.closure < bottom
    axes.plot(curve.centre[lost], np.full(lost.sum(), bottom + 0.05), "v", color=GENERATED, ms=5)
    axes.set_ylim(bottom, 1.15)
    axes.set(xlabel=label, ylabel="closure")
    axes.legend(loc="lower left")


def _draw_deviation(axes: Axes, curve: CurveComparison, label: str) -> None:
    """(generated - held-out) / error, with the ±1 and ±2 sigma bands."""
    for sigma in (1, 2):
        axes.axhspan(-sigma, sigma, color=BAND, alpha=0.22, lw=0)
    axes.axhline(0, color=HELD_OUT, lw=1)
    axes.plot(curve.centre, curve.std, "o", ms=5, mfc="white", mec=GENERATED, mew=1.3)
    limit = max(3.0, 1.15 * float(np.nanmax(np.abs(curve.std), initial=0.0)))
    axes.set_ylim(-limit, limit)
    axes.set(xlabel=label, ylabel="difference / error")


def _log_axes(figure: Figure) -> Figure:
    """A logarithmic abscissa with plain numbers on every panel, named on the lower ones only."""
    for axes in figure.axes:
        log_abscissa(axes)
    return figure


def _name_above(figure: Figure, axes: Axes) -> None:
    """The legend of one panel above all of them, where it hides nothing."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
