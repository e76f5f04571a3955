"""The errors that closure and slope quote, against the scatter of many draws."""

import numpy as np
import pytest

from galgen.measurements.ratio import Curve, Ratio
from galgen.validation.checks.response import slope_through_origin
from galgen.validation.curves import closure
from galgen.validation.sets import halves


def curve(mean, error):
    mean, error = np.broadcast_arrays(np.asarray(mean, float), np.asarray(error, float))
    covariance = np.diag(error**2)
    return Curve(mean, error, covariance, error)


@pytest.mark.parametrize("generated", [0.6, 1.5, 0.1, -0.3, 3.0])
def test_closure_error_is_the_scatter_of_closure(generated):
    rng = np.random.default_rng(0)
    means, errors = (generated, 1.0, 0.0), (0.02, 0.03, 0.01)
    draws = [curve(rng.normal(m, e, 4_000), e) for m, e in zip(means, errors, strict=True)]
    value, _ = closure(*draws)
    exact, error = closure(*(curve([m], e) for m, e in zip(means, errors, strict=True)))
    assert exact[0] == pytest.approx(1 - abs(generated - 1))
    assert value.std() == pytest.approx(error[0], rel=0.05)
    assert value.mean() == pytest.approx(exact[0], abs=0.01)


def test_slope_is_unbiased_where_plain_least_squares_is_not():
    """Ten bins at three sigma each: plain least squares finds 0.9; one sigma holds 68%."""
    rng = np.random.default_rng(1)
    found, plain = [], []
    for _ in range(60):
        first, second = (curve(rng.normal(3.0, 1.0, 10), 1.0) for _ in range(2))
        found.append(slope_through_origin(first, second))
        plain.append(first.mean @ second.mean / (first.mean @ first.mean))
    slopes, errors = np.array(found).T
    assert abs(slopes.mean() - 1) < 3 * slopes.std() / np.sqrt(60)
    assert np.mean(plain) < 0.95
    assert 0.5 < np.mean(np.abs(slopes - 1) < errors) < 0.86
    assert np.median(errors) == pytest.approx(slopes.std(), rel=0.25)


@pytest.mark.parametrize("slope", [2.0, 1.0, 0.0, -0.5])
def test_slope_is_exact_without_noise(slope):
    truth = np.array([1.0, -2.0, 5.0])
    found, error = slope_through_origin(curve(truth, 0.1), curve(slope * truth, 0.1))
    assert found == pytest.approx(slope, abs=1e-6)
    assert error == pytest.approx(0.1 * np.sqrt((1 + slope**2) / 30), rel=1e-3)


def test_error_of_fully_correlated_bins_does_not_shrink_with_their_number():
    truth = np.full(9, 3.0)
    together = Curve(truth, np.full(9, 0.3), np.full((9, 9), 0.09), np.full(9, 0.3))
    _, error = slope_through_origin(curve(truth, 1e-4), together)
    assert error == pytest.approx(0.1, rel=1e-2)


def test_no_pairs_is_not_certainty():
    """No pair where eight were expected: Poisson allows one, and the jackknife error is zero."""
    ratio = Ratio(np.zeros((4, 1)), np.full((4, 1), 4.0), -1.0, pairs=True)
    assert ratio.curve().mean[0] == -1
    assert ratio.curve().error[0] == pytest.approx(1 / 8)


def test_halves_take_one_of_each_neighbour():
    for half in halves(7, 0, repeats=20):
        assert np.all(half[0:6:2] != half[1:6:2])
    assert len({tuple(half) for half in halves(8, 0, repeats=200)}) == 16
