"""How one cloud is spread over several devices, as far as a network needs to know.

A trainer or a sampler runs a network under :func:`use_mesh` a mesh with the axes ``data``,
``model`` and ``points``: the clouds of a batch are split over the first two, the points of each
cloud over the third. Most of a network needs no more: what acts on each point acts where the point
is, and the compiler adds up what is summed over points. By itself it would gather the points where
they are sorted, looked up or gone through in blocks, and let every device do all the work; such a
part is written as what one device does, and run :func:`shard_map`. Without a mesh, or for shapes
that it does not divide, the same function runs once on everything.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Int, Shaped

ROWS = ("data", "model")
"""Axes of the mesh that clouds are split over."""
POINTS = "points"
"""The axis of the mesh that the points of a cloud are split over."""

CLOUD_SPEC = PartitionSpec(ROWS)
"""Of ``(batch, ...)``: a device holds whole clouds."""
POINT_SPEC = PartitionSpec(ROWS, POINTS)
"""Of ``(batch, points, ...)``: a device holds some points of some clouds."""
CHANNEL_SPEC = PartitionSpec(ROWS, None, None, None, POINTS)
"""Of meshes ``(batch, x, y, z, channels)``: a device holds some whole channels."""


@contextmanager
def use_mesh(mesh: Mesh) -> Iterator[None]:
    """What is traced inside knows of the mesh that it will run on."""
    with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
        yield


def points_axis_size() -> int:
    """Devices that share the points of a cloud; 1 without a mesh."""
    return dict(jax.sharding.get_abstract_mesh().shape).get(POINTS, 1)


def shard_map(
    function: Callable[..., Any],
    *arrays: Any,
    in_specs: tuple[PartitionSpec, ...],
    out_specs: PartitionSpec,
) -> Any:
    """``function(*arrays)``, each device with its own part of every array.

    Args:
        function: what one device does; it may call what follows in this module.
        arrays: arrays or trees of them.
        in_specs: how each of them is.
        out_specs: how what ``function`` returns is put together.
    """
    if not all(is_divisible(tree, spec) for tree, spec in zip(arrays, in_specs, strict=True)):
        return function(*arrays)
    # The check of what varies over devices would ask every loop of a function to declare it.
    return jax.shard_map(function, in_specs=in_specs, out_specs=out_specs, check_vma=False)(*arrays)


def is_divisible(tree: Any, spec: PartitionSpec) -> bool:
    """Whether there is a mesh of several devices, which divides every array of a tree so."""
    mesh = jax.sharding.get_abstract_mesh()
    sizes = dict(mesh.shape)
    if mesh.size <= 1 or _inside() or not {*ROWS, POINTS} <= set(sizes):
        return False

    def parts(axes: Any) -> int:
        names = (axes,) if isinstance(axes, str) else axes or ()
        return math.prod(sizes[name] for name in names)

    return all(
        leaf.shape[axis] % parts(names) == 0
        for leaf in jax.tree.leaves(tree)
        for axis, names in enumerate(spec)
    )


def _inside() -> bool:
    """Whether this is what one device does."""
    return POINTS in jax.sharding.get_abstract_mesh().manual_axes


def _shared() -> bool:
    """Whether this is what one device does of several that share a cloud."""
    return _inside() and points_axis_size() > 1


def all_gather(
    x: Shaped[Array, "batch some *rest"], axis: int = 1
) -> Shaped[Array, "batch all *rest"]:
    """The parts of all devices that share a cloud, one after the other along ``axis``."""
    return jax.lax.all_gather(x, POINTS, axis=axis, tiled=True) if _shared() else x


def psum(x: Shaped[Array, "*shape"]) -> Shaped[Array, "*shape"]:
    """The sum over the devices that share a cloud."""
    return jax.lax.psum(x, POINTS) if _shared() else x


def psum_scatter(x: Shaped[Array, "*all"], axis: int) -> Shaped[Array, "*some"]:
    """The sum over the devices that share a cloud, of which each keeps its part along ``axis``."""
    if not _shared():
        return x
    return jax.lax.psum_scatter(x, POINTS, scatter_dimension=axis, tiled=True)


def axis_index() -> Int[Array, ""] | int:
    """The number of this device among those that share a cloud."""
    return jax.lax.axis_index(POINTS) if _shared() else 0


def all_to_all(
    x: Shaped[Array, "batch parts *rest"],
) -> Shaped[Array, "batch parts *rest"]:
    """Part i of every device on device i, in the order of the devices they come from."""
    if not _shared():
        return x
    return jax.lax.all_to_all(x, POINTS, split_axis=1, concat_axis=1, tiled=True)


def pmax(x: Shaped[Array, "*shape"]) -> Shaped[Array, "*shape"]:
    """The largest over the devices that share a cloud."""
    return jax.lax.pmax(x, POINTS) if _shared() else x
