"""One catalogue of a million points on one CPU: time per evaluation of the network and peak memory.

    python benchmarks/million.py --points 100000
    python benchmarks/million.py --points 1000000 --network mesh
    python benchmarks/million.py --points 1000000 --network graph

Weights are fresh, but none is zero; the sampler is the library's own, compiled for the shape. Peak
memory is the resident set of the whole process, the compiler and JAX (about 0.5 GiB) included.
"""

from __future__ import annotations

import dataclasses
import resource
import time
from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import tyro

from galgen.generative import Bridge, Euler, Sampler, TorusGeodesic
from galgen.networks import GraphNetwork, ParticleMesh
from galgen.types import Params

GIBIBYTE = 2.0**30


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of the benchmark."""

    points: int = 100_000
    """Of the catalogue."""
    network: Literal["modes", "mesh", "graph"] = "modes"
    """ParticleMesh with direct modes or with a painted mesh of 2 N^(1/3) per side, or a graph."""
    steps: int = 2
    """Of Euler's rule, one evaluation each."""


def networks(points: int) -> dict[str, nn.Module]:
    """Default sizes."""
    side = 2 * round(points ** (1 / 3))
    return {
        "modes": ParticleMesh(),
        "mesh": ParticleMesh(largest_mode=2, mesh=side),
        "graph": GraphNetwork(),
    }


def weights(network: nn.Module) -> Params:
    """Fresh weights, shaken so that none is zero."""
    x, condition = jnp.zeros((1, 64, 3)), jnp.zeros((1, 2))
    x = jax.random.uniform(jax.random.key(0), x.shape)
    params = jax.jit(network.init)(jax.random.key(1), x, jnp.zeros(1), None, condition)
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(2), len(leaves))
    shaken = [a + 0.02 * jax.random.normal(k, a.shape) for a, k in zip(leaves, keys, strict=True)]
    return jax.tree.unflatten(tree, shaken)


def peak() -> float:
    """The largest resident set so far, GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIBIBYTE


def main(options: Options) -> None:
    """Draw, and print what it took."""
    network = networks(options.points)[options.network]
    params = weights(network)
    bridge = Bridge(TorusGeodesic())
    sampler = Sampler(Euler(), options.steps)
    shape, condition = (1, options.points, 3), jnp.zeros((1, 2))

    def sample(params: Params, key: jax.Array) -> jax.Array:
        return sampler(bridge.with_params(network, params), key, shape, None, condition).x

    key = jax.random.key(3)
    start = time.process_time()
    compiled = jax.jit(sample).lower(params, key).compile()
    compilation, before = time.process_time() - start, peak()
    reserved = compiled.memory_analysis().temp_size_in_bytes / GIBIBYTE
    starts = time.process_time(), time.perf_counter()
    x = jax.block_until_ready(compiled(params, key))
    cpu, wall = time.process_time() - starts[0], time.perf_counter() - starts[1]
    moved = float(jnp.std(x))
    print(
        f"{options.network}, N = {options.points}: compiled in {compilation:.1f} CPU-s; per "
        f"evaluation {cpu / options.steps:.2f} CPU-s, {wall / options.steps:.2f} s; temporaries "
        f"{reserved:.3f} GiB; resident {peak():.2f} GiB at peak, {before:.2f} before; spread of "
        f"positions {moved:.4f} (uniform: 0.2887)"
    )


if __name__ == "__main__":
    main(tyro.cli(Options))
