"""r(k) and T(k) of catalogues and fields, against direct sums over modes and known cases."""

import itertools

import jax
import numpy as np
import pytest

from galgen.errors import InputError
from galgen.statistics.fourier import (
    cross_coefficient,
    cross_power_spectrum,
    field_cross_coefficient,
    field_power_spectrum,
    power_spectrum,
)

SIDE, CELLS = 100.0, 32
FUNDAMENTAL = 2 * np.pi / SIDE
EDGES = np.array([0.5, 1.5, 2.5, 3.5]) * FUNDAMENTAL


def modes():
    n = np.arange(-4, 5)
    k = FUNDAMENTAL * np.stack(np.meshgrid(n, n, n, indexing="ij"), axis=-1).reshape(-1, 3)
    return k, np.linalg.norm(k, axis=1)


def amplitudes(points, weights=None):
    """sum_j w_j exp(-i k.x_j) / sum_j w_j of every mode, by the sum itself."""
    weights = np.ones(len(points)) if weights is None else weights
    return np.exp(-1j * modes()[0] @ points.T) @ weights / weights.sum()


def in_bins(values):
    size = modes()[1]
    return np.array([values[(size >= a) & (size < b)].mean() for a, b in itertools.pairwise(EDGES)])


def direct(f, g):
    """r and T."""
    cross, first, second = (in_bins((a * b.conj()).real) for a, b in ((f, g), (f, f), (g, g)))
    return cross / np.sqrt(first * second), np.sqrt(first / second)


def test_catalogues_equal_direct_sums_with_and_without_shot_noise():
    rng = np.random.default_rng(0)
    x = rng.uniform(0, SIDE, (2, 60, 3))
    y = np.concatenate([x[:, :25] + rng.normal(0, 4, (2, 25, 3)), x[:, :10]], axis=1)
    w, mask = rng.uniform(0.2, 2, x.shape[:2]), rng.random(y.shape[:2]) < 0.8
    with jax.enable_x64(True):
        found = cross_coefficient(x, None, y, mask, SIDE, CELLS, EDGES, weights=w)
        auto = power_spectrum(x, None, SIDE, CELLS, EDGES, (0,), weights=w)
        cross = cross_power_spectrum(x, None, y, mask, SIDE, CELLS, EDGES, (0,), weights=w)
        np.testing.assert_allclose(found.power, auto.raw_power[:, 0], rtol=1e-12)
        np.testing.assert_allclose(found.shot_noise, auto.shot_noise, rtol=1e-12)
        np.testing.assert_allclose(found.cross_power, cross.power[:, 0], rtol=1e-10, atol=1e-6)
        for row in range(2):
            r, transfer = direct(amplitudes(x[row], w[row]), amplitudes(y[row][mask[row]]))
            np.testing.assert_allclose(found.coefficient()[row], r, atol=2e-4)
            np.testing.assert_allclose(found.transfer()[row], transfer, rtol=2e-4)
            noise = SIDE**3 / mask[row].sum()
            np.testing.assert_allclose(found.other_shot_noise[row], noise)
            clean = [found.power[row] - auto.shot_noise[row], found.other_power[row] - noise]
            first, second = (np.where(power > 0, power, np.nan) for power in map(np.array, clean))
            np.testing.assert_allclose(found.transfer(True)[row], np.sqrt(first / second))
            r = found.cross_power[row] / np.sqrt(first * second)
            np.testing.assert_allclose(found.coefficient(True)[row], r)


def test_known_coefficients():
    """Identical: 1. A fraction f of the points shared, all at random: f. Independent: 0."""
    rng = np.random.default_rng(1)
    x, y = rng.uniform(0, SIDE, (2, 150, 200, 3))
    same = cross_coefficient(x[:3], None, x[:3], None, SIDE, CELLS, EDGES)
    np.testing.assert_allclose(same.coefficient(), 1.0, rtol=1e-5)
    np.testing.assert_allclose(same.transfer(), 1.0, rtol=1e-5)
    for shared, other in ((0.5, np.concatenate([x[:, :100], y[:, 100:]], axis=1)), (0.0, y)):
        r = np.asarray(cross_coefficient(x, None, other, None, SIDE, CELLS, EDGES).coefficient())
        error = r.std(axis=0, ddof=1) / np.sqrt(len(r))
        assert np.all(np.abs(r.mean(axis=0) - shared) < 3 * error + 0.5 * shared * error)
        assert np.all(error < 0.03)


def test_noise_taken_off_gives_the_coefficient_of_the_densities():
    """Two Poisson samples of one density: r below 1 with their noise, 1 without."""
    rng = np.random.default_rng(2)
    x, y = np.zeros((2, 60, 600, 3))
    for row in range(len(x)):
        centres = rng.uniform(0, SIDE, (12, 3))
        for points in (x, y):
            points[row] = centres[rng.integers(0, 12, 600)] + rng.normal(0, 3, (600, 3))
    found = cross_coefficient(x, None, y, None, SIDE, CELLS, EDGES)
    clean, noisy = (np.asarray(found.coefficient(taken)) for taken in (True, False))
    error = clean.std(axis=0, ddof=1) / np.sqrt(len(clean))
    assert np.all(np.abs(clean.mean(axis=0) - 1) < 3 * error) and np.all(error < 2e-3)
    assert np.all(noisy.mean(axis=0) < 1 - 5 * error)


@pytest.mark.parametrize("mesh", [8, 10, 48])
def test_a_field_of_any_mesh_equals_direct_sums(mesh):
    """Finer and coarser than that of the points: no mode is taken for another."""
    rng = np.random.default_rng(3)
    x, field = rng.uniform(0, SIDE, (2, 80, 3)), rng.normal(size=(2, mesh, mesh, mesh))
    whole = np.round(modes()[0] / FUNDAMENTAL).astype(int) % mesh
    with jax.enable_x64(True):
        found = field_cross_coefficient(x, None, field, SIDE, CELLS, EDGES)
        power = field_power_spectrum(field, SIDE, EDGES, (0,)).raw_power[:, 0]
        np.testing.assert_allclose(found.other_power, power, rtol=1e-12)
        assert np.all(np.asarray(found.other_shot_noise) == 0)
        for row in range(2):
            g = np.fft.fftn(field[row])[tuple(whole.T)] / mesh**3
            f = amplitudes(x[row])
            np.testing.assert_allclose(found.coefficient()[row], direct(f, g)[0], atol=2e-4)
            cross = SIDE**3 * in_bins((f * g.conj()).real)
            scale = np.sqrt(np.asarray(found.power[row] * power[row]))
            assert np.all(np.abs(found.cross_power[row] - cross) < 2e-4 * scale)
    edges = field_cross_coefficient(x, None, field, SIDE, CELLS).k_edges
    assert edges[-1] <= min(0.6 * CELLS, mesh) * np.pi / SIDE * (1 + 1e-6)


def test_what_cannot_be_paired_is_refused():
    x = np.zeros((2, 5, 3))
    with pytest.raises(InputError, match="as many other catalogues as catalogues, got 1 for 2"):
        cross_coefficient(x, None, x[:1], None, SIDE, CELLS, EDGES)
    with pytest.raises(InputError, match="as many fields as catalogues, got 3 for 2; pair them"):
        field_cross_coefficient(x, None, np.zeros((3, 8, 8, 8)), SIDE, CELLS, EDGES)
    with pytest.raises(InputError, match="up to the Nyquist wavenumber"):
        field_cross_coefficient(x, None, np.zeros((2, 4, 4, 4)), SIDE, CELLS, EDGES)
    empty = cross_coefficient(x, np.zeros((2, 5), bool), x, None, SIDE, CELLS, EDGES)
    assert np.all(np.isnan(empty.coefficient()))
