"""Where arrays live: a mesh of devices with named axes, and who holds what on it.

One ``jit`` serves one device or many: arrays carry their sharding, and the compiler inserts what
has to be sent. The axes of the mesh are

data
    every device holds all weights, and some catalogues of the batch.
model
    devices share the weights and the optimiser's memory as well: each holds a part of every array,
    gathers the whole when it computes, and updates its part (ZeRO-3, Rajbhandari et al. 2020,
    arXiv:1910.02054; FSDP, Zhao et al. 2023, arXiv:2304.11277).
points
    devices share the points of every cloud, for clouds too large for one of them. What a network
    does about it is told in :mod:`galgen.collectives`.

The clouds of a batch are split over the first two and their points over the third, so no device
repeats what another does.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AbstractMesh, Mesh, NamedSharding, PartitionSpec

from galgen.checked import Count, checked
from galgen.collectives import CLOUD_SPEC, POINT_SPEC, POINTS, ROWS, use_mesh
from galgen.errors import InputError
from galgen.losses import LossValue
from galgen.training.state import Loss
from galgen.types import Batch, Params

AXES = (*ROWS, POINTS)


@dataclasses.dataclass(frozen=True)
@checked
class MeshShape:
    """Devices along each axis.

    Attributes:
        data: groups of devices that hold all weights; None for as many as there are.
        model: devices in a group, which share its weights.
        points: devices that share the points of each cloud.
    """

    data: Count | None = None
    model: Count = 1
    points: Count = 1

    @classmethod
    def parse(cls, text: str) -> MeshShape:
        """The shape written as ``data=4,model=2,points=2``, any axis left out at will.

        Raises:
            InputError: for anything else.
        """
        axes: dict[str, int] = {}
        for part in text.split(","):
            name, _, number = part.partition("=")
            if name not in AXES or name in axes or not number.isdigit():
                raise InputError(
                    f"expected a mesh as data=4,model=2,points=2, got {text!r}; "
                    "name one or more of the three, with a number of devices"
                )
            axes[name] = int(number)
        return cls(**axes)

    def __str__(self) -> str:
        sizes = {name: getattr(self, name) for name in AXES}
        return ",".join(f"{name}={size}" for name, size in sizes.items() if size is not None)

    def over(self, devices: Sequence[jax.Device]) -> Mesh:
        """The mesh of some devices, in their order.

        Raises:
            InputError: if they do not fill it.
        """
        data = self.data or max(1, len(devices) // (self.model * self.points))
        shape = data, self.model, self.points
        if math.prod(shape) != len(devices):
            raise InputError(
                f"expected a mesh of all {len(devices)} devices, got {self}; "
                f"choose axes whose product is {len(devices)}"
            )
        return Mesh(np.array(devices).reshape(shape), AXES)


ALL_ON_DATA = MeshShape()
"""However many devices there are, all weights on each."""


def data_mesh() -> Mesh:
    """All devices of this process along the axis ``data``."""
    return ALL_ON_DATA.over(jax.local_devices())


def replicated(mesh: Mesh | AbstractMesh) -> NamedSharding:
    """The same value on every device."""
    return NamedSharding(mesh, PartitionSpec())


def shared_over_model(tree: Any, mesh: Mesh | AbstractMesh) -> Any:
    """The sharding of every array of a tree: its largest axis that ``model`` divides, split."""

    def split(array: Any) -> NamedSharding:
        parts = mesh.shape["model"]
        sizes = [size if size % parts == 0 else 0 for size in array.shape]
        if parts == 1 or not any(sizes):
            return replicated(mesh)
        axis = int(np.argmax(sizes))
        return NamedSharding(mesh, PartitionSpec(*(None,) * axis, "model"))

    return jax.tree.map(split, tree)


def whole(tree: Any, mesh: Mesh) -> Any:
    """The whole of every array, of whatever sharding over a mesh, on all its devices."""
    return _gather(mesh)(tree)


@functools.cache
def _gather(mesh: Mesh) -> Callable[[Any], Any]:
    """Compiled once for a mesh, however often it is called."""
    return jax.jit(lambda arrays: arrays, out_shardings=replicated(mesh))


def gathering(loss: Loss, mesh: Mesh) -> Loss:
    """The same loss, told of its mesh, for weights that the axis ``model`` shares.

    Its gradients are shared likewise.
    """

    @jax.custom_vjp
    def gather(params: Params) -> Params:
        return jax.lax.with_sharding_constraint(params, replicated(mesh))

    def scatter(_: None, gradient: Params) -> tuple[Params]:
        shardings = shared_over_model(gradient, mesh)
        return (jax.lax.with_sharding_constraint(gradient, shardings),)

    gather.defvjp(lambda params: (gather(params), None), scatter)

    def told(params: Params, key: jax.Array, batch: Batch) -> LossValue:
        with use_mesh(mesh):
            return loss(gather(params) if mesh.shape["model"] > 1 else params, key, batch)

    return told


def put_batch(batch: Batch, mesh: Mesh, pieces: int = 1) -> Batch:
    """The batch on the devices: its rows split over ``data`` and ``model``, points over ``points``.

    Devices that share the points of a cloud each hold the whole of its field.

    Args:
        batch: of several processes, each brings its own rows, of which ``share_of_rows`` tells.
        mesh: the devices of all processes.
        pieces: equal parts that every device goes through in turn.

    Raises:
        InputError: if the rows or the points cannot be dealt out evenly.
    """
    rows = len(batch.x) * share_of_rows(mesh)[1]
    sharers = mesh.shape[POINTS]
    groups = mesh.size // sharers
    if rows % (groups * pieces):
        parts = f" of {pieces} parts each" if pieces > 1 else ""
        raise InputError(
            f"expected a batch size divisible by the {groups} devices{parts}, got {rows}; "
            "change --trainer.batch-size"
        )
    if sharers > 1 and (batch.mask is None or batch.x.shape[1] % sharers):
        got = "no clouds" if batch.mask is None else f"clouds of {batch.x.shape[1]} rows"
        raise InputError(
            f"expected clouds whose padded rows the {sharers} devices of points divide, got {got}; "
            "choose a power of two up to 16 for points, or leave it out"
        )

    def put(array: Any, spec: PartitionSpec) -> Any:
        if array is None:
            return None
        sharding, shape = NamedSharding(mesh, spec), (rows, *array.shape[1:])
        return jax.make_array_from_process_local_data(sharding, array, shape)

    of_points = CLOUD_SPEC if batch.mask is None else POINT_SPEC
    return Batch(
        put(batch.x, of_points),
        put(batch.mask, of_points),
        put(batch.condition, CLOUD_SPEC),
        put(batch.weight, CLOUD_SPEC),
        put(batch.field, CLOUD_SPEC),
    )


def share_of_rows(mesh: Mesh) -> tuple[int, int]:
    """Which part of the rows of a batch this process brings, of how many equal parts.

    Processes that share clouds bring the same rows.

    Raises:
        InputError: if the devices of a process hold no such part.
    """
    groups = mesh.devices.reshape(-1, mesh.shape[POINTS])
    here = jax.process_index()
    mine = [i for i, group in enumerate(groups) if here in {d.process_index for d in group}]
    first, number = mine[0], len(mine)
    if mine != list(range(first, first + number)) or first % number or len(groups) % number:
        raise InputError(
            f"expected every process to hold an equal part of the rows of a batch, got rows {mine} "
            f"of {len(groups)} in process {here}; let points divide the devices of a process, or "
            "be a multiple of them"
        )
    return first // number, len(groups) // number
