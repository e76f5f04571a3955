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
    mean_in_bins,
)
from galgen.statistics.counts.nearest_neighbors import (
    JointNeighborDistribution,
    NeighborDistribution,
    joint_neighbor_distribution,
    nearest_neighbor_distribution,
)
from galgen.statistics.counts.neighbor_counts import neighbor_counts, neighbor_counts_by_tree
from galgen.statistics.counts.sphere_counts import (
    lattice_centers,
    sphere_counts,
    sphere_counts_by_tree,
)
from galgen.statistics.counts.weighted_cells import WeightedCells, weighted_counts_in_cells

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
    "lattice_centers",
    "mark_distribution",
    "mass_function",
    "mean_in_bins",
    "nearest_neighbor_distribution",
    "neighbor_counts",
    "neighbor_counts_by_tree",
    "sphere_counts",
    "sphere_counts_by_tree",
    "weighted_counts_in_cells",
]
