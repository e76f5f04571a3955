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

There, points that are not complete are searched once more by themselves, in more cells than their
cell had, and brute force is for those that are not complete then.

With N points and C cells searched, time N (log N + k C) and memory linear in N.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from galgen.checked import Count, Positive, checked
from galgen.geometry import Geometry
from galgen.neighbors.cells import Cells, equal_cells, join_boxes
from galgen.neighbors.method import Method
from galgen.neighbors.pairs import NOBODY, nearest_among, nearest_of_all, smallest
from galgen.periodic import wrap

Found = tuple[Int[Array, "batch _ k"], Bool[Array, "batch _"]]
"""Neighbours, and whose are complete."""


@dataclasses.dataclass(frozen=True)
@checked
class CellList(Method):
    """The cells around a point, and brute force for whom they do not serve.

    Attributes:
        occupancy: points per cell in units of k, met within a factor of 1.5.
        cells: cells searched for a point, its own among them.
        block: rows, counted over the whole batch, whose distances are held at once.
        region: cells of a region, a power of two.
        regions: that a block of cells looks into, where there are at least twice as many.
    """

    occupancy: Positive = 1.0
    cells: Count = 40
    block: Count = 512
    region: Count = 64
    regions: Count = 48

    def search(self, positions, real, k, geometry, asking=None):
        if geometry.periodic:
            positions = wrap(positions)
        cells = own = self._cells(positions, real, k)
        if asking is not None:
            own = self._cells(positions[:, asking], real[:, asking], k)
        found, complete = self._search_cells(own, asking, cells, k, geometry)

        # From the order of the cells to the order of the rows; padding falls off the end.
        batch, points = len(positions), positions.shape[1] if asking is None else len(asking)
        slots = jnp.where(own.rows == NOBODY, points, own.rows).reshape(batch, -1)
        put = jax.vmap(lambda into, slot, values: into.at[slot].set(values, mode="drop"))
        found = put(jnp.full((batch, points, k), NOBODY), slots, found)
        complete = put(jnp.ones((batch, points), bool), slots, complete)
        if self._by_region(cells):

            def once_more(rows: Int[Array, "batch some"]) -> Found:
                return self._search_rows(positions, rows, cells, k, geometry)

            found, complete = self._again(found, complete, asking, once_more)

        def by_force(rows: Int[Array, "batch some"]) -> Found:
            exact = nearest_of_all(positions, real, rows, k, geometry)
            return exact, jnp.ones(rows.shape, bool)

        return self._again(found, complete, asking, by_force)[0]

    def _cells(
        self, positions: Float[Array, "batch points dim"], real: Bool[Array, "batch points"], k: int
    ) -> Cells:
        halvings = max(0, round(math.log2(real.shape[1] / max(8.0, self.occupancy * k))))
        return Cells.of(positions, equal_cells(positions, real, halvings))

    def _by_region(self, cells: Cells) -> bool:
        return cells.rows.shape[1] >= 2 * self.regions * self.region

    def _members(self, regions: Int[Array, "batch *chosen"]) -> Int[Array, "batch *members"]:
        """The cells of regions, along the last axis."""
        members = regions[..., None] * self.region + jnp.arange(self.region)
        return members.reshape(*regions.shape[:-1], -1)

    def _search_cells(
        self,
        asking: Cells,
        names: Int[Array, " some"] | None,
        cells: Cells,
        k: int,
        geometry: Geometry,
    ) -> tuple[Int[Array, "batch slots k"], Bool[Array, "batch slots"]]:
        """Neighbours of every slot of ``asking`` in the ``cells`` around, and which are complete.

        Args:
            asking: cells of the points whose neighbours are wanted.
            names: the row in the cloud of each of these points; None where they are all.
            cells: of all points.
            k: how many neighbours.
            geometry: supplies the distance.
        """
        batch, number, size = asking.rows.shape
        there = cells.rows.shape[1]
        searched = min(there, max(self.cells, -(-k // cells.rows.shape[2]) + 1))
        rows_of = min(number, max(1, self.block // (batch * size)))
        by_region = self._by_region(cells)
        if by_region:
            # Blocks that are nodes of the tree are compact.
            rows_of = min(self.region, 2 ** int(math.log2(rows_of)))

        def search_block(own):
            boxes = asking.boxes[0][:, own], asking.boxes[1][:, own]
            beyond: Array | float = jnp.inf
            inside = jnp.broadcast_to(jnp.arange(there), (batch, there))
            if by_region:
                around = join_boxes(boxes, len(own))
                to_block = cells.region_gaps(around, self.region, geometry)[:, 0]
                _, chosen = smallest(to_block, self.regions)
                inside = self._members(chosen)
                left_out = cells.region_gaps(boxes, self.region, geometry)
                left_out = jax.vmap(lambda gap, row: gap.at[:, row].set(jnp.inf))(left_out, chosen)
                beyond = jnp.min(left_out, axis=-1, keepdims=True)
            lists = inside[:, None]
            gap = cells.gaps(boxes, lists, geometry)
            if names is None:
                gap = jnp.where(own[:, None] == lists, -1.0, gap)
            gap, place = smallest(gap, min(searched + 1, inside.shape[1]))
            near = jax.vmap(lambda row, chosen: row[chosen])(inside, place[..., :searched])
            rows = asking.rows[:, own]
            if names is not None:
                rows = jnp.where(rows == NOBODY, NOBODY, names[rows])
            found, farthest = nearest_among(
                asking.content[:, own], rows, *cells.points_in(near), k, geometry
            )
            bound = gap[..., searched:] if searched < inside.shape[1] else jnp.inf
            return found, farthest <= jnp.minimum(bound, beyond)

        blocks = -(-number // rows_of)
        own = jnp.minimum(jnp.arange(blocks * rows_of), number - 1).reshape(blocks, rows_of)
        found, complete = jax.lax.map(search_block, own)
        found = jnp.moveaxis(found, 0, 1).reshape(batch, -1, size, k)[:, :number]
        complete = jnp.moveaxis(complete, 0, 1).reshape(batch, -1, size)[:, :number]
        return found.reshape(batch, -1, k), complete.reshape(batch, -1)

    def _search_rows(
        self,
        positions: Float[Array, "batch points dim"],
        rows: Int[Array, "batch some"],
        cells: Cells,
        k: int,
        geometry: Geometry,
    ) -> Found:
        """Neighbours of single points within three times as many cells, around each itself."""
        few = max(1, self.regions // 4)
        points = jnp.take_along_axis(positions, rows[..., None], axis=1)
        boxes = points, jnp.zeros_like(points)
        gap, chosen = smallest(cells.region_gaps(boxes, self.region, geometry), few + 1)
        inside, beyond = self._members(chosen[..., :few]), gap[..., few]
        searched = min(3 * self.cells, inside.shape[-1] - 1)
        gap, place = smallest(cells.gaps(boxes, inside, geometry), searched + 1)
        near = jnp.take_along_axis(inside, place[..., :searched], axis=-1)
        candidates = cells.points_in(near)
        found, farthest = nearest_among(
            points[:, :, None], rows[..., None], *candidates, k, geometry
        )
        bound = jnp.minimum(gap[..., searched], beyond)
        return found[:, :, 0], farthest[..., 0] <= bound

    def _again(
        self,
        found: Int[Array, "batch points k"],
        complete: Bool[Array, "batch points"],
        names: Int[Array, " points"] | None,
        search: Callable[[Int[Array, "batch some"]], Found],
    ) -> Found:
        """Both, after a search for the points that are not complete, a few at a time.

        Their rows in the cloud are ``names``, or as they come.
        """
        batch, points, _ = found.shape
        # An eighth of a block: often a few rows wait, and a turn of the loop costs its full size.
        size = min(points, max(1, self.block // (8 * batch)))
        queue = jax.vmap(lambda done: jnp.nonzero(~done, size=points, fill_value=0)[0])(complete)
        waiting = jnp.max(jnp.sum(~complete, axis=-1))
        put = jax.vmap(lambda into, row, value: into.at[row].set(value))

        def turn(state):
            start, found, complete = state
            rows = jax.lax.dynamic_slice_in_dim(queue, start, size, axis=1)
            neighbors, done = search(rows if names is None else names[rows])
            # Row 0 fills the queue's end: what was complete stays as it is.
            before = jnp.take_along_axis(complete, rows, axis=1)
            kept = jnp.take_along_axis(found, rows[..., None], axis=1)
            neighbors = jnp.where(before[..., None], kept, neighbors)
            done |= before
            return start + size, put(found, rows, neighbors), put(complete, rows, done)

        state = jax.lax.while_loop(lambda state: state[0] < waiting, turn, (0, found, complete))
        return state[1], state[2]
