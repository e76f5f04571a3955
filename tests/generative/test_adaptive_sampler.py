"""The adaptive sampler against flows that are known, and against the likelihood's inverse."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from galgen.generative.models.bridge import Bridge
from galgen.generative.paths.affine import LinearPath
from galgen.generative.paths.product import ProductPath
from galgen.generative.paths.torus import TorusGeodesic
from galgen.generative.sampling.adaptive import AdaptiveSampler
from galgen.generative.sampling.likelihood import ExactDivergence, Likelihood
from galgen.generative.sampling.ode import AdaptiveSteps, FixedSteps
from galgen.generative.sampling.sampler import Heun, Sampler
from galgen.serialization import from_json, to_json

jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
KEY = jax.random.key(0)
MEAN, SCALE = 1.5, 0.4


def to_gaussian(x, t, mask, condition):
    """The exact velocity from N(0, 1) to N(MEAN, SCALE^2) along straight lines."""
    t = t[:, None]
    gap = (x - t * MEAN) / (t**2 * SCALE**2 + (1 - t) ** 2)
    return MEAN + (t * SCALE**2 - (1 - t)) * gap


def test_gaussian_to_gaussian_and_back() -> None:
    bridge = Bridge(LinearPath())
    sampler = AdaptiveSampler(AdaptiveSteps(1e-6, 1e-6), frames=5)

    @jit
    def draw(key):
        return sampler(bridge.flow(to_gaussian), key, (500, 2), trajectory=True)

    draws = draw(KEY)
    start = draws.trajectory[0]
    other = Sampler(Heun(), 1)(bridge.flow(to_gaussian), KEY, (500, 2), trajectory=True)
    assert np.allclose(start, other.trajectory[0], atol=1e-6)
    assert np.allclose(draws.x, MEAN + SCALE * start, atol=1e-4)
    # Between the ends x_t has mean t m and variance t^2 s^2 + (1 - t)^2, and quantiles are kept.
    t = np.linspace(0, 1, 5)[:, None, None]
    way = t * MEAN + np.sqrt(t**2 * SCALE**2 + (1 - t) ** 2) * np.asarray(start)
    assert draws.trajectory.shape == (5, 500, 2) and np.allclose(draws.trajectory, way, atol=1e-3)
    assert draws.evaluations.shape == (500,) and 20 < draws.evaluations.mean() < 200
    likelihood = Likelihood(ExactDivergence(), FixedSteps(32))
    back = jit(functools.partial(likelihood, bridge.flow(to_gaussian)))(KEY, draws.x)
    assert np.allclose(back.start, start, atol=3e-4)


def test_motion_on_the_torus_is_geodesic_and_padding_stays_zero() -> None:
    bridge = Bridge(ProductPath((TorusGeodesic(), LinearPath()), (3, 1)))
    drift = jnp.array([2.3, -1.7, 0.0, 1.0])
    mask = np.arange(6) < np.array([[6], [4]])

    def drifting(x, t, mask, condition):
        assert x.shape == (1, 6, 4) and mask.shape == (1, 6) and condition.shape == (1, 1)
        inside = (x[..., :3] >= 0) & (x[..., :3] < 1)
        return condition * jnp.where(jnp.all(inside), drift, jnp.nan) * jnp.ones_like(x)

    @jit
    def draw(key, mask, condition):
        return AdaptiveSampler()(bridge.flow(drifting), key, (2, 6, 4), mask, condition, True)

    draws = draw(KEY, mask, np.array([[1.0], [2.0]], np.float32))
    assert draws.trajectory.shape == (33, 2, 6, 4)
    expected = draws.trajectory[0] + jnp.array([1.0, 2.0])[:, None, None] * drift
    gap = np.abs(np.asarray(draws.x - expected))[mask]
    gap[:, :3] = np.abs(gap[:, :3] - np.round(gap[:, :3]))
    assert np.all(gap < 1e-5)
    assert np.all(np.asarray(draws.x)[~mask] == 0)
    assert np.all((draws.trajectory[..., :3] >= 0) & (draws.trajectory[..., :3] < 1))


def test_settings() -> None:
    sampler = AdaptiveSampler(AdaptiveSteps(1e-3, 1e-2), 9)
    assert from_json(to_json(sampler)) == sampler
