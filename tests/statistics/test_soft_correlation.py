"""The soft correlation: no structure is zero, its limit is xi, its gradient that of differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from galgen.errors import InputError
from galgen.statistics.pairs.correlation import two_point_correlation
from galgen.statistics.pairs.soft_correlation import soft_correlation

SIDE = 40.0
EDGES = (1.0, 3.0, 6.0, 10.0)


def clustered(seed, number=2, points=120):
    rng = np.random.default_rng(seed)
    centres = rng.uniform(0, SIDE, (number, 12, 3))
    member = rng.integers(0, 12, (number, points, 1))
    x = np.take_along_axis(centres, member, axis=1) + rng.normal(0, 1.5, (number, points, 3))
    return x % SIDE


def test_points_at_random_have_none():
    x = np.random.default_rng(0).uniform(0, SIDE, (40, 150, 3)).astype(np.float32)
    xi = np.asarray(soft_correlation(x, None, EDGES, SIDE, 0.4))
    error = xi.std(axis=0, ddof=1) / np.sqrt(40)
    assert np.all(np.abs(xi.mean(axis=0)) < 3.5 * error) and np.all(error < 0.05)


def test_narrow_edges_give_the_counts():
    x = clustered(1)
    with jax.enable_x64(True):
        xi = soft_correlation(x, None, EDGES, SIDE, 1e-5)
    truth = two_point_correlation(x, None, EDGES, SIDE).xi
    np.testing.assert_allclose(xi, truth, rtol=2e-3)
    assert np.all(np.asarray(truth)[:, 0] > 1)


def test_gradients_in_the_positions_are_finite_differences():
    x = clustered(2)
    with jax.enable_x64(True):
        x = jnp.asarray(x)
        value = jax.jit(lambda y: jnp.sum(soft_correlation(y, None, EDGES, SIDE, 0.5) ** 2))
        gradient = jax.grad(value)(x)
        for index in ((0, 3, 0), (1, 50, 2), (1, 119, 1)):
            step = jnp.zeros_like(x).at[index].set(1e-4)
            truth = (value(x + step) - value(x - step)) / 2e-4
            assert abs(gradient[index] - truth) < 1e-6 * abs(truth) + 1e-8
            assert abs(truth) > 1e-4


def test_padding_duplicates_blocks_and_translation():
    x = clustered(3).astype(np.float32)
    x[:, 1] = x[:, 0]
    mask = np.arange(120) < np.array([[120], [90]])
    dirty = np.where(mask[..., None], x, np.nan)
    whole = soft_correlation(dirty, mask, EDGES, SIDE, 0.5)
    alone = soft_correlation(x[1:, :90], None, EDGES, SIDE, 0.5)
    np.testing.assert_allclose(whole[1], alone[0], rtol=1e-4)
    np.testing.assert_allclose(
        soft_correlation(dirty + np.float32(13), mask, EDGES, SIDE, 0.5, block=17), whole, rtol=1e-3
    )
    slope = jax.grad(lambda y: jnp.sum(soft_correlation(y, mask, EDGES, SIDE, 0.5)))(
        jnp.asarray(np.where(mask[..., None], x, 0.0))
    )
    assert np.all(np.isfinite(slope)) and np.all(np.asarray(slope)[1, 90:] == 0)


def test_undefined_and_bad_input():
    assert np.isnan(soft_correlation(np.zeros((1, 1, 3)), None, EDGES, SIDE, 0.5)).all()
    with pytest.raises(InputError, match=r"a positive width in Mpc/h, got 0; 0.2 is usual"):
        soft_correlation(np.zeros((1, 4, 3)), None, EDGES, SIDE, 0)
    with pytest.raises(InputError, match="below half the shortest box side, 20 Mpc/h, got 22; low"):
        soft_correlation(np.zeros((1, 4, 3)), None, EDGES, SIDE, 1.0)
