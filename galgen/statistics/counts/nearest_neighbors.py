"""Nearest-neighbour distributions and void probability, by counts in spheres.

With N(<r) the number of data points closer than r to a query point, and d_k the distance to the
k-th nearest of them (Banerjee & Abel 2021, MNRAS 500, 5479, arXiv:2007.13342)::

    CDF_k(r) = P[d_k < r] = P[N(<r) >= k]       over query points
    P_0(r)   = 1 - CDF_1(r)                     void probability

so nothing is sorted. For Poisson points of number density n, CDF_k is the Erlang distribution,
``1 - sum_{j<k} exp(-x) x^j / j!`` with x = 4 pi n r³ / 3. For two catalogues A and B (Banerjee &
Abel 2021, MNRAS 504, 2911, arXiv:2102.01184)::

    joint_k(r)  = P[N_A(<r) >= k and N_B(<r) >= k],   excess = joint - CDF_A CDF_B

zero on average where A and B are independent. Queries are random, a lattice
(:func:`~galgen.statistics.counts.sphere_counts.lattice_centers`) or any given points; a query on a
data point has d_1 = 0, and a catalogue of fewer than k points has CDF_k = 0. Every point counts
one, and so does every query: "the k-th nearest" of weighted points has no meaning in the
literature. Draw points in proportion to their weights, or queries from what is to be averaged
over, instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import flax.struct
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from galgen.arrays import ArrayLike, library_of
from galgen.errors import InputError
from galgen.statistics.binning import EnsembleMean, ensemble_mean
from galgen.statistics.counts.neighbor_counts import neighbor_counts
from galgen.statistics.counts.sphere_counts import check_spheres

NeighborCounter = Callable[..., Array | np.ndarray]
"""A function called as ``neighbor_counts``: that one, or ``neighbor_counts_by_tree``."""


@flax.struct.dataclass
class NeighborDistribution:
    """CDF_k(r) of each catalogue.

    ========= ============================= ================================
    field     shape                         meaning
    ========= ============================= ================================
    radii     ``(radii,)``                  Mpc/h
    cdf       ``(batch, neighbors, radii)`` fraction of queries with d_k < r
    counts    ``(batch, neighbors, radii)`` queries with d_k < r, integers
    neighbors tuple                         k of the second axis
    queries   int                           query points per catalogue
    ========= ============================= ================================
    """

    radii: Float[Array | np.ndarray, "radii"]
    cdf: Float[Array | np.ndarray, "batch neighbors radii"]
    counts: Int[Array | np.ndarray, "batch neighbors radii"]
    neighbors: tuple[int, ...] = flax.struct.field(pytree_node=False)
    queries: int = flax.struct.field(pytree_node=False)

    @property
    def void_probability(self) -> Float[Array | np.ndarray, "batch radii"]:
        """P_0(r), the fraction of query spheres without a point.

        Raises:
            InputError: the first neighbour was not measured.
        """
        if 1 not in self.neighbors:
            raise InputError(
                f"expected neighbour 1 among those measured, got {self.neighbors}; "
                "measure with neighbors=(1, ...)"
            )
        return 1 - self.cdf[:, self.neighbors.index(1)]

    def mean(self) -> EnsembleMean:
        """Mean of ``cdf`` over catalogues ``(neighbors, radii)``, its error and covariance.

        Raises:
            InputError: fewer than two catalogues.
        """
        return ensemble_mean(self.cdf)


def nearest_neighbor_distribution(
    positions: ArrayLike,
    mask: ArrayLike | None,
    radii: ArrayLike,
    box: ArrayLike,
    queries: ArrayLike,
    neighbors: Sequence[int] = (1, 2, 4, 8),
    periodic: bool = True,
    counter: NeighborCounter = neighbor_counts,
) -> NeighborDistribution:
    """CDF_k(r) of every catalogue in a batch.

    Args:
        positions: ``(batch, points, 3)`` in Mpc/h.
        mask: ``(batch, points)``, True where real; None for all.
        radii: ``(radii,)`` in Mpc/h, increasing, a host value.
        box: the three sides in Mpc/h, a host value.
        queries: ``(queries, 3)`` for all catalogues, or ``(batch, queries, 3)``, in Mpc/h.
        neighbors: increasing k, from one.
        periodic: nearest images; False for an open box, where ``box`` is not used.
        counter: :func:`~galgen.statistics.counts.neighbor_counts.neighbor_counts`, or
            ``neighbor_counts_by_tree`` for large catalogues.

    Raises:
        InputError: bad shapes, radii, box or neighbours, radii beyond half a periodic box, no
            queries, or positions that are not finite (not seen inside a jit).
    """
    counts = counter([(positions, mask)], radii, box, queries, neighbors, periodic)
    number = np.shape(queries)[-2]
    return NeighborDistribution(
        radii=check_spheres(radii, box, periodic)[0],
        cdf=_fraction(counts, number)[:, 0],
        counts=counts[:, 0],
        neighbors=tuple(int(order) for order in neighbors),
        queries=number,
    )


@flax.struct.dataclass
class JointNeighborDistribution:
    """Nearest neighbours of two sets of catalogues around the same queries.

    ========= ============================= ===========================================
    field     shape                         meaning
    ========= ============================= ===========================================
    radii     ``(radii,)``                  Mpc/h
    first     ``(batch, neighbors, radii)`` CDF_k of the first set
    second    ``(batch, neighbors, radii)`` CDF_k of the second set
    joint     ``(batch, neighbors, radii)`` fraction of queries with k of each
    neighbors tuple                         k of the second axis
    queries   int                           query points per catalogue
    ========= ============================= ===========================================
    """

    radii: Float[Array | np.ndarray, "radii"]
    first: Float[Array | np.ndarray, "batch neighbors radii"]
    second: Float[Array | np.ndarray, "batch neighbors radii"]
    joint: Float[Array | np.ndarray, "batch neighbors radii"]
    neighbors: tuple[int, ...] = flax.struct.field(pytree_node=False)
    queries: int = flax.struct.field(pytree_node=False)

    @property
    def excess(self) -> Float[Array | np.ndarray, "batch neighbors radii"]:
        """``joint - first * second``: zero on average for independent sets."""
        return self.joint - self.first * self.second

    def mean(self) -> EnsembleMean:
        """Mean of ``excess`` over catalogues ``(neighbors, radii)``, its error and covariance.

        Raises:
            InputError: fewer than two catalogues.
        """
        return ensemble_mean(self.excess)


def joint_neighbor_distribution(
    positions: ArrayLike,
    mask: ArrayLike | None,
    other_positions: ArrayLike,
    other_mask: ArrayLike | None,
    radii: ArrayLike,
    box: ArrayLike,
    queries: ArrayLike,
    neighbors: Sequence[int] = (1, 2, 4, 8),
    periodic: bool = True,
    counter: NeighborCounter = neighbor_counts,
) -> JointNeighborDistribution:
    """CDF_k(r) of two sets of catalogues, and of both together; catalogue i goes with i.

    Args:
        other_positions: ``(batch, other points, 3)`` in Mpc/h.
        other_mask: ``(batch, other points)`` or None.
        positions, mask, radii, box, queries, neighbors, periodic, counter: as
            :func:`nearest_neighbor_distribution`.

    Raises:
        InputError: as :func:`nearest_neighbor_distribution`, or sets of different batch sizes.
    """
    sets = [(positions, mask), (other_positions, other_mask)]
    counts = counter(sets, radii, box, queries, neighbors, periodic)
    number = np.shape(queries)[-2]
    fraction = _fraction(counts, number)
    return JointNeighborDistribution(
        radii=check_spheres(radii, box, periodic)[0],
        first=fraction[:, 0],
        second=fraction[:, 1],
        joint=fraction[:, 2],
        neighbors=tuple(int(order) for order in neighbors),
        queries=number,
    )


def _fraction(
    counts: Int[Array | np.ndarray, "batch sets neighbors radii"], queries: int
) -> Float[Array | np.ndarray, "batch sets neighbors radii"]:
    """Of the queries; in float64 where the counts are exact."""
    return counts.astype(float if library_of(counts) is np else jnp.result_type(float)) / queries
