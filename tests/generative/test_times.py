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


def test_ends_are_inside() -> None:
    t = LogitNormalTimes(0.0, 3.0).quantile(jnp.array([0.0, 1.0]))
    assert np.all((t >= 0) & (t <= 1)) and np.all(np.isfinite(t))


def test_deviation_is_checked() -> None:
    with pytest.raises(ValueError, match="positive deviation"):
        LogitNormalTimes(deviation=0.0)
