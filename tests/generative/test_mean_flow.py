"""Average velocities where they are known: Gaussian data, and data that are a single point."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from galgen.generative.models.bridge import Bridge
from galgen.generative.models.mean_flow import MeanFlow, MeanFlowSampler
from galgen.generative.objectives.times import LogitNormalTimes
from galgen.generative.paths.affine import LinearPath, TrigonometricPath
from galgen.generative.paths.path import ProbabilityPath
from galgen.generative.paths.product import ProductPath
from galgen.generative.paths.torus import TorusDiffusion, TorusGeodesic
from galgen.generative.sampling.sampler import Heun, Sampler
from galgen.masking import masked_mean
from galgen.serialization import from_json, to_json
from galgen.types import Batch

jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
KEY = jax.random.key(0)
MEAN, SCALE = jnp.array([1.5, -0.5]), jnp.array([0.4, 2.0])
PRODUCT = ProductPath((TorusGeodesic(), LinearPath()), (3, 1))


def to_gaussian(x, t, mask, condition):
    """The exact average velocity from N(0, 1) to N(MEAN, SCALE^2), each column by itself.

    The flow keeps quantiles: x_s = s m + (w_s / w_t) (x_t - t m) with w_t^2 = (1 - t)^2 + t^2 s^2,
    and w_s^2 - w_t^2 = (s - t) ((s + t) (1 + s^2) - 2).
    """
    t = t[:, None]
    until = t + condition[:, -1:]
    now, then = (jnp.sqrt((1 - time) ** 2 + (time * SCALE) ** 2) for time in (t, until))
    growth = ((t + until) * (1 + SCALE**2) - 2) / (now + then)
    return MEAN + growth * (x - t * MEAN) / now


def to_point(path: ProbabilityPath, point: jax.Array, x: jax.Array, t: jax.Array) -> jax.Array:
    """The average velocity to one point, until any time: all ways there are straight."""
    left = jnp.maximum(1 - t, 1e-6).reshape(-1, *(1,) * (x.ndim - 1))
    return path.velocity(x, jnp.broadcast_to(point, x.shape), t) / left


def intervals(number: int) -> tuple[jax.Array, jax.Array]:
    return jit(lambda key: MeanFlow(LinearPath()).intervals(key, jax.random.key(1), number))(KEY)


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_jumps_from_normal_to_gaussian(steps: int) -> None:
    """Every draw is where the flow takes it, so mean and covariance are exact."""
    flow, sampler = MeanFlow(LinearPath(), time_scale=1.0), MeanFlowSampler(steps)
    draw = jit(lambda key: sampler(flow.flow(to_gaussian), key, (300, 2), trajectory=True))
    samples = draw(KEY)
    start = samples.trajectory[0]
    other = Sampler(Heun(), 1)(
        Bridge(LinearPath()).flow(lambda x, *_: x), KEY, (300, 2), None, None, True
    )
    assert np.allclose(start, other.trajectory[0], atol=1e-6), "what other samplers start from"
    assert samples.evaluations == steps and len(samples.trajectory) == steps + 1
    assert np.allclose(samples.x, MEAN + SCALE * start, atol=1e-5)
    assert np.array_equal(samples.x, samples.trajectory[-1])


def test_the_identity_holds_for_the_exact_average_velocity() -> None:
    """With the velocity of the flow the target is the average velocity, and for no other one."""
    flow = MeanFlow(LinearPath(), time_scale=1.0)
    t, until = intervals(2000)
    x = 2.0 * jax.random.normal(jax.random.key(2), (2000, 2))
    velocity = to_gaussian(x, t, None, jnp.zeros((2000, 1)))

    def residual(wrong):
        def denoiser(x, t, mask, condition):
            return to_gaussian(x, t, mask, condition) + wrong * condition[:, -1:]

        average = flow.average(denoiser, None, None)
        output, target = flow.output_and_target(average, velocity, x, t, until)
        return output - target

    found = jit(jax.vmap(residual))(jnp.array([0.0, 0.1]))
    assert np.allclose(found[0], 0, atol=3e-5)
    jumps = np.asarray(until - t)
    assert np.mean(jumps == 0) == 0.5
    # An error e (s - t) leaves e (s - t) + e (s - t): it is not its own target.
    assert np.allclose(found[1], 0.2 * jumps[:, None], atol=3e-5)


def test_the_exact_average_velocity_minimises_the_loss() -> None:
    """The gradient vanishes there within its Monte Carlo error, and away from there it does not.

    The target is held fixed, so the gradient along a perturbation is that of a linear model at it.
    """
    flow = MeanFlow(LinearPath(), times=LogitNormalTimes(), time_scale=1.0)

    def loss(weights, key):
        data = MEAN + SCALE * jax.random.normal(jax.random.fold_in(key, 1), (512, 2))

        def denoiser(x, t, mask, condition):
            jump = condition[:, -1:]
            more = weights[0] + weights[1] * x + weights[2] * jump + weights[3] * jump * x
            return to_gaussian(x, t, mask, condition) + more

        return flow.loss(denoiser, key, Batch(data))

    keys = jax.random.split(KEY, 100)
    gradients = jit(jax.vmap(jax.grad(loss), (None, 0)))
    here, there = (np.asarray(gradients(jnp.full(4, value), keys)) for value in (0.0, 0.1))
    error = here.std(axis=0) / 10
    assert np.all(np.abs(here.mean(axis=0)) < 4 * error)
    assert np.all(there.mean(axis=0) > 10 * error)


POINTS = {
    "linear": (LinearPath(), jnp.array([1.0, -2.0, 0.5])),
    "torus": (TorusGeodesic(), jnp.array([0.02, 0.97, 0.5])),
    "product": (PRODUCT, jnp.array([0.02, 0.97, 0.5, -2.0])),
}


@pytest.mark.parametrize("name", POINTS)
def test_data_at_one_point(name: str) -> None:
    """One pair of ends tells the flow: the loss vanishes, and one jump arrives, round the box."""
    path, point = POINTS[name]
    flow = MeanFlow(path, time_scale=1.0)

    def denoiser(x, t, mask, condition):
        return to_point(path, point, x, t)

    data = jnp.broadcast_to(point, (64, 5, len(point)))
    mask = jnp.arange(5) < jnp.arange(64)[:, None] % 6
    loss = jit(
        lambda key, scale: flow.loss(lambda *a: scale * denoiser(*a), key, Batch(data, mask))
    )
    assert loss(KEY, 1.0) < 1e-6
    assert loss(KEY, 0.0) == pytest.approx(1, rel=1e-5)
    draws = jit(lambda key: MeanFlowSampler(1)(flow.flow(denoiser), key, data.shape, mask))(KEY)
    apart = np.array(draws.x - point)
    periodic = {"linear": 0}.get(name, 3)
    apart[..., :periodic] -= np.round(apart[..., :periodic])
    real = np.asarray(mask)
    assert np.allclose(apart[real], 0, atol=1e-5) and np.all(draws.x[~real] == 0)
    assert np.all((draws.x[..., :periodic] >= 0) & (draws.x[..., :periodic] < 1))


@pytest.mark.parametrize("path", [LinearPath(), TorusGeodesic(), PRODUCT], ids=repr)
def test_equal_times_are_flow_matching(path: ProbabilityPath) -> None:
    """The very loss of a bridge, on the same draws."""
    data = jax.random.uniform(jax.random.key(3), (8, 6, 4))
    mask = jnp.arange(6) < jnp.arange(8)[:, None]
    batch = Batch(data, mask, jnp.arange(8.0)[:, None])

    def field(x, t, mask, condition):
        return jnp.sin(x + t[:, None, None] + condition[:, None, :1])

    def losses(key):
        flow = MeanFlow(path, matching=1.0, time_scale=1.0)
        return flow.loss(field, key, batch), Bridge(path).loss(field, key, batch)

    found, expected = jit(losses)(KEY)
    assert expected > 0.1 and found == pytest.approx(float(expected), rel=1e-5)


def test_padding_changes_nothing() -> None:
    """Not a value nor a gradient, of the loss and of draws, by a network that sees whole clouds."""
    flow = MeanFlow(PRODUCT, matching=0.25)
    x = jax.random.uniform(KEY, (4, 5, 4))
    mask = jnp.arange(5) < jnp.array([[5], [3], [1], [0]])
    weights = jax.random.normal(jax.random.key(1), (4, 4))

    def network(weights, x, t, mask, condition):
        inner = jnp.tanh(x @ weights + t[:, None, None] + condition[:, None, -1:])
        return inner + masked_mean(jnp.sin(x), mask, 1)[:, None]

    def loss(weights, x):
        return flow.loss(functools.partial(network, weights), KEY, Batch(x, mask))

    evaluate = jit(jax.value_and_grad(loss))
    value, gradient = evaluate(weights, jnp.where(mask[..., None], x, 0.0))
    same, slope = evaluate(weights, jnp.where(mask[..., None], x, jnp.nan))
    assert value > 0.1 and same == value and np.array_equal(slope, gradient)
    assert np.all(np.isfinite(gradient)) and np.any(gradient != 0)
    bound = functools.partial(network, weights)
    draw = jit(lambda m: MeanFlowSampler(3)(flow.flow(bound), KEY, x.shape, m).x)
    drawn = np.asarray(draw(mask))
    real = np.asarray(mask)
    assert np.all(drawn[~real] == 0)
    assert np.all((drawn[real][:, :3] >= 0) & (drawn[real][:, :3] < 1))


def test_times_are_in_order_and_cover_the_square() -> None:
    t, until = map(np.asarray, intervals(4000))
    assert np.all((t >= 0) & (t <= until) & (until <= 1))
    jump = (until - t)[until > t]
    assert np.mean(until > t) == 0.5
    # The distance between two uniform draws: density 2 (1 - d).
    assert jump.mean() == pytest.approx(1 / 3, abs=0.02)
    assert np.mean(t[until == t]) == pytest.approx(0.5, abs=0.02)


def test_what_a_network_sees() -> None:
    """Time, scaled, and the length of the jump after the condition."""

    def denoiser(x, t, mask, condition):
        return jnp.concatenate([t[:, None], condition], axis=-1)

    flow, condition = MeanFlow(LinearPath(), time_scale=0.5), jnp.array([[7.0], [8.0]])
    t, until = jnp.array([0.25, 0.5]), jnp.array([0.75, 0.5])
    seen = flow.average(denoiser, None, condition)(jnp.ones((2, 3)), t, until)
    assert np.array_equal(seen, [[0.125, 7.0, 0.5], [0.25, 8.0, 0.0]])


@pytest.mark.parametrize("path", [TrigonometricPath(), TorusDiffusion()], ids=repr)
def test_other_paths_are_refused(path: ProbabilityPath) -> None:
    with pytest.raises(ValueError, match=r"expected a path of straight ways .*; use LinearPath"):
        MeanFlow(ProductPath((TorusGeodesic(), path), (3, 1)))


def test_settings_are_checked_and_written() -> None:
    for thing in (MeanFlow(PRODUCT, matching=0.25), MeanFlowSampler(4)):
        assert from_json(to_json(thing)) == thing


@pytest.mark.parametrize("matching", [0.0, 1.0])
def test_guidance_is_trained_in(matching: float) -> None:
    """Data at one point c a condition: the guided flow goes straight to scale c + (1 - scale) m.

    Here m is where the network says that the flow without condition goes.
    """
    scale, m = 2.5, jnp.array([0.3, -0.2])
    flow = MeanFlow(
        LinearPath(), matching=matching, time_scale=1.0, guidance=scale, condition_dropout=1e-9
    )
    condition = jax.random.normal(jax.random.key(1), (64, 2))

    def denoiser(x, t, mask, condition):
        point = condition[:, :2]
        end = jnp.where(jnp.isnan(point), m, scale * point + (1 - scale) * m)
        return to_point(flow.path, end, x, t)

    def unguided(x, t, mask, condition):
        return to_point(
            flow.path, jnp.where(jnp.isnan(condition[:, :2]), m, condition[:, :2]), x, t
        )

    loss = jit(lambda key: flow.loss(denoiser, key, Batch(condition, None, condition)))
    other = jit(lambda key: flow.loss(unguided, key, Batch(condition, None, condition)))
    assert loss(KEY) < 1e-8
    assert other(KEY) > 0.1


def test_dropped_conditions_follow_the_plain_flow() -> None:
    """Without conditions that are known, guidance changes nothing."""
    plain = MeanFlow(LinearPath(), condition_dropout=0.5)
    guided = MeanFlow(LinearPath(), condition_dropout=0.5, guidance=3.0)
    unknown = jnp.full((64, 1), jnp.nan)
    batch = Batch(jax.random.normal(jax.random.key(1), (64, 2)), None, unknown)

    def denoiser(x, t, mask, condition):
        return jnp.sin(x) * (1 + condition[:, -1:])

    losses = [jit(lambda key, f=f: f.loss(denoiser, key, batch))(KEY) for f in (plain, guided)]
    assert losses[0] == losses[1]


def test_guidance_without_dropout_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a condition_dropout above 0"):
        MeanFlow(LinearPath(), guidance=2.0)
