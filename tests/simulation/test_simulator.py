"""Halo catalogues: selection, physics against linear theory and an N-body run, messages."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from galgen.errors import InputError
from galgen.simulation.cosmology import Cosmology
from galgen.simulation.linear_power import LinearPower
from galgen.simulation.mass_function import TinkerMassFunction
from galgen.simulation.simulator import HaloSimulator

SMALL = HaloSimulator(box=64.0, mesh=32, mass_min=3e13)
COLUMNS = ["x", "y", "z", "vx", "vy", "vz", "mass"]
SHARED = Path(__file__).parents[3] / "shared"


def correlation(positions, box, edges):
    """xi in shells, from pair counts in a periodic box."""
    tree = cKDTree(positions, boxsize=box)
    pairs = np.diff(tree.count_neighbors(tree, edges).astype(float))
    number = len(positions)
    random = number * (number - 1) / box**3 * 4.0 / 3.0 * np.pi * np.diff(edges**3)
    return pairs / random - 1.0


def linear_correlation(power, edges):
    """Linear xi averaged over shells."""
    r = np.linspace(edges[:-1], edges[1:], 9)
    k = np.geomspace(1e-4, 20.0, 8000)
    weight = k**3 * power(k) * np.exp(-((0.5 * k) ** 2)) * np.log(k[1] / k[0]) / (2.0 * np.pi**2)
    xi = np.sinc(k * r[..., None] / np.pi) @ weight
    return np.sum(xi * r**2, axis=0) / np.sum(r**2, axis=0)


def infall(catalogue, low, high):
    """Mean pairwise velocity in km/s along the separation."""
    tree = cKDTree(catalogue.positions, boxsize=catalogue.box[0])
    first, second = tree.query_pairs(high, output_type="ndarray").T
    separation = catalogue.positions[first] - catalogue.positions[second]
    separation -= catalogue.box[0] * np.round(separation / catalogue.box[0])
    distance = np.linalg.norm(separation, axis=1)
    relative = catalogue.velocities[first] - catalogue.velocities[second]
    radial = np.sum(relative * separation, axis=1) / distance
    return np.mean(radial[distance > low])


@pytest.fixture(scope="module")
def boxes():
    simulator = HaloSimulator(box=192.0, mesh=96, mass_min=3e13)
    return [simulator.simulate(Cosmology(), seed) for seed in range(4)]


def test_catalogue_is_complete_and_falls_in_mass():
    catalogue = SMALL.simulate(Cosmology(), 0)
    assert list(catalogue.columns) == COLUMNS
    assert catalogue.box == (64.0, 64.0, 64.0)
    assert catalogue.periodic
    assert Cosmology(**catalogue.cosmology) == Cosmology()
    assert np.all(np.diff(catalogue.columns["mass"]) <= 0.0)
    assert catalogue.columns["mass"].min() >= 3e13


def test_same_seed_same_catalogue_and_other_seed_another():
    first, again, other = (SMALL.simulate(Cosmology(), seed) for seed in (4, 4, 5))
    for name in COLUMNS:
        np.testing.assert_array_equal(first.columns[name], again.columns[name])
    assert not np.isin(first.columns["x"], other.columns["x"]).any()
    assert not np.isin(first.columns["mass"], other.columns["mass"]).any()


def test_number_is_poisson_with_the_mean_of_the_mass_function():
    numbers = np.array([len(SMALL.simulate(Cosmology(), seed)) for seed in range(60)])
    table = TinkerMassFunction(LinearPower(Cosmology()))
    mean = 64.0**3 * float(table.number_above(np.array(3e13)))
    assert numbers.mean() == pytest.approx(mean, abs=4.0 * np.sqrt(mean / 60))
    assert 0.5 < numbers.var() / mean < 1.6


def test_number_grows_with_matter_and_with_amplitude():
    def mean_number(**parameters):
        return np.mean([len(SMALL.simulate(Cosmology(**parameters), s)) for s in range(4)])

    assert mean_number(omega_m=0.4) > mean_number(omega_m=0.3) > mean_number(omega_m=0.2)
    assert mean_number(sigma_8=0.95) > mean_number(sigma_8=0.7)


def test_heaviest_haloes_vary_in_mass_but_not_in_number():
    simulator = HaloSimulator(box=64.0, mesh=32, number_max=30)
    first, second = (simulator.simulate(Cosmology(), seed) for seed in (0, 1))
    assert len(first) == len(second) == 30
    assert first.columns["mass"][-1] != second.columns["mass"][-1]


def test_clustering_is_biased_linear_theory(boxes):
    edges = np.array([12.0, 16.0, 20.0, 25.0, 32.0])
    xi = np.mean([correlation(b.positions, 192.0, edges) for b in boxes], axis=0)
    linear = linear_correlation(LinearPower(Cosmology()), edges)
    bias = np.sqrt(xi.sum() / linear.sum())
    # Tinker et al. (2010) by colossus 1.4.0, weighted by the mass function above 3e13
    assert bias == pytest.approx(1.783, rel=0.10)
    np.testing.assert_allclose(xi, bias**2 * linear, rtol=0.35)


def test_haloes_fall_towards_each_other(boxes):
    near = np.mean([infall(box, 8.0, 15.0) for box in boxes])
    far = np.mean([infall(box, 30.0, 40.0) for box in boxes])
    assert -400.0 < near < -150.0
    assert near < far < -50.0


@pytest.mark.parametrize("redshift", [0.0, 1.0])
def test_velocities_are_those_of_linear_theory(redshift):
    """One-dimensional rms: (a H f)^2 sum_k P(k) W^2 / (3 k^2 V) over the modes of the box."""
    box, mesh, cosmology = 192.0, 96, Cosmology()
    simulator = HaloSimulator(box=box, mesh=mesh, mass_min=2e13, redshift=redshift)
    catalogues = [simulator.simulate(cosmology, seed) for seed in range(3)]
    measured = np.sqrt(np.mean([np.mean(c.velocities**2) for c in catalogues]))
    n = np.stack(np.meshgrid(*[np.arange(-24, 25)] * 3, indexing="ij")).astype(float)
    k = 2.0 * np.pi / box * np.sqrt(np.sum(n**2, axis=0))
    k = k[k > 0.0]
    power = LinearPower(cosmology, redshift)
    variance = np.sum(power(k) * np.exp(-((5.0 * k) ** 2)) / k**2) / (3.0 * box**3)
    scale = cosmology.comoving_hubble(redshift) * cosmology.growth_rate(redshift)
    assert measured == pytest.approx(scale * np.sqrt(variance), rel=0.15)


def test_agrees_with_an_n_body_run():
    path = SHARED / "data" / "halos" / "nbody_fof_fiducial.npz"
    if not path.exists():
        pytest.skip("needs ../shared/data, absent here")
    with np.load(path) as data:
        heaviest = np.argsort(-data["mass"], kind="stable")[:5000]
        positions, velocities = data["pos"][heaviest] % 1000.0, data["vel"][heaviest]
    simulator = HaloSimulator(box=1000.0, mesh=192, number_max=5000)
    ours = simulator.simulate(Cosmology(), 0)
    edges = np.array([7.0, 10.0, 14.0, 20.0, 28.0, 45.0])
    xi = correlation(ours.positions, 1000.0, edges)
    np.testing.assert_allclose(xi, correlation(positions, 1000.0, edges), rtol=0.2)
    assert ours.velocities.std() == pytest.approx(velocities.std(), rel=0.15)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"mesh": 50}, "multiple of 4 from 16 to 2048, got 50; try 52"),
        ({"box": -1.0}, "expected a box of 10"),
        ({"mass_min": 13.5}, "not its logarithm"),
        ({"number_max": 10}, "expected one of mass_min and number_max"),
        ({"mass_min": None}, "expected one of mass_min and number_max"),
        ({"mass_min": None, "number_max": 0}, "number_max of 1 or more, got 0"),
        ({"redshift": -0.5}, "expected a redshift"),
        ({"smoothing": -1.0}, "expected smoothing"),
    ],
)
def test_fields_out_of_range_are_refused(fields, message):
    with pytest.raises(InputError, match=message):
        HaloSimulator(**{"box": 128.0, "mesh": 64, "mass_min": 3e13} | fields)


def test_coarse_mesh_is_refused_with_the_mesh_that_works():
    coarse = HaloSimulator(box=128.0, mesh=32, mass_min=3e13)
    with pytest.raises(InputError, match=r"expected a mesh of 44 or more .* got 32"):
        coarse.simulate(Cosmology(), 0)
    HaloSimulator(box=128.0, mesh=44, mass_min=3e13).simulate(Cosmology(), 0)
    with pytest.raises(InputError, match="expected a mesh of"):
        HaloSimulator(box=1000.0, mesh=128, number_max=5000).simulate(Cosmology(), 0)
    with pytest.raises(InputError, match="seed of 0 or more"):
        SMALL.simulate(Cosmology(), -1)
