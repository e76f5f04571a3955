"""Exact pair counts, and sums over pairs: DD(r), DD(s, mu), DD(rp, pi), weighted, auto and cross.

Counts are of **ordered** pairs of distinct points (each pair of one catalogue twice, as Corrfunc
does); pairs between two catalogues come once. A point is never its own pair; two points at one
position are. In a periodic box the separation is that of the nearest image, unique below half the
box. Bins are those of :mod:`galgen.statistics.pairs.bins`; with weights, a pair counts w_i w_j.

Three methods give the same integers, and are chosen where none is named:
:func:`~galgen.statistics.pairs.columns.sums_by_columns` serves CPUs outside a jit, at the speed of
Corrfunc; :func:`~galgen.statistics.pairs.tiles.sums_by_tiles` compares all pairs, inside a jit too;
:func:`~galgen.statistics.pairs.cells.sums_by_cells` compares near cells only, on accelerators and
for quantities and bins of your own.

**Precision.** Outside a jit the integers are those of any float64 code, for positions of any type,
size and method (:mod:`galgen.statistics.arguments`), and of a lattice those of exact arithmetic:
a pair within 1e-11 of an edge is at the edge. Inside, separations have the precision of the
positions: in float32 a pair within about 1e-7 box sides of an edge may fall on its other side.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from galgen.arrays import ArrayLike
from galgen.errors import InputError
from galgen.statistics.arguments import check_points, check_weights, is_traced
from galgen.statistics.binning import check_box
from galgen.statistics.pairs.bins import PairBins, as_bins
from galgen.statistics.pairs.cells import sums_by_cells
from galgen.statistics.pairs.columns import counts_by_columns, sums_by_columns
from galgen.statistics.pairs.points import PairQuantity, Points, Product, check_reach
from galgen.statistics.pairs.tiles import sums_by_tiles

Cloud = tuple[ArrayLike, ArrayLike | None, ArrayLike | None]
"""Positions, mask and weights of a batch of catalogues."""
PairMethod = Callable[..., Array | np.ndarray]
"""Called as :func:`sums_by_tiles`."""
LARGE = 1024
"""Catalogues of more points are counted by cells, where columns do not serve."""


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
        weights: ``(batch, points)``, of any sign; a pair then counts the product of its two.
        method: ``sums_by_columns`` or ``sums_by_cells``, outside jit, or ``sums_by_tiles``; None
            chooses by device and size.

    Returns:
        Integers, or with weights floats, ``(batch, *bins.shape)``.

    Raises:
        InputError: bad shapes or edges, values that are missing or not finite, edges beyond half a
            periodic box, or too many points.
    """
    first = as_points(positions, mask, weights, box=_sides(box, periodic))
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
    first, second = as_two(
        (positions, mask, weights), (other_positions, other_mask, other_weights),
        _sides(box, periodic), periodic,
    )  # fmt: skip
    weighted = weights is not None or other_weights is not None
    return count_pairs(first, second, bins, box, periodic, weighted, method)


def as_two(
    catalogues: Cloud, others: Cloud, box: Float[np.ndarray, "3"] | None, periodic: bool
) -> tuple[Points, Points]:
    """Two batches that pair up, both known or neither.

    Raises:
        InputError: as :func:`as_points`, or batches of different sizes.
    """
    exact = not is_traced(*catalogues, *others)
    weighted = catalogues[2] is not None or others[2] is not None
    first = as_points(*catalogues, weighted, box, periodic, exact)
    second = as_points(*others, weighted, box, periodic, exact, "other_positions")
    if len(first.mask) != len(second.mask):
        raise InputError(
            f"expected as many catalogues in both batches, got {len(first.mask)} and "
            f"{len(second.mask)}; pair them one by one"
        )
    return first, second


def _sides(box: ArrayLike, periodic: bool) -> Float[np.ndarray, "3"] | None:
    """The box where it is used, which is where it is periodic."""
    return check_box(box) if periodic else None


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
        method = _method_for(first, second, chosen, quantity)
    return method(first, second, chosen, sides, periodic, quantity)


def pairs_in_all(
    first: Points, second: Points | None, weighted: bool, host: bool
) -> Float[Array | np.ndarray, " batch"]:
    """Sum of w_i w_j over all ordered pairs of each catalogue; N (N - 1) without weights.

    On the host it is float64; else it has the precision of the positions.
    """
    library: Any = np if host else jnp

    def total(points: Points, power: int) -> Any:
        each = points.attributes[..., 0] ** power if weighted else 1.0
        counted = library.where(points.mask, each, 0.0).astype(points.positions.dtype)
        return library.sum(counted, axis=-1)

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
    box: Float[np.ndarray, "3"] | None = None,
    periodic: bool = True,
    exact: bool | None = None,
    name: str = "positions",
) -> Points:
    """Checked points, on the host in float64 where they are known.

    Args:
        positions: ``(batch, points, 3)`` in Mpc/h.
        mask: ``(batch, points)``; None for all.
        weights: ``(batch, points)``, negative ones too; None for none.
        weighted: give weights of one where there are none.
        box: three sides in Mpc/h that positions are held to; None for no box.
        periodic: whether they wrap.
        exact: whether all that they are counted with is known; None to ask these arguments.
        name: of the positions, for errors.

    Raises:
        InputError: positions that are not ``(batch, points, 3)``, a mask or weights of another
            shape, missing or infinite values, or points out of reach of the box.
    """
    known = not is_traced(positions, mask, weights) if exact is None else exact
    points, keep = check_points(positions, mask, known, box, periodic, name)
    if weights is None and not weighted:
        return Points(points, keep, points[..., :0])
    other = name.replace("positions", "weights")
    return Points(points, keep, check_weights(weights, keep, points, other)[..., None])


def _method_for(
    first: Points, second: Points | None, bins: PairBins, quantity: PairQuantity | None
) -> PairMethod:
    """Tiles inside a jit; outside columns on a CPU, else cells for what is large."""
    arrays = jax.tree.leaves((first, second))
    largest = max(points.mask.shape[1] for points in (first, second) if points is not None)
    traced = any(isinstance(array, jax.core.Tracer) for array in arrays)
    if not traced and counts_by_columns(bins, quantity):
        return sums_by_columns
    return sums_by_tiles if traced or largest <= LARGE else sums_by_cells
