"""Priors against scipy, their draws, and the way to free coordinates and back."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from galgen.errors import InputError
from galgen.inference.priors.density_prior import DensityPrior
from galgen.inference.priors.prior import (
    Gaussian,
    ProductPrior,
    Uniform,
    uniform_prior,
)
from galgen.inference.priors.truncated_normal import quantile

KEY = jax.random.key(0)
PRIOR = ProductPrior(
    (
        Uniform("omega_m", 0.1, 0.5),
        Gaussian("sigma_8", 0.8, 0.1),
        Gaussian("h", 0.7, 0.2, low=0.5),
        Gaussian("bias", 3.0, 1.0, high=2.5),
        Gaussian("n_s", 0.96, 0.05, 0.9, 1.0),
    )
)
CUTS = [(-math.inf, math.inf), (0.5, math.inf), (-math.inf, 2.5), (0.9, 1.0)]
NORMALS = [(0.8, 0.1), (0.7, 0.2), (3.0, 1.0), (0.96, 0.05)]
REFERENCE = [stats.uniform(0.1, 0.4)] + [
    stats.truncnorm((low - mean) / width, (high - mean) / width, mean, width)
    for (low, high), (mean, width) in zip(CUTS, NORMALS, strict=True)
]


@pytest.fixture(scope="module")
def drawn() -> np.ndarray:
    return np.asarray(PRIOR.sample(KEY, 4000))


def test_draws_follow_each_density(drawn) -> None:
    for column, law in zip(drawn.T, REFERENCE, strict=True):
        assert stats.kstest(column, law.cdf).pvalue > 1e-3
    assert np.max(np.abs(np.corrcoef(drawn.T) - np.eye(5))) < 0.08


def test_density_is_that_of_scipy_and_batched(drawn) -> None:
    expected = sum(law.logpdf(c) for law, c in zip(REFERENCE, drawn.T, strict=True))
    found = PRIOR.log_prob(jnp.asarray(drawn.reshape(40, 100, 5)))
    assert found.shape == (40, 100)
    assert np.allclose(found.ravel(), expected, atol=2e-4)


def test_outside_a_bound_is_impossible(drawn) -> None:
    for place, value in [(0, 0.09), (0, 0.51), (2, 0.49), (3, 2.51), (4, 1.01)]:
        theta = jnp.asarray(drawn[0]).at[place].set(value)
        assert PRIOR.log_prob(theta) == -jnp.inf


def test_free_coordinates_and_back(drawn) -> None:
    free = PRIOR.unconstrain(jnp.asarray(drawn))
    assert np.all(np.isfinite(free)) and np.max(np.abs(np.median(free, axis=0))) < 2
    theta, slope = jax.jit(PRIOR.constrain)(free)
    assert np.allclose(theta, drawn, rtol=1e-4, atol=1e-5)
    jacobian = jax.vmap(jax.jacfwd(lambda u: PRIOR.constrain(u)[0]))(free[:50])
    assert np.allclose(np.linalg.slogdet(jacobian)[1], slope[:50], atol=1e-4)


def test_density_of_free_coordinates_is_one() -> None:
    """The integral over u of p(theta(u)) |d theta / d u|, by the trapezoidal rule."""
    u = jnp.linspace(-14.0, 14.0, 4001)[:, None]
    for prior in PRIOR.priors:
        theta, slope = prior.constrain(u)
        density = np.exp(np.asarray(prior.log_prob(theta) + slope))
        assert np.trapezoid(density, u[:, 0]) == pytest.approx(1.0, abs=2e-3)


def test_points_on_a_bound_stay_finite_and_differentiable() -> None:
    prior = uniform_prior({"omega_m": (0.1, 0.5), "sigma_8": (0.6, 1.0)})
    free = prior.unconstrain(jnp.array([0.1, 1.0]))
    slope = jax.grad(lambda u: prior.log_prob(prior.constrain(u)[0]) + prior.constrain(u)[1])(free)
    assert np.all(np.isfinite(free)) and np.all(np.isfinite(slope))
    assert np.allclose(slope, [1.0, -1.0], atol=1e-3)  # of log s(u) s(-u), far out


def test_a_density_written_elsewhere() -> None:
    correlated = DensityPrior(
        ("a", "b"), lambda t: -jnp.sum(t**2, -1) + t[..., 0] * t[..., 1], ((0.0, math.inf),) * 2
    )
    theta = jnp.array([[1.0, 2.0], [-1.0, 2.0]])
    assert np.array_equal(correlated.log_prob(theta), [-3.0, -np.inf])
    with pytest.raises(InputError, match=r"a way to draw.*density alone; pass draw="):
        correlated.sample(KEY, 3)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Uniform("h", 0.8, 0.6), "low below high in the prior of h"),
        (lambda: Uniform("h", 0.0, math.inf), "high of Uniform to be a number, got inf"),
        (lambda: Gaussian("h", 0.7, 0.0), "std of Gaussian"),
        (lambda: Gaussian("h", 0.7, 0.01, 1e3, 1e4), "some of the normal between them"),
        (lambda: ProductPrior((Uniform("h", 0, 1), Uniform("h", 0, 1))), "distinct parameters"),
        (lambda: DensityPrior(("h",), jnp.sum, ()), "rising limits of each"),
    ],
)
def test_what_is_no_prior(make, words) -> None:
    with pytest.raises(InputError, match=words):
        make()


TAILS = [
    *((sigma, math.inf) for sigma in (0.0, 2.0, 5.0, 6.0, 8.0, 10.0, 20.0)),
    *((sigma, sigma + width) for sigma in (4.0, 5.5, 9.5) for width in (0.001, 0.5, 3.0)),
    *((-3.0, 3.0), (-1.0, 9.0), (-20.0, 30.0), (-9.0, 0.5), (-math.inf, 2.5)),
]


@pytest.mark.parametrize(("low", "high"), TAILS)
@pytest.mark.parametrize("side", [1, -1])
def test_a_cut_normal_is_exact_far_in_the_tail(low: float, high: float, side: int) -> None:
    """In float32 the usual inverse gives 8.0 +- 0.0 beyond 8 deviations."""
    ends = (low, high) if side == 1 else (-high, -low)
    law = stats.truncnorm(*ends)
    even = jnp.asarray((np.arange(20_000) + 0.5) / 20_000, jnp.float32)
    drawn = np.asarray(quantile(even, *ends), np.float64)
    assert drawn.min() >= ends[0] and drawn.max() <= ends[1]
    mean, std = law.mean(), law.std()
    assert drawn.mean() == pytest.approx(mean, abs=1e-3 * std)
    assert drawn.std() == pytest.approx(std, rel=1e-3)
    levels = [0.01, 0.16, 0.5, 0.84, 0.99]
    assert np.allclose(np.quantile(drawn, levels), law.ppf(levels), atol=5e-3 * std)


@pytest.mark.parametrize(("low", "high"), [(0.96, 1.2), (0.97, 0.98), (0.4, 0.64)])
def test_a_prior_cut_beyond_five_deviations_has_draws_and_a_density(
    low: float, high: float
) -> None:
    prior = Gaussian("sigma_8", 0.8, 0.02, low, high)
    law = stats.truncnorm((low - 0.8) / 0.02, (high - 0.8) / 0.02, 0.8, 0.02)
    drawn = np.asarray(jax.jit(prior.sample, static_argnums=1)(KEY, 4000), np.float64)[:, 0]
    assert stats.kstest(drawn, law.cdf).pvalue > 1e-3
    found = prior.log_prob(jnp.asarray(drawn, jnp.float32)[:, None])
    assert np.allclose(found, law.logpdf(drawn), atol=1e-2)
