"""Galaxies in haloes: numbers against the formula, places and motions against closed forms."""

import dataclasses

import numpy as np
import pytest
from mock_boxes import COSMOLOGY, box_of
from scipy.integrate import quad
from scipy.spatial import cKDTree
from scipy.stats import kstest, norm

from galgen.data.catalogue import Catalogue
from galgen.errors import InputError
from galgen.mocks import HaloOccupation, populate
from galgen.mocks.halo_profile import (
    GRAVITY,
    circular_velocity,
    concentration,
    enclosed,
    radius_of_fraction,
    velocity_dispersion,
    virial_radius,
)

OCCUPATION = HaloOccupation(13.0, 0.4, 13.2, 13.9, 1.2)


def haloes(mass, side=400.0, seed=0, speed=250.0, redshift=0.4, periodic=True):
    rng = np.random.default_rng(seed)
    mass = np.asarray(mass, float)
    places = rng.uniform(0, side, (len(mass), 3))
    velocities = rng.normal(0, speed, (len(mass), 3))
    return box_of(places, velocities, side, redshift, periodic, mass=mass)


def test_mean_occupation_by_mass_is_the_formula():
    """1/2 [1 + erf] by the normal distribution: erf(x) = 2 Phi(x sqrt 2) - 1."""
    for log_mass in (12.6, 13.0, 13.4, 14.2, 15.0):
        number = 20_000
        galaxies = populate(haloes(np.full(number, 10.0**log_mass)), OCCUPATION, 1)
        centrals = norm.cdf((log_mass - 13.0) / 0.4 * np.sqrt(2))
        above = max(10**log_mass - 10**13.2, 0.0) / 10**13.9
        satellites = centrals * above**1.2 if above > 0 else 0.0
        found = galaxies.columns["central"].sum(), (~galaxies.columns["central"]).sum()
        assert abs(found[0] / number - centrals) < 4 * np.sqrt(centrals / number)
        # Satellites of one central: Poisson, so per halo of variance c (m + m²) - c² m².
        mean = above**1.2 if above > 0 else 0.0
        variance = centrals * (mean + mean**2) - satellites**2
        assert abs(found[1] / number - satellites) <= 4 * np.sqrt(variance / number)
        each = np.bincount(galaxies.columns["halo"][galaxies.columns["central"]], minlength=number)
        assert each.max() <= 1
        np.testing.assert_allclose(OCCUPATION.mean_centrals(10.0**log_mass), centrals, rtol=1e-12)
        np.testing.assert_allclose(OCCUPATION.mean_satellites(10.0**log_mass), satellites)


def test_only_haloes_with_a_central_have_a_poisson_number_of_satellites():
    number = 20_000
    galaxies = populate(haloes(np.full(number, 10**13.9)), OCCUPATION, 2)
    halo, central = galaxies.columns["halo"], galaxies.columns["central"]
    assert set(halo[~central]) <= set(halo[central])
    counts = np.bincount(halo[~central], minlength=number)[halo[central]]
    assert counts.var() == pytest.approx(counts.mean(), rel=0.05)


def test_radius_and_concentration_equal_those_of_colossus():
    colossus = pytest.importorskip("colossus.cosmology.cosmology", reason="needs colossus")
    from colossus.halo import concentration as reference
    from colossus.halo import mass_so

    parameters = {"H0": 70, "Om0": 0.3, "Ob0": 0.05, "sigma8": 0.8, "ns": 0.96, "relspecies": False}
    colossus.setCosmology("mock", flat=True, **parameters)
    mass = np.logspace(11.5, 15, 8)
    for redshift in (0.0, 0.5, 1.5):
        comoving = mass_so.M_to_R(mass, redshift, "200m") * (1 + redshift) / 1000
        np.testing.assert_allclose(virial_radius(mass, 0.3), comoving, rtol=1e-4)
        truth = reference.concentration(mass, "200m", redshift, model="duffy08")
        np.testing.assert_allclose(concentration(mass, redshift), truth, rtol=1e-12)


def test_satellites_follow_the_profile_of_navarro_frenk_and_white():
    box = haloes(np.full(2000, 10**14.5), redshift=0.4)
    galaxies = populate(box, OCCUPATION, 3)
    satellite = ~galaxies.columns["central"]
    halo = galaxies.columns["halo"]
    offset = galaxies.positions - box.positions[halo]
    offset -= 400.0 * np.round(offset / 400.0)
    assert np.abs(offset[~satellite]).max() == 0
    radius = np.linalg.norm(offset[satellite], axis=1)
    scaled = radius / (3 * 10**14.5 / (4 * np.pi * 200 * 0.3 * 2.77536627e11)) ** (1 / 3)
    c = float(concentration(np.array(10**14.5), 0.4))
    assert len(scaled) > 5000 and scaled.max() <= 1 + 1e-9

    def share(s):
        return (np.log(1 + c * s) - c * s / (1 + c * s)) / (np.log(1 + c) - c / (1 + c))

    assert kstest(scaled, share).pvalue > 0.01
    directions = offset[satellite] / radius[:, None]
    assert np.abs(directions.mean(axis=0)).max() < 4 / np.sqrt(3 * len(directions))
    assert kstest(directions[:, 2], "uniform", (-1, 2)).pvalue > 0.01
    fraction = np.concatenate([[0.0, 1e-20, 1e-12, 1e-9, 1e-7], np.linspace(0.001, 1, 100)])
    back = enclosed(c * radius_of_fraction(fraction, np.full(105, c))) / enclosed(np.array(c))
    np.testing.assert_allclose(back[1:5], fraction[1:5], rtol=3e-4)
    np.testing.assert_allclose(back, fraction, atol=1e-9)


@pytest.mark.parametrize("c", [2.0, 6.0, 20.0])
def test_dispersion_solves_the_equation_of_jeans(c):
    """sigma² rho = integral_r^inf rho G M / r² dr, with rho and M of NFW."""
    mass, omega_m, redshift = 3e14, 0.3, 0.5
    radius = float(virial_radius(np.array(mass), omega_m)) / (1 + redshift)

    def rho(x):
        return 1 / (x * (1 + x) ** 2)

    def pull(x):
        return rho(x) * (np.log1p(x) - x / (1 + x)) / x**2

    for s in (0.02, 0.2, 1.0):
        integral = quad(pull, c * s, np.inf, epsrel=1e-10)[0]
        scale = GRAVITY * mass / radius * c / (np.log1p(c) - c / (1 + c))
        truth = np.sqrt(scale * integral / rho(c * s))
        found = velocity_dispersion(np.array(s), np.array(mass), np.array(c), omega_m, redshift)
        np.testing.assert_allclose(found, truth, rtol=1e-7)


def test_velocities_are_those_of_the_halo_and_of_its_dispersion():
    mass = 10**14.5
    box = haloes(np.full(3000, mass), speed=800.0)
    still = populate(box, OCCUPATION, 4)
    central, halo = still.columns["central"], still.columns["halo"]
    np.testing.assert_allclose(still.velocities[central], box.velocities[halo[central]])
    offset = still.positions - box.positions[halo]
    offset -= 400.0 * np.round(offset / 400.0)
    radius = np.linalg.norm(offset, axis=1) / float(virial_radius(np.array(mass), 0.3))
    peculiar = (still.velocities - box.velocities[halo])[~central]
    c = np.full(len(peculiar), float(concentration(np.array(mass), 0.4)))
    sigma = velocity_dispersion(radius[~central], np.full(len(c), mass), c, 0.3, 0.4)
    scaled = peculiar / sigma[:, None]
    assert kstest(scaled.ravel(), "norm").pvalue > 0.01
    # Of the order of the virial theorem, G M / 2 R per axis.
    whole = float(circular_velocity(np.array(mass), 0.3, 0.4)) / np.sqrt(2)
    assert peculiar.std() == pytest.approx(whole, rel=0.1)
    biased = dataclasses.replace(OCCUPATION, central_velocity_bias=0.3, satellite_velocity_bias=1.5)
    moved = populate(box, biased, 4)
    np.testing.assert_array_equal(moved.positions, still.positions)
    wander = (moved.velocities - box.velocities[halo])[central]
    assert wander.std() == pytest.approx(0.3 * whole, rel=0.05)
    np.testing.assert_allclose(
        (moved.velocities - box.velocities[halo])[~central], 1.5 * peculiar, rtol=1e-9, atol=1e-6
    )


def test_the_same_seed_gives_the_same_galaxies_and_another_others():
    box = haloes(10 ** np.random.default_rng(0).uniform(13, 15, 300))
    first, again, other = (populate(box, OCCUPATION, seed) for seed in (5, 5, 6))
    assert first == again and len(first) > 300
    assert len(other) != len(first) or not np.array_equal(other.positions, first.positions)
    assert first.units["halo_mass"] == "Msun/h" and first.columns["central"].dtype == bool
    np.testing.assert_array_equal(
        first.columns["halo_mass"], box.columns["mass"][first.columns["halo"]]
    )
    assert first.provenance["occupation seed"] == "5" and "13.9" in first.provenance["occupation"]


def test_one_halo_term():
    """Within a halo galaxies are far closer together than haloes are; beyond, they are alike."""
    box = haloes(np.full(4000, 10**14.3))
    galaxies = populate(box, OCCUPATION, 7)

    def excess(points, radius):
        tree = cKDTree(points, boxsize=400.0)
        pairs = tree.count_neighbors(tree, radius) - len(points)
        return pairs / (len(points) * (len(points) - 1) * 4 / 3 * np.pi * radius**3 / 400.0**3)

    assert excess(box.positions, 1.0) < 5 < 200 < excess(galaxies.positions, 1.0)
    shell = [
        excess(points, 20.0) * 20.0**3 - excess(points, 10.0) * 10.0**3
        for points in (box.positions, galaxies.positions)
    ]
    np.testing.assert_allclose(np.array(shell) / 7000.0, 1.0, atol=0.05)


def test_faces_of_periodic_and_of_open_boxes():
    mass = np.full(500, 10**14.8)
    places = np.random.default_rng(1).uniform(0, 0.3, (500, 3))
    for periodic in (True, False):
        box = box_of(places, None, 50.0, 0.0, periodic, mass=mass)
        galaxies = populate(box, OCCUPATION, 8)
        assert set(galaxies.columns) == {*"xyz", "halo_mass", "central", "halo"}
        crossed = galaxies.positions.max(axis=1) > 25
        assert np.any(crossed) == periodic and galaxies.periodic == periodic
    assert len(populate(box.select(np.zeros(500, bool)), OCCUPATION, 0)) == 0


def test_what_cannot_be_populated_is_named():
    box = haloes(np.full(10, 1e14))
    with pytest.raises(InputError, match=r"a column 'mass', got columns \['x', 'y', 'z'\]"):
        populate(Catalogue({n: np.ones(2) for n in "xyz"}, (9.0, 9.0, 9.0)), OCCUPATION, 0)
    with pytest.raises(InputError, match=r"masses in Msun/h, got 14; pass 10\*\*mass if they"):
        populate(haloes(np.full(10, 14.0)), OCCUPATION, 0)
    with pytest.raises(InputError, match=r"omega_m in the catalogue's cosmology .* got none; add"):
        populate(box.replace(cosmology={}), OCCUPATION, 0)
    with pytest.raises(InputError, match="a seed of 0 or more, got -1"):
        populate(box, OCCUPATION, -1)
    assert COSMOLOGY["omega_m"] == 0.3
    with pytest.raises(InputError, match=r"log_mass_min .* from 0 to 18, log10 of Msun/h"):
        HaloOccupation(log_mass_min=1e13)
