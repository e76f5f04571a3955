"""FastPM steps: closed forms of growth, momentum, and what more steps change."""

import numpy as np
import pytest

from galgen.cosmology import flat_growth_rate
from galgen.randomness import Role, random_generator
from galgen.simulation.cosmology import Cosmology
from galgen.simulation.initial_field import (
    Displacement,
    LinearField,
    gaussian_field,
    lagrangian_displacement,
    squared_modes,
)
from galgen.simulation.linear_power import LinearPower
from galgen.simulation.particle_mesh import even_steps, evolve
from galgen.simulation.particle_mesh_simulator import ParticleMeshSimulator

EDS = Cosmology(omega_m=1.0)


def box_of(side, points, seed=0):
    power = LinearPower(Cosmology())
    return gaussian_field(power, side, points, random_generator(Role.PHASES, seed))


@pytest.mark.parametrize(
    ("points", "mesh_factor", "tolerance", "everywhere"), [(64, 1, 0.01, 0.06), (32, 2, 0.03, 0.3)]
)
@pytest.mark.parametrize(("cosmology", "axis", "redshift"), [(EDS, 0, 0.0), (EDS, 2, 1.0)])
def test_a_plane_wave_is_zeldovichs_until_its_shells_cross(
    points, mesh_factor, tolerance, everywhere, cosmology, axis, redshift
):
    """x = q + D psi and v = a H f D psi are exact in one dimension, here to 0.6 of crossing.

    On a mesh as coarse as the particles the softening of cloud in cell is all that is missing; on
    a finer one particles see each other singly, and lie up to a separation off.
    """
    wave = np.zeros((3, points, points, points), np.float32)
    phase = 2.0 * np.pi * np.indices((points,) * 3)[axis] / points
    wave[axis] = 0.6 * 100.0 / (2.0 * np.pi) * np.sin(phase)
    displacement = Displacement(wave, np.zeros_like(wave), 100.0)
    moved, velocities = evolve(displacement, cosmology, mesh_factor, 10, 0.1, 1 / (1 + redshift))
    rate = flat_growth_rate(cosmology.omega_m, redshift) * cosmology.comoving_hubble(redshift)
    for found in (moved, velocities / rate):
        assert np.sum(found * wave) / np.sum(wave**2) == pytest.approx(1.0, abs=tolerance)
        np.testing.assert_allclose(found, wave, atol=everywhere * wave.max())


def test_factors_of_einstein_de_sitter():
    """D = a, f = 1, E = a^(-3/2): G = a^(3/2)."""
    kicks, drifts = even_steps(EDS, 0.1, 1.0, 3)
    a, known = np.array([0.1, 0.4, 0.7, 1.0]), np.array([0.1, 0.25, 0.55, 0.85, 1.0])
    np.testing.assert_allclose(kicks, np.diff(known**1.5) / a)
    np.testing.assert_allclose(drifts, [*(np.diff(a) / known[1:-1] ** 1.5), 0.0])


def test_momentum_of_all_particles_stays_zero():
    displacement = lagrangian_displacement(box_of(128.0, 32))
    _, velocities = evolve(displacement, Cosmology(), 2, 5, 0.1, 1.0)
    total = velocities.mean(axis=(1, 2, 3), dtype=np.float64)
    assert np.abs(total).max() < 1e-6 * velocities.std()


def matter_modes(field: LinearField, positions):
    """The density of particles, painted by cloud in cell on the mesh of the field."""
    points = field.mesh
    below = np.floor(positions / field.cell).astype(int)
    above = positions / field.cell - below
    mass = np.zeros(points**3)
    for corner in np.ndindex(2, 2, 2):
        share = np.where(corner, above, 1.0 - above).prod(axis=1)
        cell = (below + corner) % points @ [points**2, points, 1]
        mass += np.bincount(cell, share, points**3)
    window = np.sinc(np.fft.fftfreq(points)) ** 2
    modes = np.fft.rfftn(mass.reshape((points,) * 3))
    return modes / (window[:, None, None] * window[:, None] * window[: points // 2 + 1])


@pytest.mark.parametrize("redshift", [0.0, 1.0])
def test_long_waves_of_matter_are_those_of_linear_theory(redshift):
    simulator = ParticleMeshSimulator(box=256.0, particles=64, redshift=redshift, steps=5)
    field = simulator.linear_field(Cosmology(), 0)
    positions, velocities = simulator.particles_of(field, Cosmology())
    assert positions.min() >= 0.0 and positions.max() < 256.0
    matter = matter_modes(field, positions)
    k = 2.0 * np.pi / 256.0 * np.sqrt(squared_modes(64))
    long = (k > 0.0) & (k < 0.05)
    power = [np.sum(np.abs(modes[long]) ** 2) for modes in (matter, field.modes)]
    cross = np.sum(matter[long] * field.modes[long].conj()).real
    assert power[0] == pytest.approx(power[1], rel=0.03)
    assert cross > 0.996 * np.sqrt(power[0] * power[1])
    linear = np.fft.rfftn(lagrangian_displacement(field).first, axes=(1, 2, 3))[:, long]
    moving = np.fft.rfftn(velocities.T.reshape(3, 64, 64, 64), axes=(1, 2, 3))[:, long]
    slope = np.sum(moving * linear.conj()).real / np.sum(np.abs(linear) ** 2)
    rate = flat_growth_rate(Cosmology().omega_m, redshift) * Cosmology().comoving_hubble(redshift)
    assert slope == pytest.approx(rate, rel=0.03)


def test_steps_converge_at_second_order():
    displacement = lagrangian_displacement(box_of(128.0, 32))
    few, more, many = (
        evolve(displacement, Cosmology(), 2, steps, 0.1, 1.0)[0] for steps in (8, 16, 32)
    )
    errors = [np.sqrt(np.mean((moved - many) ** 2)) for moved in (few, more)]
    assert errors[0] < 0.1 * 128.0 / 32
    assert errors[1] < errors[0] / 3.0
