"""Pair counts beside Corrfunc, in one run.

    pip install --no-binary Corrfunc Corrfunc==2.5.3
    python benchmarks/statistics/pair_counts.py
    python benchmarks/statistics/pair_counts.py --mock gals_Mr19.ff --sizes --reaches 40
    python benchmarks/statistics/pair_counts.py --cores 0

A clustered mock (a uniform part and blobs) in a box of 1 Gpc/h, or Corrfunc's; in float64, with
15 logarithmic bins from 0.5 Mpc/h, 100 of mu, pi to 40 Mpc/h in 40; each catalogue with itself, and
its first tenth with all of it. On one core CPU-seconds, on several the time that passes: medians of
calls that were compiled and warmed up, each code in turn. Ratios are to Corrfunc. Every integer is
compared, and weighted sums to 1e-9. Corrfunc is built from source (it needs GSL's headers), for its
vector instructions; without it its column is left out.
"""

from __future__ import annotations

import dataclasses
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from jaxtyping import Float

from data_prep.simulations.fastfood import FastFoodSource
from galgen.statistics.pairs.bins import AngleBins, PairBins, ProjectedBins, SeparationBins
from galgen.statistics.pairs.counts import PairMethod, cross_pair_counts, pair_counts
from galgen.statistics.pairs.tiles import sums_by_tiles

try:
    from Corrfunc import theory
except ImportError:
    theory = None

BOX = 1000.0
DEPTH = 40.0
Cloud = tuple[Float[np.ndarray, "points 3"], Float[np.ndarray, "points"], float]
"""Positions, weights, and the side of the box."""


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of the benchmark."""

    sizes: tuple[int, ...] = (5_000, 50_000, 1_000_000)
    """Points of one catalogue."""
    mock: Path | None = None
    """A fast-food file of a periodic box, such as Corrfunc's gals_Mr19.ff."""
    reaches: tuple[float, ...] = (40.0, 150.0)
    """Last edges, Mpc/h."""
    counts: tuple[str, ...] = ("r", "smu", "rppi")
    """Which bins."""
    kinds: tuple[str, ...] = ("auto", "weighted", "cross")
    """Which pairs; weighted ones are of one catalogue."""
    batch: int = 32
    """Catalogues of 5,000 points in the batch; 0 for none."""
    cores: int = 1
    """How many, 0 for all."""
    budget: float = 30.0
    """Seconds after which a call is not repeated; at most five are made."""


def clustered(points: int, seed: int = 0) -> Float[np.ndarray, "points 3"]:
    """A third of the points uniform, the rest in blobs of about thirty, 4 Mpc/h across."""
    rng = np.random.default_rng(seed)
    third = points // 3
    centres = rng.uniform(0, BOX, (max(points // 50, 1), 3))
    blobs = centres[rng.integers(0, len(centres), points - third)]
    blobs = blobs + rng.normal(0, 4, blobs.shape)
    return np.mod(np.concatenate([blobs, rng.uniform(0, BOX, (third, 3))]), BOX)


def clouds(options: Options) -> dict[str, Cloud]:
    """Catalogues by name."""
    found = {}
    for size in options.sizes:
        weights = np.random.default_rng(size).uniform(0.5, 2, size)
        found[f"{size:,}"] = clustered(size), weights, BOX
    if options.mock is not None:
        source = FastFoodSource(inputs=(options.mock,), output=Path(), wrap=True)
        mock = next(iter(source.read(options.mock)))
        x = np.stack([mock.columns[name] for name in "xyz"], axis=1).astype(np.float64)
        weights = np.random.default_rng(0).uniform(0.5, 2, len(x))
        found[f"{options.mock.stem}, {len(x):,}"] = np.mod(x, mock.box[0]), weights, mock.box[0]
    return found


def by_corrfunc(cloud: Cloud, bins: PairBins, kind: str, cores: int) -> np.ndarray:
    """Ordered pairs, or sums of their weights."""
    x, weights, side = cloud
    first = x[: len(x) // 10] if kind == "cross" else x
    columns = [np.ascontiguousarray(c) for c in first.T]
    more: dict[str, Any] = {"periodic": True, "boxsize": side}
    if kind == "cross":
        others = (np.ascontiguousarray(c) for c in x.T)
        more |= dict(zip(("X2", "Y2", "Z2"), others, strict=True))
    if kind == "weighted":
        more |= {"weights1": weights, "weight_type": "pair_product"}
    auto, edges = int(kind != "cross"), np.asarray(bins.edges)  # type: ignore[attr-defined]
    if isinstance(bins, AngleBins):
        table = theory.DDsmu(auto, cores, edges, 1.0, bins.mu_bins, *columns, **more)
    elif isinstance(bins, ProjectedBins):
        table = theory.DDrppi(auto, cores, bins.pi_max, edges, *columns, **more)
    else:
        table = theory.DD(auto, cores, edges, *columns, **more)
    pairs = table["npairs"].astype(np.int64)
    return (pairs * table["weightavg"] if kind == "weighted" else pairs).reshape(bins.shape)


def by_galgen(
    clouds: list[Cloud], bins: PairBins, kind: str, method: PairMethod | None = None
) -> np.ndarray:
    """The same of several catalogues."""
    x, weights = (np.stack([cloud[i] for cloud in clouds]) for i in range(2))
    side = clouds[0][2]
    if kind == "cross":
        first = x[:, : x.shape[1] // 10]
        return cross_pair_counts(first, None, x, None, bins, side, method=method)
    return pair_counts(
        x, None, bins, side, weights=weights if kind == "weighted" else None, method=method
    )


def cost(call: Callable[[], np.ndarray], options: Options) -> tuple[np.ndarray, float]:
    """Result and seconds, the median of up to five calls; a first is not counted if it is short."""
    clock = time.process_time if options.cores == 1 else time.perf_counter
    times: list[float] = []
    start = clock()
    result = call()
    first = clock() - start
    while len(times) < 5 and first + sum(times) < options.budget:
        start = clock()
        call()
        times.append(clock() - start)
    return result, statistics.median(times or [first])


def compare(name: str, clouds: list[Cloud], bins: PairBins, kind: str, options: Options) -> None:
    """One line: every code, and whether all integers agree."""
    calls = {"galgen": lambda: by_galgen(clouds, bins, kind)}
    if len(clouds[0][0]) <= 5_000:
        calls["tiles"] = lambda: np.asarray(by_galgen(clouds, bins, kind, sums_by_tiles))
    if theory is not None:
        calls["Corrfunc"] = lambda: np.stack(
            [by_corrfunc(cloud, bins, kind, options.cores) for cloud in clouds]
        )
    found = {code: cost(call, options) for code, call in calls.items()}
    truth, reference = found.get("Corrfunc", found["galgen"])
    row = [f"{name:44s}"]
    for code, (counts, seconds) in found.items():
        off = np.abs(np.asarray(counts) - truth).max()
        same = off <= 1e-9 * truth.max() if kind == "weighted" else off == 0
        words = "=" if same else f"off by {off} of {truth.sum()}"
        row.append(f"{code} {seconds:8.3f} s ({seconds / reference:5.2f}) {words}")
    print("  ".join(row), flush=True)


def main(options: Options) -> None:
    """Print one line for each catalogue, reach, kind of bins and kind of pairs."""
    cores = sorted(os.sched_getaffinity(0))
    options = dataclasses.replace(options, cores=options.cores or len(cores))
    os.sched_setaffinity(0, cores[: options.cores])
    catalogues = clouds(options)
    for reach in options.reaches:
        edges = tuple(np.geomspace(0.5, reach, 16).tolist())
        bins: dict[str, PairBins] = {
            "r": SeparationBins(edges),
            "smu": AngleBins(edges, 100),
            "rppi": ProjectedBins(edges, DEPTH),
        }
        for size, cloud in catalogues.items():
            for word in options.counts:
                for kind in options.kinds:
                    name = f"DD({word}) {kind} to {reach:g}, {size}"
                    compare(name, [cloud], bins[word], kind, options)
        if options.batch:
            several = [(clustered(5_000, i), np.ones(5_000), BOX) for i in range(options.batch)]
            name = f"DD(r) auto to {reach:g}, {options.batch} x 5,000"
            compare(name, several, bins["r"], "auto", options)


if __name__ == "__main__":
    main(tyro.cli(Options))
