"""log p(catalogue | condition) against closed forms, and what it refuses or cautions against."""

import dataclasses

import jax
import jax.numpy as jnp
import known_fields
import numpy as np
import pytest
from known_fields import BOX, draw, exact, law_of_the_flow, marks, uniform_points

from galgen.data.catalogue import Catalogue
from galgen.errors import InputError
from galgen.generative import (
    AdaptiveSteps,
    Bridge,
    ContinuousFlow,
    ExactDivergence,
    FixedSteps,
    Hutchinson,
    LearnedDiffusion,
    Likelihood,
    LinearPath,
    LogSNRTimes,
    MaximumLikelihood,
    MeanFlow,
    TorusGeodesic,
    VariationalDiffusion,
)
from galgen.inference.likelihood.field_level import FieldLevel
from galgen.inference.likelihood.log_density import ByBound, ByFlow, log_density_of
from galgen.inference.priors.prior import uniform_prior

pytestmark = pytest.mark.usefixtures("quick_compilation")
KEY = jax.random.key(3)
TRUTH = (0.35, 0.75)
STEP = 1e-4
AROUND = np.array(TRUTH) + STEP * np.concatenate([np.eye(2), -np.eye(2)])
GRID = np.array([[0.2, 0.7], [0.35, 0.75], [0.33, 0.8], [0.45, 0.95]])
FLOW = ByFlow(Likelihood(Hutchinson(2), FixedSteps(24)))


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return draw(TRUTH)


@pytest.fixture(scope="module")
def by_bound(catalogue) -> np.ndarray:
    field = marks(ByBound(draws=32))
    return field.evaluate(field.observe(catalogue), GRID, seed=1, replicas=64, batch=3)


def test_the_bound_is_the_density_in_physical_units(catalogue, by_bound) -> None:
    """With an optimal denoiser the gap is that of both ends: SNR_0 (e^-12) and 1 / SNR_1 (e^-9)."""
    truth = exact(catalogue, GRID)
    error = by_bound.std(axis=0, ddof=1) / 8
    below = truth - by_bound.mean(axis=0)
    gap = 0.05 + 1e-3 * np.abs(truth)
    assert np.all(np.abs(below) < 4 * error + gap), (below, error)


def test_differences_are_known_better_than_values(catalogue, by_bound) -> None:
    truth = exact(catalogue, GRID)
    differences = by_bound - by_bound[:, 1:2]
    error = differences.std(axis=0, ddof=1) / 8
    assert np.all(error[2] < 0.2 * by_bound.std(axis=0, ddof=1)[2] / 8)
    miss = differences.mean(axis=0) - (truth - truth[1])
    assert np.all(np.abs(miss) < 4 * error + 0.05), (miss, error)


def test_the_flow_is_the_density_too(catalogue) -> None:
    field = marks(FLOW)
    values = field.evaluate(field.observe(catalogue), GRID, seed=1, replicas=2, batch=4)
    # The divergence is a number times the identity: probes have no noise.
    assert np.allclose(values, exact(catalogue, GRID, *law_of_the_flow()), atol=0.02)


def test_uniform_points_are_a_poisson_process() -> None:
    """N log n - n V, whatever the positions."""
    rng = np.random.default_rng(0)
    columns = dict(zip("xyz", 20.0 * rng.random((3, 30)), strict=True))
    field = uniform_points(ByBound(draws=64))
    values = field.evaluate(field.observe(Catalogue(columns, BOX)), GRID, replicas=16)
    mean = known_fields.CARDINALITY.mean(known_fields.standard(GRID))
    truth = 30 * np.log(mean / 8000.0) - mean
    error = values.std(axis=0, ddof=1) / 4
    assert np.all(np.abs(values.mean(axis=0) - truth) < 4 * error + 0.3), (values.mean(0), truth)
    # The noise is the same at all conditions, and so are the estimates but for p(N | c).
    spread = (values - truth).std(axis=1)
    assert np.all(spread < 1e-3)


def slopes(density, catalogue) -> tuple[np.ndarray, np.ndarray]:
    """The gradient of log p at the truth, and differences of the same estimate, in float64."""
    with jax.enable_x64(True):
        field = marks(density)
        seen = field.observe(catalogue)
        seen = dataclasses.replace(seen, x=seen.x.astype(np.float64))

        def log_prob(theta):
            return field.log_prob(seen, theta, KEY)

        theta = jnp.asarray(TRUTH, jnp.float64)[None]
        slope = np.asarray(jax.jit(jax.grad(lambda c: log_prob(c)[0]))(theta))[0]
        up, down = np.split(np.asarray(jax.jit(log_prob)(AROUND)), 2)
    return slope, (up - down) / (2 * STEP)


def test_gradient_of_the_bound_follows_differences(catalogue) -> None:
    slope, difference = slopes(ByBound(draws=8), catalogue)
    assert np.allclose(slope, difference, rtol=1e-4, atol=1e-3)


@pytest.mark.slow
def test_gradient_of_the_flow_follows_differences_and_the_closed_form(catalogue) -> None:
    slope, difference = slopes(FLOW, catalogue)
    assert np.allclose(slope, difference, rtol=1e-4, atol=1e-3)
    up, down = np.split(exact(catalogue, AROUND, *law_of_the_flow()), 2)
    assert np.allclose(slope, (up - down) / (2 * STEP), rtol=1e-3)


def test_padding_says_nothing(catalogue, by_bound) -> None:
    large = marks(ByBound(draws=32), sizes=(48,))
    assert large.observe(catalogue).x.shape == (48, 2)
    values = large.evaluate(large.observe(catalogue), GRID, seed=1, replicas=2, batch=3)
    assert np.allclose(values, by_bound[:2], rtol=1e-5, atol=1e-3)


def test_families_get_the_density_that_suits_them() -> None:
    assert isinstance(log_density_of(marks().model), ByBound)
    assert isinstance(log_density_of(LearnedDiffusion()), ByBound)
    geodesic = Bridge(TorusGeodesic())
    assert isinstance(log_density_of(geodesic), ByFlow)
    continuous = log_density_of(ContinuousFlow(geodesic, Likelihood(ExactDivergence())))
    assert continuous == ByFlow(Likelihood(Hutchinson(2), AdaptiveSteps()))
    for model in (MeanFlow(LinearPath()), MaximumLikelihood()):
        with pytest.raises(InputError, match="a model with a density of clouds"):
            log_density_of(model)
    with pytest.raises(InputError, match=r"Gaussian noise for an evidence.*use ByFlow"):
        ByBound().check(geodesic)
    with pytest.raises(InputError, match="a bridge, whose flow has a density"):
        ByFlow().check(MeanFlow(LinearPath()))


def test_every_bound_shares_its_noise_and_takes_the_draws() -> None:
    bridge = Bridge(LinearPath())
    times = LogSNRTimes(LinearPath(), -5.0, 6.0)
    bound = ByBound(8).bound_of(VariationalDiffusion(bridge, times, draws=2), {})
    assert (bound.draws, bound.shared, bound.times) == (8, True, times)
    assert isinstance(ByBound(8).bound_of(bridge, {}).times, LogSNRTimes)  # its ends are infinite
    assert ByBound(8, times).bound_of(bridge, {}).times == times


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"box": (30.0, 20.0, 20.0)}, r"trained box \(20.0"),
        ({"periodic": False}, "a periodic box as in training, got one that is open"),
        ({"columns": {"a": np.ones(12)}}, r"a column 'b', got columns \['a'\]"),
        ({"units": {"a": "kpc/h", "b": ""}}, "column 'a' in '' as in training, got 'kpc/h'"),
        ({"columns": {"a": np.ones(0), "b": np.ones(0)}}, "a catalogue with points, got none"),
    ],
)
def test_catalogues_the_model_was_not_trained_for(catalogue, change, words) -> None:
    with pytest.raises(InputError, match=words):
        marks().observe(catalogue.replace(**change))


@pytest.mark.parametrize(
    ("change", "name", "words"),
    [
        ({"redshift": 1.0}, "redshift", "trained at redshift 0 to 0.5, the catalogue is at 1"),
        ({"cosmology": {"h": 0.5}}, "cosmology", "all training had h 0.7, got 0.5"),
        ({"columns": {n: np.ones(5) for n in "ab"}}, "points", "too few points: 5, trained on 10"),
        ({"columns": {n: np.ones(99) for n in "ab"}}, "points", "many points: 99"),
        ({"columns": {n: np.ones(20) for n in "abc"}}, "columns", "does not look at c"),
    ],
)
def test_what_is_unusual_is_named(catalogue, change, name, words) -> None:
    (caution,) = marks().observe(catalogue.replace(**change)).cautions
    assert caution.name == name and words in str(caution)
    assert marks().observe(catalogue).cautions == ()


def test_conditions_outside_the_training_and_wrong_runs(catalogue) -> None:
    field = marks()
    seen = field.observe(catalogue)
    with pytest.raises(InputError, match=r"omega_m in the trained range \[0.1, 0.5\], got 0.6"):
        field.evaluate(seen, np.array([[0.6, 0.8]]))
    with pytest.raises(InputError, match="2 replicas or more"):
        field.evaluate(seen, GRID, replicas=1)
    with pytest.raises(InputError, match=r"sigma_8 in the trained range"):
        field.check_prior(uniform_prior({"omega_m": (0.1, 0.5), "sigma_8": (0.5, 1.0)}))
    with pytest.raises(InputError, match=r"prior of \['omega_m', 'sigma_8'\] in this order"):
        field.check_prior(uniform_prior({"omega_m": (0.1, 0.5)}))
    dataclasses.replace(field, extrapolate=True).check_prior(
        uniform_prior({"omega_m": (0.1, 0.6), "sigma_8": (0.5, 1.0)})
    )
    no_condition = dict.fromkeys(
        ("condition", "condition_means", "condition_scales", "condition_ranges"), ()
    )
    with pytest.raises(InputError, match="a run of catalogues with a condition to infer"):
        FieldLevel(field.model, field.network, {}, known_fields.encoding(**no_condition))
