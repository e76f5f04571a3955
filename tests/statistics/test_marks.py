"""One-point statistics and redshift space against NumPy and by hand."""

import jax
import numpy as np
import pytest

from galgen.errors import InputError
from galgen.statistics.binning import ensemble_mean, jackknife_ratio
from galgen.statistics.marks import mark_distribution, mean_in_bins
from galgen.statistics.redshift_space import hubble_ratio, redshift_space_positions

MASK = np.random.default_rng(0).random((3, 200)) < 0.7
MASS = np.where(MASK, np.random.default_rng(1).normal(13, 0.5, (3, 200)), np.nan).astype(np.float32)
EDGES = np.array([12.0, 12.75, 13.0, 13.5, 15.0])


def test_distribution_equals_numpy():
    result = mark_distribution(MASS, MASK, EDGES)
    for index in range(3):
        real = MASS[index][MASK[index]]
        np.testing.assert_array_equal(result.counts[index], np.histogram(real, EDGES)[0])
        np.testing.assert_allclose(result.mean[index], real.mean(), rtol=1e-6)
        np.testing.assert_allclose(result.standard_deviation[index], real.std(), rtol=1e-5)
    np.testing.assert_array_equal(result.number, MASK.sum(axis=1))
    np.testing.assert_allclose(
        result.mean_counts().mean, np.asarray(result.counts).mean(axis=0), rtol=1e-6
    )


def test_bins_are_closed_below_and_open_above():
    counts = mark_distribution(np.array([[1.0, 2.0, 3.0]]), None, [1.0, 2.0, 3.0]).counts
    np.testing.assert_array_equal(counts, [[1, 1]])


def test_mean_in_bins_equals_numpy_and_is_undefined_where_empty():
    speed = np.where(MASK, 100 * MASS, np.nan)
    edges = np.append(EDGES, 20.0)
    result = np.asarray(mean_in_bins(MASS, speed, MASK, edges))
    for index in range(3):
        for b in range(4):
            inside = (MASS[index] >= edges[b]) & (MASS[index] < edges[b + 1])
            np.testing.assert_allclose(result[index, b], speed[index][inside].mean(), rtol=1e-5)
    assert np.all(np.isnan(result[:, 4]))


def test_ensemble_mean_is_the_sample_mean_with_its_standard_error():
    values = np.random.default_rng(2).normal(size=(50, 2, 3))
    result = ensemble_mean(values)
    np.testing.assert_allclose(result.mean, values.mean(axis=0))
    np.testing.assert_allclose(result.error, values.std(axis=0, ddof=1) / np.sqrt(50))
    np.testing.assert_allclose(result.covariance, np.cov(values.reshape(50, 6).T) / 50)
    assert result.number == 50


def test_redshift_space_by_hand():
    """E(1)² = 0.3 x 8 + 0.7 = 3.1: 500 km/s is 500 x 2 / (100 sqrt(3.1)) = 5.6796 Mpc/h."""
    x = np.array([[[1.0, 2, 3], [1.0, 2, 99]]], np.float32)
    v = np.array([[[9.0, 9, 500], [9.0, 9, 500]]], np.float32)
    shift = 500 * 2 / (100 * np.sqrt(3.1))
    for axis in range(3):
        roll = 2 - axis
        moved = redshift_space_positions(
            np.roll(x, -roll, -1), np.roll(v, -roll, -1), 100.0, 0.3, 1.0, axis
        )
        truth = np.array([[[1, 2, 3 + shift], [1, 2, 99 + shift - 100]]])
        np.testing.assert_allclose(np.roll(moved, roll, -1), truth, rtol=1e-5)
    opened = redshift_space_positions(x, v, 100.0, 0.3, 1.0, periodic=False)
    np.testing.assert_allclose(opened[0, 1, 2], 99 + shift, rtol=1e-6)


def test_redshift_space_takes_one_cosmology_per_catalogue():
    rng = np.random.default_rng(3)
    x = rng.uniform(0, 50, (2, 7, 3)).astype(np.float32)
    v = rng.normal(0, 300, (2, 7, 3)).astype(np.float32)
    omega, z = np.array([0.2, 0.4]), np.array([0.0, 0.5])
    both = redshift_space_positions(x, v, 50.0, omega, z)
    for i in range(2):
        alone = redshift_space_positions(x[i], v[i], 50.0, omega[i], z[i])
        np.testing.assert_allclose(both[i], alone, rtol=1e-6)
    assert np.all((np.asarray(both) >= 0) & (np.asarray(both) < 50))
    np.testing.assert_allclose(hubble_ratio(1.0, 3.0), 8.0, rtol=1e-6)
    jitted = jax.jit(lambda y: redshift_space_positions(y, v, 50.0, omega, z))(x)
    np.testing.assert_allclose(jitted, both, rtol=1e-6)


def test_bad_input_of_marks_is_named():
    x = np.zeros((1, 4, 3))
    with pytest.raises(InputError, match=r"a column of shape \(batch, points\), got \(1, 4, 3\);"):
        mark_distribution(x, None, EDGES)
    with pytest.raises(InputError, match=r"mask of shape \(1, 4\), got \(1, 3\); pass one"):
        mark_distribution(x[..., 0], np.ones((1, 3)), EDGES)
    with pytest.raises(InputError, match=r"edges finite and strictly increasing, got \[2, 1\];"):
        mark_distribution(x[..., 0], None, [2.0, 1.0])
    with pytest.raises(InputError, match=r"columns of one shape, got \(1, 4\) and \(1, 3\); take"):
        mean_in_bins(x[..., 0], x[:, :3, 0], None, EDGES)
    with pytest.raises(InputError, match=r"one shape \(..., 3\), got \(1, 4, 3\) and \(1, 3, 3\);"):
        redshift_space_positions(x, x[:, :3], 100.0, 0.3, 0.0)
    with pytest.raises(InputError, match=r"line of sight of 0, 1 or 2 \(x, y, z\), got -1;"):
        redshift_space_positions(x, x, 100.0, 0.3, 0.0, line_of_sight=-1)
    with pytest.raises(InputError, match="at least 2 catalogues for a jackknife error, got 1; add"):
        ensemble_mean(np.zeros((1, 3)))
    with pytest.raises(InputError, match="filled by at least 2 catalogues, got a zero denominator"):
        jackknife_ratio(np.ones((2, 1)), np.array([[1.0], [0.0]]))
