"""Every configuration trains a step or two, on small data of its own kind."""

import dataclasses
from pathlib import Path

import jax
import numpy as np
import pytest

from galgen.configuration import load_config
from galgen.data.catalogue import Catalogue
from galgen.data.dataset import CatalogueDataset, DigitDataset, ToyDataset
from galgen.data.suite import Suite, write_suite
from galgen.experiment import Experiment
from galgen.inference.neural.amortized import sample_posterior
from galgen.inference.neural.neural_posterior import NeuralPosterior
from galgen.inference.neural.posterior_head import FlowHead, posterior_flow
from galgen.lagrangian import LagrangianDataset
from galgen.run import Run
from galgen.simulation import HaloSimulator, SuiteRecipe, simulate

CONFIGS = Path(__file__).parents[1] / "configs"
SHARED = Path(__file__).parents[2] / "shared"


FAST = ("demo",)
"""Clouds and arrays; the others are trained by make test-all."""
EVERY = [
    pytest.param(path, id=path.stem, marks=[pytest.mark.slow] * (path.stem not in FAST))
    for path in sorted(CONFIGS.glob("*.py"))
]


def small(experiment: Experiment, **data) -> Experiment:
    """Two steps of a small batch, a thin network, two sampling steps; the rest as it is."""
    network, sampler = experiment.network, experiment.sampler
    model = experiment.model
    if isinstance(model, NeuralPosterior):
        inside = network.network.clone(width=24, layers=1)
        network = network.clone(network=inside, features=8, layers=0)
        model = dataclasses.replace(model, head=FlowHead(posterior_flow(1, 8, 4)))
    if hasattr(network, "width") or hasattr(network, "widths"):
        narrow = {"widths": (4, 8, 8)} if hasattr(network, "widths") else {"width": 24}
        if hasattr(network, "layers"):
            narrow["layers"] = 1
        network = network.clone(**narrow)
    if hasattr(sampler, "steps"):
        sampler = dataclasses.replace(sampler, steps=2)
    return dataclasses.replace(
        experiment,
        data=dataclasses.replace(experiment.data, **data),
        network=network,
        model=model,
        sampler=sampler,
        trainer=dataclasses.replace(experiment.trainer, steps=2, batch_size=4, warmup=1),
    )


def suite(path: Path, periodic: bool) -> Path:
    rng = np.random.default_rng(0)
    catalogues = []
    for i in range(6):
        points = 40 + i
        columns = dict(zip("xyz", rng.random((3, points)) * 99, strict=True))
        columns["mass"] = 10 ** rng.normal(13.5, 0.2, points)
        cosmology = {"omega_m": 0.2 + 0.02 * i, "sigma_8": 0.9 - 0.02 * i}
        catalogues.append(Catalogue(columns, (100.0, 100.0, 100.0), 0.0, cosmology, periodic))
    write_suite(path, catalogues, "train")
    return path


def field_suite(path: Path) -> Path:
    """Haloes in small boxes, with their fields."""
    simulator = HaloSimulator(box=128.0, mesh=64, mass_min=8e13)
    simulate(path, SuiteRecipe(simulator, train=2, test=1, contrast=0, field_mesh=64), workers=1)
    return path


def check_posterior(run: Run) -> None:
    """Draws of the posterior of a catalogue, the same again, inside the prior."""
    catalogues = Suite(run.experiment.data.path).catalogues("train")[:2]
    one, two = (sample_posterior(run, catalogues, 50, seed=5) for _ in range(2))
    low, high = np.transpose(list(run.encoding.condition_ranges.values()))
    for a, b in zip(one, two, strict=True):
        assert np.array_equal(a.flat, b.flat) and a.flat.shape == (50, len(low))
        assert np.all((a.flat >= low) & (a.flat <= high))


@pytest.mark.parametrize("config", EVERY)
def test_trains_and_samples(config: Path, tmp_path: Path) -> None:
    experiment = load_config(config)
    if isinstance(experiment.data, CatalogueDataset):
        path = suite(tmp_path / "suite.h5", periodic=config.stem != "sub_boxes")
        experiment = small(experiment, path=path)
    elif isinstance(experiment.data, LagrangianDataset):
        experiment = small(experiment, path=field_suite(tmp_path / "suite.h5"), piece=28)
        model = dataclasses.replace(experiment.model, places=200, own_draws=1)
        experiment = dataclasses.replace(experiment, model=model)
    elif isinstance(experiment.data, DigitDataset):
        if not (SHARED / "data/mnist").is_dir():
            pytest.skip("needs ../shared/data/mnist, absent here")
        experiment = small(experiment, path=SHARED / "data/mnist", number=32)
    else:
        assert isinstance(experiment.data, ToyDataset)
        experiment = small(experiment, number=64)
    trained = experiment.train(tmp_path / "run")
    run = Run.load(tmp_path / "run")
    for a, b in zip(jax.tree.leaves(trained.params), jax.tree.leaves(run.params), strict=True):
        assert np.array_equal(a, b)
    if isinstance(experiment.model, NeuralPosterior):
        check_posterior(run)
        return
    conditions = run.encoding.random_conditions(3, {}, 0)
    fields = None
    if isinstance(experiment.data, LagrangianDataset):
        fields = run.encoding.seeded_fields(conditions, 5, 128.0)
    drawn = run.sample(conditions, seed=5, batch=2, fields=fields)
    again = run.sample(conditions, seed=5, batch=2, fields=fields)
    assert len(drawn) == 3
    for a, b in zip(drawn, again, strict=True):
        if isinstance(a, Catalogue):
            assert a == b and a.periodic == (config.stem != "sub_boxes")
        else:
            assert a.shape == run.encoding.shape and np.array_equal(a, b)
            assert np.all(np.isfinite(a))
    run.encoding.save(tmp_path / f"out{run.encoding.suffix}", drawn, ["sample"] * 3)
    assert (tmp_path / f"out{run.encoding.suffix}").exists()
