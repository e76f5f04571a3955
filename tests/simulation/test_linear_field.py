"""Linear fields: their modes, and the haloes that came of them."""

from pathlib import Path

import jax
import numpy as np
import pytest
from scipy import fft

from galgen.cli import main
from galgen.data.suite import Suite
from galgen.errors import InputError
from galgen.simulation.cosmology import Cosmology
from galgen.simulation.particle_mesh_simulator import ParticleMeshSimulator
from galgen.simulation.phases import linear_field
from galgen.simulation.recipe import SuiteRecipe
from galgen.simulation.simulator import HaloSimulator
from galgen.simulation.suite_file import simulate

NBODY = Path(__file__).parents[3] / "shared" / "data" / "nbody"


def correlation(positions, values, box, low=0.0, high=0.1):
    """The correlation coefficient of points and a field over the modes of low < k < high h/Mpc."""
    mesh = len(values)
    counts = np.zeros((mesh,) * 3)
    cell = np.rint(positions / (box / mesh)).astype(int) % mesh  # of the nearest mesh point
    np.add.at(counts, tuple(cell.T), 1)
    a, b = fft.rfftn(counts), fft.rfftn(values)
    full, half = fft.fftfreq(mesh, 1 / mesh), np.arange(mesh // 2 + 1)
    n2 = full[:, None, None] ** 2 + full[None, :, None] ** 2 + half[None, None, :] ** 2
    k = 2 * np.pi / box * np.sqrt(n2)
    twice = np.where((half == 0) | (half == mesh // 2), 1, 2) * ((k > low) & (k < high) & (k > 0))
    cross = np.sum(twice * (a * b.conj()).real)
    return cross / np.sqrt(np.sum(twice * abs(a) ** 2) * np.sum(twice * abs(b) ** 2))


@pytest.mark.parametrize("redshift", [0.0, 1.0])
def test_its_modes_are_those_of_the_full_field(redshift):
    simulator = HaloSimulator(box=64.0, mesh=32, mass_min=3e13, redshift=redshift)
    whole = simulator.linear_field(Cosmology(), 5)
    field = linear_field(Cosmology(), 5, 64.0, 12, points=32, redshift=redshift)
    assert (field.mesh, field.cell, field.redshift) == (12, 64.0 / 12, redshift)
    modes = fft.rfftn(field.values) * (32 / 12) ** 3
    kept = [*range(6), *range(-5, 0)]
    np.testing.assert_allclose(
        modes[np.ix_(kept, kept, range(6))],
        whole.modes[np.ix_(kept, kept, range(6))],
        atol=1e-5 * np.abs(whole.modes).max(),
    )
    assert np.abs(modes[6]).max() + np.abs(modes[..., 6]).max() < 1e-3
    finer = linear_field(Cosmology(), 5, 64.0, 32, redshift=redshift)
    assert fft.rfftn(finer.values)[1, 2, 3] == pytest.approx(whole.modes[1, 2, 3], rel=1e-4)


def test_cosmologies_share_phases_and_redshifts_the_growth():
    now = linear_field(Cosmology(), 1, 100.0, 16)
    then = linear_field(Cosmology(), 1, 100.0, 16, redshift=1.0)
    np.testing.assert_allclose(then.values, now.values * Cosmology().growth_factor(1.0), atol=1e-5)
    other = linear_field(Cosmology(sigma_8=0.417), 1, 100.0, 16)
    np.testing.assert_allclose(2 * other.values, now.values, atol=1e-5)


def test_haloes_follow_their_own_field_and_no_other():
    simulator = HaloSimulator(box=400.0, mesh=128, number_max=3000)
    haloes = simulator.simulate(Cosmology(), 0).positions
    field = linear_field(Cosmology(), 0, 400.0, 32, points=128).values
    assert correlation(haloes, field, 400.0) > 0.8
    other = linear_field(Cosmology(), 1, 400.0, 32, points=128).values
    wrong = [other, linear_field(Cosmology(), 0, 400.0, 32).values]
    wrong += [field.transpose(axes) for axes in ((1, 0, 2), (0, 2, 1), (2, 1, 0), (1, 2, 0))]
    wrong += [field[::-1], np.roll(field, 8, axis=1)]
    for values in wrong:
        assert abs(correlation(haloes, values, 400.0)) < 0.25
    assert abs(correlation(haloes, other, 400.0)) < 0.1


@pytest.mark.parametrize(
    "simulator",
    [
        HaloSimulator(box=64.0, mesh=32, mass_min=3e13, redshift=0.5),
        ParticleMeshSimulator(box=64.0, particles=32, steps=5, redshift=0.5),
    ],
)
def test_a_suite_has_the_field_of_every_catalogue(simulator, tmp_path):
    recipe = SuiteRecipe(simulator, train=2, test=1, contrast=0, field_mesh=8)
    with simulate(tmp_path / "suite.h5", recipe) as suite:
        assert suite.field_mesh == 8
        for number, (catalogue, _) in enumerate(recipe.simulate()):
            cosmology = Cosmology.of(catalogue.cosmology)
            expected = linear_field(cosmology, number, 64.0, 8, points=32).values
            assert suite.field(number).redshift == 0.0
            np.testing.assert_array_equal(suite.field(number).values, expected)


def test_the_command_stores_fields(tmp_path, capsys):
    path = tmp_path / "suite.h5"
    words = "simulate --train 1 --test 0 --contrast 0 --simulator.box 64 --simulator.mesh 32"
    words = [*words.split(), "--workers", "1", "--output", str(path)]
    assert main([*words, "--field-mesh", "8"]) == 0
    with Suite(path) as suite:
        assert suite.field(0).cell == 8.0
    for mesh in ("64", "7", "2"):
        assert main([*words, "--field-mesh", mesh]) == 2
        said = capsys.readouterr().err
        assert f"even field_mesh of 4 to 32 points for a field of 32, got {mesh}" in said


@pytest.mark.parametrize(
    ("phases", "mesh", "message"),
    [
        (0, 15, "even mesh of 4 to 15 points"),
        (-1, 16, "seed of 0 or more"),
        (np.zeros((8, 8, 4), np.float32), 8, r"white noise of shape .* got \(8, 8, 4\)"),
        (np.zeros((8, 8, 8), np.float32), 16, "even mesh of 4 to 8 points for a field of 8"),
    ],
)
def test_phases_and_meshes_that_are_none(phases, mesh, message):
    with pytest.raises(InputError, match=message):
        linear_field(Cosmology(), phases, 100.0, mesh)


@pytest.mark.parametrize("name", ["nbody_train", "nbody_test"])
def test_n_body_haloes_of_seeds_of_jax_follow_the_field_of_their_noise(name):
    """The bounds are those of the README of the suite."""
    if not NBODY.exists():
        pytest.skip("needs ../shared/data, absent here")
    with np.load(NBODY / f"{name}.npz") as data:
        cosmology, seed = Cosmology(*map(float, data["th"][0])), int(data["seeds"][0])
        haloes = data["pos"][: data["offsets"][1]]
    noise = np.asarray(jax.random.normal(jax.random.key(seed), (128,) * 3, np.float32))
    field = linear_field(cosmology, noise, 500.0, 32).values
    assert correlation(haloes, field, 500.0, 0, 0.05) > 0.78
    assert correlation(haloes, field, 500.0, 0.05, 0.1) > 0.62
    assert abs(correlation(haloes, field.transpose(1, 0, 2), 500.0, 0.05, 0.1)) < 0.2
