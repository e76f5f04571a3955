"""The heaviest haloes of an N-body run, from its own phases: 1 Gpc/h, 256^3 particles, FoF."""

from pathlib import Path

import jax
import numpy as np
import pytest
from halo_theory import correlation
from scipy import fft
from scipy.spatial import cKDTree

from galgen.data.catalogue import Catalogue
from galgen.simulation.cosmology import Cosmology
from galgen.simulation.initial_field import LinearField, isotropic
from galgen.simulation.linear_power import LinearPower
from galgen.simulation.simulator import HaloSimulator
from galgen.statistics.fourier.power_spectrum import power_spectrum
from galgen.statistics.pairs.pairwise_velocity import pairwise_velocity
from galgen.statistics.redshift_space import redshift_space_positions

PATH = Path(__file__).parents[3] / "shared" / "data" / "halos" / "nbody_fof_fiducial.npz"
SIDE = (1000.0,) * 3
CLOSE = np.array([8.0, 10.0, 12.0, 15.0, 20.0, 25.0, 32.0, 40.0])  # Mpc/h


def same_phases(mesh):
    """The linear field of the run."""
    noise = np.asarray(jax.random.normal(jax.random.key(0), (256, 256, 256)))
    power = LinearPower(Cosmology())
    modes = fft.rfftn(noise) * isotropic(
        lambda k: np.sqrt(power(k) * (256 / 1000.0) ** 3), 1000.0, 256
    )
    return LinearField(modes, 1000.0).resampled(mesh)


def both(number):
    """The N-body haloes and ours."""
    if not PATH.exists():
        pytest.skip("needs ../shared/data, absent here")
    with np.load(PATH) as data:
        heaviest = np.argsort(-data["mass"], kind="stable")[:number]
        columns = dict(zip("xyz", data["pos"][heaviest].T % 1000.0, strict=True))
        columns |= dict(zip(("vx", "vy", "vz"), data["vel"][heaviest].T, strict=True))
    simulator = HaloSimulator(box=1000.0, mesh=192, number_max=number)
    ours = simulator.haloes_of(same_phases(192), Cosmology(), np.random.default_rng(0))
    return Catalogue(columns=columns, box=SIDE), ours


@pytest.fixture(scope="module")
def heavy():
    return both(5000)


def infall(catalogue, edges):
    positions, velocities = catalogue.positions[None], catalogue.velocities[None]
    measured = pairwise_velocity(positions, velocities, None, edges, catalogue.box)
    return measured.velocity[0], measured.dispersion[0]


def spectra(catalogue):
    """P in real space, then P_0 and P_2 in redshift space, mean of three lines of sight."""
    edges = np.array([0.01, 0.03, 0.05, 0.075, 0.1])
    x, v = (a.astype(np.float32) for a in (catalogue.positions, catalogue.velocities))
    real = power_spectrum(x[None], None, SIDE, 128, edges, (0,)).power[0, 0]
    seen = [
        power_spectrum(
            redshift_space_positions(x, v, SIDE, 0.3175, 0.0, axis)[None],
            None, SIDE, 128, edges, (0, 2), axis,
        ).power[0]
        for axis in range(3)
    ]  # fmt: skip
    return np.asarray(real), *np.mean(seen, axis=0)


def test_haloes_are_where_they_should_be(heavy):
    nbody, ours = heavy
    distance, nearest = cKDTree(nbody.positions, boxsize=1000.0).query(ours.positions)
    assert np.mean(distance < 4.0) > 0.65
    assert np.mean(distance[:1000] < 4.0) > 0.85
    matched = distance < 4.0
    velocities = nbody.velocities[nearest[matched]], ours.velocities[matched]
    assert np.corrcoef(velocities[0].ravel(), velocities[1].ravel())[0, 1] > 0.9


def test_correlation_function(heavy):
    edges = np.array([7.0, 10.0, 14.0, 20.0, 28.0, 45.0])
    nbody, ours = (correlation(c.positions, 1000.0, edges) for c in heavy)
    np.testing.assert_allclose(ours, nbody, rtol=0.1)


def test_velocity_dispersion(heavy):
    nbody, ours = heavy
    assert ours.velocities.std() == pytest.approx(nbody.velocities.std(), rel=0.03)


def test_pairwise_infall(heavy):
    nbody, ours = (infall(c, np.array([8.0, 15.0]))[0] for c in heavy)
    assert nbody[0] == pytest.approx(-576.0, abs=5.0)
    assert ours[0] == pytest.approx(nbody[0], rel=0.12)
    nbody, ours = (infall(c, CLOSE) for c in heavy)
    np.testing.assert_allclose(ours[0], nbody[0], rtol=0.20)
    np.testing.assert_allclose(ours[1], nbody[1], rtol=0.15)


def test_power_spectra_in_real_and_redshift_space(heavy):
    nbody, ours = (spectra(c) for c in heavy)
    np.testing.assert_allclose(ours[0], nbody[0], rtol=0.07)
    np.testing.assert_allclose(ours[1] / ours[0], nbody[1] / nbody[0], rtol=0.03)
    np.testing.assert_allclose(ours[2] / ours[0], nbody[2] / nbody[0], atol=0.03)


def test_other_phases_agree_within_the_scatter_of_boxes(heavy):
    nbody, _ = heavy
    other = HaloSimulator(box=1000.0, mesh=192, number_max=5000).simulate(Cosmology(), 0)
    edges = np.array([7.0, 10.0, 14.0, 20.0, 28.0, 45.0])
    xi = correlation(other.positions, 1000.0, edges)
    np.testing.assert_allclose(xi, correlation(nbody.positions, 1000.0, edges), rtol=0.2)
    near = np.array([8.0, 15.0])
    assert infall(other, near)[0][0] == pytest.approx(infall(nbody, near)[0][0], rel=0.15)
    assert other.velocities.std() == pytest.approx(nbody.velocities.std(), rel=0.05)


@pytest.mark.slow
def test_lighter_haloes_fall_as_those_of_the_n_body_run():
    """Three times as many, on which nothing was set."""
    nbody, ours = both(15000)
    near = np.array([8.0, 15.0])
    assert infall(ours, near)[0][0] == pytest.approx(infall(nbody, near)[0][0], rel=0.05)
    np.testing.assert_allclose(infall(ours, CLOSE)[0], infall(nbody, CLOSE)[0], rtol=0.12)
    assert ours.velocities.std() == pytest.approx(nbody.velocities.std(), rel=0.03)
