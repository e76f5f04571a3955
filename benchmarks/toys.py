"""How near each family of bridges comes to distributions in the plane, and how few steps it needs.

Every family is trained for the same number of steps on fresh draws, by one network. The figure is
the exact 2-Wasserstein distance (optimal assignment), in the data's own units, between as many
draws as are held out, the mean over twenty sets with its standard error. There are 1,000 points
in a set, as in the public configuration of Tong et al. 2024, arXiv:2302.00482, whose toys these
are. The floor is not zero: "truth" is the distance of an independent draw of the data, and last
comes the ratio of the two. Draws are made by 64 evaluations of Heun's rule. A figure per family and
pair shows particles on their way.

Published for eight Gaussians to moons (arXiv:2503.10636, figure 1, no condition, an adaptive
solver; over how many points we do not know) is the square: 0.120 +- 0.045 by flow matching and
0.050 +- 0.040 with minibatch transport, so 0.35 and 0.22 for the distance itself; by one step of
Euler's rule 6.232 and 0.072.

The second table is of few-step generation: the distance against the number of evaluations.

    python benchmarks/toys.py
    python benchmarks/toys.py --pairs "eight Gaussians to moons" --families "OT flow matching"
    python benchmarks/toys.py --steps 300 --families --few-steps
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path as File

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
import tyro
from scipy.optimize import linear_sum_assignment

from galgen.data.toys import Checkerboard, EightGaussians, Toy, TwoMoons, TwoSpirals
from galgen.generative import (
    Base,
    Bridge,
    Empirical,
    Euler,
    GaussianMixture,
    Heun,
    LinearPath,
    MeanFlow,
    MeanFlowSampler,
    MinibatchTransport,
    NoisePrediction,
    Normal,
    PreconditionedPrediction,
    Sampler,
    StochasticInterpolant,
    TrigonometricPath,
    VariancePreserving,
)
from galgen.networks import MLP
from galgen.plot_style import BASE, DOTS_PER_INCH, GENERATED, HELD_OUT, STYLE, new_figure
from galgen.training import Trainer
from galgen.training.state import initial_state, make_step
from galgen.types import Batch

NETWORK = MLP(width=64)
SETS = 20
"""Of held-out points."""
EVALUATIONS = (1, 2, 4, 8, 64)
"""Of the network, in the table of few-step generation."""
FIGURE_EVALUATIONS = 4
"""For which that table has a figure."""


@dataclasses.dataclass(frozen=True)
class SCurve(Toy):
    """A half circle above a half circle, joined to an S, in the units of a unit circle.

    Attributes:
        std: of the Gaussian noise.
    """

    std: float = 0.05

    def sample_with_labels(self, rng, number):
        """Points and which half circle each is on."""
        angle = 3 * np.pi * (rng.random(number) - 0.5)
        x = np.stack([np.sin(angle), np.sign(angle) * (np.cos(angle) - 1)], axis=-1)
        x = x + self.std * rng.standard_normal((number, 2))
        return x.astype(np.float32), (angle > 0).astype(int)


@dataclasses.dataclass(frozen=True)
class Pair:
    """A base and a distribution of data, with the unit that a network sees both in."""

    base: Base
    toy: Toy
    unit: float

    def batch(self, step: int, number: int) -> Batch:
        return Batch(self.toy.sample(np.random.default_rng([1, step]), number) / self.unit)

    def held_out(self, number: int) -> list[np.ndarray]:
        """``SETS`` sets, and as many independent ones."""
        seeds = range(2 * SETS)
        return [self.toy.sample(np.random.default_rng([0, seed]), number) for seed in seeds]


def from_normal(toy: Toy) -> Pair:
    return Pair(Normal(), toy, float(toy.sample(np.random.default_rng(2), 10_000).std()))


MOONS = TwoMoons().sample(np.random.default_rng(3), 20_000) / 3.0
PAIRS = {
    "eight Gaussians to moons": Pair(
        GaussianMixture.circle(radius=5.0 / 3.0, std=0.1**0.25 / 3.0), TwoMoons(), 3.0
    ),
    "moons to eight Gaussians": Pair(Empirical.of(MOONS), EightGaussians(), 3.0),
    "normal to moons": from_normal(TwoMoons()),
    "normal to eight Gaussians": from_normal(EightGaussians()),
    "normal to S-curve": from_normal(SCurve()),
    "normal to checkerboard": from_normal(Checkerboard()),
    "normal to spirals": from_normal(TwoSpirals()),
}
NOISED = VariancePreserving()
FAMILIES: dict[str, Callable[[Base], Bridge]] = {
    "flow matching": lambda base: Bridge(LinearPath(base)),
    "OT flow matching": lambda base: Bridge(LinearPath(base), MinibatchTransport()),
    "trigonometric": lambda base: Bridge(TrigonometricPath(base)),
    "interpolant": lambda base: Bridge(StochasticInterpolant(base, scale=0.5)),
    "diffusion, noise": lambda base: Bridge(NOISED, prediction=NoisePrediction()),
    "diffusion, preconditioned": lambda base: Bridge(NOISED, prediction=PreconditionedPrediction()),
}
DIFFUSIONS = ("diffusion, noise", "diffusion, preconditioned")


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of the benchmark."""

    steps: int = 3000
    """Updates of each model."""
    batch: int = 256
    learning_rate: float = 2e-3
    points: int = 1000
    """Held out in each of the twenty sets, and drawn."""
    pairs: tuple[str, ...] = tuple(PAIRS)
    families: tuple[str, ...] = tuple(FAMILIES)
    few_steps: tuple[str, ...] = ("eight Gaussians to moons", "normal to moons")
    """Pairs of the table of few-step generation."""
    output: File = File("toys")
    """Folder of the figures."""


def wasserstein(x: np.ndarray, y: np.ndarray) -> float:
    """The exact 2-Wasserstein distance between two equally large samples."""
    cost = np.sum((x[:, None].astype(np.float64) - y[None]) ** 2, axis=-1)
    return float(np.sqrt(cost[linear_sum_assignment(cost)].mean()))


def train(model: Bridge | MeanFlow, pair: Pair, options: Options):
    """The network with trained weights, and CPU-seconds of training, compilation left out."""

    def loss(params, key, batch):
        return model.loss(
            lambda x, t, mask, condition: NETWORK.apply(params, x, t, mask, condition), key, batch
        )

    trainer = Trainer(steps=options.steps, learning_rate=options.learning_rate)
    optimizer, key, first = trainer.optimizer(), jax.random.key(1), pair.batch(0, options.batch)
    jump = jnp.zeros((1, 1)) if isinstance(model, MeanFlow) else None
    params = jax.jit(NETWORK.init)(jax.random.key(0), first.x[:1], jnp.zeros(1), None, jump)
    state = initial_state(params, optimizer)
    step = jax.jit(make_step(loss, optimizer, trainer.ema_decay))
    jax.block_until_ready(step(state, key, first))  # compiles
    clock = time.process_time()
    for index in range(options.steps):
        state, metrics = step(state, key, pair.batch(index, options.batch))
        jax.block_until_ready(metrics)
    seconds = time.process_time() - clock

    def denoiser(x, t, mask, condition):
        return NETWORK.apply(state.ema, x, t, mask, condition)

    return denoiser, seconds


def draw(
    model: Bridge | MeanFlow, sampler: Sampler | MeanFlowSampler, denoiser, pair, number: int
) -> np.ndarray:
    """The ways of ``number`` particles, ``(times, number, 2)``, in the data's own units."""

    @jax.jit
    def ways(key):
        return sampler(model.flow(denoiser), key, (number, 2), trajectory=True).trajectory

    return pair.unit * np.asarray(ways(jax.random.key(2)))


def distance(drawn: np.ndarray, held_out: list[np.ndarray]) -> tuple[float, float]:
    """The mean distance of each set of draws to its set of held-out points, and its error."""
    sets = np.split(drawn, SETS)
    found = [wasserstein(*two) for two in zip(sets, held_out, strict=True)]
    return float(np.mean(found)), float(np.std(found, ddof=1) / np.sqrt(SETS))


def draw_figure(ways: np.ndarray, truth: np.ndarray, title: str, file: File) -> None:
    """Start, half way, the paths of 200 particles, end, and as many points of the truth."""
    ways = ways[:, : len(truth)]
    half = len(ways) // 2
    panels = (("start", ways[0], BASE), ("half way", ways[half], BASE), ("paths", None, BASE))
    panels += (("end", ways[-1], GENERATED), ("held out", truth, HELD_OUT))
    with matplotlib.rc_context(dict(STYLE)):
        figure = new_figure(12.0, 2.9)
        figure.suptitle(title)
        seen = np.concatenate([ways[0], truth])
        limits = np.stack([seen.min(axis=0), seen.max(axis=0)])
        for axes, (name, x, color) in zip(figure.subplots(1, 5), panels, strict=True):
            if x is None:
                axes.plot(*ways[:, :200].transpose(2, 0, 1), color="0.6", lw=0.4)
                axes.plot(*ways[0, :200].T, "o", ms=1.5, color=BASE)
                axes.plot(*ways[-1, :200].T, "o", ms=1.5, color=GENERATED)
            else:
                axes.plot(*x.T, "o", ms=1.0, color=color, alpha=0.6)
            axes.set(title=name, aspect="equal", xlim=limits[:, 0], ylim=limits[:, 1])
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file, dpi=DOTS_PER_INCH)


def compare_families(options: Options) -> None:
    """One row per pair and family, and a figure."""
    print(f"{'W2 after':10s} {options.steps} steps of {options.batch} points", flush=True)
    print(f"{'':54s} {'W2':>14s} {'truth':>14s} {'ratio':>12s} CPU-seconds", flush=True)
    for name in options.pairs:
        pair = PAIRS[name]
        sets = pair.held_out(options.points)
        floor, noise = distance(np.concatenate(sets[SETS:]), sets[:SETS])
        for family in options.families:
            if family in DIFFUSIONS and not isinstance(pair.base, Normal):
                continue
            model = FAMILIES[family](pair.base)
            denoiser, seconds = train(model, pair, options)
            ways = draw(model, Sampler(Heun(), 32), denoiser, pair, SETS * options.points)
            found, error = distance(ways[-1], sets[:SETS])
            ratio_error = found / floor * np.hypot(error / found, noise / floor)
            figures = (
                f"{found:6.3f} ± {error:5.3f} {floor:6.3f} ± {noise:5.3f} "
                f"{found / floor:5.2f} ± {ratio_error:4.2f} {seconds:6.0f}"
            )
            print(f"{name:26s} {family:27s} {figures}", flush=True)
            title = f"{name}, {family}"
            file = options.output / f"{title.replace(',', '').replace(' ', '_')}.png"
            draw_figure(ways, sets[0], f"{title}: W2 {found:.3f}, truth {floor:.3f}", file)


def samplers(model: Bridge | MeanFlow) -> dict[str, dict[int, Sampler | MeanFlowSampler]]:
    """Of each rule, the sampler that makes each number of evaluations."""
    if isinstance(model, MeanFlow):
        return {"mean flow": {n: MeanFlowSampler(n) for n in EVALUATIONS}}
    return {
        "Euler": {n: Sampler(Euler(), n) for n in EVALUATIONS},
        "Heun": {n: Sampler(Heun(), n // 2) for n in EVALUATIONS if n > 1},
    }


def compare_evaluations(options: Options) -> None:
    """The distance against the number of evaluations, one row per coupling and rule."""
    for name in options.few_steps:
        pair = PAIRS[name]
        sets = pair.held_out(options.points)
        floor, _ = distance(np.concatenate(sets[SETS:]), sets[:SETS])
        head = " ".join(f"{n:6d}" for n in EVALUATIONS)
        print(f"\n{f'{name}, truth {floor:.3f}':41s} {head} evaluations", flush=True)
        for family in ("flow matching", "OT flow matching"):
            bridge = FAMILIES[family](pair.base)
            for model in (bridge, MeanFlow(bridge.path, bridge.coupling)):
                denoiser, seconds = train(model, pair, options)
                for rule, chosen in samplers(model).items():
                    figures = []
                    for n in EVALUATIONS:
                        if n not in chosen:
                            figures.append(" " * 6)
                            continue
                        ways = draw(model, chosen[n], denoiser, pair, SETS * options.points)
                        if n == FIGURE_EVALUATIONS:
                            title = f"{name}, {family}, {rule}, {n} evaluations"
                            file = f"{title.replace(',', '').replace(' ', '_')}.png"
                            draw_figure(ways, sets[0], title, options.output / file)
                        figures.append(f"{distance(ways[-1], sets[:SETS])[0]:6.3f}")
                    row = f"{family}, {rule}"
                    print(f"    {row:37s} {' '.join(figures)} {seconds:6.0f} s", flush=True)


def main(options: Options) -> None:
    """Print both tables and draw the figures."""
    if options.families:
        compare_families(options)
    compare_evaluations(options)


if __name__ == "__main__":
    main(tyro.cli(Options))
