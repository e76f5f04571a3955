"""The Gaussian field returns its power spectrum; displacements against plane waves."""

import itertools

import numpy as np
import pytest
from scipy import fft

from galgen.simulation.cosmology import Cosmology
from galgen.simulation.initial_field import (
    LinearField,
    gaussian_field,
    lagrangian_displacement,
    squared_modes,
)
from galgen.simulation.linear_power import LinearPower

BOX = 200.0
POWER = LinearPower(Cosmology())


def make_field(seed=0, mesh=32):
    return gaussian_field(POWER, BOX, mesh, np.random.default_rng(seed))


def one(k):
    return np.ones_like(k)


def test_field_has_its_power_spectrum():
    mesh = 32
    number = squared_modes(mesh)
    measured = (
        np.mean([np.abs(make_field(seed, mesh).modes) ** 2 for seed in range(8)], axis=0)
        * (BOX / mesh**2) ** 3
    )
    edges = np.array([1, 4, 9, 16, 36, 64, 100, 144, 200])
    for low, high in itertools.pairwise(edges):
        shell = (number >= low) & (number < high)
        ratio = measured[shell] / POWER(2.0 * np.pi / BOX * np.sqrt(number[shell]))
        # exponential |delta_k|^2; at worst every mode of the half space is counted twice
        assert np.mean(ratio) == pytest.approx(1.0, abs=4.0 * np.sqrt(2.0 / (8 * shell.sum())))


def test_field_has_zero_mean_and_gaussian_cells():
    cells = make_field(1).filtered(one).astype(np.float64).ravel()
    assert abs(cells.mean()) < 1e-5
    standard = cells / cells.std()
    assert abs(np.mean(standard**3)) < 0.1
    assert np.mean(standard**4) == pytest.approx(3.0, abs=0.2)


def test_integer_modes_agree_with_numpy_frequencies():
    mesh = 8
    n = fft.fftfreq(mesh, 1.0 / mesh)
    expected = n[:, None, None] ** 2 + n[None, :, None] ** 2 + fft.rfftfreq(mesh, 1.0 / mesh) ** 2
    np.testing.assert_array_equal(squared_modes(mesh), expected)


def test_divergence_of_the_displacement_is_minus_the_density():
    field = make_field(2).resampled(16)  # coarsening leaves the Nyquist planes empty
    displacement = lagrangian_displacement(field)
    n = 2.0 * np.pi / BOX * fft.fftfreq(16, 1.0 / 16)
    k = np.meshgrid(n, n, n, indexing="ij")
    divergence = sum(
        fft.ifftn(1j * k[axis] * fft.fftn(displacement.first[axis].astype(np.float64))).real
        for axis in range(3)
    )
    density = field.filtered(one)
    np.testing.assert_allclose(divergence, -density, atol=1e-4 * density.std())


def wave_field(mesh, function):
    q = np.arange(mesh) * BOX / mesh
    x, y, z = np.meshgrid(q, q, q, indexing="ij")
    delta = function(x, y, z).astype(np.float32)
    return LinearField(fft.rfftn(delta), BOX), (x, y, z)


def test_one_plane_wave_is_exact_at_first_order():
    k = 2.0 * np.pi / BOX * 2
    field, (_, _, z) = wave_field(16, lambda x, y, z: 0.3 * np.cos(k * z))
    displacement = lagrangian_displacement(field)
    np.testing.assert_allclose(displacement.first[2], -0.3 / k * np.sin(k * z), atol=1e-4)
    np.testing.assert_allclose(displacement.first[:2], 0.0, atol=1e-4)
    np.testing.assert_allclose(displacement.second, 0.0, atol=1e-4)


def test_crossed_plane_waves_at_second_order():
    k = 2.0 * np.pi / BOX
    field, (x, y, _) = wave_field(16, lambda x, y, z: 0.3 * np.cos(k * x) + 0.5 * np.cos(k * y))
    second = lagrangian_displacement(field).second
    amplitude = -3.0 / 14.0 * 0.3 * 0.5 / k
    np.testing.assert_allclose(second[0], amplitude * np.sin(k * x) * np.cos(k * y), atol=1e-4)
    np.testing.assert_allclose(second[1], amplitude * np.cos(k * x) * np.sin(k * y), atol=1e-4)
    np.testing.assert_allclose(second[2], 0.0, atol=1e-4)


def test_smoothing_is_gaussian():
    k = 2.0 * np.pi / BOX * 3
    field, (x, _, _) = wave_field(16, lambda x, y, z: np.cos(k * x))
    smooth = lagrangian_displacement(field, smoothing=10.0).first[0]
    np.testing.assert_allclose(
        smooth, -np.exp(-0.5 * (10.0 * k) ** 2) / k * np.sin(k * x), atol=1e-4
    )


def test_another_mesh_keeps_long_waves():
    k = 2.0 * np.pi / BOX

    def function(x, y, z):
        return np.cos(3.0 * k * x + 2.0 * k * y - k * z)

    fine, _ = wave_field(32, function)
    coarse, _ = wave_field(16, function)
    np.testing.assert_allclose(fine.resampled(16).filtered(one), coarse.filtered(one), atol=1e-5)
    np.testing.assert_allclose(coarse.resampled(32).filtered(one), fine.filtered(one), atol=1e-5)


def test_interpolation_is_linear_and_periodic():
    field = make_field(3)
    displacement = lagrangian_displacement(field, 5.0)
    cell = BOX / 32
    points = np.array([[31.25, 4.0, 5.0], [31.0, 4.0, 5.0], [0.0, 4.0, 5.0]]) * cell
    for values, mesh in zip(
        displacement.at(points), (displacement.first, displacement.second), strict=True
    ):
        np.testing.assert_allclose(values[1], mesh[:, 31, 4, 5], rtol=1e-6)
        np.testing.assert_allclose(values[2], mesh[:, 0, 4, 5], rtol=1e-6)
        np.testing.assert_allclose(values[0], 0.75 * values[1] + 0.25 * values[2], rtol=1e-5)
