"""How far loading is ahead of training: batches made from a file against steps made of them.

A suite of clouds is written, and batches of it are made by one thread, from memory and from the
file, as in training; then a ParticleMesh is trained on them. Printed are seconds per batch
(medians) and the ratio of a step to a batch.

    python benchmarks/loading.py
    python benchmarks/loading.py --points 500 --catalogues 2000
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from galgen.configuration import load_config
from galgen.data.catalogue import Catalogue
from galgen.data.dataset import CatalogueDataset
from galgen.data.suite import SuiteWriter
from galgen.training.state import initial_state, make_step


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of the benchmark."""

    catalogues: int = 200
    points: int = 5000
    """The most of a catalogue; numbers are spread evenly from half of it."""
    batch: int = 16
    batches: int = 30
    steps: int = 3


def write(path: Path, options: Options) -> None:
    """A suite of points at random."""
    rng = np.random.default_rng(0)
    with SuiteWriter(path) as writer:
        for i in range(options.catalogues):
            number = int(rng.integers(options.points // 2, options.points + 1))
            columns = dict(zip("xyz", rng.random((3, number), np.float32) * 999, strict=True))
            columns["mass"] = (10 ** rng.normal(13.5, 0.3, number)).astype(np.float32)
            cosmology = {"omega_m": 0.2 + 0.2 * i / options.catalogues, "sigma_8": rng.random()}
            writer.add(Catalogue(columns, (1000.0, 1000.0, 1000.0), 0.0, cosmology))


def median_seconds(call, number: int) -> float:
    """Of a call with 0, 1, ..."""
    seconds = []
    for i in range(number):
        start = time.perf_counter()
        call(i)
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))


def main(options: Options) -> None:
    """Print one row for memory, one for the file, and one for training."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "suite.h5"
        write(path, options)
        made = {}
        for name, memory in (("from memory", 100.0), ("from the file", 0.0)):
            dataset = CatalogueDataset(path, memory=memory)
            start = time.perf_counter()
            prepared = dataset.prepare(options.batch, 0)
            prepared.source.batch(0)
            first = time.perf_counter() - start
            made[name] = median_seconds(prepared.source.batch, options.batches)
            rows = f"{made[name] * 1e3:8.1f} ms a batch, {first:6.2f} s until the first"
            print(f"{name:14s} {rows}, padding {prepared.source.padding_fraction:.3f}", flush=True)
        experiment = dataclasses.replace(
            load_config(Path(__file__).parents[1] / "configs/demo.py"), data=dataset
        )
        loss, batch = experiment.loss(prepared), prepared.source.batch(0)
        batch = jax.tree.map(jnp.asarray, batch)
        optimizer = experiment.trainer.optimizer()
        state = initial_state(experiment.initial_params(batch), optimizer)
        step = jax.jit(make_step(loss, optimizer, 0.99))
        jax.block_until_ready(step(state, jax.random.key(0), batch))  # compiles

        def train(_):
            jax.block_until_ready(step(state, jax.random.key(0), batch))

        seconds = median_seconds(train, options.steps)
        ratios = ", ".join(f"{seconds / s:.0f} times {name}" for name, s in made.items())
        print(f"{'a step':14s} {seconds * 1e3:8.1f} ms: {ratios}", flush=True)


if __name__ == "__main__":
    main(tyro.cli(Options))
