"""Training by likelihood, where the best likelihood is known."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import stats

from galgen.generative.models.bridge import Bridge
from galgen.generative.models.continuous_flow import ContinuousFlow
from galgen.generative.paths.affine import LinearPath
from galgen.masking import masked_mean
from galgen.types import Batch

jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
KEY = jax.random.key(0)


class Linear(nn.Module):
    """v = A x + b + c condition: its flow carries the normal base to any Gaussian near it."""

    @nn.compact
    def __call__(self, x, t, mask, condition):
        return nn.Dense(2)(x) + nn.Dense(2, use_bias=False)(condition)


def test_training_finds_the_gaussian_of_greatest_likelihood() -> None:
    rng = np.random.default_rng(0)
    condition = rng.normal(size=(256, 1)).astype(np.float32)
    noise = rng.normal(size=(256, 2)) @ np.array([[0.6, 0.5], [0.0, 0.3]])
    x = (noise + np.array([1.0, -0.5]) + condition * np.array([0.3, 0.8])).astype(np.float32)
    batch = Batch(jnp.asarray(x), None, jnp.asarray(condition))
    # The maximum over all linear Gaussian models: least squares, and the covariance left over.
    regressors = np.concatenate([np.ones((256, 1)), condition], axis=1)
    left = x - regressors @ np.linalg.lstsq(regressors, x, rcond=None)[0]
    truth = -stats.multivariate_normal.logpdf(left, cov=left.T @ left / 256).mean() / 2

    network, flow = Linear(), ContinuousFlow(Bridge(LinearPath()))
    params = network.init(KEY, batch.x, jnp.zeros(256), None, batch.condition)
    optimizer = optax.adam(optax.cosine_decay_schedule(0.1, 150))

    def loss(params, key, batch):
        return flow.loss(functools.partial(network.apply, params), key, batch)

    def step(state, key):
        params, memory = state
        value, gradient = jax.value_and_grad(loss)(params, key, batch)
        updates, memory = optimizer.update(gradient, memory)
        return (optax.apply_updates(params, updates), memory), value

    @jit
    def train(params, key):
        state = (params, optimizer.init(params))
        return jax.lax.scan(step, state, jax.random.split(key, 150))[1]

    losses = train(params, KEY)
    assert losses[0] > truth + 0.3
    assert losses[-1] == pytest.approx(truth, abs=2e-3)


def test_gradient_by_finite_differences_and_padding() -> None:
    """On clouds of three, two and no points, with weights that move the points together."""

    def field(weights, x, t, mask, condition):
        center = masked_mean(x, mask, 1)[:, None]
        return jnp.tanh(x @ weights + t[:, None, None]) + 0.3 * jnp.sin(center)

    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(3, 3, 2)), jnp.float32)
    mask = jnp.arange(3) < jnp.array([[3], [2], [0]])
    weights = jnp.asarray(rng.normal(size=(2, 2)), jnp.float32)
    flow = ContinuousFlow(Bridge(LinearPath()))

    def loss(weights, x):
        return flow.loss(functools.partial(field, weights), KEY, Batch(x, mask))

    direction = jnp.asarray(rng.normal(size=(2, 2)), jnp.float32)
    evaluate = jit(jax.value_and_grad(loss, (0, 1)))
    value, (gradient, _) = evaluate(weights, x)
    slope, step = float(jnp.vdot(gradient, direction)), 0.02
    ahead, behind = (evaluate(weights + h * direction, x)[0] for h in (step, -step))
    assert abs(slope) > 0.01
    assert (ahead - behind) / (2 * step) == pytest.approx(slope, rel=1e-2)
    broken = jnp.where(mask[..., None], x, jnp.nan)
    same, (_, pull) = evaluate(weights, broken)
    assert same == value
    assert np.all(pull[~np.asarray(mask)] == 0) and np.all(np.isfinite(pull))


def test_value_is_nats_per_dimension() -> None:
    """A flow that stands still: the loss is the negative log density of the normal base."""
    x = jnp.asarray(np.random.default_rng(0).normal(size=(4, 3, 2)), jnp.float32)
    mask = jnp.arange(3) < jnp.array([[3], [2], [1], [0]])
    still = functools.partial(ContinuousFlow(Bridge(LinearPath())).loss, lambda x, *_: 0.0 * x)
    found = jit(still)(KEY, Batch(x, mask))
    nats = -stats.norm.logpdf(x)
    truth = np.mean([nats[i, : 3 - i].mean() for i in range(3)])
    assert found == pytest.approx(truth, abs=1e-5)
