"""Chi-square of the means: known laws for Gaussians, what is refused, what is about a line."""

import numpy as np
import pytest
from scipy import stats

from galgen.measurements.ratio import Ratio
from galgen.validation.checks.chi_square import chi_square, one_catalogue_covariance
from galgen.validation.sets import Conditions
from galgen.validation.words import covariance_of

COVARIANCE = np.array([[2.0, 1.2, 0.4], [1.2, 1.0, 0.3], [0.4, 0.3, 0.5]])


def ratio(values):
    return Ratio(values, np.ones_like(values))


def unconditional(*numbers):
    groups = [np.zeros(n, np.int64) for n in numbers]
    return Conditions(*groups, True, (), *(np.zeros((n, 0)) for n in numbers))


def test_pseudo_values_are_the_values_of_a_plain_mean_and_give_the_jackknife_covariance():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(20, 3))
    np.testing.assert_allclose(ratio(values).pseudo_values(), values, atol=1e-12)
    below = rng.uniform(1, 2, (20, 3))
    some = Ratio(values * below, below, offset=-1.0)
    expected = some.curve().covariance
    np.testing.assert_allclose(np.cov(some.pseudo_values().T) / 20, expected, rtol=1e-10)
    covariance, freedom, _ = one_catalogue_covariance(some, unconditional(5, 20))
    np.testing.assert_allclose(covariance / 20, expected, rtol=1e-10)
    assert freedom == 19


def test_p_is_uniform_and_chi_square_unbiased_with_few_catalogues():
    """Ten catalogues for three bins: without the factor chi² would be 1.8 too large."""
    rng = np.random.default_rng(1)
    p_values, reduced = [], []
    for _ in range(400):
        mock, truth = (rng.multivariate_normal(np.zeros(3), COVARIANCE, n) for n in (14, 10))
        found = chi_square(ratio(mock), ratio(truth), unconditional(14, 10))
        p_values.append(found.p_value)
        reduced.append(found.reduced)
    assert stats.kstest(p_values, "uniform").pvalue > 1e-3
    assert np.mean(reduced) == pytest.approx(1.0, abs=4 * np.std(reduced) / 20)
    assert found.factor == pytest.approx((10 - 3 - 2) / (10 - 1)) and found.full


def test_the_covariance_matters():
    """A shift against the correlation that bins taken one by one do not see."""
    rng = np.random.default_rng(2)
    mock, truth = (rng.multivariate_normal(np.zeros(2), [[1, 0.98], [0.98, 1]], 100) for _ in "ab")
    mock += np.array([0.1, -0.1])
    found = chi_square(ratio(mock), ratio(truth), unconditional(100, 100))
    diagonal = np.sum((mock.mean(axis=0) - truth.mean(axis=0)) ** 2 / (2 / 100))
    assert found.p_value < 1e-6 and stats.chi2.sf(diagonal, 2) > 0.05


def test_against_its_formula():
    rng = np.random.default_rng(3)
    mock, truth = rng.normal(size=(8, 2)), rng.normal(size=(12, 2))
    found = chi_square(ratio(mock), ratio(truth), unconditional(8, 12))
    difference = mock.mean(axis=0) - truth.mean(axis=0)
    square = difference @ np.linalg.inv(np.cov(truth.T) * (1 / 8 + 1 / 12)) @ difference
    assert found.value == pytest.approx(8 / 11 * square, rel=1e-10)
    assert found.p_value == pytest.approx(stats.f.sf(square * 10 / 22, 2, 10), rel=1e-10)


@pytest.mark.parametrize("number", [4, 5])
def test_too_few_catalogues_are_refused_and_said(number):
    rng = np.random.default_rng(4)
    mock, truth = rng.normal(size=(9, 3)), rng.normal(size=(number, 3))
    found = chi_square(ratio(mock), ratio(truth), unconditional(9, number))
    assert not found.full and "too few for the covariance of 3 bins" in covariance_of(found)
    error = truth.var(axis=0, ddof=1) * (1 / 9 + 1 / number)
    value = np.sum((mock.mean(axis=0) - truth.mean(axis=0)) ** 2 / error)
    assert found.value == pytest.approx(value) and found.factor == 1


def test_a_singular_covariance_is_refused():
    rng = np.random.default_rng(5)
    truth = rng.normal(size=(30, 2))[:, [0, 1, 1]]
    found = chi_square(ratio(rng.normal(size=(30, 3))), ratio(truth), unconditional(30, 30))
    assert not found.full and "singular" in covariance_of(found)


@pytest.mark.parametrize("repeats", [1, 6])
def test_differences_between_the_same_cosmologies_are_no_noise(repeats):
    """A statistic that runs over ten sigma with cosmology: p is uniform only about its line."""
    rng = np.random.default_rng(6)
    theta = np.repeat(np.linspace(-5, 5, 36 // repeats), repeats)
    group = np.unique(theta, return_inverse=True)[1]
    values = theta[:, None]
    conditions = Conditions(group, group, True, ("omega_m",), values, values)
    p_values = []
    for _ in range(150):
        mock, truth = (theta[:, None] + rng.normal(size=(36, 2)) for _ in "ab")
        found = chi_square(ratio(mock), ratio(truth), conditions)
        p_values.append(found.p_value)
    assert stats.kstest(p_values, "uniform").pvalue > 1e-3
    assert ("line in omega_m" if repeats == 1 else "mean of their condition") in covariance_of(
        found
    )
