"""How near each normalizing flow comes to three densities in the plane, and at what cost.

Every flow is trained by likelihood for the same number of steps on fresh draws. The figure is the
held-out negative log likelihood less the entropy, both means over the same held-out points: an
estimate of the Kullback-Leibler divergence from data to model, in nats. Exact densities: eight
Gaussians in closed form; two moons by quadrature over the angle; the checkerboard is uniform on
eight squares of side half_width / 2, so its entropy is log(2 half_width^2) = log 32. The first row
is a Gaussian of the data's own mean and variances. CPU-seconds are those of training the three,
compilation not counted.

    python benchmarks/normalizing_flows.py
    python benchmarks/normalizing_flows.py --steps 500 --flows RealNVP
"""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path as File

import jax
import numpy as np
import tyro
from scipy import special
from toys import draw_figure

from galgen.data.toys import Checkerboard, EightGaussians, Toy, TwoMoons
from galgen.generative.normalizing_flow import (
    Affine,
    NormalizingFlow,
    RationalQuadraticSpline,
    coupling_flow,
    masked_autoregressive_flow,
)
from galgen.generative.paths.base import Normal
from galgen.training import Trainer
from galgen.training.state import initial_state, make_step
from galgen.types import Batch

SPLINE = RationalQuadraticSpline()
FLOWS: dict[str, NormalizingFlow] = {
    "RealNVP": coupling_flow(Affine(), layers=12),
    "RealNVP, rotated": coupling_flow(Affine(), layers=12, rotate=True),
    "spline coupling": coupling_flow(SPLINE, layers=6),
    "spline coupling, rotated": coupling_flow(SPLINE, layers=6, rotate=True),
    "MAF": masked_autoregressive_flow(Affine(), layers=8),
    "MAF, rotated": masked_autoregressive_flow(Affine(), layers=8, rotate=True),
    "spline MAF": masked_autoregressive_flow(SPLINE, layers=4),
    "spline MAF, rotated": masked_autoregressive_flow(SPLINE, layers=4, rotate=True),
}


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of the benchmark."""

    steps: int = 3000
    """Updates of each flow on each density."""
    batch: int = 512
    learning_rate: float = 3e-3
    held_out: int = 20_000
    """Points that the divergence is measured on."""
    flows: tuple[str, ...] = tuple(FLOWS)
    """Which flows."""
    output: File = File("flows")
    """Folder of the figures."""


def moons_log_density(moons: TwoMoons, x: np.ndarray) -> np.ndarray:
    """The exact log density: each moon is a half circle of angles, smeared by a Gaussian."""
    angle = np.pi * (np.arange(500) + 0.5) / 500
    outer = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    inner = np.stack([1 - np.cos(angle), 0.5 - np.sin(angle)], axis=-1)
    centres = moons.scale * np.concatenate([outer, inner]) + moons.shift
    std = moons.scale * moons.std

    def one(rows):
        squared = np.sum((rows[:, None] - centres) ** 2, axis=-1)
        return special.logsumexp(-squared / (2 * std**2), axis=-1)

    logs = np.concatenate([one(rows) for rows in np.array_split(x, 50)])
    return logs - np.log(len(centres) * 2 * np.pi * std**2)


def exact_log_density(toy: Toy, x: np.ndarray) -> np.ndarray:
    """Log density of points drawn from ``toy``."""
    match toy:
        case EightGaussians():
            return toy.log_density(x)
        case TwoMoons():
            return moons_log_density(toy, x.astype(np.float64))
        case Checkerboard():
            return np.full(len(x), -np.log(2 * toy.half_width**2))
    raise ValueError(f"expected a density known in closed form, got {toy}; add it here")


@dataclasses.dataclass(frozen=True)
class Task:
    """One density: held-out points, their exact log densities, and the units of training."""

    toy: Toy
    x: np.ndarray
    exact: np.ndarray
    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def draw(cls, toy: Toy, number: int) -> Task:
        x, other = (toy.sample(np.random.default_rng([0, i]), number) for i in range(2))
        return cls(toy, x, exact_log_density(toy, x), other.mean(axis=0), other.std(axis=0))

    def batch(self, step: int, number: int) -> Batch:
        x = self.toy.sample(np.random.default_rng([1, step]), number)
        return Batch((x - self.mean) / self.std)

    def divergence(self, log_prob) -> float:
        model = np.asarray(log_prob((self.x - self.mean) / self.std))
        return float(np.mean(self.exact - model + np.sum(np.log(self.std))))


def measure(name: str, tasks: list[Task], options: Options) -> tuple[list[float], float]:
    """The divergence of each task after training, and CPU-seconds of training in all.

    A figure for each shows particles on their way through the layers.
    """
    flow = FLOWS[name]
    trainer = Trainer(steps=options.steps, learning_rate=options.learning_rate)
    optimizer, key = trainer.optimizer(), jax.random.key(1)
    first = tasks[0].batch(0, options.batch)
    start = initial_state(jax.jit(flow.init)(jax.random.key(0), first.x), optimizer)
    step = make_step(flow.negative_log_likelihood, optimizer, trainer.ema_decay)
    compiled, apply = jax.jit(step).lower(start, key, first).compile(), jax.jit(flow.apply)
    figures, seconds = [], 0.0
    for task in tasks:
        state, clock = start, time.process_time()
        for index in range(options.steps):
            state, metrics = compiled(state, key, task.batch(index, options.batch))
            jax.block_until_ready(metrics)
        seconds += time.process_time() - clock
        figures.append(task.divergence(lambda x, params=state.ema: apply(params, x)))
        stages = flow.bind(state.ema).stages(jax.random.key(2), (1000, 2))
        ways = np.asarray(stages) * task.std + task.mean
        title = f"{name}, {type(task.toy).__name__}"
        file = options.output / f"{title.replace(', ', '_').replace(' ', '_')}.png"
        draw_figure(ways, task.x[:1000], f"{title}: {figures[-1]:.3f} nats above", file)
    return figures, seconds


def main(options: Options) -> None:
    """Print one row per flow."""
    toys = (EightGaussians(), TwoMoons(), Checkerboard())
    tasks = [Task.draw(toy, options.held_out) for toy in toys]

    def row(name: str, figures: list[float], cost: str = "") -> None:
        print(f"{name:26s} {' '.join(f'{figure:14.3f}' for figure in figures)} {cost}", flush=True)

    print(f"{options.steps} steps of {options.batch} points; excess over the entropy, nats")
    print(f"{'':26s} " + " ".join(f"{type(toy).__name__:>14s}" for toy in toys) + " CPU-seconds")
    row("(entropy)", [-float(np.mean(task.exact)) for task in tasks])
    row("(Gaussian)", [task.divergence(lambda x: Normal().log_density(x)) for task in tasks])
    for name in options.flows:
        figures, seconds = measure(name, tasks, options)
        row(name, figures, f"{seconds:11.0f}")


if __name__ == "__main__":
    main(tyro.cli(Options))
