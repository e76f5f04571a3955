"""What points read of their neighbours, also where these are on other devices.

Where devices share a cloud whose points lie in domains (:mod:`galgen.neighbors.domains`), the
neighbours of a device's points are its own points and a layer around them: the halo. Which points
of another device belong to it is told to that device once, when neighbours are found; from then on
it sends what they carry, and nothing else travels. A layer of n^(2/3) points has room in a buffer
of fixed size; where a cloud is such that it has not, everything is gathered, which takes longer and
gives the same.
"""

from __future__ import annotations

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, Shaped

from galgen.collectives import (
    POINT_SPEC,
    all_gather,
    all_to_all,
    axis_index,
    is_divisible,
    pmax,
    points_axis_size,
    shard_map,
)
from galgen.neighbors.cells import gather

ROOM = 3.0
"""Of a buffer, in units of k^(1/3) n^(2/3) points.

Two halves of a periodic box with n points each touch in two faces of (2 n)^(2/3) points. The k-th
neighbour is (3 k / 4 pi)^(1/3) mean separations away, so the halo has 2.0 k^(1/3) n^(2/3) points.
"""


@flax.struct.dataclass
class Halo:
    """What one device needs of the others, and they of it; p devices share a cloud.

    ======= ============================ ======================================================
    field   shape                        meaning
    ======= ============================ ======================================================
    places  ``(batch, points, k)``       of each neighbour, among a device's own points and what
                                         it receives
    sent    ``(batch, p * p, room)``     own points that each device sends to each
    crowded ``(batch, p)``               whether there is no room for all, on any device
    ======= ============================ ======================================================
    """

    places: Int[Array, "batch points k"]
    sent: Int[Array, "batch pairs room"]
    crowded: Bool[Array, "batch parts"]

    @classmethod
    def of(cls, indices: Int[Array, "batch points k"]) -> Halo | None:
        """The halo of these neighbours; None where nothing is shared, or gathering is as good."""
        parts = points_axis_size()
        if parts == 1 or not is_divisible(indices, POINT_SPEC):
            return None
        points, k = indices.shape[1] // parts, indices.shape[2]
        room = round(ROOM * k ** (1 / 3) * points ** (2 / 3))
        if room >= points:
            return None

        def on_device(indices):
            batch, me = len(indices), axis_index()
            rows = jnp.arange(batch)[:, None, None]
            wanted = jnp.zeros((batch, parts * points), bool).at[rows, indices].set(True)
            wanted = wanted.reshape(batch, parts, points).at[:, me].set(False)
            numbers = jnp.cumsum(wanted, axis=-1)
            rank = gather(numbers.reshape(batch, -1) - 1, indices)
            owner = indices // points
            received = points + owner * room + rank
            places = jnp.where(owner == me, indices - me * points, received)
            crowded = pmax(jnp.max(numbers[..., -1], axis=-1, keepdims=True) > room)
            return cls(places, all_to_all(_first(wanted, room)), crowded)

        return shard_map(on_device, indices, in_specs=(POINT_SPEC,), out_specs=POINT_SPEC)

    def read(
        self, values: Shaped[Array, "batch some *item"], indices: Int[Array, "batch some k"]
    ) -> Shaped[Array, "batch some k *item"]:
        """On one device: what its points read of its own ``values`` and those it receives."""
        batch, _, *item = values.shape

        def by_halo(values):
            asked = self.sent.reshape(batch, -1)
            received = all_to_all(gather(values, asked).reshape(*self.sent.shape, *item))
            table = jnp.concatenate([values, received.reshape(batch, -1, *item)], axis=1)
            # What is not read where the halo is crowded may point anywhere.
            return gather(table, jnp.clip(self.places, 0, table.shape[1] - 1))

        def by_gathering(values):
            return gather(all_gather(values), indices)

        return jax.lax.cond(jnp.any(self.crowded), by_gathering, by_halo, values)


def _first(wanted: Bool[Array, "batch parts points"], room: int) -> Int[Array, "batch parts room"]:
    """The points that are wanted, and the first one wherever there are no more."""

    def find(flags):
        return jnp.nonzero(flags, size=room, fill_value=0)[0]

    return jax.vmap(jax.vmap(find))(wanted)


def read_neighbors(
    values: Shaped[Array, "batch points *item"],
    indices: Int[Array, "batch points k"],
    halo: Halo | None = None,
) -> Shaped[Array, "batch points k *item"]:
    """``values[b, indices[b]]`` for every cloud b of the batch.

    Args:
        values: of every point.
        indices: of neighbours.
        halo: of these indices, if they have one.
    """

    def read(values, indices, halo):
        if halo is None:
            return gather(all_gather(values), indices)
        return halo.read(values, indices)

    return shard_map(read, values, indices, halo, in_specs=(POINT_SPEC,) * 3, out_specs=POINT_SPEC)
