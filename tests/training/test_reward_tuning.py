"""Tuning by a reward: a normal law under an affine denoiser follows its exact tilt."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from galgen.errors import InputError
from galgen.generative import Anchored, Bridge, Euler, LinearPath, Sampler
from galgen.training import RewardTuning

BRIDGE = Bridge(LinearPath())


class Drift(nn.Module):
    """v = exact velocity of a unit normal moved by a learned mean: m + (x - t m) g(t)."""

    @nn.compact
    def __call__(self, x, t, mask, condition):
        mean = self.param("mean", nn.initializers.zeros, (1,))
        time = t[:, None]
        slope = (2 * time - 1) / (time**2 + (1 - time) ** 2)
        return mean + (x - time * mean) * slope


def tuned(strength: float, tuning: RewardTuning, reward=lambda x: x[:, 0]) -> list:
    network = Drift()
    params = network.init(jax.random.key(0), jnp.zeros((1, 1)), jnp.zeros(1), None, None)
    model = Anchored(BRIDGE, BRIDGE.with_params(network, params), strength)
    return list(tuning(model, network, params, Sampler(Euler(), 8), (1,), reward))


@pytest.mark.slow
def test_rewards_move_the_mean_as_in_closed_form() -> None:
    """exp(x / T) times a normal density moves it by 1 / T, of which a penalty of 1 leaves half."""
    tuning = RewardTuning(4.0, 1, draws=2048, batch_size=1024, steps=100, learning_rate=0.01)
    before, after = tuned(1.0, tuning)
    assert before.departure < 1e-12 and before.params["params"]["mean"] == 0
    # Of 2048 draws, with weights: an error of about 0.02, halved as the mean is.
    assert float(after.params["params"]["mean"][0]) == pytest.approx(0.125, abs=0.04)
    assert after.departure > 1e-4 and after.draws.shape == (2048, 1)
    assert np.array_equal(after.rewards, after.draws[:, 0])


@pytest.mark.slow
def test_a_reward_that_is_not_finite_stops_the_tuning() -> None:
    small = RewardTuning(rounds=1, draws=8, batch_size=4)
    with pytest.raises(FloatingPointError, match="finite rewards, got others in round 0"):
        tuned(0.0, small, lambda x: np.full(len(x), np.nan))


def test_a_batch_larger_than_the_draws_is_refused() -> None:
    with pytest.raises(InputError, match="expected a batch_size from 1 to the 8 draws"):
        RewardTuning(draws=8, batch_size=9)
