"""Statistics beyond pairs, and of marks, for ``ValidationSettings.further``.

The bispectrum is compared as it is: Q = B / (P P + ...) has a denominator that may vanish, and for
the uniform base does. Counts in cells are compared by two ratios of sums over the cells of side L
that tile the box, with n the count of a cell (:mod:`galgen.statistics.counts.counts_in_cells`)::

    xi_2(L) = (<(n - <n>)²> - <n>) / <n>²,    P_0(L) = empty cells / cells, the void probability

Unlike all of P_N, whose sum is one, values at several L have a covariance that can be inverted. The
marked correlation is 1 where marks do not know of the neighbours; the base, whose points are at
random, shows it.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated

import numpy as np
from jaxtyping import Float

from galgen.checked import FILLED, Count, Edges, Positive, Size, checked
from galgen.errors import InputError
from galgen.statistics.counts.counts_in_cells import cell_counts
from galgen.statistics.fourier.bispectrum import bispectrum
from galgen.statistics.fourier.modes import nyquist
from galgen.statistics.fourier.triangles import equilateral, squeezed
from galgen.statistics.pairs.pairwise_velocity import marked_correlation
from galgen.validation.measures.ratio import Ratio
from galgen.validation.measures.statistic import Axis, Clouds, Statistic, Survey
from galgen.validation.measures.two_point import Correlation


@dataclasses.dataclass(frozen=True)
@checked
class Bispectrum(Statistic):
    """B of equilateral triangles, and of squeezed ones whose long wave is in the first bin.

    For an open box it is that of the box as if it were periodic, alike for every set.

    Attributes:
        edges: in h/Mpc; None for ``bins`` even ones of two fundamental modes each.
        bins: how many, where the edges are not given; as many as end below half of Nyquist.
        mesh_size: cells along each side.
    """

    edges: Edges | None = None
    bins: Count = 5
    mesh_size: Size = 64

    def axes(self, survey: Survey) -> tuple[Axis, ...]:
        edges = self._edges(survey)
        curves = (("B_equilateral", edges), ("B_squeezed", edges[1:]))
        return tuple(Axis(name, "k", "h/Mpc", part, weight_power=3) for name, part in curves)

    def _edges(self, survey: Survey) -> Float[np.ndarray, "edges"]:
        if self.edges is not None:
            if len(self.edges) < 3:
                raise InputError(
                    f"expected at least 2 bins for squeezed triangles, got edges {self.edges}; "
                    "add one"
                )
            return np.asarray(self.edges, np.float64)
        fundamental = 2 * np.pi / min(survey.box)
        room = int((0.5 * nyquist(survey.box, self.mesh_size) / fundamental - 0.5) / 2 + 1e-9)
        if min(room, self.bins) < 2:
            raise InputError(
                "expected a mesh with room for 2 bins below half its Nyquist wavenumber, got "
                f"mesh_size={self.mesh_size} and bins={self.bins} for a box of {survey.box}; "
                "enlarge mesh_size"
            )
        return fundamental * (0.5 + 2 * np.arange(min(room, self.bins) + 1))

    def measure(self, clouds: Clouds, survey: Survey) -> tuple[Ratio, ...]:
        edges = self._edges(survey)
        bins = len(edges) - 1
        found = bispectrum(
            clouds.positions, clouds.mask, survey.box, self.mesh_size, edges,
            (*equilateral(bins), *squeezed(bins)),
        )  # fmt: skip
        values = np.asarray(found.bispectrum, np.float64)
        real = np.any(clouds.mask, axis=1).reshape(-1, 1)
        above, below = np.where(real, values, 0.0), np.where(real, np.ones_like(values), 0.0)
        return Ratio(above[:, :bins], below[:, :bins]), Ratio(above[:, bins:], below[:, bins:])


@dataclasses.dataclass(frozen=True)
@checked
class CountsInCells(Statistic):
    """xi_2 and P_0 of the cells that tile the box, of several sides.

    Attributes:
        mean_numbers: points per cell of held-out, about: the sides are chosen for them.

    Raises:
        InputError: a mean number that is not positive.
    """

    mean_numbers: Annotated[tuple[Positive, ...], FILLED] = (0.5, 1.0, 2.0, 4.0)

    def axes(self, survey: Survey) -> tuple[Axis, ...]:
        side = min(survey.box) / np.array(self.per_side(survey), np.float64)
        between = np.sqrt(side[1:] * side[:-1])
        # Edges about the sides: one alone, or the outer ones, as far out as the next is in.
        low = side[0] ** 2 / between[0] if len(between) else side[0] / 1.5
        high = side[-1] ** 2 / between[-1] if len(between) else side[0] * 1.5
        edges = np.concatenate([[low], between, [high]])
        return tuple(Axis(name, "L", "Mpc/h", edges) for name in ("cells", "void"))

    def per_side(self, survey: Survey) -> tuple[int, ...]:
        """Cells along each side of the box, the smallest cells first."""
        chosen = {max(2, round((survey.mean_count / n) ** (1 / 3))) for n in self.mean_numbers}
        return tuple(sorted(chosen, reverse=True))

    def measure(self, clouds: Clouds, survey: Survey) -> tuple[Ratio, ...]:
        excess, squares, empty, number = [], [], [], []
        real = np.any(clouds.mask, axis=1)
        for cells in self.per_side(survey):
            found = cell_counts(clouds.positions, clouds.mask, survey.box, cells)
            counts = np.asarray(found, np.float64)
            excess.append(counts.var(axis=1) - counts.mean(axis=1))
            squares.append(counts.mean(axis=1) ** 2)
            empty.append(np.where(real, np.sum(counts == 0, axis=1), 0.0))
            number.append(np.where(real, float(cells**3), 0.0))
        above, below, void, every = (np.stack(c, axis=1) for c in (excess, squares, empty, number))
        return Ratio(above, below), Ratio(void, every)


@dataclasses.dataclass(frozen=True)
@checked
class MarkedCorrelation(Statistic):
    """M(r), the mean product of the marks of pairs over the square of the mean mark.

    Attributes:
        column: the mark, positive.
        edges: in Mpc/h; None for those of xi(r).
        bins: how many, where the edges are not given.
    """

    column: str = "mass"
    edges: Edges | None = None
    bins: Count = 7

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def axes(self, survey: Survey) -> tuple[Axis, ...]:
        edges = Correlation(self.edges, self.bins).edges_in(survey.box, survey.mean_count)
        return (Axis("marked", "r", "Mpc/h", edges),)

    def measure(self, clouds: Clouds, survey: Survey) -> tuple[Ratio, ...]:
        found = marked_correlation(
            clouds.positions, clouds.columns[self.column], clouds.mask,
            self.axes(survey)[0].edges, survey.box, survey.periodic,
        )  # fmt: skip
        return (Ratio(np.asarray(found.products, np.float64), np.asarray(found.pairs, np.float64)),)
