"""Samplers against flows whose answer is known in closed form."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from galgen.generative import (
    DDIM,
    Bridge,
    Churn,
    DataPrediction,
    DPMSolver,
    Euler,
    Heun,
    LinearPath,
    LinearSchedule,
    NoisePrediction,
    ProductPath,
    Sampler,
    TorusDiffusion,
    TorusGeodesic,
    VariancePreserving,
    VelocityPrediction,
)

MEAN, SCALE = 1.5, 0.4
jit = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


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


@pytest.mark.parametrize("path", [LinearPath(), VariancePreserving(LinearSchedule(-12.0, 12.0))])
@pytest.mark.parametrize("prediction", [VelocityPrediction(), NoisePrediction(), DataPrediction()])
def test_gaussian_to_gaussian(path, prediction) -> None:
    bridge = Bridge(path, prediction=prediction)
    sampler = Sampler(Heun(), 64)
    draws = sampler(
        bridge.flow(gaussian_denoiser(path, prediction)), jax.random.key(0), (20_000, 2)
    )
    assert np.allclose(draws.x.mean(axis=0), MEAN, atol=0.015)
    assert np.allclose(draws.x.std(axis=0), SCALE, rtol=0.03)
    assert draws.evaluations == 128


def exact_flow(path, start):
    """Where the probability flow carries ``start``: every x_t is Gaussian, and keeps its rank."""
    (alpha, sigma), (alpha_end, sigma_end) = (path.coefficients(jnp.array(t)) for t in (0.0, 1.0))
    width, width_end = (
        jnp.sqrt((a * SCALE) ** 2 + s**2) for a, s in ((alpha, sigma), (alpha_end, sigma_end))
    )
    return alpha_end * MEAN + (start - alpha * MEAN) * width_end / width


ORDERS = {Euler(): 1, Heun(): 2, DDIM(): 1, DPMSolver(): 2}
GAUSSIAN = VariancePreserving(LinearSchedule(-6.0, 6.0))


@pytest.mark.parametrize(
    ("path", "prediction", "step"),
    [
        (GAUSSIAN, prediction, step)
        for prediction in (NoisePrediction(), DataPrediction())
        for step in ORDERS
    ]
    # In log-SNR the ends of a linear path are infinitely far: no DPM-Solver++.
    + [(LinearPath(), VelocityPrediction(), step) for step in (Euler(), Heun(), DDIM())],
)
def test_order_of_convergence(path, prediction, step) -> None:
    flow = Bridge(path, prediction=prediction).flow(gaussian_denoiser(path, prediction))

    def draw_in(steps):
        sampler = Sampler(step, steps)
        return jit(lambda key: sampler(flow, key, (500, 1), None, None, True))(jax.random.key(0))

    errors = []
    for steps in (32, 64):
        draw = draw_in(steps)
        errors.append(float(jnp.abs(draw.x - exact_flow(path, draw.trajectory[0])).mean()))
    assert np.log2(errors[0] / errors[1]) == pytest.approx(ORDERS[step], abs=0.25)


@pytest.mark.parametrize("eta", [0.5, 1.0])
def test_ancestral_steps_are_exact_for_one_point(eta: float) -> None:
    """With the data known, every state has the path's own marginal, in any number of steps."""
    path = VariancePreserving(LinearSchedule(-6.0, 6.0))
    bridge = Bridge(path, prediction=DataPrediction())

    def denoiser(x, t, mask, condition):
        return jnp.full_like(x, MEAN)

    # From the marginal at t=0, not from the standard normal that is near it.
    class Exact(VariancePreserving):
        def sample_start(self, key, shape):
            alpha, sigma = self.coefficients(jnp.array(0.0))
            return alpha * MEAN + sigma * super().sample_start(key, shape)

    bridge = Bridge(Exact(path.schedule), prediction=DataPrediction())
    flow = bridge.flow(denoiser)
    draw = Sampler(DDIM(eta), 4)(flow, jax.random.key(1), (40_000, 1), trajectory=True)
    assert draw.trajectory is not None
    alpha, sigma = path.coefficients(jnp.linspace(0.0, 1.0, 5))
    noise = np.asarray((draw.trajectory[..., 0] - (alpha * MEAN)[:, None]) / sigma[:, None])
    assert np.allclose(noise.mean(axis=1), 0, atol=0.02)
    assert np.allclose(noise.std(axis=1), 1, atol=0.02)
    kept = np.sqrt(1 - eta**2 * (1 - np.exp(-3.0)))  # log-SNR rises by 3 a step
    for before, after in itertools.pairwise(noise):
        assert np.corrcoef(before, after)[0, 1] == pytest.approx(kept, abs=0.02)


@pytest.mark.parametrize(
    ("step", "steps"), [(DDIM(1.0), 256), (DDIM(0.5), 128), (DPMSolver(), 24), (Churn(DDIM()), 256)]
)
def test_stochastic_and_multistep_marginals(step, steps) -> None:
    path, prediction = VariancePreserving(LinearSchedule(-10.0, 10.0)), NoisePrediction()
    bridge = Bridge(path, prediction=prediction)
    draws = Sampler(step, steps)(
        bridge.flow(gaussian_denoiser(path, prediction)), jax.random.key(0), (5_000, 2)
    )
    assert np.allclose(draws.x.mean(axis=0), MEAN, atol=0.02)
    assert np.allclose(draws.x.std(axis=0), SCALE, rtol=0.04)
    assert draws.evaluations == steps


@pytest.mark.parametrize("step", [DDIM(), DDIM(1.0), Churn(DDIM())])
def test_steps_on_the_torus_reach_a_wrapped_gaussian(step) -> None:
    """Data around one face of the box: the exact noise is that of a wider wrapped Gaussian."""
    path, centre, width = TorusDiffusion(sigma_min=2e-3), 0.02, 0.06
    bridge = Bridge(path, prediction=NoisePrediction())
    images = jnp.arange(-3.0, 4.0)

    def denoiser(x, t, mask, condition):
        sigma = path.sigma(t)[:, None]
        total = jnp.sqrt(sigma**2 + width**2)
        away = (x - centre - jnp.round(x - centre))[..., None] + images
        weight = jax.nn.softmax(-0.5 * (away / total[..., None]) ** 2, axis=-1)
        return jnp.sum(weight * away, axis=-1) * sigma / total**2

    draws = Sampler(step, 128)(bridge.flow(denoiser), jax.random.key(0), (10_000, 1))
    away = np.asarray(draws.x) - centre
    away = away - np.round(away)
    assert abs(away.mean()) < 0.003
    assert away.std() == pytest.approx(width, rel=0.05)
    assert np.all((draws.x >= 0) & (draws.x < 1))


def test_step_rules_refuse_paths_they_cannot_follow() -> None:
    def zero(x, *_):
        return jnp.zeros_like(x)

    torus = Bridge(TorusDiffusion(), prediction=NoisePrediction())
    with pytest.raises(ValueError, match="affine path for DPM-Solver"):
        Sampler(DPMSolver(), 2)(torus.flow(zero), jax.random.key(0), (2, 5, 3))
    with pytest.raises(ValueError, match="Gaussian noise for fresh noise"):
        Sampler(DDIM(1.0), 2)(Bridge(TorusGeodesic()).flow(zero), jax.random.key(0), (2, 5, 3))
    with pytest.raises(ValueError, match="without memory"):
        Churn(DPMSolver())


def test_torus_steps_are_geodesic_and_padding_stays_zero() -> None:
    bridge = Bridge(ProductPath((TorusGeodesic(), LinearPath()), (3, 1)))
    drift = jnp.array([2.3, -1.7, 0.0, 1.0])
    mask = jnp.arange(6)[None] < jnp.array([[6], [4]])
    draw = Sampler(Heun(), 5)(
        bridge.flow(lambda x, t, mask, condition: jnp.broadcast_to(drift, x.shape)),
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


def test_late_times_are_finer_and_reach_the_end() -> None:
    times = Sampler(steps=10, rho=2.0).times
    assert times[0] == 0 and times[-1] == 1 and np.all(np.diff(np.diff(times)) < 0)
    path = LinearPath()
    sampler = Sampler(Heun(), 32, 1.5)
    denoiser = gaussian_denoiser(path, VelocityPrediction())
    draw = sampler(Bridge(path).flow(denoiser), jax.random.key(0), (500, 1), trajectory=True)
    assert draw.trajectory is not None
    assert np.allclose(draw.x, MEAN + SCALE * draw.trajectory[0], atol=5e-3)


@pytest.mark.parametrize("path", [LinearPath(), VariancePreserving(LinearSchedule(-12.0, 12.0))])
@pytest.mark.parametrize(("step", "steps"), [(Churn(Heun()), 128), (Churn(Euler(), 0.5), 512)])
def test_churn_keeps_the_marginals(path, step, steps) -> None:
    prediction = NoisePrediction()
    bridge = Bridge(path, prediction=prediction)
    draws = Sampler(step, steps)(
        bridge.flow(gaussian_denoiser(path, prediction)), jax.random.key(0), (5_000, 2)
    )
    assert np.allclose(draws.x.mean(axis=0), MEAN, atol=0.02)
    assert np.allclose(draws.x.std(axis=0), SCALE, rtol=0.04)
    assert draws.evaluations == steps * step.evaluations


def test_churn_forgets_a_wrong_start() -> None:
    """A start twice too wide stays too wide without fresh noise, and is mended by it."""
    path = VariancePreserving(LinearSchedule(-12.0, 12.0))
    denoiser = gaussian_denoiser(path, NoisePrediction())

    class Wrong(VariancePreserving):
        def sample_start(self, key, shape):
            return 2.0 * super().sample_start(key, shape)

    bridge = Bridge(Wrong(LinearSchedule(-12.0, 12.0)), prediction=NoisePrediction())
    widths = [
        float(Sampler(step, 64)(bridge.flow(denoiser), jax.random.key(0), (5_000, 1)).x.std())
        for step in (Heun(), Churn(Heun()))
    ]
    assert widths[0] == pytest.approx(2 * SCALE, rel=0.05)
    assert widths[1] == pytest.approx(SCALE, rel=0.05)


def test_churn_needs_a_path_with_noise() -> None:
    with pytest.raises(ValueError, match="stochastic sampler"):
        flow = Bridge(TorusGeodesic()).flow(lambda x, *_: x)
        Sampler(Churn(), 2)(flow, jax.random.key(0), (2, 5, 3))
