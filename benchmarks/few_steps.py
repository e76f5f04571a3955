"""Clouds in few network evaluations: average velocities against velocities.

One network is trained on a Thomas process for the same CPU-seconds by flow matching and by mean
flow, with the same coupling, and draws clouds in more and more evaluations. The figure is the
fraction of xi(r) recovered in each bin, as in ``learning.py``, whose options and process these are.
The toys' table is the second of ``toys.py``; that of digits comes from ``digits.py --jumps``.

    python benchmarks/few_steps.py --seconds 300
"""

from __future__ import annotations

import numpy as np
import tyro
from learning import CLOUDS, NETWORKS, Options, correlation, draw, exact_correlation, train

from galgen.data.batching import BatchSource
from galgen.generative import (
    Bridge,
    Euler,
    Heun,
    LogitNormalTimes,
    MeanFlow,
    MeanFlowSampler,
    Model,
    OptimalAssignment,
    Sampler,
    SamplingMethod,
    TorusGeodesic,
)

EVALUATIONS = (1, 2, 4, 8, 32)
"""Of the network."""


def samplers(model: Model) -> dict[str, dict[int, SamplingMethod]]:
    """Of each rule, the sampler that makes each number of evaluations."""
    if isinstance(model, MeanFlow):
        return {"mean flow": {n: MeanFlowSampler(n) for n in EVALUATIONS}}
    return {
        "Euler": {n: Sampler(Euler(), n) for n in EVALUATIONS},
        "Heun": {n: Sampler(Heun(), n // 2) for n in EVALUATIONS if n > 1},
    }


def main(options: Options) -> None:
    """Print one row per network, rule and number of evaluations."""
    rng = np.random.default_rng(0)
    train_clouds = [c for c in options.process.sample(rng, CLOUDS) if len(c) > 20]
    held_out = [c for c in options.process.sample(rng, options.held_out) if len(c) > 20]
    source = BatchSource(train_clouds, None, options.batch, buckets=2)
    exact = exact_correlation(options)
    middles = np.sqrt(options.edges[1:] * options.edges[:-1])
    print(f"{options.seconds:g} CPU-seconds each")
    print(f"{'r / box':44s} " + " ".join(f"{r:6.3f}" for r in middles) + "  median")
    print(f"{'exact xi':44s} " + " ".join(f"{v:6.2f}" for v in exact))
    path, coupling, times = TorusGeodesic(), OptimalAssignment(), LogitNormalTimes()
    models: tuple[Model, ...] = (
        Bridge(path, coupling, times=times),
        MeanFlow(path, coupling, times=times),
    )
    for name in options.networks:
        for model in models:
            params, steps, _ = train(NETWORKS[name], model, source, options)
            for rule, chosen in samplers(model).items():
                for n, sampler in chosen.items():
                    clouds = draw(
                        NETWORKS[name], params, model, sampler, held_out, source.sizes[-1], options
                    )
                    fraction = 1 - np.abs(correlation(clouds, options) - exact) / exact
                    figures = " ".join(f"{f:6.2f}" for f in fraction)
                    row = f"{name}, {rule}, {steps} steps: {n:2d} evaluations"
                    print(f"{row:44s} {figures}  {np.median(fraction):6.2f}", flush=True)


if __name__ == "__main__":
    main(tyro.cli(Options))
