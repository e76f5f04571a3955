"""The one entry: neighbours of every point by a method of choice.

A point is never its own neighbour, and a padded row is never anybody's. Every method finds the same
neighbours but for the choice between two at equal distance; methods differ in time and memory.
"""

from __future__ import annotations

import dataclasses
import functools

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from galgen.checked import Whole, checked
from galgen.collectives import CLOUD_SPEC, POINT_SPEC, all_gather, points_axis_size, shard_map
from galgen.geometry import Geometry
from galgen.neighbors.brute_force import BruteForce
from galgen.neighbors.cell_list import CellList
from galgen.neighbors.method import Method
from galgen.neighbors.pairs import NOBODY
from galgen.neighbors.reading import Halo, read_neighbors


@flax.struct.dataclass
class Neighbors:
    """The ``k`` nearest neighbours of every point, nearest first.

    ============ ========================= ==================================================
    field        shape                     meaning
    ============ ========================= ==================================================
    indices      ``(..., points, k)``      row of each neighbour (0 where not valid)
    displacement ``(..., points, k, dim)`` from the point to its neighbour; 0 where not valid
    valid        ``(..., points, k)``      False where the cloud has too few real points
    halo         :class:`Halo` or None     what devices that share clouds exchange
    ============ ========================= ==================================================
    """

    indices: Int[Array, "*batch points k"]
    displacement: Float[Array, "*batch points k dim"]
    valid: Bool[Array, "*batch points k"]
    halo: Halo | None = None


@dataclasses.dataclass(frozen=True)
@checked
class Automatic(Method):
    """Brute force for small clouds, cells for large ones, as ``benchmarks/neighbors.py`` advises.

    Attributes:
        small: rows from which on cells are used.
    """

    small: Whole = 1500

    def search(self, positions, real, k, geometry, asking=None):
        method = BruteForce() if positions.shape[-2] < self.small else CellList()
        return method.search(positions, real, k, geometry, asking)


def nearest_neighbors(
    positions: Float[Array, "batch points dim"],
    k: int,
    geometry: Geometry,
    mask: Bool[Array, "batch points"] | None = None,
    method: Method = Automatic(),
) -> Neighbors:
    """The ``k`` nearest real neighbours of every point of every cloud.

    Displacements are differentiable in the positions; which rows are neighbours is not. A real row
    that is not finite is nobody's neighbour, and its own displacements are NaN.

    A cloud of ``k`` points or fewer has fewer neighbours than ``k``: the others are not valid, and
    what is found does not depend on the number of padded rows.

    Args:
        positions: in the unit box; on the torus any real number is taken modulo one.
        k: neighbours per point.
        geometry: supplies the displacement, minimum-image in a periodic box.
        mask: True where a row is real.
        method: how to search.

    Raises:
        ValueError: if ``k`` is below 1.
    """
    if k < 1:
        raise ValueError(f"expected k of at least 1 neighbour, got k={k}; 16 is usual")
    real = jnp.ones(positions.shape[:-1], bool) if mask is None else mask
    # A padded row may hold anything, NaN included: it must not reach the arithmetic.
    positions = jnp.where(real[..., None], positions, 0.0)
    finite = jnp.all(jnp.isfinite(positions), axis=-1)
    rows = _search(jax.lax.stop_gradient(positions), real & finite, k, geometry, method)
    valid = rows != NOBODY
    indices = jnp.where(valid, rows, 0)
    halo = Halo.of(indices)
    there = read_neighbors(positions, indices, halo)
    displacement = geometry.displacement(positions[..., None, :], there)
    absent = jnp.where(finite, 0.0, jnp.nan)[..., None, None]
    return Neighbors(indices, jnp.where(valid[..., None], displacement, absent), valid, halo)


@functools.partial(jax.jit, static_argnames=("k", "geometry", "method"))
def _search(
    positions: Float[Array, "batch points dim"],
    real: Bool[Array, "batch points"],
    k: int,
    geometry: Geometry,
    method: Method,
) -> Int[Array, "batch points k"]:
    """Compiled once for each shape, where a caller is not compiled itself."""
    positions = jnp.where(real[..., None], positions, 0.0)
    there = min(k, positions.shape[1] - 1)
    if there < 1:
        return jnp.full((*real.shape, k), NOBODY)
    if points_axis_size() == 1:

        def search_clouds(positions, real):
            return method.search(positions, real, there, geometry)

        clouds = (CLOUD_SPEC, CLOUD_SPEC)
        found = shard_map(search_clouds, positions, real, in_specs=clouds, out_specs=CLOUD_SPEC)
    else:

        def search_part(own, positions, real):
            return method.search(all_gather(positions), all_gather(real), there, geometry, own[0])

        own = jnp.broadcast_to(jnp.arange(positions.shape[1]), real.shape)
        parts = (POINT_SPEC, POINT_SPEC, POINT_SPEC)
        found = shard_map(search_part, own, positions, real, in_specs=parts, out_specs=POINT_SPEC)
    found = jnp.where(real[..., None], found, NOBODY)
    return jnp.pad(found, ((0, 0), (0, 0), (0, k - there)), constant_values=NOBODY)
