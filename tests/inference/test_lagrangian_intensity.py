"""The intensity of white noise: that of the grid of its field, with its gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from galgen import Run
from galgen.errors import InputError
from galgen.inference import LagrangianIntensity
from galgen.lagrangian import LagrangianGrid
from galgen.lagrangian.layout import INPUTS, PAD
from galgen.simulation import linear_field
from galgen.simulation.cosmology import Cosmology

CONDITION = Cosmology().as_mapping() | {"minimum_mass": 1e14}


@pytest.fixture(scope="module")
def intensity():
    return LagrangianIntensity.of(Run.load("haloes-nbody"), CONDITION, 60.0)


@pytest.fixture(scope="module")
def noise(intensity):
    return np.random.default_rng(0).standard_normal((intensity.mesh,) * 3, dtype=np.float32)


def test_it_is_that_of_the_grid_of_the_field(intensity, noise):
    encoding = Run.load("haloes-nbody").encoding
    field = linear_field(Cosmology(), noise, 60.0, intensity.mesh)
    grid = LagrangianGrid.of(field, Cosmology(), 1e14, encoding.units)
    np.testing.assert_allclose(intensity.model.condition, encoding.condition_of(grid), rtol=1e-6)
    inputs = np.pad(grid.inputs()[..., :INPUTS], (*((PAD, PAD),) * 3, (0, 0)), mode="wrap")
    expected = intensity.model.encode(jnp.asarray(inputs))[0]
    np.testing.assert_allclose(intensity(jnp.asarray(noise)), expected, atol=1e-4)


def test_the_posterior_has_its_gradient(intensity, noise):
    """Along a random direction, against a central difference."""
    rng = np.random.default_rng(1)
    cells = jnp.asarray(rng.integers(0, intensity.mesh, (9, 3)))
    way = rng.standard_normal(noise.shape, dtype=np.float32)
    posterior = jax.jit(lambda s: intensity.log_posterior(noise + s * way, cells))
    slope = float(jax.grad(posterior)(0.0))
    step = 0.02
    difference = float(posterior(step) - posterior(-step)) / (2 * step)
    assert slope == pytest.approx(difference, rel=0.02)


def test_the_likelihood_is_that_of_a_poisson_process(intensity, noise):
    log_rate = np.asarray(intensity(jnp.asarray(noise)), np.float64)
    cells = np.argwhere(log_rate > np.quantile(log_rate, 0.999))
    expected = log_rate[tuple(cells.T)].sum() - np.exp(log_rate).sum()
    found = float(intensity.log_likelihood(jnp.asarray(noise), jnp.asarray(cells)))
    assert found == pytest.approx(expected, rel=1e-4)
    shifted = np.roll(noise, 2, axis=1)
    moved = (cells + np.array([0, 2, 0])) % intensity.mesh
    again = float(intensity.log_likelihood(jnp.asarray(shifted), jnp.asarray(moved)))
    assert again == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    ("run", "change", "box", "message"),
    [
        ("haloes-small", {}, 60.0, "expected a run of haloes on a Lagrangian grid"),
        ("haloes-nbody", {"minimum_mass": 1e12}, 60.0, "expected a cosmology and a least mass"),
        ("haloes-nbody", {"sigma_8": 2.0}, 60.0, "expected a cosmology and a least mass"),
        ("haloes-nbody", {}, 5.0, "expected a box of 4 cells or more"),
    ],
)
def test_what_it_cannot_be_of_is_said(run, change, box, message):
    with pytest.raises(InputError, match=message):
        LagrangianIntensity.of(Run.load(run), CONDITION | change, box)
