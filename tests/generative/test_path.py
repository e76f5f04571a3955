"""One table of paths; each is held to the definition of a bridge."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from galgen.generative import (
    LinearPath,
    NoisePrediction,
    Path,
    ProductPath,
    TorusGeodesic,
    VariancePreserving,
)
from galgen.generative.prediction import DataPrediction, VelocityPrediction
from galgen.geometry import PeriodicBox

AFFINE = {
    "linear": LinearPath(),
    "linear, uniform base": LinearPath(uniform=True),
    "variance preserving": VariancePreserving(),
}
PATHS: dict[str, Path] = {
    **AFFINE,
    "torus": TorusGeodesic(),
    "product": ProductPath((TorusGeodesic(), LinearPath()), (3, 1)),
}
SHAPE = (5, 7, 4)


def ends(path: Path) -> tuple[jax.Array, jax.Array]:
    base = path.sample_base(jax.random.key(0), SHAPE)
    return base, path.sample_base(jax.random.key(1), SHAPE)


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_runs_from_base_to_data(path: Path) -> None:
    base, data = ends(path)
    start = path.interpolate(base, data, jnp.zeros(5))
    end = path.interpolate(base, data, jnp.ones(5))
    tolerance = 0.1 if isinstance(path, VariancePreserving) else 1e-6
    for x, expected in ((start, base), (end, data)):
        gap = np.abs(x - expected)
        if isinstance(path, TorusGeodesic | ProductPath):
            gap = np.minimum(gap, np.abs(1 - gap))
        assert np.max(gap) < tolerance


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_velocity_is_the_time_derivative(path: Path) -> None:
    base, data = ends(path)
    t, h = jnp.linspace(0.1, 0.9, 5), 1e-3
    later, earlier = (path.interpolate(base, data, t + s) for s in (h, -h))
    moved = later - earlier
    if not isinstance(path, LinearPath | VariancePreserving):
        moved = jnp.where(jnp.abs(moved) > 0.5, moved - jnp.sign(moved), moved)
    assert np.allclose(moved / (2 * h), path.velocity(base, data, t), atol=5e-3)


@pytest.mark.parametrize("path", AFFINE.values(), ids=AFFINE)
def test_rates_are_finite_at_both_ends(path) -> None:
    for t in (0.0, 1.0):
        assert np.all(np.isfinite(path.rates(jnp.array(t))))


def test_variance_is_preserved_and_log_snr_is_linear() -> None:
    path, t = VariancePreserving(-6.0, 9.0), jnp.linspace(0, 1, 11)
    alpha, sigma = path.coefficients(t)
    assert np.allclose(alpha**2 + sigma**2, 1, atol=1e-6)
    assert np.allclose(2 * np.log(alpha / sigma), -6 + 15 * t, atol=1e-3)


def test_torus_marginal_from_uniform_is_uniform_whatever_the_data() -> None:
    # x_t for data at one point is uniform on a cube of side (1 - t); averaged over uniform data it
    # is uniform on the torus.
    path = TorusGeodesic()
    base = path.sample_base(jax.random.key(0), (20_000, 3))
    data = path.sample_base(jax.random.key(1), (20_000, 3))
    x = np.asarray(path.interpolate(base, data, jnp.full(20_000, 0.6)))
    assert all(stats.kstest(x[:, axis], "uniform").pvalue > 1e-3 for axis in range(3))
    fixed = path.interpolate(base, jnp.full_like(data, 0.97), jnp.full(20_000, 0.6))
    offset = PeriodicBox().displacement(jnp.full((1, 3), 0.97), fixed)
    assert np.max(np.abs(offset)) <= 0.2 + 1e-6
    assert stats.kstest(np.asarray(offset)[:, 0] / 0.4 + 0.5, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("path", AFFINE.values(), ids=AFFINE)
@pytest.mark.parametrize("prediction", [NoisePrediction(), DataPrediction(), VelocityPrediction()])
def test_every_prediction_gives_the_same_velocity(path, prediction) -> None:
    base, data = ends(path)
    t = jnp.linspace(0.2, 0.8, 5)
    x = path.interpolate(base, data, t)
    output = prediction.target(path, base, data, t, jnp.array(0.3))
    expected = path.velocity(base, data, t)
    assert np.allclose(prediction.velocity(path, output, x, t, jnp.array(0.3)), expected, atol=2e-3)


def test_errors_name_the_remedy() -> None:
    with pytest.raises(ValueError, match="use VelocityPrediction"):
        NoisePrediction().target(
            TorusGeodesic(), *ends(TorusGeodesic()), jnp.zeros(5), jnp.ones(())
        )
    with pytest.raises(ValueError, match=r"expected 4 columns .* got 5"):
        PATHS["product"].move(jnp.zeros((2, 3, 5)), jnp.zeros((2, 3, 5)))
    with pytest.raises(ValueError, match="expected log_snr_min < log_snr_max"):
        VariancePreserving(5.0, -5.0)
    with pytest.raises(ValueError, match="one positive number of columns per path"):
        ProductPath((TorusGeodesic(),), (3, 1))
