"""Posteriors of catalogues from a trained run, and what is refused or warned of."""

import dataclasses
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from known_suites import BOUNDS, catalogue, catalogues, suite

from galgen.data.catalogue import Catalogue
from galgen.data.dataset import CatalogueDataset
from galgen.errors import InputError
from galgen.evaluation import Evaluation
from galgen.experiment import Experiment
from galgen.generative import Affine, Chain, MaskedAutoregressive, NormalizingFlow, Sampler
from galgen.inference.neural.amortized import sample_posterior
from galgen.inference.neural.neural_posterior import NeuralPosterior
from galgen.inference.neural.posterior_head import FlowHead
from galgen.inference.neural.regression import Regression
from galgen.inference.neural.tasks import TaskDataset, TwoMoonsTask
from galgen.networks import DeepSet, PooledNetwork
from galgen.randomness import Role, random_key
from galgen.run import Run
from galgen.serialization import read_json
from galgen.training import Trainer
from galgen.types import Batch

AFFINE = FlowHead(NormalizingFlow(Chain((MaskedAutoregressive(Affine(), 8, 1),))))


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    """A posterior of Omega_m and sigma_8 from the cloud, hardly trained, read back."""
    folder = tmp_path_factory.mktemp("posterior")
    path = suite(folder / "suite.h5")
    experiment = Experiment(
        data=CatalogueDataset(path, columns=("x", "y", "z"), buckets=1, bounds=BOUNDS),
        network=PooledNetwork(DeepSet(8, 1, relative=True), 4, 8, 0),
        model=NeuralPosterior(AFFINE),
        trainer=Trainer(steps=2, batch_size=8, warmup=1),
    )
    experiment.train(folder / "run")
    return Run.load(folder / "run")


def test_draws_are_physical_and_inside_the_prior(run: Run) -> None:
    held_out = catalogues(11, 1)
    found = sample_posterior(run, held_out, 200, seed=3)
    assert len(found) == 11
    for samples in found:
        assert samples.names == ("omega_m", "sigma_8") and samples.flat.shape == (200, 2)
        low, high = np.array(BOUNDS).T
        assert np.all((samples.flat >= low) & (samples.flat <= high))
        # Hardly trained, it is near the prior.
        assert np.allclose(samples.flat.mean(axis=0), [0.3, 0.8], atol=0.06)


def test_draws_depend_on_the_seed_and_place_only(run: Run) -> None:
    held_out = catalogues(10, 1)
    found = sample_posterior(run, held_out, 200, seed=3)
    alone = sample_posterior(run, held_out[:1], 200, seed=3)
    other = sample_posterior(run, held_out[:1], 200, seed=4)
    assert np.allclose(found[0].flat, alone[0].flat, atol=1e-5)
    assert np.max(np.abs(found[0].flat - other[0].flat)) > 1e-2
    # The last of a batch of eight, and the first of the next, are drawn apart.
    assert np.max(np.abs(found[7].flat - found[8].flat)) > 1e-2


def test_it_is_the_bound_posterior_of_the_encoded_cloud(run: Run) -> None:
    held_out = catalogues(1, 5)[0]
    posterior = run.experiment.model.with_params(run.experiment.network, run.params)
    encoded = run.encoding.standardizer.encode(held_out)
    size = run.encoding.padded_size(len(encoded))
    x = np.zeros((1, size, 3), np.float32)
    x[0, : len(encoded)] = encoded
    batch = Batch(jnp.asarray(x), jnp.arange(size)[None] < len(encoded))
    key = jax.random.fold_in(random_key(Role.POSTERIOR, 0), 0)
    standard = jax.jit(lambda batch: posterior.sample(key, batch, 200))(batch)
    physical = np.asarray(standard[0]) * [0.2, 0.2] + [0.3, 0.8]
    found = sample_posterior(run, [held_out], 200, seed=0)
    assert np.allclose(found[0].flat, physical, atol=1e-5)


def test_what_is_unlike_the_training_is_refused_or_warned_of(run: Run) -> None:
    rng = np.random.default_rng(0)
    usual = catalogue(rng, 0.3, 0.8)
    with pytest.raises(InputError, match="expected the trained box"):
        sample_posterior(run, [usual, catalogue(rng, 0.3, 0.8, box=(200.0,) * 3)])
    with pytest.raises(InputError, match="expected a periodic box"):
        sample_posterior(run, [catalogue(rng, 0.3, 0.8, periodic=False)])
    with pytest.raises(InputError, match="expected a column 'z'"):
        columns = {"x": usual.columns["x"], "y": usual.columns["y"]}
        sample_posterior(run, [Catalogue(columns, usual.box)])
    unusual = catalogue(rng, 3.0, 0.8, redshift=1.0)
    first, second = sample_posterior(run, [usual, unusual], 200)
    assert not first.warnings
    assert {warning.name for warning in second.warnings} == {"points", "redshift"}


def test_runs_of_another_kind_are_refused(run: Run) -> None:
    held_out = catalogues(1, 1)
    regression = dataclasses.replace(run.experiment, model=Regression())
    with pytest.raises(InputError, match=r"expected a run of a posterior, got .*Regression"):
        sample_posterior(dataclasses.replace(run, experiment=regression), held_out)
    encoding = TaskDataset(TwoMoonsTask(), 20).prepare(4, 0).encoding
    with pytest.raises(InputError, match="expected a run that was trained on catalogues"):
        sample_posterior(dataclasses.replace(run, encoding=encoding), held_out)
    with pytest.raises(InputError, match=r"expected a run of a generative model .* galgen infer"):
        run.sample([{"omega_m": 0.3, "sigma_8": 0.8}])
    with pytest.raises(InputError, match=r"draws from NeuralPosterior, got Sampler.* no sampler"):
        dataclasses.replace(run.experiment, sampler=Sampler())


@pytest.mark.parametrize("name", ["NoDraws", "galgen.inference.inference_model.NoDraws"])
def test_a_run_whose_sampler_refused_to_draw_is_read_as_one_without(
    run: Run, name: str, tmp_path: Path
) -> None:
    written = json.loads((run.folder / "experiment.json").read_text())
    assert written["sampler"] is None and run.experiment.sampler is None
    before = tmp_path / "experiment.json"
    before.write_text(json.dumps(written | {"sampler": {"type": name}}))
    assert read_json(before) == run.experiment


def test_draws_of_a_model_that_infers_are_refused_before_training(run: Run, tmp_path: Path) -> None:
    evaluation = Evaluation(every=1, draws=16)
    experiment = dataclasses.replace(run.experiment, evaluation=evaluation)
    with pytest.raises(InputError, match=r"without draws of a NeuralPosterior.* leave out --eval"):
        experiment.train(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_bounds_standardise_the_condition(run: Run) -> None:
    data = run.experiment.data
    batch = data.prepare(8, 0).source.batch(0)
    assert np.all(np.abs(batch.condition) <= 1)
    assert run.encoding.condition_ranges == {"omega_m": (0.1, 0.5), "sigma_8": (0.6, 1.0)}
    assert np.allclose(run.encoding.standardizer.encode_condition([0.5, 0.8]), [1, 0], atol=1e-6)
    narrow = dataclasses.replace(data, bounds=((0.2, 0.4), (0.6, 1.0)))
    with pytest.raises(InputError, match=r"expected bounds of omega_m around .* of the prior"):
        narrow.prepare(8, 0)
    with pytest.raises(InputError, match="got 1 pairs; give one"):
        dataclasses.replace(data, bounds=((0.0, 1.0),)).prepare(8, 0)
