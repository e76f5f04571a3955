"""Samplers against moments that are known, and diagnostics against chains that are known."""

import dataclasses
import math

import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial
from known_fields import draw, marks

from galgen.errors import InputError
from galgen.generative.sampling.log_density import ByBound
from galgen.inference.likelihood.profile import grid_posterior
from galgen.inference.priors.density_prior import DensityPrior
from galgen.inference.priors.prior import Gaussian, ProductPrior, uniform_prior
from galgen.inference.results.result_warning import ResultWarning
from galgen.inference.sampling import (
    HMC,
    NUTS,
    PosteriorSamples,
    RandomWalk,
    Target,
    TemperedSMC,
    VariationalGaussian,
    field_target,
)

pytestmark = pytest.mark.usefixtures("quick_compilation")
CENTER = np.array([0.35, 0.8])
COVARIANCE = np.array([[4.0, 1.5], [1.5, 1.0]]) * 1e-4
PRECISION = np.linalg.inv(COVARIANCE)
GAUSSIAN = Target(
    ProductPrior((Gaussian("omega_m", 0.3, 0.2), Gaussian("sigma_8", 0.7, 0.3))),
    lambda theta: -0.5 * (theta - CENTER) @ jnp.asarray(PRECISION, theta.dtype) @ (theta - CENTER),
)
# A likelihood and a prior that are both normal make a normal posterior.
PRIOR_PRECISION = np.diag([1 / 0.2**2, 1 / 0.3**2])
POSTERIOR = np.linalg.inv(PRECISION + PRIOR_PRECISION)
MEAN = POSTERIOR @ (PRECISION @ CENTER + PRIOR_PRECISION @ [0.3, 0.7])
BEND, SPREAD = 0.5, 2.0


def banana(theta):
    """a ~ N(0, s^2), b given a ~ N(k (a^2 - s^2), 1)."""
    a, b = theta
    return -0.5 * (a / SPREAD) ** 2 - 0.5 * (b - BEND * (a**2 - SPREAD**2)) ** 2


BANANA = Target(
    DensityPrior(
        ("a", "b"),
        lambda theta: jnp.zeros_like(theta[..., 0]),
        ((-math.inf, math.inf),) * 2,
        lambda key, number: jnp.asarray(np.random.default_rng(0).normal(size=(number, 2)), "f4"),
    ),
    banana,
)

SAMPLERS = [
    pytest.param(NUTS(draws=600, warmup=300), marks=pytest.mark.slow),
    HMC(draws=600, warmup=300, steps=8),
    RandomWalk(draws=600, warmup=800, thin=10),
    pytest.param(TemperedSMC(draws=1000), marks=pytest.mark.slow),
    pytest.param(VariationalGaussian(draws=1000, warmup=800), marks=pytest.mark.slow),
]


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda s: type(s).__name__)
def test_gaussian(sampler) -> None:
    found = sampler(GAUSSIAN, seed=1)
    assert found.samples.shape == (4, sampler.draws, 2)
    drawn, width = found.flat, np.sqrt(np.diag(POSTERIOR))
    effective = np.minimum(found.ess_bulk, len(drawn))
    assert np.all(effective > 400) and np.all(found.r_hat < 1.02)
    slack = 0.05 * isinstance(sampler, VariationalGaussian)  # its fit has noise of its own
    assert np.all(np.abs(drawn.mean(axis=0) - MEAN) < (4 / np.sqrt(effective) + slack) * width)
    std = drawn.std(axis=0) / width - 1
    assert np.all(np.abs(std) < 4 / np.sqrt(2 * found.ess_tail) + slack)
    assert np.corrcoef(drawn.T)[0, 1] == pytest.approx(
        POSTERIOR[0, 1] / width.prod(), abs=4 * (1 - 0.55) / np.sqrt(effective.min()) + slack
    )
    gap = drawn - MEAN
    log = -0.5 * np.sum(gap @ np.linalg.inv(POSTERIOR) * gap, axis=1)
    known = found.log_density.ravel()
    assert np.allclose(known - known.mean(), log - log.mean(), atol=0.02)
    assert "variational" not in [c.name for c in found.warnings]


def test_data_of_one_shape_are_compiled_once() -> None:
    traced = []

    def likelihood(center, theta):
        traced.append(1)
        return -0.5 * jnp.sum(((theta - center) / 0.02) ** 2)

    sampler = RandomWalk(chains=2, draws=200, warmup=200)
    places, counts = [], []
    for center in ([0.2, 0.6], [0.4, 0.8]):
        target = Target(GAUSSIAN.prior, Partial(likelihood, jnp.array(center)))
        places.append(sampler(target).flat.mean(axis=0))
        counts.append(len(traced))
    assert counts[0] == counts[1] > 0
    np.testing.assert_allclose(places, [[0.2, 0.6], [0.4, 0.8]], atol=0.02)


@pytest.mark.slow
def test_mean_field_is_too_narrow_by_what_it_cannot_know() -> None:
    """Its widths are those of each parameter with the other fixed (1 / precision)."""
    found = VariationalGaussian(draws=1000, warmup=800, full_rank=False)(GAUSSIAN)
    expected = 1 / np.sqrt(np.diag(np.linalg.inv(POSTERIOR)))
    assert np.allclose(found.flat.std(axis=0), expected, rtol=0.1)
    assert abs(np.corrcoef(found.flat.T)[0, 1]) < 0.1


@pytest.mark.parametrize(
    "sampler",
    [HMC(draws=3000, steps=12), pytest.param(NUTS(draws=1500), marks=pytest.mark.slow)],
    ids=["HMC", "NUTS"],
)
def test_banana(sampler) -> None:
    """E b = 0, Var b = 1 + 2 k^2 s^4, E a^2 b = 2 k s^4."""
    found = dataclasses.replace(sampler, acceptance=0.95)(BANANA, seed=2)
    a, b = np.moveaxis(found.samples, -1, 0)
    known = [
        (a, 0.0),
        (a**2, SPREAD**2),
        (b, 0.0),
        (b**2, 1 + 2 * BEND**2 * SPREAD**4),
        (a**2 * b, 2 * BEND * SPREAD**4),
    ]
    for values, truth in known:
        one = PosteriorSamples(("moment",), values[..., None])
        assert one.ess_bulk[0] > 200
        error = values.std() / np.sqrt(one.ess_bulk[0])
        assert abs(values.mean() - truth) < 4 * error, (values.mean(), truth, error)
    assert found.acceptance.min() > 0.8


def test_a_bounded_posterior_stays_inside_and_is_unbiased() -> None:
    """An exponential density cut at both bounds: mean by calculus."""
    prior = uniform_prior({"a": (0.0, 1.0)})
    found = RandomWalk(draws=800, warmup=400)(Target(prior, lambda theta: -5 * theta[0]), seed=3)
    assert found.flat.min() >= 0 and found.flat.max() <= 1
    truth = 1 / 5 - 1 / (math.exp(5) - 1)
    error = found.flat.std() / np.sqrt(found.ess_bulk[0])
    assert abs(found.flat.mean() - truth) < 4 * error


@pytest.mark.slow
def test_field_level_nuts_is_the_grid_with_the_same_noise() -> None:
    """The noise is kept: averaged over the same replicas, both see the same density."""
    field, catalogue = marks(ByBound(draws=4)), draw((0.3, 0.85), seed=4)
    prior = uniform_prior({"omega_m": (0.1, 0.5), "sigma_8": (0.6, 1.0)})
    target = field_target(field, catalogue.replace(redshift=0.9), prior, seed=5, replicas=2)
    found = NUTS(chains=2, draws=500, warmup=200)(target)
    grid = grid_posterior(field, catalogue, prior, seed=5, replicas=2, number=9)
    error = grid.std / np.sqrt(found.ess_bulk)
    assert np.all(np.abs(found.flat.mean(axis=0) - grid.mean) < 4 * error)
    assert np.allclose(found.flat.std(axis=0), grid.std, rtol=0.15)
    assert [c.name for c in found.warnings][:1] == ["redshift"]


def test_diagnostics_of_chains_that_are_known() -> None:
    rng = np.random.default_rng(0)
    good = PosteriorSamples(("a",), rng.normal(size=(4, 1000, 1)))
    assert good.r_hat[0] < 1.005
    assert good.ess_bulk[0] == pytest.approx(4000, rel=0.2) and good.judged().warnings == ()
    noise = rng.normal(size=(4, 4000))
    slow = np.zeros((4, 4000))
    for i in range(1, 4000):
        slow[:, i] = 0.9 * slow[:, i - 1] + noise[:, i]
    # An AR(1) chain of coefficient f has (1 - f) / (1 + f) effective draws each.
    assert PosteriorSamples(("a",), slow[..., None]).ess_bulk[0] == pytest.approx(842, rel=0.3)
    apart = good.samples + np.array([0.0, 0.0, 0.0, 3.0])[:, None, None]
    wide = good.samples * np.array([1.0, 1.0, 1.0, 5.0])[:, None, None]
    for bad in (apart, wide):
        judged = PosteriorSamples(("a",), bad, divergences=np.array([0, 2, 0, 1])).judged()
        assert judged.r_hat[0] > 1.05
        text = {c.name: c.text for c in judged.warnings}
        assert "chains differ" in text["r_hat"] and "3 of 4000" in text["divergences"]
    few = PosteriorSamples(("a",), good.samples[:, :12], warnings=(ResultWarning("points", "few"),))
    assert [c.name for c in few.judged().warnings][-1] == "ess" and few.judged().warnings[
        0
    ].name == "points"


def test_summary_and_repr_are_of_all_draws() -> None:
    samples = np.arange(2000.0).reshape(2, 1000, 1) % 1000
    posterior = PosteriorSamples(("a",), samples)
    assert repr(posterior) == "PosteriorSamples(2 x 1000 draws: a 499.5 ± 2.9e+02)"
    row = posterior.summary()["a"]
    assert row["mean"] == pytest.approx(499.5) and row["50%"] == pytest.approx(499.5)
    assert row["2.5%"] == pytest.approx(24.5, abs=1) and row["97.5%"] == pytest.approx(974.5, abs=1)
    assert list(row)[-3:] == ["r_hat", "ess_bulk", "ess_tail"]


@pytest.mark.slow
def test_no_normal_fits_a_banana_and_it_says_so() -> None:
    bent = dataclasses.replace(BANANA, log_likelihood=lambda t: 3 * banana(t))
    found = VariationalGaussian(draws=1000, warmup=400)(bent)
    assert "variational" in [c.name for c in found.warnings]


def test_wrong_settings_and_likelihoods() -> None:
    with pytest.raises(InputError, match="1 replica or more"):
        field_target(marks(), draw((0.3, 0.8)), uniform_prior({"a": (0, 1)}), replicas=0)
    broken = Target(GAUSSIAN.prior, lambda theta: jnp.nan * theta[0])
    with pytest.raises(FloatingPointError, match="not finite inside the prior"):
        RandomWalk(chains=1, draws=4, warmup=8, thin=1)(broken)
