"""Time to a catalogue of 5,000 points at equal error of xi(r), against the predecessor.

The time is that of one network evaluation times how many it takes. How many is measured on a
trained run (``make demo``): catalogues are drawn at the conditions of held-out ones, with the same
base draws, by ancestral steps as the predecessor does and by ours, in more and more evaluations;
the error is the root mean square over bins of xi drawn over xi held out, minus one. The least
number of evaluations whose error is within the noise of the best of all is taken. What an
evaluation costs is measured at N = 5,000 in the same run, of the predecessor's networks
(:mod:`predecessor`) and of the run's own with default sizes.

    python benchmarks/sample.py runs/demo --catalogues 64
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import tyro
from predecessor import STEPS, NaiveGraphNetwork, NaiveTransformer
from timing import measure

from galgen.data.catalogue import Catalogue
from galgen.data.features import condition_value
from galgen.data.suite import Suite
from galgen.generative import DDIM, Churn, Heun, Sampler, Step
from galgen.networks import ParticleMesh
from galgen.run import Run
from galgen.statistics.pairs.correlation import two_point_correlation

EDGES = np.geomspace(3.1, 25.6, 8)
"""Of the bins of separation, Mpc/h, as the demo is judged."""
POINTS = 5_000
RULES: dict[str, tuple[Step, int]] = {
    "ancestral": (DDIM(1.0), 1),
    "DDIM": (DDIM(0.0), 1),
    "Heun, churned": (Churn(Heun(), 0.5), 2),
}
"""Step rule, and evaluations of a step; DPM-Solver++ does not know the torus."""


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of the benchmark."""

    run: tyro.conf.Positional[Path]
    """A trained run of catalogues."""
    catalogues: int = 64
    """Held-out catalogues, and drawn ones."""
    repeats: int = 4
    """Catalogues drawn at each condition, which beat down the noise of the draws."""
    evaluations: tuple[int, ...] = (8, 16, 32, 64, 128, 256, 512)
    """Of the network."""
    rules: tuple[str, ...] = tuple(RULES)
    """Which step rules."""
    memory: float = 10.0
    budget: float = 20.0


def curve(catalogues: list[Catalogue]) -> tuple[np.ndarray, np.ndarray]:
    """xi of all pairs together, and its standard error by leaving catalogues out."""
    size = max(len(c) for c in catalogues)
    x = np.zeros((len(catalogues), size, 3))
    mask = np.zeros(x.shape[:2], bool)
    for row, keep, catalogue in zip(x, mask, catalogues, strict=True):
        row[: len(catalogue)], keep[: len(catalogue)] = catalogue.positions, True
    found = two_point_correlation(x, mask, EDGES, catalogues[0].box).mean()
    return np.asarray(found.mean), np.asarray(found.error)


def evaluation_costs(options: Options) -> dict[str, float]:
    """CPU-seconds of one evaluation at N = 5,000."""
    x = jax.random.uniform(jax.random.key(0), (1, POINTS, 4))
    t, condition = jnp.full(1, 0.5), jnp.zeros((1, 2))
    networks: dict[str, nn.Module] = {
        "naive transformer": NaiveTransformer(),
        "naive graph": NaiveGraphNetwork(),
        "ParticleMesh": ParticleMesh(),
    }
    costs = {}
    for name, network in networks.items():
        params = jax.jit(network.init)(jax.random.key(1), x[:, :64], t, None, condition)

        def forward(params, x, network=network):
            return network.apply(params, x, t, None, condition)

        costs[name] = measure(forward, (params, x), options.memory, options.budget).cpu
        print(f"one evaluation at N = {POINTS}, {name}: {costs[name]:.3f} CPU-s", flush=True)
    return costs


def main(options: Options) -> None:
    """Print errors by rule and number of evaluations, then the times."""
    costs = evaluation_costs(options)
    run = Run.load(options.run)
    path = run.experiment.data.held_out()
    assert path is not None
    with Suite(path) as suite:
        held_out = [suite[i] for i in suite.indices("test")[: options.catalogues].tolist()]
    names = list(run.encoding.condition_ranges)
    conditions = [{n: condition_value(c, n) for n in names} for c in held_out]
    conditions = [c for c in conditions for _ in range(options.repeats)]
    truth, truth_error = curve(held_out)
    print(f"xi held out: {np.round(truth, 3)}, relative error {np.round(truth_error / truth, 3)}")
    errors: dict[str, dict[int, tuple[float, float]]] = {}
    for name in options.rules:
        rule, each = RULES[name]
        for evaluations in options.evaluations:
            sampler = Sampler(rule, evaluations // each)
            experiment = dataclasses.replace(run.experiment, sampler=sampler)
            drawn = dataclasses.replace(run, experiment=experiment).sample(
                conditions, extrapolate=True, batch=32
            )
            found, noise = curve(drawn)
            miss, uncertain = found / truth - 1, noise / truth
            size = float(np.sqrt(np.mean(miss**2)))
            spread = float(np.sqrt(np.mean((miss / max(size, 1e-9)) ** 2 * uncertain**2)))
            errors.setdefault(name, {})[evaluations] = size, spread
            print(
                f"{name:14s} {evaluations:5d} evaluations: error {size:.3f} +- {spread:.3f}; "
                f"ratios {np.round(found / truth, 2)}",
                flush=True,
            )
    report(errors, costs)


def report(errors: dict[str, dict[int, tuple[float, float]]], costs: dict[str, float]) -> None:
    """The evaluations that each rule needs, and the times of a catalogue."""
    best, spread = min(pair for of_rule in errors.values() for pair in of_rule.values())
    print(f"\nbest error {best:.3f} +- {spread:.3f}; needed to come within twice its noise of it:")
    needed = {
        name: next((n for n, (e, s) in rows.items() if e <= best + 2 * np.hypot(s, spread)), None)
        for name, rows in errors.items()
    }
    for name, number in needed.items():
        print(f"  {name}: {number}")
    fewest = min((n for name, n in needed.items() if n and name != "ancestral"), default=None)
    if fewest is None:
        return
    ours = fewest * costs["ParticleMesh"]
    for kind, number in (("at equal error", needed.get("ancestral")), ("as published", STEPS)):
        for network in ("naive transformer", "naive graph"):
            if number:
                theirs = number * costs[network]
                print(
                    f"a catalogue of {POINTS}: {network}, {number} ancestral steps {kind}, "
                    f"{theirs:.0f} CPU-s; ours, {fewest} evaluations, {ours:.1f} CPU-s: "
                    f"{theirs / ours:.0f} times"
                )


if __name__ == "__main__":
    main(tyro.cli(Options))
