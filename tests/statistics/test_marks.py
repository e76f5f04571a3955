"""One-point statistics against NumPy and by hand."""

import jax
import numpy as np
import pytest

from galgen.errors import InputError
from galgen.statistics.binning import ensemble_mean, jackknife_ratio
from galgen.statistics.counts.marks import mark_distribution, mass_function, mean_in_bins

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


def test_mass_function_by_hand():
    """Three haloes in half a dex of a box of 10 x 20 x 50 (Mpc/h)³: 3 / (10^4 x 0.5)."""
    mass = np.array([[13.0, 13.1, 13.4, 13.5, 99.0], [12.0, 20.0, 13.5, 13.6, 14.9]], np.float32)
    mask = np.array([[True, True, True, True, False], [True] * 5])
    result = mass_function(mass, mask, [13.0, 13.5, 15.0, 16.0], (10.0, 20.0, 50.0))
    np.testing.assert_array_equal(result.counts, [[3, 1, 0], [0, 3, 0]])
    np.testing.assert_allclose(result.density, [[6e-4, 1 / 15_000, 0], [0, 2e-4, 0]], rtol=1e-6)
    np.testing.assert_allclose(
        result.error, [[2e-4 * np.sqrt(3), 1 / 15_000, 0], [0, np.sqrt(3) / 15_000, 0]], rtol=1e-6
    )
    np.testing.assert_allclose(result.mass, [13.25, 14.25, 15.5])
    assert float(result.volume) == 1e4


def test_weights_of_haloes_are_summed_and_so_are_their_squares():
    """1 / V_max: haloes seen in a half and a quarter of the volume have weights 2 and 4."""
    mass = np.array([[13.0, 13.1, 13.4, 13.5, 99.0]])
    mask = np.array([[True, True, True, True, False]])
    weight = np.array([[1.0, 2.0, 4.0, 3.0, np.nan]])
    result = mass_function(mass, mask, [13.0, 13.5, 14.0], (10.0, 20.0, 50.0), weight)
    np.testing.assert_array_equal(result.counts, [[3, 1]])
    np.testing.assert_allclose(result.density, [[7 / 5000, 3 / 5000]], rtol=1e-6)
    np.testing.assert_allclose(result.error, [[np.sqrt(21) / 5000, 3 / 5000]], rtol=1e-6)
    with pytest.raises(InputError, match=r"weights of shape \(1, 5\), got \(1, 4\); pass one per"):
        mass_function(mass, mask, [13.0, 13.5], 10.0, weight[:, :4])


def test_mass_function_of_a_power_law():
    """n(>M) = n_0 10^-(m - 12): the bin holds a known number, Poisson between boxes."""
    rng = np.random.default_rng(4)
    number = rng.poisson(1000, 200)
    mask = np.arange(number.max()) < number[:, None]
    mass = (12 - np.log10(1 - rng.random(mask.shape))).astype(np.float32)
    edges = np.array([12.0, 12.5, 13.0, 14.0])
    result = mass_function(mass, mask, edges, 100.0)
    expected = -1000 * np.diff(10 ** -(edges - 12)) / np.diff(edges) / 1e6
    mean = result.mean()
    assert np.all(np.abs(mean.mean - expected) < 4 * mean.error)
    poisson = np.sqrt((np.asarray(result.error) ** 2).mean(axis=0) / 200)
    np.testing.assert_allclose(mean.error, poisson, rtol=0.2)
    jitted = jax.jit(lambda m: mass_function(m, mask, edges, 100.0).density)(mass)
    np.testing.assert_allclose(jitted, result.density, rtol=1e-6)


def test_mass_function_without_haloes_and_with_padding_of_anything():
    none = mass_function(np.zeros((2, 0)), None, EDGES, 10.0)
    np.testing.assert_array_equal(none.density, np.zeros((2, 4)))
    other = np.where(MASK, MASS, 1e30).astype(np.float32)
    one, two = (mass_function(m, MASK, EDGES, 10.0) for m in (MASS, other))
    np.testing.assert_array_equal(one.density, two.density)
    assert np.asarray(one.counts).sum() > 100


def test_bad_input_of_marks_is_named():
    x = np.zeros((1, 4, 3))
    with pytest.raises(InputError, match=r"values of shape \(batch, points\), got \(1, 4, 3\);"):
        mark_distribution(x, None, EDGES)
    with pytest.raises(InputError, match=r"mask of shape \(1, 4\), got \(1, 3\); pass one"):
        mark_distribution(x[..., 0], np.ones((1, 3)), EDGES)
    with pytest.raises(InputError, match=r"edges finite and strictly increasing, got \[2, 1\];"):
        mark_distribution(x[..., 0], None, [2.0, 1.0])
    with pytest.raises(InputError, match=r"column 'of' of shape \(1, 4\), got \(1, 3\); pass one"):
        mean_in_bins(x[..., 0], x[:, :3, 0], None, EDGES)
    with pytest.raises(InputError, match=r"log10 masses in Msun/h, .* got 1e\+13; take log10"):
        mass_function(np.full((1, 2), 1e13), None, EDGES, 10.0)
    with pytest.raises(InputError, match="log10_mass of real points finite, got NaN"):
        mass_function(np.array([[13.0, np.nan]]), None, EDGES, 10.0)
    with pytest.raises(InputError, match=r"positive box sides in Mpc/h, got \[-1\]; pass"):
        mass_function(np.full((1, 2), 13.0), None, EDGES, -1.0)
    with pytest.raises(InputError, match="at least 2 catalogues for a jackknife error, got 1; add"):
        ensemble_mean(np.zeros((1, 3)))
    with pytest.raises(InputError, match="filled by at least 2 catalogues, got a zero denominator"):
        jackknife_ratio(np.ones((2, 1)), np.array([[1.0], [0.0]]))
