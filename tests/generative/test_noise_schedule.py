"""Noise schedules rise, from end to end, whatever their weights."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from galgen.errors import InputError
from galgen.generative import (
    CosineSchedule,
    LearnedLinearSchedule,
    LinearSchedule,
    MonotoneSchedule,
    TorusDiffusion,
    VariancePreserving,
)
from galgen.serialization import from_json, to_json

jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
T = jnp.linspace(0, 1, 101)
FIXED = [LinearSchedule(-6.0, 9.0), CosineSchedule(0.0, -6.0, 9.0), CosineSchedule(-2.0, -6.0, 9.0)]
LEARNED = [LearnedLinearSchedule(-6.0, 9.0), MonotoneSchedule(-6.0, 9.0, width=8)]


@pytest.mark.parametrize("schedule", FIXED, ids=str)
def test_fixed_schedules_rise_from_end_to_end(schedule) -> None:
    log_snr = np.asarray(schedule(T))
    assert np.all(np.diff(log_snr) > 0)
    assert log_snr[0] == pytest.approx(-6, abs=1e-5) and log_snr[-1] == pytest.approx(9, abs=1e-5)
    assert from_json(to_json(VariancePreserving(schedule))) == VariancePreserving(schedule)


def test_cosine_is_the_published_one() -> None:
    """Nichol and Dhariwal 2021: alpha^2 = cos^2(pi u / 2) at u = 1 - t; the shift is added."""
    u = 1 - np.asarray(T[5:-5], np.float64)
    published = 2 * np.log(np.cos(np.pi * u / 2) / np.sin(np.pi * u / 2))
    for shift in (0.0, -2.5):
        schedule = CosineSchedule(shift, -40.0, 40.0)
        assert np.allclose(schedule(T[5:-5]), published + shift, atol=1e-4)


@functools.cache
def rise(schedule):
    """A compiled function of the weights' spread and seed: log-SNR, its ends, and its rate."""
    start = schedule.init(jax.random.key(0), T)

    @jit
    def of(seed, spread):
        leaves, tree = jax.tree.flatten(start)
        keys = jax.random.split(jax.random.key(seed), len(leaves))
        noise = [spread * jax.random.normal(k, a.shape) for k, a in zip(keys, leaves, strict=True)]
        params = jax.tree.unflatten(tree, noise)
        low = params["params"]["log_snr_min"]
        high = low + jax.nn.softplus(params["params"]["raw_span"])
        rate = jax.jvp(lambda t: schedule.apply(params, t), (T,), (jnp.ones_like(T),))[1]
        return schedule.apply(params, T), low, high, rate

    return of


@pytest.mark.parametrize("schedule", LEARNED, ids=lambda s: type(s).__name__)
@given(seed=st.integers(0, 10**6), spread=st.sampled_from([0.1, 1.0, 10.0, 100.0]))
@settings(max_examples=60)
def test_learned_schedules_rise_whatever_their_weights(schedule, seed: int, spread: float) -> None:
    log_snr, low, high, rate = map(np.asarray, rise(schedule)(seed, spread))
    rounding = 4e-7 * max(abs(low), abs(high))
    assert log_snr[0] == low and abs(log_snr[-1] - high) <= rounding
    assert np.all(np.diff(log_snr) >= -rounding)
    assert np.all(np.isfinite(rate)) and np.all(rate >= 0)


@pytest.mark.parametrize("schedule", LEARNED, ids=lambda s: type(s).__name__)
def test_learned_schedules_start_where_they_are_told_and_learn(schedule) -> None:
    params = schedule.init(jax.random.key(0), T)
    log_snr = schedule.apply(params, T)
    assert np.allclose(log_snr[jnp.array([0, -1])], [-6, 9], atol=1e-4)
    wanted = CosineSchedule(0.0, -7.0, 7.0)(T)

    def loss(params):
        # Through the path that it is for, and its velocity.
        path = VariancePreserving(lambda t: schedule.apply(params, t))
        alpha, sigma = path.coefficients(T)
        velocity = path.velocity(jnp.ones((101, 1)), jnp.ones((101, 1)), T)
        return jnp.mean((2 * jnp.log(alpha / sigma) - wanted) ** 2) + 1e-3 * jnp.mean(velocity**2)

    value, gradient = jit(jax.value_and_grad(loss))(params)
    sizes = jax.tree.map(lambda g: float(jnp.max(jnp.abs(g))), gradient)
    assert all(0 < size < 1e4 for size in jax.tree.leaves(sizes)), sizes
    direction = jax.tree.map(lambda p, g: p - 1e-4 * g, params, gradient)
    assert jit(loss)(direction) < value


def test_a_schedule_for_clouds_of_points() -> None:
    """sigma_min is a fraction of the mean separation; sigma_max fills the box whatever it is."""
    for number, dim in ((300, 3), (5_000, 3), (100, 2)):
        path = TorusDiffusion.for_points(number, dim, 0.01)
        assert path.sigma_min == pytest.approx(0.01 * number ** (-1 / dim))
        assert path.sigma_max == TorusDiffusion().sigma_max
    # The demo's width, chosen by hand for about 300 haloes.
    assert TorusDiffusion.for_points(300).sigma_min == pytest.approx(0.003, rel=0.02)
    # On a lattice of so many points the noise tells neighbours apart at the end, not at the start.
    separation = 1 / 8
    widths = TorusDiffusion.for_points(8**3).sigma(jnp.array([0.0, 1.0]))
    assert widths[0] > 3 * separation and widths[1] < 0.05 * separation
    assert from_json(to_json(path)) == path


def test_errors_name_the_remedy() -> None:
    for schedule in (LinearSchedule, CosineSchedule):
        with pytest.raises(ValueError, match="expected log_snr_min < log_snr_max"):
            schedule(log_snr_min=5.0, log_snr_max=-5.0)
    with pytest.raises(ValueError, match="expected log_snr_min < log_snr_max"):
        LearnedLinearSchedule(5.0, -5.0).init(jax.random.key(0), T)
    with pytest.raises(ValueError, match=r"a fraction between 0 and 0\.5"):
        TorusDiffusion.for_points(100, fraction=0.7)
    with pytest.raises(InputError, match="expected dataclasses of plain values"):
        to_json(VariancePreserving(lambda t: t))
