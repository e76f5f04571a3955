"""The linear velocity dispersion behind the check of units: closed forms, and N-body haloes."""

import numpy as np
import pytest
from raw_layouts import SHARED

from data_prep.checks import check_units, linear_dispersion
from galgen.data.catalogue import Catalogue
from galgen.errors import InputError

NBODY = SHARED / "halos" / "nbody_fof_fiducial.npz"
FIDUCIAL = {"omega_m": 0.3175, "omega_b": 0.049, "h": 0.6711, "n_s": 0.9624, "sigma_8": 0.834}


def make(speed, redshift=0.0, side=500.0, number=3000, mass=1e13, **cosmology):
    rng = np.random.default_rng(0)
    columns = {name: rng.uniform(0, side, number) for name in "xyz"}
    columns |= {name: rng.normal(0, speed, number) for name in ("vx", "vy", "vz")}
    columns["mass"] = np.full(number, mass)
    return Catalogue(columns, (side,) * 3, redshift=redshift, cosmology=cosmology)


def test_growth_in_an_einstein_de_sitter_universe():
    """Velocities grow as a^(1/2), and the dispersion as sigma_8."""
    flat = {**FIDUCIAL, "omega_m": 1.0}
    today = linear_dispersion(flat, 0.0, 1000.0)
    for redshift in (0.5, 3.0, 9.0):
        found = linear_dispersion(flat, redshift, 1000.0)
        assert found == pytest.approx(today / np.sqrt(1 + redshift), rel=1e-9)
    doubled = linear_dispersion({**FIDUCIAL, "sigma_8": 1.668}, 0.0, 1000.0)
    assert doubled == pytest.approx(2 * linear_dispersion(FIDUCIAL, 0.0, 1000.0))


def test_smaller_boxes_hold_fewer_modes():
    sides = [25, 50, 100, 250, 1000, 4000]
    dispersions = [linear_dispersion(FIDUCIAL, 0.0, side) for side in sides]
    assert dispersions == sorted(dispersions)
    assert dispersions[0] < 0.45 * dispersions[-1]


def test_the_spectrum_against_camb():
    camb = pytest.importorskip("camb", reason="needs camb")
    matter, h = FIDUCIAL["omega_m"], FIDUCIAL["h"]
    baryons = FIDUCIAL["omega_b"] * h**2
    parameters = camb.set_params(
        H0=100 * h, ombh2=baryons, omch2=matter * h**2 - baryons, mnu=0, ns=FIDUCIAL["n_s"]
    )
    parameters.set_matter_power(redshifts=[0.0], kmax=20)
    results = camb.get_results(parameters)
    k, _, power = results.get_matter_power_spectrum(minkh=2e-4, maxkh=15, npoints=800)
    scale = (FIDUCIAL["sigma_8"] / results.get_sigma8_0()) ** 2
    kept = k >= 2 * np.pi / 1000
    spread = np.trapezoid(scale * power[0] * kept * k, np.log(k)) / (6 * np.pi**2)
    wanted = 100 * matter**0.55 * np.sqrt(spread)
    assert linear_dispersion(FIDUCIAL, 0.0, 1000.0) == pytest.approx(wanted, rel=0.02)


@pytest.mark.skipif(not NBODY.is_file(), reason="needs ../shared/data, absent here")
def test_nbody_haloes_move_as_linear_theory_says():
    with np.load(NBODY) as file:
        measured = np.sqrt(np.mean(file["vel"].astype(float) ** 2))
        columns = dict(zip(("x", "y", "z"), file["pos"].T % 1000.0, strict=True))
        columns |= dict(zip(("vx", "vy", "vz"), file["vel"].T, strict=True))
    assert measured == pytest.approx(linear_dispersion(FIDUCIAL, 0.0, 1000.0), rel=0.05)
    catalogue = Catalogue(columns, (1000.0,) * 3, cosmology=FIDUCIAL)
    check_units(catalogue)
    for redshift, factor in ((1.0, 2.0), (1.0, 0.5), (2.0, 3.0), (3.0, 2.0), (3.0, 0.5)):
        expected = linear_dispersion(FIDUCIAL, redshift, 1000.0)
        moved = {n: columns[n] * factor * expected / measured for n in ("vx", "vy", "vz")}
        with pytest.raises(InputError, match="check the velocity convention"):
            check_units(catalogue.replace(columns=columns | moved, redshift=redshift))


@pytest.mark.parametrize(
    ("factor", "redshift", "words"),
    [
        (2.0, 1.0, "divided by a"),
        (0.5, 1.0, "multiplied by a"),
        (2.0, 3.0, r"divided by sqrt\(a\)"),
        (4.0, 3.0, "divided by a"),
        (0.25, 3.0, "multiplied by a"),
        (1e3, 0.0, "in m/s"),
        (1 / 299792.458, 0.0, "in units of the speed of light"),
    ],
)
def test_the_error_names_the_convention(factor, redshift, words):
    speed = linear_dispersion({}, redshift, 500.0)
    check_units(make(speed, redshift))
    with pytest.raises(
        InputError, match=f"'vx', 'vy', 'vz' .* velocities {words}\\); .*--no-check"
    ):
        check_units(make(speed * factor, redshift))


def test_few_points_and_small_boxes_are_given_the_benefit_of_the_doubt():
    check_units(make(3e4, number=99))
    with pytest.raises(InputError, match="'vx' in km/s, slower than light, got"):
        check_units(make(9e5, number=99))
    check_units(make(250.0, side=25.0))
    with pytest.raises(InputError, match="velocity convention"):
        check_units(make(250_000.0, side=25.0))


@pytest.mark.parametrize("mass", [1e3, 14.0, 1e22])
def test_masses(mass):
    with pytest.raises(InputError, match=r"'mass' in Msun/h, .* got .*; check its unit"):
        check_units(make(300.0, mass=mass))
    check_units(make(300.0, mass=mass, number=0))
