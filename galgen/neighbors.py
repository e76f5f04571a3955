"""Nearest neighbours among the points of a cloud, periodic or open, with static shapes.

Brute force by blocks of rows: each block of squared distances is reduced by ``jax.lax.top_k``
before the next is made, so memory is ``points * block`` and nothing of size ``points**2`` is kept.
A point is never its own neighbour, and a padded row is never anybody's.
"""

from __future__ import annotations

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from galgen.geometry import Geometry


@flax.struct.dataclass
class Neighbors:
    """The ``k`` nearest neighbours of every point, nearest first.

    ============ ===================== =================================================
    field        shape                 meaning
    ============ ===================== =================================================
    indices      ``(..., points, k)``  row of each neighbour (0 where not valid)
    displacement ``(..., points, k, dim)`` from the point to its neighbour; 0 where not valid
    valid        ``(..., points, k)``  False where the cloud has too few real points
    ============ ===================== =================================================
    """

    indices: Int[Array, "*batch points k"]
    displacement: Float[Array, "*batch points k dim"]
    valid: Bool[Array, "*batch points k"]


def nearest_neighbors(
    positions: Float[Array, "batch points dim"],
    k: int,
    geometry: Geometry,
    mask: Bool[Array, "batch points"] | None = None,
    block: int = 512,
) -> Neighbors:
    """The ``k`` nearest real neighbours of every point of every cloud.

    Args:
        positions: in the unit box; on the torus any real number is taken modulo one.
        k: neighbours per point, less than the number of rows.
        geometry: supplies the displacement, minimum-image in a periodic box.
        mask: True where a row is real.
        block: rows whose distances are held at once.

    Raises:
        ValueError: if ``k`` is not between 1 and ``points - 1``.
    """
    points = positions.shape[-2]
    if not 1 <= k < points:
        raise ValueError(
            f"expected 1 <= k < number of rows ({points}), got k={k}; "
            f"lower k or pad the clouds to at least {k + 1} rows"
        )
    real = jnp.ones(positions.shape[:-1], bool) if mask is None else mask
    # A padded row may hold anything, NaN included: it must not reach the arithmetic.
    positions = jnp.where(real[..., None], positions, 0.0)

    def search(cloud, cloud_real, start, size):
        """Neighbours of ``size`` rows of one cloud, beginning at row ``start``."""
        rows = start + jnp.arange(size)
        displacement = geometry.displacement(cloud[rows][:, None], cloud[None])
        squared = jnp.sum(displacement**2, axis=-1)
        excluded = ~cloud_real[None] | (rows[:, None] == jnp.arange(points)[None])
        negative, indices = jax.lax.top_k(-jnp.where(excluded, jnp.inf, squared), k)
        valid = jnp.isfinite(negative) & cloud_real[rows][:, None]
        return jnp.where(valid, indices, 0), valid

    def one_cloud(cloud, cloud_real):
        """All rows of one cloud, block by block."""
        if points <= block:
            return search(cloud, cloud_real, 0, points)
        blocks = -(-points // block)
        starts = jnp.minimum(jnp.arange(blocks) * block, points - block)
        indices, valid = jax.lax.map(lambda s: search(cloud, cloud_real, s, block), starts)
        # The last block may overlap the one before it: each row is read from one of them.
        row = jnp.arange(points)
        owner = jnp.minimum(row // block, blocks - 1)
        return indices[owner, row - starts[owner]], valid[owner, row - starts[owner]]

    indices, valid = jax.vmap(one_cloud)(jax.lax.stop_gradient(positions), real)
    there = jax.vmap(lambda cloud, i: cloud[i])(positions, indices)
    displacement = geometry.displacement(positions[..., None, :], there)
    return Neighbors(indices, jnp.where(valid[..., None], displacement, 0.0), valid)
