r"""Multipoles of the correlation function in redshift space, and the projected one, of a box.

With xi(s, mu) = DD / RR - 1 of a periodic box, where unclustered pairs fill mu evenly (Hamilton
1992, ApJ 385, L5)::

    xi_l(s) = (2 l + 1)/2  integral_{-1}^{1} xi(s, mu) L_l(mu) d mu
            = (2 l + 1) sum_j xi(s, mu_j)  integral_{bin j} L_l d mu       (mu >= 0, l even)

The integral over each bin is exact, so a xi that does not depend on mu has no multipole but the
first. With pi along the line of sight and rp across it (Davis & Peebles 1983, ApJ 267, 465)::

    w_p(rp) = 2  integral_0^{pi_max} xi(rp, pi) d pi = 2 sum_j xi(rp, pi_j) d pi,

in Mpc/h. Both are sums over bins of DD / RR with fixed weights, so that the mean over an ensemble
is again a ratio of sums (:mod:`galgen.statistics.binning`). RR is N (N - 1) times the volume of the
bin over that of the box; with weights as in :mod:`galgen.statistics.pairs.correlation`.
"""

from __future__ import annotations

from collections.abc import Sequence

import flax.struct
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from galgen.arrays import ArrayLike
from galgen.errors import InputError
from galgen.statistics.binning import EnsembleMean, check_box, jackknife_ratio
from galgen.statistics.pairs.bins import AngleBins, PairBins, ProjectedBins, as_edges
from galgen.statistics.pairs.correlation import periodic_window
from galgen.statistics.pairs.counts import PairMethod, as_points, count_pairs, pairs_in_all
from galgen.statistics.pairs.points import Points


@flax.struct.dataclass
class CorrelationMultipoles:
    """xi(s, mu) of each catalogue, and its multipoles.

    ============ ============================= ============================================
    field        shape                         meaning
    ============ ============================= ============================================
    bins         AngleBins                     of s [Mpc/h] and mu
    s            ``(bins,)``                   centre of each bin, Mpc/h
    mu           ``(mu_bins,)``                centre of each bin
    xi           ``(batch, bins, mu_bins)``    xi(s, mu); NaN for fewer than two points
    multipoles   ``(batch, multipoles, bins)`` xi_l(s)
    pairs        ``(batch, bins, mu_bins)``    ordered data pairs DD
    random_pairs ``(batch, bins)``             expected unclustered ones in each bin of (s, mu)
    ells         tuple                         l of the second axis of ``multipoles``
    ============ ============================= ============================================
    """

    s: Float[Array | np.ndarray, "bins"]
    mu: Float[Array | np.ndarray, "mu_bins"]
    xi: Float[Array | np.ndarray, "batch bins mu_bins"]
    multipoles: Float[Array | np.ndarray, "batch multipoles bins"]
    pairs: Num[Array | np.ndarray, "batch bins mu_bins"]
    random_pairs: Float[Array | np.ndarray, "batch bins"]
    bins: AngleBins = flax.struct.field(pytree_node=False)
    ells: tuple[int, ...] = flax.struct.field(pytree_node=False)

    def mean(self) -> EnsembleMean:
        """Mean of ``multipoles`` over catalogues ``(multipoles, bins)``, its error and covariance.

        Raises:
            InputError: fewer than two catalogues.
        """
        pairs = np.asarray(self.pairs, np.float64)
        weight = legendre_weights(self.ells, self.bins.mu_bins) / self.bins.mu_bins
        above = np.einsum("bsm,lm->bls", pairs, weight)
        ratio = jackknife_ratio(above, np.asarray(self.random_pairs)[:, None])
        monopole = np.array([ell == 0 for ell in self.ells], float)[:, None]
        return ratio.replace(mean=ratio.mean - monopole)  # type: ignore[attr-defined]


@flax.struct.dataclass
class ProjectedCorrelation:
    """xi(rp, pi) of each catalogue, and w_p(rp).

    ============ =========================== ==============================================
    field        shape                       meaning
    ============ =========================== ==============================================
    bins         ProjectedBins               of rp and pi, Mpc/h
    rp           ``(bins,)``                 centre of each bin, Mpc/h
    xi           ``(batch, bins, pi_bins)``  xi(rp, pi); NaN for fewer than two points
    wp           ``(batch, bins)``           w_p(rp), Mpc/h
    pairs        ``(batch, bins, pi_bins)``  ordered data pairs DD
    random_pairs ``(batch, bins)``           expected unclustered ones in each bin of (rp, pi)
    ============ =========================== ==============================================
    """

    rp: Float[Array | np.ndarray, "bins"]
    xi: Float[Array | np.ndarray, "batch bins pi_bins"]
    wp: Float[Array | np.ndarray, "batch bins"]
    pairs: Num[Array | np.ndarray, "batch bins pi_bins"]
    random_pairs: Float[Array | np.ndarray, "batch bins"]
    bins: ProjectedBins = flax.struct.field(pytree_node=False)

    def mean(self) -> EnsembleMean:
        """Mean of ``wp`` over catalogues, its error and covariance, Mpc/h.

        Raises:
            InputError: fewer than two catalogues.
        """
        step = self.bins.pi_max / self.bins.pi_bins
        above = 2 * step * np.asarray(self.pairs, np.float64).sum(axis=-1)
        ratio = jackknife_ratio(above, self.random_pairs)
        return ratio.replace(mean=ratio.mean - 2 * self.bins.pi_max)  # type: ignore[attr-defined]


def correlation_multipoles(
    positions: ArrayLike,
    mask: ArrayLike | None,
    edges: ArrayLike,
    box: ArrayLike,
    mu_bins: int = 100,
    ells: Sequence[int] = (0, 2, 4),
    line_of_sight: int = 2,
    weights: ArrayLike | None = None,
    method: PairMethod | None = None,
) -> CorrelationMultipoles:
    """xi(s, mu) and its multipoles in a periodic box, of every catalogue in a batch.

    Args:
        positions: ``(batch, points, 3)`` in Mpc/h, in redshift space along the line of sight: see
            :func:`~galgen.statistics.redshift_space.redshift_space_positions`.
        mask: ``(batch, points)``, True where real; None for all.
        edges: ``(bins + 1,)`` of s in Mpc/h, a host value.
        box: the three sides of the periodic box in Mpc/h, a host value.
        mu_bins: even bins of mu from 0 to 1.
        ells: even multipoles.
        line_of_sight: the axis, 0, 1 or 2.
        weights: ``(batch, points)``, of any sign.
        method: of counting, see :func:`~galgen.statistics.pairs.counts.pair_counts`.

    Raises:
        InputError: bad shapes, edges or axis, odd multipoles, or edges beyond half the box.
    """
    bins = AngleBins(as_edges(edges), mu_bins, line_of_sight)
    sides, chosen = check_box(box), check_ells(ells)
    window = periodic_window(np.asarray(bins.edges), sides) / mu_bins
    first = as_points(positions, mask, weights, box=sides)
    xi, pairs, random_pairs = _natural(first, bins, sides, window, weights is not None, method)
    library = np if isinstance(pairs, np.ndarray) else jnp
    weight = library.asarray(legendre_weights(chosen, mu_bins) / mu_bins, xi.dtype)
    middle = (np.arange(mu_bins) + 0.5) / mu_bins
    return CorrelationMultipoles(
        s=library.asarray(_centres(bins.edges), xi.dtype),
        mu=library.asarray(middle, xi.dtype),
        xi=xi,
        multipoles=library.einsum("bsm,lm->bls", xi, weight),
        pairs=pairs,
        random_pairs=random_pairs,
        bins=bins,
        ells=chosen,
    )


def projected_correlation(
    positions: ArrayLike,
    mask: ArrayLike | None,
    edges: ArrayLike,
    box: ArrayLike,
    pi_max: float = 40.0,
    pi_bins: int = 0,
    line_of_sight: int = 2,
    weights: ArrayLike | None = None,
    method: PairMethod | None = None,
) -> ProjectedCorrelation:
    """xi(rp, pi) and w_p(rp) in a periodic box, of every catalogue in a batch.

    Args:
        positions: ``(batch, points, 3)`` in Mpc/h, in redshift space along the line of sight.
        mask: ``(batch, points)``, True where real; None for all.
        edges: ``(bins + 1,)`` of rp in Mpc/h, a host value.
        box: the three sides of the periodic box in Mpc/h, a host value.
        pi_max: depth of the integral along the line of sight, Mpc/h.
        pi_bins: even bins of pi; 0 for one of 1 Mpc/h each, as in Corrfunc.
        line_of_sight: the axis, 0, 1 or 2.
        weights: ``(batch, points)``, of any sign.
        method: of counting, see :func:`~galgen.statistics.pairs.counts.pair_counts`.

    Raises:
        InputError: bad shapes, edges or axis, or bins beyond half the box.
    """
    bins = ProjectedBins(as_edges(edges), pi_max, pi_bins, line_of_sight)
    sides = check_box(box)
    step = bins.pi_max / bins.pi_bins
    window = np.pi * np.diff(np.square(bins.edges)) * 2 * step / np.prod(sides)
    first = as_points(positions, mask, weights, box=sides)
    xi, pairs, random_pairs = _natural(first, bins, sides, window, weights is not None, method)
    library = np if isinstance(pairs, np.ndarray) else jnp
    return ProjectedCorrelation(
        rp=library.asarray(_centres(bins.edges), xi.dtype),
        xi=xi,
        wp=2 * step * xi.sum(axis=-1),
        pairs=pairs,
        random_pairs=random_pairs,
        bins=bins,
    )


def _natural(
    first: Points,
    bins: PairBins,
    sides: Float[np.ndarray, "3"],
    window: Float[np.ndarray, "bins"],
    weighted: bool,
    method: PairMethod | None,
) -> tuple[Array | np.ndarray, Array | np.ndarray, Array | np.ndarray]:
    """DD / RR - 1, DD, and RR of each bin, alike along the second axis of the bins."""
    pairs = count_pairs(first, None, bins, sides, True, weighted, method)
    every = pairs_in_all(first, None, weighted, host=isinstance(pairs, np.ndarray))
    library = np if isinstance(pairs, np.ndarray) else jnp
    random_pairs = every[:, None] * library.asarray(window, every.dtype)
    filled = (random_pairs > 0)[..., None]
    below = library.where(filled, random_pairs[..., None], 1.0)
    return library.where(filled, pairs / below - 1.0, library.nan), pairs, random_pairs


def legendre_weights(ells: Sequence[int], mu_bins: int) -> Float[np.ndarray, "multipoles mu_bins"]:
    """(2 l + 1) times the mean of L_l over each bin of mu in [0, 1], exactly."""
    edges = np.linspace(0.0, 1.0, mu_bins + 1)
    rows = []
    for ell in ells:
        whole = np.polynomial.legendre.legint([0.0] * ell + [1.0])
        rows.append((2 * ell + 1) * np.diff(np.polynomial.legendre.legval(edges, whole)) * mu_bins)
    return np.array(rows)


def check_ells(ells: Sequence[int]) -> tuple[int, ...]:
    """The multipoles as a tuple.

    Raises:
        InputError: none, or one that is odd, negative or given twice.
    """
    chosen = tuple(ells)
    if not chosen or len(set(chosen)) != len(chosen) or any(e < 0 or e % 2 for e in chosen):
        raise InputError(f"expected even multipoles, each once, got {chosen}; pass (0, 2, 4)")
    return chosen


def _centres(edges: Sequence[float]) -> Float[np.ndarray, "bins"]:
    return (np.asarray(edges[1:]) + np.asarray(edges[:-1])) / 2
