"""The tutorial on inference, with a few steps of training."""

import numpy as np
import pytest
from notebook_runs import run


@pytest.mark.slow
def test_field_level_inference(monkeypatch) -> None:
    monkeypatch.setenv("GALGEN_STEPS", "300")
    names = run("07_field_level_inference")
    on_grid, by_nuts = names["on_grid"], names["by_nuts"]
    low, high = names["LOW"], names["HIGH"]
    assert np.all(on_grid.mean > low) and np.all(on_grid.mean < high)
    # Both hold the same likelihood, each with a noise of its own.
    gap = np.abs(on_grid.mean - by_nuts.flat.mean(axis=0)) / on_grid.std
    assert np.all(gap < 1.5)
    width = names["neural_draws"].std(axis=1).mean(axis=0) / names["unit"]
    assert np.all(width < 0.95), "summaries tell of both parameters"
    line = names["line"]
    best = int(np.argmax(line.value))
    assert line.difference_error[best].max() < 3 * line.error.max()
