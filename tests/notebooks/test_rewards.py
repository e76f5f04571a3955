"""The tutorial on rewards, with few steps of training."""

import numpy as np
import pytest
from notebook_runs import run

from galgen.networks import ParticleMesh

SMALL = ParticleMesh(width=8, layers=1, k=4, largest_mode=1)


@pytest.mark.slow
def test_rewards(monkeypatch) -> None:
    monkeypatch.setenv("GALGEN_STEPS", "200")
    # Compilation and draws are what takes the time: a small network.
    monkeypatch.setattr("galgen.networks.ParticleMesh", lambda **_: SMALL)
    names = run("09_rewards")
    free, held = (names["toy_rounds"][strength] for strength in (0.0, 1.0))
    exact = names["exact_tilt"](1)[2]
    first, second = (one.rewards.mean() for one in free[:2])
    assert 0.3 * exact < second - first < 1.5 * exact, "one round goes towards the exact tilt"
    assert free[-1].rewards.mean() > held[-1].rewards.mean() + 0.5, "the penalty holds"
    assert free[-1].departure > held[-1].departure > 0
    drawn = names["exact_draws"](8, 100_000)[:, 0].mean()
    assert np.isclose(drawn, names["exact_tilt"](8)[2], atol=0.03)
    for rounds in names["rounds_of"].values():
        assert rounds[0].departure < 1e-12 and rounds[-1].departure > 0
        assert np.all(np.isfinite(rounds[-1].rewards)) and np.all(rounds[-1].rewards <= 0)
    assert -1.5 < names["truth_reward"] < -0.6, "held-out catalogues scatter as the survey's do"
