import json

import numpy as np
import pytest

from galgen.data.cardinality import Cardinality, polynomial_terms
from galgen.errors import InputError
from galgen.serialization import from_json, to_json


def truth(c):
    return np.exp(5 + 0.4 * c[..., 0] - 0.2 * c[..., 1] + 0.1 * c[..., 0] * c[..., 1])


@pytest.fixture(scope="module")
def condition():
    return np.random.default_rng(1).uniform(-1.7, 1.7, (1000, 2))


def test_poisson_counts_recover_the_mean_within_its_error(condition):
    rng = np.random.default_rng(2)
    fitted = Cardinality.fit(rng.poisson(truth(condition)), condition)
    assert fitted.overdispersion == 0 and fitted.underdispersion == 1
    wanted = dict.fromkeys(polynomial_terms(2, 2), 0.0)
    wanted |= {(): 5, (0,): 0.4, (1,): -0.2, (0, 1): 0.1}
    terms = polynomial_terms(2, 2)
    design = np.stack([np.prod(condition[:, list(t)], axis=1) for t in terms], axis=1)
    covariance = np.linalg.inv(design.T @ (truth(condition)[:, None] * design))
    offset = np.array(fitted.coefficients) - [wanted[t] for t in terms]
    chi_squared = offset @ np.linalg.inv(covariance) @ offset
    assert chi_squared < 6 + 5 * np.sqrt(12)


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


def test_samples_have_a_point_or_more_and_the_leading_shape():
    fitted = Cardinality.fit(np.array([1, 1, 2, 1]))
    drawn = fitted.sample(np.random.default_rng(8), np.zeros((30, 40, 0)))
    assert drawn.shape == (30, 40) and drawn.min() >= 1 and drawn.dtype == np.int64


def test_json_round_trip(condition):
    fitted = Cardinality.fit(np.random.default_rng(9).poisson(truth(condition)), condition)
    assert from_json(json.loads(json.dumps(to_json(fitted)))) == fitted


def test_bad_input(condition):
    with pytest.raises(InputError, match="at least one point each, got"):
        Cardinality.fit([3, 0])
    with pytest.raises(InputError, match=r"shape \(2, parameters\), got \(1000, 2\)"):
        Cardinality.fit([3, 4], condition)
    fitted = Cardinality.fit(np.full(1000, 9), condition)
    with pytest.raises(InputError, match="2 conditioning parameters, got None"):
        fitted.mean()
    with pytest.raises(InputError, match=r"2 conditioning parameters, got \(3,\)"):
        fitted.sample(np.random.default_rng(0), np.zeros(3))
