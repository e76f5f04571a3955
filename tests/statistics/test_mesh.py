"""Painting conserves points, wraps at faces, and multiplies each mode by the stated window."""

import jax
import numpy as np
import pytest

from galgen.errors import InputError
from galgen.statistics.mesh import (
    CLOUD_IN_CELL,
    TRIANGULAR_SHAPED_CLOUD,
    Resampler,
    paint,
)

BOX = np.array([8.0, 16.0, 24.0])
RESAMPLERS = pytest.mark.parametrize("resampler", [CLOUD_IN_CELL, TRIANGULAR_SHAPED_CLOUD])


def spline(distance, order):
    """The B-spline of Hockney & Eastwood at a distance in cells, in NumPy."""
    u = np.abs(distance)
    if order == 2:
        return np.maximum(0, 1 - u)
    return np.where(u < 0.5, 0.75 - u**2, np.where(u < 1.5, 0.5 * (1.5 - u) ** 2, 0.0))


@RESAMPLERS
def test_every_cell_equals_the_sum_of_splines(resampler):
    x = np.random.default_rng(0).uniform(-3, 30, (2, 17, 3))  # some outside: they wrap
    x[0, 0], x[0, 1] = BOX, 0.0
    mask = np.random.default_rng(1).random((2, 17)) < 0.8
    cells = np.arange(6)
    with jax.enable_x64(True):
        mesh = np.asarray(paint(np.where(mask[..., None], x, np.nan), mask, BOX, 6, resampler))
    for index in range(2):
        distance = (x[index][mask[index]] / BOX * 6)[:, :, None] - cells
        distance = distance - 6 * np.round(distance / 6)
        weight = spline(distance, resampler.order)
        truth = np.einsum("pi,pj,pk->ijk", weight[:, 0], weight[:, 1], weight[:, 2])
        np.testing.assert_allclose(mesh[index], truth, atol=1e-12)
    np.testing.assert_allclose(mesh.sum(axis=(1, 2, 3)), mask.sum(axis=1), rtol=1e-12)


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


def test_bad_input_is_named():
    x = np.zeros((1, 4, 3))
    with pytest.raises(InputError, match=r"order 2 \(cloud in cell\) or 3 .* got 4; pass"):
        Resampler(4)
    for size in (2, 2000):
        with pytest.raises(InputError, match=rf"4 to 1290 cells per side .* got {size}; pass"):
            paint(x, None, BOX, size)
