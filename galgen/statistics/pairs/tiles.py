"""Sums over all pairs, in compiled tiles: for batches of small catalogues, and inside a jit.

Tiles of at most ``tile`` x ``tile`` pairs, the upper triangle only within one catalogue: time N²/2,
memory O(points + tile²). Counts are int32, and N (N - 1) < 2^31 is guarded. Other sums have the
precision of the positions, float64 outside a jit: added tile by tile with the rounding carried
along (Kahan 1965, Commun. ACM 8, 40), in float32 they are within 1e-6 of their total.
"""

from __future__ import annotations

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Num

from galgen.errors import InputError
from galgen.periodic import minimum_image, wrap
from galgen.statistics.arguments import evaluate
from galgen.statistics.pairs.bins import PairBins
from galgen.statistics.pairs.points import PairQuantity, Points

MAXIMUM_POINTS = 46_341
"""The largest N with N (N - 1) ordered pairs below 2^31."""
LANES = 16
"""Partial sums of one tile, so that none of them adds too many small numbers to a large one."""


def sums_by_tiles(
    first: Points,
    second: Points | None,
    bins: PairBins,
    box: Float[np.ndarray, "3"],
    periodic: bool,
    quantity: PairQuantity | None,
    tile: int = 240,
) -> Array | np.ndarray:
    """Sums over the ordered pairs of each catalogue, or with those of another.

    Args:
        first, second: points; ``second`` None for the pairs within the first.
        bins: of the pairs.
        box: three sides in Mpc/h.
        periodic: nearest images.
        quantity: what is summed; None for counts.
        tile: rows compared at once, a matter of cache only.

    Returns:
        ``(batch, quantities, *bins.shape)``, with a last axis of the parts of a bin if any; of
        NumPy where the points are.

    Raises:
        InputError: too many points for int32 counts.
    """
    both = first if second is None else second
    numbers = first.mask.shape[1], both.mask.shape[1]
    if np.prod(numbers, dtype=float) > MAXIMUM_POINTS**2:
        raise InputError(
            f"expected at most {MAXIMUM_POINTS} points (int32 counts), got {max(numbers)}; "
            "use sums_by_cells, outside jit"
        )
    exact = isinstance(first.positions, np.ndarray)
    sides = box.astype(first.positions.dtype) if periodic else None
    sums = functools.partial(_sum_batch, bins=bins, quantity=quantity, tile=tile)
    total = evaluate(exact, sums, first, second, sides)
    return total.reshape(len(total), *shape_of(bins, quantity))


@functools.partial(jax.jit, static_argnames=("bins", "quantity", "tile"))
def _sum_batch(
    first: Points,
    second: Points | None,
    box: Float[Array, "3"] | None,
    bins: PairBins,
    quantity: PairQuantity | None,
    tile: int,
) -> Array:
    """Sums of every catalogue: one at a time when large, several together when small."""
    batch, points = first.mask.shape
    if 0 in (batch, points) or (second is not None and 0 in second.mask.shape):
        dtype = jnp.int32 if quantity is None else first.positions.dtype
        return jnp.zeros((batch, math.prod(shape_of(bins, quantity))), dtype)
    first, side = _in_tiles(first, box, tile)
    other, width = (None, side) if second is None else _in_tiles(second, box, tile)

    def total(catalogue: tuple[Points, Points | None]) -> Array:
        return _sum_one(*catalogue, (side, width), box, bins, quantity)

    together = max(1, min(batch, tile * tile // (4 * side * width)))
    return jax.lax.map(total, (first, other), batch_size=together)


def _in_tiles(points: Points, box: Float[Array, "3"] | None, tile: int) -> tuple[Points, int]:
    """Points padded to whole tiles, and the side of a tile."""
    number = points.mask.shape[1]
    tiles = -(-number // tile)
    side = -(-number // tiles)
    extra = ((0, 0), (0, tiles * side - number))
    positions = jnp.asarray(points.positions)
    positions = positions if box is None else wrap(positions, box)
    return Points(
        jnp.pad(positions, (*extra, (0, 0))),
        jnp.pad(points.mask, extra),
        jnp.pad(jnp.where(points.mask[..., None], points.attributes, 0.0), (*extra, (0, 0))),
    ), side


def _sum_one(
    first: Points,
    second: Points | None,
    sides: tuple[int, int],
    box: Float[Array, "3"] | None,
    bins: PairBins,
    quantity: PairQuantity | None,
) -> Array:
    """Sums of one catalogue, over the tiles on and above the diagonal, or over all of two."""
    own = second is None
    other = first if second is None else second
    rows, columns = (len(p.mask) // side for p, side in zip((first, other), sides, strict=True))
    tiles = np.triu_indices(rows) if own else np.indices((rows, columns)).reshape(2, -1)
    order = jnp.arange(max(sides))

    axes = first.positions.T, other.positions.T

    def cut(which: int, start: Array) -> tuple[Array, Array, Array]:
        points, side = (first, other)[which], sides[which]
        take = functools.partial(jax.lax.dynamic_slice_in_dim, start_index=start, slice_size=side)
        return take(axes[which], axis=1), take(points.mask), take(points.attributes)

    counting = quantity is None
    lanes = 1 if counting else LANES
    zero = jnp.zeros(
        (lanes, places(bins, quantity)), jnp.int32 if counting else first.positions.dtype
    )

    def add(state: tuple[Array, Array], corner: Array) -> tuple[tuple[Array, Array], None]:
        starts = corner * jnp.asarray(sides)
        x, here, a = cut(0, starts[0])
        y, there, b = cut(1, starts[1])
        pair = here[:, None] & there
        if own:
            pair &= (starts[0] + order[: sides[0]])[:, None] < (starts[1] + order[: sides[1]])
        if counting:
            return (add_tile(state[0], x, y, a, b, pair, box, bins, quantity), state[1]), None
        tile = add_tile(zero, x, y, a, b, pair, box, bins, quantity)
        return _add_exactly(state, tile.sum(axis=0, keepdims=True)), None

    start = (zero[:1], zero[:1])
    total = jax.lax.scan(add, start, jnp.asarray(np.stack(list(tiles), axis=1), jnp.int32))[0][0]
    total = total[0, : math.prod(shape_of(bins, quantity))]
    return 2 * total if own else total


def shape_of(bins: PairBins, quantity: PairQuantity | None) -> tuple[int, ...]:
    """Shape of the sums of one catalogue: quantities, bins, and parts of a bin if more than one."""
    if quantity is None:
        return (1, *bins.shape)
    return (quantity.size, *bins.shape, *((quantity.parts,) if quantity.parts > 1 else ()))


def places(bins: PairBins, quantity: PairQuantity | None) -> int:
    """Length of the flat sums, with a bin for the pairs that are in none."""
    if quantity is None:
        return bins.size + 1
    return quantity.size * bins.size * quantity.parts + quantity.parts


def _add_exactly(state: tuple[Array, Array], more: Array) -> tuple[Array, Array]:
    """Total and what rounding took from it, after adding."""
    total, lost = state
    more = more.astype(total.dtype) - lost
    new = total + more
    return new, (new - total) - more


def add_tile(
    total: Num[Array, "lanes places"],
    x: Float[Array, "3 *lead rows"],
    y: Float[Array, "3 *lead columns"],
    first: Float[Array, "*lead rows attributes"],
    second: Float[Array, "*lead columns attributes"],
    pair: Bool[Array, "*lead rows columns"],
    box: Float[Array, "3"] | None,
    bins: PairBins,
    quantity: PairQuantity | None,
) -> Num[Array, "lanes places"]:
    """Flat sums, with the pairs of rows and columns added for which ``pair`` is True.

    Each axis of the positions is contiguous, which halves the time.
    """
    apart, middle = [], []
    for axis in range(3):
        here, there = x[axis][..., :, None], y[axis][..., None, :]
        difference = there - here
        if box is not None:
            difference = minimum_image(difference, box[axis])
        apart.append(difference)
        middle.append(there + here)
    components, centres = (apart[0], apart[1], apart[2]), (middle[0], middle[1], middle[2])
    if quantity is None:
        return bins.count(total[0], components, centres, pair)[None]
    index = jnp.where(pair, bins.index(components, centres), bins.size)
    rows = [first[..., :, None, i] for i in range(first.shape[-1])]
    columns = [second[..., None, :, i] for i in range(second.shape[-1])]
    length = bins.size * quantity.parts
    nowhere = quantity.size * length
    for number, value in enumerate(quantity.of(components, rows, columns)):
        for place in quantity.into(index, rows, columns):
            place = jnp.where(place < length, place + number * length, nowhere)
            total = _add(total, place, jnp.broadcast_to(value, index.shape))
    return total


def _add(
    total: Num[Array, "lanes places"], index: Int[Array, "*shape"], values: Float[Array, "*shape"]
) -> Num[Array, "lanes places"]:
    """``total`` with ``values`` added at ``index``, in the lanes by turns."""
    flat = index.ravel()
    given = values.ravel().astype(total.dtype)
    if len(total) == 1:
        return total[0].at[flat].add(given, mode="promise_in_bounds")[None]
    lane = jnp.arange(flat.size, dtype=jnp.int32) % len(total)
    return total.at[lane, flat].add(given, mode="promise_in_bounds")
