"""The settings of a comparison: statistics, bins and the tolerance."""

from __future__ import annotations

import dataclasses

from galgen.checked import Count, Edges, Positive, Seed, Size, checked
from galgen.errors import InputError
from galgen.measurements.fourier import Power
from galgen.measurements.pairs import Correlation
from galgen.measurements.statistic import Statistic


@dataclasses.dataclass(frozen=True)
@checked
class ValidationSettings:
    """Bins, tolerance and the seed of a comparison.

    Attributes:
        separation_edges: edges of xi(r) in Mpc/h; None for the default of ``separation_bins`` bins.
        separation_bins: how many, where the edges are not given.
        wavenumber_edges: edges of P(k) in h/Mpc; None for the default.
        mesh_size: cells along each side for P(k).
        multipoles: of P(k), 0 among them; along the z axis.
        mark_bins: bins of every histogram.
        significance: a percentage has a meaning where held-out is more than this many errors from
            zero.
        tolerance: relative error up to which a measure is good: 0.05 is 5%.
        seed: of the uniform base and of the halves of held-out.
        batch_size: catalogues measured at a time; memory grows with it.
        statistics: what is measured besides xi(r) and P(k).
        rank_bins: intervals of every rank histogram.
        relabellings: labellings that make the null of ranks and CRPS, the true one among them; ten
            times as many for PQMass.

    Raises:
        InputError: a value that cannot be used.
    """

    separation_edges: Edges | None = None
    separation_bins: Count = 7
    wavenumber_edges: Edges | None = None
    mesh_size: Size = 64
    multipoles: tuple[int, ...] = (0, 2)
    mark_bins: Count = 20
    significance: Positive = 5.0
    tolerance: Positive = 0.05
    seed: Seed = 0
    batch_size: Count = 32
    statistics: tuple[Statistic, ...] = ()
    rank_bins: Count = 8
    relabellings: Count = 200

    def __post_init__(self) -> None:
        if 0 not in self.multipoles:
            raise InputError(
                f"expected multipoles with the monopole 0 among them, got {self.multipoles}; add 0"
            )

    @property
    def all_statistics(self) -> tuple[Statistic, ...]:
        """xi(r), P(k) and the others."""
        return (
            Correlation(self.separation_edges, self.separation_bins),
            Power(self.wavenumber_edges, self.mesh_size, self.multipoles),
            *self.statistics,
        )
