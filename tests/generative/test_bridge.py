import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from galgen.generative import (
    Bridge,
    DataPrediction,
    GaussianMixture,
    Heun,
    LinearPath,
    NoisePrediction,
    OptimalAssignment,
    PreconditionedPrediction,
    ProductPath,
    Sampler,
    SNRWeighting,
    StochasticInterpolant,
    TorusDiffusion,
    TorusGeodesic,
    VarianceExploding,
    VariancePreserving,
)
from galgen.types import Batch

TORUS = ProductPath((TorusGeodesic(), LinearPath()), (3, 1))
jitted = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


def loss_of(bridge, denoiser, batch):
    """The loss as training computes it, compiled as one program."""
    return jitted(functools.partial(bridge.loss, denoiser))(jax.random.key(1), batch)


def test_a_zero_network_has_loss_one() -> None:
    batch = Batch(jax.random.uniform(jax.random.key(0), (4, 30, 4)))
    assert loss_of(Bridge(TORUS), lambda x, *_: jnp.zeros_like(x), batch) == pytest.approx(
        1, abs=1e-6
    )


def test_the_minimiser_is_the_conditional_mean() -> None:
    """For data at one point m the velocity is known given x_t: (m - x_t) / (1 - t), loss zero."""
    data = jnp.full((64, 2), 0.7)

    def exact(x, t, mask, condition):
        return (0.7 - x) / (1 - t[:, None])

    assert loss_of(Bridge(LinearPath()), exact, Batch(data)) < 1e-6
    assert loss_of(Bridge(LinearPath()), lambda *a: exact(*a) + 0.3, Batch(data)) > 0.02


@pytest.mark.parametrize("coupling", [Bridge(TORUS).coupling, OptimalAssignment()])
def test_padding_does_not_change_the_loss(coupling) -> None:
    bridge = Bridge(TORUS, coupling)
    x = jax.random.uniform(jax.random.key(0), (4, 30, 4))
    mask = jnp.arange(30)[None] < jnp.array([[30], [21], [9], [1]])

    def denoiser(x, t, mask, condition):
        return jnp.sin(x) + t[:, None, None]

    poisoned = jnp.where(mask[..., None], x, jnp.nan)
    losses = [loss_of(bridge, denoiser, Batch(y, mask)) for y in (x, poisoned)]
    assert np.isfinite(losses[0])
    assert losses[0] == losses[1]


def test_velocity_is_zero_on_padding() -> None:
    mask = jnp.arange(5)[None] < 3
    flow = Bridge(TORUS).flow(lambda x, *_: x + 1).given(mask, None)
    velocity = flow.velocity(jnp.zeros((1, 5, 4)), jnp.array(0.5))
    assert np.all(np.asarray(velocity)[0, 3:] == 0) and np.all(np.asarray(velocity)[0, :3] == 1)


def test_ends_are_those_of_the_prediction() -> None:
    """For data at one point the ends are known, whatever is predicted; padded rows are zero."""
    path, t = VariancePreserving(), jnp.array(0.4)
    mask = jnp.arange(5)[None] < 3
    alpha, sigma = path.coefficients(t)
    x = jnp.where(mask[..., None], jax.random.normal(jax.random.key(0), (1, 5, 4)), jnp.nan)
    noise = jnp.where(mask[..., None], (x - 0.7 * alpha) / sigma, 0)
    data = jnp.where(mask[..., None], 0.7, 0)
    for prediction, output in ((NoisePrediction(), noise), (DataPrediction(), data)):
        bridge = Bridge(path, prediction=prediction)
        ends = bridge.flow(lambda *_, output=output: output).given(mask, None).ends(x, t)
        assert np.allclose(ends.noise, noise, atol=1e-5) and np.allclose(ends.data, data, atol=1e-5)


def test_the_network_sees_a_scaled_input() -> None:
    """Along an exploding path, by a preconditioned prediction: in training and in sampling."""
    bridge, seen = Bridge(VarianceExploding(), prediction=PreconditionedPrediction()), []

    def denoiser(x, t, mask, condition):
        seen.append(x)
        return jnp.zeros_like(x)

    @jitted
    def widths(x):
        bridge.loss(denoiser, jax.random.key(1), Batch(x))
        bridge.flow(denoiser).velocity(80.0 * x, jnp.array(0.0))
        return [y.std() for y in seen]

    found = widths(jax.random.normal(jax.random.key(0), (2_000, 2)))
    assert len(found) == 2 and np.allclose(found, 1, atol=0.05)


def test_an_interpolant_carries_one_mixture_to_another() -> None:
    """By the exact velocity of two Gaussians, one of them off the origin; noise in the middle."""
    start = GaussianMixture(((-2.0,),), 0.5)
    path = StochasticInterpolant(start)
    mean, std = 1.5, 0.4

    def denoiser(x, t, mask, condition):
        t = t[:, None]
        gamma, rate = jax.jvp(path.gamma, (t,), (jnp.ones_like(t),))
        variance = ((1 - t) * 0.5) ** 2 + (t * std) ** 2 + gamma**2
        covariance = t * std**2 - (1 - t) * 0.25 + gamma * rate
        return mean + 2 + covariance / variance * (x - (1 - t) * -2.0 - t * mean)

    draw = Sampler(Heun(), 64)(Bridge(path).flow(denoiser), jax.random.key(0), (10_000, 1)).x
    assert float(draw.mean()) == pytest.approx(mean, abs=0.02)
    assert float(draw.std()) == pytest.approx(std, rel=0.03)


PRODUCT = ProductPath((TorusDiffusion(), VariancePreserving()), (3, 1))


@pytest.mark.parametrize(
    "bridge",
    [
        Bridge(PRODUCT, prediction=NoisePrediction(), weighting=SNRWeighting()),
        Bridge(TORUS),
    ],
    ids=["diffusion", "flow"],
)
def test_bfloat16_is_kept_and_close_to_float32(bridge: Bridge) -> None:
    x = jax.random.uniform(jax.random.key(0), (4, 30, 4))
    mask = jnp.arange(30)[None] < jnp.array([[30], [21], [9], [1]])
    seen = []

    def denoiser(x, t, mask, condition):
        seen.append((x.dtype, t.dtype))
        return jnp.sin(x)

    losses = [
        loss_of(bridge, denoiser, Batch(x.astype(dtype), mask))
        for dtype in (jnp.bfloat16, jnp.float32)
    ]
    assert seen == [(jnp.bfloat16, jnp.float32), (jnp.float32, jnp.float32)]
    assert losses[0].dtype == losses[1].dtype == jnp.float32
    assert losses[0] == pytest.approx(float(losses[1]), rel=0.05)
    flow = bridge.flow(denoiser).given(mask, None)
    velocity = jitted(flow.velocity)(x.astype(jnp.bfloat16), jnp.array(0.5))
    assert velocity.dtype == jnp.bfloat16 and np.all(np.isfinite(velocity.astype(np.float32)))


def test_bad_input_is_named() -> None:
    bridge, x = Bridge(TORUS), jnp.full((4, 30, 4), 0.5)

    def denoiser(x, *_):
        return jnp.zeros_like(x)

    flow = bridge.flow(denoiser)
    for t in (-0.2, 1.2):
        with pytest.raises(ValueError, match=r"expected times from 0 \(base\) to 1 \(data\), got"):
            flow.velocity(x, jnp.array(t))
        with pytest.raises(ValueError, match=r"expected times from 0 \(base\) to 1 \(data\), got"):
            flow.ends(x, jnp.array(t))
    wrong = jnp.ones((4, 29), bool)
    with pytest.raises(ValueError, match=r"expected a mask of shape \(4, 30\).*got \(4, 29\)"):
        flow.given(wrong, None).velocity(x, jnp.array(0.5))
    with pytest.raises(ValueError, match=r"expected a mask of shape \(4, 30\).*got \(4, 29\)"):
        bridge.loss(denoiser, jax.random.key(0), Batch(x, wrong))
    inside = jitted(lambda x: bridge.loss(denoiser, jax.random.key(0), Batch(x)))
    for value in (jnp.nan, jnp.inf):
        bad = x.at[2, 3, 1].set(value)
        with pytest.raises(ValueError, match="expected finite data, got 1 values that are not"):
            bridge.loss(denoiser, jax.random.key(0), Batch(bad))
        assert not np.isfinite(inside(bad)), "under jit the loss says it, and the trainer stops"
