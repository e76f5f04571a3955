"""Each path of the table is held to the definition of a bridge."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from path_table import (
    AFFINE,
    DIFFUSIONS,
    GAUSSIAN,
    MANY_POINTS,
    MIXTURE,
    PATHS,
    difference,
    drawn,
    periodic,
)
from scipy import special, stats

from galgen.generative import (
    CosineSchedule,
    LinearPath,
    LinearSchedule,
    ProbabilityPath,
    ProductPath,
    StochasticInterpolant,
    TorusGeodesic,
    TrigonometricPath,
    Uniform,
    VarianceExploding,
    VariancePreserving,
)
from galgen.geometry import PeriodicBox
from galgen.serialization import from_json, to_json

KEY = jax.random.key(5)
BLURRED = {*DIFFUSIONS, "torus diffusion", "diffusion product", "affine product"}


@pytest.mark.parametrize("name", [name for name in PATHS if name not in BLURRED])
def test_runs_from_base_to_data(name: str) -> None:
    path = PATHS[name]
    base, data = drawn(path, name)
    for t, expected in ((0.0, base), (1.0, data)):
        x, _ = path.sample(KEY, base, data, jnp.full(5, t))
        assert np.max(np.abs(difference(name, x, expected))) < 1e-6


@pytest.mark.parametrize("name", PATHS)
def test_velocity_is_the_time_derivative(name: str) -> None:
    path = PATHS[name]
    base, data = drawn(path, name)
    t, h = jnp.linspace(0.1, 0.9, 5), 1e-3
    (later, ends), (earlier, _) = (path.sample(KEY, base, data, t + s) for s in (h, -h))
    _, ends = path.sample(KEY, base, data, t)
    # At fixed ends, not in the mean over windings, which lay gives.
    noise = base if name in BLURRED else ends.noise
    velocity = path.velocity(noise, ends.data, t)
    scale = jnp.max(jnp.abs(velocity), axis=(1, 2), keepdims=True)
    error = difference(name, earlier, later) / (2 * h) - velocity
    assert np.max(np.abs(error) / scale) < 5e-3


# alpha and sigma by their definitions, and log-SNR where it is defined by that.
COEFFICIENTS = {
    "linear": lambda t: (t, 1 - t),
    "trigonometric": lambda t: (np.sin(np.pi * t / 2), np.cos(np.pi * t / 2)),
    "variance preserving": lambda t: tuple(np.sqrt(special.expit([18 * t - 8, 8 - 18 * t]))),
    "variance preserving, steep": lambda t: tuple(
        np.sqrt(special.expit([28 * t - 14, 14 - 28 * t]))
    ),
    "variance exploding": lambda t: (1.0, 80 * (0.002 / 80) ** t),
}


@pytest.mark.parametrize("name", COEFFICIENTS)
def test_marginal_moments_of_gaussian_data(name: str) -> None:
    mean, std, number = 1.5, 0.4, 4 * MANY_POINTS
    base, data = drawn(PATHS[name], name, MANY_POINTS)
    t = jnp.array([0.0, 0.2, 0.6, 0.9, 1.0])
    x = np.asarray(PATHS[name].interpolate(base, mean + std * data, t), np.float64)
    for cloud, time in zip(x, np.asarray(t, np.float64), strict=True):
        alpha, sigma = COEFFICIENTS[name](time)
        width = np.sqrt((alpha * std) ** 2 + sigma**2)
        assert cloud.mean() == pytest.approx(alpha * mean, abs=4 * width / np.sqrt(number))
        assert cloud.std() == pytest.approx(width, rel=4 / np.sqrt(2 * number))


@pytest.mark.parametrize("name", GAUSSIAN)
def test_renoised_states_have_the_law_of_their_time(name: str) -> None:
    path = GAUSSIAN[name]
    base, data = drawn(path, name, MANY_POINTS)
    t, earlier = jnp.full(5, 0.7), jnp.full(5, 0.4)
    x, _ = path.sample(KEY, base, data, t)
    back = path.renoise(jax.random.key(3), x, t[0], earlier[0])
    alpha, sigma = path.scales(earlier, data)
    # Given the data, what is left after them is noise of width sigma, independent of them.
    left = np.asarray((back - alpha * data) / sigma).ravel()
    assert stats.kstest(left, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(left, np.asarray(data).ravel())[0, 1]) < 4 / np.sqrt(left.size)


@pytest.mark.parametrize("name", PATHS)
def test_start_has_the_law_of_t_zero(name: str) -> None:
    """Sampling starts from the law of x_0, whatever the data: here they are far from the base."""
    path = PATHS[name]
    base, _ = drawn(path, name, MANY_POINTS)
    start = path.sample_start(jax.random.key(8), base.shape)
    data = jnp.where(periodic(name), 0.97, 0.8 * jnp.ones_like(base))
    x, _ = path.sample(KEY, base, data, jnp.zeros(5))
    for column in range(4):
        law = stats.ks_2samp(start[..., column].ravel(), x[..., column].ravel())
        assert law.statistic < 0.03, column


@pytest.mark.parametrize("name", PATHS)
def test_reads_back_from_json(name: str) -> None:
    assert from_json(to_json(PATHS[name])) == PATHS[name]


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("name", PATHS)
def test_precision_is_kept_and_ends_are_finite(name: str, dtype) -> None:
    path = PATHS[name]
    base, data = (a.astype(dtype) for a in drawn(path, name))
    t = jnp.array([0.0, 1e-4, 0.5, 0.9999, 1.0])
    x, ends = path.sample(KEY, base, data, t)
    velocity = path.velocity(ends.noise, ends.data, t)
    exact, _ = path.sample(KEY, *drawn(path, name), t)
    for array in (x, *ends, velocity, path.move(x, 0.01 * velocity)):
        assert array.dtype == dtype and jnp.all(jnp.isfinite(array))
    scale = jnp.maximum(1, jnp.max(jnp.abs(exact), axis=(1, 2), keepdims=True))
    error = jnp.abs(difference(name, x.astype(jnp.float32), exact)) / scale
    # A random draw of another precision is another draw.
    assert name.startswith("interpolant") or jnp.max(error) < (
        1e-5 if dtype == jnp.float32 else 0.03
    )
    assert jnp.all(~periodic(name) | ((x >= 0) & (x < 1)))


@pytest.mark.parametrize("name", [name for name in AFFINE if name != "affine product"])
def test_rates_are_finite_at_both_ends(name: str) -> None:
    for t in (0.0, 1.0):
        assert np.all(np.isfinite(AFFINE[name].rates(jnp.array(t))))


def test_variance_is_preserved_and_log_snr_is_the_schedule() -> None:
    t = jnp.linspace(0, 1, 11)
    for schedule in (LinearSchedule(-6.0, 9.0), CosineSchedule(0.5, -6.0, 9.0)):
        alpha, sigma = VariancePreserving(schedule).coefficients(t)
        assert np.allclose(alpha**2 + sigma**2, 1, atol=1e-6)
        assert np.allclose(2 * np.log(alpha / sigma), schedule(t), atol=1e-3)


def test_an_unstopped_cosine_schedule_is_the_trigonometric_path() -> None:
    t = jnp.linspace(0.01, 0.99, 50)
    cosine = VariancePreserving(CosineSchedule(0.0, -35.0, 35.0)).coefficients(t)
    assert np.allclose(cosine, TrigonometricPath().coefficients(t), atol=1e-5)


def test_interpolant_velocity_is_the_closed_form_of_gaussians() -> None:
    """E[dx/dt | x_t] is linear in x_t for Gaussian ends: its regression coefficients."""
    path, mean, std = StochasticInterpolant(), 1.5, 0.4
    base, data = drawn(path, "interpolant", MANY_POINTS)
    times = jnp.array([0.05, 0.2, 0.5, 0.8, 0.95])
    x, ends = path.sample(KEY, base, mean + std * data, times)
    velocity = path.velocity(ends.noise, ends.data, times)
    for t, place, rise in zip(np.asarray(times), np.asarray(x), np.asarray(velocity), strict=True):
        u = t * (1 - t)
        gamma = np.sqrt(2) * u / np.sqrt(u + path.smoothing)
        rate = np.sqrt(2) * (1 - 2 * t) * (u / 2 + path.smoothing) / (u + path.smoothing) ** 1.5
        variance = (1 - t) ** 2 + (t * std) ** 2 + gamma**2
        slope = (t - 1 + t * std**2 + gamma * rate) / variance
        assert place.mean() == pytest.approx(mean * t, abs=0.04)
        assert place.var() == pytest.approx(variance, rel=0.05)
        fit, covariance = np.polyfit(place.ravel(), rise.ravel(), 1, cov=True)
        error = np.abs(fit - [slope, mean - slope * mean * t])
        assert np.all(error < 4 * np.sqrt(np.diag(covariance)))


def test_torus_marginal_from_uniform_is_uniform_whatever_the_data() -> None:
    # x_t for data at one point is uniform on a cube of side (1 - t); averaged over uniform data it
    # is uniform on the torus.
    path, t = PATHS["torus"], jnp.full(5, 0.6)
    base, data = drawn(path, "torus", MANY_POINTS)
    x = np.asarray(path.interpolate(base, data, t)).reshape(-1, 4)
    assert all(stats.kstest(column, "uniform").pvalue > 1e-3 for column in x.T)
    fixed = path.interpolate(base, jnp.full_like(data, 0.97), t)
    offset = np.asarray(PeriodicBox().displacement(jnp.full_like(data, 0.97), fixed))
    assert np.max(np.abs(offset)) <= 0.2 + 1e-6
    assert stats.kstest(offset.ravel() / 0.4 + 0.5, "uniform").pvalue > 1e-3


def test_density_of_the_start() -> None:
    x, _ = drawn(LinearPath(), "linear")
    mask = jnp.arange(7) < jnp.array([[7], [1], [3], [0], [6]])
    poisoned = jnp.where(mask[..., None], x, jnp.nan)
    for path, density in (
        (LinearPath(), stats.norm.logpdf(x).sum(-1)),
        (VarianceExploding(7.0, 0.1), stats.norm.logpdf(x, scale=7.0).sum(-1)),
        (StochasticInterpolant(MIXTURE), np.asarray(MIXTURE.log_density(x))),
        (LinearPath(Uniform()), np.where(np.all((x >= 0) & (x <= 1), axis=-1), 0, -np.inf)),
        (TorusGeodesic(), np.zeros((5, 7))),
    ):
        expected = np.where(mask, density, 0).sum(-1)
        assert np.allclose(path.log_start(poisoned, mask), expected, rtol=1e-5), path
        assert np.allclose(path.log_start(x, None), density.sum(-1), rtol=1e-5), path
    image = jnp.ones((2, 4, 4, 1))
    assert np.allclose(LinearPath().log_start(image, None), 16 * stats.norm.logpdf(1.0))
    with pytest.raises(ValueError, match="whose start has a known density"):
        PATHS["torus from points"].log_start(x, None)


NOISELESS = ("linear from uniform", "trigonometric from points", "interpolant", "torus")


@pytest.mark.parametrize("name", NOISELESS)
def test_what_needs_gaussian_noise_is_refused(name: str) -> None:
    path, x, t = PATHS[name], jnp.zeros((1, 4, 4)), jnp.zeros(1)
    with pytest.raises(ValueError, match="a path with Gaussian noise for a stochastic sampler"):
        path.renoise(KEY, x, jnp.array(0.5), jnp.array(0.2))
    with pytest.raises(ValueError, match="a path with Gaussian noise for a transition density"):
        path.log_transition(x, x, t)
    with pytest.raises(ValueError, match="a path with Gaussian noise for a signal-to-noise ratio"):
        path.scales(t, x)


def test_errors_name_the_remedy() -> None:
    with pytest.raises(ValueError, match=r"expected 4 columns .* got 5"):
        PATHS["product"].move(jnp.zeros((2, 3, 5)), jnp.zeros((2, 3, 5)))
    with pytest.raises(ValueError, match="expected log_snr_min < log_snr_max"):
        VariancePreserving(LinearSchedule(5.0, -5.0))
    with pytest.raises(ValueError, match="expected 0 < sigma_min < sigma_max"):
        VarianceExploding(0.1, 1.0)
    with pytest.raises(ValueError, match="one positive number of columns per path"):
        ProductPath((TorusGeodesic(),), (3, 1))


@pytest.mark.parametrize("name", ["linear", "torus", "torus diffusion", "interpolant", "product"])
@pytest.mark.parametrize("t", [-0.1, 1.5, float("nan")])
def test_times_outside_are_refused(name: str, t: float) -> None:
    path: ProbabilityPath = PATHS[name]
    with pytest.raises(ValueError, match=r"expected times from 0 \(base\) to 1 \(data\)"):
        path.sample(KEY, *drawn(path, name), jnp.full(5, t))
