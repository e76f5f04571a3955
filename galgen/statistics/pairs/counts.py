"""Exact pair counts, and sums over pairs: DD(r), DD(s, mu), DD(rp, pi), weighted, auto and cross.

Counts are of **ordered** pairs of distinct points (each pair of one catalogue twice, as Corrfunc
does); pairs between two catalogues come once. A point is never its own pair; two points at one
position are. In a periodic box the separation is that of the nearest image, unique below half the
box. Bins are those of :mod:`galgen.statistics.pairs.bins`; with weights, a pair counts w_i w_j.

Two methods give the same integers, and are chosen by size where none is named:
:func:`~galgen.statistics.pairs.tiles.sums_by_tiles` compares all pairs, compiled, inside a jit too;
:func:`~galgen.statistics.pairs.cells.sums_by_cells` compares near cells only, on the host's list.

**Precision.** Separations have the dtype of the positions. In float64 the integers are those of any
float64 code; in float32 a pair within about 1e-7 box sides of an edge may fall on its other side.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from galgen.errors import InputError
from galgen.statistics.binning import ArrayLike, check_box, check_mask, check_points
from galgen.statistics.pairs.bins import PairBins, as_bins
from galgen.statistics.pairs.cells import sums_by_cells
from galgen.statistics.pairs.points import PairQuantity, Points, Product, check_reach
from galgen.statistics.pairs.tiles import sums_by_tiles

PairMethod = Callable[..., Array | np.ndarray]
"""Called as :func:`sums_by_tiles`."""
LARGE = 1024
"""Catalogues of more points are counted by cells, where no method is named."""


def pair_counts(
    positions: ArrayLike,
    mask: ArrayLike | None,
    bins: PairBins | ArrayLike,
    box: ArrayLike,
    periodic: bool = True,
    weights: ArrayLike | None = None,
    method: PairMethod | None = None,
) -> Num[Array | np.ndarray, "batch *bins"]:
    """Ordered pairs of each catalogue per bin.

    Args:
        positions: ``(batch, points, 3)`` in Mpc/h; wrapped first when periodic.
        mask: ``(batch, points)``, True where real; None for all.
        bins: edges ``(bins + 1,)`` of the separation in Mpc/h, or other ``PairBins``; host values.
        box: the three sides in Mpc/h, a host value.
        periodic: nearest images; False for an open box, where ``box`` is not used.
        weights: ``(batch, points)``; a pair then counts the product of its two.
        method: ``sums_by_tiles``, or ``sums_by_cells`` for large catalogues, outside jit; None
            chooses by size.

    Returns:
        Integers, or with weights floats, ``(batch, *bins.shape)``.

    Raises:
        InputError: bad shapes or edges, edges beyond half a periodic box, or too many points.
    """
    first = as_points(positions, mask, weights)
    return count_pairs(first, None, bins, box, periodic, weights is not None, method)


def cross_pair_counts(
    positions: ArrayLike,
    mask: ArrayLike | None,
    other_positions: ArrayLike,
    other_mask: ArrayLike | None,
    bins: PairBins | ArrayLike,
    box: ArrayLike,
    periodic: bool = True,
    weights: ArrayLike | None = None,
    other_weights: ArrayLike | None = None,
    method: PairMethod | None = None,
) -> Num[Array | np.ndarray, "batch *bins"]:
    """Pairs of each catalogue with its counterpart in another batch; see :func:`pair_counts`.

    A point that is in both catalogues is a pair with itself, at zero separation.

    Raises:
        InputError: as :func:`pair_counts`, or batches of different sizes.
    """
    weighted = weights is not None or other_weights is not None
    first = as_points(positions, mask, weights, weighted)
    second = as_points(other_positions, other_mask, other_weights, weighted)
    if len(first.mask) != len(second.mask):
        raise InputError(
            f"expected as many catalogues in both batches, got {len(first.mask)} and "
            f"{len(second.mask)}; pair them one by one"
        )
    return count_pairs(first, second, bins, box, periodic, weighted, method)


def count_pairs(
    first: Points,
    second: Points | None,
    bins: PairBins | ArrayLike,
    box: ArrayLike,
    periodic: bool,
    weighted: bool,
    method: PairMethod | None,
) -> Array | np.ndarray:
    """Counts ``(batch, *bins)`` of points that were checked."""
    quantity = Product() if weighted else None
    sums = pair_sums(first, second, bins, box, periodic, quantity, method)
    return sums[:, 0]


def pair_sums(
    first: Points,
    second: Points | None,
    bins: PairBins | ArrayLike,
    box: ArrayLike,
    periodic: bool = True,
    quantity: PairQuantity | None = None,
    method: PairMethod | None = None,
) -> Num[Array | np.ndarray, "batch quantities *bins"]:
    """Sums of any quantity of a pair over the pairs of each bin; of ones for ``quantity`` None.

    Args:
        first: points with their attributes, see :func:`as_points`.
        second: the other catalogues; None for the pairs within the first.
        bins, box, periodic, method: as in :func:`pair_counts`.
        quantity: what is summed.

    Raises:
        InputError: as :func:`pair_counts`.
    """
    chosen, sides = as_bins(bins), check_box(box)
    check_reach(chosen, sides, periodic)
    if method is None:
        method = _method_for(first, second)
    return method(first, second, chosen, sides, periodic, quantity)


def pairs_in_all(
    first: Points, second: Points | None, weighted: bool, host: bool
) -> Float[Array | np.ndarray, " batch"]:
    """Sum of w_i w_j over all ordered pairs of each catalogue; N (N - 1) without weights.

    On the host it is float64; else it has the precision of the positions.
    """
    library = np if host else jnp
    dtype = np.float64 if host else jax.dtypes.canonicalize_dtype(first.positions.dtype)

    def total(points: Points, power: int) -> Any:
        real = library.asarray(points.mask)
        each = library.asarray(points.attributes)[..., 0] ** power if weighted else 1.0
        return library.sum(library.where(real, each, 0.0).astype(dtype), axis=-1)

    if second is not None:
        return total(first, 1) * total(second, 1)
    if weighted:
        return total(first, 1) ** 2 - total(first, 2)
    return total(first, 1) * (total(first, 1) - 1)


def as_points(
    positions: ArrayLike,
    mask: ArrayLike | None,
    weights: ArrayLike | None = None,
    weighted: bool = False,
) -> Points:
    """Checked points; arrays of NumPy stay on the host, with every bit.

    Raises:
        InputError: positions that are not ``(batch, points, 3)``, or a mask or weights of another
            shape.
    """
    points: Any
    keep: Any
    library: Any
    if isinstance(positions, jax.Array):
        points, keep = check_points(positions, mask)
        library = jnp
    else:
        points, keep = _host_points(positions, mask)
        library = np
    if weights is None:
        given = library.ones(keep.shape, points.dtype) if weighted else None
    else:
        given = library.asarray(weights, points.dtype)
        if given.shape != keep.shape:
            raise InputError(
                f"expected weights of shape {keep.shape}, got {given.shape}; pass one per row"
            )
    none = library.zeros((*keep.shape, 0), points.dtype)
    return Points(points, keep, none if given is None else given[..., None])


def _host_points(positions: ArrayLike, mask: ArrayLike | None) -> tuple[np.ndarray, np.ndarray]:
    points = np.asarray(positions)
    if not np.issubdtype(points.dtype, np.floating):
        points = points.astype(np.float64)
    if points.ndim != 3 or points.shape[-1] != 3:
        raise InputError(
            f"expected positions of shape (batch, points, 3), got {points.shape}; "
            "add a leading axis with positions[None] for one catalogue"
        )
    if mask is None:
        return points, np.ones(points.shape[:2], bool)
    keep = np.asarray(check_mask(mask, points.shape[:2]))
    return np.where(keep[..., None], points, 0.0), keep


def _method_for(first: Points, second: Points | None) -> PairMethod:
    """Cells for what is large, tiles inside a jit and for batches of small catalogues."""
    arrays = jax.tree.leaves((first, second))
    largest = max(points.mask.shape[1] for points in (first, second) if points is not None)
    traced = any(isinstance(array, jax.core.Tracer) for array in arrays)
    return sums_by_tiles if traced or largest <= LARGE else sums_by_cells
