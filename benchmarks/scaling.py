"""How a training step divides over devices: arithmetic, memory and traffic, from the compiled code.

    python benchmarks/scaling.py
    python benchmarks/scaling.py --networks GraphNetwork --devices 1 8 --axes points

The devices are virtual: one processor pretends to be eight, so no time is told, and none could be.
What the compiler has divided is told instead, per device. Strong scaling: one problem over more
devices, eight clouds of 1,024 points along ``data`` and ``model`` and one cloud of 8,192 along
``points``. Weak scaling: 1,024 points for each device, as more clouds or as a larger one.

GFLOP    of matrix products, twice the multiplications, loops counted as often as they run; one
         whose number of turns depends on the data is counted once
work     MiB that XLA reserves for what is neither input nor output
state    MiB of weights, averages, optimiser and batch
sent     MiB that a device sends in a step: of an array of S bytes over p devices, S (p - 1) / p for
         gathering, scattering and exchanging, twice that for a sum, S for a permutation
"""

from __future__ import annotations

import dataclasses
import functools
import os
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import tyro
from compiled_cost import Cost, cost_of
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from galgen.collectives import CLOUD_SPEC, POINT_SPEC
from galgen.generative import Bridge, TorusGeodesic
from galgen.networks import GraphNetwork, ParticleMesh, SetTransformer
from galgen.training import Trainer
from galgen.training.sharding import MeshShape, gathering, replicated, shared_over_model
from galgen.training.state import make_step
from galgen.types import Batch

# Read when the first device is asked for. Nothing runs, so the processor's code need not be good;
# what is counted here is made before.
FLAGS = "--xla_force_host_platform_device_count=8 --xla_backend_optimization_level=0"
os.environ.setdefault("XLA_FLAGS", FLAGS)

MEBIBYTE = 2.0**20
EACH = 1024
"""Points of a cloud, and of a device in weak scaling."""
CLOUDS = 8
"""In strong scaling."""
NETWORKS: dict[str, nn.Module] = {
    "SetTransformer": SetTransformer(layers=2),
    "GraphNetwork": GraphNetwork(layers=2),
    "ParticleMesh": ParticleMesh(layers=2, largest_mode=2, mesh=32),
}
Axis = Literal["data", "model", "points"]


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of the benchmark."""

    networks: tuple[str, ...] = tuple(NETWORKS)
    """Which networks, of two layers each."""
    axes: tuple[Axis, ...] = ("data", "model", "points")
    """Which axes of the mesh; the others have one device."""
    devices: tuple[int, ...] = (1, 2, 4, 8)
    """How many devices."""
    scaling: tuple[Literal["strong", "weak"], ...] = ("strong", "weak")
    """One problem over more devices, or a problem that grows with them."""


def problem(axis: Axis, scaling: str, devices: int) -> tuple[int, int]:
    """Clouds and the points of each."""
    number = CLOUDS if scaling == "strong" else devices
    return (1, number * EACH) if axis == "points" else (number, EACH)


@functools.cache
def compiled_step(network: nn.Module, mesh: Mesh, clouds: int, points: int) -> Any:
    """One training step on a mesh, compiled for arrays that are never made."""
    trainer, bridge = Trainer(), Bridge(TorusGeodesic())

    def placed(shape: tuple[int, ...], dtype: Any, spec: PartitionSpec) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(shape, dtype, sharding=NamedSharding(mesh, spec))

    batch = Batch(
        placed((clouds, points, 3), jnp.float32, POINT_SPEC),
        placed((clouds, points), bool, POINT_SPEC),
        placed((clouds, 2), jnp.float32, CLOUD_SPEC),
    )
    few = Batch(jnp.zeros((1, 64, 3)), jnp.ones((1, 64), bool), jnp.zeros((1, 2)))
    params = jax.eval_shape(lambda key: bridge.initial_params(network, key, few), jax.random.key(0))
    state = jax.eval_shape(trainer.initial_state, params)
    places = shared_over_model(state, mesh)
    state = jax.tree.map(
        lambda a, place: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=place), state, places
    )

    def loss(params: Any, key: jax.Array, batch: Batch) -> jax.Array:
        return bridge.training_loss(network, params, key, batch)

    step = make_step(gathering(loss, mesh), trainer.optimizer(), trainer.ema_decay)
    key = jax.eval_shape(lambda: jax.random.key(0))
    key = jax.ShapeDtypeStruct(key.shape, key.dtype, sharding=replicated(mesh))
    jitted = jax.jit(step, donate_argnums=0, out_shardings=(places, replicated(mesh)))
    return jitted.lower(state, key, batch).compile()


def line(name: str, compiled: Any) -> str:
    """What one device does."""
    cost: Cost = cost_of(compiled.as_text())
    memory = compiled.memory_analysis()
    kinds = ", ".join(f"{kind} {size / MEBIBYTE:.2f}" for kind, size in sorted(cost.sent.items()))
    return (
        f"| {name} | {cost.flops / 1e9:.3f} | {memory.temp_size_in_bytes / MEBIBYTE:.1f} "
        f"| {memory.argument_size_in_bytes / MEBIBYTE:.2f} "
        f"| {sum(cost.sent.values()) / MEBIBYTE:.2f} | {kinds} |"
    )


def main(options: Options) -> None:
    """Print a table for each network."""
    for name in options.networks:
        print(f"\n{name}\n\n| scaling, axis, devices | GFLOP | work | state | sent | of which |")
        print("|---|---|---|---|---|---|")
        for scaling in options.scaling:
            for axis in options.axes:
                for devices in options.devices:
                    shape = MeshShape(**{"data": 1, axis: devices})
                    mesh = shape.over(jax.devices()[:devices])
                    step = compiled_step(NETWORKS[name], mesh, *problem(axis, scaling, devices))
                    print(line(f"{scaling}, {axis}, {devices}", step), flush=True)


if __name__ == "__main__":
    main(tyro.cli(Options))
