"""Pair counts of large catalogues: cells of equal numbers of points, and near cells only.

A catalogue is halved at the median of the longer side of each cell until a cell holds at most
``occupancy`` points: the leaves of a balanced k-d tree (Bentley 1975, Commun. ACM 18, 509), small
where points crowd and large in a void. The tree is walked by pairs of cells, level by level: a pair
is dropped when its bounding boxes are farther apart than the bins reach, else both are halved
(Gray & Moore 2000, arXiv:astro-ph/0012333). What is left is a list of pairs of leaves, whose points
are compared in compiled tiles, as in :mod:`galgen.statistics.pairs.tiles`. Nothing is approximate:
the integers are those of all pairs.

Time grows as N times the points within reach of a cell, memory as N plus the list. The tree and its
walk run on the host, the tiles on the device. The tree of :mod:`galgen.neighbors` is not used: it
is compiled anew for every number of points. Counts are int64 and weighted sums float64, whatever
JAX's default is.
"""

from __future__ import annotations

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Num

from galgen.periodic import wrap
from galgen.statistics.pairs.bins import PairBins
from galgen.statistics.pairs.points import PairQuantity, Points
from galgen.statistics.pairs.tiles import add_tile, places, shape_of

OCCUPANCY = 16
"""Most points in a leaf. Fewer make more and better fitting leaves; more make larger tiles."""
TOGETHER = 64
"""Pairs of leaves compared at once: tiles that stay in the cache."""


@dataclasses.dataclass(frozen=True)
class Cells:
    """The leaves of a balanced tree over one catalogue, and the boxes around its nodes.

    ============ =========================== ==================================================
    field        shape                       meaning
    ============ =========================== ==================================================
    rows         ``(leaves, size)``          row of the catalogue in each slot, -1 for none
    centre, half per level, ``(2^level, 3)`` of the boxes, Mpc/h; half is -inf for an empty one
    ============ =========================== ==================================================
    """

    rows: Int[np.ndarray, "leaves size"]
    centre: tuple[Float[np.ndarray, "_ 3"], ...]
    half: tuple[Float[np.ndarray, "_ 3"], ...]


def sums_by_cells(
    first: Points,
    second: Points | None,
    bins: PairBins,
    box: Float[np.ndarray, "3"],
    periodic: bool,
    quantity: PairQuantity | None,
) -> Num[np.ndarray, "batch quantities *bins"]:
    """As :func:`~galgen.statistics.pairs.tiles.sums_by_tiles`, for large catalogues, outside jit.

    Points are those of ``as_points``: finite, of float64.
    """
    sides = box if periodic else None
    sums = []
    for index in range(len(first.mask)):
        one = _real(first, index)
        other = None if second is None else _real(second, index)
        sums.append(_sums(one, other, bins, sides, quantity))
    dtype = np.int64 if quantity is None else np.float64
    return np.array(sums, dtype).reshape(len(sums), *shape_of(bins, quantity))


def _real(points: Points, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions and attributes of the real points of one catalogue, on the host."""
    real = np.asarray(points.mask[index])
    return np.asarray(points.positions[index])[real], np.asarray(points.attributes[index])[real]


def _sums(
    first: tuple[np.ndarray, np.ndarray],
    second: tuple[np.ndarray, np.ndarray] | None,
    bins: PairBins,
    box: np.ndarray | None,
    quantity: PairQuantity | None,
) -> np.ndarray:
    """Flat sums over ordered pairs, of one catalogue or of two."""
    (x, mine), (y, theirs) = first, first if second is None else second
    if 0 in (len(x), len(y)):
        return np.zeros(math.prod(shape_of(bins, quantity)))
    y = y.astype(x.dtype)
    if box is not None:
        x, y = (wrap(points, box.astype(x.dtype)) for points in (x, y))
    here = equal_cells(x)
    there = here if second is None else equal_cells(y)
    pairs = near_pairs(here, there, bins.reach, box, second is None)
    content = (*_content(x, mine, here), *_content(y, theirs, there))
    sides = None if box is None else box.astype(x.dtype)

    def summed(pairs: np.ndarray, within: bool) -> np.ndarray:
        with jax.enable_x64(True):
            return np.asarray(_sum_tiles(*content, *_blocks(pairs), sides, bins, quantity, within))

    if second is not None:
        return summed(pairs, False)
    # Pairs within one leaf come in both orders, those between two leaves in one.
    same = pairs[:, 0] == pairs[:, 1]
    return summed(pairs[same], True) + 2 * summed(pairs[~same], False)


def equal_cells(points: Float[np.ndarray, "points 3"], occupancy: int = OCCUPANCY) -> Cells:
    """Halve a catalogue until no cell holds more than ``occupancy`` points.

    Points are sorted in float32, which serves as well; the boxes around the leaves are exact.
    """
    halvings = max(0, int(np.ceil(np.log2(len(points) / occupancy))))
    # Even sizes, so that catalogues of like numbers share a compiled program.
    size = 2 * -(-len(points) // 2 ** (halvings + 1))
    rows = np.full(size * 2**halvings, -1, np.int32)
    rows[: len(points)] = np.arange(len(points))
    # Padding is sorted to the end of every cell: it sits at infinity along each axis.
    content = np.full((3, 1, len(rows)), np.inf, np.float32)
    content[:, 0, : len(points)] = points.T
    rows = rows[None]
    done = 0
    while done < halvings:
        # Early on eight cells at once: three such steps, one along each axis, make cubes of a cube.
        step = 3 if done < 9 <= halvings else 1
        order = _order_along_longest(content, 2**step)
        shape = (len(rows) * 2**step, -1)
        rows = np.take_along_axis(rows, order, axis=1).reshape(shape)
        content = np.take_along_axis(content, order[None], axis=2).reshape(3, *shape)
        done += step
    return Cells(rows, *_boxes(points, rows))


def _order_along_longest(
    content: Float[np.ndarray, "3 cells size"], parts: int
) -> Int[np.ndarray, "cells size"]:
    """An order of every cell that cuts it along its longest axis in equal ``parts``."""
    low = content.min(axis=2)
    high = np.where(np.isfinite(content), content, -np.inf).max(axis=2)
    longest = np.argmax(np.where(np.isfinite(low), high - low, 0.0), axis=0)
    along = np.take_along_axis(content, longest[None, :, None], axis=0)[0]
    cuts = np.arange(1, parts) * (along.shape[1] // parts) - 1
    return np.argpartition(along, cuts, axis=1)


def _boxes(
    points: Float[np.ndarray, "points 3"], rows: Int[np.ndarray, "leaves size"]
) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """Centres and half widths of the boxes around the nodes of every level, from the leaves up."""
    real = (rows >= 0)[..., None]
    content = points[np.maximum(rows, 0)].astype(np.float64)
    low = np.where(real, content, np.inf).min(axis=1)
    high = np.where(real, content, -np.inf).max(axis=1)
    centres, halves = [], []
    while True:
        empty = low > high
        inside, width = (np.where(empty, 0.0, a) for a in (low, high - np.where(empty, 0, low)))
        centres.append(inside + width / 2)
        halves.append(np.where(empty, -np.inf, width / 2))
        if len(low) == 1:
            return tuple(reversed(centres)), tuple(reversed(halves))
        low, high = np.minimum(low[::2], low[1::2]), np.maximum(high[::2], high[1::2])


def near_pairs(
    first: Cells, second: Cells, reach: float, box: np.ndarray | None, own: bool
) -> Int[np.ndarray, "pairs 2"]:
    """Pairs of leaves that may hold points within ``reach``; each once, in a tree of its own."""
    pairs = np.zeros((1, 2), np.int32)
    levels = len(first.centre), len(second.centre)
    for level in range(max(levels)):
        if level:
            pairs = _halved(pairs, level < levels[0], level < levels[1], own)
        one, other = (min(level, number - 1) for number in levels)
        squared = np.zeros(len(pairs))
        for axis in range(3):
            left, right = pairs.T
            apart = np.abs(first.centre[one][left, axis] - second.centre[other][right, axis])
            if box is not None:
                apart = np.minimum(apart, box[axis] - apart)
            gap = apart - first.half[one][left, axis] - second.half[other][right, axis]
            # More than rounding can add to a gap: that would drop a pair too early.
            squared += np.maximum(gap - 1e-5 * reach - 1e-6 * apart, 0.0) ** 2
        pairs = pairs[squared <= reach**2]
    return pairs


def _halved(
    pairs: Int[np.ndarray, "pairs 2"], first: bool, second: bool, own: bool
) -> Int[np.ndarray, "more 2"]:
    """The pairs of the halves of both; of a cell with itself, three instead of four."""
    left = (2 * pairs[:, :1] + np.arange(2)) if first else pairs[:, :1]
    right = (2 * pairs[:, 1:] + np.arange(2)) if second else pairs[:, 1:]
    left, right = np.broadcast_arrays(left[:, :, None], right[:, None, :])
    more = np.stack([left.ravel(), right.ravel()], axis=1).astype(np.int32)
    return more[more[:, 0] <= more[:, 1]] if own else more


def _content(
    points: np.ndarray, attributes: np.ndarray, cells: Cells
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions, attributes and names of the points in each slot."""
    rows = np.maximum(cells.rows, 0)
    return points.T[:, rows], attributes.astype(points.dtype)[rows], cells.rows


def _blocks(pairs: Int[np.ndarray, "pairs 2"]) -> tuple[np.ndarray, np.ndarray, int]:
    """Pairs of leaves in blocks, as many as a power of two, which of them count, and the blocks."""
    blocks = max(1, -(-len(pairs) // TOGETHER))
    room = 2 ** int(np.ceil(np.log2(blocks))) * TOGETHER
    full = np.zeros((room, 2), np.int32)
    full[: len(pairs)] = pairs
    counted = np.arange(room) < len(pairs)
    return full.reshape(-1, TOGETHER, 2), counted.reshape(-1, TOGETHER), blocks


@functools.partial(jax.jit, static_argnames=("bins", "quantity", "within"))
def _sum_tiles(
    x: Float[Array, "3 leaves size"],
    first: Float[Array, "leaves size attributes"],
    here: Int[Array, "leaves size"],
    y: Float[Array, "3 others width"],
    second: Float[Array, "others width attributes"],
    there: Int[Array, "others width"],
    pairs: Int[Array, "blocks together 2"],
    counted: Array,
    blocks: Array | int,
    box: Float[Array, "3"] | None,
    bins: PairBins,
    quantity: PairQuantity | None,
    within: bool,
) -> Array:
    """Flat sums over the points of pairs of leaves; ``within``: a point is not its own pair."""
    zero = jnp.zeros((1, places(bins, quantity)), jnp.int64 if quantity is None else jnp.float64)

    def add(block: Array, total: Array) -> Array:
        left, right = pairs[block, :, 0], pairs[block, :, 1]
        one, other = here[left][..., :, None], there[right][..., None, :]
        pair = (one >= 0) & (other >= 0) & counted[block][:, None, None]
        if within:
            pair &= one != other
        return add_tile(
            total, x[:, left], y[:, right], first[left], second[right], pair, box, bins, quantity
        )

    total = jax.lax.fori_loop(0, blocks, add, zero)
    return total[0, : math.prod(shape_of(bins, quantity))]
