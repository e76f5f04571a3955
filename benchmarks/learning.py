"""What each point-cloud network learns of a Thomas process under one budget of CPU time.

Every network is trained on the same clouds by the same diffusion for the same CPU-seconds
(forward, backward and update; compilation not counted), with as many steps under one cosine as fit,
and draws as many clouds as are held out, with their numbers of points. xi(r) is compared with its
closed form: the fraction recovered is 1 - |xi - xi_exact| / xi_exact in each bin. The last rows are
an independent draw of the truth, whose misses are noise alone, and points placed at random.

    python benchmarks/learning.py --seconds 120
    python benchmarks/learning.py --seconds 60 --networks ParticleMesh GraphNetwork
    python benchmarks/learning.py --seconds 600 --batch 4 --held-out 24 --process.parents 128 \\
        --process.children 16 --process.sigma 0.025
"""

from __future__ import annotations

import dataclasses
import itertools
import time

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import tyro

from galgen.data.batching import BatchSource, pad
from galgen.data.toys import ThomasProcess
from galgen.generative import (
    Bridge,
    Churn,
    Exchange,
    Heun,
    Model,
    NoisePrediction,
    Sampler,
    SamplingMethod,
    TorusDiffusion,
)
from galgen.networks import (
    EGNN,
    DeepSet,
    EquivariantNetwork,
    GraphNetwork,
    ParticleMesh,
    SetTransformer,
)
from galgen.statistics.pairs.correlation import two_point_correlation
from galgen.training.state import initial_state, make_step
from galgen.types import Params

NETWORKS: dict[str, nn.Module] = {
    "ParticleMesh": ParticleMesh(),
    "GraphNetwork": GraphNetwork(layers=3),
    "EquivariantNetwork": EquivariantNetwork(),
    "EGNN": EGNN(),
    "SetTransformer": SetTransformer(width=64, layers=4),
    "SetTransformer, relative": SetTransformer(width=64, layers=4, relative=True),
    "SetTransformer, induced": SetTransformer(width=64, layers=4, inducing=32),
    "DeepSet": DeepSet(),
    "DeepSet, relative": DeepSet(relative=True),
}
EDGES = np.geomspace(0.4, 5.0, 9)
"""Of the bins of separation, in units of the process's sigma."""
CLOUDS = 1024


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of the benchmark."""

    seconds: float = 120.0
    """CPU-seconds of training for each network."""
    networks: tuple[str, ...] = tuple(NETWORKS)
    """Which networks."""
    held_out: int = 96
    """Clouds drawn, and in the independent draw of the truth."""
    learning_rate: float = 2e-3
    batch: int = 16
    """Clouds per step."""
    process: ThomasProcess = ThomasProcess(parents=16.0, children=8.0, sigma=0.05)
    """What is learned."""

    @property
    def edges(self) -> np.ndarray:
        """Of the bins of separation, in sides of the box."""
        return EDGES * self.process.sigma


def train(network: nn.Module, model: Model, source: BatchSource, options: Options):
    """Weights, steps made and CPU-seconds per step."""

    def loss(params, key, batch):
        return model.training_loss(network, params, key, batch)

    batches = [jax.tree.map(jnp.asarray, source.batch(i)) for i in range(source.batches_per_epoch)]
    first, key = batches[0], jax.random.key(0)
    params = jax.jit(lambda key: model.initial_params(network, key, first))(key)

    def run(steps: int, trial: int):
        rate = optax.warmup_cosine_decay_schedule(
            0.0, options.learning_rate, min(50, steps // 4), steps
        )
        optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(rate))
        step = jax.jit(make_step(loss, optimizer, 0.99))
        state = initial_state(params, optimizer)
        for batch in {batch.x.shape: batch for batch in batches}.values():
            state, _ = step(state, key, batch)  # compiles
        start = time.process_time()
        for i in range(trial):
            state, metrics = step(state, key, batches[i % len(batches)])
            jax.block_until_ready(metrics)
        return state, (time.process_time() - start) / trial

    _, cost = run(100, 16)
    steps = max(int(options.seconds / cost), 10)
    state, cost = run(steps, steps - 2)
    return state.ema, steps, cost


def draw(
    network: nn.Module,
    params: Params,
    model: Model,
    sampler: SamplingMethod,
    held_out: list[np.ndarray],
    size: int,
    options: Options,
) -> list[np.ndarray]:
    """As many clouds as are held out, with their numbers of points."""
    order = np.argsort([len(c) for c in held_out], kind="stable")

    @jax.jit
    def draws(key, x, mask):
        return sampler(model.with_params(network, params), key, x.shape, mask).x

    drawn: list[np.ndarray] = []
    parts = np.array_split(order, max(len(order) // (2 * options.batch), 1))
    for number, rows in enumerate(parts):
        x, mask = pad([held_out[i] for i in rows], size)
        result = np.asarray(draws(jax.random.key(number), jnp.asarray(x), jnp.asarray(mask)))
        drawn += [cloud[real] for cloud, real in zip(result, mask, strict=True)]
    return drawn


def correlation(clouds: list[np.ndarray], options: Options) -> np.ndarray:
    """xi in each bin against the process's own mean density, so that it has no bias."""
    edges = options.edges
    x, mask = pad(clouds, max(len(c) for c in clouds))
    result = two_point_correlation(jnp.asarray(x[..., :3]), jnp.asarray(mask), edges, (1.0,) * 3)
    shells = 4 / 3 * np.pi * np.diff(edges**3)
    pairs = np.asarray(result.pairs, np.float64).sum(axis=0)
    return pairs / (len(clouds) * options.process.mean_count**2 * shells) - 1


def exact_correlation(options: Options) -> np.ndarray:
    """The closed form, averaged over each shell."""
    fine = [np.linspace(low, high, 201) for low, high in itertools.pairwise(options.edges)]
    return np.array([np.average(options.process.correlation(r), weights=r**2) for r in fine])


def main(options: Options) -> None:
    """Print one row per network."""
    rng = np.random.default_rng(0)
    train_clouds = [c for c in options.process.sample(rng, CLOUDS) if len(c) > 20]
    held_out = [c for c in options.process.sample(rng, options.held_out) if len(c) > 20]
    truth = [c for c in options.process.sample(rng, options.held_out) if len(c) > 20]
    source = BatchSource(train_clouds, None, options.batch, buckets=2)
    bridge = Bridge(TorusDiffusion(), prediction=NoisePrediction(), exchange=Exchange(8))
    sampler = Sampler(Churn(Heun(), 0.5), steps=32)
    exact = exact_correlation(options)

    def row(name: str, clouds: list[np.ndarray], steps: str = "", cost: str = "") -> None:
        xi = correlation(clouds, options)
        fraction = 1 - np.abs(xi - exact) / exact
        figures = " ".join(f"{f:6.2f}" for f in fraction)
        print(
            f"{name:26s} {steps:>6s} {cost:>7s} {figures}  {np.median(fraction):6.2f}", flush=True
        )

    middles = " ".join(f"{r:6.3f}" for r in np.sqrt(options.edges[1:] * options.edges[:-1]))
    print(f"{options.seconds:g} CPU-seconds each")
    print(f"{'r / box':26s} {'steps':>6s} {'s/step':>7s} {middles}  median")
    print(f"{'exact xi':26s} {'':>6s} {'':>7s} " + " ".join(f"{v:6.2f}" for v in exact))
    for name in options.networks:
        network = NETWORKS[name]
        params, steps, cost = train(network, bridge, source, options)

        drawn = draw(network, params, bridge, sampler, held_out, source.sizes[-1], options)
        row(name, drawn, str(steps), f"{cost:.3f}")
    row("(truth)", truth)
    row("(points at random)", [rng.random(c.shape, np.float32) for c in held_out])


if __name__ == "__main__":
    main(tyro.cli(Options))
