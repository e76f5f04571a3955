"""The tutorial on generation, on printed digits and few steps."""

import numpy as np
import pytest
from notebook_runs import run

from galgen.data import printed_digits


@pytest.mark.slow
def test_generate_digits(monkeypatch) -> None:
    monkeypatch.setenv("GALGEN_STEPS", "250")
    monkeypatch.delenv("GALGEN_MNIST", raising=False)
    monkeypatch.setattr(printed_digits, "mnist_is_cached", lambda: False)
    names = run("03_generate_digits")
    assert names["judge_accuracy"][0] > 0.9
    way = names["way"]
    noise = way[0]
    assert abs(noise.mean()) < 5 / np.sqrt(noise.size) and abs(noise.std() - 1) < 0.1
    assert np.all(np.isfinite(way))
    expected = np.asarray(names["expected"][0])
    assert expected.std() < noise.std(), "the mean of a class has no noise"
    mean = names["held_out"].mean(axis=0)
    one_step = names["few"]["flow"][1]
    assert np.mean((one_step - mean) ** 2) < np.mean((noise - mean) ** 2), "it goes to the data"
    shapes = {x.shape for drawn in names["few"].values() for x in drawn.values()}
    assert shapes == {(100, 16, 16, 1)}
    assert all(0 < ratio < 3 for ratio, _ in names["spread"].values())
