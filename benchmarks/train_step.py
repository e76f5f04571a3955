"""One training step at N = 5,000: time and memory, as ratios to what the predecessor does.

A whole step of each: loss, gradient, AdamW, and for ours the moving average. The predecessor's is
the variational loss in R^3 of :mod:`predecessor` with its two networks; ours is that of
``configs/demo.py``, on the torus, with networks of default sizes. Ratios are of CPU-seconds in one
run, naive over ours; memory is what XLA reserves for temporaries.

    python benchmarks/train_step.py
    python benchmarks/train_step.py --points 5000 --batch 1 --exchange 8
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import tyro
from predecessor import NaiveGraphNetwork, NaiveTransformer, elbo_loss
from timing import Cost, measure

from galgen.configuration import load_config
from galgen.generative import Bridge, Exchange
from galgen.networks import EGNN, EquivariantNetwork, GraphNetwork, ParticleMesh, SetTransformer
from galgen.training.rematerialization import rematerialized
from galgen.training.state import initial_state, make_step
from galgen.types import Batch

NAIVE: dict[str, nn.Module] = {
    "naive transformer": NaiveTransformer(),
    "naive graph": NaiveGraphNetwork(),
}
OURS: dict[str, nn.Module] = {
    "ParticleMesh": ParticleMesh(),
    "ParticleMesh, mesh 32": ParticleMesh(largest_mode=2, mesh=32),
    "GraphNetwork": GraphNetwork(),
    "EquivariantNetwork": EquivariantNetwork(),
    "EGNN": EGNN(),
    "SetTransformer, induced": SetTransformer(inducing=64),
    "SetTransformer": SetTransformer(),
}


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of the benchmark."""

    points: int = 5_000
    """Points of one cloud."""
    batch: int = 1
    """Clouds of a step."""
    exchange: int = 8
    """Of the loss (galgen/generative/objectives/exchange.py), as in the demo; 0 for none."""
    rematerialize: bool = False
    """Compute residual blocks again in the backward pass of ours."""
    networks: tuple[str, ...] = tuple(OURS)
    """Which of ours."""
    memory: float = 12.0
    """GiB of temporaries that a measurement may take."""
    budget: float = 30.0
    """CPU-seconds after which no further repetition is begun; at most seven are."""


def first_params(network: nn.Module, columns: int) -> Any:
    """Weights, from a small cloud."""
    few, t = jnp.zeros((1, 64, columns)), jnp.zeros(1)
    return jax.jit(network.init)(jax.random.key(1), few, t, None, jnp.zeros((1, 2)))


def naive_cost(network: nn.Module, options: Options) -> Cost:
    """Of the predecessor's step: positions in R^3."""
    optimizer = optax.adamw(3e-4)
    params = first_params(network, 3)

    def step(params, memory, key, x):
        value, gradient = jax.value_and_grad(lambda p: elbo_loss(network, p, key, x))(params)
        updates, memory = optimizer.update(gradient, memory, params)
        return optax.apply_updates(params, updates), memory, value

    x = jax.random.normal(jax.random.key(0), (options.batch, options.points, 3))
    arguments = params, optimizer.init(params), jax.random.key(2), x
    return measure(step, arguments, options.memory, options.budget)


def our_cost(network: nn.Module, options: Options) -> Cost:
    """Of a step of the demo's configuration: positions on the torus, and a mass."""
    experiment = load_config(Path(__file__).parents[1] / "configs/demo.py")
    assert isinstance(experiment.model, Bridge)
    exchange = Exchange(options.exchange) if options.exchange else None
    model = dataclasses.replace(experiment.model, exchange=exchange)
    optimizer = experiment.trainer.optimizer()

    def loss(params, key, batch):
        return model.training_loss(network, params, key, batch)

    chosen = rematerialized(loss) if options.rematerialize else loss
    step = make_step(chosen, optimizer, experiment.trainer.ema_decay)
    x = jax.random.uniform(jax.random.key(0), (options.batch, options.points, 4))
    batch = Batch(x, jnp.ones(x.shape[:2], bool), jnp.zeros((options.batch, 2)))
    state = initial_state(first_params(network, 4), optimizer)
    return measure(step, (state, jax.random.key(2), batch), options.memory, options.budget)


def main(options: Options) -> None:
    """Print the table."""
    print(
        f"{jax.default_backend()}, {jax.__version__}: N = {options.points}, {options.batch} clouds"
    )
    print(
        f"{'':26s} {'CPU s':>9s} {'wall s':>9s} {'GiB':>8s}   times faster, memory saved than each"
    )
    naive = {}
    for name, network in NAIVE.items():
        naive[name] = naive_cost(network, options)
        print(line(name, naive[name], {}), flush=True)
    for name in options.networks:
        print(line(name, our_cost(OURS[name], options), naive), flush=True)


def line(name: str, cost: Cost, naive: dict[str, Cost]) -> str:
    """One cost, and its ratios to each naive one."""
    if not np.isfinite(cost.cpu):
        return f"{name:26s} needs {cost.memory:.1f} GiB: left out"
    ratios = "  ".join(
        f"{n}: {other.cpu / cost.cpu:.1f}, {other.memory / cost.memory:.1f}"
        for n, other in naive.items()
    )
    return f"{name:26s} {cost.cpu:9.3f} {cost.wall:9.3f} {cost.memory:8.3f}   {ratios}"


if __name__ == "__main__":
    main(tyro.cli(Options))
