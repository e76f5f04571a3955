"""Spherical collapse against its equation of motion, and its infall about peaks and waves."""

import numpy as np
import pytest
from scipy import fft
from scipy.integrate import solve_ivp

from galgen.cosmology.transfer import top_hat
from galgen.simulation.cosmology import Cosmology
from galgen.simulation.infall import infall_displacement, missing_infall
from galgen.simulation.initial_field import (
    LinearField,
    interpolate,
    isotropic,
    lagrangian_displacement,
)
from galgen.simulation.linear_power import LinearPower

BOX, MESH, RADIUS = 320.0, 64, 10.0


def shell_speed(overdensity, omega_m=1.0):
    """-dx/dlnD today of a shell at x q, from Newton's law for linear overdensity delta today."""
    cosmology = Cosmology(omega_m=omega_m)

    def right_hand_side(log_scale, state):
        x, rate = state
        matter = cosmology.matter_fraction(np.exp(-log_scale) - 1.0)
        return [rate, -(2.0 - 1.5 * matter) * rate - 0.5 * matter * x * (x**-3 - 1.0)]

    start = 1e-3
    first = overdensity * cosmology.growth_factor(1.0 / start - 1.0) / 3.0
    initial = [1.0 - first, -first]
    solution = solve_ivp(
        right_hand_side, (np.log(start), 0.0), initial, rtol=1e-10, atol=1e-13, method="DOP853"
    )
    return -solution.y[1, -1] / cosmology.growth_rate(0.0)


@pytest.mark.parametrize("overdensity", [-4.0, -0.5, 0.3, 1.0, 1.5])
def test_speed_of_a_shell_agrees_with_its_equation_of_motion(overdensity):
    second_order = overdensity / 3.0 + 2.0 * overdensity**2 / 21.0
    speed = second_order + missing_infall(np.array(overdensity))
    assert speed == pytest.approx(shell_speed(overdensity), rel=5e-3)


@pytest.mark.parametrize("omega_m", [0.2, 0.4])
def test_speed_hardly_depends_on_the_cosmology(omega_m):
    for overdensity in (0.5, 1.0, 1.4):
        second_order = overdensity / 3.0 + 2.0 * overdensity**2 / 21.0
        speed = second_order + missing_infall(np.array(overdensity))
        assert speed == pytest.approx(shell_speed(overdensity, omega_m), rel=0.05)


def test_what_is_missing_begins_at_third_order():
    """A sphere contracts as x = 1 - delta/3 - delta^2/21 - 23 delta^3/1701 - ..."""
    small = np.array([-0.1, 0.1])
    e = missing_infall(small)
    np.testing.assert_allclose(e, 23.0 / 567.0 * small**3, rtol=0.15)
    assert np.mean(np.abs(e)) == pytest.approx(23.0 / 567.0 * 1e-3, rel=0.03)


def test_a_virialised_sphere_falls_no_faster():
    virial = 0.15 * (6.0 * (1.5 * np.pi + 1.0)) ** (2.0 / 3.0)
    values = missing_infall(np.array([virial - 0.1, virial, virial + 0.1, 5.0]))
    assert values[0] < values[1] == values[2] == values[3]
    # at half of the largest radius: x (1 + 3/2 u) less second order
    u = 1.5 * np.pi + 1.0
    x = (4.5 * u**2) ** (-1.0 / 3.0)
    expected = x * (1.0 + 1.5 * u) - virial / 3.0 - 2.0 * virial**2 / 21.0
    assert values[1] == pytest.approx(expected, rel=1e-6)


def peak():
    """A spherical peak at the origin with the mean profile, that has just collapsed at RADIUS."""
    power = LinearPower(Cosmology())
    modes = isotropic(lambda k: power(k) * np.exp(-0.1 * (k * RADIUS) ** 2), BOX, MESH)

    def mean_inside(radius):
        window = isotropic(lambda k: top_hat(k * radius), BOX, MESH)
        return float(fft.irfftn(modes * window)[0, 0, 0])

    height = 1.69 / mean_inside(RADIUS)
    field = LinearField((height * modes).astype(np.complex64), BOX)
    return field, lambda radius: height * mean_inside(radius)


def inward(displacement, radii):
    """Component towards the origin at ``radii``, the mean of three axes."""
    values = [
        -interpolate(displacement, BOX, radii[:, None] * np.eye(3)[axis])[:, axis]
        for axis in range(3)
    ]
    return np.mean(values, axis=0)


def test_infall_about_a_spherical_peak_is_that_of_its_shells():
    field, mean_inside = peak()
    radii = np.linspace(1.5, 3.0, 7) * RADIUS
    measured = inward(infall_displacement(field, RADIUS), radii)
    expected = radii * missing_infall(np.array([mean_inside(r) for r in radii]))
    assert np.sum(measured * radii**2) == pytest.approx(np.sum(expected * radii**2), rel=0.1)


def test_infall_leaves_the_far_side_to_linear_theory():
    field, _ = peak()
    radii = np.linspace(4.0, 6.0, 5) * RADIUS
    missing = inward(infall_displacement(field, RADIUS), radii)
    linear = inward(lagrangian_displacement(field).first, radii)
    assert np.all(linear > 0.5)
    np.testing.assert_array_less(np.abs(missing), 0.05 * linear)
    near = np.array([1.2 * RADIUS])
    ratio = inward(infall_displacement(field, RADIUS), near) / inward(
        lagrangian_displacement(field).first, near
    )
    assert ratio > 0.2


def test_a_long_wave_is_left_alone():
    q = np.arange(MESH) * BOX / MESH
    wave = np.broadcast_to(0.5 * np.cos(4.0 * np.pi / BOX * q), (MESH,) * 3).astype(np.float32)
    field = LinearField(fft.rfftn(wave), BOX)
    missing = infall_displacement(field, 4.0)
    linear = lagrangian_displacement(field).first
    assert np.abs(missing).max() < 0.01 * np.abs(linear).max()


def test_infall_moves_with_the_field():
    noise = np.random.default_rng(0).standard_normal((16, 16, 16)).astype(np.float32)
    here = infall_displacement(LinearField(fft.rfftn(noise), 80.0), 6.0)
    there = infall_displacement(LinearField(fft.rfftn(np.roll(noise, (3, 5), (0, 2))), 80.0), 6.0)
    np.testing.assert_allclose(there, np.roll(here, (3, 5), (1, 3)), atol=1e-5)
    assert np.abs(here).max() > 0.01
