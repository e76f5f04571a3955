"""Statistics of pairs: xi(r), its logarithm, redshift-space multipoles, velocities and marks.

The mean pairwise velocity of a set is a ratio of sums over its pairs, and has a value also in a bin
in which one catalogue has no pair. The marked correlation is 1 where marks do not depend on the
neighbours; that of points placed at random shows it.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated

import numpy as np

from galgen.checked import DISTINCT, FILLED, Count, Edges, Whole, checked
from galgen.data.catalogue import VELOCITIES
from galgen.errors import InputError
from galgen.measurements.bins import separation_edges
from galgen.measurements.ratio import Ratio
from galgen.measurements.statistic import Axis, Clouds, Statistic, Volume
from galgen.statistics.pairs.correlation import two_point_correlation
from galgen.statistics.pairs.multipoles import correlation_multipoles, legendre_weights
from galgen.statistics.pairs.pairwise_velocity import marked_correlation, pairwise_velocity
from galgen.statistics.redshift_space import redshift_space_positions


@dataclasses.dataclass(frozen=True)
@checked
class Correlation(Statistic):
    """xi(r), by the natural estimator.

    Attributes:
        edges: in Mpc/h; None for those of :func:`~galgen.measurements.bins.separation_edges`.
        bins: how many, where the edges are not given.
    """

    edges: Edges | None = None
    bins: Count = 7

    def axes(self, volume: Volume) -> tuple[Axis, ...]:
        edges = separation_edges(volume, self.edges, self.bins)
        return (Axis("xi", "r", "Mpc/h", edges, targeted=True, weight_power=2),)

    def measure(self, clouds: Clouds, volume: Volume) -> tuple[Ratio, ...]:
        xi = two_point_correlation(
            clouds.positions, clouds.mask, self.axes(volume)[0].edges, volume.box, volume.periodic
        )
        pairs = np.asarray(xi.pairs, np.float64)
        return (Ratio(pairs, np.asarray(xi.random_pairs, np.float64), -1.0, pairs=True),)


@dataclasses.dataclass(frozen=True)
@checked
class LogCorrelation(Statistic):
    """ln (DD + 1) / (RR + 1), near ln(1 + xi): finite where a bin holds no pair.

    Attributes:
        edges: of the bins, Mpc/h.
    """

    edges: Edges

    def axes(self, volume: Volume) -> tuple[Axis, ...]:
        return (Axis("ln_xi", "r", "Mpc/h", np.asarray(self.edges, np.float64)),)

    def measure(self, clouds: Clouds, volume: Volume) -> tuple[Ratio, ...]:
        xi = two_point_correlation(
            clouds.positions, clouds.mask, self.edges, volume.box, volume.periodic
        )
        value = np.log((np.asarray(xi.pairs) + 1) / (np.asarray(xi.random_pairs) + 1))
        return (Ratio.of_values(value, clouds.filled),)


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

    def axes(self, volume: Volume) -> tuple[Axis, ...]:
        return (Axis("marked", "r", "Mpc/h", separation_edges(volume, self.edges, self.bins)),)

    def measure(self, clouds: Clouds, volume: Volume) -> tuple[Ratio, ...]:
        found = marked_correlation(
            clouds.positions, clouds.columns[self.column], clouds.mask,
            self.axes(volume)[0].edges, volume.box, volume.periodic,
        )  # fmt: skip
        return (Ratio(np.asarray(found.products, np.float64), np.asarray(found.pairs, np.float64)),)


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

    def axes(self, volume: Volume) -> tuple[Axis, ...]:
        return (Axis("v12", "r", "Mpc/h", separation_edges(volume, self.edges, self.bins)),)

    def measure(self, clouds: Clouds, volume: Volume) -> tuple[Ratio, ...]:
        found = pairwise_velocity(
            clouds.positions, clouds.stacked(VELOCITIES), clouds.mask,
            self.axes(volume)[0].edges, volume.box, volume.periodic,
        )  # fmt: skip
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

    def axes(self, volume: Volume) -> tuple[Axis, ...]:
        edges = separation_edges(volume, self.edges, self.bins)
        return tuple(Axis(f"xis{ell}", "s", "Mpc/h", edges, weight_power=2) for ell in self.ells)

    def measure(self, clouds: Clouds, volume: Volume) -> tuple[Ratio, ...]:
        if not volume.periodic:
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
            clouds.stacked(VELOCITIES),
            volume.box,
            redshift=clouds.redshift,
            cosmology=clouds.cosmologies,
        )
        found = correlation_multipoles(
            moved, clouds.mask, self.axes(volume)[0].edges, volume.box, self.mu_bins, self.ells
        )
        weight = legendre_weights(self.ells, self.mu_bins) / self.mu_bins
        above = np.einsum("bsm,lm->lbs", np.asarray(found.pairs, np.float64), weight)
        below = np.asarray(found.random_pairs, np.float64)
        return tuple(
            Ratio(share, below, -1.0 if ell == 0 else 0.0)
            for ell, share in zip(self.ells, above, strict=True)
        )
