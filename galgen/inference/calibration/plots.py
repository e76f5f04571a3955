"""Pictures of calibration: what was found, in the band of 99 of 100 calibrated cases."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from galgen.inference.calibration.predictive import PredictiveCheck
from galgen.inference.calibration.ranks import Ranks
from galgen.inference.calibration.tarp import Tarp
from galgen.plot_style import BAND, BASE, GENERATED, HELD_OUT, as_label, new_figure
from galgen.resolution import spread

LEVELS = np.linspace(0.0, 1.0, 101)
COLORS = (GENERATED, BASE, HELD_OUT)
LINES = ("-", "--", "-.", ":")
BAND_LABEL = "99% of calibrated cases"


def plot_ranks(ranks: Ranks) -> Figure:
    """A histogram of ranks for every parameter, its expectation and the band of one bin."""
    figure = new_figure(2.9 * len(ranks.names), 2.6)
    edges = np.linspace(0, 1, ranks.bins + 1)
    low, high = ranks.band
    rows = zip(
        figure.subplots(1, len(ranks.names), squeeze=False)[0], ranks.histogram(), strict=True
    )
    for name, (axes, counts) in zip(ranks.names, rows, strict=True):
        axes.axhspan(low, high, color=BAND, alpha=0.3, lw=0, label="99% of calibrated bins")
        axes.stairs(counts, edges, color=GENERATED, lw=1.5)
        axes.axhline(len(ranks.places) / ranks.bins, color=HELD_OUT, lw=0.8)
        axes.set(xlabel=f"rank of {as_label(name)} / draws", ylabel="catalogues", xlim=(0, 1))
        axes.set_ylim(0, 1.25 * max(high, counts.max()))
        axes.set_title(f"p = {ranks.p_values[name]:.2g}")
    return figure


def plot_coverage(ranks: Ranks) -> Figure:
    """The coverage of central intervals of every parameter against their level."""
    figure = new_figure(3.3, 3.2)
    axes = figure.subplots()
    _band(axes, ranks.half_width)
    curves = zip(ranks.names, ranks.coverage(LEVELS), strict=True)
    for i, (name, curve) in enumerate(curves):
        label = f"{as_label(name)}, p = {ranks.coverage_p_values[name]:.2g}"
        color = COLORS[i % len(COLORS)]
        axes.plot(LEVELS, curve, LINES[i % len(LINES)], color=color, label=label)
    axes.set(xlabel="credible level", ylabel="fraction that holds the truth")
    axes.legend(loc="upper left")
    return figure


def plot_tarp(found: Sequence[Tarp], labels: Sequence[str]) -> Figure:
    """Expected coverage by distances to random points, of one or several sets of posteriors."""
    figure = new_figure(3.3, 3.2)
    axes = figure.subplots()
    _band(axes, max(one.half_width for one in found))
    for i, (one, label) in enumerate(zip(found, labels, strict=True)):
        text = f"{label}, p = {one.p_value:.2g}"
        color = COLORS[i % len(COLORS)]
        axes.plot(LEVELS, one.coverage(LEVELS), LINES[i % len(LINES)], color=color, label=text)
    axes.set(xlabel="credibility", ylabel="expected coverage (TARP)")
    axes.legend(loc="upper left")
    return figure


def plot_predictive(check: PredictiveCheck, names: Sequence[str]) -> Figure:
    """Each component of a statistic among its draws, in units of their spread."""
    figure = new_figure(max(3.3, 0.55 * len(names) + 1.2), 2.8)
    axes = figure.subplots()
    center, width = check.drawn.mean(axis=0), spread(check.drawn)
    width = np.where(width > 0, width, np.nan)  # draws all alike have no unit, and are left empty
    places = np.arange(len(names))
    low, high = (np.quantile(check.drawn, [0.005, 0.995], axis=0) - center) / width
    axes.bar(places, high - low, 0.6, low, color=BAND, alpha=0.3, lw=0, label="99% of draws")
    axes.plot(places, (check.observed - center) / width, "o", color=GENERATED, label="observed")
    axes.axhline(0, color=HELD_OUT, lw=0.8)
    axes.set_xticks(places, [as_label(name) for name in names])
    axes.set_ylabel("distance from the mean draw / spread")
    axes.set_title(f"p = {check.p_value:.2g}")
    axes.legend(loc="upper right")
    return figure


def _band(axes: Axes, half: float) -> None:
    low, high = np.clip(LEVELS - half, 0, 1), np.clip(LEVELS + half, 0, 1)
    axes.fill_between(LEVELS, low, high, color=BAND, alpha=0.3, lw=0, label=BAND_LABEL)
    axes.plot(LEVELS, LEVELS, color=HELD_OUT, lw=0.8)
    axes.set(xlim=(0, 1), ylim=(0, 1))
