import json

import numpy as np
import pytest

from galgen.data.cardinality import Cardinality, polynomial_terms
from galgen.data.count_regression import objective
from galgen.errors import InputError
from galgen.serialization import from_json, to_json


def truth(c):
    return np.exp(5 + 0.4 * c[..., 0] - 0.2 * c[..., 1] + 0.1 * c[..., 0] * c[..., 1])


@pytest.fixture(scope="module")
def condition():
    return np.random.default_rng(1).uniform(-1.7, 1.7, (1000, 2))


@pytest.mark.parametrize(("over", "points"), [(0.0, 150), (0.0, 0.5), (0.05, 150), (0.5, 3)])
def test_the_fitted_mean_is_right_to_the_sampling_error(condition, over, points):
    """Poisson and negative binomial counts, many and few: chi squared of six coefficients."""
    rng = np.random.default_rng(2)
    mean = truth(condition) * points / 150
    shape = 1 / over if over else 1
    counts = rng.poisson(mean * rng.gamma(shape, 1 / shape, len(mean)) if over else mean)
    fitted = Cardinality.fit(counts, condition)
    assert fitted.underdispersion == 1 and fitted.order == 2 and not fitted.left_out
    assert fitted.overdispersion == pytest.approx(over, rel=0.2)
    wanted = dict.fromkeys(polynomial_terms(2, 2), 0.0)
    wanted |= {(): 5 + np.log(points / 150), (0,): 0.4, (1,): -0.2, (0, 1): 0.1}
    terms = polynomial_terms(2, 2)
    design = np.stack([np.prod(condition[:, list(t)], axis=1) for t in terms], axis=1)
    information = design.T @ ((mean / (1 + over * mean))[:, None] * design)
    offset = np.array(fitted.coefficients) - [wanted[t] for t in terms]
    assert offset @ information @ offset < 6 + 5 * np.sqrt(12)


@pytest.mark.parametrize("over", [0.0, 0.3])
def test_gradient_and_hessian_are_those_of_differences(over):
    rng = np.random.default_rng(0)
    design = np.column_stack([np.ones(20), rng.normal(size=(20, 2))])
    n, b, step = rng.poisson(4.0, 20).astype(float), rng.normal(size=3), 1e-5

    def at(b):
        return objective(b, design, n, over)

    _, slope, curvature = at(b)
    for i in range(3):
        ahead, behind = (at(b + sign * step * np.eye(3)[i]) for sign in (1, -1))
        assert slope[i] == pytest.approx((ahead[0] - behind[0]) / (2 * step), rel=1e-6)
        assert curvature[i] == pytest.approx((ahead[1] - behind[1]) / (2 * step), rel=1e-6)


NORMAL = np.random.default_rng(1).normal(size=(40, 2))
THIRTY = np.random.default_rng(2).poisson(30, 40)
FIRST = np.arange(40) == 0
ODD = {
    "all equal": (np.full(40, 7), NORMAL, (7, 7)),
    "all zero": (np.zeros(40, int), NORMAL, (0, 0.1)),
    "all one": (np.ones(40, int), NORMAL, (0.9, 1.1)),
    "sparse": (np.random.default_rng(3).poisson(0.1, 40), NORMAL, (0.02, 0.3)),
    "one catalogue": ([4], NORMAL[:1], (4, 4)),
    "one empty catalogue": ([0], NORMAL[:1], (0, 0.5)),
    "two catalogues": ([3, 900], NORMAL[:2], (451, 452)),
    "two without condition": ([0, 5], None, (2.4, 2.6)),
    "very many": (np.random.default_rng(4).poisson(1e9, 40), NORMAL, (0.999e9, 1.001e9)),
    "collinear": (THIRTY, np.repeat(NORMAL[:, :1], 3, axis=1), (28, 32)),
    "constant": (THIRTY, np.full((40, 2), 5.0), (28, 32)),
    "rounding": (THIRTY, 0.3 + 1e-16 * NORMAL, (28, 32)),
    "heavy tails": (THIRTY, np.tan(1.57 * np.tanh(NORMAL)), (28, 32)),
    "huge": (THIRTY, 1e8 * NORMAL, (28, 32)),
    "separated": (np.where(NORMAL[:, 0] < 0, 0, 500), NORMAL, (100, 400)),
    "a giant among zeros": (np.where(FIRST, 10**6, 0), NORMAL, (0, 2e6)),
    "one of 3": (np.where(FIRST, 3, 100 * THIRTY), NORMAL, (2900, 3100)),
    "one of 300": (np.where(FIRST, 300, THIRTY), NORMAL, (28, 32)),
    "one of 3000": (np.where(FIRST, 3000, THIRTY), NORMAL, (28, 32)),
    "one of 20000, equal": (np.where(FIRST, 20000, 30), NORMAL, (30, 30)),
    "one of ten": (np.where(FIRST, 3000, THIRTY)[:10], None, (26, 34)),
    "two of 20000": (np.where(np.arange(40) < 2, 20000, THIRTY), NORMAL, (28, 32)),
    "three in ten": (np.where(np.arange(40) < 12, 3000, THIRTY), None, (900, 940)),
    "heavy-tailed": ((np.random.default_rng(5).pareto(0.7, 40) * 10).astype(int), NORMAL, (1, 1e5)),
}


@pytest.mark.parametrize(("counts", "condition", "limits"), ODD.values(), ids=ODD.keys())
def test_any_counts_fit(counts, condition, limits):
    """Means where they should be, draws of them, and nothing that overflows."""
    fitted = Cardinality.fit(counts, condition)
    mean = fitted.mean(condition)
    low, high = limits
    assert low * (1 - 1e-6) <= np.mean(mean) <= high * (1 + 1e-6)
    assert np.all(mean <= 2 * max(np.max(counts), 1))
    drawn = np.stack([fitted.sample(np.random.default_rng(i), condition) for i in range(8)])
    assert drawn.min() >= 0 and drawn.max() < 3e9
    far = fitted.mean(None if condition is None else 1e3 * np.asarray(condition))
    assert np.all(np.isfinite(far)) and np.all(far >= 0)


def test_few_deviant_catalogues_are_left_out_and_named():
    """Whatever the seed; and none of honest counts, however widely they scatter."""
    for seed in range(2):
        rng = np.random.default_rng(seed)
        condition, counts = rng.normal(size=(60, 2)), rng.poisson(30, 60)
        whole = Cardinality.fit(counts, condition)
        counts[:2] = 1000, 20000
        fitted = Cardinality.fit(counts, condition)
        assert fitted.left_out == (1000, 20000) and not whole.left_out
        np.testing.assert_allclose(fitted.mean(condition), whole.mean(condition), rtol=0.25)
        wide = rng.poisson(np.exp(3 + 0.5 * condition[:, 0]) * rng.gamma(1.0, 1.0, 60))
        assert not Cardinality.fit(wide, condition).left_out


def test_overdispersion_is_found(condition):
    rng = np.random.default_rng(3)
    mean = truth(condition)
    counts = rng.poisson(mean * rng.gamma(1 / 0.05, 0.05, len(mean)))
    fitted = Cardinality.fit(counts, condition)
    assert fitted.overdispersion == pytest.approx(0.05, rel=0.2)
    np.testing.assert_allclose(fitted.mean(condition), mean, rtol=0.06)
    drawn = fitted.sample(rng, condition[0], number=20000)
    assert drawn.mean() == pytest.approx(fitted.mean(condition[0]), rel=0.01)
    assert drawn.var() == pytest.approx(fitted.variance(condition[0]), rel=0.05)


def test_fixed_numbers_stay_fixed():
    fitted = Cardinality.fit(np.full(100, 2000))
    assert np.all(fitted.sample(np.random.default_rng(0), number=50) == 2000)


def test_no_condition_is_the_sample_mean():
    counts = np.random.default_rng(4).poisson(80, 300)
    fitted = Cardinality.fit(counts)
    assert fitted.mean() == pytest.approx(counts.mean(), rel=1e-9)
    assert fitted.mean(np.zeros((7, 0))).shape == (7,)
    drawn = fitted.sample(np.random.default_rng(5), number=4000)
    assert drawn.mean() == pytest.approx(counts.mean(), abs=5 * np.sqrt(80 / 4000))
    assert drawn.var() == pytest.approx(80, rel=0.15)


@pytest.mark.parametrize(("number", "order"), [(1, 0), (3, 0), (4, 1), (6, 1), (7, 2)])
def test_few_catalogues_take_a_lower_order(number, order):
    condition = np.random.default_rng(6).normal(size=(number, 2))
    fitted = Cardinality.fit(np.full(number, 100), condition)
    assert fitted.order == order
    np.testing.assert_allclose(fitted.mean(3 * condition), 100, rtol=1e-3)


def test_a_condition_that_never_varies_does_not_blow_up():
    condition = np.zeros((50, 2))
    counts = np.random.default_rng(7).poisson(40, 50)
    fitted = Cardinality.fit(counts, condition)
    assert fitted.mean(np.ones((1, 2)))[0] == pytest.approx(counts.mean(), rel=1e-6)


def test_samples_have_the_leading_shape_and_are_empty_as_often_as_they_should():
    fitted = Cardinality.fit(np.array([1, 1, 2, 0]))
    drawn = fitted.sample(np.random.default_rng(8), np.zeros((30, 40, 0)))
    assert drawn.shape == (30, 40) and drawn.dtype == np.int64
    assert np.mean(drawn == 0) == pytest.approx(np.exp(-1), abs=4 * np.sqrt(0.25 / 1200))


def test_json_round_trip(condition):
    fitted = Cardinality.fit(np.random.default_rng(9).poisson(truth(condition)), condition)
    assert from_json(json.loads(json.dumps(to_json(fitted)))) == fitted


def test_bad_input(condition):
    for wrong in ([3, -1], [3, np.nan], [np.inf, 3], []):
        with pytest.raises(InputError, match="a number of points of 0 or more of every catalogue"):
            Cardinality.fit(wrong)
    with pytest.raises(InputError, match="expected finite conditions, got 1 values that are not"):
        Cardinality.fit([3, 4, 5], np.array([[0.0], [np.nan], [1.0]]))
    with pytest.raises(InputError, match=r"shape \(2, parameters\), got \(1000, 2\)"):
        Cardinality.fit([3, 4], condition)
    fitted = Cardinality.fit(np.full(1000, 9), condition)
    with pytest.raises(InputError, match="2 conditioning parameters, got None"):
        fitted.mean()
    with pytest.raises(InputError, match=r"2 conditioning parameters, got \(3,\)"):
        fitted.sample(np.random.default_rng(0), np.zeros(3))
