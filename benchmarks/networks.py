"""Time, memory and compilation of the networks, as ratios to what the predecessor does.

Two naive networks stand in for the public code of arXiv:2311.17141, written here anew: a
six-layer, 256-wide transformer whose softmax attention holds every N x N weight, and a graph
network whose neighbours come from sorting every row of an N x N table of distances and whose edge
layers act on all edges. Ratios are of CPU-seconds in one run, naive over ours: above one, ours is
faster. Peak memory is what XLA reserves for temporaries.

    python benchmarks/networks.py                       # N = 512, 5,000 and 20,000
    python benchmarks/networks.py --sizes 5000 --networks ParticleMesh SetTransformer
    python benchmarks/networks.py --large 1000000       # ParticleMesh alone, forward

What would not fit in ``--memory`` GiB is left out and said so.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import tyro
from predecessor import NaiveGraphNetwork, NaiveTransformer
from timing import Cost, compiled_for, measure

from galgen.networks import (
    EGNN,
    DeepSet,
    EquivariantNetwork,
    GraphNetwork,
    ParticleMesh,
    SetTransformer,
)

TRANSFORMER, GRAPH = "naive transformer", "naive graph"
NETWORKS: dict[str, nn.Module] = {
    TRANSFORMER: NaiveTransformer(),
    GRAPH: NaiveGraphNetwork(),
    "ParticleMesh": ParticleMesh(),
    "ParticleMesh, mesh 32": ParticleMesh(largest_mode=2, mesh=32),
    "GraphNetwork": GraphNetwork(),
    "GraphNetwork, jraph": GraphNetwork(gathered=False),
    "EquivariantNetwork": EquivariantNetwork(),
    "EGNN": EGNN(),
    "SetTransformer": SetTransformer(),
    "SetTransformer, 256 x 6": SetTransformer(width=256, layers=6),
    "SetTransformer, relative": SetTransformer(relative=True),
    "SetTransformer, induced": SetTransformer(inducing=64),
    "DeepSet": DeepSet(),
}


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of the benchmark."""

    sizes: tuple[int, ...] = (512, 5_000, 20_000)
    """Points of one cloud."""
    networks: tuple[str, ...] = tuple(NETWORKS)
    """Which networks; the naive ones are needed for ratios."""
    large: tuple[int, ...] = ()
    """Sizes for the forward pass of ParticleMesh alone, with a mesh of 2 N^(1/3) per side."""
    memory: float = 10.0
    """GiB of temporaries that a measurement may take."""
    budget: float = 20.0
    """CPU-seconds after which no further repetition is begun; at most seven are."""


def calls(network: nn.Module, points: int) -> tuple[Callable, Callable, tuple[Any, ...]]:
    """The forward pass, forward and backward, and their arguments: weights and one cloud."""
    x = jax.random.uniform(jax.random.key(0), (1, points, 3))
    few = x[:, :64]
    params = jax.jit(network.init)(jax.random.key(1), few, jnp.zeros(1), None, jnp.zeros((1, 2)))
    t, condition = jnp.full(1, 0.5), jnp.zeros((1, 2))

    def forward(params, x):
        return network.apply(params, x, t, None, condition)

    def loss(params, x):
        return jnp.mean((forward(params, x) - 1.0) ** 2)

    return forward, jax.value_and_grad(loss), (params, x)


def line(name: str, cost: Cost, naive: dict[str, Cost]) -> str:
    """One cost, and its ratios."""
    if not np.isfinite(cost.cpu):
        return f"  {name:26s} needs {cost.memory:.1f} GiB: left out"
    ratios = [
        f"{naive[n].cpu / cost.cpu:8.1f}"
        if n in naive and np.isfinite(naive[n].cpu)
        else "       -"
        for n in (TRANSFORMER, GRAPH)
    ]
    return (
        f"  {name:26s} {cost.cpu:9.3f} {cost.wall:9.3f} {cost.memory:8.3f} "
        f"{cost.compilation:8.1f} {' '.join(ratios)}"
    )


def main(options: Options) -> None:
    """Print the tables."""
    print(f"{jax.default_backend()}, {jax.__version__}")
    head = f"  {'':26s} {'CPU s':>9s} {'wall s':>9s} {'GiB':>8s} {'compile':>8s}"
    for points in options.sizes:
        naive: dict[str, dict[str, Cost]] = {"forward": {}, "forward + backward": {}}
        for label, number in (("forward", 0), ("forward + backward", 1)):
            print(f"\nN = {points}, {label}\n{head} {'x trans.':>8s} {'x graph':>8s}")
            for name in options.networks:
                *functions, arguments = calls(NETWORKS[name], points)
                cost = measure(functions[number], arguments, options.memory, options.budget)
                if name in (TRANSFORMER, GRAPH):
                    naive[label][name] = cost
                print(line(name, cost, naive[label]), flush=True)
    for points in options.large:
        mesh = 2 * round(points ** (1 / 3))
        network = ParticleMesh(largest_mode=2, mesh=mesh)
        forward, backward, arguments = calls(network, points)
        print(f"\nN = {points}, forward, mesh {mesh}\n{head}")
        print(
            line("ParticleMesh", measure(forward, arguments, options.memory, options.budget), {}),
            flush=True,
        )
        _, memory, _ = compiled_for(backward, arguments)
        print(f"  forward + backward would take {memory:.3f} GiB", flush=True)


if __name__ == "__main__":
    main(tyro.cli(Options))
