"""The work that every search shares: distances to some candidates, and the smallest of them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from galgen.geometry import Geometry

NOBODY = -1
"""The row of a neighbour that does not exist, and of a candidate that is padding."""


def nearest_among(
    points: Float[Array, "batch groups points dim"],
    rows: Int[Array, "batch groups points"],
    candidates: Float[Array, "batch groups candidates dim"],
    candidate_rows: Int[Array, "batch groups candidates"],
    k: int,
    geometry: Geometry,
) -> tuple[Int[Array, "batch groups points k"], Float[Array, "batch groups points"]]:
    """The ``k`` nearest candidates of every point of a group, never the point's own row.

    Returns:
        Rows of the neighbours, nearest first, ``NOBODY`` where the candidates are too few; and the
        squared distance of the last one, infinite where it does not exist.
    """
    # Materialised: fused into the loop over pairs, a gather of candidates is done once per pair.
    candidates, candidate_rows = jax.lax.optimization_barrier((candidates, candidate_rows))
    squared = jnp.zeros((*rows.shape, candidates.shape[2]), points.dtype)
    # Component by component: a minor dimension of three would keep the loop from vectorising.
    for axis in range(points.shape[-1]):
        start, end = points[..., :, None, axis, None], candidates[..., None, :, axis, None]
        squared += geometry.displacement(start, end)[..., 0] ** 2
    theirs = candidate_rows[..., None, :]
    excluded = (theirs == NOBODY) | (theirs == rows[..., None])
    squared, chosen = smallest(jnp.where(excluded, jnp.inf, squared), k)
    names = jnp.take_along_axis(candidate_rows, chosen.reshape(*rows.shape[:2], -1), axis=-1)
    neighbors = jnp.where(jnp.isfinite(squared), names.reshape(chosen.shape), NOBODY)
    return neighbors, squared[..., -1]


def nearest_of_all(
    positions: Float[Array, "batch points dim"],
    real: Bool[Array, "batch points"],
    rows: Int[Array, "batch some"],
    k: int,
    geometry: Geometry,
) -> Int[Array, "batch some k"]:
    """The ``k`` nearest real points of the cloud to each of the points in ``rows``."""
    everyone = jnp.where(real, jnp.arange(real.shape[-1]), NOBODY)
    chosen = jnp.take_along_axis(positions, rows[..., None], axis=1)
    neighbors, _ = nearest_among(
        chosen[:, None], rows[:, None], positions[:, None], everyone[:, None], k, geometry
    )
    return neighbors[:, 0]


def smallest(
    values: Float[Array, "*batch candidates"], k: int
) -> tuple[Float[Array, "*batch k"], Int[Array, "*batch k"]]:
    """The ``k`` smallest of the last axis, ascending, and where they are.

    XLA has a fast kernel for a matrix of which exactly the first k columns are read. Another rank,
    or a slice of the result that it can move into the operation, makes it sort whole rows: ten
    times slower. Hence the reshape and the barrier. On several devices XLA gathers the matrix
    before the kernel: right, but not divided among them.
    """
    matrix = -values.reshape(-1, values.shape[-1])
    negative, places = (jax.lax.optimization_barrier(a) for a in jax.lax.top_k(matrix, k))
    shape = (*values.shape[:-1], k)
    return -negative.reshape(shape), places.reshape(shape)
