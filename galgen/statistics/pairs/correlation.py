"""The two-point correlation function of a box, with its random pairs known analytically.

The natural estimator (Peebles & Hauser 1974, ApJS 28, 19)::

    xi_i = DD_i / RR_i - 1,     RR_i = N (N - 1) / V²  integral_{bin i} gamma(d) d³d

N points in the volume V; N (N - 1), not N², because a point is not its own pair. With weights DD
is the sum of w_i w_j over pairs, and N (N - 1) becomes (sum w)² - sum w². Between two catalogues,
it is the product of their N, or of their sums of w. ``gamma(d)`` is the set covariance of the
volume: the volume of its overlap with itself shifted by d.

- Periodic box: gamma = V, and RR_i = N (N - 1) x (shell volume) / V.
- Open cuboid with sides a, b, c: gamma(d) = (a - |d_x|)(b - |d_y|)(c - |d_z|). Its mean over
  directions n uses <|n_x|> = 1/2, <|n_x n_y|> = 2/(3 pi), <|n_x n_y n_z|> = 1/(4 pi)::

      gamma(r) = V - r (ab + bc + ca)/2 + 2 r² (a + b + c)/(3 pi) - r³/(4 pi),  r <= min(a, b, c)

  and 4 pi r² gamma(r) integrates over a bin in closed form, so no random points and no noise.

xi is dimensionless; separations are in Mpc/h. Normalised by each box's own N, xi in a box of side L
carries the integral constraint: fluctuations on the scale of the box are taken as the mean.
"""

from __future__ import annotations

import flax.struct
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from galgen.arrays import ArrayLike
from galgen.errors import InputError
from galgen.statistics.binning import EnsembleMean, check_box, check_edges, jackknife_ratio
from galgen.statistics.pairs.counts import PairMethod, as_points, as_two, count_pairs, pairs_in_all
from galgen.statistics.pairs.points import Points


@flax.struct.dataclass
class TwoPointCorrelation:
    """xi(r) of each catalogue, and the counts that it came from.

    ============ ================= ===================================================
    field        shape             meaning
    ============ ================= ===================================================
    edges        ``(bins + 1,)``   separation, Mpc/h; bins are [low, high)
    r            ``(bins,)``       centre of each bin, Mpc/h
    xi           ``(batch, bins)`` correlation; NaN for fewer than two points
    pairs        ``(batch, bins)`` ordered data pairs DD; integers, with weights their sums
    random_pairs ``(batch, bins)`` expected ordered pairs RR of unclustered points
    ============ ================= ===================================================
    """

    edges: Float[Array | np.ndarray, "edges"]
    r: Float[Array | np.ndarray, "bins"]
    xi: Float[Array | np.ndarray, "batch bins"]
    pairs: Num[Array | np.ndarray, "batch bins"]
    random_pairs: Float[Array | np.ndarray, "batch bins"]

    def mean(self) -> EnsembleMean:
        """Sum of DD over sum of RR, minus one, with the jackknife over catalogues.

        The ratio of sums weighs a box by its pairs, so that boxes with few give no noisy ratios.

        Raises:
            InputError: fewer than two catalogues.
        """
        ratio = jackknife_ratio(self.pairs, self.random_pairs)
        return ratio.replace(mean=ratio.mean - 1.0)  # type: ignore[attr-defined]


def stack(correlations: list[TwoPointCorrelation]) -> TwoPointCorrelation:
    """One result from several batches measured on the same edges.

    Raises:
        InputError: an empty list, or different edges.
    """
    if not correlations:
        raise InputError("expected at least one TwoPointCorrelation, got none; measure one first")
    first = correlations[0]
    for other in correlations[1:]:
        if not np.array_equal(first.edges, other.edges):
            raise InputError(
                "expected correlations on the same edges, got different ones; measure them anew "
                "on common edges"
            )
    return TwoPointCorrelation(
        edges=first.edges,
        r=first.r,
        xi=np.concatenate([item.xi for item in correlations]),
        pairs=np.concatenate([item.pairs for item in correlations]),
        random_pairs=np.concatenate([item.random_pairs for item in correlations]),
    )


def two_point_correlation(
    positions: ArrayLike,
    mask: ArrayLike | None,
    edges: ArrayLike,
    box: ArrayLike,
    periodic: bool = True,
    weights: ArrayLike | None = None,
    method: PairMethod | None = None,
) -> TwoPointCorrelation:
    """xi(r) of every catalogue in a batch, by the natural estimator.

    Args:
        positions: ``(batch, points, 3)`` in Mpc/h; those of a periodic box wrap.
        mask: ``(batch, points)``, True where real; None for all.
        edges: ``(bins + 1,)`` separations in Mpc/h, a host value.
        box: the three sides in Mpc/h, a host value.
        periodic: False for an open cuboid [0, side]³ that the catalogue fills evenly.
        weights: ``(batch, points)``, of any sign.
        method: of counting, see :func:`~galgen.statistics.pairs.counts.pair_counts`.

    Raises:
        InputError: bad shapes or edges, values that are missing or not finite, points outside an
            open box, or edges beyond the reach of the box: half the shortest side when periodic,
            the shortest side when open.
    """
    first = as_points(positions, mask, weights, box=check_box(box), periodic=periodic)
    return _natural(first, None, edges, box, periodic, weights is not None, method)


def cross_correlation(
    positions: ArrayLike,
    mask: ArrayLike | None,
    other_positions: ArrayLike,
    other_mask: ArrayLike | None,
    edges: ArrayLike,
    box: ArrayLike,
    periodic: bool = True,
    weights: ArrayLike | None = None,
    other_weights: ArrayLike | None = None,
    method: PairMethod | None = None,
) -> TwoPointCorrelation:
    """xi(r) between each catalogue and its counterpart in another batch.

    Raises:
        InputError: as :func:`two_point_correlation`, or batches of different sizes.
    """
    first, second = as_two(
        (positions, mask, weights), (other_positions, other_mask, other_weights),
        check_box(box), periodic,
    )  # fmt: skip
    weighted = weights is not None or other_weights is not None
    return _natural(first, second, edges, box, periodic, weighted, method)


def _natural(
    first: Points,
    second: Points | None,
    edges: ArrayLike,
    box: ArrayLike,
    periodic: bool,
    weighted: bool,
    method: PairMethod | None,
) -> TwoPointCorrelation:
    """DD / RR - 1; on the host in float64 where the counts are."""
    edges, sides = check_edges(edges), check_box(box)
    window = periodic_window(edges, sides) if periodic else cuboid_window(edges, sides)
    pairs = count_pairs(first, second, edges, sides, periodic, weighted, method)
    every = pairs_in_all(first, second, weighted, host=isinstance(pairs, np.ndarray))
    library = np if isinstance(pairs, np.ndarray) else jnp
    random_pairs = every[:, None] * library.asarray(window, every.dtype)
    filled = random_pairs > 0
    xi = library.where(filled, pairs / library.where(filled, random_pairs, 1.0) - 1.0, library.nan)
    return TwoPointCorrelation(
        edges=library.asarray(edges, every.dtype),
        r=library.asarray((edges[1:] + edges[:-1]) / 2, every.dtype),
        xi=xi,
        pairs=pairs,
        random_pairs=random_pairs,
    )


def periodic_window(edges: ArrayLike, box: ArrayLike) -> Float[np.ndarray, "bins"]:
    """Fraction of the unclustered pairs of a periodic box per bin: shell volume / box volume."""
    return 4 * np.pi / 3 * np.diff(np.asarray(edges, np.float64) ** 3) / np.prod(box)


def cuboid_window(edges: ArrayLike, box: ArrayLike) -> Float[np.ndarray, "bins"]:
    """Fraction of the unclustered pairs of an open cuboid per bin, exactly.

    Raises:
        InputError: an edge beyond the shortest side, where directions begin to be missing.
    """
    radius, sides = np.asarray(edges, np.float64), np.asarray(box, np.float64)
    if radius[-1] > sides.min():
        raise InputError(
            f"expected edges within the shortest side of the open box, {sides.min():g} Mpc/h, "
            f"got {radius[-1]:g}; lower the last edge"
        )
    a, b, c = sides
    below = (
        a * b * c * radius**3 / 3
        - (a * b + b * c + c * a) * radius**4 / 8
        + 2 * (a + b + c) * radius**5 / (15 * np.pi)
        - radius**6 / (24 * np.pi)
    )
    return 4 * np.pi * np.diff(below) / (a * b * c) ** 2
