"""Time and memory of the neighbour searches, each as a ratio to an N^2 argsort in the same run.

    python benchmarks/neighbors.py

Wall and CPU times are medians of calls that are compiled and warmed up; "x naive" is the ratio of
CPU times, which another load on the machine moves least. Temporary memory is what XLA reserves, so
SciPy's own on the host is not in it. About five minutes on two cores, most of it the argsort.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from galgen.geometry import PeriodicBox
from galgen.neighbors import Automatic, BruteForce, CellList, Tree, nearest_neighbors

K = 20
SIZES = (512, 5_000, 20_000, 50_000)
LARGEST_NAIVE = 20_000
METHODS = (BruteForce(), CellList(), Tree(), Automatic())
GIGABYTE = 1e9


def naive(x: Float[Array, "1 points dim"]) -> Int[Array, "1 points k"]:
    """Every distance, and every row of them sorted."""
    apart = PeriodicBox().displacement(x[:, :, None], x[:, None])
    return jnp.argsort(jnp.sum(apart**2, axis=-1), axis=-1)[..., 1 : K + 1]


def uniform(points: int) -> Float[np.ndarray, "1 points 3"]:
    """A Poisson process."""
    return np.random.default_rng(0).random((1, points, 3), np.float32)


def clustered(points: int) -> Float[np.ndarray, "1 points 3"]:
    """Clusters of a hundred points, 0.005 of the box across."""
    rng = np.random.default_rng(0)
    centres = np.repeat(rng.random((points // 100, 3)), 100, axis=0)
    x = np.mod(centres + rng.normal(0.0, 0.005, centres.shape), 1.0)
    return x[None].astype(np.float32)


def compiled(function: Callable, x: Array) -> tuple[Any, float, float]:
    """The function for this shape, the gigabytes it reserves, and the seconds to compile it."""
    start = time.process_time()
    executable: Any = jax.jit(function).lower(x).compile()
    spent = time.process_time() - start
    return executable, executable.memory_analysis().temp_size_in_bytes / GIGABYTE, spent


def seconds(executable: Any, x: Array) -> tuple[float, float]:
    """Median wall and CPU seconds of a warmed-up call: of nine, or as many as ten seconds hold."""
    wall: list[float] = []
    processor: list[float] = []
    while len(wall) < 10 and sum(wall) < 10:
        start, start_processor = time.perf_counter(), time.process_time()
        jax.block_until_ready(executable(x))
        wall.append(time.perf_counter() - start)
        processor.append(time.process_time() - start_processor)
    # The first call warms up, unless it was so long that it is the only one.
    return statistics.median(wall[1:] or wall), statistics.median(processor[1:] or processor)


def measure(name: str, x: Array) -> None:
    """Print the rows of one cloud."""
    points = x.shape[1]

    def row(method: str, function: Callable, reference: float | None = None) -> float | None:
        executable, memory, compilation = compiled(function, x)
        if memory > 4:
            print(f"{name:>9} {points:>7,} {method:<10} not run: {memory:.1f} GB", flush=True)
            return None
        wall, processor = seconds(executable, x)
        ratio = f"{reference / processor:.0f}" if reference else "-"
        print(
            f"{name:>9} {points:>7,} {method:<10} {1e3 * wall:>9.1f} {1e3 * processor:>9.1f} "
            f"{ratio:>8} {1e3 * memory:>9.1f} {compilation:>10.1f}",
            flush=True,
        )
        return processor

    reference = row("naive", naive) if points <= LARGEST_NAIVE else None
    for method in METHODS:

        def search(x, method=method):
            return nearest_neighbors(x, K, PeriodicBox(), method=method).indices

        row(type(method).__name__, search, reference)


def main() -> None:
    """Print the table."""
    print(f"k = {K}, {jax.default_backend()}, JAX {jax.__version__}")
    print(
        f"{'cloud':>9} {'points':>7} {'method':<10} {'wall ms':>9} {'CPU ms':>9} {'x naive':>8} "
        f"{'temp MB':>9} {'compile s':>10}"
    )
    for points in SIZES:
        measure("uniform", jnp.asarray(uniform(points)))
    measure("clustered", jnp.asarray(clustered(5_000)))


if __name__ == "__main__":
    main()
