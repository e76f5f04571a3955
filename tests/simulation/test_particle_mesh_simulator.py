"""Haloes of particle-mesh runs: selection, phases, suites, and N-body runs to stand beside."""

import dataclasses
from pathlib import Path

import jax
import numpy as np
import pytest
from scipy.spatial import cKDTree

from galgen.cli import main, parse
from galgen.commands.simulate import ENGINES
from galgen.data.suite import Suite
from galgen.errors import InputError
from galgen.simulation.cosmology import Cosmology
from galgen.simulation.initial_field import field_of_noise
from galgen.simulation.linear_power import LinearPower
from galgen.simulation.particle_mesh_simulator import ParticleMeshSimulator
from galgen.simulation.recipe import SuiteRecipe
from galgen.simulation.simulator import HaloSimulator
from galgen.simulation.suite import simulate_suite
from galgen.simulation.suite_file import is_made, linear_field_of, simulate

NBODY = Path(__file__).parents[3] / "shared" / "data" / "nbody"
SMALL = ParticleMeshSimulator(box=64.0, particles=32, steps=5)


@pytest.fixture(scope="module")
def haloes():
    return SMALL.simulate(Cosmology(), 3)


def test_masses_are_whole_particles_and_fall(haloes):
    assert list(haloes.columns) == ["x", "y", "z", "vx", "vy", "vz", "mass"]
    assert (haloes.box, haloes.redshift) == ((64.0,) * 3, 0.0)
    assert Cosmology(**haloes.cosmology) == Cosmology()
    assert haloes.provenance == {"source": "galgen particle-mesh simulator", "seed": "3"}
    numbers = haloes.columns["mass"] / SMALL.particle_mass(Cosmology())
    np.testing.assert_allclose(numbers, np.rint(numbers), rtol=1e-12)
    assert numbers.min() >= 20 and np.all(np.diff(numbers) <= 0)
    assert 32**3 * SMALL.particle_mass(Cosmology()) == pytest.approx(
        64.0**3 * Cosmology().mean_matter_density
    )


def test_a_seed_is_a_catalogue(haloes):
    assert SMALL.simulate(Cosmology(), 3) == haloes
    other = SMALL.simulate(Cosmology(), 4)
    assert len(other) != len(haloes) or not np.isin(other.columns["x"], haloes.columns["x"]).any()


def test_a_fixed_mass_leaves_the_lighter_haloes_out(haloes):
    limit = 4e13
    kept = dataclasses.replace(SMALL, mass_min=limit).simulate(Cosmology(), 3)
    heavy = haloes.columns["mass"] >= limit
    assert 0 < heavy.sum() < len(haloes)
    np.testing.assert_array_equal(kept.positions, haloes.positions[heavy])
    more = dataclasses.replace(SMALL, particles_min=40).simulate(Cosmology(), 3)
    limit = 39.5 * SMALL.particle_mass(Cosmology())
    np.testing.assert_array_equal(more.positions, haloes.positions[haloes.columns["mass"] > limit])


def test_both_engines_see_the_same_waves():
    """Heavy groups form where the linear field has its peaks, if it is the same field."""
    groups = ParticleMeshSimulator(box=128.0, particles=64, mass_min=1e14, steps=5)
    peaks = HaloSimulator(box=128.0, mesh=64, mass_min=5e13)
    found = groups.simulate(Cosmology(), 0).positions

    def matched(seed):
        tree = cKDTree(peaks.simulate(Cosmology(), seed).positions, boxsize=128.0)
        return np.mean(tree.query(found)[0] < 5.0)

    assert matched(0) > 0.75 > 0.3 > matched(1)
    fine = groups.linear_field(Cosmology(), 0).resampled(96)
    finer = dataclasses.replace(peaks, mesh=96)
    other = finer.haloes_of(fine, Cosmology(), np.random.default_rng(0)).positions
    assert np.mean(cKDTree(other, boxsize=128.0).query(found)[0] < 5.0) > 0.75


def test_haloes_grow_and_cool_with_time(haloes):
    early = dataclasses.replace(SMALL, redshift=1.0).simulate(Cosmology(), 3)
    assert early.redshift == 1.0
    assert 0 < len(early) < 0.8 * len(haloes)
    assert early.columns["mass"].max() < haloes.columns["mass"].max()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"particles": 50}, "multiple of 4 from 16 to 644, got 50; try 52"),
        ({"particles": 400, "mesh_factor": 4}, "from 16 to 320, got 400; try 320"),
        ({"box": 1000.0}, "at most 8 Mpc/h apart, got 32 in 1000 .* use 128 or more"),
        ({"mass_min": 13.5}, "not its logarithm"),
        ({"redshift": 9.0}, "a start at half the scale factor"),
        ({"mesh_factor": 1}, "mesh_factor of ParticleMeshSimulator"),
        ({"box": 1.0}, "expected a box of 10"),
    ],
)
def test_fields_out_of_range_are_refused(fields, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(SMALL, **fields)


def test_too_few_particles_are_refused_with_the_number_that_works():
    coarse = dataclasses.replace(SMALL, mass_min=1e13)
    with pytest.raises(InputError, match=r"expected 36 or more particles per side, .* got 32"):
        coarse.simulate(Cosmology(), 0)
    dataclasses.replace(coarse, particles=36).check_resolution(Cosmology())
    with pytest.raises(InputError, match="expected a field of 32 points in 64 Mpc/h, got 16"):
        SMALL.haloes_of(SMALL.linear_field(Cosmology(), 0).resampled(16), Cosmology())
    with pytest.raises(InputError, match="seed of 0 or more"):
        SMALL.simulate(Cosmology(), -1)


def test_a_suite_goes_on_and_gives_its_fields_again(tmp_path):
    recipe = SuiteRecipe(SMALL, train=2, test=1, contrast=0)
    path = tmp_path / "suite.h5"
    with simulate(path, recipe) as suite:
        catalogues = list(suite)
    assert is_made(path, recipe) and not is_made(path, dataclasses.replace(recipe, seed=1))
    for (expected, _), catalogue in zip(recipe.simulate(), catalogues, strict=True):
        np.testing.assert_array_equal(catalogue.positions, expected.positions)
        field = linear_field_of(catalogue)
        cosmology = Cosmology(**catalogue.cosmology)
        np.testing.assert_array_equal(
            SMALL.haloes_of(field, cosmology).positions, catalogue.positions
        )
    with pytest.raises(InputError, match="provenance has the recipe and the seed"):
        linear_field_of(expected)


def test_the_engine_chooses_the_options(tmp_path, capsys):
    words = "simulate --engine particle-mesh --simulator.particles 32 --simulator.box 64"
    chosen = parse([*words.split(), "--simulator.steps=5"])
    assert chosen.recipe.simulator == dataclasses.replace(SMALL, mass_min=3e13)
    assert parse(["simulate"]).recipe == SuiteRecipe()
    assert type(parse(["simulate", "--engine=peak-patch"]).recipe.simulator) is HaloSimulator
    for wrong, said in (
        ("--simulator.steps 5", "the engine peak-patch, got --simulator.steps of particle-mesh"),
        ("--engine particle-mesh --simulator.mesh 64", "got --simulator.mesh of peak-patch"),
        ("--engine tree", "one of peak-patch, particle-mesh, got 'tree'"),
        (words.removeprefix("simulate ").replace("32", "16"), "particles per side"),
    ):
        output = ["--output", str(tmp_path / "x.h5")]
        assert main(["simulate", *output, *wrong.split()]) == 2
        printed = capsys.readouterr().err
        assert said in printed and printed.count("\n") == 1
    for simulator in ENGINES.values():
        simulator.check_resolution(Cosmology(omega_m=0.4))


def test_the_command_makes_a_suite(tmp_path):
    words = "simulate --engine particle-mesh --simulator.particles 32 --simulator.box 64 --train 1"
    words += " --test 0 --contrast 0 --workers 1 --simulator.steps 5 --simulator.mass-min None"
    path = tmp_path / "suite.h5"
    assert main([*words.split(), "--output", str(path)]) == 0
    with Suite(path) as suite:
        assert suite[0].provenance["source"] == "galgen particle-mesh simulator"
        assert len(suite[0]) > 0


@pytest.mark.slow
def test_workers_change_nothing(haloes):
    cosmologies = [Cosmology(), Cosmology(omega_m=0.25)]
    first, second = simulate_suite(SMALL, cosmologies, [3, 4], processes=2)
    assert first == haloes
    assert second == SMALL.simulate(cosmologies[1], 4)


@pytest.mark.slow
@pytest.mark.parametrize("box", [0, 3])
def test_haloes_are_those_of_n_body_runs_of_the_same_phases(box):
    """500 Mpc/h, 128^3 particles: the fiducial cosmology, and another."""
    if not NBODY.exists():
        pytest.skip("needs ../shared/data, absent here")
    with np.load(NBODY / "nbody_test.npz") as data:
        rows = slice(*data["offsets"][box : box + 2])
        positions, velocities = data["pos"][rows] % 500.0, data["vel"][rows]
        masses = data["mass"][rows]
        cosmology, seed = Cosmology(*map(float, data["th"][box])), int(data["seeds"][box])
    noise = np.asarray(jax.random.normal(jax.random.key(seed), (128,) * 3, np.float32))
    field = field_of_noise(LinearPower(cosmology), 500.0, noise)
    ours = ParticleMeshSimulator(box=500.0, particles=128).haloes_of(field, cosmology)
    distance, nearest = cKDTree(ours.positions, boxsize=500.0).query(positions.astype(float))
    assert len(ours) == pytest.approx(len(masses), rel=0.005)
    assert np.mean(distance < 1.0) > 0.995 and np.median(distance) < 0.01
    near = nearest[distance < 1.0]
    ratio = ours.columns["mass"][near] / masses[distance < 1.0]
    assert np.median(ratio) == pytest.approx(1.0, abs=1e-4) and np.log(ratio).std() < 0.02
    assert (ours.velocities[near] - velocities[distance < 1.0]).std() < 3.0
