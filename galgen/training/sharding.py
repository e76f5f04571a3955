"""Where arrays live: a mesh of devices with named axes, and who holds what on it.

One ``jit`` serves one device or many: arrays carry their sharding, and the compiler inserts what
has to be sent. The axes of the mesh are

``data``   every device holds all weights, and some catalogues of the batch.
``model``  devices share the weights and the optimiser's memory as well: each holds a part of every
           array, gathers the whole when it computes, and updates its part (ZeRO-3, Rajbhandari et
           al. 2020, arXiv:1910.02054; FSDP, Zhao et al. 2023, arXiv:2304.11277).

A batch is split over both, so no device repeats what another does.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AbstractMesh, Mesh, NamedSharding, PartitionSpec

from galgen.errors import InputError
from galgen.training.state import Loss
from galgen.types import Batch, Params

EXAMPLES = PartitionSpec(("data", "model"))
"""How the first axis of a batch is split."""


@dataclasses.dataclass(frozen=True)
class MeshShape:
    """Devices along each axis.

    Attributes:
        data: groups of devices that hold all weights; None for as many as there are.
        model: devices in a group, which share its weights.
    """

    data: int | None = None
    model: int = 1

    def __post_init__(self) -> None:
        if self.model < 1 or (self.data is not None and self.data < 1):
            raise InputError(f"expected at least one device along every axis, got {self}")

    @classmethod
    def parse(cls, text: str) -> MeshShape:
        """The shape written as ``data=4,model=2``, either axis left out at will.

        Raises:
            InputError: for anything else.
        """
        axes: dict[str, int] = {}
        for part in text.split(","):
            name, _, number = part.partition("=")
            if name not in ("data", "model") or name in axes or not number.isdigit():
                raise InputError(
                    f"expected a mesh as data=4,model=2, got {text!r}; "
                    "name data, model or both, with a number of devices"
                )
            axes[name] = int(number)
        return cls(axes.get("data"), axes.get("model", 1))

    def __str__(self) -> str:
        return ("" if self.data is None else f"data={self.data},") + f"model={self.model}"

    def over(self, devices: Sequence[jax.Device]) -> Mesh:
        """The mesh of some devices, in their order.

        Raises:
            InputError: if they do not fill it.
        """
        data = self.data or max(1, len(devices) // self.model)
        if data * self.model != len(devices):
            raise InputError(
                f"expected a mesh of all {len(devices)} devices, got {self}; "
                f"choose axes whose product is {len(devices)}"
            )
        return Mesh(np.array(devices).reshape(data, self.model), ("data", "model"))


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


def gathering(loss: Loss, mesh: Mesh) -> Loss:
    """The same loss for weights that the axis ``model`` shares; so are its gradients."""
    if mesh.shape["model"] == 1:
        return loss

    @jax.custom_vjp
    def gather(params: Params) -> Params:
        return jax.lax.with_sharding_constraint(params, replicated(mesh))

    def scatter(_: None, gradient: Params) -> tuple[Params]:
        shardings = shared_over_model(gradient, mesh)
        return (jax.lax.with_sharding_constraint(gradient, shardings),)

    gather.defvjp(lambda params: (gather(params), None), scatter)
    return lambda params, key, batch: loss(gather(params), key, batch)


def put_batch(batch: Batch, mesh: Mesh, pieces: int = 1) -> Batch:
    """The batch on the devices, its first axis split over all of them.

    Args:
        batch: of several processes, each brings its own rows.
        mesh: the devices of all processes.
        pieces: equal parts that every device goes through in turn.

    Raises:
        InputError: if the rows cannot be dealt out evenly.
    """
    rows = len(batch.x) * len({device.process_index for device in mesh.devices.flat})
    if rows % (mesh.size * pieces):
        parts = f" of {pieces} parts each" if pieces > 1 else ""
        raise InputError(
            f"expected a batch size divisible by the {mesh.size} devices{parts}, got {rows}; "
            "change --trainer.batch-size"
        )
    sharding = NamedSharding(mesh, EXAMPLES)
    return jax.tree.map(lambda a: jax.make_array_from_process_local_data(sharding, a), batch)
