"""Classifier-free guidance, and the training that makes it possible."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from galgen.generative import Bridge, Guidance, Heun, LinearPath, NoisePrediction, Sampler
from galgen.types import Batch

X, T = jnp.ones((3, 2)), jnp.array([0.1, 0.5, 0.9])
CONDITION = jnp.array([[1.0], [2.0], [-1.0]])


def denoiser(x, t, mask, condition):
    """The condition itself; 10 where it is unknown."""
    return jnp.where(jnp.isnan(condition), 10.0, condition) * x


@pytest.mark.parametrize("scale", [0.0, 1.0, 3.0])
def test_extrapolates_from_the_unconditional_output(scale: float) -> None:
    guided = Guidance(scale)(denoiser)(X, T, None, CONDITION)
    assert np.allclose(guided, (10 + scale * (CONDITION - 10)) * X, atol=1e-5)


def test_acts_within_its_interval_only() -> None:
    guided = Guidance(3.0, (0.3, 0.7))(denoiser)(X, T, jnp.ones((3, 2), bool), CONDITION)
    assert np.allclose(guided[::2], CONDITION[::2] * X[::2])
    assert np.allclose(guided[1], 10 + 3 * (2 - 10))


def test_evaluations_count_twice_and_a_scale_of_one_is_the_model() -> None:
    bridge = Bridge(LinearPath())
    plain, guided = (
        Sampler(Heun(), 3, guidance=guidance)(
            bridge.flow(denoiser), jax.random.key(0), (3, 2), None, CONDITION
        )
        for guidance in (None, Guidance(1.0))
    )
    assert np.allclose(plain.x, guided.x, rtol=1e-4)
    assert (plain.evaluations, guided.evaluations) == (6, 12)


def test_conditions_are_dropped_whole_at_the_given_rate() -> None:
    seen = []

    def spy(x, t, mask, condition):
        seen.append(condition)
        return jnp.zeros_like(x)

    condition = jnp.ones((4000, 2))
    batch = Batch(jnp.ones((4000, 1)), None, condition)
    for rate in (0.0, 0.2):
        bridge = Bridge(LinearPath(), prediction=NoisePrediction(), condition_dropout=rate)
        bridge.loss(spy, jax.random.key(0), batch)
    assert np.array_equal(seen[0], condition)
    unknown = np.isnan(seen[1])
    assert np.array_equal(unknown[:, 0], unknown[:, 1])
    assert unknown.mean() == pytest.approx(0.2, abs=0.02)
    assert np.all(np.asarray(seen[1])[~unknown] == 1)


def test_errors() -> None:
    with pytest.raises(ValueError, match="expected a condition to guide towards"):
        Guidance(2.0)(denoiser)(X, T, None, None)
