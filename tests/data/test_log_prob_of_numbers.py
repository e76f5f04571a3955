"""log p(N | condition) against scipy, its sum over N, and its gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from galgen.data.cardinality import Cardinality

COEFFICIENTS = (3.0, 0.5, -0.2, -0.1, 0.05, -0.03)
CONDITION = np.array([[0.0, 0.0], [1.2, -0.7], [-4.0, 1.0]], np.float32)
POISSON = Cardinality(COEFFICIENTS, 2, 2)
FAMILIES = {
    "poisson": POISSON,
    "negative binomial": Cardinality(COEFFICIENTS, 2, 2, overdispersion=0.3),
    "rounded Gaussian": Cardinality(COEFFICIENTS, 2, 2, underdispersion=0.2),
}


def reference(family: Cardinality):
    mean = family.mean(CONDITION)
    if family.overdispersion:
        shape = 1 / family.overdispersion
        return stats.nbinom(shape, shape / (shape + mean)).cdf
    if family.underdispersion < 1:
        return lambda n: stats.norm(mean, np.sqrt(0.2 * mean)).cdf(n + 0.5)
    return stats.poisson(mean).cdf


def found(family: Cardinality, numbers: np.ndarray) -> np.ndarray:
    """log p of each number at each condition."""
    values = jax.jit(jax.vmap(lambda n: family.log_prob(n, jnp.asarray(CONDITION))))(numbers)
    return np.asarray(values) + np.array([[family.log_constant(n)] for n in numbers.tolist()])


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())
def test_probabilities_are_those_of_scipy(family) -> None:
    cdf, numbers = reference(family), np.arange(250)
    probability = np.exp(found(family, numbers))
    for number in (0, 1, 2, 17, 40):
        below = cdf(number - 1) if number > 0 else 0.0
        wanted = np.asarray(cdf(number) - below)
        assert np.allclose(probability[number], wanted, rtol=2e-4, atol=1e-6), number
    assert np.allclose(probability.sum(axis=0), 1.0, atol=2e-4)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())
@pytest.mark.parametrize("number", [0, 23])
def test_gradient_is_that_of_differences(family, number) -> None:
    def value(c):
        return family.log_prob(jnp.array(number), c)

    with jax.enable_x64(True):
        c = jnp.asarray(CONDITION[1], float)
        slope = jax.jit(jax.grad(value))(c)
        steps = 1e-6 * jnp.eye(2, dtype=c.dtype)
        difference = jax.jit(lambda c: (value(c + steps) - value(c - steps)) / 2e-6)(c)
    assert np.allclose(slope, difference, rtol=1e-5, atol=1e-6)


def test_large_numbers_keep_their_digits() -> None:
    """A nearly Poisson negative binomial of thousands of points, against float64."""
    family = Cardinality((np.log(5000.0),), 0, 0, overdispersion=1e-7)
    value = family.log_prob(jnp.array(5100), jnp.zeros((1, 0)))
    value = float(value[0]) + family.log_constant(5100)
    assert value == pytest.approx(stats.poisson(5000).logpmf(5100), abs=0.01)


def test_far_tail_of_a_rounded_gaussian_is_finite() -> None:
    value = found(FAMILIES["rounded Gaussian"], np.array([400]))
    assert np.all(np.isfinite(value)) and np.all(value < -100)
