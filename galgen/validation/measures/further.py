"""Statistics beyond xi(r) and P(k), for ``ValidationSettings.further``.

The nearest-neighbour distributions are kept as the probability per bin, not cumulated, so that bins
are less alike and none is saturated::

    p_k,i = CDF_k(r_i+1) - CDF_k(r_i),     the fraction of queries whose k-th neighbour lies there

The mean pairwise velocity of a set is a ratio of sums over its pairs, so that a bin in which one
catalogue has no pair has a value all the same.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated

import numpy as np

from galgen.checked import DISTINCT, FILLED, RISING, Count, Edges, Size, Whole, checked
from galgen.data.catalogue import VELOCITIES
from galgen.errors import InputError
from galgen.statistics.counts.nearest_neighbors import nearest_neighbor_distribution
from galgen.statistics.counts.neighbor_counts import neighbor_counts, neighbor_counts_by_tree
from galgen.statistics.counts.sphere_counts import lattice_centers
from galgen.statistics.pairs.multipoles import correlation_multipoles, legendre_weights
from galgen.statistics.pairs.pairwise_velocity import pairwise_velocity
from galgen.statistics.redshift_space import redshift_space_positions
from galgen.validation.measures.ratio import Ratio
from galgen.validation.measures.statistic import Axis, Clouds, Statistic, Survey
from galgen.validation.measures.two_point import Correlation

LARGE = 4096
"""Catalogues of more points are searched by tree on the host."""


@dataclasses.dataclass(frozen=True)
@checked
class NearestNeighbors(Statistic):
    """Distance from the centres of a lattice to the k-th nearest point: voids and clumps.

    Attributes:
        neighbors: increasing k; a curve ``knn1``, ``knn2``, ... for each.
        edges: of the distance in mean separations (V / N)^(1/3) of held-out.
        per_side: the lattice has ``per_side³`` queries.
    """

    neighbors: Annotated[tuple[Count, ...], FILLED, RISING] = (1, 2, 4)
    edges: Edges = (0.1, 0.3, 0.5, 0.7, 0.9, 1.2)
    per_side: Size = 12

    def axes(self, survey: Survey) -> tuple[Axis, ...]:
        spacing = float(np.prod(survey.box) / survey.mean_count) ** (1 / 3)
        edges = np.asarray(self.edges, np.float64) * spacing
        return tuple(
            Axis(f"knn{k}", "r", "Mpc/h", edges, logarithmic=False) for k in self.neighbors
        )

    def measure(self, clouds: Clouds, survey: Survey) -> tuple[Ratio, ...]:
        counter = neighbor_counts_by_tree if clouds.mask.shape[1] > LARGE else neighbor_counts
        found = nearest_neighbor_distribution(
            clouds.positions,
            clouds.mask,
            self.axes(survey)[0].edges,
            survey.box,
            lattice_centers(self.per_side, survey.box).astype(np.float32),
            self.neighbors,
            survey.periodic,
            counter,
        )
        within = np.diff(np.asarray(found.counts, np.float64), axis=-1)
        real = np.any(clouds.mask, axis=1).reshape(-1, 1)
        queries = np.where(real, float(found.queries), 0.0) * np.ones_like(within[:, 0])
        return tuple(Ratio(within[:, i], queries) for i in range(len(self.neighbors)))


@dataclasses.dataclass(frozen=True)
@checked
class PairwiseVelocity(Statistic):
    """v_12(r), the mean velocity of pairs along their separation [km/s]; negative is infall.

    Attributes:
        edges: in Mpc/h; None for those of xi(r).
        bins: how many, where the edges are not given.
    """

    edges: Edges | None = None
    bins: Count = 7

    @property
    def columns(self) -> tuple[str, ...]:
        return VELOCITIES

    def axes(self, survey: Survey) -> tuple[Axis, ...]:
        edges = Correlation(self.edges, self.bins).edges_in(survey.box, survey.mean_count)
        return (Axis("v12", "r", "Mpc/h", edges),)

    def measure(self, clouds: Clouds, survey: Survey) -> tuple[Ratio, ...]:
        motion = np.stack([clouds.columns[name] for name in VELOCITIES], axis=-1)
        edges = self.axes(survey)[0].edges
        found = pairwise_velocity(
            clouds.positions, motion, clouds.mask, edges, survey.box, survey.periodic
        )
        return (Ratio(np.asarray(found.sums, np.float64), np.asarray(found.pairs, np.float64)),)


@dataclasses.dataclass(frozen=True)
@checked
class RedshiftSpaceMultipoles(Statistic):
    """xi_l(s) along the z axis, in redshift space at each catalogue's own cosmology.

    Attributes:
        ells: even multipoles; a curve ``xis0``, ``xis2``, ... for each.
        edges: in Mpc/h; None for those of xi(r).
        bins: how many, where the edges are not given.
        mu_bins: even bins of mu from 0 to 1.
    """

    ells: Annotated[tuple[Whole, ...], FILLED, DISTINCT] = (0, 2)
    edges: Edges | None = None
    bins: Count = 7
    mu_bins: Count = 20

    @property
    def columns(self) -> tuple[str, ...]:
        return VELOCITIES

    def axes(self, survey: Survey) -> tuple[Axis, ...]:
        edges = Correlation(self.edges, self.bins).edges_in(survey.box, survey.mean_count)
        return tuple(Axis(f"xis{ell}", "s", "Mpc/h", edges, weight_power=2) for ell in self.ells)

    def measure(self, clouds: Clouds, survey: Survey) -> tuple[Ratio, ...]:
        if not survey.periodic:
            raise InputError(
                "expected periodic boxes for multipoles in redshift space, got open ones; leave "
                "RedshiftSpaceMultipoles out"
            )
        if "omega_m" not in clouds.cosmology:
            raise InputError(
                "expected catalogues that know omega_m, for redshift space, got some that do not; "
                "leave RedshiftSpaceMultipoles out"
            )
        moved = redshift_space_positions(
            clouds.positions,
            np.stack([clouds.columns[name] for name in VELOCITIES], axis=-1),
            survey.box,
            redshift=clouds.redshift,
            cosmology=clouds.cosmologies,
        )
        found = correlation_multipoles(
            moved, clouds.mask, self.axes(survey)[0].edges, survey.box, self.mu_bins, self.ells
        )
        weight = legendre_weights(self.ells, self.mu_bins) / self.mu_bins
        above = np.einsum("bsm,lm->lbs", np.asarray(found.pairs, np.float64), weight)
        below = np.asarray(found.random_pairs, np.float64)
        return tuple(
            Ratio(share, below, -1.0 if ell == 0 else 0.0)
            for ell, share in zip(self.ells, above, strict=True)
        )
