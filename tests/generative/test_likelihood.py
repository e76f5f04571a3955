"""Likelihoods against densities that are known, and against one another."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from galgen.data.toys import EightGaussians
from galgen.generative.models.bridge import Bridge
from galgen.generative.objectives.prediction import NoisePrediction
from galgen.generative.paths.affine import LinearPath, TrigonometricPath, VariancePreserving
from galgen.generative.paths.base import Empirical, Uniform
from galgen.generative.paths.noise_schedule import LinearSchedule
from galgen.generative.paths.product import ProductPath
from galgen.generative.paths.torus import TorusDiffusion, TorusGeodesic
from galgen.generative.sampling.likelihood import ExactDivergence, Hutchinson, Likelihood
from galgen.generative.sampling.ode import EULER, HEUN, RK4, AdaptiveSteps, FixedSteps, RungeKutta
from galgen.masking import masked_mean
from galgen.serialization import from_json, to_json

jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
KEY = jax.random.key(0)


def gaussian(path, dimensions):
    """``(denoiser, mean, covariance, slope)`` for data ~ N(mean + slope condition, covariance).

    E[noise | x_t] = sigma (alpha^2 C + sigma^2)^-1 (x_t - alpha m), and x_1 follows from x_t.
    """
    rng = np.random.default_rng(1)
    mixing = rng.normal(size=(dimensions, dimensions)) / np.sqrt(dimensions)
    covariance = mixing @ mixing.T + 0.3 * np.eye(dimensions)
    values, vectors = (jnp.asarray(a, jnp.float32) for a in np.linalg.eigh(covariance))
    mean, slope = rng.normal(size=dimensions), rng.normal(size=(dimensions, 2))
    center, tilt = jnp.asarray(mean, jnp.float32), jnp.asarray(slope, jnp.float32)

    def denoiser(x, t, mask, condition):
        (alpha, sigma), rates = path.coefficients(t[:, None]), path.rates(t[:, None])
        m = center if condition is None else center + condition @ tilt.T
        gap = (x.reshape(len(x), -1) - alpha * m) @ vectors
        gap = gap / (alpha**2 * values + sigma**2)
        data = m + (alpha * values * gap) @ vectors.T
        return (rates[0] * data + rates[1] * (sigma * gap) @ vectors.T).reshape(x.shape)

    return denoiser, mean, covariance, slope


@pytest.mark.parametrize(
    ("path", "solver"),
    [
        (LinearPath(), AdaptiveSteps(1e-6, 1e-6)),
        (VariancePreserving(schedule=LinearSchedule(-20.0, 20.0)), FixedSteps(128)),
    ],
)
def test_gaussians_and_their_derivatives(path, solver) -> None:
    denoiser, mean, covariance, slope = gaussian(path, 3)
    likelihood = Likelihood(ExactDivergence(), solver)
    rng = np.random.default_rng(0)
    condition = rng.normal(size=(6, 2)).astype(np.float32)
    x = (mean + condition @ slope.T + rng.normal(size=(6, 3))).astype(np.float32)

    def total(x, condition):
        found = likelihood(Bridge(path).flow(denoiser), KEY, x, None, condition)
        return jnp.sum(found.value), found

    ((score, response), found) = jit(jax.grad(total, (0, 1), has_aux=True))(x, condition)
    gap = x - mean - condition @ slope.T
    truth = stats.multivariate_normal.logpdf(gap, cov=covariance)
    assert np.allclose(found.value, truth, rtol=0, atol=3e-4)  # 1e-4 nats per dimension
    pull = np.linalg.solve(covariance, gap.T).T
    assert np.allclose(score, -pull, atol=1e-3)
    assert np.allclose(response, pull @ slope, atol=2e-3)
    assert np.all(found.error == 0)


def mixture(path):
    """The exact velocity towards eight Gaussians, for points in the plane."""
    toy = EightGaussians()

    def denoiser(x, t, mask, condition):
        time = t.reshape(-1, *(1,) * x.ndim)
        (alpha, sigma), rates = path.coefficients(time), path.rates(time)
        variance = alpha**2 * toy.std**2 + sigma**2
        gap = x[..., None, :] - alpha * toy.centres.astype(x.dtype)
        logits = -jnp.sum(gap**2, axis=-1, keepdims=True) / (2 * variance)
        weight = jax.nn.softmax(logits, axis=-2)
        data = toy.centres.astype(x.dtype) + alpha * toy.std**2 / variance * gap
        velocity = rates[0] * data + rates[1] * sigma / variance * gap
        return jnp.sum(weight * velocity, axis=-2)

    return denoiser


@pytest.mark.parametrize(
    ("path", "method", "order", "figure"),
    [
        (LinearPath(), EULER, 1, 5.8e-2),
        (TrigonometricPath(), HEUN, 2, 2.1e-3),
        (TrigonometricPath(), RK4, 4, 6.2e-7),
    ],
)
def test_eight_gaussians_by_number_of_steps(path, method, order, figure) -> None:
    """Mean absolute error of log p at 50 and 100 steps, in float64; a prototype had ``figure``."""
    errors = []
    with jax.enable_x64(True):
        x = EightGaussians().sample(np.random.default_rng(0), 200).astype(np.float64)
        for steps in (50, 100):
            likelihood = Likelihood(ExactDivergence(), FixedSteps(steps, method))
            found = jit(functools.partial(likelihood, Bridge(path).flow(mixture(path))))(KEY, x)
            errors.append(np.abs(found.value - EightGaussians().log_density(x)).mean())
    assert errors[0] == pytest.approx(figure, rel=0.2)
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.2)


def test_cloud_of_independent_points_is_the_sum_over_real_points() -> None:
    x = EightGaussians().sample(np.random.default_rng(0), 20 * 4).reshape(20, 4, 2)
    mask = np.arange(4) < 1 + np.arange(20)[:, None] % 4
    truth = np.sum(EightGaussians().log_density(x) * mask, axis=1)
    bridge, denoiser = Bridge(LinearPath()), mixture(LinearPath())
    full = Likelihood(ExactDivergence(), FixedSteps(32))
    exact = jit(functools.partial(full, bridge.flow(denoiser)))(KEY, x, mask)
    assert np.allclose(exact.value, truth, atol=1e-3)
    assert np.all(np.asarray(exact.start)[~mask] == 0)
    random = Likelihood(Hutchinson(64), FixedSteps(32))
    estimate = jit(functools.partial(random, bridge.flow(denoiser)))(KEY, x, mask)
    pull = (estimate.value - truth) / jnp.sqrt(jnp.mean(estimate.error**2))
    assert np.sqrt(np.mean(pull**2)) == pytest.approx(1.0, abs=0.5)


def test_random_probes_are_unbiased_and_know_their_error() -> None:
    path = LinearPath()
    denoiser, mean, covariance, _ = gaussian(path, 6)
    x = np.random.default_rng(0).multivariate_normal(mean, covariance, 1500).astype(np.float32)
    likelihood = Likelihood(Hutchinson(16), FixedSteps(8))
    clouds = x.reshape(-1, 3, 2)
    found = jit(functools.partial(likelihood, Bridge(path).flow(denoiser)))(KEY, clouds)
    # The steps' own error is common to both; what is tested is that of the probes.
    exact = Likelihood(ExactDivergence(), FixedSteps(8))
    truth = jit(functools.partial(exact, Bridge(path).flow(denoiser)))(KEY, clouds).value
    pull = (found.value - truth) / jnp.sqrt(jnp.mean(found.error**2))
    assert found.error.mean() > 0.1
    assert abs(pull.mean()) < 4 / np.sqrt(len(x))
    assert np.mean(pull**2) == pytest.approx(1.0, abs=0.15)


def interacting(x, t, mask, condition):
    """A smooth field that couples the points of a cloud, and ignores padding."""
    center = masked_mean(x, mask, 1)[:, None]
    wave = jnp.sin(2.0 * x[..., ::-1] + center + t[:, None, None])
    return wave + 0.5 * jnp.tanh(condition[:, None] * (x - center))


@pytest.mark.parametrize(
    ("divergence", "solver"),
    [
        (Hutchinson(4), FixedSteps(4, EULER)),
        (ExactDivergence(), AdaptiveSteps()),
    ],
)
def test_padding_never_speaks(divergence, solver) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 3, 2)).astype(np.float32)
    condition = rng.normal(size=(2, 2)).astype(np.float32)
    mask = np.array([[True] * 3, [True] * 2 + [False]])
    padded = np.concatenate([x, np.full((2, 4, 2), np.nan, np.float32)], axis=1)
    padded[~np.pad(mask, ((0, 0), (0, 4)))] = np.nan
    likelihood = Likelihood(divergence, solver)

    def total(x, condition, mask):
        found = likelihood(Bridge(LinearPath()).flow(interacting), KEY, x, mask, condition)
        return jnp.sum(found.value), found

    if isinstance(solver, FixedSteps):
        call = jit(jax.value_and_grad(total, (0, 1), has_aux=True))
    else:
        call = jit(lambda *args: (total(*args), (jnp.zeros_like(args[0]), args[1])))
    (_, found), (score, response) = call(x, condition, mask)
    (_, other), (wide_score, wide_response) = call(
        padded, condition, np.pad(mask, ((0, 0), (0, 4)))
    )
    assert np.allclose(found.value, other.value, atol=2e-6)
    assert np.allclose(found.error, other.error, atol=2e-6)
    assert np.array_equal(found.evaluations, other.evaluations)
    assert np.allclose(score, wide_score[:, :3], atol=1e-5)
    assert np.allclose(response, wide_response, atol=1e-5)
    assert np.all(wide_score[:, 3:] == 0) and np.all(score[1, 2] == 0)


def moving_wave(x, t, mask, condition, amplitude=0.25, center=0.3, drift=2.3):
    """v = w + a sin(2 pi (x - c - w t)): each column on its own."""
    phase = 2 * jnp.pi * (x - center - drift * t.reshape(-1, *(1,) * (x.ndim - 1)))
    return drift + amplitude * jnp.sin(phase)


def moving_wave_log_density(x, amplitude=0.25, center=0.3, drift=2.3):
    """In the moving frame tan(pi y) grows as exp(2 pi a t), from uniform y."""
    angle = np.pi * (np.asarray(x, np.float64) - center - drift)
    shrink = np.exp(-2 * np.pi * amplitude)
    return np.log(shrink / (np.cos(angle) ** 2 + (shrink * np.sin(angle)) ** 2))


def test_flow_around_the_torus() -> None:
    """The flow goes twice around the box, and points cross its edge on the way."""
    grid = (np.arange(64, dtype=np.float32) + 0.5) / 64
    x = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2, 1)  # clouds of two points
    likelihood = Likelihood(ExactDivergence(), FixedSteps(48))

    @jit
    def call(x, center):
        field = functools.partial(moving_wave, center=center)
        return likelihood(Bridge(TorusGeodesic()).flow(field), KEY, x)

    found = call(x, 0.3)
    assert np.allclose(found.value, moving_wave_log_density(x).sum(axis=(1, 2)), atol=1e-4)
    assert np.mean(np.exp(found.value)) == pytest.approx(1.0, abs=1e-4)
    assert np.all((found.start >= 0) & (found.start < 1))
    moved = call((x + 0.45) % 1, 0.75)
    assert np.allclose(found.value, moved.value, atol=1e-5)
    gap = (moved.start - found.start - 0.45) % 1
    assert np.allclose(np.minimum(gap, 1 - gap), 0, atol=1e-5)


def test_wrapped_diffusion() -> None:
    """Data ~ wrapped N(m, s^2) under the exact score: log p is that of the wider wrapped normal."""
    mean, width = 0.9, 0.07
    path = TorusDiffusion(sigma_max=1.0, sigma_min=0.01)
    images = np.arange(-4, 5, dtype=np.float32)

    def noise(x, t, mask, condition):
        sigma = path.sigma(t)[:, None]

        def log_density(x):
            squared = (x[..., None] - mean + images) ** 2 / (width**2 + sigma[..., None] ** 2)
            return jnp.sum(jax.nn.logsumexp(-0.5 * squared, axis=-1))

        return -sigma * jax.grad(log_density)(x)

    x = np.linspace(0.0, 0.99, 100, dtype=np.float32)[:, None]
    bridge = Bridge(path, prediction=NoisePrediction())
    likelihood = Likelihood(ExactDivergence(), FixedSteps(64))
    found = jit(functools.partial(likelihood, bridge.flow(noise)))(KEY, x)
    std = np.hypot(width, path.sigma_min)
    truth = np.log(stats.norm.pdf(x - mean + images, scale=std).sum(axis=-1))
    near = truth > -8
    assert near.sum() > 40
    assert np.allclose(found.value[near], truth[near], atol=2e-3)


def test_density_of_any_flow_integrates_to_one() -> None:
    keys = jax.random.split(jax.random.key(3), 3)
    first, last = (jax.random.normal(k, (2, 16)) for k in keys[:2])
    offset = jax.random.normal(keys[2], (16,))

    def swirl(x, t, mask, condition):
        return 0.2 * jnp.tanh(x @ first + offset + t[:, None]) @ last.T

    axis = np.linspace(-9, 9, 100, dtype=np.float32)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    likelihood = Likelihood(ExactDivergence(), FixedSteps(8))
    found = jit(functools.partial(likelihood, Bridge(LinearPath()).flow(swirl)))(KEY, grid)
    density = np.exp(found.value)
    assert density.sum() * (axis[1] - axis[0]) ** 2 == pytest.approx(1.0, abs=1e-3)
    assert np.abs(found.value - stats.norm.logpdf(grid).sum(axis=-1)).max() > 0.5


def test_adaptive_steps_are_those_of_the_example_alone() -> None:
    """Beside an example that needs far finer steps, the others' are what they were."""

    def oscillating(x, t, mask, condition):
        return jnp.sin(condition * t[:, None]) * x[:, ::-1] + jnp.cos(x)

    x = np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)
    rough = np.array([[2.0], [2.0], [300.0], [2.0], [2.0]], np.float32)
    likelihood = Likelihood()

    @jit
    def call(x, condition):
        return likelihood(Bridge(LinearPath()).flow(oscillating), KEY, x, None, condition)

    beside, calm = call(x, rough), call(x, np.full((5, 1), 2.0, np.float32))
    assert beside.evaluations[2] > 5 * calm.evaluations[2]
    for ours, theirs in zip(jax.tree.leaves(beside), jax.tree.leaves(calm), strict=True):
        assert np.array_equal(np.delete(ours, 2, axis=0), np.delete(theirs, 2, axis=0))


@pytest.mark.parametrize("solver", [FixedSteps(7, HEUN), AdaptiveSteps()])
def test_evaluations_are_those_made(solver) -> None:
    made = []

    def counted(x, t, mask, condition):
        jax.debug.callback(lambda _: made.append(1), t)
        return jnp.sin(5 * x + t[:, None])

    likelihood = Likelihood(ExactDivergence(), solver)
    found = jit(functools.partial(likelihood, Bridge(LinearPath()).flow(counted)))(
        KEY, np.ones((1, 2), np.float32)
    )
    jax.effects_barrier()
    assert found.evaluations.shape == (1,)
    assert found.evaluations[0] == len(made) > 10


def test_log_density_of_the_start() -> None:
    x = np.random.default_rng(0).uniform(size=(3, 4, 5))
    x = jnp.asarray(x, jnp.float32)
    mask = jnp.arange(4) < jnp.array([[4], [2], [0]])
    normal = np.sum(stats.norm.logpdf(x) * mask[..., None], axis=1)
    assert np.allclose(LinearPath().log_start(x, mask), normal.sum(axis=-1), atol=1e-5)
    both = ProductPath((TorusGeodesic(), LinearPath()), (3, 2))
    assert np.allclose(both.log_start(x, mask), normal[:, 3:].sum(axis=-1), atol=1e-5)
    assert np.array_equal(TorusDiffusion().log_start(x, mask), np.zeros(3))
    outside = x + jnp.array([0.0, 0.0, 5.0])[:, None, None]
    assert np.array_equal(LinearPath(Uniform()).log_start(outside, mask), np.zeros(3))
    assert LinearPath(Uniform()).log_start(outside, None)[2] == -np.inf


def test_base_without_a_density() -> None:
    path = LinearPath(Empirical(((0.0, 1.0), (2.0, 3.0))))
    likelihood = Likelihood(ExactDivergence(), FixedSteps(1, EULER))
    with pytest.raises(ValueError, match="base with a density"):
        likelihood(Bridge(path).flow(lambda x, *_: x), KEY, jnp.zeros((2, 2)))


def test_settings_read_back_equal_and_errors_say_what_to_do() -> None:
    likelihood = Likelihood(Hutchinson(4), FixedSteps(8, HEUN))
    assert from_json(to_json(likelihood)) == likelihood
    assert from_json(to_json(Likelihood())) == Likelihood()
    for make, message in (
        (lambda: RungeKutta(((), ()), (0.5, 0.5)), "one entry per row before it"),
    ):
        with pytest.raises(ValueError, match=message):
            make()
