"""The cost of a likelihood at equal Monte Carlo error, against the predecessor.

Both bound log p(catalogue | cosmology) from below by the same network, that of a trained run. The
predecessor averages 50 batches of 8 draws of time and noise, each batch with its own offset of
equally spaced times; ours lays all draws out at once, two in each equal part of the times. Both are
repeated with fresh keys; the spread over the repetitions is the Monte Carlo error, whose square
falls as one over the number of evaluations or faster. What matters for a posterior is the error of
differences between cosmologies: fresh draws at each, or the same at both.

    python benchmarks/likelihood.py runs/demo
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from galgen.data.batching import pad
from galgen.data.suite import Suite
from galgen.generative import Bridge, VariationalDiffusion
from galgen.generative.objectives.times import UniformTimes
from galgen.run import Run

BATCH = 8
"""Draws of the predecessor's batches."""


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of the benchmark."""

    run: tyro.conf.Positional[Path]
    """A trained run of catalogues."""
    catalogues: int = 4
    """Held-out catalogues, over which variances are averaged."""
    draws: int = 400
    """Network evaluations of one likelihood, a multiple of 8; the predecessor's number."""
    repetitions: int = 24
    """Of every estimate."""


def main(options: Options) -> None:
    """Print the errors of values and of differences, and the ratios of cost."""
    run = Run.load(options.run)
    model, encoding = run.experiment.model, run.encoding
    assert isinstance(model, Bridge)
    path = run.experiment.data.held_out()
    assert path is not None
    with Suite(path) as suite:
        chosen = [suite[i] for i in suite.indices("test")[: options.catalogues].tolist()]
    standardizer = encoding.standardizer  # type: ignore[attr-defined]
    clouds = [standardizer.encode(c) for c in chosen]
    x, mask = (jnp.asarray(a) for a in pad(clouds, max(len(c) for c in clouds)))
    here = [standardizer.encode_condition(standardizer.condition_values(c), True) for c in chosen]
    there = np.array(here) + 0.1
    """A tenth of a standard deviation of the training conditions away."""
    denoiser = model.with_params(run.experiment.network, run.params).denoiser
    conditions = jnp.stack([jnp.asarray(here), jnp.asarray(there)])

    def totals(key: jax.Array, draws: int) -> jax.Array:
        bound = VariationalDiffusion(model, UniformTimes(), draws)
        return jnp.stack([bound(denoiser, key, x, mask, c).total for c in conditions])

    @jax.jit
    def theirs(key):
        keys = jax.random.split(key, options.draws // BATCH)
        return jnp.mean(jax.lax.map(lambda k: totals(k, BATCH), keys), axis=0)

    @jax.jit
    def ours(key):
        return totals(key, options.draws)

    points = np.mean([len(c) for c in clouds])
    print(f"{options.catalogues} catalogues of {points:.0f} points, {options.draws} evaluations")
    variances = {}
    for name, estimate in (("50 x 8 draws", theirs), ("all at once", ours)):
        values = np.array(
            [estimate(jax.random.key(i)) for i in range(options.repetitions)], np.float64
        )
        value = values[:, 0].var(axis=0, ddof=1).mean()
        shared = (values[:, 1] - values[:, 0]).var(axis=0, ddof=1).mean()
        fresh = 2 * value
        variances[name] = value, fresh, shared
        print(
            f"{name:14s}: value {values[:, 0].mean():10.2f} +- {np.sqrt(value):.3f} nats; "
            f"difference of fresh draws +- {np.sqrt(fresh):.3f}, "
            f"of the same +- {np.sqrt(shared):.3f}",
            flush=True,
        )
    naive, good = variances.values()
    print(f"evaluations for equal error of a value: {naive[0] / good[0]:.1f} times fewer")
    print(f"of a difference, against fresh draws: {naive[1] / good[2]:.1f} times fewer")
    print("times the ratio of one evaluation's cost at N = 5,000: benchmarks/sample.py")


if __name__ == "__main__":
    main(tyro.cli(Options))
