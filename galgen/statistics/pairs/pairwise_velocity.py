r"""Relative velocities of pairs, and how marks depend on the neighbours.

With the separation r of a pair and the velocities of its points (Peebles 1980, sec. 71; the mean of
pairs, as for haloes in Ferreira et al. 1999, ApJ 515, L1)::

    v_12(r)      = < (v_2 - v_1) . r_hat >          negative: infall
    sigma_12²(r) = < [(v_2 - v_1) . r_hat - v_12(r)]² >

in km/s, where r_hat points from the first to the second (the nearest image, in a periodic box).
Either point may be called the first.

The marked correlation function (Sheth 2005, MNRAS 364, 796; Skibba et al. 2006, MNRAS 369, 68)::

    M(r) = sum over pairs of m_i m_j / (pairs <m>²) = [1 + W(r)] / [1 + xi(r)]

is 1 at every r where marks do not know of the neighbours.
"""

from __future__ import annotations

from typing import Any

import flax.struct
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from galgen.arrays import ArrayLike
from galgen.statistics.arguments import check_column, is_traced
from galgen.statistics.binning import EnsembleMean, check_box, check_edges, jackknife_ratio
from galgen.statistics.pairs.counts import PairMethod, as_points, pair_sums
from galgen.statistics.pairs.points import Product, RadialVelocity


@flax.struct.dataclass
class PairwiseVelocity:
    """Mean and dispersion of the relative velocity along the separation, of each catalogue.

    ========== ================= ======================================================
    field      shape             meaning
    ========== ================= ======================================================
    edges      ``(bins + 1,)``   separation, Mpc/h; bins are [low, high)
    r          ``(bins,)``       centre of each bin, Mpc/h
    velocity   ``(batch, bins)`` v_12, km/s; NaN in a bin without pairs
    dispersion ``(batch, bins)`` sigma_12, km/s; NaN likewise
    pairs      ``(batch, bins)`` ordered pairs
    sums       ``(batch, bins)`` of the relative velocity over ordered pairs, km/s
    ========== ================= ======================================================
    """

    edges: Float[np.ndarray, "edges"]
    r: Float[np.ndarray, "bins"]
    velocity: Float[Array | np.ndarray, "batch bins"]
    dispersion: Float[Array | np.ndarray, "batch bins"]
    pairs: Num[Array | np.ndarray, "batch bins"]
    sums: Float[Array | np.ndarray, "batch bins"]

    def mean(self) -> EnsembleMean:
        """v_12 of all pairs of all catalogues, with the jackknife over catalogues, km/s.

        Raises:
            InputError: fewer than two catalogues, or a bin that one catalogue alone fills.
        """
        return jackknife_ratio(self.sums, self.pairs)


def pairwise_velocity(
    positions: ArrayLike,
    velocities: ArrayLike,
    mask: ArrayLike | None,
    edges: ArrayLike,
    box: ArrayLike,
    periodic: bool = True,
    method: PairMethod | None = None,
) -> PairwiseVelocity:
    """v_12(r) and sigma_12(r) of every catalogue in a batch.

    Args:
        positions: ``(batch, points, 3)`` in Mpc/h.
        velocities: the same shape, peculiar, in km/s.
        mask: ``(batch, points)``, True where real; None for all.
        edges: ``(bins + 1,)`` separations in Mpc/h, a host value.
        box: the three sides in Mpc/h, a host value.
        periodic: nearest images; False for an open box.
        method: of counting, see :func:`~galgen.statistics.pairs.counts.pair_counts`.

    Raises:
        InputError: bad shapes or edges, or edges beyond half a periodic box.
    """
    limits = check_edges(edges)
    points = as_points(
        positions, mask, box=check_box(box) if periodic else None,
        exact=not is_traced(positions, mask, velocities),
    )  # fmt: skip
    motion = check_column(
        velocities, points.mask, "velocities", points.positions, "km/s", vectors=True
    )
    library: Any = np if isinstance(motion, np.ndarray) else jnp
    pairs = pair_sums(points, None, limits, box, periodic, None, method)[:, 0]
    moving = points.replace(attributes=motion)  # type: ignore[attr-defined]
    sums = pair_sums(moving, None, limits, box, periodic, RadialVelocity(), method)
    filled = pairs > 0
    number = library.where(filled, pairs, 1)
    first = library.where(filled, sums[:, 0] / number, library.nan)
    second = library.where(filled, sums[:, 1] / number, library.nan)
    return PairwiseVelocity(
        edges=limits,
        r=(limits[1:] + limits[:-1]) / 2,
        velocity=first,
        dispersion=library.sqrt(library.maximum(second - first**2, 0.0)),
        pairs=pairs,
        sums=sums[:, 0],
    )


@flax.struct.dataclass
class MarkedCorrelation:
    """M(r) of each catalogue.

    ======== ================= =====================================================
    field    shape             meaning
    ======== ================= =====================================================
    edges    ``(bins + 1,)``   separation, Mpc/h; bins are [low, high)
    r        ``(bins,)``       centre of each bin, Mpc/h
    marked   ``(batch, bins)`` M(r); NaN in a bin without pairs, or for marks of mean zero
    pairs    ``(batch, bins)`` ordered pairs
    products ``(batch, bins)`` sums of m_i m_j / <m>² over ordered pairs
    ======== ================= =====================================================
    """

    edges: Float[np.ndarray, "edges"]
    r: Float[np.ndarray, "bins"]
    marked: Float[Array | np.ndarray, "batch bins"]
    pairs: Num[Array | np.ndarray, "batch bins"]
    products: Float[Array | np.ndarray, "batch bins"]

    def mean(self) -> EnsembleMean:
        """M of all pairs of all catalogues, with the jackknife over catalogues.

        Raises:
            InputError: fewer than two catalogues, or a bin that one catalogue alone fills.
        """
        return jackknife_ratio(self.products, self.pairs)


def marked_correlation(
    positions: ArrayLike,
    marks: ArrayLike,
    mask: ArrayLike | None,
    edges: ArrayLike,
    box: ArrayLike,
    periodic: bool = True,
    method: PairMethod | None = None,
) -> MarkedCorrelation:
    """M(r) of every catalogue in a batch.

    Args:
        positions: ``(batch, points, 3)`` in Mpc/h.
        marks: ``(batch, points)``, e.g. masses (not their logarithm), of mean not zero.
        mask, edges, box, periodic, method: as in :func:`pairwise_velocity`.

    Raises:
        InputError: bad shapes or edges, or edges beyond half a periodic box.
    """
    limits = check_edges(edges)
    points = as_points(
        positions, mask, box=check_box(box) if periodic else None,
        exact=not is_traced(positions, mask, marks),
    )  # fmt: skip
    each = check_column(marks, points.mask, "marks", points.positions)
    library: Any = np if isinstance(each, np.ndarray) else jnp
    number = library.maximum(points.mask.sum(axis=-1), 1)
    scale = (each.sum(axis=-1) / number)[:, None]
    # Divided first, so that products of masses near 1e15 do not overflow float32.
    each = each / library.where(scale != 0, scale, 1.0)
    marked = points.replace(attributes=each[..., None])  # type: ignore[attr-defined]
    pairs = pair_sums(points, None, limits, box, periodic, None, method)[:, 0]
    products = pair_sums(marked, None, limits, box, periodic, Product(), method)[:, 0]
    filled = (pairs > 0) & (scale != 0)
    ratio = products / library.where(filled, pairs, 1)
    return MarkedCorrelation(
        edges=limits,
        r=(limits[1:] + limits[:-1]) / 2,
        marked=library.where(filled, ratio, library.nan),
        pairs=pairs,
        products=products,
    )
