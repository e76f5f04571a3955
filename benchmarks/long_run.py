"""A long run in flat memory: what is resident, what is alive and what was compiled, as it goes.

Trains a small graph network on a suite of Thomas clouds of two sizes, with checkpoints,
measurements of held-out catalogues, and draws, and prints at every thousandth step the resident
memory of the process, the bytes of all arrays that are alive on the device, and the compilations so
far.

    python benchmarks/long_run.py
    python benchmarks/long_run.py --steps 2000
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping
from pathlib import Path

import jax
import numpy as np
import tyro

from galgen.data.catalogue import Catalogue
from galgen.data.dataset import CatalogueDataset
from galgen.data.suite import write_suite
from galgen.data.toys import ThomasProcess
from galgen.evaluation import Evaluation
from galgen.experiment import Experiment
from galgen.generative import Bridge, Sampler, TorusGeodesic
from galgen.networks import GraphNetwork
from galgen.training import Trainer

SIDE = 100.0
MEBIBYTE = 2.0**20


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of the benchmark."""

    steps: int = 10_000
    """Of training."""
    every: int = 1000
    """Steps between lines."""


class Memory:
    """A tracker that prints what the process holds."""

    def __init__(self, every: int) -> None:
        self._every, self._compiled = every, 0
        jax.monitoring.register_event_duration_secs_listener(self._listen)

    def _listen(self, event: str, seconds: float, **_: object) -> None:
        self._compiled += event == "/jax/core/compile/backend_compile_duration"

    def write(self, step: int, values: Mapping[str, float]) -> None:
        if step % self._every:
            return
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        resident = pages * 4096 / MEBIBYTE
        alive = sum(a.nbytes for a in jax.live_arrays()) / MEBIBYTE
        print(f"{step:6d} {resident:13.0f} {alive:10.2f} {self._compiled:13d}", flush=True)

    def close(self) -> None: ...


def suite(path: Path) -> None:
    """Clouds of about a hundred and about two hundred points."""
    rng = np.random.default_rng(0)
    made = []
    for kappa in (17, 34) * 64:
        (x,) = ThomasProcess(kappa, 6.0, 0.03).sample(rng, 1)
        columns = dict(zip("xyz", np.minimum(SIDE * x.T, SIDE * (1 - 1e-6)), strict=True))
        made.append(Catalogue(columns, (SIDE,) * 3))
    write_suite(path, made, ["train"] * 96 + ["validation"] * 32)


def main(options: Options) -> None:
    """Print a line now and then."""
    print(f"{'step':>6s} {'resident, MiB':>13s} {'alive, MiB':>10s} {'compilations':>13s}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "suite.h5"
        suite(path)
        experiment = Experiment(
            data=CatalogueDataset(path, columns=("x", "y", "z"), condition=(), buckets=2),
            network=GraphNetwork(16, 1, 4),
            model=Bridge(TorusGeodesic()),
            sampler=Sampler(steps=2),
            trainer=Trainer(options.steps, batch_size=4, log_every=50),
            evaluation=Evaluation(every=500, batches=2, draws=8),
        )
        experiment.train(Path(folder) / "run", trackers=[Memory(options.every)])


if __name__ == "__main__":
    main(tyro.cli(Options))
