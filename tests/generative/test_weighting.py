"""One denoiser has one weighted loss, whatever its network outputs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from path_table import GAUSSIAN, PATHS, drawn
from scipy import integrate, special

from galgen.generative import (
    Bridge,
    DataPrediction,
    LinearPath,
    LogitNormalTimes,
    MinSNRWeighting,
    NoisePrediction,
    PreconditionedPrediction,
    ScorePrediction,
    SigmoidWeighting,
    SNRWeighting,
    TorusGeodesic,
    UniformTimes,
    VariancePreserving,
    VelocityPrediction,
)
from galgen.generative.objectives.weighting import mean_weight
from galgen.serialization import from_json, to_json
from galgen.types import Batch

WEIGHTINGS = [SNRWeighting(), MinSNRWeighting(), MinSNRWeighting(0.5), SigmoidWeighting(-1.0)]
EVERYWHERE = [VelocityPrediction(), NoisePrediction(), ScorePrediction()]
AFFINE_ONLY = [DataPrediction(), PreconditionedPrediction(0.8)]


@pytest.mark.parametrize(
    ("name", "weighting"),
    [
        ("variance preserving", SigmoidWeighting(-1.0)),
        ("linear", MinSNRWeighting(0.5)),
        ("diffusion product", MinSNRWeighting(0.5)),
    ],
)
def test_every_prediction_has_the_same_loss(name: str, weighting) -> None:
    path, times = PATHS[name], LogitNormalTimes(0.3, 0.7)
    _, data = drawn(path, name)
    batch = Batch(data, jnp.arange(7) < jnp.array([[7], [1], [3], [5], [6]]))
    predictions = EVERYWHERE + (AFFINE_ONLY if name in GAUSSIAN else [])

    def loss(prediction, batch):
        """Of one and the same guess of the noise, in the terms of each prediction."""

        def denoise(seen, t, mask, condition):
            # x itself, from what the network sees of it.
            x = seen / prediction.scale_input(path, jnp.ones_like(seen), t)
            ends = path.ends_from_noise(jnp.sin(3 * x) + t[:, None, None], x, t)
            return prediction.target(path, ends, t, jnp.ones((5, 1, 1)))

        bridge = Bridge(path, prediction=prediction, times=times, weighting=weighting)
        return bridge.loss(denoise, jax.random.key(1), batch)

    losses = jax.jit(lambda batch: [loss(one, batch) for one in predictions])(batch)
    assert losses[0] > 0.2
    assert np.allclose(losses, losses[0], rtol=2e-3)


@pytest.mark.parametrize("weighting", WEIGHTINGS, ids=str)
def test_the_loss_is_the_weighted_mean_of_the_noise_error(weighting) -> None:
    """Data at one point: noise is known, and an error of c(t) costs E[w c^2] / E[w]."""
    path, times = VariancePreserving(), UniformTimes()
    bridge = Bridge(path, prediction=NoisePrediction(), times=times, weighting=weighting)
    batch = Batch(jnp.full((4_000, 2), 0.7))

    def denoiser(x, t, mask, condition):
        alpha, sigma = (c[:, None] for c in path.coefficients(t))
        return (x - 0.7 * alpha) / sigma + t[:, None]

    def weight(t):
        log_snr = 18 * t - 8
        if isinstance(weighting, SigmoidWeighting):
            return special.expit(weighting.bias - log_snr)
        cap = weighting.gamma if isinstance(weighting, MinSNRWeighting) else np.inf
        # By the papers' definition, for the error of the data.
        return min(np.exp(log_snr), cap) * np.exp(-log_snr)

    found, nothing = jax.jit(
        lambda batch: [
            bridge.loss(network, jax.random.key(0), batch)
            for network in (denoiser, lambda x, *_: jnp.zeros_like(x))
        ]
    )(batch)
    total, norm = (integrate.quad(lambda t, n=n: weight(t) * t**n, 0, 1)[0] for n in (2, 0))
    assert found == pytest.approx(total / norm, rel=5e-3)
    assert mean_weight(weighting, path, times, batch.x) == pytest.approx(norm, rel=1e-3)
    assert nothing == pytest.approx(1.0, abs=0.08)


def test_weights_are_of_each_columns_own_noise() -> None:
    path = PATHS["diffusion product"]
    mean = mean_weight(MinSNRWeighting(), path, UniformTimes(), jnp.zeros((5, 7, 4)))
    parts = [
        mean_weight(MinSNRWeighting(), part, UniformTimes(), jnp.zeros((5, 7, 1)))
        for part in path.parts
    ]
    assert np.allclose(mean, [*np.repeat(parts[0], 3), *parts[1]], rtol=1e-5)
    assert not np.allclose(*parts, rtol=0.1)


@pytest.mark.parametrize("weighting", WEIGHTINGS, ids=str)
def test_weights_are_finite_at_both_ends_and_written(weighting) -> None:
    weight = weighting(jnp.array([-jnp.inf, -50.0, 0.0, 50.0, jnp.inf]))
    assert np.all(np.isfinite(weight) & (weight >= 0)) and weight[0] == 1
    assert from_json(to_json(weighting)) == weighting


def test_errors_name_the_remedy() -> None:
    for path in (TorusGeodesic(), PATHS["linear from uniform"], PATHS["interpolant"]):
        with pytest.raises(ValueError, match="Gaussian noise for a weighting"):
            Bridge(path, weighting=SNRWeighting())
    assert Bridge(LinearPath(), weighting=SNRWeighting()).weighting == SNRWeighting()
