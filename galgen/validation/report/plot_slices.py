"""Figure of slices: a slab of a quarter of the box, held-out and generated side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from galgen.data.catalogue import Catalogue
from galgen.plot_style import GENERATED, HELD_OUT, as_label, new_figure
from galgen.resolution import SINGLE, spread
from galgen.validation.comparison import Comparison
from galgen.validation.sets import Sets, in_order

PAIRS = 2
DEPTH = 0.25


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
