"""Omega_m and sigma_8 from the demo's haloes: whole clouds against statistics alone.

Every row is trained on the same catalogues and scored on the same held-out ones: R² and the mean
squared error with its standard error over catalogues (galgen/inference/neural/regression.py).
``xi(r)`` and ``P(k)`` have ln N beside them, as the clouds do.

    galgen simulate --output runs/demo_suite.h5
    python benchmarks/regression.py
    python benchmarks/regression.py --rows counts xi --suite other.h5
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from pathlib import Path

import flax.linen as nn
import numpy as np
import tyro

from galgen.data.dataset import CatalogueDataset, Dataset
from galgen.data.suite import Suite
from galgen.experiment import Experiment
from galgen.inference.neural.regression import Regression, compare_regressions, regression_table
from galgen.inference.neural.summaries import SummaryDataset
from galgen.measurements.counts import Joint, LogNumber
from galgen.measurements.fourier import LogPower
from galgen.measurements.pairs import LogCorrelation
from galgen.networks import (
    DeepSet,
    EquivariantNetwork,
    GraphNetwork,
    ParticleMesh,
    PooledNetwork,
    SetTransformer,
    VectorNetwork,
)
from galgen.run import Run
from galgen.training import Trainer

EDGES = tuple(np.geomspace(3.0, 40.0, 11).tolist())
K_EDGES = tuple(np.linspace(0.05, 0.45, 9).tolist())
SUMMARIES = {
    "counts": LogNumber(),
    "xi": Joint((LogNumber(), LogCorrelation(EDGES))),
    "power": Joint((LogNumber(), LogPower(K_EDGES))),
}
CLOUDS: dict[str, nn.Module] = {
    "deep set": DeepSet(64, 2, relative=True),
    "graph network": GraphNetwork(width=32, layers=2, k=8),
    "particle mesh": ParticleMesh(width=32, layers=2),
    "set transformer": SetTransformer(48, 2, 2, relative=True),
    "equivariant": EquivariantNetwork(16, 8, 1, 2, 8, 8),
}


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of the benchmark."""

    suite: Path = Path("runs/demo_suite.h5")
    """With the splits train and test."""
    rows: tuple[str, ...] = (*SUMMARIES, *CLOUDS)
    """What is seen of the catalogues."""
    columns: tuple[str, ...] = ("x", "y", "z", "log_mass")
    """Of the clouds."""
    steps: int = 1000
    """Of training."""
    seed: int = 0
    """Of the weights and the order of the catalogues."""


def trained(name: str, options: Options, folder: Path) -> Run:
    """One row's regression."""
    data: Dataset
    network: nn.Module
    if name in SUMMARIES:
        data, network = SummaryDataset(options.suite, SUMMARIES[name]), VectorNetwork(32, 1)
    else:
        data = CatalogueDataset(options.suite, columns=options.columns, buckets=2)
        network = PooledNetwork(CLOUDS[name])
    trainer = Trainer(
        steps=options.steps,
        batch_size=16,
        learning_rate=1e-3,
        seed=options.seed,
        checkpoint_every=options.steps,
    )
    experiment = Experiment(data, network, Regression(), None, trainer)
    return experiment.train(folder)


def main(options: Options) -> None:
    """Print one row for each."""
    with Suite(options.suite) as suite:
        held_out = list(suite.catalogues("test"))
    print(f"{len(held_out)} held-out catalogues")
    for name in options.rows:
        clock = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            run = trained(name, options, Path(folder) / "run")
        scores = compare_regressions({name: run}, held_out)
        seconds = time.process_time() - clock
        print(f"{regression_table(scores)}  ({seconds:.0f} CPU-s)", flush=True)


if __name__ == "__main__":
    main(tyro.cli(Options))
