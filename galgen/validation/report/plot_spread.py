"""Figure of the spread of single catalogues: variance ratio, rank histograms, CRPS."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from galgen.plot_style import BAND, BASE, GENERATED, HELD_OUT, new_figure
from galgen.validation.curves import CurveComparison
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
    axes.errorbar(
        curve.centre, value, error, fmt="o", ms=4.5, mfc="white", color=GENERATED, capsize=2
    )
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
