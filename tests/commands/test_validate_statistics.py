"""galgen validate --statistics, as a user meets it: its words, their gate, their figure."""

import json
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from galgen.cli import main
from galgen.commands.statistics import StatisticName
from galgen.data.catalogue import VELOCITIES, Catalogue
from galgen.data.suite import write_suite
from galgen.data.toys import ThomasProcess


def catalogues(seed: int, columns: tuple[str, ...] = ("mass", *VELOCITIES)) -> list[Catalogue]:
    rng = np.random.default_rng(seed)
    made = []
    for cloud in ThomasProcess(20.0, 5.0, 0.04).sample(rng, 6):
        values = dict(zip("xyz", 50.0 * cloud.astype(np.float64).T, strict=True))
        values |= {name: 100 * rng.normal(size=len(cloud)) for name in columns}
        if "mass" in values:
            values["mass"] = rng.lognormal(30, 0.3, len(cloud))
        made.append(Catalogue(values, (50.0,) * 3, 0.0, {"omega_m": 0.3, "sigma_8": 0.8}))
    return made


@pytest.fixture(scope="module")
def suites(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("statistics")
    paths = [folder / "mocks.h5", folder / "truth.h5"]
    for path, seed in zip(paths, (0, 1), strict=True):
        write_suite(path, catalogues(seed), "test")
    write_suite(folder / "bare.h5", catalogues(2, ()), "test")
    return [str(path) for path in paths]


CURVES = {
    "nearest-neighbors": {"knn1", "knn2", "knn4"},
    "pairwise-velocity": {"v12"},
    "redshift-space-multipoles": {"xis0", "xis2"},
    "bispectrum": {"B_equilateral", "B_squeezed"},
    "counts-in-cells": {"cells", "void"},
    "marked-correlation": {"marked"},
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("counts-in-cells", "marked-correlation"), id="two"),
        pytest.param(tuple(get_args(StatisticName)), id="all"),
    ],
)
def test_every_word_adds_its_curves(suites, tmp_path: Path, capsys, words) -> None:
    arguments = ["validate", *suites, "--output", str(tmp_path), "--statistics", *words]
    gate = "cells.chi2 < 1e6 and void.chi2 >= 0 and marked.bias < 100"
    assert main([*arguments, "--require", gate]) == 0
    numbers = json.loads((tmp_path / "comparison.json").read_text())["numbers"]
    found = {name.split(".")[0] for name in numbers}
    for word, curves in CURVES.items():
        assert curves <= found if word in words else not curves & found
    text = (tmp_path / "report.html").read_text()
    assert "Other statistics, test" in text
    assert f"--statistics {' '.join(words)}" in text, "the command that makes it"
    assert len(capsys.readouterr().out.split("\n\nreport: ")[0].splitlines()) <= 40


@pytest.mark.parametrize(
    ("suite", "words", "message"),
    [
        (
            "mocks.h5",
            ["bispectrum", "bispectrum"],
            "all different, got ('bispectrum', 'bispectrum')",
        ),
        ("bare.h5", ["marked-correlation"], "expected a column 'mass'"),
        ("bare.h5", ["pairwise-velocity"], "expected a column 'v"),
    ],
)
def test_what_cannot_be_measured_is_named(suites, suite, words, message, tmp_path, capsys) -> None:
    first = str(Path(suites[0]).with_name(suite))
    arguments = ["validate", first, suites[1], "--output", str(tmp_path), "--further", *words]
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error


def test_help_names_the_words(capsys) -> None:
    with pytest.raises(SystemExit):
        main(["validate", "--help"])
    printed = "".join(capsys.readouterr().out.split())
    for word in get_args(StatisticName):
        assert word in printed


def test_folders_of_arrays_are_judged(suites, tmp_path: Path, capsys) -> None:
    """With velocities, with masses and as records; against a suite; and what is refused."""
    for folder, seed in (("mocks", 3), ("truth", 4)):
        (tmp_path / folder).mkdir()
        for number, c in enumerate(catalogues(seed)):
            names = (*"xyz", *VELOCITIES, "mass")
            array = np.column_stack([c.columns[name] for name in names])
            if folder == "truth":
                array = np.rec.fromarrays(array.T, names=list(names))
            np.save(tmp_path / folder / f"{number}.npy", array)
    paths = [str(tmp_path / "mocks"), str(tmp_path / "truth")]
    output = ["--output", str(tmp_path / "report")]
    assert main(["validate", *paths, "--box", "50", "--tolerance", "0.2", *output]) == 0
    card = json.loads((tmp_path / "report" / "scorecard.json").read_text())
    assert card["tolerance"] == 0.2 and card["splits"][0]["generated"] == 6
    assert {"log10 mass", "velocity component"} <= {s["statistic"] for s in card["scores"]}
    assert main(["validate", paths[0], suites[1], "--box", "50", *output]) == 0
    capsys.readouterr()
    assert main(["scorecards", str(tmp_path / "report")]) == 0
    assert "xi mean" in capsys.readouterr().out
    assert main(["validate", *paths, *output]) == 2
    assert "--box" in capsys.readouterr().err
    np.save(tmp_path / "mocks" / "9.npy", np.zeros((4, 5)))
    assert main(["validate", *paths, "--box", "50", *output]) == 2
    error = capsys.readouterr().err
    assert "9.npy" in error and "(points, 3)" in error and "Traceback" not in error
    np.save(tmp_path / "mocks" / "9.npy", np.full((4, 3), 99.0))
    assert main(["validate", *paths, "--box", "50", *output]) == 2
    assert "9.npy" in capsys.readouterr().err
