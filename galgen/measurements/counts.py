"""Statistics of counts: ln N, nearest neighbours, counts in cells; and several statistics as one.

The nearest-neighbour distributions are taken as the probability per bin and not cumulated: bins are
less alike and none is saturated::

    p_k,i = CDF_k(r_i+1) - CDF_k(r_i),     the fraction of queries whose k-th neighbour lies there

Counts in cells are two ratios of sums over the cells of side L that tile the box, with n the count
of a cell (:mod:`galgen.statistics.counts.counts_in_cells`)::

    xi_2(L) = (<(n - <n>)²> - <n>) / <n>²,    P_0(L) = empty cells / cells, the void probability

P_N as a whole sums to one, and its covariance has no inverse; that of values at several L has one.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated

import numpy as np

from galgen.checked import FILLED, RISING, Count, Edges, Positive, Size, checked
from galgen.measurements.bins import cells_per_side
from galgen.measurements.ratio import Ratio
from galgen.measurements.statistic import Axis, Clouds, Statistic, Volume
from galgen.statistics.counts.counts_in_cells import cell_counts
from galgen.statistics.counts.nearest_neighbors import nearest_neighbor_distribution
from galgen.statistics.counts.neighbor_counts import neighbor_counts, neighbor_counts_by_tree
from galgen.statistics.counts.sphere_counts import lattice_centers

LARGE = 4096
"""Catalogues of more points are searched by tree on the host."""


@dataclasses.dataclass(frozen=True)
@checked
class LogNumber(Statistic):
    """ln N, the logarithm of the number of points."""

    def axes(self, volume: Volume) -> tuple[Axis, ...]:
        return (Axis("ln N", "", "", np.array([0.0, 1.0]), logarithmic=False),)

    def measure(self, clouds: Clouds, volume: Volume) -> tuple[Ratio, ...]:
        number = clouds.mask.sum(axis=1, keepdims=True).astype(np.float64)
        return (Ratio.of_values(np.log(np.maximum(number, 1.0)), clouds.filled),)


@dataclasses.dataclass(frozen=True)
@checked
class NearestNeighbors(Statistic):
    """Distance from the centres of a lattice to the k-th nearest point: voids and clumps.

    Attributes:
        neighbors: increasing k; a curve ``knn1``, ``knn2``, ... for each.
        edges: of the distance in mean separations (V / N)^(1/3).
        per_side: the lattice has ``per_side³`` queries.
    """

    neighbors: Annotated[tuple[Count, ...], FILLED, RISING] = (1, 2, 4)
    edges: Edges = (0.1, 0.3, 0.5, 0.7, 0.9, 1.2)
    per_side: Size = 12

    def axes(self, volume: Volume) -> tuple[Axis, ...]:
        edges = np.asarray(self.edges, np.float64) * volume.mean_separation
        return tuple(
            Axis(f"knn{k}", "r", "Mpc/h", edges, logarithmic=False) for k in self.neighbors
        )

    def measure(self, clouds: Clouds, volume: Volume) -> tuple[Ratio, ...]:
        counter = neighbor_counts_by_tree if clouds.mask.shape[1] > LARGE else neighbor_counts
        found = nearest_neighbor_distribution(
            clouds.positions,
            clouds.mask,
            self.axes(volume)[0].edges,
            volume.box,
            lattice_centers(self.per_side, volume.box).astype(np.float32),
            self.neighbors,
            volume.periodic,
            counter,
        )
        within = np.diff(np.asarray(found.counts, np.float64), axis=-1)
        queries = np.where(clouds.filled, float(found.queries), 0.0) * np.ones_like(within[:, 0])
        return tuple(Ratio(within[:, i], queries) for i in range(len(self.neighbors)))


@dataclasses.dataclass(frozen=True)
@checked
class CountsInCells(Statistic):
    """xi_2 and P_0 of the cells that tile the box, of several sides.

    Attributes:
        mean_numbers: points per cell, about: the sides are chosen for them.

    Raises:
        InputError: a mean number that is not positive.
    """

    mean_numbers: Annotated[tuple[Positive, ...], FILLED] = (0.5, 1.0, 2.0, 4.0)

    def axes(self, volume: Volume) -> tuple[Axis, ...]:
        side = min(volume.box) / np.array(cells_per_side(volume, self.mean_numbers), np.float64)
        between = np.sqrt(side[1:] * side[:-1])
        # Edges about the sides: one alone, or the outer ones, as far out as the next is in.
        low = side[0] ** 2 / between[0] if len(between) else side[0] / 1.5
        high = side[-1] ** 2 / between[-1] if len(between) else side[0] * 1.5
        edges = np.concatenate([[low], between, [high]])
        return tuple(Axis(name, "L", "Mpc/h", edges) for name in ("cells", "void"))

    def measure(self, clouds: Clouds, volume: Volume) -> tuple[Ratio, ...]:
        excess, squares, empty, number = [], [], [], []
        filled = clouds.filled[:, 0]
        for cells in cells_per_side(volume, self.mean_numbers):
            found = cell_counts(clouds.positions, clouds.mask, volume.box, cells)
            counts = np.asarray(found, np.float64)
            excess.append(counts.var(axis=1) - counts.mean(axis=1))
            squares.append(counts.mean(axis=1) ** 2)
            empty.append(np.where(filled, np.sum(counts == 0, axis=1), 0.0))
            number.append(np.where(filled, float(cells**3), 0.0))
        above, below, void, every = (np.stack(c, axis=1) for c in (excess, squares, empty, number))
        return Ratio(above, below), Ratio(void, every)


@dataclasses.dataclass(frozen=True)
@checked
class Joint(Statistic):
    """Several statistics, one after the other.

    Attributes:
        parts: the statistics.
    """

    parts: Annotated[tuple[Statistic, ...], FILLED]

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(name for part in self.parts for name in part.columns)

    def axes(self, volume: Volume) -> tuple[Axis, ...]:
        return tuple(axis for part in self.parts for axis in part.axes(volume))

    def measure(self, clouds: Clouds, volume: Volume) -> tuple[Ratio, ...]:
        return tuple(ratio for part in self.parts for ratio in part.measure(clouds, volume))
