"""Held-out numbers of a run while it trains: the loss, the draws, the best checkpoint."""

import dataclasses
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from galgen.cli import main
from galgen.data.batching import BatchSource
from galgen.data.catalogue import Catalogue
from galgen.data.dataset import CatalogueDataset, ToyDataset
from galgen.data.suite import write_suite
from galgen.data.toys import EightGaussians, ThomasProcess
from galgen.errors import InputError
from galgen.evaluation import LOSS, Evaluation
from galgen.experiment import Experiment
from galgen.generative import Bridge, LinearPath, ProductPath, Sampler, TorusGeodesic
from galgen.losses import example_weight, mean_over_examples, pooled
from galgen.masking import masked_mean
from galgen.networks import MLP, DeepSet
from galgen.randomness import Role, random_key
from galgen.run import Run
from galgen.training import Trainer
from galgen.training.sharding import data_mesh
from galgen.training.state import initial_state

TOY = Experiment(
    data=ToyDataset(EightGaussians(), 64),
    network=MLP(width=8, layers=1),
    model=Bridge(LinearPath()),
    sampler=Sampler(steps=2),
    trainer=Trainer(steps=6, batch_size=8, warmup=1, log_every=2, checkpoint_every=3),
    evaluation=Evaluation(every=2, batches=3),
)


def lines(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_the_held_out_loss_is_that_of_the_average_on_the_same_batches(tmp_path: Path) -> None:
    run = TOY.train(tmp_path / "run")
    held_out = TOY.data.held_out_source(run.encoding, 8, "validation")
    prepared = TOY.data.prepare(8, 0)
    seen = {tuple(row) for i in range(8) for row in prepared.source.batch(i).x}
    losses, loss = [], jax.jit(TOY.loss(prepared))
    for number, made in enumerate(held_out.once(3)):
        batch = jax.tree.map(jnp.asarray, made)
        assert not seen & {tuple(row) for row in np.asarray(batch.x)}, "held out"
        key = jax.random.fold_in(random_key(Role.HELD_OUT_LOSS, 0), number)
        losses.append(loss(run.params, key, batch))
    logged = lines(tmp_path / "run")
    assert [line["step"] for line in logged if LOSS in line] == [2, 4, 6]
    np.testing.assert_allclose(logged[-1][LOSS], pooled(losses), rtol=1e-5)


def per_catalogue(params, key, batch):
    return mean_over_examples(batch.condition[:, 0], example_weight(batch))


def per_point(params, key, batch):
    """A number, which is taken for a mean over points."""
    return jnp.mean(masked_mean(batch.x, batch.mask, (0, 1)))


@pytest.mark.parametrize("batch_size", [4, 16, 64])
def test_the_held_out_loss_counts_every_catalogue_once(batch_size: int) -> None:
    """Thirty small ones of loss 1 and a large one of loss 2, which nothing may repeat."""
    losses, counts = np.array([1.0] * 30 + [2.0]), [20] * 30 + [500]
    named = [np.full((n, 1), loss, np.float32) for loss, n in zip(losses, counts, strict=True)]
    source = BatchSource(named, losses[:, None], batch_size)
    state = initial_state({}, optax.sgd(1.0))
    wanted = {per_catalogue: losses.mean(), per_point: np.average(losses, weights=counts)}
    for loss, mean in wanted.items():
        evaluator = Evaluation(1).evaluator(TOY.data, source, loss, lambda *_: [], (), data_mesh())
        assert evaluator.numbers(state)[LOSS] == pytest.approx(mean, rel=1e-6)


def clouds(seed: int, number: int) -> list[Catalogue]:
    rng = np.random.default_rng(seed)
    return [
        Catalogue(
            dict(zip("xyz", 50.0 * cloud.astype(np.float64).T, strict=True)),
            (50.0,) * 3,
            0.0,
            {"omega_m": 0.2 + 0.01 * i},
        )
        for i, cloud in enumerate(ThomasProcess(10.0, 4.0, 0.04).sample(rng, number))
    ]


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("evaluation") / "suite.h5"
    write_suite(path, [*clouds(0, 8), *clouds(1, 6)], ["train"] * 8 + ["validation"] * 6)
    return path


@pytest.fixture(scope="module")
def haloes(suite: Path) -> Experiment:
    return dataclasses.replace(
        TOY,
        data=CatalogueDataset(suite, columns=("x", "y", "z"), condition=("omega_m",), buckets=1),
        network=DeepSet(width=8),
        model=Bridge(ProductPath((TorusGeodesic(),), (3,))),
        evaluation=Evaluation(every=3, batches=1, draws=4, best="held_out.xi.chi2"),
    )


@pytest.mark.slow
def test_draws_are_compared_and_the_best_can_be_drawn_from(haloes, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    newest = haloes.train(folder)
    measured = [line for line in lines(folder) if LOSS in line]
    assert [line["step"] for line in measured] == [3, 6]
    assert {"held_out.xi.closure", "held_out.P0.chi2", "held_out.N.ratio"} <= set(measured[0])
    assert not any("validation" in name for name in measured[0])
    best = min(measured, key=lambda line: line["held_out.xi.chi2"])["step"]
    (kept,) = (int(p.name) for p in (folder / "best").iterdir())
    assert kept == best
    found = Run.load(folder, best=True)
    same = all(map(np.array_equal, *map(jax.tree.leaves, (found.params, newest.params))))
    assert same == (best == 6)
    output = tmp_path / "mocks.h5"
    assert main(["sample", str(folder), "-n", "2", "--best", "-o", str(output)]) == 0


def test_what_cannot_be_measured_is_refused_before_a_run_is_made(haloes, tmp_path: Path) -> None:
    for evaluation, data, message in (
        (Evaluation(every=2, split="valid"), haloes.data, r"a split 'valid' in .*'validation'"),
        (
            Evaluation(every=2, draws=4),
            TOY.data,
            "catalogues to compare draws with, got ToyDataset",
        ),
    ):
        experiment = TOY if data is TOY.data else haloes
        with pytest.raises(InputError, match=message):
            dataclasses.replace(experiment, evaluation=evaluation).train(tmp_path / "run")
    assert not (tmp_path / "run").exists()
    for wrong, message in (
        ({"draws": 2}, "0 draws or 4 and more"),
        ({"every": -1}, "every of Evaluation"),
    ):
        with pytest.raises(InputError, match=message):
            Evaluation(**wrong)


@pytest.mark.slow
def test_a_run_without_a_best_checkpoint_says_so(tmp_path: Path) -> None:
    dataclasses.replace(TOY, evaluation=Evaluation()).train(tmp_path / "run")
    with pytest.raises(InputError, match=r"expected the best checkpoint in .*best, got none"):
        Run.load(tmp_path / "run", best=True)
