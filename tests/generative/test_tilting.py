"""Tilting by a reward, and the anchor: against what is known in closed form for a normal law."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from galgen.generative import Bridge, LinearPath, NoisePrediction, Sampler, Times, TorusGeodesic
from galgen.generative.sampling.tilting import Anchored, tilted
from galgen.types import Batch

jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
draw_tilted = jit(tilted, static_argnames=("temperature", "groups"))
CENTRE, TEMPERATURE, NUMBER = 1.5, 2.0, 40_000
# exp(-(x - c)^2 / 2T) times a standard normal density is a normal one again.
VARIANCE = 1 / (1 + 1 / TEMPERATURE)
MEAN = VARIANCE * CENTRE / TEMPERATURE


class Middle(Times):
    """Every time is one half."""

    def quantile(self, u):
        return jnp.full_like(u, 0.5)


HALF_WAY = Bridge(LinearPath(), prediction=NoisePrediction(), times=Middle())


def affine(params):
    return lambda x, t, mask, condition: params[0] + params[1] * x


def noise_of_normal(mean: float, variance: float) -> np.ndarray:
    """a, b of E[noise | x] = a + b x at x = (noise + data) / 2, for normal data."""
    slope = 2 / (1 + variance)
    return np.array([-slope * mean / 2, slope])


def tilted_normal() -> Batch:
    x = jax.random.normal(jax.random.key(0), (NUMBER, 1))
    return draw_tilted(jax.random.key(1), Batch(x), -((x[:, 0] - CENTRE) ** 2) / 2, TEMPERATURE)


def test_a_tilted_normal_is_the_known_normal() -> None:
    x = np.asarray(tilted_normal().x)
    # Draws of unequal weight: an effective number of about half.
    assert x.mean() == pytest.approx(MEAN, abs=4 * np.sqrt(2 * VARIANCE / NUMBER))
    assert x.var() == pytest.approx(VARIANCE, abs=4 * VARIANCE * np.sqrt(4 / NUMBER))


def test_the_anchored_minimiser_lies_between_the_tilt_and_the_reference() -> None:
    """(f* + s f_0) / (1 + s), with f* the denoiser of the tilted law and f_0 of the first one."""
    reference, strength = noise_of_normal(0.0, 1.0), 1.5
    model = Anchored(HALF_WAY, HALF_WAY.flow(affine(jnp.asarray(reference))), strength)
    data = tilted_normal()

    @jit
    def minimiser(key):
        def loss(params):
            return model.loss(affine(params), key, data)

        start = jnp.zeros(2)
        return -jnp.linalg.solve(jax.hessian(loss)(start), jax.grad(loss)(start))

    expected = (noise_of_normal(MEAN, VARIANCE) + strength * reference) / (1 + strength)
    assert np.allclose(minimiser(jax.random.key(2)), expected, atol=0.015)
    assert np.all(np.abs(noise_of_normal(MEAN, VARIANCE) - reference) > 0.15), "else no test"


def test_equal_rewards_change_nothing() -> None:
    batch = Batch(
        jax.random.normal(jax.random.key(0), (12, 5, 3)),
        jax.random.bernoulli(jax.random.key(1), 0.7, (12, 5)),
        jax.random.normal(jax.random.key(2), (12, 2)),
    )
    same = draw_tilted(jax.random.key(3), batch, jnp.full(12, 7.0), 0.1, groups=3)
    for a, b in zip(jax.tree.leaves(same), jax.tree.leaves(batch), strict=True):
        assert np.array_equal(a, b)


def test_conditions_do_not_compete() -> None:
    """Each group keeps its size, and a reward that all its members share does not count."""
    condition = jnp.repeat(jnp.arange(3.0), 4)[:, None]
    batch = Batch(jnp.arange(12.0)[:, None], None, condition)
    reward = jnp.tile(jnp.array([0.0, 0.0, 50.0, 0.0]), 3) + 1000 * condition[:, 0]
    chosen = draw_tilted(jax.random.key(0), batch, reward, 1.0, groups=3)
    assert np.array_equal(chosen.condition, condition)
    assert np.array_equal(chosen.x[:, 0], np.repeat([2.0, 6.0, 10.0], 4))
    assert np.all(draw_tilted(jax.random.key(0), batch, reward, 1.0).x == 10.0)


def test_without_strength_it_is_the_bridge() -> None:
    """Value and gradient; and a reference has not departed from itself."""
    data, key = Batch(jax.random.normal(jax.random.key(0), (64, 1))), jax.random.key(1)
    params, first = jnp.array([0.3, 0.8]), HALF_WAY.flow(affine(jnp.array([0.0, 1.0])))
    free, held = Anchored(HALF_WAY, first, 0.0), Anchored(HALF_WAY, first, 3.0)

    @jit
    def measured(params):
        values = [
            jax.value_and_grad(lambda p, model=model: model.loss(affine(p), key, data))(params)
            for model in (HALF_WAY, free)
        ]
        departures = [held.departure(f, key, data) for f in (first, HALF_WAY.flow(affine(params)))]
        return *values, departures, held.loss(affine(params), key, data)

    plain, tuned, (still, away), anchored = jax.device_get(measured(params))
    assert np.array_equal(plain[0], tuned[0]) and np.array_equal(plain[1], tuned[1])
    assert still == 0 and away > 0.01
    assert anchored == pytest.approx(plain[0] + 3 * away, rel=1e-6)
    assert held.sampler_or_default(None) == Sampler()


def test_padding_never_speaks() -> None:
    x = jax.random.uniform(jax.random.key(0), (4, 9, 3))
    mask = jnp.arange(9)[None] < jnp.array([[9], [4], [1], [6]])
    bridge = Bridge(TorusGeodesic())
    model = Anchored(bridge, bridge.flow(affine(jnp.array([0.1, 0.2]))), 2.0)

    @jit
    def loss(data):
        return model.loss(affine(jnp.array([0.4, -0.3])), jax.random.key(1), Batch(data, mask))

    values = [loss(data) for data in (x, jnp.where(mask[..., None], x, jnp.nan))]
    assert np.isfinite(values[0]) and values[0] == values[1]


def test_refusals_name_the_remedy() -> None:
    batch = Batch(jnp.zeros((6, 2)))
    with pytest.raises(ValueError, match="expected a positive temperature, got 0"):
        tilted(jax.random.key(0), batch, jnp.zeros(6), 0.0)
    with pytest.raises(ValueError, match="expected groups that divide the batch of 6, got 4"):
        tilted(jax.random.key(0), batch, jnp.zeros(6), 1.0, groups=4)
