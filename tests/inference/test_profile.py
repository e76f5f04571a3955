"""Profiles, their errors and grid posteriors against closed forms and repeated noise."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
from known_fields import RANGES, draw, exact, marks

from galgen.errors import InputError
from galgen.generative.sampling.log_density import ByBound
from galgen.inference.likelihood.chebyshev import ChebyshevGrid, product, weights
from galgen.inference.likelihood.field_level import FieldLevel
from galgen.inference.likelihood.profile import GridPosterior, Profile, grid_posterior, profile
from galgen.inference.priors.prior import Gaussian, ProductPrior, Uniform, uniform_prior

pytestmark = pytest.mark.usefixtures("quick_compilation")
PRIOR = uniform_prior(dict(zip(("omega_m", "sigma_8"), RANGES, strict=True)))
FIELD = marks(ByBound(draws=8))
CATALOGUE = draw((0.3, 0.85), seed=4)


def brute_force(prior, number=121) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of the exact posterior, by summing over a fine grid."""
    axes = tuple(np.linspace(*bounds, number) for bounds in RANGES)
    points = product(axes)
    log = exact(CATALOGUE, points) + np.asarray(prior.log_prob(jnp.asarray(points)))
    mass = np.exp(log - log.max()) * weights(axes)
    mass /= mass.sum()
    mean = mass @ points
    return mean, np.sqrt(mass @ (points - mean) ** 2)


def test_chebyshev_points_interpolate_polynomials_exactly() -> None:
    grid = ChebyshevGrid(((-1.0, 3.0), (10.0, 11.0)), 5)

    def function(points):
        x, y = points.T
        return 1 + x**4 - 2 * x**3 * (y - 10.5) ** 4 + y

    axes = (np.linspace(-1, 3, 7), np.concatenate([np.linspace(10, 11, 4), grid.axes[1][:1]]))
    values = np.stack([function(grid.points), -function(grid.points)])
    wanted = function(product(axes))
    assert np.allclose(grid.interpolate(values, axes), [wanted, -wanted], atol=1e-10)
    # x^4 = (T_4 + ...) / 8 in the unit interval, here stretched by 2 and shifted by 1.
    quartic = ChebyshevGrid(((-2.0, 2.0),), 5)
    assert quartic.highest(quartic.points[:, 0] ** 4) == pytest.approx(16 / 8)
    assert quartic.highest(quartic.points[:, 0] ** 3) == pytest.approx(0, abs=1e-12)
    for wrong in ((((0.0, 1.0),), 2), (((1.0, 1.0),), 5), (((0.0, np.inf),), 5)):
        with pytest.raises(InputError, match="of ChebyshevGrid to be"):
            ChebyshevGrid(*wrong)


def test_trapezoidal_weights_integrate_linear_functions() -> None:
    axes = (np.array([0.0, 1.0, 4.0]), np.array([-1.0, 2.0]))
    assert weights(axes) @ product(axes).sum(axis=1) == pytest.approx(3 * 8 + 4 * 1.5)


def test_errors_of_values_and_differences_by_hand() -> None:
    replicas = np.array([[1.0, 3.0], [2.0, 4.5], [6.0, 8.0]])
    found = Profile(("a",), np.array([[0.1], [0.2]]), replicas)
    assert np.allclose(found.value, [3.0, 31 / 6])
    assert np.allclose(
        found.error, [np.sqrt(7 / 3), np.sqrt(((13 / 6) ** 2 + 4 / 9 + 289 / 36) / 6)]
    )
    expected = np.std([2.0, 2.5, 2.0], ddof=1) / np.sqrt(3)
    assert np.allclose(found.difference_error, expected * (1 - np.eye(2)))
    assert found.best == {"a": 0.2}


@pytest.fixture(scope="module")
def seeds() -> list[Profile]:
    """The same profile with other noise."""
    grid = np.array([[0.25, 0.8], [0.3, 0.85], [0.35, 0.9]])
    return [profile(FIELD, CATALOGUE, grid, seed, replicas=8, batch=16) for seed in range(40)]


def test_errors_are_those_seen_over_seeds(seeds) -> None:
    values = np.stack([p.value for p in seeds])
    errors = np.stack([p.error for p in seeds])
    differences = values[:, :1] - values
    told = np.stack([p.difference_error[0] for p in seeds])
    rms = np.sqrt(np.mean(errors**2, axis=0))
    assert np.allclose(values.std(axis=0, ddof=1), rms, rtol=0.4)
    rms = np.sqrt(np.mean(told[:, 1:] ** 2, axis=0))
    assert np.allclose(differences[:, 1:].std(axis=0, ddof=1), rms, rtol=0.4)
    assert seeds[0].warnings == () and seeds[0].names == ("omega_m", "sigma_8")


@pytest.fixture(scope="module")
def posterior() -> GridPosterior:
    return grid_posterior(FIELD, CATALOGUE, PRIOR, number=7, fine=61, replicas=16)


def test_posterior_is_the_exact_one_within_its_noise(posterior) -> None:
    mean, std = brute_force(PRIOR)
    assert np.all(posterior.mean_error < 0.3 * std)
    assert np.all(np.abs(posterior.mean - mean) < 4 * posterior.mean_error + 0.01 * std)
    miss = np.abs(posterior.std - std)
    assert np.all(miss < 4 * posterior.std_error + 0.01 * std)
    assert posterior.probability.sum() == pytest.approx(1.0)
    assert posterior.warnings == ()


def test_a_gaussian_prior_counts() -> None:
    prior = ProductPrior((Uniform("omega_m", 0.1, 0.5), Gaussian("sigma_8", 0.7, 0.02, 0.6, 1.0)))
    found = grid_posterior(FIELD, CATALOGUE, prior, fine=61, replicas=16)
    mean, std = brute_force(prior)
    assert np.all(np.abs(found.mean - mean) < 4 * found.mean_error + 0.02 * std)
    assert abs(mean[1] - brute_force(PRIOR)[0][1]) > 2 * std[1]


def test_draws_and_marginals_follow_it(posterior) -> None:
    drawn = posterior.sample(np.random.default_rng(0), 20_000)
    error = posterior.std / np.sqrt(20_000)
    assert np.all(np.abs(drawn.mean(axis=0) - posterior.mean) < 5 * error)
    assert np.allclose(drawn.std(axis=0), posterior.std, rtol=0.03)
    for i, name in enumerate(posterior.names):
        density, axis = posterior.marginal(name), posterior.axes[i]
        assert np.trapezoid(density, axis) == pytest.approx(1.0, abs=1e-3)
        assert np.trapezoid(density * axis, axis) == pytest.approx(posterior.mean[i], rel=1e-3)


@pytest.mark.slow
def test_jackknife_of_the_mean_is_that_seen_over_seeds() -> None:
    runs = [grid_posterior(FIELD, CATALOGUE, PRIOR, fine=41, seed=s) for s in range(16)]
    means = np.stack([r.mean for r in runs])
    told = np.sqrt(np.mean([r.mean_error**2 for r in runs], axis=0))
    assert np.allclose(means.std(axis=0, ddof=1), told, rtol=0.6)


def test_no_more_replicas_are_taken_than_are_needed(posterior) -> None:
    assert len(posterior.replicas) == 16
    many = dataclasses.replace(FIELD, density=ByBound(draws=128))
    found = grid_posterior(many, CATALOGUE, PRIOR, fine=41, replicas=16)
    assert 4 <= len(found.replicas) < 16
    assert np.all(found.mean_error <= 0.1 * found.std)


class Narrow(FieldLevel):
    """A known likelihood, curved and a hundred times narrower than the prior."""

    def evaluate(self, encoded, grid, seed=0, replicas=8, batch=16):
        first = np.log(grid[:, 0] / 0.231) / 0.012
        second = (grid[:, 1] - 0.73 - 2.0 * (grid[:, 0] - 0.231)) / 0.004 + 0.05 * first**2
        return np.tile(-0.5 * (first**2 + second**2), (len(replicas), 1))


def test_a_narrow_posterior_is_found() -> None:
    parts = (getattr(FIELD, field.name) for field in dataclasses.fields(FieldLevel))
    found = grid_posterior(Narrow(*parts), CATALOGUE, PRIOR)
    assert found.warnings == ()
    # Brute force on 401 x 401 points around it.
    axes = np.linspace(0.2, 0.26, 401), np.linspace(0.65, 0.8, 401)
    points = product(axes)
    log = Narrow.evaluate(None, None, points, replicas=range(1))[0]
    mass = np.exp(log - log.max()) / np.exp(log - log.max()).sum()
    mean = mass @ points
    std = np.sqrt(mass @ (points - mean) ** 2)
    np.testing.assert_array_less(np.abs(found.mean - mean), 0.05 * std)
    np.testing.assert_allclose(found.std, std, rtol=0.05)


def test_one_replica_is_refused() -> None:
    with pytest.raises(InputError, match="2 replicas or more"):
        grid_posterior(FIELD, CATALOGUE, PRIOR, replicas=1)


def test_noise_and_coarse_grids_are_named() -> None:
    few = dataclasses.replace(FIELD, density=ByBound(draws=2))
    found = grid_posterior(few, CATALOGUE, PRIOR, number=3, fine=41, replicas=2)
    warnings = {c.name: c.text for c in found.warnings}
    assert set(warnings) == {"noise", "grid"}, warnings
    assert "raise --replicas" in warnings["noise"] and "raise --grid" in warnings["grid"]


def test_a_prior_wider_than_the_training_is_refused() -> None:
    wide = uniform_prior({"omega_m": (0.05, 0.5), "sigma_8": (0.6, 1.0)})
    with pytest.raises(InputError, match="omega_m in the trained range"):
        grid_posterior(FIELD, CATALOGUE, wide)
