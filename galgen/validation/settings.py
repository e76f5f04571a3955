"""What a comparison measures and which figures it asks for."""

from __future__ import annotations

import dataclasses

from galgen.checked import Count, Edges, Positive, Seed, Size, checked
from galgen.errors import InputError
from galgen.validation.measures.statistic import Statistic
from galgen.validation.measures.two_point import Correlation, Power


@dataclasses.dataclass(frozen=True)
@checked
class ValidationSettings:
    """Bins, targets and the seed of a comparison.

    Attributes:
        separation_edges: edges of xi(r) in Mpc/h; None for the default of ``separation_bins`` bins.
        separation_bins: how many, where the edges are not given.
        wavenumber_edges: edges of P(k) in h/Mpc; None for the default.
        mesh_size: cells along each side for P(k).
        multipoles: of P(k), 0 among them; along the z axis.
        mark_bins: bins of every histogram.
        significance: a bin is judged where held-out is more than this many errors from zero.
        closure_target: the least closure that every judged bin must reach.
        response_target: how far the slope of the response to cosmology may be from 1.
        seed: of the uniform base and of the halves of held-out.
        batch_size: catalogues measured at a time; memory grows with it.
        further: statistics to measure besides xi(r) and P(k).
        rank_bins: intervals of every rank histogram.
        relabellings: labellings that make the null of a two-sample test, the true one among them.

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
    closure_target: Positive = 0.85
    response_target: Positive = 0.30
    seed: Seed = 0
    batch_size: Count = 32
    further: tuple[Statistic, ...] = ()
    rank_bins: Count = 8
    relabellings: Count = 200

    def __post_init__(self) -> None:
        if 0 not in self.multipoles:
            raise InputError(
                f"expected multipoles with the monopole 0 among them, got {self.multipoles}; add 0"
            )

    @property
    def correlation(self) -> Correlation:
        """xi(r) on the bins set here."""
        return Correlation(self.separation_edges, self.separation_bins)

    @property
    def power(self) -> Power:
        """P(k) on the bins set here."""
        return Power(self.wavenumber_edges, self.mesh_size, self.multipoles)

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """All that is measured."""
        return (self.correlation, self.power, *self.further)
