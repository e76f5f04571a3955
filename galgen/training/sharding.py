"""Where arrays live: batches split over the devices of a mesh, the training state on every one.

One ``jit`` serves one device or many: arrays carry their sharding, and the compiler inserts the
sum of gradients. The axis ``data`` splits the catalogues of a batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from galgen.errors import InputError
from galgen.types import Batch


def data_mesh(devices: Sequence[jax.Device] | None = None) -> Mesh:
    """All local devices (or those given) along the axis ``data``."""
    return Mesh(np.array(jax.local_devices() if devices is None else devices), ("data",))


def replicated(mesh: Mesh) -> NamedSharding:
    """The same value on every device."""
    return NamedSharding(mesh, PartitionSpec())


def put_batch(batch: Batch, mesh: Mesh) -> Batch:
    """The batch on the devices, its first axis split over ``data``.

    Raises:
        InputError: if the batch size is not a multiple of the number of devices.
    """
    devices = mesh.shape["data"]
    if len(batch.x) % devices:
        raise InputError(
            f"expected a batch size divisible by the {devices} devices, got {len(batch.x)}; "
            "change --trainer.batch-size"
        )
    return jax.device_put(batch, NamedSharding(mesh, PartitionSpec("data")))
