"""How one cloud is spread over several devices, as far as a network needs to know.

A trainer or a sampler runs a network under :func:`spread_over` a mesh with the axes ``data``,
``model`` and ``points``: the clouds of a batch are split over the first two, the points of each
cloud over the third. Most of a network needs no more: what acts on each point acts where the point
is, and the compiler adds up what is summed over points. By itself it would gather the points where
they are sorted, looked up or gone through in blocks, and let every device do all the work; such a
part is written as what one device does, and run :func:`by_device`. Without a mesh, or for shapes
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

BY_CLOUD = PartitionSpec(ROWS)
"""Of ``(batch, ...)``: a device holds whole clouds."""
BY_POINT = PartitionSpec(ROWS, POINTS)
"""Of ``(batch, points, ...)``: a device holds some points of some clouds."""
BY_CHANNEL = PartitionSpec(ROWS, None, None, None, POINTS)
"""Of meshes ``(batch, x, y, z, channels)``: a device holds some whole channels."""


@contextmanager
def spread_over(mesh: Mesh) -> Iterator[None]:
    """What is traced inside knows of the mesh that it will run on."""
    with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
        yield


def parts_of_a_cloud() -> int:
    """Devices that share the points of a cloud; 1 without a mesh."""
    return dict(jax.sharding.get_abstract_mesh().shape).get(POINTS, 1)


def by_device(
    function: Callable[..., Any],
    *arrays: Any,
    split: tuple[PartitionSpec, ...],
    result: PartitionSpec,
) -> Any:
    """``function(*arrays)``, each device with its own part of every array.

    Args:
        function: what one device does; it may call what follows in this module.
        arrays: arrays or trees of them.
        split: how each of them is.
        result: how what ``function`` returns is put together.
    """
    if not all(divides(tree, spec) for tree, spec in zip(arrays, split, strict=True)):
        return function(*arrays)
    # The check of what varies over devices would ask every loop of a function to declare it.
    return jax.shard_map(function, in_specs=split, out_specs=result, check_vma=False)(*arrays)


def divides(tree: Any, spec: PartitionSpec) -> bool:
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
    return _inside() and parts_of_a_cloud() > 1


def gathered(
    x: Shaped[Array, "batch some *rest"], axis: int = 1
) -> Shaped[Array, "batch all *rest"]:
    """The parts of all devices that share a cloud, one after the other along ``axis``."""
    return jax.lax.all_gather(x, POINTS, axis=axis, tiled=True) if _shared() else x


def summed(x: Shaped[Array, "*shape"]) -> Shaped[Array, "*shape"]:
    """The sum over the devices that share a cloud."""
    return jax.lax.psum(x, POINTS) if _shared() else x


def summed_and_dealt(x: Shaped[Array, "*all"], axis: int) -> Shaped[Array, "*some"]:
    """The sum over the devices that share a cloud, of which each keeps its part along ``axis``."""
    if not _shared():
        return x
    return jax.lax.psum_scatter(x, POINTS, scatter_dimension=axis, tiled=True)


def which_part() -> Int[Array, ""] | int:
    """The number of this device among those that share a cloud."""
    return jax.lax.axis_index(POINTS) if _shared() else 0


def exchanged(
    x: Shaped[Array, "batch parts *rest"],
) -> Shaped[Array, "batch parts *rest"]:
    """Part i of every device on device i, in the order of the devices they come from."""
    if not _shared():
        return x
    return jax.lax.all_to_all(x, POINTS, split_axis=1, concat_axis=1, tiled=True)


def largest(x: Shaped[Array, "*shape"]) -> Shaped[Array, "*shape"]:
    """The largest over the devices that share a cloud."""
    return jax.lax.pmax(x, POINTS) if _shared() else x
