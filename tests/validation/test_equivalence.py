"""Agreement of two sets: laws for Gaussians, planted errors, odd inputs, what is about a line."""

import dataclasses
import math

import numpy as np
import pytest
from scipy import stats

from galgen.measurements.ratio import Ratio
from galgen.validation.checks.equivalence import (
    POWER,
    About,
    CovarianceKind,
    Shares,
    agree,
    agree_means,
    agree_number,
    holm,
)
from galgen.validation.checks.spread import agree_std, pooled_variance
from galgen.validation.sets import Conditions
from galgen.validation.words import covariance_of

COVARIANCE = np.array([[2.0, 1.2, 0.4], [1.2, 1.0, 0.3], [0.4, 0.3, 0.5]])


def ratio(values):
    return Ratio(np.asarray(values, np.float64), np.ones_like(values, np.float64))


def unconditional(*numbers):
    groups = [np.zeros(n, np.int64) for n in numbers]
    return Conditions(*groups, True, (), *(np.zeros((n, 0)) for n in numbers))


def agreed(mock, truth, significance=5.0):
    known = unconditional(len(mock), len(truth))
    names = tuple(f"bin {i}" for i in range(truth.shape[1]))
    return agree_means(ratio(mock), ratio(truth), known, names, significance)


def test_pseudo_values_are_the_values_of_a_plain_mean_and_give_the_jackknife_covariance():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(20, 3))
    np.testing.assert_allclose(ratio(values).pseudo_values(), values, atol=1e-12)
    below = rng.uniform(1, 2, (20, 3))
    some = Ratio(values * below, below, offset=-1.0)
    expected = some.curve().covariance
    np.testing.assert_allclose(np.cov(some.pseudo_values().T) / 20, expected, rtol=1e-10)
    found = Shares.of(some.mean(), some.pseudo_values())
    np.testing.assert_allclose(found.covariance, expected, rtol=1e-10)
    assert found.freedom == 19


def test_against_its_formula():
    """Equal numbers: T² of Hotelling with the covariances of both; one bin: Welch's t."""
    rng = np.random.default_rng(3)
    mock, truth = rng.normal(5, 1, (30, 2)), rng.normal(5, 2, (40, 2))
    found = agreed(mock, truth)
    difference = mock.mean(axis=0) - truth.mean(axis=0)
    whole = np.cov(mock.T) / 30 + np.cov(truth.T) / 40
    square = difference @ np.linalg.inv(whole) @ difference
    singly = [stats.ttest_ind(m, t, equal_var=False) for m, t in zip(mock.T, truth.T, strict=True)]
    nu = found.freedom
    np.testing.assert_allclose(nu, [one.df for one in singly])
    np.testing.assert_allclose(found.error, difference / truth.mean(axis=0))
    assert nu.min() > 30 and found.full and found.degrees == 2
    least = 2 * min(one.pvalue for one in singly)
    assert found.p_value <= min(1, 2 * least) * (1 + 1e-12)
    assert abs(found.chi_square / (square / 2) - 1) < 0.1, "T² by its unbiased factor"
    one = agreed(mock[:, :1], truth[:, :1])
    assert one.p_value == pytest.approx(singly[0].pvalue)


@pytest.mark.parametrize("numbers", [(14, 14), (40, 10), (12, 40)])
def test_p_of_equal_means_is_no_smaller_than_chance(numbers):
    """Few and many catalogues, unequal numbers, unequal scatter: at most 5% below 0.05."""
    rng = np.random.default_rng(1)
    p_values = []
    for _ in range(300):
        mock, truth = (rng.multivariate_normal(np.full(3, 9.0), COVARIANCE, n) for n in numbers)
        p_values.append(agreed(9 + 0.5 * (mock - 9), truth).p_value)
    assert np.mean(np.array(p_values) < 0.05) < 0.05 + 2 * math.sqrt(0.05 * 0.95 / 300)
    assert np.mean(np.array(p_values) < 0.3) > 0.1, "and not much larger"


def test_the_covariance_matters():
    """A shift against the correlation that bins taken one by one do not see."""
    rng = np.random.default_rng(2)
    mock, truth = (rng.multivariate_normal(np.zeros(2), [[1, 0.98], [0.98, 1]], 100) for _ in "ab")
    found = agreed(mock + np.array([0.1, -0.1]), truth)
    alone = 2 * stats.t.sf(np.abs(found.error / found.noise), found.freedom)
    assert found.p_value < 1e-6 and alone.min() > 0.05


def test_a_singular_covariance_is_refused_and_said():
    rng = np.random.default_rng(5)
    mock, truth = (rng.normal(9, 1, (30, 2))[:, [0, 1, 1]] for _ in "ab")
    found = agreed(mock, truth)
    assert found.kind is CovarianceKind.SINGULAR and "singular" in covariance_of(found)
    few = agreed(mock[:4], truth[:4])
    assert few.kind is CovarianceKind.TOO_FEW
    assert "too few for the covariance of 3 bins" in covariance_of(few)


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
        mock, truth = (theta[:, None] + rng.normal(20, 1, size=(36, 1)) for _ in "ab")
        found = agree_means(ratio(mock), ratio(truth), conditions, ("S",), 5.0)
        p_values.append(found.p_value)
    assert stats.kstest(p_values, "uniform").pvalue > 1e-3
    assert found.about is (About.LINE if repeats == 1 else About.CONDITION)
    said = covariance_of(found)
    assert ("line in omega_m" if repeats == 1 else "mean of their condition") in said


def test_what_both_have_of_one_field_is_no_noise():
    """A scatter that partners share, in another order: p is uniform, the error that of the rest."""
    rng = np.random.default_rng(8)
    known = unconditional(30, 30)
    p_values, found = [], None
    for _ in range(200):
        shared, order = rng.normal(20, 5, (30, 2)), rng.permutation(30)
        mock, truth = (shared + 0.1 * rng.normal(size=(30, 2)) for _ in "ab")
        paired = dataclasses.replace(known, partners=np.argsort(order))
        found = agree_means(ratio(mock), ratio(truth[order]), paired, ("a", "b"), 5.0)
        p_values.append(found.p_value)
    # Twice the smaller of two tests: no more of the small ones than of chance.
    assert np.mean(np.array(p_values) < 0.05) < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 200)
    assert np.mean(np.array(p_values) < 0.4) > 0.15
    assert found.about is About.PAIR and "of the same fields" in covariance_of(found)
    np.testing.assert_allclose(found.noise, 0.1 * math.sqrt(2 / 30) / 20, rtol=0.3)
    np.testing.assert_allclose(found.freedom, 29)
    alone = agree_means(ratio(mock), ratio(truth[order]), known, ("a", "b"), 5.0)
    assert np.all(alone.noise > 20 * found.noise)


def test_pair_counts_of_partners_that_are_alike_keep_their_poisson_error():
    counts = np.tile([[0.0, 40.0]], (6, 1))
    pairs = Ratio(counts, np.full((6, 2), 10.0), -1.0, pairs=True)
    known = dataclasses.replace(unconditional(6, 6), partners=np.arange(6))
    found = agree_means(pairs, pairs, known, ("a", "b"), 0.0)
    assert np.all(found.noise > 0) and np.all(found.error == 0)


@pytest.mark.parametrize("planted", [0.05, 0.1, 0.2])
@pytest.mark.parametrize("what", ["mean", "scatter"])
def test_a_planted_error_is_found_with_the_power_that_is_stated(planted, what):
    """So many catalogues that the stated error is the planted one: found four times in five."""
    rng = np.random.default_rng(7)
    tests, tolerance = 40, 0.02
    number = round({"mean": 3.2, "scatter": 34.0}[what] / planted**2)

    def once(error):
        truth = rng.normal(1, 0.3, (number, 4))
        mock = rng.normal(1, 0.3, (number, 4))
        if what == "mean":
            return agreed(mock + error, truth)
        known = [
            pooled_variance(v, np.zeros(number, int)) for v in (1 + (mock - 1) * (1 + error), truth)
        ]
        return agree_std(*known)

    stated = np.median([once(0.0).detectable(tests, tolerance) for _ in range(5)])
    assert stated == pytest.approx(planted, rel=0.25), "the numbers above are right"
    found = [once(stated) for _ in range(120)]
    seen = [a.p_value < 0.05 / tests and a.bad(tolerance).any() for a in found]
    assert np.mean(seen) > POWER - 0.08
    assert np.mean([once(0.0).p_value < 0.05 / tests for _ in range(120)]) < 0.03


def test_an_error_at_the_tolerance_is_called_good_once_in_twenty():
    rng = np.random.default_rng(8)
    draws = [
        agreed(1.05 * rng.normal(1, 0.05, (60, 3)), rng.normal(1, 0.05, (60, 3)))
        for _ in range(400)
    ]
    assert np.mean([a.good(0.05).all() for a in draws]) < 0.05
    one = np.mean([a.good(0.05)[0] for a in draws])
    assert 0.02 < one < 0.05 + 2 * math.sqrt(0.05 * 0.95 / 400)


def test_as_many_as_are_said_to_be_enough_show_good():
    rng = np.random.default_rng(9)
    few = agreed(rng.normal(1, 0.3, (40, 1)), rng.normal(1, 0.3, (40, 1)))
    assert not few.good(0.05).any()
    number = int(few.enough(0.05))
    assert 300 < number < 1500
    seen = [
        agreed(rng.normal(1, 0.3, (number, 1)), rng.normal(1, 0.3, (number, 1))).good(0.05).all()
        for _ in range(100)
    ]
    assert np.mean(seen) > 0.6


def test_near_zero_there_is_no_percentage_but_a_fault_is_seen():
    """A crossing of zero: the scale is the scatter of one catalogue, and good is not asked."""
    rng = np.random.default_rng(10)
    truth, mock = (rng.normal([1.0, 0.001], 0.02, (300, 2)) for _ in "ab")
    right = agreed(mock, truth)
    assert right.strong.tolist() == [True, False] and right.tolerance < 0.01
    assert abs(right.error[1]) < 0.3, "not relative to 0.001"
    wrong = agreed(mock + np.array([0, 0.02]), truth)
    assert wrong.p_value < 1e-6 and wrong.bad(0.05).tolist() == [False, True]
    assert wrong.worst(0.05) == 1 and wrong.error[1] == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("numbers", [(1, 1), (1, 9), (2, 2), (3, 2), (9, 2)])
def test_one_or_two_catalogues_tell_nothing_and_break_nothing(numbers):
    rng = np.random.default_rng(11)
    found = agreed(*(rng.normal(5, 1, (n, 6)) for n in numbers))
    if min(numbers) == 1:
        assert math.isnan(found.p_value) and not found.strong.any()
    else:
        assert 0 < found.p_value <= 1 and found.kind is CovarianceKind.TOO_FEW
    assert not found.good(0.05).any()
    assert 0 <= found.worst(0.05) < 6


def test_odd_bins():
    """Constant, equal and unequal; constant in one set; no number in either; all zero."""
    rng = np.random.default_rng(12)
    truth, mock = rng.normal(5, 1, (2, 50, 7))
    truth[:, 0], mock[:, 0] = 3.0, 3.0
    truth[:, 1], mock[:, 1] = 3.0, 4.0
    truth[:, 2] = 3.0
    truth[4, 3] = np.nan
    mock[4, 4] = np.nan
    truth[:, 5], mock[:, 5] = 0.0, 0.0
    found = agreed(mock, truth)
    assert found.error[0] == found.noise[0] == 0 and found.good(0.05)[0] and not found.bad(0.05)[0]
    assert found.error[1] == pytest.approx(1 / 3) and found.bad(0.05)[1]
    assert np.isfinite(found.error[2]) and found.bad(0.05)[2]
    assert np.isnan(found.error[3]) and not found.bad(0.05)[3] and not found.strong[3]
    assert np.isinf(found.error[4]) and found.bad(0.05)[4] and found.worst(0.05) == 4
    assert found.error[5] == 0 and not found.strong[5] and not found.bad(0.05)[5]
    assert found.p_value == 0
    rest = agreed(np.delete(mock, [1, 2, 4], axis=1), np.delete(truth, [1, 2, 4], axis=1))
    assert rest.p_value > 1e-3 and rest.degrees == 1
    nothing = agreed(mock[:, 3:4], truth[:, 3:4])
    assert math.isnan(nothing.p_value) and nothing.worst(0.05) == 0
    same = agreed(mock[:, :1], truth[:, :1])
    assert same.p_value == 1 and same.kind is CovarianceKind.NOTHING_VARIES
    assert "nothing varies" in covariance_of(same)


def test_more_bins_than_catalogues():
    rng = np.random.default_rng(13)
    truth, mock = rng.normal(5, 1, (2, 8, 30))
    found = agreed(mock, truth)
    assert found.kind is CovarianceKind.TOO_FEW and 0 < found.p_value <= 1
    mock[:, 17] += 9
    assert agreed(mock, truth).p_value < 1e-4 and agreed(mock, truth).worst(0.05) == 17


def test_a_scatter_that_is_gone_is_infinitely_wrong():
    rng = np.random.default_rng(14)
    truth, mock = rng.normal(5, 1, (2, 30, 2))
    mock[:, 1] = 5.0
    group = np.zeros(30, int)
    found = agree_std(pooled_variance(mock, group), pooled_variance(truth, group), ("a", "b"))
    assert found.p_value == 0 and found.worst(0.05) == 1 and np.isinf(found.error[1])
    back = agree_std(pooled_variance(truth, group), pooled_variance(mock, group), ("a", "b"))
    assert np.isnan(back.error[1]) and back.p_value > 1e-4, "nothing to compare with"


def test_numbers_and_bins_that_must_not_be_taken_together():
    known = agree_number(0.3, 0.1, 20, 21)
    assert known.p_value == pytest.approx(2 * stats.t.sf(3, 20)) and known.bad(0.05).all()
    assert math.isnan(agree_number(math.nan, 0.1, 20, 21).p_value)
    rng = np.random.default_rng(15)
    sets = [Shares.of(v.mean(axis=0), v) for v in rng.normal(size=(2, 50, 2))]
    found = agree(*sets, ("a", "b"), np.ones(2), np.ones(2, bool), together=False)
    assert not found.full and found.kind is CovarianceKind.TOO_FEW


def test_holm():
    assert holm([0.01, 0.02, 0.03]) == [True, True, True]
    assert holm([0.02, 0.001, 0.03]) == [True, True, True]
    assert holm([0.03, 0.04]) == [False, False]
    assert holm([math.nan, 0.04, math.nan]) == [False, True, False]
    assert holm([0.0167, 0.026, 0.2]) == [False, False, False]
    assert holm([]) == []
