"""Sky coordinates against astropy, and regions against what HEALPix says of itself."""

from pathlib import Path

import healpy
import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.cosmology import FlatLambdaCDM, Flatw0waCDM, FlatwCDM, LambdaCDM, Planck18, w0waCDM

from galgen.cosmology.coordinates import cartesian_positions, sky_positions
from galgen.cosmology.distances import comoving_distance, redshift_at, shell_volumes
from galgen.errors import InputError
from galgen.statistics.sky.regions import sky_regions

SHARED = Path(__file__).parents[3] / "shared"
COSMOLOGY = FlatLambdaCDM(67.4, 0.315, Tcmb0=0)


def random_sky(number, seed=0):
    """Even on the sphere: right ascension, declination, redshift."""
    rng = np.random.default_rng(seed)
    declination = np.degrees(np.arcsin(rng.uniform(-1, 1, number)))
    return rng.uniform(0, 360, number), declination, rng.uniform(0, 1.2, number)


GENERAL = [
    COSMOLOGY,
    Planck18,
    FlatwCDM(50, 0.25, -0.8),
    Flatw0waCDM(67, 0.3, w0=-0.7, wa=-0.5, Tcmb0=0),
    LambdaCDM(70, 0.3, 0.6),
    LambdaCDM(70, 0.3, 0.8, Tcmb0=0),
    FlatLambdaCDM(67.11, 0.3, Tcmb0=2.7255, m_nu=0.1 * units.eV),
    w0waCDM(67, 0.3, 0.72, w0=-0.9, wa=0.2, Tcmb0=2.7255, m_nu=0.3 * units.eV),
]


@pytest.mark.parametrize("cosmology", GENERAL)
def test_distances_equal_those_of_astropy_times_h(cosmology):
    redshift = np.concatenate([[0.0, 5.0, 1099.0], random_sky(300)[2]])
    truth = cosmology.comoving_distance(redshift).to_value("Mpc") * cosmology.h
    distance = comoving_distance(redshift, cosmology)
    np.testing.assert_allclose(distance, truth, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(redshift_at(distance, cosmology), redshift, rtol=1e-13, atol=1e-15)


def test_a_catalogue_s_parameters_are_a_cosmology():
    sky = random_sky(50)
    for parameters, cosmology in (
        ({"omega_m": 0.315, "h": 0.674, "sigma_8": 0.8}, COSMOLOGY),
        ({"omega_m": 0.3, "w0": -0.7, "wa": -0.5}, GENERAL[3]),
        ({"omega_m": 0.3, "omega_k": -0.1}, GENERAL[5]),
    ):
        truth = cartesian_positions(*sky, cosmology)
        np.testing.assert_allclose(cartesian_positions(*sky, parameters), truth, rtol=1e-12)
        seen = sky_positions(truth, parameters)
        np.testing.assert_allclose(seen.redshift, sky[2], rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("cosmology", GENERAL)
def test_shells_have_the_comoving_volume_of_astropy(cosmology):
    edges = np.array([0.0, 1e-3, 0.1, 0.11, 0.7, 2.0, 6.0])
    truth = np.diff(cosmology.comoving_volume(edges).to_value("Mpc3")) * cosmology.h**3
    found = shell_volumes(edges, cosmology)
    np.testing.assert_allclose(4 * np.pi * found, truth, rtol=1e-8, atol=1e-4)


def test_distance_in_closed_form_whatever_the_hubble_constant():
    """Einstein-de Sitter: d = 2 c / H_0 (1 - 1 / sqrt(1 + z)), c / H_0 = 2997.92458 Mpc/h."""
    redshift = np.linspace(0, 8, 50)
    truth = 2 * 2997.92458 * (1 - 1 / np.sqrt(1 + redshift))
    for hubble in (40.0, 70.0, 100.0):
        cosmology = FlatLambdaCDM(hubble, 1.0, Tcmb0=0)
        np.testing.assert_allclose(comoving_distance(redshift, cosmology), truth, atol=1e-9)


def test_positions_equal_those_of_astropy_and_come_back():
    right_ascension, declination, redshift = random_sky(400, seed=1)
    declination[:2] = 90.0, -90.0
    distance = COSMOLOGY.comoving_distance(redshift) * COSMOLOGY.h
    truth = SkyCoord(right_ascension * units.deg, declination * units.deg, distance=distance)
    positions = cartesian_positions(right_ascension, declination, redshift, COSMOLOGY)
    np.testing.assert_allclose(
        positions.T, truth.cartesian.xyz.to_value("Mpc"), rtol=1e-10, atol=1e-9
    )
    back = sky_positions(positions, COSMOLOGY)
    np.testing.assert_allclose(back.right_ascension[2:], right_ascension[2:], atol=1e-10)
    np.testing.assert_allclose(back.declination, declination, atol=1e-10)
    np.testing.assert_allclose(back.redshift, redshift, rtol=1e-12)


def test_axes_negative_right_ascensions_batches_and_the_origin_by_hand():
    distance = comoving_distance(0.5, COSMOLOGY)
    positions = cartesian_positions([0.0, 90, -90, 12], [0.0, 0, 0, 90], np.full(4, 0.5), COSMOLOGY)
    truth = distance * np.array([[1.0, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1]])
    np.testing.assert_allclose(positions, truth, atol=1e-9)
    back = sky_positions(positions[:3].reshape(1, 3, 3), COSMOLOGY)
    np.testing.assert_allclose(back.right_ascension, [[0.0, 90, 270]], atol=1e-12)
    origin = sky_positions(np.zeros(3), COSMOLOGY)
    assert (origin.right_ascension, origin.declination, origin.redshift) == (0, 0, 0)
    tiny = sky_positions(np.array([1.0, -1e-300, 0.0]), COSMOLOGY)
    assert tiny.right_ascension == 0.0
    assert sky_positions(np.zeros((0, 3)), COSMOLOGY).redshift.shape == (0,)
    assert cartesian_positions([], [], [], COSMOLOGY).shape == (0, 3)


def test_an_object_does_not_depend_on_the_others():
    right_ascension, declination, redshift = random_sky(20, seed=2)
    together = cartesian_positions(right_ascension, declination, redshift, COSMOLOGY)
    alone = cartesian_positions(right_ascension[:1], declination[:1], redshift[:1], COSMOLOGY)
    np.testing.assert_array_equal(together[:1], alone)


def test_one_random_per_pixel_gives_the_base_pixels():
    """Nested order runs through the 12 base pixels one after the other."""
    longitude, latitude = healpy.pix2ang(8, np.arange(768), nest=True, lonlat=True)
    regions = sky_regions(longitude, latitude, 12, nside=8)
    np.testing.assert_array_equal(regions.of_pixel, np.arange(768) // 64)
    np.testing.assert_allclose(regions.share, 1 / 12)
    right_ascension, declination, _ = random_sky(5000, seed=3)
    base = healpy.ang2pix(1, right_ascension, declination, nest=True, lonlat=True)
    np.testing.assert_array_equal(regions.label(right_ascension, declination), base)


def test_regions_have_equal_weight_to_one_pixel_and_do_not_depend_on_order():
    right_ascension, declination, _ = random_sky(40_000, seed=4)
    inside = (declination > 10) & (declination < 50) & (right_ascension < 200)
    right_ascension, declination = right_ascension[inside], declination[inside]
    weights = np.random.default_rng(5).uniform(0.5, 1.5, right_ascension.size)
    regions = sky_regions(right_ascension, declination, 30, weights, nside=32)
    label = regions.label(right_ascension, declination)
    weight = np.bincount(label, weights, minlength=30)
    pixel = healpy.ang2pix(32, right_ascension, declination, nest=True, lonlat=True)
    heaviest = np.bincount(pixel, weights).max()
    np.testing.assert_allclose(regions.share, weight / weights.sum(), rtol=1e-12)
    assert np.abs(weight - weights.sum() / 30).max() <= heaviest < weights.sum() / 300
    order = np.random.default_rng(6).permutation(right_ascension.size)
    again = sky_regions(right_ascension[order], declination[order], 30, weights[order], nside=32)
    np.testing.assert_array_equal(again.of_pixel, regions.of_pixel)
    # Compact: the mean direction of a region is close to its members.
    vectors = healpy.ang2vec(right_ascension, declination, lonlat=True)
    means = np.array([vectors[label == region].mean(axis=0) for region in range(30)])
    assert np.median(np.linalg.norm(means, axis=1)) > 0.98


def test_regions_of_a_real_mask():
    path = SHARED / "data" / "masks" / "DR12v5_CMASS_South_mask.fits"
    if not path.exists():
        pytest.skip("needs ../shared/data/masks, absent here")
    mask = healpy.read_map(path)
    right_ascension, declination, _ = random_sky(30_000, seed=7)
    seen = mask[healpy.ang2pix(128, right_ascension, declination, lonlat=True)] > 0.5
    regions = sky_regions(right_ascension[seen], declination[seen], 20)
    assert np.abs(20 * regions.share - 1).max() < 0.1
    edges = healpy.pix2ang(128, np.flatnonzero(mask > 0.5), lonlat=True)
    np.testing.assert_array_equal(np.unique(regions.label(*edges)), np.arange(20))


ONE = ([10.0], [20.0], [0.1])
BAD = [
    (([361.0], [20.0], [0.1]), r"right ascension in \[-180, 360\], got 361 in 1 of 1; give degre"),
    (([10.0], [100.0], [0.1]), r"declination in \[-90, 90\], got 100 in 1 of 1; give degrees, ri"),
    (([np.nan], [20.0], [0.1]), r"right ascension in \[-180, 360\], got nan in 1 of 1; give"),
    (([10.0], [20.0], [-0.1]), r"redshift in \[0, 1100\], got -0.1 in 1 of 1; drop stars"),
    (([10.0], [20.0], [np.inf]), r"redshift in \[0, 1100\], got inf in 1 of 1; drop stars"),
    (([10.0, 11.0], [20.0], [0.1]), r"declinations of one shape, got \(2,\) and \(1,\); take"),
    (([10.0], [20.0], [0.1, 0.2]), r"redshifts of one shape, got \(1,\) and \(2,\); take all"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_bad_coordinates_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        cartesian_positions(*arguments, COSMOLOGY)


def test_bad_cosmologies_positions_and_regions_are_named():
    with pytest.raises(
        InputError, match=r"a cosmology that expands from z = .*; check omega_lambd"
    ):
        comoving_distance(1.5, LambdaCDM(70, 0.1, 2.0))  # it never was smaller than that
    with pytest.raises(InputError, match=r"positions of shape \(..., 3\), got \(2,\); give"):
        sky_positions(np.zeros(2), COSMOLOGY)
    with pytest.raises(InputError, match="finite values in positions, got 3 NaN"):
        sky_positions(np.full(3, np.nan), COSMOLOGY)
    with pytest.raises(InputError, match=r"up to .* Mpc/h, that of z = 1100, got 50000; give dist"):
        redshift_at(50_000.0, COSMOLOGY)
    randoms = random_sky(100)[:2]
    with pytest.raises(InputError, match=r"at least 2 regions, got 1; pass"):
        sky_regions(*randoms, 1)
    with pytest.raises(InputError, match=r"nside as a power of 2 from 1 to 8192, got 12; pass"):
        sky_regions(*randoms, 3, nside=12)
    with pytest.raises(InputError, match=r"every one of 40 regions, got \d+ regions without; rai"):
        sky_regions(*randoms, 40, nside=1)
    with pytest.raises(InputError, match=r"\(randoms,\), got \(100,\) and \(3,\); pass one weight"):
        sky_regions(*randoms, 3, np.ones(3))
    with pytest.raises(InputError, match=r"random weights in \[0, .* got -1 in 100 of 100; drop"):
        sky_regions(*randoms, 3, -np.ones(100))
    with pytest.raises(InputError, match=r"randoms of positive weight, got none; pass the survey"):
        sky_regions([], [], 3)
