"""Points inside spheres around given centres, N(<r): what nearest neighbours and cells count.

A sphere is open, ``separation < r``, as bins are half open; a point on it, but for its rounding, is
outside (:mod:`galgen.statistics.binning`). In a periodic box the separation is
that of the nearest image, unique up to half the box; centres and points wrap. Every point counts
one. Two routes give the same integers:

- :func:`sphere_counts`, compiled: tiles of ``tile`` centres by ``tile`` points, time centres x
  points x radii. For batches of small clouds.
- :func:`sphere_counts_by_tree`, on the host in float64: a KD tree. For large catalogues.

No root is taken: squared separations are compared with squared radii, in float64 outside a jit. In
one they have the precision of the positions: in float32 a point within about 1e-7 box sides of a
sphere may be on its other side.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int
from scipy.spatial import cKDTree

from galgen.arrays import ArrayLike, as_array, library_of
from galgen.errors import InputError
from galgen.periodic import wrap
from galgen.statistics.arguments import check_finite, check_points, evaluate, is_traced
from galgen.statistics.binning import check_box, check_whole, reached_from


def lattice_centers(per_side: int, box: ArrayLike) -> Float[np.ndarray, "centers 3"]:
    """Centres of the ``per_side³`` equal cells of a box, in Mpc/h: even, and without any noise.

    Raises:
        InputError: less than one per side, or a bad box.
    """
    number = check_whole(per_side, 1, 1290, "at least 1 centre per side", "pass e.g. 32")
    places = (np.arange(number) + 0.5) / number
    grid = np.stack(np.meshgrid(places, places, places, indexing="ij"), axis=-1)
    return grid.reshape(-1, 3) * check_box(box)


def sphere_counts(
    positions: ArrayLike,
    mask: ArrayLike | None,
    radii: ArrayLike,
    box: ArrayLike,
    centers: ArrayLike,
    periodic: bool = True,
    tile: int = 256,
) -> Int[Array | np.ndarray, "batch centers radii"]:
    """Points of each catalogue inside each sphere, compiled.

    Args:
        positions: ``(batch, points, 3)`` in Mpc/h.
        mask: ``(batch, points)``, True where real; None for all.
        radii: ``(radii,)`` in Mpc/h, increasing, a host value.
        box: the three sides in Mpc/h, a host value.
        centers: ``(centers, 3)`` for all catalogues, or ``(batch, centers, 3)``.
        periodic: nearest images; False for an open box, where ``box`` is not used.
        tile: centres and points compared at once, a matter of cache only.

    Raises:
        InputError: bad shapes, radii or box, radii beyond half a periodic box, no centres, or
            positions that are not finite (not seen inside a jit).
    """
    limits, sides = check_spheres(radii, box, periodic)
    exact = not is_traced(positions, mask, centers)
    points, keep = check_points(positions, mask, exact, sides if periodic else None)
    middle = check_centers(centers, points)
    host = [values.astype(points.dtype) for values in (reached_from(limits) ** 2, sides)]
    return evaluate(exact, _count_batch, points, keep, middle, *host, periodic, tile)


@functools.partial(jax.jit, static_argnames=("periodic", "tile"))
def _count_batch(
    positions: Float[Array, "batch points 3"],
    mask: Bool[Array, "batch points"],
    centers: Float[Array, "batch centers 3"],
    squared_radii: Float[Array, "radii"],
    box: Float[Array, "3"],
    periodic: bool,
    tile: int,
) -> Int[Array, "batch centers radii"]:
    """Counts of every catalogue, one block of centres at a time."""
    if positions.shape[0] == 0:
        return jnp.zeros((0, centers.shape[1], squared_radii.size), jnp.int32)
    if periodic:
        positions, centers = wrap(positions, box), wrap(centers, box)

    def one(catalogue: tuple[Array, Array, Array]) -> Int[Array, "centers radii"]:
        points, real, middle = catalogue
        counts = jax.lax.map(
            lambda block: count_block(
                block, points, real, squared_radii, box if periodic else None, tile
            ),
            into_blocks(middle, tile),
        )
        return jnp.moveaxis(counts, 1, 2).reshape(-1, squared_radii.size)[: middle.shape[0]]

    return jax.lax.map(one, (positions, mask, centers))


def into_blocks(rows: Array, size: int) -> Array:
    """Rows in equal blocks of at most ``size``, ``(blocks, block, ...)``, padded with zeros."""
    blocks = max(1, -(-rows.shape[0] // size))
    side = -(-rows.shape[0] // blocks)
    extra = blocks * side - rows.shape[0]
    padded = jnp.pad(rows, ((0, extra), *((0, 0),) * (rows.ndim - 1)))
    return padded.reshape(blocks, side, *rows.shape[1:])


def count_block(
    centers: Float[Array, "block 3"],
    points: Float[Array, "points 3"],
    mask: Bool[Array, "points"],
    squared_radii: Float[Array, "radii"],
    box: Float[Array, "3"] | None,
    tile: int,
) -> Int[Array, "radii block"]:
    """Counts around one block of centres, summed over tiles of points; both wrapped before."""
    start = jnp.zeros((squared_radii.size, centers.shape[0]), jnp.int32)
    if points.shape[0] == 0:
        return start

    def add(total: Array, part: tuple[Array, Array]) -> tuple[Array, None]:
        rows, real = part
        squared = jnp.where(real[:, None], 0.0, jnp.inf).astype(centers.dtype)
        for axis in range(3):
            difference = jnp.abs(rows[:, None, axis] - centers[None, :, axis])
            if box is not None:
                difference = jnp.minimum(difference, box[axis] - difference)
            squared = squared + difference * difference
        below = jax.lax.map(
            lambda limit: jnp.sum(squared < limit, axis=0, dtype=jnp.int32), squared_radii
        )
        return total + below, None

    total, _ = jax.lax.scan(add, start, (into_blocks(points, tile), into_blocks(mask, tile)))
    return total


def sphere_counts_by_tree(
    positions: ArrayLike,
    mask: ArrayLike | None,
    radii: ArrayLike,
    box: ArrayLike,
    centers: ArrayLike,
    periodic: bool = True,
) -> Int[np.ndarray, "batch centers radii"]:
    """The same counts as :func:`sphere_counts` on the host, in float64 and int64.

    Raises:
        InputError: as :func:`sphere_counts`.
    """
    limits, sides = check_spheres(radii, box, periodic)
    catalogues, middle = host_catalogues(positions, mask, centers, sides if periodic else None)
    counts = np.zeros((len(catalogues), middle.shape[1], limits.size), np.int64)
    for index, points in enumerate(catalogues):
        if not len(points):
            continue
        tree = cKDTree(points, boxsize=sides if periodic else None)
        for place, radius in enumerate(reached_from(limits)):
            counts[index, :, place] = tree.query_ball_point(
                middle[index], radius, return_length=True
            )
    return counts


def host_catalogues(
    positions: ArrayLike,
    mask: ArrayLike | None,
    centers: ArrayLike,
    box: np.ndarray | None,
    name: str = "positions",
) -> tuple[list[Float[np.ndarray, "_ 3"]], Float[np.ndarray, "batch centers 3"]]:
    """Real points of each catalogue, and the centres, in float64; wrapped into [0, side)."""
    batch, keep = check_points(positions, mask, exact=True, box=box, name=name)
    middle = np.asarray(check_centers(centers, batch))
    catalogues = [points[real] for points, real in zip(batch, keep, strict=True)]
    if box is None:
        return catalogues, middle
    return [wrap(points, box) for points in catalogues], wrap(middle, box)


def check_spheres(
    radii: ArrayLike, box: ArrayLike, periodic: bool
) -> tuple[Float[np.ndarray, "radii"], Float[np.ndarray, "3"]]:
    """The radii and the sides in float64.

    Raises:
        InputError: radii not one-dimensional, positive, finite and increasing, or beyond the reach
            of nearest images, half the shortest side of a periodic box.
    """
    limits = np.atleast_1d(as_array(radii, "radii", "Mpc/h").astype(np.float64))
    sides = check_box(box)
    if limits.ndim != 1 or not limits.size:
        raise InputError(
            f"expected radii of shape (radii,), at least one, got {limits.shape}; "
            "pass an increasing list such as numpy.linspace(2, 20, 10)"
        )
    if not np.all(np.isfinite(limits)) or limits[0] <= 0 or np.any(np.diff(limits) <= 0):
        raise InputError(
            f"expected radii in Mpc/h finite, positive and strictly increasing, got {limits[0]:g} "
            f"to {limits[-1]:g}; sort them and remove repeats"
        )
    if periodic and limits[-1] > sides.min() / 2:
        raise InputError(
            f"expected radii up to half the shortest box side, {sides.min() / 2:g} Mpc/h, "
            f"got {limits[-1]:g}; lower the last radius, or pass periodic=False for an open box"
        )
    return limits, sides


def check_centers(
    centers: ArrayLike, points: Float[Array | np.ndarray, "batch points 3"]
) -> Float[Array | np.ndarray, "batch centers 3"]:
    """The centres of every catalogue, in the library and precision of its points.

    Raises:
        InputError: not ``(centers, 3)`` or ``(batch, centers, 3)``, none, missing or not finite.
    """
    library = library_of(points)
    given = centers if isinstance(centers, jax.Array) else as_array(centers, "centres", "Mpc/h")
    if given.ndim not in (2, 3) or given.shape[-1] != 3 or given.shape[-2] == 0:
        raise InputError(
            f"expected centres of shape (centers, 3) or (batch, centers, 3), got {given.shape}; "
            "pass at least one, e.g. from lattice_centers"
        )
    if given.ndim == 3 and given.shape[0] != len(points):
        raise InputError(
            f"expected centres for {len(points)} catalogues, got {given.shape[0]}; pass "
            "(centers, 3) to use the same for all"
        )
    check_finite(given, "centres")
    middle = library.asarray(given, points.dtype)
    return library.broadcast_to(middle, (len(points), *middle.shape[-2:]))
