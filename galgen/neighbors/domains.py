"""Points in an order in which every device that shares a cloud holds a compact part of space.

Networks of near neighbours do not ask in what order points come, but who holds them matters: a
device whose points lie together finds most of their neighbours at home. Points are sorted along
Hilbert's curve, whose equal stretches are compact domains with equal numbers of points, whatever
the cloud (as in the domain decomposition of GADGET-2, Springel 2005, MNRAS 364, 1105, section 5.1).
"""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from galgen.collectives import POINT_SPEC, all_gather, is_divisible, points_axis_size, shard_map
from galgen.geometry import Geometry, hilbert_code
from galgen.neighbors.cells import gather
from galgen.neighbors.reading import read_neighbors
from galgen.periodic import wrap

Columns = Float[Array, "batch points columns"]


def in_domains(
    x: Columns, mask: Bool[Array, "batch points"] | None, geometry: Geometry
) -> tuple[Columns, Bool[Array, "batch points"] | None, Callable[[Columns], Columns]]:
    """Clouds with their points in the order of domains, and what puts an output back.

    Where devices share no cloud, clouds as they are.

    Args:
        x: three columns of position in the unit box first.
        mask: True where a row is real; padding goes to the end.
        geometry: of the box.
    """
    if points_axis_size() == 1 or not is_divisible(x, POINT_SPEC):
        return x, mask, lambda out: out

    def sort(own, x, mask):
        x, real = all_gather(x), None if mask is None else all_gather(mask)
        positions = wrap(x[..., :3]) if geometry.periodic else jnp.clip(x[..., :3], 0.0, 1.0)
        code = hilbert_code(positions)
        if real is not None:
            code = jnp.where(real, code, jnp.full_like(code, np.uint32(2**32 - 1)))
        order = jnp.argsort(code, axis=-1)
        mine = order[:, own[0]]
        moved = None if real is None else gather(real, mine)
        return gather(x, mine), moved, jnp.argsort(order, axis=-1)[:, own[0]]

    own = jnp.broadcast_to(jnp.arange(x.shape[1]), x.shape[:2])
    x, mask, home = shard_map(sort, own, x, mask, in_specs=(POINT_SPEC,) * 3, out_specs=POINT_SPEC)
    return x, mask, lambda out: read_neighbors(out, home[..., None])[:, :, 0]
