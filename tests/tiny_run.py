"""A suite of a few small clouds, and a run on it at its first step: nothing need be compiled."""

from pathlib import Path

import numpy as np

from galgen.data.catalogue import Catalogue
from galgen.data.dataset import CatalogueDataset
from galgen.data.suite import write_suite
from galgen.experiment import Experiment
from galgen.generative import (
    Bridge,
    NoisePrediction,
    ProductPath,
    Sampler,
    TorusDiffusion,
    VariancePreserving,
)
from galgen.networks import DeepSet
from galgen.run_folder import RunFolder
from galgen.training import Checkpoints, Trainer

SIDE = 64.0


def clustered(number: int, seed: int = 0) -> list[Catalogue]:
    """Clouds around a few centres, their number a function of omega_m, with velocities."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(number):
        cosmology = {"omega_m": rng.uniform(0.2, 0.4), "sigma_8": rng.uniform(0.7, 0.9)}
        points = 40 + int(rng.poisson(60 * cosmology["omega_m"]))
        centres = rng.random((12, 3))[rng.integers(0, 12, points)]
        positions = (centres + 0.05 * rng.normal(size=(points, 3))) % 1.0 * (SIDE - 1e-6)
        columns = dict(zip("xyz", positions.T, strict=True))
        columns |= dict(zip(("vx", "vy", "vz"), rng.normal(0, 300, (3, points)), strict=True))
        columns["mass"] = 10 ** rng.normal(13.5, 0.2, points)
        found.append(Catalogue(columns, (SIDE,) * 3, 0.0, cosmology))
    return found


def tiny_run(folder: Path, suite: Path) -> None:
    """Write ``suite``, and a run with the columns and the family of ``configs/demo.py``."""
    suite.parent.mkdir(parents=True, exist_ok=True)
    write_suite(suite, clustered(12), ["train"] * 8 + ["test"] * 4)
    experiment = Experiment(
        data=CatalogueDataset(suite, columns=("x", "y", "z", "log_mass"), buckets=1),
        network=DeepSet(16, 2),
        model=Bridge(
            ProductPath((TorusDiffusion(), VariancePreserving()), columns=(3, 1)),
            prediction=NoisePrediction(),
        ),
        sampler=Sampler(steps=2),
        trainer=Trainer(batch_size=4),
    )
    prepared = experiment.data.prepare(4, seed=0)
    params = experiment.initial_params(prepared.source.batch(0))
    with Checkpoints(folder / "checkpoints", writes=True) as checkpoints:
        checkpoints.save(experiment.trainer.initial_state(params))
    RunFolder(folder).describe(experiment, prepared, {})
