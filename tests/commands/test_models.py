"""From a run to a model that is used by its name: package, models, model-card, sample, inspect."""

from pathlib import Path

import numpy as np
import pytest
from tiny_run import tiny_run

import galgen
from galgen.card_page import as_markdown
from galgen.cli import main
from galgen.model_card import usable
from galgen.model_file import ModelFile
from galgen.networks import MLP
from galgen.pretrained import index
from galgen.serialization import called
from galgen.shipped import shipped_configs
from galgen.validation.checks.energy_distance import energy_distance


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a report, and a model of it in ``models``."""
    folder = tmp_path_factory.mktemp("packaged")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        tiny_run(Path("runs/tiny"), Path("suite.h5"))
        assert main(["validate", "runs/tiny"]) == 0
        assert main(["package", "runs/tiny", "-o", "models/tiny-haloes"]) == 0
    return folder


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    monkeypatch.setenv(index.PLACE, "models")
    return folder


def test_a_model_is_listed_drawn_and_looked_into_by_its_name(here: Path, capsys) -> None:
    assert main(["models"]) == 0
    assert "\ntiny-haloes  " in "\n" + capsys.readouterr().out
    line = "sample tiny-haloes -n 2 --omega-m 0.3 --sigma-8 0.8 --seed 4"
    assert main(line.split()) == 0
    run = galgen.Run.load("runs/tiny")
    drawn = run.sample([{"omega_m": 0.3, "sigma_8": 0.8}] * 2, seed=4)
    with galgen.Suite("runs/tiny-haloes/samples.h5") as suite:
        for one, two in zip(drawn, suite, strict=True):
            assert np.array_equal(one.positions, two.positions)
    capsys.readouterr()
    assert main(["inspect", "tiny-haloes"]) == 0
    assert "condition omega_m: trained from 0.2" in capsys.readouterr().out
    assert main(["validate", "tiny-haloes", "--held-out", "suite.h5", "-o", "again"]) == 0
    assert 'href="model_card.html"' in Path("again/report.html").read_text()
    page = Path("again/model_card.html").read_text()
    assert "<h1>tiny-haloes</h1>" in page and "Where it may be used, and where not" in page


def test_a_card_is_of_measured_numbers(here: Path, capsys) -> None:
    card = ModelFile.open("models/tiny-haloes.safetensors").card
    assert card["draws"]["box [Mpc/h]"] == [64.0] * 3
    assert card["draws"]["columns"]["x"] == "Mpc/h"
    assert card["data"]["catalogues"] == 8 and "path=suite.h5" in card["data"]["dataset"]
    assert card["cost"]["a draw [s]"] > 0
    measured = {(row["statistic"], row["split"]) for row in card["judged"]["curves"]}
    assert ("P0", "test") in measured
    assert 0.5 < card["judged"]["numbers"]["test.N.ratio"] < 2
    assert main(["model-card", "tiny-haloes"]) == 0
    printed = capsys.readouterr().out
    assert printed.strip() == as_markdown(card).strip()
    assert "## Where it may be used, and where not" in printed
    assert main(["model-card", "runs/tiny", "-o", "card.md"]) == 0
    assert Path("card.md").read_text().startswith("# tiny\n")


def comparison(*curves: tuple[list[float], list[float]]) -> dict:
    """Splits of one curve xi, by the ratios of generated to held-out and their errors."""
    splits = []
    for mean, error in curves:
        curve = {
            "name": "xi",
            "symbol": "r",
            "unit": "Mpc/h",
            "edges": list(range(len(mean) + 1)),
            "judged": [True] * len(mean),
            "ratio": mean,
            "ratio_error": error,
        }
        splits.append({"name": "test", "correlation": curve, "power": [], "statistics": []})
    return {"splits": splits}


def test_bins_are_good_off_or_not_known() -> None:
    """Within 10% by two errors in every split; outside by two errors in any; else unknown."""
    one = [1.0, 1.05, 1.05, 1.2, 1.2], [0.01, 0.02, 0.03, 0.04, 0.06]
    two = [1.0, 0.95, 1.00, 1.0, 1.0], [0.01, 0.02, 0.03, 0.01, 0.01]
    found = usable(comparison(one, two))["xi"]
    assert found == {
        "good": ["r 0-2 Mpc/h"],
        "off": ["r 3-4 Mpc/h"],
        "cannot tell": ["r 2-3 Mpc/h", "r 4-5 Mpc/h"],
    }


def test_energy_distance_of_normals() -> None:
    """Of N(0, 1) and N(m, 1) by its closed form; none of two samples of one distribution."""
    rng = np.random.default_rng(0)
    one, two, shifted = rng.normal(size=(3, 1000, 1))
    _, null, p_value = energy_distance(one, two)
    assert p_value > 0.05
    found, _, p_value = energy_distance(one, shifted + 1)
    # E|X - Y| of X - Y ~ N(1, 2) is 1.39929, of N(0, 2) 2/sqrt(pi).
    assert abs(found - null - 2 * (1.39929 - 2 / np.sqrt(np.pi))) < 0.1
    assert p_value < 0.01


def test_fields_at_their_default_are_not_said() -> None:
    assert called(MLP(width=7)) == "MLP(width=7)"
    assert called((MLP(), 1.5)) == "(MLP(), 1.5)"


def test_configurations_that_come_with_galgen_are_listed(capsys) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["train", "--list"])
    listed = capsys.readouterr().out
    assert "\ndigits " in listed and listed.count("\n") == len(shipped_configs())


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("train dmo", "perhaps you meant demo"),
        ("sample tiny-halos", "perhaps you meant tiny-haloes"),
        ("sample nothing-like-it", "galgen models lists them"),
        ("package runs/tiny -o models/Tiny.safetensors", "expected a name of small letters"),
        ("package runs/none -o models/tiny", "run galgen train first"),
        ("model-card tiny-haloes --report x.json", "which has its card"),
        ("model-card runs/tiny --report suite.h5", "expected the comparison.json"),
        ("validate tiny-haloes", "--held-out"),
    ],
)
def test_a_refusal_says_what_to_do(line: str, words: str, here: Path, capsys, monkeypatch) -> None:
    if line == "validate tiny-haloes":
        (here / "suite.h5").rename(here / "away.h5")
    try:
        assert main(line.split()) == 2
    finally:
        if line == "validate tiny-haloes":
            (here / "away.h5").rename(here / "suite.h5")
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1
