"""Base distributions against the densities they are said to have."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from galgen.data.toys import EightGaussians
from galgen.generative import Empirical, GaussianMixture, Normal, Uniform
from galgen.serialization import from_json, to_json

LOPSIDED = GaussianMixture(((-0.6, 0.2), (0.5, 0.5), (0.4, -0.7)), 0.15)


@pytest.mark.parametrize("base", [Normal(), Uniform(), LOPSIDED])
def test_draws_have_the_density(base) -> None:
    """Histogram of draws against the density, which integrates to one."""
    edges = np.linspace(-4, 4, 161)
    middle = 0.5 * (edges[1:] + edges[:-1])
    grid = jnp.asarray(np.stack(np.meshgrid(middle, middle, indexing="ij"), axis=-1), jnp.float32)
    probability = np.exp(np.asarray(jax.jit(base.log_density)(grid), np.float64)) * 0.05**2
    assert probability.sum() == pytest.approx(1, abs=2e-3)
    sample = jax.jit(base.sample, static_argnums=1)
    draw = np.asarray(sample(jax.random.key(0), (50, 1_000, 2))).reshape(-1, 2)
    found, *_ = np.histogram2d(*draw.T, bins=[edges[::20]] * 2)
    expected = 50_000 * probability.reshape(8, 20, 8, 20).sum(axis=(1, 3))
    some = expected > 20
    assert found[~some].sum() < 60 + expected[~some].sum() * 1.5
    assert stats.chi2.sf(((found - expected)[some] ** 2 / expected[some]).sum(), some.sum()) > 1e-4


def test_the_circle_is_the_eight_gaussians() -> None:
    x = np.random.default_rng(0).normal(size=(6, 5, 2)).astype(np.float32) * 5
    found = GaussianMixture.circle().log_density(jnp.asarray(x))
    assert np.allclose(found, EightGaussians().log_density(x), rtol=1e-4)


def test_empirical_rows_are_drawn_alike() -> None:
    points = np.random.default_rng(0).normal(size=(10, 3)).astype(np.float32)
    base = Empirical.of(points)
    draw = np.asarray(base.sample(jax.random.key(0), (20, 1_000, 3)))
    which = np.argmax(np.all(draw[:, :, None] == points, axis=-1), axis=-1)
    assert np.array_equal(points[which], draw)
    assert stats.chisquare(np.bincount(which.ravel(), minlength=10)).pvalue > 1e-3
    with pytest.raises(ValueError, match="expected a base with a density"):
        base.log_density(jnp.zeros((2, 3)))


@pytest.mark.parametrize("base", [Normal(), Uniform(), LOPSIDED, Empirical(((0.0,), (1.0,)))])
def test_reads_back_from_json(base) -> None:
    assert from_json(to_json(base)) == base


def test_errors_name_the_remedy() -> None:
    with pytest.raises(ValueError, match="expected data of 2 columns"):
        LOPSIDED.sample(jax.random.key(0), (5, 3))
    with pytest.raises(ValueError, match="means of one width"):
        GaussianMixture(((0.0,), (1.0, 2.0)), 1.0)
    with pytest.raises(ValueError, match=r"points of Empirical to be .* not empty"):
        Empirical(())
