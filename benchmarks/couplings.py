"""How far couplings within a cloud let points travel, and what they cost, beside the optimum.

    python benchmarks/couplings.py
    python benchmarks/couplings.py --sizes 128 512 --largest-exact 512

Points travel on the torus from a uniform base. Displacements are mean squares, over the least
(exact assignment) and over those of the independent coupling; the exact assignment is left out
above ``--largest-exact`` points. CPU-seconds are medians of compiled and warmed-up calls, host and
device together, per cloud. About six minutes on two cores.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from jaxtyping import Array, Float

from galgen.generative import (
    BisectionAssignment,
    Coupling,
    Independent,
    OptimalAssignment,
    SinkhornAssignment,
    SpaceFillingCurve,
    TorusGeodesic,
)

PATH = TorusGeodesic()
COUPLINGS: dict[str, Coupling] = {
    "OptimalAssignment": OptimalAssignment(),
    "SinkhornAssignment": SinkhornAssignment(),
    "SinkhornAssignment, 1.0": SinkhornAssignment(tolerance=1.0),
    "BisectionAssignment, 64": BisectionAssignment(sweeps=64),
    "BisectionAssignment": BisectionAssignment(),
    "BisectionAssignment, 0": BisectionAssignment(sweeps=0),
    "SpaceFillingCurve": SpaceFillingCurve(),
    "Independent": Independent(),
}


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of the benchmark."""

    sizes: tuple[int, ...] = (128, 512, 1_000, 5_000)
    """Points of one cloud."""
    largest_exact: int = 5_000
    """Points above which the exact assignment is left out."""
    points: int = 4_000
    """Of all clouds of one call together, at least one cloud and at most sixteen."""
    budget: float = 15.0
    """CPU-seconds after which no further repetition is begun; at most seven are."""


def uniform(clouds: int, points: int) -> Float[np.ndarray, "clouds points 3"]:
    """A Poisson process."""
    return np.random.default_rng(0).random((clouds, points, 3), np.float32)


def clustered(clouds: int, points: int) -> Float[np.ndarray, "clouds points 3"]:
    """Clusters of twenty points on average, 0.03 of the box across."""
    rng = np.random.default_rng(1)
    centres = rng.random((clouds, max(points // 20, 1), 3))
    member = rng.integers(centres.shape[1], size=(clouds, points, 1))
    x = np.take_along_axis(centres, member, axis=1) + rng.normal(0, 0.03, (clouds, points, 3))
    return np.mod(x, 1.0).astype(np.float32)


def displacement(base: Array, data: Array) -> float:
    """The mean squared distance that points travel."""
    return float(jnp.mean(jnp.sum(PATH.velocity(base, data, jnp.zeros(len(data))) ** 2, axis=-1)))


def measure(
    coupling: Coupling, base: Array, data: Array, options: Options
) -> tuple[Array, float, float]:
    """The coupled base, CPU-seconds per cloud, and CPU-seconds to compile."""

    def couple(key, base, data):
        return coupling(key, PATH, base, data, None)

    start = time.process_time()
    compiled: Any = jax.jit(couple).lower(jax.random.key(1), base, data).compile()
    compilation = time.process_time() - start
    coupled = jax.block_until_ready(compiled(jax.random.key(1), base, data))
    spent: list[float] = []
    while len(spent) < 7 and sum(spent) < options.budget:
        start = time.process_time()
        jax.block_until_ready(compiled(jax.random.key(1), base, data))
        spent.append(time.process_time() - start)
    return coupled, statistics.median(spent) / len(data), compilation


def main(options: Options) -> None:
    """Print the tables."""
    print(f"{jax.default_backend()}, JAX {jax.__version__}")
    head = f"  {'':24s} {'CPU ms':>9s} {'/ least':>8s} {'/ indep.':>8s} {'compile s':>9s}"
    for points in options.sizes:
        clouds = min(16, max(1, options.points // points))
        base = PATH.sample_base(jax.random.key(0), (clouds, points, 3))
        for name, make in (("uniform", uniform), ("clustered", clustered)):
            data = jnp.asarray(make(clouds, points))
            independent = displacement(base, data)
            least = np.nan
            print(f"\nN = {points}, {name}, {clouds} clouds\n{head}")
            for label, coupling in COUPLINGS.items():
                exact = isinstance(coupling, OptimalAssignment)
                if exact and points > options.largest_exact:
                    continue
                coupled, seconds, compilation = measure(coupling, base, data, options)
                travelled = displacement(coupled, data)
                least = travelled if exact else least
                print(
                    f"  {label:24s} {1e3 * seconds:9.2f} {travelled / least:8.3f} "
                    f"{travelled / independent:8.4f} {compilation:9.1f}",
                    flush=True,
                )


if __name__ == "__main__":
    main(tyro.cli(Options))
