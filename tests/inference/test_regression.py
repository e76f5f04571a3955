"""Regression from summaries and clouds, its scores, and summaries themselves."""

import numpy as np
import pytest
from known_suites import BOUNDS, catalogues, suite

from galgen.data.catalogue import Catalogue
from galgen.data.toys import ThomasProcess
from galgen.errors import InputError
from galgen.experiment import Experiment
from galgen.inference.neural.regression import (
    Regression,
    compare_regressions,
    predict,
    regression_table,
    score,
)
from galgen.inference.neural.summaries import SummaryDataset
from galgen.measurements.counts import Joint, LogNumber
from galgen.measurements.fourier import LogPower
from galgen.measurements.pairs import LogCorrelation
from galgen.networks import VectorNetwork
from galgen.run import Run
from galgen.serialization import from_json, to_json
from galgen.training import Trainer

EDGES = (2.0, 10.0, 20.0, 40.0)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    """Regression of Omega_m from ln N, which is Poisson's, and of sigma_8, which is not told."""
    folder = tmp_path_factory.mktemp("regression")
    path = suite(folder / "suite.h5", number=300)
    experiment = Experiment(
        data=SummaryDataset(path, LogNumber(), bounds=BOUNDS),
        network=VectorNetwork(16, 1),
        model=Regression(),
        trainer=Trainer(steps=150, batch_size=64, learning_rate=1e-2, warmup=5),
    )
    experiment.train(folder / "run")
    return Run.load(folder / "run")


def test_counts_tell_what_poisson_allows(run: Run) -> None:
    """Var(N / 300) = Omega_m / 300 against Var Omega_m = 0.4^2 / 12: R^2 near 0.925."""
    scores = compare_regressions({"counts": run}, catalogues(400, 9))["counts"]
    best = 1 - (0.3 / 300) / (0.4**2 / 12)
    assert abs(scores.r_squared[0] - best) < 0.03
    assert -0.1 < scores.r_squared[1] < 0.05
    assert np.isclose(scores.mean_squared_error[0], (1 - best) * 0.4**2 / 12, rtol=0.3)
    assert scores.catalogues == 400
    assert "omega_m R²  0.9" in regression_table({"counts": scores})


def test_scores_in_closed_form() -> None:
    truth = np.array([[0.0, 1.0], [1.0, 3.0], [2.0, 5.0]])
    perfect, mean = score("ab", truth, truth), score("ab", truth, truth.mean(axis=0) + 0 * truth)
    assert np.allclose(perfect.r_squared, 1) and np.allclose(mean.r_squared, 0)
    assert np.allclose(mean.mean_squared_error, [2 / 3, 8 / 3])
    shifted = score("ab", truth, truth + np.array([0.5, 0.0]))
    assert np.allclose(shifted.r_squared, [1 - 0.25 / (2 / 3), 1]) and shifted.error[0] == 0
    with pytest.raises(InputError, match="as many estimates as truths"):
        score("ab", truth, truth[:2])
    with pytest.raises(InputError, match="parameters that vary"):
        score("ab", np.ones((3, 2)), truth)


def test_posterior_runs_are_no_regressions(run: Run) -> None:
    with pytest.raises(InputError, match="expected the trained box"):
        predict(run, [Catalogue({c: np.ones(3) for c in "xyz"}, (50.0,) * 3, redshift=0.5)])


@pytest.mark.slow
def test_summaries_of_unclustered_and_clustered_points() -> None:
    """ln(1 + xi) of a Thomas process is its own, and P(k) of random points is shot noise."""
    thomas = ThomasProcess(60.0, 40.0, 0.03)
    rng = np.random.default_rng(0)
    made = [
        Catalogue(dict(zip("xyz", 100 * x.T, strict=True)), (100.0,) * 3)
        for x in thomas.sample(rng, 12)
    ]
    found = np.exp(np.mean([LogCorrelation((2.0, 4.0))(c) for c in made], axis=0))
    r = np.linspace(0.02, 0.04, 50)
    xi = np.average(thomas.correlation(r), weights=r**2)
    assert np.isclose(found[0], 1 + xi, rtol=0.12)
    loose = catalogues(20, 3)
    count = np.array([len(c) for c in loose])
    power = np.mean([LogPower((0.1, 0.2, 0.3), 16)(c) for c in loose], axis=0)
    power = power - np.mean(np.log(1e6 / count))
    assert np.all(np.abs(power) < 0.15)
    joint = Joint((LogNumber(), LogCorrelation(EDGES)))
    assert joint(loose[0]).shape == (4,) and np.isclose(joint(loose[0])[0], np.log(count[0]))
    lonely = Catalogue({c: np.ones(1) for c in "xyz"}, (100.0,) * 3)
    assert np.all(np.isfinite(joint(lonely)))
    open_box = Catalogue({c: np.ones(3) for c in "xyz"}, (100.0,) * 3, periodic=False)
    with pytest.raises(InputError, match="expected a periodic box"):
        LogPower((0.1, 0.2))(open_box)


def test_dataset_of_summaries(tmp_path, run: Run) -> None:
    path = suite(tmp_path / "suite.h5", 8, 5)
    data = SummaryDataset(path, Joint((LogNumber(), LogCorrelation(EDGES))))
    prepared = data.prepare(8, 0)
    batch = prepared.source.batch(0)
    assert batch.x.shape == (8, 4) and np.allclose(batch.x.std(axis=0), 1, atol=1e-4)
    assert np.allclose(batch.condition.std(axis=0), 1, atol=1e-4)
    held_out = data.held_out_source(prepared.encoding, 5, "validation").batch(0)
    assert held_out.x.shape == (5, 4) and np.all(np.isfinite(held_out.x))
    assert from_json(to_json((data, prepared.encoding))) == (data, prepared.encoding)
    (draw,) = prepared.encoding.plan([{"omega_m": 0.3, "sigma_8": 0.8}], 2, 0, extrapolate=True)
    assert draw.shape == (2, 4) and draw.rows == (0, -1)
    assert len(prepared.encoding.decode(draw, batch.x[:2], {})) == 1
    prepared.encoding.save(tmp_path / "x.npz", [batch.x[0]], ["sample"])
    assert np.load(tmp_path / "x.npz")["x"].shape == (1, 4)
