"""Halo catalogues: selection, reproducibility, the physics of small boxes, messages."""

import numpy as np
import pytest
from halo_theory import correlation, linear_correlation, mean_bias

from galgen.errors import InputError
from galgen.simulation.cosmology import Cosmology
from galgen.simulation.initial_field import gaussian_field
from galgen.simulation.linear_power import LinearPower
from galgen.simulation.mass_function import TinkerMassFunction
from galgen.simulation.simulator import HaloSimulator
from galgen.statistics.pairs.pairwise_velocity import pairwise_velocity

SMALL = HaloSimulator(box=64.0, mesh=32, mass_min=3e13)
COLUMNS = ["x", "y", "z", "vx", "vy", "vz", "mass"]


def infall(catalogues, low, high):
    """Mean pairwise velocity in km/s of all pairs of all boxes."""
    sums = pairs = 0.0
    for c in catalogues:
        edges = np.array([low, high])
        measured = pairwise_velocity(c.positions[None], c.velocities[None], None, edges, c.box)
        sums, pairs = sums + measured.sums[0, 0], pairs + measured.pairs[0, 0]
    return sums / pairs


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
    power = LinearPower(Cosmology())
    linear = linear_correlation(power, edges)
    bias = np.sqrt(xi.sum() / linear.sum())
    # Tinker et al. (2010) by colossus 1.4.0, weighted by the mass function above 3e13
    assert mean_bias(power, 3e13) == pytest.approx(1.783, rel=0.01)
    assert bias == pytest.approx(1.783, rel=0.10)
    np.testing.assert_allclose(xi, bias**2 * linear, rtol=0.35)


def test_haloes_fall_towards_each_other_as_in_an_n_body_run(boxes):
    """A particle-mesh run of 96^3 particles in 192 Mpc/h, with a force mesh of 192^3: the patches
    of the 700 heaviest haloes fall at 295 +- 12 km/s at 8-15 Mpc/h and 136 at 30-40, and have
    266 km/s per axis. Second-order theory alone has 243, 132 and 219."""
    assert infall(boxes, 8.0, 15.0) == pytest.approx(-295.0, rel=0.10)
    assert infall(boxes, 30.0, 40.0) == pytest.approx(-136.0, rel=0.20)
    rms = np.sqrt(np.mean([np.mean(box.velocities**2) for box in boxes]))
    assert rms == pytest.approx(266.0, rel=0.10)


def test_haloes_of_a_given_field_are_those_of_the_seed():
    """The seed's first child makes the field, its second the masses."""
    field_seed, mass_seed = np.random.SeedSequence(4).spawn(2)
    power = LinearPower(Cosmology())
    field = gaussian_field(power, 64.0, 32, np.random.default_rng(field_seed))
    ours = SMALL.haloes_of(field, Cosmology(), np.random.default_rng(mass_seed))
    expected = SMALL.simulate(Cosmology(), 4)
    for name in COLUMNS:
        np.testing.assert_array_equal(ours.columns[name], expected.columns[name])
    with pytest.raises(InputError, match="a field of 32 points in 64 Mpc/h, got 16 in 64"):
        SMALL.haloes_of(field.resampled(16), Cosmology(), np.random.default_rng(0))


def test_mean_momentum_vanishes(boxes):
    """A periodic box has no net motion: the mean is the sampling noise of correlated haloes."""
    means = np.array([box.velocities.mean(axis=0) for box in boxes])
    rms = np.sqrt(np.mean([np.mean(box.velocities**2) for box in boxes]))
    assert np.abs(means).max() < 0.15 * rms


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"mesh": 50}, "multiple of 4 from 16 to 2048, got 50; try 52"),
        ({"box": -1.0}, "expected a box of 10"),
        ({"mass_min": 13.5}, "not its logarithm"),
        ({"number_max": 10}, "expected one of mass_min and number_max"),
        ({"mass_min": None}, "expected one of mass_min and number_max"),
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
