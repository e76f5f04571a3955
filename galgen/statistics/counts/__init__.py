"""Counts in cells and spheres, nearest neighbours, voids, masses."""

from galgen.statistics.counts.counts_in_cells import (
    CountsInCells,
    counts_in_cells,
    counts_in_spheres,
)
from galgen.statistics.counts.marks import (
    MarkDistribution,
    MassFunction,
    mark_distribution,
    mass_function,
)
from galgen.statistics.counts.nearest_neighbors import (
    JointNeighborDistribution,
    NeighborDistribution,
    joint_neighbor_distribution,
    nearest_neighbor_distribution,
)
from galgen.statistics.counts.weighted_cells import (
    WeightedCells,
    weighted_counts_in_cells,
)

__all__ = [
    "CountsInCells",
    "JointNeighborDistribution",
    "MarkDistribution",
    "MassFunction",
    "NeighborDistribution",
    "WeightedCells",
    "counts_in_cells",
    "counts_in_spheres",
    "joint_neighbor_distribution",
    "mark_distribution",
    "mass_function",
    "nearest_neighbor_distribution",
    "weighted_counts_in_cells",
]
