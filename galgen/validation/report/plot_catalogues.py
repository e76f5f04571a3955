"""Figures of single catalogues: spread of a statistic, number of points, and marks."""

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
    draw_deviations,
    draw_errors,
    draw_points,
    new_figure,
)
from galgen.validation.curves import CurveComparison
from galgen.validation.marks import MASS, CountComparison, MarkComparison
from galgen.validation.report.plot_curves import abscissa_label, set_abscissa
from galgen.validation.split import SplitComparison


def spread_figure(split: SplitComparison) -> Figure:
    """A row for every targeted curve: variance ratio, ranks of all bins, CRPS over its null."""
    curves = [curve for curve in split.curves if curve.axis.targeted]
    figure = new_figure(10.0, 0.5 + 2.5 * len(curves))
    panels = figure.subplots(len(curves), 3, squeeze=False)
    for row, curve in zip(panels, curves, strict=True):
        spread = curve.spread
        _draw_one(row[0], curve, spread.variance_ratio, spread.variance_ratio_error)
        row[0].set_ylabel(f"variance ratio of {curve.name}")
        _draw_ranks(row[1], curve)
        _draw_one(row[2], curve, spread.crps_ratio, spread.crps_ratio_error)
        row[2].set_ylabel("CRPS / half on half")
    return figure


def _draw_one(axes: Axes, curve: CurveComparison, value: np.ndarray, error: np.ndarray) -> None:
    """A quantity that is one for a perfect mock."""
    axes.axhline(1, color=HELD_OUT, lw=1)
    draw_errors(axes, curve.centre, value, error)
    if not np.isfinite(value).any():
        axes.text(0.5, 0.4, "no null: one held-out each", transform=axes.transAxes, ha="center")
    set_abscissa(axes, curve)
    axes.set_xlabel(abscissa_label(curve))
    axes.margins(y=0.2)


def _draw_ranks(axes: Axes, curve: CurveComparison) -> None:
    """The histogram of each bin as a thin line, their mean as steps, flat within its noise."""
    counts = curve.spread.histogram.astype(float)
    number, ranks = counts[0].sum(), counts.shape[1]
    edges = np.linspace(0, 1, ranks + 1)
    noise = np.sqrt((1 - 1 / ranks) * ranks / max(number, 1))
    axes.axhspan(1 - noise, 1 + noise, color=BAND, alpha=0.35, lw=0, label="one bin, ±1 sigma")
    axes.axhline(1, color=HELD_OUT, lw=1)
    density = counts * ranks / max(number, 1)
    for each in density:
        axes.stairs(each, edges, color=BASE, alpha=0.45, lw=0.8)
    axes.stairs(density.mean(axis=0), edges, color=GENERATED, lw=1.8, label="mean of all bins")
    axes.set(
        xlim=(0, 1),
        ylim=(0, max(2.2, 1.35 * float(density.max()))),
        xlabel="rank of held-out among generated",
        ylabel="relative frequency",
    )
    axes.set_title(f"{curve.name}: flat with p = {curve.spread.flatness_p_value:.2g}", loc="left")
    axes.legend(loc="upper center", ncols=2, fontsize=7, columnspacing=1.2, handlelength=1.6)


def marks_figure(split: SplitComparison) -> Figure:
    """N in the first panel, the marks in the others."""
    columns = 1 + len(split.marks)
    figure = new_figure(max(4.5, 3.4 * columns), 4.4)
    grid = figure.add_gridspec(2, columns, height_ratios=(2.4, 1))
    _draw_counts(figure.add_subplot(grid[:, 0]), split.count)
    for column, mark in enumerate(split.marks, start=1):
        above = figure.add_subplot(grid[0, column])
        below = figure.add_subplot(grid[1, column], sharex=above)
        _draw_mark(above, below, mark)
    return figure


def _draw_counts(axes: Axes, count: CountComparison) -> None:
    """Normalised histograms: sets may differ in size."""
    both = np.concatenate([count.held_out, count.generated])
    edges = np.linspace(both.min() - 0.5, both.max() + 0.5, 17)
    for values, colour, fill, label in (
        (count.held_out, BAND, True, "held-out"),
        (count.generated, GENERATED, False, "generated"),
    ):
        weights = np.full(len(values), 1 / len(values))
        kind = "stepfilled" if fill else "step"
        axes.hist(values, edges, weights=weights, histtype=kind, color=colour, lw=1.6, label=label)  # type: ignore[arg-type]
        axes.axvline(values.mean(), color=HELD_OUT if fill else colour, ls="-" if fill else "--")
    axes.set(xlabel="points per catalogue", ylabel="fraction of catalogues")
    axes.margins(y=0.2)
    axes.legend(loc="upper right", title="lines: means", title_fontsize=8)


def _draw_mark(above: Axes, below: Axes, mark: MarkComparison) -> None:
    """Density with errors, on a logarithmic scale, and the difference in errors of both."""
    centre = (mark.edges[1:] + mark.edges[:-1]) / 2
    per_width = 1 / np.diff(mark.edges)
    density = mark.held_out.mean * per_width
    error = mark.held_out.error * per_width
    above.fill_between(
        centre, density - error, density + error, step="mid", color=BAND, alpha=0.75, lw=0
    )
    above.step(centre, density, where="mid", color=HELD_OUT, label="held-out")
    draw_points(above, centre, mark.generated, per_width)
    above.set_yscale("log")
    positive = density[density > 0]
    above.set_ylim(0.3 * positive.min(), 6 * positive.max())
    above.set_ylabel(
        "fraction of points per " + ("dex" if mark.name == MASS else as_label(mark.unit or "unit"))
    )
    above.legend(loc="upper right")
    above.tick_params(labelbottom=False)
    difference = mark.generated.minus(mark.held_out)
    draw_deviations(below, centre, difference.mean / difference.error, ms=4)
    unit = r"$M_\odot/h$" if mark.unit == "Msun/h" else as_label(mark.unit)
    name = as_label(mark.name) + (f" [{unit}]" if unit else "")
    below.set(ylabel="diff. / error", xlabel=name)
