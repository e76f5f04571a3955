"""Figures of slabs of a quarter of the box: held-out beside generated, and of one suite."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from galgen.data.catalogue import POSITIONS, Catalogue
from galgen.data.suite import Suite
from galgen.plot_style import BASE, GENERATED, HELD_OUT, as_label, new_figure
from galgen.resolution import SINGLE, spread
from galgen.validation.comparison import Comparison
from galgen.validation.sets import Sets, in_order

PAIRS = 2
DEPTH = 0.25
SLABS = 4
COLOURS = (HELD_OUT, GENERATED, BASE, "#b08f3c", "#6a8f5a")


def slice_figure(comparison: Comparison, generated: Sets, held_out: Sets) -> Figure:
    """A row per split of the contrast (or the main split), two pairs of nearest cosmology each."""
    names = comparison.contrast or (comparison.main.name,)
    side = comparison.box[0]
    aspect = comparison.box[1] / side
    figure = new_figure(10.0, 0.4 + len(names) * 2.55 * aspect)
    panels = figure.subplots(len(names), 2 * PAIRS, squeeze=False, sharex=True, sharey=True)
    for row, name in zip(panels, names, strict=True):
        pairs = matched_pairs(generated[name], held_out[name])
        masses = mass_range([c for pair in pairs for c in pair])
        for index, pair in enumerate(pairs):
            for shift, (kind, colour, catalogue) in enumerate(
                zip(("held-out", "generated"), (HELD_OUT, GENERATED), pair, strict=True)
            ):
                draw_slab(row[2 * index + shift], catalogue, colour, masses)
                row[2 * index + shift].set_title(f"{as_label(name)}: {kind}, N = {len(catalogue)}")
        row[0].set_ylabel("$y$ [Mpc/$h$]")
    for axes in panels[-1]:
        axes.set_xlabel("$x$ [Mpc/$h$]")
    return figure


def matched_pairs(
    generated: Sequence[Catalogue], held_out: Sequence[Catalogue]
) -> list[tuple[Catalogue, Catalogue]]:
    """Held-out catalogues of the most usual number of points, and their nearest generated ones.

    Nearest in cosmology, then in number of points; none is used twice.
    """
    mean = np.mean([len(c) for c in held_out])
    usual = sorted(in_order(held_out), key=lambda c: abs(len(c) - mean))[:PAIRS]
    names = [n for n in usual[0].cosmology if all(n in c.cosmology for c in generated)]
    values = {n: np.array([c.cosmology[n] for c in held_out]) for n in names}
    widths = {n: float(spread(column, SINGLE)) or math.inf for n, column in values.items()}
    left = list(in_order(generated))
    average = np.mean([len(c) for c in generated])
    pairs = []
    for catalogue in usual:

        def far(other: Catalogue, to: Catalogue = catalogue) -> tuple[float, float]:
            gaps: list[float] = [(other.cosmology[n] - to.cosmology[n]) / widths[n] for n in names]
            return round(sum((gap**2 for gap in gaps), 0.0), 9), float(abs(len(other) - average))

        nearest = min(range(len(left)), key=lambda index: far(left[index]))
        pairs.append((catalogue, left.pop(nearest)))
    return pairs


def mass_range(catalogues: Sequence[Catalogue]) -> tuple[float, float] | None:
    """Range of log10 mass over several panels; None where masses are missing or not positive."""
    if not all("mass" in c.columns for c in catalogues):
        return None
    masses = np.concatenate([c.columns["mass"] for c in catalogues]).astype(np.float64)
    if not len(masses) or masses.min() <= 0:
        return None
    logs = np.log10(masses)
    return float(logs.min()), float(logs.max())


def draw_slab(
    axes: Axes, catalogue: Catalogue, colour: str, masses: tuple[float, float] | None
) -> None:
    """The points with z in the first quarter of the box, larger where the mass is.

    ``masses`` is the :func:`mass_range` of catalogues of which this is one.
    """
    x = catalogue.positions
    inside = x[:, 2] < DEPTH * catalogue.box[2]
    size: np.ndarray | float = float(np.clip(900 / max(inside.sum(), 1), 1, 12))
    if masses is not None:
        low, high = masses
        log = np.log10(catalogue.columns["mass"][inside].astype(np.float64))
        size = 3 + 45 * ((log - low) / max(high - low, 1e-9)) ** 1.5
    axes.scatter(x[inside, 0], x[inside, 1], s=size, color=colour, alpha=0.75, lw=0)
    axes.set(xlim=(0, catalogue.box[0]), ylim=(0, catalogue.box[1]), aspect="equal")


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
