"""The command line as a user meets it: the whole journey on small data, and every wrong turn."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from galgen.cli import main, parse
from galgen.commands.validate import comparable
from galgen.data.catalogue import Catalogue
from galgen.data.suite import Suite, write_suite

CONFIG = """
from pathlib import Path
from galgen.data.dataset import CatalogueDataset
from galgen.experiment import Experiment
from galgen.generative import (
    Bridge, LinearPath, OptimalAssignment, ProductPath, Sampler, TorusGeodesic
)
from galgen.networks import ParticleMesh
from galgen.training import Trainer

experiment = Experiment(
    data=CatalogueDataset(Path({suite!r}), buckets=1),
    network=ParticleMesh(16, 16, 1, 6, 6, 2, 4),
    model=Bridge(ProductPath((TorusGeodesic(), LinearPath()), (3, 1)), OptimalAssignment()),
    sampler=Sampler(steps=2),
    trainer=Trainer(steps=6, batch_size=4, warmup=1, log_every=1, checkpoint_every=3),
)
"""


def catalogues(number: int, seed: int) -> list[Catalogue]:
    """Clouds around a few centres, their number and clustering a function of omega_m."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(number):
        omega_m, sigma_8 = rng.uniform(0.2, 0.4), rng.uniform(0.7, 0.9)
        points = int(rng.poisson(200 * omega_m)) + 10
        centres = rng.random((6, 3))
        x = centres[rng.integers(0, 6, points)] + 0.2 * omega_m * rng.normal(size=(points, 3))
        x = (x % 1.0) * 50.0
        x[x >= 50.0] = 0.0
        columns = dict(zip("xyz", x.T, strict=True))
        columns["mass"] = 10 ** rng.normal(13.5, 0.2, points)
        cosmology = {"omega_m": float(omega_m), "sigma_8": float(sigma_8)}
        out.append(Catalogue(columns, (50.0, 50.0, 50.0), 0.0, cosmology))
    return out


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a suite, a configuration and a trained run."""
    folder = tmp_path_factory.mktemp("home")
    suite = folder / "suite.h5"
    write_suite(suite, catalogues(18, 0), ["train"] * 12 + ["test"] * 6)
    (folder / "config.py").write_text(CONFIG.format(suite=str(suite)))
    assert main(["train", str(folder / "config.py"), "--run", str(folder / "run")]) == 0
    return folder


def fails(arguments: list[str], capsys: pytest.CaptureFixture, *words: str) -> None:
    """Status 2, one line on standard error with these words, no traceback."""
    capsys.readouterr()
    assert main(arguments) == 2
    error = capsys.readouterr().err
    message = error.strip().splitlines()[-1]
    assert message.startswith("galgen: error: ")
    assert "Traceback" not in error and error.count("galgen: error") == 1
    for word in words:
        assert word in message, message


def test_the_run_holds_what_it_should(home: Path) -> None:
    names = {p.name for p in (home / "run").iterdir()}
    files = {"experiment.json", "encoding.json", "fingerprints.json", "metrics.jsonl"}
    assert names == {*files, "checkpoints"}
    assert len((home / "run/metrics.jsonl").read_text().splitlines()) == 6


def test_simulate_then_inspect(tmp_path: Path, capsys) -> None:
    path = tmp_path / "new" / "suite.h5"
    arguments = ["simulate", "--output", str(path), "--train", "3", "--test", "2"]
    arguments += ["--contrast", "1", "--workers", "1", "--simulator.mesh", "64"]
    assert main(arguments) == 0
    assert main(["inspect", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "7 catalogues" in printed and "omega_m: 0.2" in printed
    with Suite(path) as suite:
        assert list(suite.splits) == ["train"] * 3 + ["test"] * 2 + ["low", "high"]
        table = suite.parameter_table(["omega_m", "sigma_8"])
    assert np.allclose(table[-2:], [[0.22, 0.72], [0.38, 0.88]])


def test_sample_at_a_cosmology(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "mocks.h5"
    arguments = ["sample", str(home / "run"), "--number", "5", "--omega-m", "0.31"]
    assert main([*arguments, "--output", str(out), "--batch", "2"]) == 0
    with Suite(out) as suite:
        drawn = list(suite)
    assert len(drawn) == 5
    assert all(c.cosmology["omega_m"] == 0.31 and len(c) > 10 for c in drawn)
    assert len({c.cosmology["sigma_8"] for c in drawn}) == 5, "drawn over its trained range"
    assert all(c.box == (50.0, 50.0, 50.0) and set(c.columns) == {*"xyz", "mass"} for c in drawn)
    assert len({len(c) for c in drawn}) > 1


def test_fixed_number_of_points(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "mocks.h5"
    arguments = ["sample", str(home / "run"), "--number", "2", "--points", "77"]
    assert main([*arguments, "--output", str(out)]) == 0
    with Suite(out) as suite:
        assert list(suite.counts) == [77, 77]


def test_validate_writes_a_report(home: Path, capsys) -> None:
    assert main(["validate", str(home / "run")]) == 0
    printed = capsys.readouterr().out
    report = home / "run/report/report.html"
    assert str(report) in printed
    assert report.read_text().count("data:image/png;base64") >= 3
    numbers = json.loads(report.with_name("comparison.json").read_text())["numbers"]
    assert numbers["memorisation.expected"] == pytest.approx(12 / 18), "the run knows its training"
    assert main(["inspect", str(home / "run")]) == 0
    assert "omega_m: trained from 0.2" in capsys.readouterr().out
    assert (home / "run/report/samples.h5").exists()
    assert not (home / "run/samples.h5").exists(), "that is what galgen sample writes"


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("simulate --processes 2", "simulate --workers 2"),
        ("simulate --output=a.h5", "simulate -o a.h5"),
        ("demo --processes=2 --folder runs/a", "demo --workers 2 --run runs/a"),
        ("validate a.h5 b.h5 --train c.h5", "validate a.h5 b.h5 --training c.h5"),
        ("validate a.h5 b.h5 --further bispectrum", "validate a.h5 b.h5 --statistics bispectrum"),
        ("validate a.h5 b.h5 --output c", "validate a.h5 b.h5 -o c"),
        ("infer run a.h5 --first 3 --output b", "infer run a.h5 -n 3 -o b"),
        ("mock a.h5 --output b", "mock a.h5 -o b"),
        ("train config.py --seed 3", "train config.py --trainer.seed 3"),
        ("sample run --n 3 --output a.h5", "sample run -n 3 -o a.h5"),
    ],
)
def test_one_thing_has_one_name_and_its_former_ones(
    home: Path, before: str, now: str, monkeypatch
) -> None:
    monkeypatch.chdir(home)
    first, second = parse(before.split()), parse(now.split())
    assert first == second or vars(first) == vars(second)


def two_suites(home: Path, tmp_path: Path) -> list[str]:
    """Generated and held-out suites with splits of other names, of a few catalogues."""
    paths = [tmp_path / "mocks.h5", tmp_path / "truth.h5"]
    for path, seed, split in zip(paths, (3, 4), ("sample", "test"), strict=True):
        write_suite(path, catalogues(6, seed), split)
    return ["validate", *map(str, paths), "--training", str(home / "suite.h5")]


@pytest.mark.slow
def test_validate_two_suites_as_a_gate(home: Path, tmp_path: Path, capsys) -> None:
    arguments = [*two_suites(home, tmp_path), "--output", str(tmp_path / "out")]
    met = "0.5 < N.ratio < 2 and not pqmass.chi2 > 100 and memorisation.fraction >= 0"
    assert main([*arguments, "--require", met]) == 0
    printed = capsys.readouterr().out.split("\n\nreport: ")
    assert len(printed[0].splitlines()) <= 40
    text = (tmp_path / "out/report.html").read_text()
    assert "memorisation, test" in text and "mocks.h5 against truth.h5" in text
    assert "galgen validate" in text and "N.ratio &lt; 2" in text
    with pytest.raises(SystemExit) as stop:
        main([*arguments, "--require", "xi.closure > 0.85 and N.ratio > 3"])
    assert stop.value.code == 1
    error = capsys.readouterr().err.strip()
    assert error.count("\n") == 0 and "N.ratio is " in error
    assert error.startswith("galgen: requirement not met: xi.closure > 0.85 and N.ratio > 3 (")
    numbers = json.loads((tmp_path / "out/comparison.json").read_text())["numbers"]
    assert 0.5 < numbers["N.ratio"] < 2 and numbers["test.N.ratio"] == numbers["N.ratio"]
    fails([*arguments, "--require", "xi.closur > 0"], capsys, "xi.closur", "perhaps xi.closure")


def test_validate_refuses_what_it_cannot_compare(home: Path, tmp_path: Path, capsys) -> None:
    arguments = two_suites(home, tmp_path)
    run, suite = str(home / "run"), str(home / "suite.h5")
    fails([*arguments, "--require", "xi.closure + 1 > 0"], capsys, "xi.closure + 1", "--help")
    fails(["validate", suite], capsys, "suite.h5 alone", "name the suite of held-out")
    fails(["validate", suite, suite, "--samples", suite], capsys, "leave out the options")
    fails(["validate", suite, str(tmp_path / "none.h5")], capsys, "none.h5")
    fails(["validate", arguments[1], suite], capsys, "a split that both suites have", "--like")
    fails(
        [*arguments[:3], "--training", arguments[1]],
        capsys,
        "split 'train'",
        "leave out --training",
    )
    fails(["validate", run, "--repeats", "0"], capsys, "repeats of Validate")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mocks.h5", "truth.h5"]


def test_training_of_another_box_is_not_compared() -> None:
    some = catalogues(5, 0)
    assert comparable(some, some) and not comparable(some[:3], some)
    assert not comparable([c.replace(box=(60.0, 60.0, 60.0)) for c in some], some)


@pytest.mark.slow
def test_ctrl_c_saves_and_resume_goes_on(home: Path, tmp_path: Path) -> None:
    """A real process, a real SIGINT; then the same weights as a run that was never stopped."""
    options = ["--trainer.steps", "40", "--trainer.checkpoint-every", "1000"]
    command = [sys.executable, "-m", "galgen", "train", str(home / "config.py"), *options]
    run = tmp_path / "run"
    process = subprocess.Popen([*command, "--run", str(run)], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 300
    metrics = run / "metrics.jsonl"
    while not (metrics.exists() and metrics.read_text().count("\n") >= 3):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=120)[1]
    assert process.returncode == 130 and "Traceback" not in error
    stopped = [json.loads(line)["step"] for line in metrics.read_text().splitlines()]
    assert stopped[-1] < 40
    subprocess.run([*command, "--run", str(run), "--resume"], check=True, capture_output=True)
    whole = tmp_path / "whole"
    subprocess.run([*command, "--run", str(whole)], check=True, capture_output=True)
    logs = [(folder / "metrics.jsonl").read_text().splitlines() for folder in (run, whole)]
    losses = [[(json.loads(x)["step"], json.loads(x)["loss"]) for x in log] for log in logs]
    assert len(losses[0]) == 40
    assert losses[0] == losses[1]


def broken_suite(home: Path, tmp_path: Path, change) -> Path:
    path = tmp_path / "broken.h5"
    path.write_bytes((home / "suite.h5").read_bytes())
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def nan(file: h5py.File) -> None:
    file["columns/x"][3] = np.nan


def outside(file: h5py.File) -> None:
    file["columns/y"][5] = 51.0


def no_column(file: h5py.File) -> None:
    del file["columns/mass"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (nan, ["x", "finite"]),
        (outside, ["y", "box"]),
        (no_column, ["mass"]),
    ],
    ids=["NaN position", "outside the box", "wrong columns"],
)
def test_bad_suites(home: Path, tmp_path: Path, capsys, change, words) -> None:
    path = broken_suite(home, tmp_path, change)
    run = tmp_path / "run"
    arguments = ["train", str(home / "config.py"), "--data.path", str(path), "--run", str(run)]
    fails(arguments, capsys, *words)
    assert not run.exists(), "a half-written run was left"


def test_bad_files(home: Path, tmp_path: Path, capsys) -> None:
    config, run = str(home / "config.py"), str(home / "run")
    text = tmp_path / "text.h5"
    text.write_text("not HDF5")
    fails(["inspect", str(tmp_path / "none.h5")], capsys, "none.h5")
    fails(["inspect", str(text)], capsys, "HDF5")
    fails(["train", config, "--data.path", str(text), "--run", str(tmp_path / "r")], capsys, "HDF5")
    fails(["train", str(tmp_path / "none.py")], capsys, "none.py")
    fails(["train", config, "--run", run], capsys, "--resume")
    fails(["train", config, "--run", run, "--resume", "--network.k", "3"], capsys, "overrides")
    fails(["sample", str(tmp_path / "none")], capsys, "galgen train first")
    fails(["validate", run, "--held-out", str(text)], capsys, "HDF5")
    fails(["validate", run, "--splits", "nowhere"], capsys, "splits", "train")
    assert not (tmp_path / "r").exists()


def test_bad_options(home: Path, tmp_path: Path, capsys) -> None:
    config, run, out = str(home / "config.py"), str(home / "run"), tmp_path / "out.h5"
    fails(["train", config, "--network.widht", "32"], capsys, "--network.widht", "--network.width")
    fails(["train", config, "--trainer.steps", "many"], capsys, "--trainer.steps", "many")
    fails(["train", config, "--trainer.steps", "0"], capsys, "steps of Trainer")
    fails(["wander"], capsys, "simulate", "wander")
    fails(["train"], capsys, "CONFIG")
    fails(
        ["sample", run, "--omega-m", "0.9", "--output", str(out)], capsys, "omega_m", "0.9", "range"
    )
    fails(["sample", run, "--number", "0", "--output", str(out)], capsys, "number of Sample")
    fails(["simulate", "--output", str(out), "--train", "0"], capsys, "train")
    fails(["simulate", "--output", str(out), "--simulator.mesh", "16"], capsys, "mesh")
    fails(["train", config, "--data.condition", "w0", "--run", str(tmp_path / "r")], capsys, "w0")
    assert list(tmp_path.iterdir()) == []


def test_extrapolation_is_asked_for(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "mocks.h5"
    arguments = ["sample", str(home / "run"), "--number", "1", "--omega-m", "0.45"]
    assert main([*arguments, "--extrapolate", "--output", str(out)]) == 0
    assert out.exists()


def test_no_traceback_from_a_real_process(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "galgen", "inspect", str(tmp_path / "none.h5")]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ})
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("galgen: error: ")


@pytest.mark.parametrize("command", ["simulate", "validate", "inspect", "demo", "train", "sample"])
def test_help_has_an_example(home: Path, capsys, command: str) -> None:
    first = {"train": [str(home / "config.py")], "sample": [str(home / "run")]}
    with pytest.raises(SystemExit) as stop:
        main([command, *first.get(command, []), "--help"])
    assert stop.value.code in (0, None)
    printed = capsys.readouterr().out
    assert f"galgen {command}" in printed and "Example" in printed
    if command == "sample":
        assert "--omega-m" in printed and "Trained from" in printed


@pytest.mark.parametrize(("command", "there"), [("train", "config"), ("sample", "runs/one")])
def test_help_of_what_needs_a_file_first(
    command: str, there: str, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    for path in (Path("configs/config.py"), Path("runs/one/encoding.json")):
        path.parent.mkdir(parents=True)
        path.touch()
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    printed = capsys.readouterr().out
    assert stop.value.code == 0 and f"usage: galgen {command}" in printed and there in printed


def test_usage(capsys) -> None:
    assert main([]) == 0
    assert "examples:" in capsys.readouterr().out
