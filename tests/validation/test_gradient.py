"""d ln S / d theta from one split of many cosmologies, against known slopes and brute force."""

import numpy as np
import pytest

from galgen.measurements.ratio import Ratio
from galgen.validation.checks.response import gradients, log_gradients
from galgen.validation.sets import Conditions

AMPLITUDE = np.array([5.0, 2.0, 1.0])
SLOPES = np.array([[2.0, -1.0, 0.5], [0.3, 0.0, -2.0]])


def made(seed, number, noise=0.3, slopes=SLOPES):
    """S = A (1 + sum_p slope (theta - 0.3)) with noise and unequal weights, and its parameters."""
    rng = np.random.default_rng(seed)
    theta = rng.uniform([0.2, 0.1], [0.4, 0.5], (number, 2))
    value = AMPLITUDE * (1 + (theta - 0.3) @ slopes) + noise * rng.normal(size=(number, 3))
    below = rng.uniform(0.5, 2.0, (number, 3))
    return Ratio((value + 1) * below, below, offset=-1.0), theta


def both(first, second):
    numbers = len(first), len(second)
    groups = np.arange(numbers[0]), np.arange(numbers[1])
    return Conditions(*groups, True, ("omega_m", "sigma_8"), first, second)


def test_exact_without_noise():
    ratio, theta = made(0, 30, noise=0.0)
    centre = np.array([np.average(theta, axis=0, weights=w) for w in ratio.below.T])
    at_mean = AMPLITUDE * (1 + np.sum((centre - 0.3) * SLOPES.T, axis=1))
    for curve, slope in zip(log_gradients(ratio, theta), SLOPES, strict=True):
        np.testing.assert_allclose(curve.mean, AMPLITUDE * slope / at_mean, rtol=1e-9, atol=1e-12)
        assert np.all(curve.error < 1e-9)


def test_the_jackknife_in_closed_form_is_that_of_leaving_out_one():
    ratio, theta = made(1, 12)
    curves = log_gradients(ratio, theta)
    values = []
    for i in range(12):
        rest = np.arange(12) != i
        found = []
        for index in range(3):
            weight = np.sqrt(ratio.below[rest, index])
            centre = np.average(theta, axis=0, weights=ratio.below[:, index])
            design = np.column_stack([np.ones(11), theta[rest] - centre])
            value = ratio.single()[rest, index]
            fit = np.linalg.lstsq(weight[:, None] * design, weight * value, rcond=None)[0]
            found.append(fit[1:] / fit[0])
        values.append(found)
    values = np.array(values)
    for parameter, curve in enumerate(curves):
        difference = values[:, :, parameter] - values[:, :, parameter].mean(axis=0)
        np.testing.assert_allclose(curve.covariance, 11 / 12 * difference.T @ difference, rtol=1e-8)


def test_errors_are_the_scatter_of_many_draws():
    found = [log_gradients(*made(seed, 40))[0] for seed in range(60)]
    means, errors = np.array([c.mean for c in found]), np.array([c.error for c in found])
    np.testing.assert_allclose(errors.mean(axis=0), means.std(axis=0), rtol=0.3)


@pytest.mark.parametrize("follows", [1.0, 0.0])
def test_the_slope_of_generated_against_held_out(follows):
    (mock, first), (truth, second) = made(2, 200, slopes=follows * SLOPES), made(3, 200)
    found = gradients("xi", mock, truth, both(first, second), 5.0)
    assert [g.parameter for g in found] == ["omega_m", "sigma_8"]
    for gradient in found:
        response = gradient.response
        assert response.judged and response.slope_error < 0.2
        assert abs(response.slope - follows) < 3 * response.slope_error
    known = found[0].response.agreement
    assert (known.p_value > 0.01) == (follows == 1.0) != known.bad(0.05).all()


def test_nothing_where_parameters_are_few_or_move_together():
    mock, theta = made(4, 11)
    assert gradients("xi", mock, mock, both(theta, theta), 5.0) == ()
    mock, theta = made(5, 60)
    together = theta[:, :1] * np.array([1.0, 2.0])
    assert gradients("xi", mock, mock, both(together, together), 5.0) == ()
    still = np.column_stack([theta[:, 0], np.full(60, 0.8)])
    assert gradients("xi", mock, mock, both(still, theta), 5.0) == ()
