"""The tutorial on families of generative models."""

import numpy as np
import pytest
from notebook_runs import run


@pytest.mark.slow
def test_bridges_in_2d(monkeypatch) -> None:
    monkeypatch.setenv("GALGEN_STEPS", "100")
    names = run("02_bridges_in_2d")
    scores = names["scores"]
    assert scores["exact"] == max(scores.values()), "nothing beats the entropy"
    assert scores["spline flow"] > scores["exact"] - 1.0
    totals = [float((16 / 49) ** 2 * np.sum(np.exp(v))) for v in names["densities"].values()]
    assert all(abs(total - 1) < 0.1 for total in totals), "densities are normalised"
