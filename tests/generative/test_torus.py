"""Wrapped-Gaussian diffusion on the torus, against sums over images and closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from galgen.generative import (
    Bridge,
    Churn,
    Heun,
    NoisePrediction,
    OptimalAssignment,
    ProductPath,
    Sampler,
    TorusDiffusion,
    VariancePreserving,
)
from galgen.geometry import PeriodicBox
from galgen.types import Batch

PATH = TorusDiffusion()


def log_theta(d: np.ndarray, sigma: float) -> np.ndarray:
    """log sum_m exp(-(d + m)^2 / 2 sigma^2), in float64, far more images than needed."""
    m = np.arange(-40, 41)
    return np.logaddexp.reduce(-((d[..., None] + m) ** 2) / (2 * sigma**2), axis=-1)


@pytest.mark.parametrize("t", [0.0, 0.1, 0.3, 0.6, 1.0])
def test_noise_is_the_wrapped_score(t: float) -> None:
    """noise = -sigma d/dx log K, by numerical differentiation of the theta function."""
    base = PATH.sample_base(jax.random.key(0), (1, 200, 3))
    data = jax.random.uniform(jax.random.key(1), (1, 200, 3))
    x = PATH.interpolate(base, data, jnp.array([t]))
    sigma = float(PATH.sigma(jnp.array(t)))
    d = np.asarray(sigma * base, np.float64)
    h = 1e-5 * sigma
    numerical = (log_theta(d - h, sigma) - log_theta(d + h, sigma)) / (2 * h) * sigma
    noise = np.asarray(PATH.sample(jax.random.key(2), base, data, jnp.array([t]))[1].noise)
    assert np.allclose(noise, numerical, atol=2e-4)
    from_data = PATH.ends_from_data(data, x, jnp.array([t])).noise
    assert np.allclose(from_data, noise, atol=2e-6 / sigma + 1e-5), "known from x_t and the data"
    assert np.allclose(PeriodicBox().displacement(data, x), d - np.round(d), atol=1e-5)
    if t == 1.0:
        assert np.allclose(noise, base, atol=1e-4), "unwrapped where noise is small"


def test_velocity_is_the_time_derivative() -> None:
    base = PATH.sample_base(jax.random.key(0), (5, 40, 3))
    data = jax.random.uniform(jax.random.key(1), (5, 40, 3))
    t, h = jnp.linspace(0.1, 0.9, 5), 1e-3
    earlier, later = (PATH.interpolate(base, data, t + s) for s in (-h, h))
    rate = PeriodicBox().displacement(earlier, later) / (2 * h)
    assert np.allclose(rate, PATH.velocity(base, data, t), atol=5e-3)


def test_start_is_exactly_uniform_and_noise_fills_the_box() -> None:
    start = np.asarray(PATH.sample_start(jax.random.key(0), (20_000, 3)))
    assert all(stats.kstest(start[:, axis], "uniform").pvalue > 1e-3 for axis in range(3))
    base = PATH.sample_base(jax.random.key(1), (20_000, 1))
    x = PATH.interpolate(base, jnp.full((20_000, 1), 0.9), jnp.zeros(20_000))
    distance = stats.kstest(np.asarray(x)[:, 0], "uniform").statistic
    assert distance < 0.0144 / np.pi + 1.6 / np.sqrt(20_000)


def test_renoised_states_have_the_law_of_their_time() -> None:
    """x_s from x_t by renoise is distributed as x_s from the data: widths add in quadrature."""
    number = 40_000
    base = PATH.sample_base(jax.random.key(0), (number, 1))
    data = jnp.full((number, 1), 0.98)
    t, s = jnp.array(0.7), jnp.array(0.4)
    x = PATH.interpolate(base, data, jnp.full(number, t))
    earlier = PATH.renoise(jax.random.key(1), x, t, s)
    d = np.asarray(PeriodicBox().displacement(data, earlier))[:, 0]
    assert stats.kstest(d / float(PATH.sigma(s)), "norm").pvalue > 1e-3


def wrapped_gaussian_denoiser(width: float, centre: float):
    """The exact noise for data from a wrapped Gaussian: x_t has width sqrt(width^2 + sigma^2)."""

    def denoiser(x, t, mask, condition):
        sigma = PATH.sigma(t)[:, None]
        total = jnp.sqrt(width**2 + sigma**2)
        d = PeriodicBox().displacement(jnp.full_like(x, centre), x)
        images = d[..., None] + jnp.arange(-4, 5)
        weight = jax.nn.softmax(-0.5 * (images / total[..., None]) ** 2, axis=-1)
        return jnp.sum(weight * images, axis=-1) * sigma / total**2

    return denoiser


@pytest.mark.parametrize("step", [Heun(), Churn(Heun())])
def test_uniform_is_carried_to_a_wrapped_gaussian(step) -> None:
    """Across the face of the box, with and without fresh noise."""
    width, centre = 0.07, 0.97
    bridge = Bridge(PATH, prediction=NoisePrediction())
    draw = Sampler(step, 64)(
        bridge.flow(wrapped_gaussian_denoiser(width, centre)), jax.random.key(0), (20_000, 2)
    )
    d = np.asarray(PeriodicBox().displacement(jnp.full_like(draw.x, centre), draw.x))
    assert d.mean() == pytest.approx(0.0, abs=1.5e-3)
    assert d.std() == pytest.approx(width, rel=0.02)


def test_the_loss_is_least_for_the_exact_noise() -> None:
    width, centre = 0.07, 0.97
    data = jnp.mod(centre + width * jax.random.normal(jax.random.key(0), (4_000, 2)), 1.0)
    bridge = Bridge(PATH, prediction=NoisePrediction())
    exact = wrapped_gaussian_denoiser(width, centre)
    loss = jax.jit(lambda s: bridge.loss(lambda *a: s * exact(*a), jax.random.key(1), Batch(data)))
    assert loss(1.0) < min(loss(0.9), loss(1.1))


def test_marks_diffuse_beside_positions() -> None:
    path = ProductPath((PATH, VariancePreserving()), (3, 1))
    start = path.sample_start(jax.random.key(0), (8, 500, 4))
    assert start[..., :3].min() >= 0 and start[..., :3].max() < 1
    assert float(start[..., 3].std()) == pytest.approx(1.0, abs=0.05)
    back = path.renoise(jax.random.key(1), start, jnp.array(1.0), jnp.array(0.0))
    assert float(back[..., 3].std()) == pytest.approx(1.0, abs=0.05)
    assert not np.allclose(back[..., :3], start[..., :3], atol=0.1)


def test_errors_name_the_remedy() -> None:
    with pytest.raises(ValueError, match=r"sigma_max of at least 0\.4"):
        TorusDiffusion(sigma_max=0.1)
    x = jnp.zeros((1, 4, 3))
    with pytest.raises(ValueError, match=r"use Independent\(\)"):
        OptimalAssignment()(jax.random.key(0), PATH, x, x, None)
