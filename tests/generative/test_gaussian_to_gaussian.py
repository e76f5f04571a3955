"""The product of paths, predictions and samplers carries a Gaussian to a Gaussian.

The network is exact: for data ~ N(m, C) and noise ~ N(0, 1), x_t = alpha d + sigma n has the
covariance V = alpha² C + sigma², and E[d | x] = m + alpha C V^-1 (x - alpha m),
E[n | x] = sigma V^-1 (x - alpha m). Every prediction's output follows from these two.
"""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from path_table import GAUSSIAN

from galgen.generative import (
    DDIM,
    AdaptiveSampler,
    Bridge,
    Churn,
    DataPrediction,
    DPMSolver,
    Euler,
    Heun,
    NoisePrediction,
    PreconditionedPrediction,
    Sampler,
    ScorePrediction,
    VelocityPrediction,
)
from galgen.generative.paths.path import Ends

jit = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
MEAN = np.array([1.5, -0.5])
COVARIANCE = np.array([[0.5, 0.3], [0.3, 0.4]])
NUMBER = 4000
PREDICTIONS = [
    VelocityPrediction(),
    NoisePrediction(),
    DataPrediction(),
    ScorePrediction(),
    PreconditionedPrediction(0.7),
]
SAMPLERS = {
    # Along the exploding path, where noise falls from 80 to 0.002, Euler's error of the covariance
    # is 0.13 after 384 even steps and halves with their number.
    "Euler": Sampler(Euler(), 3000),
    "Heun": Sampler(Heun(), 48),
    "DDIM": Sampler(DDIM(), 192),
    "ancestral": Sampler(DDIM(1.0), 256),
    "DPM-Solver++": Sampler(DPMSolver(), 192),
    "churned Heun": Sampler(Churn(Heun()), 96),
    "adaptive": AdaptiveSampler(),
}
ENDLESS = ("linear", "trigonometric")
"""Log-SNR is infinite at their ends, and DPM-Solver++ takes even steps of it."""


def exact_denoiser(bridge):
    """What a perfect network outputs."""
    path, prediction = bridge.path, bridge.prediction

    def denoiser(seen, t, mask, condition):
        alpha, sigma = (c.astype(seen.dtype) for c in path.scales(t, seen))
        x = seen
        if isinstance(prediction, PreconditionedPrediction):
            x = seen * jnp.sqrt((alpha * prediction.std) ** 2 + sigma**2)
        covariance = jnp.asarray(COVARIANCE, x.dtype)
        total = (alpha**2)[..., None] * covariance + (sigma**2)[..., None] * jnp.eye(2)
        away = jnp.linalg.solve(total, (x - alpha * MEAN)[..., None])[..., 0]
        data = MEAN + alpha * (away @ covariance)
        return prediction.target(path, Ends(data, sigma * away), t, bridge.unit(x, mask))

    return denoiser


def combinations():
    for name, prediction, sampler in itertools.product(GAUSSIAN, PREDICTIONS, SAMPLERS):
        if sampler == "DPM-Solver++" and name in ENDLESS:
            continue
        yield pytest.param(
            name, prediction, sampler, id=f"{name}-{type(prediction).__name__}-{sampler}"
        )


@pytest.mark.slow
@pytest.mark.parametrize(("name", "prediction", "sampler"), list(combinations()))
def test_mean_and_covariance(name, prediction, sampler) -> None:
    bridge = Bridge(GAUSSIAN[name], prediction=prediction)
    denoiser = exact_denoiser(bridge)
    draw = jit(lambda key: SAMPLERS[sampler](bridge.flow(denoiser), key, (NUMBER, 2)).x)
    x = np.asarray(draw(jax.random.key(0)), np.float64)
    alpha, sigma = (float(c) for c in bridge.path.coefficients(jnp.array(1.0)))
    mean, covariance = alpha * MEAN, alpha**2 * COVARIANCE + sigma**2 * np.eye(2)
    variances = np.diag(covariance)
    error = np.sqrt(variances / NUMBER)
    assert np.all(np.abs(x.mean(axis=0) - mean) < 4 * error + 0.02)
    error = np.sqrt((np.outer(variances, variances) + covariance**2) / NUMBER)
    assert np.all(np.abs(np.cov(x.T) - covariance) < 4 * error + 0.02)
