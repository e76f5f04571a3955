import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from galgen.generative import LogitNormalTimes, UniformTimes


@pytest.mark.parametrize(
    ("times", "law"),
    [
        (UniformTimes(), stats.uniform.cdf),
        (LogitNormalTimes(), lambda t: stats.norm.cdf(special.logit(t))),
        (LogitNormalTimes(0.5, 2.0), lambda t: stats.norm.cdf((special.logit(t) - 0.5) / 2)),
    ],
)
def test_times_are_stratified_and_have_their_law(times, law) -> None:
    draw = jax.jit(jax.vmap(lambda key: times.sample(key, 8)))
    t = np.asarray(draw(jax.random.split(jax.random.key(0), 500)), np.float64)
    part = np.floor(law(t) * 8 - 1e-4).astype(int)
    assert np.mean(part == np.arange(8)) > 0.99, "not one in each part of probability"
    assert stats.kstest(law(t).ravel(), "uniform").pvalue > 1e-3
    assert (law(t) * 8 % 1).mean() == pytest.approx(0.5, abs=0.02)


def test_strata_leave_nothing_for_antithetic_pairs_to_do() -> None:
    """Variance of the mean of a loss-like function of t, against other ways to draw 16 times."""

    def loss(t):
        return jnp.exp(-3 * t) + 0.3 * jnp.sin(7 * t)

    @functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
    def variances(key):
        keys = jax.random.split(key, 4_000)
        uniform = jax.random.uniform(key, (4_000, 8, 2))
        antithetic = jnp.stack([uniform[..., 0], 1 - uniform[..., 0]], axis=-1)
        stratified = jax.vmap(lambda key: UniformTimes().sample(key, 16))(keys)
        times = (uniform, antithetic, stratified)
        return [jnp.var(jnp.mean(loss(t).reshape(4_000, 16), axis=-1)) for t in times]

    independent, paired, strata = map(float, variances(jax.random.key(0)))
    assert strata < independent / 100
    assert strata < paired / 20
    # Order n^-3: the mean over strata of (loss' / n)^2 / 12, over n.
    t = np.linspace(0, 1, 1_001)
    slope = -3 * np.exp(-3 * t) + 2.1 * np.cos(7 * t)
    assert strata == pytest.approx(np.mean(slope**2) / (12 * 16**3), rel=0.1)


def test_ends_are_inside() -> None:
    t = LogitNormalTimes(0.0, 3.0).quantile(jnp.array([0.0, 1.0]))
    assert np.all((t >= 0) & (t <= 1)) and np.all(np.isfinite(t))
