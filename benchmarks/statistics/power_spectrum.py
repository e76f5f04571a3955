"""Time of P(k) multipoles beside abacusutils, and of what they are made of, in one run.

    pip install abacusutils
    python benchmarks/statistics/power_spectrum.py
    python benchmarks/statistics/power_spectrum.py --threads 2 --points 200000 --mesh-size 128

Triangular-shaped clouds, interlaced, compensated, multipoles 0, 2, 4 in bins of the fundamental
mode, from NumPy arrays on the host to the numbers. Both codes run on the same cores. CPU and wall
times are medians of calls that are compiled and warmed up, galgen's and abacusutils' in turn;
"x abacus" is the ratio of CPU times, which another load on the machine moves least. Without
abacusutils its rows are left out. "off" is the largest difference from galgen in float64, in units
of P + shot noise.
"""

from __future__ import annotations

import dataclasses
import gc
import os
import statistics
import time
import warnings
from collections.abc import Callable

import jax
import numpy as np
import tyro
from jaxtyping import Float

from galgen.statistics.fourier.bispectrum import bispectrum
from galgen.statistics.fourier.mesh import Resampler, paint
from galgen.statistics.fourier.modes import default_k_edges
from galgen.statistics.fourier.power_spectrum import power_spectrum
from galgen.statistics.fourier.triangles import equilateral, squeezed

try:
    from abacusnbody.analysis.power_spectrum import calc_power
except ImportError:
    calc_power = None

BOX = 1000.0
MULTIPOLES = (0, 2, 4)
Clouds = Float[np.ndarray, "batch points 3"]


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of the benchmark."""

    points: int = 1_000_000
    """Of the one large catalogue."""
    mesh_size: int = 256
    """Of its mesh."""
    batch: int = 32
    """Catalogues of the batch."""
    batch_points: int = 5_000
    """Of each of them."""
    batch_mesh_size: int = 64
    """Of their meshes."""
    threads: int = 1
    """Cores that the process may use, for both codes."""
    repetitions: int = 3
    """Timed calls."""


def clustered(batch: int, points: int) -> Clouds:
    """Half of the points uniform, half in blobs of fifty, 5 Mpc/h across."""
    rng = np.random.default_rng(0)
    half = points // 2
    centres = rng.uniform(0, BOX, (batch, max(half // 50, 1), 3))
    member = rng.integers(centres.shape[1], size=(batch, half, 1))
    blobs = np.take_along_axis(centres, member, axis=1) + rng.normal(0, 5, (batch, half, 3))
    rest = rng.uniform(0, BOX, (batch, points - half, 3))
    return np.mod(np.concatenate([blobs, rest], axis=1), BOX).astype(np.float32)


def by_galgen(x: Clouds, mesh_size: int, edges: np.ndarray) -> np.ndarray:
    """Raw multipoles of a batch."""
    return np.asarray(power_spectrum(x, None, BOX, mesh_size, edges, MULTIPOLES).raw_power)


def by_galgen_in_double(x: Clouds, mesh_size: int, edges: np.ndarray) -> np.ndarray:
    """The same in float64."""
    with jax.enable_x64(True):
        return by_galgen(x.astype(np.float64), mesh_size, edges)


def by_abacusutils(x: Clouds, mesh_size: int, edges: np.ndarray, threads: int) -> np.ndarray:
    """Raw multipoles of one catalogue after the other."""
    return np.stack(
        [
            calc_power(
                cloud, BOX, kbins=edges, mubins=1, poles=list(MULTIPOLES), paste="TSC",
                nmesh=mesh_size, compensated=True, interlaced=True, nthread=threads,
            )["poles"].T
            for cloud in x
        ]
    )  # fmt: skip


def in_turn(
    calls: dict[str, Callable[[], np.ndarray]], repetitions: int
) -> dict[str, tuple[np.ndarray, float, float, float]]:
    """Result, CPU and wall milliseconds, and the first call's CPU-seconds, of every call."""
    results, first = {}, {}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for name, call in calls.items():
        start = time.process_time()
        results[name] = call()
        first[name] = time.process_time() - start
    # abacusutils collects garbage in every call: JAX's many objects are not its own to search
    gc.collect()
    gc.freeze()
    for _ in range(repetitions):
        for name, call in calls.items():
            start, wall = time.process_time(), time.perf_counter()
            call()
            times[name].append((time.process_time() - start, time.perf_counter() - wall))
    return {
        name: (
            results[name],
            *(1e3 * statistics.median(t[i] for t in times[name]) for i in (0, 1)),
            first[name],
        )
        for name in calls
    }


def compare(x: Clouds, mesh_size: int, options: Options) -> None:
    """Print galgen beside abacusutils on one batch."""
    edges = default_k_edges(BOX, mesh_size)
    calls = {
        "galgen float32": lambda: by_galgen(x, mesh_size, edges),
        "galgen float64": lambda: by_galgen_in_double(x, mesh_size, edges),
    }
    if calc_power is not None:
        calls["abacusutils"] = lambda: by_abacusutils(x, mesh_size, edges, options.threads)
    rows = in_turn(calls, options.repetitions)
    truth = rows["galgen float64"][0]
    reference = rows["abacusutils"][1] if "abacusutils" in rows else np.nan
    print(f"\n{len(x)} x {x.shape[1]:,} points, mesh {mesh_size}")
    print(f"  {'':24s} {'CPU ms':>9} {'wall ms':>9} {'x abacus':>9} {'off':>9} {'first s':>8}")
    for name, (result, processor, wall, first) in rows.items():
        off = np.max(np.abs(result - truth) / truth[:, :1])
        print(
            f"  {name:24s} {processor:9.1f} {wall:9.1f} {processor / reference:9.2f} {off:9.1e} "
            f"{first:8.1f}",
            flush=True,
        )


def parts(x: Clouds, mesh_size: int, options: Options) -> None:
    """Print the time of painting by every resampler, of a transform, and of a bispectrum."""
    mesh = np.asarray(paint(x, None, BOX, mesh_size))
    transform = jax.jit(lambda field: jax.numpy.fft.rfftn(field, axes=(1, 2, 3)))
    calls: dict[str, Callable[[], np.ndarray]] = {
        f"paint, order {order}": lambda order=order: np.asarray(
            paint(x, None, BOX, mesh_size, Resampler(order))
        )
        for order in (1, 2, 3, 4)
    }
    calls["rfftn"] = lambda: np.asarray(transform(mesh))
    edges = default_k_edges(BOX, mesh_size)[:17]
    triples = (*equilateral(len(edges) - 1), *squeezed(len(edges) - 1))
    calls[f"bispectrum, {len(triples)} triples"] = lambda: np.asarray(
        bispectrum(x, None, BOX, mesh_size, edges, triples).bispectrum
    )
    for name, (_, processor, wall, first) in in_turn(calls, options.repetitions).items():
        print(f"  {name:24s} {processor:9.1f} {wall:9.1f} {'':9} {'':9} {first:8.1f}", flush=True)


def main(options: Options) -> None:
    """Print the tables."""
    # Bins to the Nyquist wavenumber, where both codes have the same aliases.
    warnings.filterwarnings("ignore", "P.k. is aliased by up to 1%")
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    print(f"{jax.default_backend()}, JAX {jax.__version__}, {options.threads} thread(s)")
    for x, mesh_size in (
        (clustered(1, options.points), options.mesh_size),
        (clustered(options.batch, options.batch_points), options.batch_mesh_size),
    ):
        compare(x, mesh_size, options)
        parts(x, mesh_size, options)


if __name__ == "__main__":
    main(tyro.cli(Options))
