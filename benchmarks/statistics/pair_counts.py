"""Pair counts beside Corrfunc and scipy's tree, in one run on one thread.

    pip install Corrfunc
    python benchmarks/statistics/pair_counts.py
    python benchmarks/statistics/pair_counts.py --sizes 1000000 --reaches 40

A clustered mock (a lognormal-like field of blobs and a uniform part) in a box of 1 Gpc/h, float64,
15 logarithmic bins from 0.5 Mpc/h. CPU-seconds, medians of calls that were compiled and warmed up,
each code in turn; ratios are to Corrfunc (``countpairs`` for DD(r), ``DDsmu`` with 100 bins of mu).
Every integer is compared. Without Corrfunc its column is left out.
"""

from __future__ import annotations

import dataclasses
import os
import statistics
import time
from collections.abc import Callable

import numpy as np
import tyro
from jaxtyping import Float
from scipy.spatial import cKDTree

from galgen.statistics.pairs.bins import AngleBins, PairBins, as_bins
from galgen.statistics.pairs.cells import sums_by_cells
from galgen.statistics.pairs.counts import pair_counts
from galgen.statistics.pairs.tiles import sums_by_tiles

try:
    from Corrfunc.theory import DD, DDsmu
except ImportError:
    DD = DDsmu = None

BOX = 1000.0
Cloud = Float[np.ndarray, "points 3"]


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of the benchmark."""

    sizes: tuple[int, ...] = (5_000, 50_000, 1_000_000)
    """Points of one catalogue."""
    reaches: tuple[float, ...] = (40.0, 150.0)
    """Last edges, Mpc/h."""
    batch: int = 32
    """Catalogues of 5,000 points in the batch; 0 for none."""
    tree: int = 200_000
    """The largest catalogue for scipy's tree."""
    budget: float = 60.0
    """CPU-seconds after which a call is not repeated; at most five are made."""


def clustered(points: int, seed: int = 0) -> Cloud:
    """A third of the points uniform, the rest in blobs of about thirty, 4 Mpc/h across."""
    rng = np.random.default_rng(seed)
    third = points // 3
    centres = rng.uniform(0, BOX, (max(points // 50, 1), 3))
    blobs = centres[rng.integers(0, len(centres), points - third)]
    blobs = blobs + rng.normal(0, 4, blobs.shape)
    return np.mod(np.concatenate([blobs, rng.uniform(0, BOX, (third, 3))]), BOX)


def by_corrfunc(x: Cloud, bins: PairBins) -> np.ndarray:
    """Ordered pairs by Corrfunc, one thread."""
    edges = np.asarray(bins.edges)  # type: ignore[attr-defined]
    columns = [np.ascontiguousarray(c) for c in x.T]
    if isinstance(bins, AngleBins):
        table = DDsmu(1, 1, edges, 1.0, bins.mu_bins, *columns, periodic=True, boxsize=BOX)
    else:
        table = DD(1, 1, edges, *columns, periodic=True, boxsize=BOX)
    return table["npairs"].astype(np.int64).reshape(bins.shape)


def by_tree(x: Cloud, bins: PairBins) -> np.ndarray:
    """Ordered pairs by scipy's dual tree."""
    edges = np.asarray(bins.edges)  # type: ignore[attr-defined]
    tree = cKDTree(x, boxsize=BOX)
    below = np.asarray(tree.count_neighbors(tree, np.nextafter(edges, -1)), np.int64)
    return np.diff(below)


def cost(call: Callable[[], np.ndarray], budget: float) -> tuple[np.ndarray, float]:
    """Result and CPU-seconds, the median of up to five calls after a first."""
    result, times = call(), []
    while len(times) < 5 and sum(times) < budget:
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return result, statistics.median(times)


def compare(name: str, x: Cloud, bins: PairBins, options: Options) -> None:
    """One line: every code that applies, and whether all integers agree."""
    batch = x if x.ndim == 3 else x[None]
    calls = {"cells": lambda: pair_counts(batch, None, bins, BOX, method=sums_by_cells)}
    if batch.shape[1] <= 5_000:
        calls["tiles"] = lambda: np.asarray(
            pair_counts(batch, None, bins, BOX, method=sums_by_tiles)
        )
    if DD is not None:
        calls["Corrfunc"] = lambda: np.stack([by_corrfunc(cloud, bins) for cloud in batch])
    if batch.shape[1] <= options.tree and not isinstance(bins, AngleBins):
        calls["scipy"] = lambda: np.stack([by_tree(cloud, bins) for cloud in batch])
    found = {code: cost(call, options.budget) for code, call in calls.items()}
    truth, reference = found.get("Corrfunc", found["cells"])
    row = [f"{name:38s}"]
    for code, (counts, seconds) in found.items():
        off = np.abs(np.asarray(counts, np.int64) - truth).max()
        same = "=" if off == 0 else f"off by {off} of {truth.sum()}"
        row.append(f"{code} {seconds:8.3f} s ({seconds / reference:5.2f}) {same}")
    print("  ".join(row), flush=True)


def main(options: Options) -> None:
    """Print one line for each size and reach."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    for reach in options.reaches:
        edges = tuple(np.geomspace(0.5, reach, 16).tolist())
        for size in options.sizes:
            compare(f"DD(r) to {reach:g}, {size:,}", clustered(size), as_bins(edges), options)
        if options.batch:
            batch = np.stack([clustered(5_000, seed) for seed in range(options.batch)])
            compare(f"DD(r) to {reach:g}, {options.batch} x 5,000", batch, as_bins(edges), options)
        size = min(options.sizes[-1], 50_000)
        bins = AngleBins(edges, 100)
        compare(f"DD(s, mu) to {reach:g}, {size:,}", clustered(size), bins, options)


if __name__ == "__main__":
    main(tyro.cli(Options))
