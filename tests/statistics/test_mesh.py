"""Painting conserves points, wraps at faces, and multiplies each mode by the stated window."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.interpolate import BSpline

from galgen.errors import InputError
from galgen.statistics.fourier.mesh import (
    CLOUD_IN_CELL,
    NEAREST_GRID_POINT,
    PIECEWISE_CUBIC_SPLINE,
    TRIANGULAR_SHAPED_CLOUD,
    Resampler,
    paint,
)

BOX = np.array([8.0, 16.0, 24.0])
RESAMPLERS = pytest.mark.parametrize(
    "resampler",
    [NEAREST_GRID_POINT, CLOUD_IN_CELL, TRIANGULAR_SHAPED_CLOUD, PIECEWISE_CUBIC_SPLINE],
    ids=lambda resampler: f"order {resampler.order}",
)


def spline(distance, order):
    """The B-spline of Hockney & Eastwood at a distance in cells, from SciPy."""
    knots = np.arange(order + 1) - order / 2
    return np.nan_to_num(BSpline.basis_element(knots, extrapolate=False)(distance))


@RESAMPLERS
@pytest.mark.parametrize("weighted", [False, True])
def test_every_cell_equals_the_sum_of_splines(resampler, weighted):
    x = np.random.default_rng(0).uniform(-3, 30, (2, 17, 3))  # some outside: they wrap
    x[0, 0], x[0, 1] = BOX, 0.0
    mask = np.random.default_rng(1).random((2, 17)) < 0.8
    mass = np.random.default_rng(2).normal(1, 1, (2, 17)) if weighted else np.ones((2, 17))
    given = np.where(mask, mass, np.nan) if weighted else None
    cells = np.arange(6)
    with jax.enable_x64(True):
        dirty = np.where(mask[..., None], x, np.nan)
        mesh = np.asarray(paint(dirty, mask, BOX, 6, resampler, given))
    for index in range(2):
        distance = (x[index][mask[index]] / BOX * 6)[:, :, None] - cells
        distance = distance - 6 * np.round(distance / 6)
        weight = spline(distance, resampler.order)
        along = [weight[:, axis] for axis in range(3)]
        truth = np.einsum("p,pi,pj,pk->ijk", mass[index][mask[index]], *along)
        np.testing.assert_allclose(mesh[index], truth, atol=1e-12)
    np.testing.assert_allclose(mesh.sum(axis=(1, 2, 3)), (mass * mask).sum(axis=1), rtol=1e-12)


@RESAMPLERS
def test_a_point_on_the_upper_face_is_one_on_the_lower(resampler):
    lower, upper = np.zeros((1, 1, 3), np.float32), BOX[None, None].astype(np.float32)
    np.testing.assert_array_equal(
        paint(lower, None, BOX, 8, resampler), paint(upper, None, BOX, 8, resampler)
    )


@RESAMPLERS
def test_window_is_the_transform_averaged_over_the_cell(resampler):
    """Over all offsets in a cell painting multiplies exp(-ikx) by W(k): aliases average out."""
    size, offsets = 16, (np.arange(64) + 0.5) / 64
    x = np.zeros((64, 1, 3))
    x[:, 0, 0] = offsets  # the cell side is 1
    with jax.enable_x64(True):
        mesh = np.asarray(paint(x, None, np.full(3, float(size)), size, resampler))
    modes = np.fft.fft(mesh.sum(axis=(2, 3)), axis=1)
    k = 2 * np.pi * np.arange(size // 2) / size
    measured = np.mean(modes[:, : size // 2] * np.exp(1j * np.outer(offsets, k)), axis=0)
    truth = resampler.window(np.arange(size // 2) / size)
    np.testing.assert_allclose(measured, truth, atol=1e-3)


@RESAMPLERS
def test_gradients_against_finite_differences(resampler):
    rng = np.random.default_rng(3)
    x, w = rng.uniform(0, 8, (1, 9, 3)), rng.uniform(0.5, 2, (1, 9))
    probe = rng.normal(size=(1, 6, 6, 6))
    move, change = rng.normal(size=x.shape), rng.normal(size=w.shape)
    with jax.enable_x64(True):

        def loss(step):
            mesh = paint(x + step * move, None, BOX, 6, resampler, w + step * change)
            return jnp.sum(probe * mesh)

        slope = float(jax.grad(loss)(0.0))
        finite = float(loss(1e-6) - loss(-1e-6)) / 2e-6
    assert abs(slope - finite) < 1e-7 * abs(slope) and abs(slope) > 0.01


def test_bad_input_is_named():
    x = np.zeros((1, 4, 3))
    with pytest.raises(InputError, match=r"order 1 \(nearest grid point\), 2 .* got 5; pass"):
        Resampler(5)
    for size in (2, 2000):
        with pytest.raises(InputError, match=rf"4 to 1290 cells per side .* got {size}; pass"):
            paint(x, None, BOX, size)
    with pytest.raises(InputError, match=r"weights of shape \(1, 4\), got \(4,\); pass one per"):
        paint(x, None, BOX, 8, weights=np.ones(4))
