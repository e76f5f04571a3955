"""Weights and randoms by the names of SDSS, BOSS, eBOSS and DESI."""

import healpy
import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM
from astropy.io import fits
from astropy.table import Table
from raw_layouts import SHARED

from data_prep.command import main
from data_prep.surveys.columns import read_sky
from data_prep.surveys.cubes import cut_survey, read_survey
from galgen.data.suite import Suite
from galgen.errors import InputError


def sky(number=40000, seed=0):
    """Points uniform in comoving volume over a cap, to redshift 0.12."""
    rng = np.random.default_rng(seed)
    grid = np.linspace(1e-4, 0.12, 400)
    distances = FlatLambdaCDM(H0=100, Om0=0.3).comoving_distance(grid).value
    return {
        "RA": rng.uniform(120, 250, number),
        "DEC": np.degrees(np.arcsin(rng.uniform(0.0, 0.9, number))),
        "Z": np.interp(distances[-1] * np.cbrt(rng.random(number)), distances, grid),
    }


def write(path, columns):
    Table(columns).write(path, overwrite=True)
    return path


WEIGHTS = {
    "WEIGHT_SYSTOT": np.array([1.0, 1.1, 0.9]),
    "WEIGHT_CP": np.array([1.0, 2.0, 3.0]),
    "WEIGHT_NOZ": np.array([1.0, 1.5, 2.0]),
}


def test_weights_of_each_survey(tmp_path):
    path, three = tmp_path / "galaxies.fits", sky(3)
    assert dict(read_sky(write(path, three)).columns) == {}
    write(path, three | WEIGHTS | {"WEIGHT_FKP": [0.2, 0.3, 0.4], "NZ": [1e-4, 2e-4, 3e-4]})
    boss = read_sky(path).columns
    np.testing.assert_allclose(boss["weight"], [1.0, 1.1 * 2.5, 0.9 * 4])
    np.testing.assert_allclose(read_sky(path, "boss").columns["weight"], boss["weight"])
    np.testing.assert_allclose(read_sky(path, "eboss").columns["weight"], [1.0, 1.1 * 3, 0.9 * 6])
    np.testing.assert_array_equal(boss["weight_fkp"], [0.2, 0.3, 0.4])
    np.testing.assert_array_equal(boss["number_density"], [1e-4, 2e-4, 3e-4])
    assert dict(read_sky(path, "none").columns) == {}
    desi = {"WEIGHT": [1.0, 1.2, 1.4], "WEIGHT_FKP": [0.2, 0.3, 0.4], "NX": [3.0, 2.0, 1.0]}
    found = read_sky(write(path, three | desi)).columns
    np.testing.assert_array_equal(found["weight"], desi["WEIGHT"])
    np.testing.assert_array_equal(found["number_density"], desi["NX"])
    with pytest.raises(InputError, match=r"WEIGHT_NOZ, got no WEIGHT_SYSTOT among .*--weights"):
        read_sky(path, "boss")
    write(path, three | {"WEIGHT": [1.0, -1.0, 0.5]})
    with pytest.raises(InputError, match=r"galaxies.fits: expected weight of 0 or more, got -1"):
        read_sky(path)


def test_weights_stay_with_their_galaxies(tmp_path):
    columns = sky()
    # A weight that tells the galaxy's redshift says whether it is still the same galaxy.
    path = write(tmp_path / "a.fits", columns | {"WEIGHT": columns["Z"], "NX": columns["DEC"] + 90})
    output = tmp_path / "suite.h5"
    arguments = f"survey {path} -o {output} --cut 60 --z-min 0.03 --z-max 0.1 --nside 16".split()
    assert main(arguments) == 0
    distance = FlatLambdaCDM(H0=100, Om0=0.3).comoving_distance
    with Suite(output) as suite:
        assert suite.units["number_density"] == "h^3/Mpc^3" and suite.units["weight"] == ""
        for cube in suite:
            corner = np.array(cube.provenance["corner [Mpc/h]"].split(), float)
            seen = np.linalg.norm(cube.positions + corner, axis=1)
            np.testing.assert_allclose(distance(cube.columns["weight"]).value, seen, rtol=1e-4)
            assert cube.provenance["source"] == "a.fits"


def test_randoms_say_where_the_survey_looked(tmp_path):
    """Sparse galaxies leave pixels empty by chance; their randoms do not."""
    galaxies = write(tmp_path / "galaxies.fits", sky(3000))
    randoms = write(tmp_path / "randoms.fits", sky(200_000, seed=1))
    alone = read_survey(galaxies, 0.03, 0.1, nside=32)
    both = read_survey(galaxies, 0.03, 0.1, nside=32, randoms=(randoms,))
    truth = 130 / 360 * 0.9 / 2
    assert np.mean(alone.footprint.occupied) < 0.7 * truth
    assert np.mean(both.footprint.occupied) == pytest.approx(truth, rel=0.06)
    with pytest.raises(InputError, match="got none; pass a smaller --cut"):
        cut_survey(alone, 60.0)
    cubes = cut_survey(both, 60.0)
    assert len(cubes) > 5
    np.testing.assert_allclose(
        np.mean([len(cube) for cube in cubes]), both.densities()[1].mean() * 60.0**3, rtol=0.25
    )


def test_cubes_without_galaxies_are_kept(tmp_path):
    galaxies = write(tmp_path / "galaxies.fits", sky(300))
    randoms = write(tmp_path / "randoms.fits", sky(100_000, seed=1))
    survey = read_survey(galaxies, 0.03, 0.1, nside=16, randoms=(randoms,))
    cubes = cut_survey(survey, 30.0)
    empty = [cube for cube in cubes if not len(cube)]
    assert empty and all(0.02 < cube.redshift < 0.11 for cube in empty)


def test_files_that_are_cut_short(tmp_path):
    path = write(tmp_path / "galaxies.fits", sky(3000))
    whole = path.read_bytes()
    for size in (100, 5760, len(whole) // 2):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match=r"galaxies\.fits: expected a whole FITS file"):
            read_sky(path)


def test_randoms_of_the_true_survey():
    folder = SHARED / "sdss_dr7"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data, absent here")
    found = read_sky(folder / "vollim_dr7_cbp_102709.fits")
    assert len(found.redshift) == 120_606 and set(found.columns["weight"]) == {1.0}
    longitude, latitude = healpy.vec2ang(found.directions, lonlat=True)
    assert longitude.min() > 109 and longitude.max() < 262 and latitude.max() < 70


def test_units_that_astropy_does_not_know_are_no_obstacle(tmp_path):
    """Those of galgen's own mocks: h^3/Mpc^3 and Msun/h are none to astropy."""
    columns = {"RA": [150.0], "DEC": [2.0], "Z": [0.1], "NZ": [3e-4], "HALO_MASS": [1e13]}
    units = {"NZ": "h^3/Mpc^3", "HALO_MASS": "Msun/h"}
    table = fits.BinTableHDU.from_columns(
        [fits.Column(n, "D", units.get(n), array=np.array(v)) for n, v in columns.items()]
    )
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(tmp_path / "mock.fits")
    sky = read_sky(tmp_path / "mock.fits")
    assert sky.columns["number_density"] == 3e-4 and len(sky.redshift) == 1
