"""Figure of a suite: slabs of its first catalogues, counts, and the parameters it covers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from galgen.data.catalogue import POSITIONS, Catalogue
from galgen.data.suite import Suite
from galgen.plot_style import BASE, GENERATED, HELD_OUT, as_label, new_figure
from galgen.resolution import SINGLE, spread
from galgen.validation.report.plot_slices import draw_slab, mass_range

SLABS = 4
COLOURS = (HELD_OUT, GENERATED, BASE, "#b08f3c", "#6a8f5a")


def suite_figure(suite: Suite) -> Figure:
    """Slabs of a quarter of the box; then counts by split, and the first two parameters."""
    first = [suite[i] for i in range(min(SLABS, len(suite)))]
    figure = new_figure(10.0, 5.4)
    halves: Any = figure.subfigures(2, 1)
    above, below = halves
    slabs = list(above.subplots(1, SLABS))
    for axes in slabs[len(first) :]:
        axes.axis("off")
    _draw_slabs(slabs, first, suite.splits)
    counts, coverage = below.subplots(1, 2)
    _draw_counts(counts, suite)
    _draw_coverage(coverage, suite)
    return figure


def _draw_slabs(
    panels: Sequence[Axes], catalogues: Sequence[Catalogue], splits: np.ndarray
) -> None:
    masses = mass_range(catalogues)
    for number, (axes, catalogue) in enumerate(zip(panels, catalogues, strict=False)):
        axes.set_title(f"{number} ({as_label(splits[number])}): N = {len(catalogue)}")
        if not all(name in catalogue.columns for name in POSITIONS):
            axes.text(0.5, 0.5, "no positions", ha="center", transform=axes.transAxes)
            continue
        draw_slab(axes, catalogue, HELD_OUT, masses)
        axes.set_xlabel("$x$ [Mpc/$h$]")
    panels[0].set_ylabel("$y$ [Mpc/$h$]")


def _draw_counts(axes: Axes, suite: Suite) -> None:
    counts = suite.counts
    low, high = int(counts.min()), int(counts.max())
    bins = np.unique(np.rint(np.linspace(low, high + 1, min(41, high - low + 2)))) - 0.5
    by_split = {name: counts[suite.splits == name] for name in dict.fromkeys(suite.splits)}
    axes.hist(
        list(by_split.values()),
        bins.tolist(),
        stacked=True,
        label=[f"{as_label(name)}, {len(chosen)}" for name, chosen in by_split.items()],
        color=[_colour(number) for number in range(len(by_split))],
        alpha=0.8,
    )
    axes.set(xlabel="points per catalogue", ylabel="catalogues", title="Counts by split")
    axes.legend()


def _draw_coverage(axes: Axes, suite: Suite) -> None:
    """Omega_m and sigma_8, or the first two parameters that vary, redshift the last of them."""
    names = sorted(suite.parameter_names, key=lambda name: name not in ("omega_m", "sigma_8"))
    values = {name: suite.parameter_table([name])[:, 0] for name in names}
    values["redshift"] = suite.redshifts
    vary = [name for name, column in values.items() if spread(column, SINGLE) > 0]
    axes.set_title("Parameters covered")
    if not vary:
        axes.text(0.5, 0.5, "all parameters are the same", ha="center", transform=axes.transAxes)
        axes.axis("off")
        return
    ordinate = vary[1] if len(vary) > 1 else None
    for number, name in enumerate(dict.fromkeys(suite.splits)):
        chosen = suite.splits == name
        x = values[vary[0]][chosen]
        y = suite.counts[chosen] if ordinate is None else values[ordinate][chosen]
        axes.plot(x, y, "o", ms=3.5, mew=0, alpha=0.7, color=_colour(number))
    axes.set(xlabel=as_label(vary[0]), ylabel=as_label(ordinate or "points per catalogue"))


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]
