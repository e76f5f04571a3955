"""Patches of one known bump, and of a random field against brute force."""

import numpy as np
import pytest
from scipy import fft, ndimage
from scipy.integrate import quad
from scipy.optimize import brentq

from galgen.simulation.cosmology import Cosmology
from galgen.simulation.initial_field import LinearField, gaussian_field
from galgen.simulation.linear_power import LinearPower
from galgen.simulation.peak_patch import (
    EXCLUSION,
    barrier,
    find_patches,
    local_maxima,
    smoothing_radii,
)

POWER = LinearPower(Cosmology())
BOX, MESH = 96.0, 48


def bump(centre, height=6.0, width=5.0):
    """A Gaussian bump of the linear density, in cells of 2 Mpc/h."""
    q = np.arange(MESH) * BOX / MESH
    offsets = [(q - c + BOX / 2) % BOX - BOX / 2 for c in centre]
    square = offsets[0][:, None, None] ** 2 + offsets[1][None, :, None] ** 2 + offsets[2] ** 2
    delta = height * np.exp(-square / (2.0 * width**2))
    return LinearField(fft.rfftn(delta.astype(np.float32)), BOX)


def expected_radius(height=6.0, width=5.0):
    """Where the mean of the bump inside R meets the barrier."""

    def excess(radius):
        mean = (
            quad(lambda r: 3.0 * r**2 * height * np.exp(-(r**2) / (2 * width**2)), 0.0, radius)[0]
            / radius**3
        )
        return mean - barrier(POWER.sigma(np.array(radius)))

    return brentq(excess, 2.0, 20.0)


@pytest.mark.parametrize("centre", [(40.7, 51.1, 30.0), (0.3, 95.5, 48.9)])
def test_one_bump_is_one_patch(centre):
    patches = find_patches(bump(centre), POWER, 10)
    assert len(patches) == 1
    assert patches.radii[0] == pytest.approx(expected_radius(), rel=0.01)
    offset = (patches.positions[0] - centre + BOX / 2) % BOX - BOX / 2
    assert np.abs(offset).max() < 0.1  # a twentieth of a cell


def test_nothing_below_the_barrier_collapses():
    assert len(find_patches(bump((40.0, 40.0, 40.0), height=1.5), POWER, 10)) == 0


def test_local_maxima_agree_with_a_maximum_filter():
    values = np.random.default_rng(0).standard_normal((24, 24, 24)).astype(np.float32)
    highest = ndimage.maximum_filter(values, size=3, mode="wrap")
    expected = np.flatnonzero((values == highest) & (values > 0.0))
    np.testing.assert_array_equal(np.sort(local_maxima(values)), expected)


def random_patches(wanted):
    field = gaussian_field(POWER, BOX, MESH, np.random.default_rng(5))
    return find_patches(field, POWER, wanted)


def test_no_patch_lies_in_a_larger_one():
    patches = random_patches(150)
    assert len(patches) == 150
    assert np.all(np.diff(patches.radii) <= 0.0)
    assert patches.positions.min() >= 0.0
    assert patches.positions.max() < BOX
    separation = patches.positions[:, None] - patches.positions[None]
    separation -= BOX * np.round(separation / BOX)
    distance = np.linalg.norm(separation, axis=-1)
    larger = np.maximum(patches.radii[:, None], patches.radii[None])
    distance[np.diag_indices(150)] = np.inf
    assert np.all(distance >= EXCLUSION * larger)


def test_stopping_early_keeps_the_largest():
    few, many = random_patches(40), random_patches(160)
    np.testing.assert_array_equal(few.positions, many.positions[:40])
    np.testing.assert_array_equal(few.radii, many.radii[:40])


def test_barrier_is_that_of_ellipsoidal_collapse():
    assert barrier(np.array(0.0)) == pytest.approx(1.686)
    sigma = 1.2  # Sheth, Mo and Tormen (2001), equation 4
    expected = 1.686 * (1.0 + 0.47 * (sigma**2 / 1.686**2) ** 0.615)
    assert barrier(np.array(sigma)) == pytest.approx(expected, rel=1e-12)


def test_radii_fall_by_eight_percent_to_a_cell():
    radii = smoothing_radii(POWER, 5.0)
    np.testing.assert_allclose(radii[:-1] / radii[1:], 1.08)
    assert radii[-1] == pytest.approx(4.5)
    assert radii[0] > 15.0
