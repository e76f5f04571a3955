"""Every prediction along every path: target at x_t, solved to ends, and the velocity of both."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from path_table import AFFINE, GAUSSIAN, MANY_POINTS, PATHS, difference, drawn, periodic

from galgen.generative import (
    Bridge,
    DataPrediction,
    NoisePrediction,
    PreconditionedPrediction,
    Prediction,
    ScorePrediction,
    TrigonometricPath,
    VarianceExploding,
    VariancePreserving,
    VelocityPrediction,
)
from galgen.serialization import from_json, to_json

KEY, UNIT = jax.random.key(5), jnp.array(0.3)
WRAPPED = ("torus diffusion", "diffusion product")
DEFINED: dict[Prediction, tuple[str, ...]] = {
    VelocityPrediction(): tuple(PATHS),
    NoisePrediction(): (*AFFINE, *WRAPPED),
    DataPrediction(): tuple(AFFINE),
    ScorePrediction(): (*GAUSSIAN, *WRAPPED),
    PreconditionedPrediction(0.7): tuple(GAUSSIAN),
}
CASES = [(prediction, name) for prediction, names in DEFINED.items() for name in names]
REFUSED = [(p, name) for p in DEFINED for name in PATHS if (p, name) not in CASES]


def identify(value) -> str:
    return value if isinstance(value, str) else type(value).__name__


@pytest.mark.parametrize(("prediction", "name"), CASES, ids=identify)
def test_round_trip(prediction: Prediction, name: str) -> None:
    path = PATHS[name]
    base, data = drawn(path, name)
    t = jnp.linspace(0.2, 0.8, 5)

    def there_and_back(base, data):
        x, ends = path.sample(KEY, base, data, t)
        output = prediction.target(path, ends, t, UNIT)
        velocity = prediction.velocity(path, output, x, t, UNIT)
        expected = path.velocity(ends.noise, ends.data, t)
        if name.startswith("interpolant"):
            return x, ends, ends, velocity, expected
        return x, ends, prediction.solve(path, output, x, t, UNIT), velocity, expected

    x, ends, solved, velocity, expected = there_and_back(base, data)
    scale = jnp.max(jnp.abs(expected), axis=(1, 2), keepdims=True)
    assert jnp.max(jnp.abs(velocity - expected) / scale) < 1e-3
    if name in WRAPPED:
        # Only the noise is known; the data that go with it are a step along the score away.
        alone = x - PATHS["torus diffusion"].sigma(t)[:, None, None] * ends.noise
        ends = ends._replace(data=jnp.where(periodic(name), alone, ends.data))
    for found, true in zip(solved, ends, strict=True):
        error = jnp.abs(difference(name, true, found))
        # Noise of the last steep percent is lost to rounding, and with it nothing.
        assert jnp.max(error) < 3e-3 * max(1.0, float(jnp.max(jnp.abs(true))))


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize(("prediction", "name"), CASES, ids=identify)
def test_finite_at_both_ends_whatever_the_output(prediction, name: str, dtype) -> None:
    path = PATHS[name]
    base, data = (a.astype(dtype) for a in drawn(path, name))
    t = jnp.array([0.0, 1e-6, 0.5, 1.0 - 1e-6, 1.0])

    def everything(base, data):
        x, ends = path.sample(KEY, base, data, t)
        output = jax.random.normal(KEY, x.shape, dtype)
        seen = prediction.scale_input(path, x, t)
        target = prediction.target(path, ends, t, UNIT.astype(dtype))
        velocity = prediction.velocity(path, output, x, t, UNIT.astype(dtype))
        if name.startswith("interpolant"):
            return seen, target, velocity
        return seen, target, velocity, *prediction.solve(path, output, x, t, UNIT.astype(dtype))

    for array in everything(base, data):
        assert array.dtype == dtype and array.shape == data.shape and jnp.all(jnp.isfinite(array))


@pytest.mark.parametrize(("prediction", "name"), REFUSED, ids=identify)
def test_what_the_path_does_not_determine_is_refused(prediction, name: str) -> None:
    with pytest.raises(ValueError, match=r"expected an? .*path.* for .*VelocityPrediction\(\)"):
        Bridge(PATHS[name], prediction=prediction)


def test_ends_of_an_interpolant_are_not_known() -> None:
    flow = Bridge(PATHS["interpolant"]).flow(lambda x, *_: x)
    with pytest.raises(ValueError, match="use an ODE sampler"):
        flow.ends(jnp.zeros((2, 4, 4)), jnp.array(0.5))


@pytest.mark.parametrize("name", ["torus", "torus diffusion"])
def test_the_torus_has_no_special_place(name: str) -> None:
    """Moved data, over the face of the box: targets stay, ends move along."""
    path, prediction = PATHS[name], VelocityPrediction()
    base, data = drawn(path, name)
    t, shift = jnp.linspace(0.05, 0.95, 5), jnp.array([0.5, 0.3, 0.77, 0.1])

    def targets_and_ends(base, data):
        x, ends = path.sample(KEY, base, data, t)
        return prediction.target(path, ends, t, UNIT), path.ends_from_velocity(data - 0.5, x, t)

    moved_base = path.move(base, shift) if name == "torus" else base
    target, _ = targets_and_ends(base, data)
    moved_target, _ = targets_and_ends(moved_base, path.move(data, shift))
    assert np.allclose(target, moved_target, atol=2e-5)
    output = jax.random.normal(KEY, data.shape)
    here = path.ends_from_velocity(output, data, t)
    there = path.ends_from_velocity(output, path.move(data, shift), t)
    assert np.max(np.abs(difference(name, path.move(here.data, shift), there.data))) < 1e-5
    if name == "torus":
        assert np.max(np.abs(difference(name, path.move(here.noise, shift), there.noise))) < 1e-5
        assert np.allclose(path.velocity(here.noise, here.data, t), output - jnp.round(output))


def test_score_is_the_gradient_of_the_log_density() -> None:
    """For Gaussian data the score of x_t is known; the best score network gives the best noise."""
    path, t = VariancePreserving(), jnp.array([0.1, 0.5, 0.9])
    alpha, sigma = (c[:, None] for c in path.coefficients(t))
    x = jax.random.normal(KEY, (3, 2))
    variance = (0.4 * alpha) ** 2 + sigma**2
    score = jax.grad(lambda x: jnp.sum(-0.5 * (x - 1.5 * alpha) ** 2 / variance))(x)
    ends = ScorePrediction().solve(path, score, x, t, UNIT)
    posterior = 1.5 + alpha * 0.16 / variance * (x - alpha * 1.5)
    assert np.allclose(ends.data, posterior, atol=1e-5)
    assert np.allclose(ends.noise, sigma / variance * (x - alpha * 1.5), atol=1e-5)


@pytest.mark.parametrize("path", [*GAUSSIAN.values()], ids=[*GAUSSIAN])
def test_preconditioned_inputs_and_targets_have_unit_variance(path) -> None:
    std = 0.5
    prediction = PreconditionedPrediction(std)
    t = jnp.linspace(0, 1, 5)
    base, data = drawn(path, "", MANY_POINTS)
    x, ends = path.sample(KEY, base, std * data, t)
    seen = prediction.scale_input(path, x, t)
    target = prediction.target(path, ends, t, UNIT)
    assert np.allclose(jnp.std(seen, axis=(1, 2)), 1, atol=0.03)
    assert np.allclose(jnp.std(target, axis=(1, 2)), 1, atol=0.03)
    # Nothing linear is left to learn: an output of zero is the best linear denoiser.
    assert np.all(np.abs(jnp.mean(seen * target, axis=(1, 2))) < 0.04)


def test_preconditioning_is_the_published_table() -> None:
    """Karras et al. 2022, table 1: c_skip, c_out and c_in for alpha = 1."""
    path, s, t = VarianceExploding(), 0.5, jnp.array([0.0, 0.3, 0.6, 1.0])
    sigma = 80 * (0.002 / 80) ** np.asarray(t, np.float64)[:, None]
    prediction, one, zero = PreconditionedPrediction(s), jnp.ones((4, 1)), jnp.zeros((4, 1))
    skip = prediction.solve(path, zero, one, t, UNIT).data
    out = prediction.solve(path, one, zero, t, UNIT).data
    assert np.allclose(skip, s**2 / (sigma**2 + s**2), rtol=1e-4)
    assert np.allclose(out, sigma * s / np.sqrt(sigma**2 + s**2), rtol=1e-4)
    assert np.allclose(
        prediction.scale_input(path, one, t), 1 / np.sqrt(sigma**2 + s**2), rtol=1e-4
    )


def test_preconditioning_of_a_variance_preserving_path_is_minus_their_v() -> None:
    """Salimans and Ho 2022: v = alpha noise - sigma data."""
    path, t = TrigonometricPath(), jnp.linspace(0.0, 1.0, 5)
    base, data = drawn(path, "trigonometric")
    alpha, sigma = (c[:, None, None] for c in path.coefficients(t))
    _, ends = path.sample(KEY, base, data, t)
    target = PreconditionedPrediction().target(path, ends, t, UNIT)
    assert np.allclose(target, sigma * data - alpha * base, atol=1e-5)


@pytest.mark.parametrize("prediction", DEFINED, ids=identify)
def test_reads_back_from_json(prediction: Prediction) -> None:
    assert from_json(to_json(prediction)) == prediction
