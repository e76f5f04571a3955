"""Samplers against flows whose answer is known in closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from galgen.generative import (
    Bridge,
    Churn,
    DataPrediction,
    Euler,
    Heun,
    LinearPath,
    NoisePrediction,
    ProductPath,
    Sampler,
    TorusGeodesic,
    VariancePreserving,
    VelocityPrediction,
)

MEAN, SCALE = 1.5, 0.4


def gaussian_denoiser(path, prediction):
    """The exact network for data ~ N(MEAN, SCALE^2) from a standard normal base.

    x_t ~ N(alpha m, alpha^2 s^2 + sigma^2), and E[x_1 | x_t] is the linear regression on x_t.
    """

    def denoiser(x, t, mask, condition):
        alpha, sigma = path.coefficients(t.reshape(-1, *(1,) * (x.ndim - 1)))
        variance = alpha**2 * SCALE**2 + sigma**2
        data = MEAN + alpha * SCALE**2 / variance * (x - alpha * MEAN)
        noise = sigma / variance * (x - alpha * MEAN)
        if isinstance(prediction, VelocityPrediction):
            alpha_rate, sigma_rate = path.rates(t.reshape(alpha.shape))
            return alpha_rate * data + sigma_rate * noise
        return data if isinstance(prediction, DataPrediction) else noise

    return denoiser


@pytest.mark.parametrize("path", [LinearPath(), VariancePreserving(-12.0, 12.0)])
@pytest.mark.parametrize("prediction", [VelocityPrediction(), NoisePrediction(), DataPrediction()])
def test_gaussian_to_gaussian(path, prediction) -> None:
    bridge = Bridge(path, prediction=prediction)
    sampler = Sampler(Heun(), 64)
    draws = sampler(bridge, gaussian_denoiser(path, prediction), jax.random.key(0), (20_000, 2))
    assert np.allclose(draws.x.mean(axis=0), MEAN, atol=0.015)
    assert np.allclose(draws.x.std(axis=0), SCALE, rtol=0.03)
    assert draws.evaluations == 128


@pytest.mark.parametrize(("step", "order"), [(Euler(), 1), (Heun(), 2)])
def test_order_of_convergence(step, order) -> None:
    # The exact flow carries x_0 to MEAN + SCALE x_0 (both ends Gaussian, the map is monotone).
    path = LinearPath()
    bridge, denoiser = Bridge(path), gaussian_denoiser(LinearPath(), VelocityPrediction())
    errors = []
    for steps in (8, 16, 32):
        draw = Sampler(step, steps)(bridge, denoiser, jax.random.key(0), (500, 1), trajectory=True)
        assert draw.trajectory is not None
        errors.append(float(jnp.abs(draw.x - (MEAN + SCALE * draw.trajectory[0])).mean()))
    measured = np.log2(np.array(errors[:-1]) / errors[1:])
    assert measured[-1] == pytest.approx(order, abs=0.25)


def test_torus_steps_are_geodesic_and_padding_stays_zero() -> None:
    bridge = Bridge(ProductPath((TorusGeodesic(), LinearPath()), (3, 1)))
    drift = jnp.array([2.3, -1.7, 0.0, 1.0])
    mask = jnp.arange(6)[None] < jnp.array([[6], [4]])
    draw = Sampler(Heun(), 5)(
        bridge,
        lambda x, t, mask, condition: jnp.broadcast_to(drift, x.shape),
        jax.random.key(0),
        (2, 6, 4),
        mask,
        trajectory=True,
    )
    assert draw.trajectory is not None and draw.trajectory.shape == (6, 2, 6, 4)
    expected = draw.trajectory[0] + drift
    expected = expected.at[..., :3].set(expected[..., :3] % 1)
    real = np.asarray(mask)
    gap = np.abs(np.asarray(draw.x - expected)[real])
    assert np.all(np.minimum(gap, np.abs(1 - gap)) < 1e-5)
    assert np.all(np.asarray(draw.x)[~real] == 0)
    assert np.all((draw.x[..., :3] >= 0) & (draw.x[..., :3] < 1))


def test_no_steps_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one step"):
        Sampler(steps=0)
    with pytest.raises(ValueError, match="positive lateness"):
        Sampler(lateness=0.0)


def test_late_times_are_finer_and_reach_the_end() -> None:
    times = Sampler(steps=10, lateness=2.0).times
    assert times[0] == 0 and times[-1] == 1 and np.all(np.diff(np.diff(times)) < 0)
    path = LinearPath()
    sampler = Sampler(Heun(), 32, 1.5)
    denoiser = gaussian_denoiser(path, VelocityPrediction())
    draw = sampler(Bridge(path), denoiser, jax.random.key(0), (500, 1), trajectory=True)
    assert draw.trajectory is not None
    assert np.allclose(draw.x, MEAN + SCALE * draw.trajectory[0], atol=5e-3)


@pytest.mark.parametrize("path", [LinearPath(), VariancePreserving(-12.0, 12.0)])
@pytest.mark.parametrize(("step", "steps"), [(Churn(Heun()), 128), (Churn(Euler(), 0.5), 512)])
def test_churn_keeps_the_marginals(path, step, steps) -> None:
    prediction = NoisePrediction()
    bridge = Bridge(path, prediction=prediction)
    draws = Sampler(step, steps)(
        bridge, gaussian_denoiser(path, prediction), jax.random.key(0), (20_000, 2)
    )
    assert np.allclose(draws.x.mean(axis=0), MEAN, atol=0.02)
    assert np.allclose(draws.x.std(axis=0), SCALE, rtol=0.04)
    assert draws.evaluations == steps * step.evaluations


def test_churn_forgets_a_wrong_start() -> None:
    """A start twice too wide stays too wide without fresh noise, and is mended by it."""
    path = VariancePreserving(-12.0, 12.0)
    denoiser = gaussian_denoiser(path, NoisePrediction())

    class Wrong(VariancePreserving):
        def sample_start(self, key, shape):
            return 2.0 * super().sample_start(key, shape)

    bridge = Bridge(Wrong(-12.0, 12.0), prediction=NoisePrediction())
    widths = [
        float(Sampler(step, 64)(bridge, denoiser, jax.random.key(0), (5_000, 1)).x.std())
        for step in (Heun(), Churn(Heun()))
    ]
    assert widths[0] == pytest.approx(2 * SCALE, rel=0.05)
    assert widths[1] == pytest.approx(SCALE, rel=0.05)


def test_churn_needs_a_path_with_noise() -> None:
    with pytest.raises(ValueError, match="stochastic sampler"):
        Sampler(Churn(), 2)(Bridge(TorusGeodesic()), lambda x, *_: x, jax.random.key(0), (2, 5, 3))
    with pytest.raises(ValueError, match="amount of 0 or more"):
        Churn(amount=-1.0)
