"""Notebooks run top to bottom."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def run(name: str) -> dict:
    """What a notebook leaves behind, with its figures drawn."""
    names = runpy.run_path(str(NOTEBOOKS / f"{name}.py"))
    for value in names.values():
        if isinstance(value, Figure):
            value.canvas.draw()
    return names


def test_first_look() -> None:
    names = run("00_first_look")
    assert len(names["high"]) > 2 * len(names["low"])
    assert np.all(np.isfinite(names["correlation"]["high"].xi))


@pytest.mark.slow
def test_statistics() -> None:
    names = run("01_statistics")
    assert names["xi"].xi[0, 0] > 1 and names["wp"].wp[0, 0] > names["wp"].wp[0, -1]
    assert np.all(names["spectrum"].power[0, 0][1:5] > 0)
    assert np.all(np.isfinite(names["survey"].mean)) and np.all(names["survey"].error > 0)


@pytest.mark.slow
def test_bridges(monkeypatch) -> None:
    monkeypatch.setenv("GALGEN_STEPS", "200")
    names = run("02_bridges_in_2d")
    scores = names["scores"]
    assert scores["exact"] == max(scores.values()), "nothing beats the entropy"
    assert scores["spline flow"] > scores["exact"] - 1.0
    total = {name: np.sum(np.exp(values)) for name, values in names["densities"].items()}
    step = (16 / 59) ** 2
    assert all(abs(step * value - 1) < 0.1 for value in total.values()), "densities are normalised"


def test_every_notebook_is_tested() -> None:
    assert {path.stem for path in NOTEBOOKS.glob("*.py")} == {
        "00_first_look",
        "01_statistics",
        "02_bridges_in_2d",
    }
