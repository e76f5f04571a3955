"""Cells of equal numbers of points, the boxes around them, and gaps between boxes.

Cells are the leaves of a balanced k-d tree, in its order: ``2^j`` of them in turn are a node, and a
**region** is such a node.
"""

from __future__ import annotations

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Shaped

from galgen.geometry import Geometry
from galgen.neighbors.pairs import NOBODY

Boxes = tuple[Float[Array, "batch boxes dim"], Float[Array, "batch boxes dim"]]
"""Centres and half widths."""


@flax.struct.dataclass
class Cells:
    """The points of every cell.

    ======= ============================= ============================================
    field   shape                         meaning
    ======= ============================= ============================================
    rows    ``(batch, cells, size)``      row of the cloud in each slot, or ``NOBODY``
    content ``(batch, cells, size, dim)`` positions
    boxes   ``(batch, cells, dim)`` each  centres and half widths
    slack   scalar                        more than rounding can add to a gap
    ======= ============================= ============================================
    """

    rows: Int[Array, "batch cells size"]
    content: Float[Array, "batch cells size dim"]
    boxes: Boxes
    slack: Float[Array, ""]

    @classmethod
    def of(cls, positions: Float[Array, "batch points dim"], rows: Array) -> Cells:
        """The cells that hold these rows of a cloud."""
        content = gather(positions, jnp.maximum(rows, 0))
        centre, half = bounding_boxes(content, rows)
        slack = 8 * jnp.finfo(centre.dtype).eps * jnp.max(jnp.abs(centre) + half)
        return cls(rows, content, (centre, half), slack)

    def gaps(
        self, boxes: Boxes, members: Int[Array, "batch lists inside"], geometry: Geometry
    ) -> Float[Array, "batch rows inside"]:
        """Squared gaps from each box to its list of cells, or to the one list there is.

        Infinite to an empty cell.
        """
        centre, half = (gather(a, members) for a in self.boxes)
        empty = gather(jnp.all(self.rows == NOBODY, axis=-1), members)
        squared = _squared_gaps(boxes, (centre, half), self.slack, geometry)
        return jnp.where(empty, jnp.inf, squared)

    def region_gaps(
        self, boxes: Boxes, region: int, geometry: Geometry
    ) -> Float[Array, "batch rows regions"]:
        """Squared gaps from each box to every region of ``region`` cells."""
        centre, half = (a[:, None] for a in join_boxes(self.boxes, region))
        return _squared_gaps(boxes, (centre, half), self.slack, geometry)

    def points_in(
        self, cells: Int[Array, "batch rows near"]
    ) -> tuple[Float[Array, "batch rows candidates dim"], Int[Array, "batch rows candidates"]]:
        """Positions and rows of the points in lists of cells."""
        shape = (*cells.shape[:2], -1)
        content = gather(self.content, cells)
        names = gather(self.rows, cells)
        return content.reshape(*shape, content.shape[-1]), names.reshape(shape)


def _squared_gaps(
    boxes: Boxes,
    others: tuple[Float[Array, "..."], Float[Array, "..."]],
    slack: Float[Array, ""],
    geometry: Geometry,
) -> Float[Array, "batch rows others"]:
    apart = geometry.displacement(boxes[0][:, :, None], others[0])
    gap = jnp.abs(apart) - boxes[1][:, :, None] - others[1] - slack
    return jnp.sum(jnp.maximum(gap, 0.0) ** 2, axis=-1)


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
    boxes: Boxes, number: int
) -> tuple[Float[Array, "batch joined dim"], Float[Array, "batch joined dim"]]:
    """Boxes around every ``number`` boxes in turn."""
    centre, half = boxes
    shape = (len(centre), -1, number, centre.shape[-1])
    low = jnp.min((centre - half).reshape(shape), axis=2)
    high = jnp.max((centre + half).reshape(shape), axis=2)
    return (low + high) / 2, (high - low) / 2


def gather(
    values: Shaped[Array, "batch rows *item"], rows: Int[Array, "batch *wanted"]
) -> Shaped[Array, "batch *wanted *item"]:
    """``values[b, rows[b]]`` for every cloud b of the batch."""
    return jax.vmap(lambda cloud, row: cloud[row])(values, rows)
