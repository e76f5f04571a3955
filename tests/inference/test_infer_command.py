"""galgen infer on a small trained run: what it writes, how it goes on, what it refuses."""

import dataclasses
import json
from pathlib import Path

import h5py
import matplotlib
import numpy as np
import pytest
from astropy.table import Table

from galgen.cli import main, parse
from galgen.configuration import load_config
from galgen.data.catalogue import Catalogue
from galgen.data.catalogue_io import write_catalogue
from galgen.data.suite import write_suite
from galgen.errors import InputError
from galgen.inference.likelihood.profile import grid_posterior
from galgen.inference.priors.prior import Gaussian, ProductPrior, Uniform
from galgen.inference.results.corner_plot import corner_plot
from galgen.inference.results.posterior_file import (
    CataloguePosterior,
    left_over,
    read_posteriors,
    write_posteriors,
)
from galgen.inference.results.posterior_report import calibration_of, summary_table
from galgen.inference.results.result_warning import ResultWarning
from galgen.inference.sampling.result import PosteriorSamples
from galgen.plot_style import STYLE
from galgen.randomness import Role, child_seed
from galgen.serialization import write_json
from galgen.training import Checkpoints

pytestmark = pytest.mark.usefixtures("quick_compilation")

CONFIG = """
from pathlib import Path
from galgen.data.dataset import CatalogueDataset
from galgen.experiment import Experiment
from galgen.generative import Bridge, NoisePrediction, Sampler, TorusDiffusion
from galgen.networks import DeepSet
from galgen.training import Trainer

experiment = Experiment(
    data=CatalogueDataset(Path({suite!r}), columns=("x", "y", "z"), buckets=1),
    network=DeepSet(width=8),
    model=Bridge(TorusDiffusion(), prediction=NoisePrediction()),
    sampler=Sampler(steps=2),
    trainer=Trainer(steps=4, batch_size=4, warmup=1, log_every=2, checkpoint_every=4),
)
"""
AMORTIZED = """
from pathlib import Path
from galgen.data.dataset import CatalogueDataset
from galgen.experiment import Experiment
from galgen.generative import Affine, Chain, MaskedAutoregressive, NormalizingFlow
from galgen.inference.neural.neural_posterior import NeuralPosterior
from galgen.inference.neural.posterior_head import FlowHead
from galgen.networks import DeepSet, PooledNetwork
from galgen.training import Trainer

experiment = Experiment(
    data=CatalogueDataset(
        Path({suite!r}), columns=("x", "y", "z"), buckets=1, bounds=((0.2, 0.4), (0.7, 0.9))
    ),
    network=PooledNetwork(DeepSet(8, 1), 4, 8, 0),
    model=NeuralPosterior(
        FlowHead(NormalizingFlow(Chain((MaskedAutoregressive(Affine(), 8, 1),))))
    ),
    trainer=Trainer(steps=2, batch_size=4, warmup=1, checkpoint_every=2),
)
"""
QUICK = ("--grid", "3", "--replicas", "2", "--evaluations", "2", "--draws", "100")
QUICK += ("--gaussian", "sigma_8", "0.8", "0.02")


def catalogues(number: int, seed: int) -> list[Catalogue]:
    """Uniform points whose number follows omega_m; all information is in p(N)."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(number):
        omega_m, sigma_8 = rng.uniform(0.2, 0.4), rng.uniform(0.7, 0.9)
        points = int(rng.poisson(200 * omega_m)) + 1
        columns = dict(zip("xyz", 50 * rng.random((3, points)), strict=True))
        cosmology = {"omega_m": float(omega_m), "sigma_8": float(sigma_8)}
        found.append(Catalogue(columns, (50.0,) * 3, 0.0, cosmology))
    return found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a suite, an odd catalogue, and a run that has learned nothing but p(N)."""
    folder = tmp_path_factory.mktemp("home")
    members = [*catalogues(40, 0), *catalogues(10, 1)]
    suite, run = folder / "suite.h5", folder / "run"
    write_suite(suite, members, ["train"] * 40 + ["test"] * 10)
    (folder / "config.py").write_text(CONFIG.format(suite=str(suite)))
    experiment = load_config(folder / "config.py")
    prepared = experiment.data.prepare(4, 0)
    run.mkdir()
    write_json(run / "experiment.json", experiment)
    write_json(run / "encoding.json", prepared.encoding)
    params = experiment.initial_params(prepared.source.batch(0))
    with Checkpoints(run / "checkpoints", writes=True) as checkpoints:
        checkpoints.save(experiment.trainer.initial_state(params))
    odd = (
        members[0]
        .select(np.arange(5))
        .replace(redshift=1.0, cosmology={"omega_m": 0.7, "sigma_8": 0.8})
    )
    write_catalogue(folder / "odd.fits", odd)
    return folder


@pytest.fixture(scope="module")
def inferred(home: Path) -> Path:
    arguments = ["infer", str(home / "run"), str(home / "suite.h5"), str(home / "odd.fits")]
    assert main([*arguments, *QUICK]) == 0
    return home / "run" / "posterior"


def test_writes_samples_summary_and_figures(home: Path, inferred: Path) -> None:
    names = {path.name for path in inferred.iterdir()}
    figures = {f"corner_{i:03d}.png" for i in range(4)} | {"ranks.png", "coverage.png", "tarp.png"}
    assert names == {"posterior.h5", "summary.ecsv"} | figures
    with h5py.File(inferred / "posterior.h5") as file:
        job = json.loads(file.attrs["job"])
        assert (job["run"], job["settings"]["grid"]) == ("run", 3) and len(job["weights"]) == 64
        assert json.loads(file["000000/samples"].attrs["names"]) == ["omega_m", "sigma_8"]
        assert json.loads(file["000003"].attrs["catalogue"])["place"] == "3"
    found = read_posteriors(inferred / "posterior.h5")
    for i, one in enumerate(catalogues(10, 1)):
        assert found[i].truth == one.cosmology
        assert found[i].samples.samples.shape == (4, 100, 2)
    table = Table.read(inferred / "summary.ecsv", format="ascii.ecsv")
    assert len(table) == 22
    assert {"truth", "mean", "std", "mean_noise", "r_hat"} <= set(table.colnames)
    assert table["mean"][0] == pytest.approx(found[0].samples.flat[:, 0].mean(), rel=1e-3)
    # Poisson numbers tell omega_m to 0.2 to 0.25 of the range; the prior tells sigma_8.
    rows = table[table["parameter"] == "omega_m"][:10]
    assert np.corrcoef(rows["mean"], rows["truth"])[0, 1] > 0.6
    assert np.all(rows["std"] < 0.06)
    rows = table[table["parameter"] == "sigma_8"][:10]
    assert np.all(np.abs(rows["mean"] - 0.8) < 0.01) and np.all(np.abs(rows["std"] - 0.02) < 0.005)


def test_what_is_unusual_is_in_the_result(inferred: Path) -> None:
    found = read_posteriors(inferred / "posterior.h5")
    text = {c.name: c.text for c in found[10].samples.warnings}
    assert {"redshift", "points", "range"} <= set(text)
    assert "omega_m=0.7 outside" in text["range"] and "too few" in text["points"]
    assert not {"redshift", "points"} & {c.name for c in found[0].samples.warnings}


def test_warnings_are_told_one_a_line_and_strict_makes_them_a_failure(
    home: Path, inferred: Path, capsys
) -> None:
    arguments = ["infer", str(home / "run"), str(home / "suite.h5"), str(home / "odd.fits")]
    capsys.readouterr()
    with pytest.raises(SystemExit) as exit:
        main([*arguments, *QUICK, "--strict"])
    assert exit.value.code == 1
    lines = capsys.readouterr().err.splitlines()
    told = [line for line in lines if line.startswith("galgen: catalogue 10: ")]
    kinds = [line.split(": ")[2] for line in told]
    assert kinds == [
        w.name for w in read_posteriors(inferred / "posterior.h5")[10].samples.warnings
    ]
    assert kinds[0] == "unlike"
    assert any("ln N is 1.609, in draws at the posterior" in line for line in told)


@pytest.mark.slow
def test_goes_on_where_it_was(home: Path, inferred: Path, tmp_path: Path, monkeypatch) -> None:
    """Half is inferred, then the rest: as if at once, and what is there is not done again."""
    arguments = ["infer", str(home / "run"), str(home / "suite.h5"), *QUICK]
    arguments += ["--output", str(tmp_path / "out")]
    assert main([*arguments, "--number", "1"]) == 0
    path = tmp_path / "out" / "posterior.h5"
    calls = []
    original = read_posteriors(path)
    monkeypatch.setattr(
        "galgen.inference.posteriors.grid_posterior",
        lambda *a, **k: (calls.append(a[5]), grid_posterior(*a, **k))[1],
    )
    assert main([*arguments, "--number", "2"]) == 0
    assert calls == [child_seed(Role.CATALOGUE, 0, 1)]
    for i, whole in read_posteriors(inferred / "posterior.h5").items():
        if i < 2:
            again = read_posteriors(path)[i]
            assert np.array_equal(again.samples.samples, whole.samples.samples)
    assert np.array_equal(original[0].samples.samples, read_posteriors(path)[0].samples.samples)


@pytest.mark.slow
def test_a_neural_posterior_draws_at_once(home: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "config.py").write_text(AMORTIZED.format(suite=str(home / "suite.h5")))
    assert main(["train", str(tmp_path / "config.py"), "--run", str(tmp_path / "run")]) == 0
    arguments = ["infer", str(tmp_path / "run"), str(home / "suite.h5"), "--draws", "50"]
    assert main([*arguments, "--number", "2"]) == 0
    found = read_posteriors(tmp_path / "run" / "posterior" / "posterior.h5")
    drawn = found[1].samples.flat
    assert list(found) == [0, 1] and drawn.shape == (200, 2)
    assert drawn[:, 0].min() > 0.2 and drawn[:, 0].max() < 0.4
    assert not np.array_equal(drawn, found[0].samples.flat)
    assert main([*arguments, "--bounds", "omega_m", "0.25", "0.3"]) == 2
    assert "no prior and no method for a run of a neural posterior" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("method", ["nuts", "hmc", "random-walk", "tempered", "variational"])
def test_every_method_finds_the_same(home: Path, inferred: Path, tmp_path: Path, method) -> None:
    arguments = ["infer", str(home / "run"), str(home / "suite.h5"), *QUICK, "--number", "1"]
    arguments += ["--method", method, "--output", str(tmp_path)]
    assert main(arguments) == 0
    found = read_posteriors(tmp_path / "posterior.h5")[0].samples.flat
    by_grid = read_posteriors(inferred / "posterior.h5")[0].samples.flat
    assert np.allclose(found.mean(axis=0), by_grid.mean(axis=0), atol=0.3 * by_grid.std(axis=0))


def test_wrong_turns_are_one_line(home: Path, tmp_path: Path, capsys) -> None:
    run, suite = str(home / "run"), str(home / "suite.h5")
    write_catalogue(tmp_path / "big.h5", catalogues(1, 0)[0].replace(box=(60.0,) * 3))
    cases = [
        ([str(tmp_path / "none.fits")], "no such file"),
        ([str(tmp_path / "big.h5")], "expected the trained box"),
        ([suite, "--splits", "nothing"], "expected one of the splits"),
        ([suite, "--number", "0"], "number of Infer"),
        ([suite, "--bounds", "h", "0.6", "0.8"], "priors of omega_m, sigma_8, got one of h"),
        ([suite, "--bounds", "omega_m", "0.4", "0.3"], "low below high in the prior of omega_m"),
        ([suite, "--replicas", "1"], "replicas of InferenceSettings"),
        ([suite, "--predictive", "5"], "a whole number of 0, or of 16 and more"),
        (
            [suite, "--evaluations", "3"],
            "a whole number of 2 or more that is even",
        ),
    ]
    for arguments, words in cases:
        capsys.readouterr()
        arguments = [*arguments, "--output", str(tmp_path / "out")]
        assert main(["infer", run, *arguments]) == 2, arguments
        error = capsys.readouterr().err
        assert error.count("galgen: error") == 1 and "Traceback" not in error
        assert words in error, error
    with pytest.raises(InputError, match="method"):
        parse(["infer", run, suite, "--method", "guess"])


NAMES = ("omega_m", "sigma_8")


def some(seed: int, **fields) -> PosteriorSamples:
    rng = np.random.default_rng(seed)
    return PosteriorSamples(NAMES, rng.normal([0.3, 0.8], [0.02, 0.05], (2, 300, 2)), **fields)


def test_files_of_posteriors_come_back_equal(tmp_path: Path) -> None:
    path, job = tmp_path / "p.h5", {"seed": 1, "bounds": {"omega_m": [0.1, 0.5]}}
    full = some(
        0,
        log_density=np.zeros((2, 300)),
        acceptance=np.array([0.7, 0.8]),
        divergences=np.array([0, 3]),
        warnings=(ResultWarning("points", "too few"),),
        noise=np.array([0.01, 0.02]),
    )
    wanted = {
        3: CataloguePosterior(full, {"file": "a.fits"}, {"omega_m": 0.3}),
        0: CataloguePosterior(some(1), {}, {}),
    }
    write_posteriors(path, wanted, job)
    found = left_over(path, job)
    assert list(found) == [0, 3] and left_over(path, job | {"seed": 2}) == {}
    for i, one in found.items():
        assert (one.catalogue, one.truth) == (wanted[i].catalogue, wanted[i].truth)
        for field in dataclasses.fields(PosteriorSamples):
            a, b = (getattr(x.samples, field.name) for x in (one, wanted[i]))
            assert np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b
    (tmp_path / "text.h5").write_text("text")
    write_suite(tmp_path / "suite.h5", catalogues(2, 0), "test")
    wrong = {
        "suite": "format 'galgen-posterior'",
        "none": "no such file",
        "text": "posteriors in HDF5 at",
    }
    for name, words in wrong.items():
        with pytest.raises(InputError, match=words):
            read_posteriors(tmp_path / f"{name}.h5")
    with pytest.raises(InputError, match="a posterior to write, got none"):
        write_posteriors(path, {}, job)
    assert list(read_posteriors(path)) == [0, 3]  # the file of before is whole


def test_calibration_needs_ten_catalogues_of_known_parameters() -> None:
    rng = np.random.default_rng(0)
    all_known = {
        i: CataloguePosterior(
            some(i), {}, dict(zip(NAMES, rng.normal([0.3, 0.8], [0.02, 0.05]), strict=True))
        )
        for i in range(30)
    }
    found = calibration_of(all_known)
    ranks, distances = found.ranks, found.distances
    assert min(ranks.p_values.values()) > 0.01 and distances.within_band
    assert calibration_of({i: p for i, p in all_known.items() if i < 9}) is None
    blind = {i: dataclasses.replace(p, truth={"omega_m": 0.3}) for i, p in all_known.items()}
    assert calibration_of(blind) is None
    table = summary_table(blind)
    assert np.isnan(table["truth"][1]) and table["truth"][0] == 0.3


def test_corner_marks_truth_and_prior() -> None:
    prior = ProductPrior((Uniform("omega_m", 0.1, 0.5), Gaussian("sigma_8", 0.8, 0.1, 0.6, 1.0)))
    with matplotlib.rc_context(dict(STYLE)):
        figure = corner_plot({"field": some(0), "xi": some(1)}, prior, {"sigma_8": 0.83})
        figure.canvas.draw()
    panels = np.array(figure.axes).reshape(2, 2)
    assert panels[1, 0].get_xlabel() == "omega_m"
    vertical = [
        line.get_xdata()[0] for line in panels[1, 1].lines if len(set(line.get_xdata())) == 1
    ]
    assert vertical and set(vertical) == {0.83}
    for i, density in ((0, lambda x: np.full_like(x, 2.5)), (1, None)):
        (dashed,) = [line for line in panels[i, i].lines if line.get_linestyle() == "--"]
        x, y = dashed.get_data()
        if density is None:
            y, wanted = y / y.max(), np.exp(-0.5 * ((x - 0.8) / 0.1) ** 2)
            wanted /= wanted.max()
        else:
            wanted = density(x)
        assert np.allclose(
            y, np.where((x >= 0.6) & (x <= 1), wanted, 0) if i else wanted, rtol=1e-3
        )
    top = panels[0, 0].get_ylim()[1]
    assert all(p.get_xy()[:, 1].max() < top for p in panels[0, 0].patches)
    other = PosteriorSamples(("a",), np.zeros((1, 9, 1)))
    with pytest.raises(InputError, match="posteriors of the same parameters"):
        corner_plot({"a": some(0), "b": other})
    with pytest.raises(InputError, match="draws of a that differ"):
        corner_plot({"b": other})
