"""What is NaN, or never moves, fails its check, is named, and hides nothing of the others."""

import dataclasses
import re

import jax.numpy as jnp
import numpy as np
import pytest

from galgen.errors import InputError
from galgen.inference.calibration import Ranks, ranks_of, tarp
from galgen.inference.calibration.two_sample import ClassifierTest
from galgen.inference.likelihood.profile import GridPosterior, _judged, _log_prior
from galgen.inference.priors.density_prior import DensityPrior
from galgen.inference.priors.prior import Gaussian, ProductPrior, Uniform
from galgen.inference.results.posterior_file import CataloguePosterior
from galgen.inference.results.posterior_report import (
    calibration_of,
    calibration_text,
    write_figures,
)
from galgen.inference.sampling import (
    NUTS,
    PosteriorSamples,
    RandomWalk,
    Target,
    TemperedSMC,
    VariationalGaussian,
)

NAMES = ("a", "b")
RNG = np.random.default_rng(0)
NORMAL = RNG.normal(size=(4, 1000, 2))


def with_b(values: np.ndarray | float, samples: np.ndarray = NORMAL) -> np.ndarray:
    """``samples`` with another second parameter."""
    return np.stack([samples[..., 0], np.broadcast_to(values, samples.shape[:2])], axis=-1)


def unmixed() -> np.ndarray:
    samples = NORMAL.copy()
    samples[:2, :, 0] += 1.0
    return samples


HOLED = np.where(np.arange(1000) % 100 == 7, np.nan, NORMAL[..., 1])
LEVELS = np.array([0.3, 0.5, 0.3, 0.5])[:, None]
TENTH = np.float32(0.1)
DRIFT = np.linspace(-3, 3, 1000)[None, :, None] + 1.5 * RNG.normal(size=(1, 1000, 2))

DRAWS = {
    # name -> draws, and the parameters that each warning names
    "good": (NORMAL, {}),
    "never moved": (with_b(0.8, np.full_like(NORMAL, 0.3)), {"constant": "ab"}),
    "one constant": (with_b(0.8), {"constant": "b"}),
    "one constant but for rounding": (
        with_b(0.1 + 1e-17 * NORMAL[..., 1]),
        {"constant": "b"},
    ),
    "one constant in float32": (
        with_b(np.where(NORMAL[..., 1] > 0, TENTH, np.nextafter(TENTH, np.float32(1)))),
        {"constant": "b"},
    ),
    "small but moving": (with_b(1e3 + 1e-5 * NORMAL[..., 1]), {}),
    "one unmixed, one constant": (
        with_b(0.5, unmixed()),
        {"constant": "b", "r_hat": "a", "ess": "a"},
    ),
    "one unmixed, one NaN": (with_b(np.nan, unmixed()), {"finite": "b", "r_hat": "a", "ess": "a"}),
    "some NaN": (with_b(HOLED), {"finite": "b"}),
    "some infinite": (with_b(np.where(np.isnan(HOLED), np.inf, HOLED)), {"finite": "b"}),
    "all NaN": (np.full_like(NORMAL, np.nan), {"finite": "ab"}),
    "chains at levels of their own": (with_b(LEVELS), {"r_hat": "b", "ess": "b"}),
    "one chain": (NORMAL[:1], {"r_hat": ""}),
    "one chain that drifts": (DRIFT, {"r_hat": "ab", "ess": "ab"}),
    "one chain that never moved": (np.full((1, 50, 2), 0.3), {"constant": "ab", "r_hat": ""}),
}


@pytest.mark.parametrize("case", DRAWS)
def test_warnings_name_every_parameter_and_no_other(case: str) -> None:
    samples, expected = DRAWS[case]
    found = {c.name: c.text for c in PosteriorSamples(NAMES, samples).judged().warnings}
    assert set(found) == set(expected), found
    for name, parameters in expected.items():
        said = set(re.findall(r"\b[ab]\b", found[name]))
        assert said == set(parameters), found[name]


def test_what_cannot_be_told_is_nan_and_the_rest_is_as_alone() -> None:
    both = PosteriorSamples(NAMES, with_b(0.5, unmixed()))
    alone = PosteriorSamples(("a",), unmixed()[..., :1])
    for name in ("r_hat", "ess_bulk", "ess_tail"):
        found = getattr(both, name)
        assert found[0] == getattr(alone, name)[0] and np.isnan(found[1])
    assert both.r_hat[0] > 1.1
    assert PosteriorSamples(NAMES, DRIFT).r_hat.min() > 1.3, "of its halves"


TRUTHS = RNG.normal(size=(40, 2))
SAMPLES = RNG.normal(size=(40, 99, 2))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("test", [lambda s, t: ranks_of(NAMES, s, t), tarp])
def test_draws_that_are_no_numbers_are_never_ranked(test, bad: float) -> None:
    broken = SAMPLES.copy()
    broken[[3, 17], 5, 1] = bad
    with pytest.raises(InputError, match=r"in 2 of 40 posteriors \(numbers 3, 17\)"):
        test(broken, TRUTHS)
    with pytest.raises(InputError, match="1 outside or NaN of 4"):
        Ranks(NAMES, np.array([[0.1, 0.2], [bad, 1.0]]), 99)
    holed = TRUTHS.copy()
    holed[0, 0] = bad
    with pytest.raises(InputError, match="finite values in truths, got 1"):
        test(SAMPLES, holed)
    test(SAMPLES, TRUTHS)


def posteriors(samples: np.ndarray, truths: np.ndarray) -> dict[int, CataloguePosterior]:
    return {
        i: CataloguePosterior(
            PosteriorSamples(NAMES, s[None]), {}, dict(zip(NAMES, map(float, t), strict=True))
        )
        for i, (s, t) in enumerate(zip(samples, truths, strict=True))
    }


def test_calibration_leaves_out_by_name_and_says_so(tmp_path) -> None:
    broken = SAMPLES.copy()
    broken[[3, 17], :, 0] = np.nan
    found = calibration_of(posteriors(broken, TRUTHS))
    rest = np.delete(np.arange(40), [3, 17])
    again = calibration_of(posteriors(SAMPLES[rest], TRUTHS[rest]))
    assert found.distances.p_value == again.distances.p_value > 0.01
    assert "left out 2 of 40 catalogues, whose draws are not all finite: 3, 17" in found.notes[0]
    assert calibration_text(found)[0] == found.notes[0]
    same = TRUTHS.copy()
    same[:, 1] = 0.7 + 1e-16 * TRUTHS[:, 1]
    found = calibration_of(posteriors(SAMPLES, same))
    assert found.ranks.names == ("a",) and found.notes == (
        "left out b, the same in all catalogues",
    )
    broken[:35] = np.nan
    found = calibration_of(posteriors(broken, TRUTHS))
    assert found.ranks is None and "too few catalogues are left" in calibration_text(found)[-1]
    few = {i: p for i, p in posteriors(broken, TRUTHS).items() if i < 11}
    assert write_figures(tmp_path, few, None, most=2) == [], "no figure of what is no number"


def test_truths_that_are_one_value_are_no_test() -> None:
    same = np.column_stack([TRUTHS[:, 0], 0.7 + 1e-16 * TRUTHS[:, 1]])
    with pytest.raises(InputError, match=r"but for rounding in columns \[1\]"):
        tarp(SAMPLES, same)


@pytest.mark.slow
def test_a_classifier_that_diverges_does_not_say_that_sets_are_alike() -> None:
    test = ClassifierTest(steps=5, batch_size=16, learning_rate=1e30)
    with pytest.raises(FloatingPointError, match=r"got others in 5 of 5 trainings"):
        test(NORMAL[0, :40], NORMAL[1, :40] + 3.0)


SQUARE = ProductPrior((Uniform("a", -1.0, 1.0), Uniform("b", -1.0, 1.0)))


@pytest.mark.slow
@pytest.mark.parametrize(
    "sampler",
    [
        TemperedSMC(chains=2, draws=100),
        NUTS(chains=2, draws=50, warmup=50),
        RandomWalk(chains=2, draws=50, warmup=50),
        VariationalGaussian(chains=2, draws=50, warmup=50),
    ],
    ids=lambda s: type(s).__name__,
)
@pytest.mark.parametrize("value", [jnp.nan, -jnp.inf])
def test_a_likelihood_that_is_no_number_ends_every_sampler(sampler, value: float) -> None:
    with pytest.raises(FloatingPointError, match=r"finite draws of \['a', 'b'\]"):
        sampler(Target(SQUARE, lambda theta: value + 0.0 * theta[0]))


@pytest.mark.slow
def test_samplers_that_do_not_arrive_say_so() -> None:
    """A peak of one float32 in a plain where every draw is impossible."""
    target = Target(SQUARE, lambda t: jnp.where(jnp.abs(t[0] - 0.3) < 1e-7, 0.0, -1e30))
    for sampler, word in (
        (TemperedSMC(chains=2, draws=100), "tempering"),
        (VariationalGaussian(chains=2, draws=50, warmup=50), "variational"),
    ):
        assert word in [c.name for c in sampler(target).warnings]


def grid(width: float, noise: float) -> GridPosterior:
    axis = np.linspace(0.0, 1.0, 101)
    log = -0.5 * ((axis - 0.5) / width) ** 2
    replicas = log + noise * np.sin(np.outer(np.arange(4), axis))
    return GridPosterior(("a",), (axis,), replicas)


@pytest.mark.parametrize(
    ("posterior", "missed", "words"),
    [
        (grid(0.1, 0.0), 0.0, ()),
        (grid(0.1, 0.0), np.nan, ("misses up to nan nats",)),
        (grid(1e-5, 0.0), 0.0, ("posterior of a is narrower than a step",)),
        (grid(0.1, np.nan), 0.0, ("moves the mean by nan", "narrower")),
    ],
)
def test_a_grid_that_cannot_be_judged_says_so(posterior, missed, words) -> None:
    found = _judged(posterior, missed)
    assert len(found) == len(words)
    assert all(word in c.text for word, c in zip(words, found, strict=True))


@pytest.mark.parametrize("value", [jnp.nan, jnp.inf, -jnp.inf])
def test_a_prior_without_a_density_is_refused(value: float) -> None:
    def density(theta):
        return jnp.where(theta[..., 0] > 0, value, -jnp.inf)

    prior = DensityPrior(("a",), density, ((-1.0, 1.0),))
    with pytest.raises(InputError, match=r"prior density of \['a'\] that is finite"):
        _log_prior(prior, np.linspace(-1, 1, 5)[:, None])
    fine = dataclasses.replace(prior, density=lambda theta: jnp.log(theta[..., 0] > 0))
    found = _log_prior(fine, np.linspace(-1, 1, 5)[:, None])
    assert found.tolist() == [-1e9, -1e9, -1e9, 0.0, 0.0]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Uniform("a", np.nan, 1.0),
        lambda: Uniform("a", 0.3, 0.3 + 1e-9),
        lambda: Gaussian("a", np.nan, 1.0),
        lambda: Gaussian("a", 0.0, np.nan),
        lambda: Gaussian("a", 0.0, 1.0, np.nan, 1.0),
    ],
)
def test_priors_of_nan_or_of_no_width_are_refused(make) -> None:
    with pytest.raises(InputError, match=r"of a|to be a number"):
        make()
