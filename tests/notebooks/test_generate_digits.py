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
    agreement, spread = names["agreement"], names["spread"]
    value, error = agreement[3.0]
    assert value - 0.1 > 5 * error, "it draws what it is asked for, not one in ten"
    assert value > agreement[1.0][0], "guidance makes a digit more like itself"
    assert spread[5.0][0] < spread[1.0][0], "and digits more like each other"

    way = names["way"]
    noise = way[0]
    assert abs(noise.mean()) < 5 / np.sqrt(noise.size) and abs(noise.std() - 1) < 0.1
    assert np.all(np.isfinite(way)) and way[-1].min() < -0.5 < 0.5 < way[-1].max()
    expected = np.asarray(names["expected"][0])
    assert expected.std() < noise.std(), "the mean of a class has no noise"
    one_step = names["few"]["flow"][1]
    held_out, truth = names["held_out"], names["truth"]
    means = np.stack([held_out[truth == digit].mean(axis=0) for digit in names["asked"]])
    others = np.roll(means, 1, axis=0)
    near, far = (np.mean((one_step - m) ** 2, axis=(1, 2, 3)) for m in (means, others))
    assert np.mean(near < far) > 0.8, "one Euler step ends near the mean of the class"
