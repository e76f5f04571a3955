"""A cell list whose cells hold equal numbers of points.

Space is halved at the median of its longer side until each cell holds about k points: the leaves of
a balanced k-d tree (Bentley 1975, Commun. ACM 18, 509). Such a cell cannot overflow, whatever the
cloud; it is small where points crowd and large in a void.

The ``cells`` cells nearest to a cell are searched for all its points together. Let b be the gap
between its bounding box and that of the nearest cell that was *not* searched: no point closer than
b was missed, so a point whose k-th neighbour is at most b away is complete. The others, few if any,
are searched again by brute force, in a loop as long as their number: an adversarial cloud takes
longer, and is never short of a neighbour.

Which cells are nearest is found in two steps where there are many: the regions nearest to a block
of cells first, each a node of the tree, then the cells of these. What lies outside them is no
nearer than the nearest region left out, which lowers b where it must.

With N points and C cells searched, time N (log N + k C) and memory linear in N; but in a uniform
cloud about 1% of the points are not complete, and the brute force for these, N²/100, takes most of
the time of a million points.
"""

from __future__ import annotations

import dataclasses
import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Shaped

from galgen.geometry import Geometry, wrap
from galgen.neighbors.method import Method
from galgen.neighbors.pairs import NOBODY, nearest_among, nearest_of_all, smallest


@dataclasses.dataclass(frozen=True)
class CellList(Method):
    """The cells around a point, and brute force for whom they do not serve.

    Attributes:
        occupancy: points per cell in units of k, met within a factor of 1.5.
        cells: cells searched for a point, its own among them.
        block: rows, counted over the whole batch, whose distances are held at once.
        region: cells of a region, a power of two.
        regions: that a block of cells looks into, where there are at least twice as many.
    """

    occupancy: float = 1.0
    cells: int = 40
    block: int = 512
    region: int = 64
    regions: int = 48

    def search(self, positions, real, k, geometry):
        batch, points, _ = positions.shape
        if geometry.periodic:
            positions = wrap(positions)
        halvings = max(0, round(math.log2(points / max(8.0, self.occupancy * k))))
        cells = equal_cells(positions, real, halvings)
        found, complete = self._search_cells(positions, cells, k, geometry)

        # From the order of the cells to the order of the rows; padding falls off the end.
        slots = jnp.where(cells == NOBODY, points, cells).reshape(batch, -1)
        put = jax.vmap(lambda into, slot, values: into.at[slot].set(values, mode="drop"))
        found = put(jnp.full((batch, points, k), NOBODY), slots, found)
        complete = put(jnp.ones((batch, points), bool), slots, complete)
        return self._repair(positions, real, found, complete, geometry)

    def _search_cells(
        self,
        positions: Float[Array, "batch points dim"],
        cells: Int[Array, "batch cells size"],
        k: int,
        geometry: Geometry,
    ) -> tuple[Int[Array, "batch slots k"], Bool[Array, "batch slots"]]:
        """Neighbours of every slot within the cells around its own, and which rows are complete."""
        batch, number, size = cells.shape
        content = gather(positions, jnp.maximum(cells, 0))
        centre, half = bounding_boxes(content, cells)
        empty = jnp.all(cells == NOBODY, axis=-1)
        # More than rounding can add to a gap: that would call a point complete too early.
        slack = 8 * jnp.finfo(centre.dtype).eps * jnp.max(jnp.abs(centre) + half)
        searched = min(number, max(self.cells, -(-k // size) + 1))
        rows_of = min(number, max(1, self.block // (batch * size)))
        by_region = number >= 2 * self.regions * self.region
        if by_region:
            # Blocks that are nodes of the tree are compact.
            rows_of = min(self.region, 2 ** int(math.log2(rows_of)))
            regions = join_boxes(centre, half, self.region)

        def gaps(box, others):
            """Squared gaps between boxes ``(batch, rows, dim)`` and others."""
            apart = geometry.displacement(box[0][:, :, None], others[0][:, None])
            gap = jnp.abs(apart) - box[1][:, :, None] - others[1][:, None] - slack
            return jnp.sum(jnp.maximum(gap, 0.0) ** 2, axis=-1)

        def search_block(own):
            box = centre[:, own], half[:, own]
            beyond: Array | float = jnp.inf
            inside = jnp.broadcast_to(jnp.arange(number), (batch, number))
            if by_region:
                _, chosen = smallest(gaps(join_boxes(*box, len(own)), regions)[:, 0], self.regions)
                inside = (chosen[..., None] * self.region + jnp.arange(self.region)).reshape(
                    batch, -1
                )
                left_out = jax.vmap(lambda gap, row: gap.at[:, row].set(jnp.inf))(
                    gaps(box, regions), chosen
                )
                beyond = jnp.min(left_out, axis=-1, keepdims=True)
            gap = gaps(box, (gather(centre, inside), gather(half, inside)))
            gap = jnp.where(own[:, None] == inside[:, None], -1.0, gap)
            gap = jnp.where(gather(empty, inside)[:, None], jnp.inf, gap)
            gap, place = smallest(gap, min(searched + 1, inside.shape[1]))
            near = gather(inside, place[..., :searched])
            candidates = gather(content, near).reshape(batch, len(own), searched * size, -1)
            names = gather(cells, near).reshape(batch, len(own), searched * size)
            found, farthest = nearest_among(
                content[:, own], cells[:, own], candidates, names, k, geometry
            )
            bound = gap[..., searched:] if searched < inside.shape[1] else jnp.inf
            return found, farthest <= jnp.minimum(bound, beyond)

        blocks = -(-number // rows_of)
        own = jnp.minimum(jnp.arange(blocks * rows_of), number - 1).reshape(blocks, rows_of)
        found, complete = jax.lax.map(search_block, own)
        found = jnp.moveaxis(found, 0, 1).reshape(batch, -1, size, k)[:, :number]
        complete = jnp.moveaxis(complete, 0, 1).reshape(batch, -1, size)[:, :number]
        return found.reshape(batch, -1, k), complete.reshape(batch, -1)

    def _repair(
        self,
        positions: Float[Array, "batch points dim"],
        real: Bool[Array, "batch points"],
        found: Int[Array, "batch points k"],
        complete: Bool[Array, "batch points"],
        geometry: Geometry,
    ) -> Int[Array, "batch points k"]:
        """``found``, with those that are not complete searched by brute force, a few at a time."""
        batch, points, k = found.shape
        # An eighth of a block: often a few rows wait, and a turn of the loop costs its full size.
        size = min(points, max(1, self.block // (8 * batch)))
        queue = jax.vmap(lambda done: jnp.nonzero(~done, size=points, fill_value=0)[0])(complete)
        waiting = jnp.max(jnp.sum(~complete, axis=-1))

        def repair(state):
            start, found = state
            rows = jax.lax.dynamic_slice_in_dim(queue, start, size, axis=1)
            exact = nearest_of_all(positions, real, rows, k, geometry)
            return start + size, jax.vmap(lambda f, r, e: f.at[r].set(e))(found, rows, exact)

        return jax.lax.while_loop(lambda state: state[0] < waiting, repair, (0, found))[1]


def equal_cells(
    positions: Float[Array, "batch points dim"], real: Bool[Array, "batch points"], halvings: int
) -> Int[Array, "batch cells size"]:
    """Rows of the points of ``2**halvings`` cells, ``NOBODY`` in the slots that padding fills."""
    batch, points, _ = positions.shape
    size = -(-points // 2**halvings)
    rows = jnp.where(real, jnp.arange(points), NOBODY)
    spare = jnp.full((batch, size * 2**halvings - points), NOBODY)
    cells = jnp.concatenate([rows, spare], axis=1)[:, None]
    for _ in range(halvings):
        content = gather(positions, jnp.maximum(cells, 0))
        longest = jnp.argmax(bounding_boxes(content, cells)[1], axis=-1)
        along = jnp.take_along_axis(content, longest[..., None, None], axis=-1)[..., 0]
        # Padding goes to the end, so that the first half is full before the second has any.
        along = jnp.where(cells == NOBODY, jnp.inf, along)
        cells = jax.lax.sort_key_val(along, cells)[1]
        cells = cells.reshape(batch, 2 * cells.shape[1], -1)
    return cells


def bounding_boxes(
    content: Float[Array, "batch cells size dim"], cells: Int[Array, "batch cells size"]
) -> tuple[Float[Array, "batch cells dim"], Float[Array, "batch cells dim"]]:
    """Centres and half widths of the cells' bounding boxes; zero where a cell is empty."""
    padding = (cells == NOBODY)[..., None]
    low = jnp.min(jnp.where(padding, jnp.inf, content), axis=-2)
    high = jnp.max(jnp.where(padding, -jnp.inf, content), axis=-2)
    empty = jnp.all(padding, axis=-2)
    return jnp.where(empty, 0.0, (low + high) / 2), jnp.where(empty, 0.0, (high - low) / 2)


def join_boxes(
    centre: Float[Array, "batch boxes dim"], half: Float[Array, "batch boxes dim"], number: int
) -> tuple[Float[Array, "batch joined dim"], Float[Array, "batch joined dim"]]:
    """Boxes around every ``number`` boxes in turn."""
    shape = (len(centre), -1, number, centre.shape[-1])
    low = jnp.min((centre - half).reshape(shape), axis=2)
    high = jnp.max((centre + half).reshape(shape), axis=2)
    return (low + high) / 2, (high - low) / 2


def gather(
    values: Shaped[Array, "batch rows *item"], rows: Int[Array, "batch *wanted"]
) -> Shaped[Array, "batch *wanted *item"]:
    """``values[b, rows[b]]`` for every cloud b of the batch."""
    return jax.vmap(lambda cloud, row: cloud[row])(values, rows)
