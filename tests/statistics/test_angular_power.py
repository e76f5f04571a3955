"""Band powers of skies of known C_l, through masks; Poisson galaxies have none."""

import itertools
from pathlib import Path

import healpy
import numpy as np
import pytest

from galgen.cosmology.coordinates import SKY_AREA
from galgen.errors import InputError
from galgen.statistics.sky.angular_power import (
    SkyField,
    angular_power,
    count_map,
    galaxy_field,
    masked_field,
    survey_area,
)

SHARED = Path(__file__).parents[3] / "shared"
NSIDE = 32
SKIES = 36
ELL = np.arange(3 * NSIDE)
SPECTRUM = 1e-3 / (ELL + 20.0)
EDGES = np.arange(16, 65, 16)


def band(values, edges):
    """Mean over l weighted by 2 l + 1, by a loop."""
    means = []
    for low, high in itertools.pairwise(edges):
        ell = np.arange(low, high)
        means.append(np.sum((2 * ell + 1) * values[low:high]) / np.sum(2 * ell + 1))
    return np.array(means)


def cap(nside=NSIDE):
    """A smooth mask of two fifths of the sky, unevenly complete."""
    x, y, z = healpy.pix2vec(nside, np.arange(12 * nside**2))
    edge = np.clip((z + 0.4 * x + 0.2) / 0.3, 0, 1)
    return edge**2 * (3 - 2 * edge) * (0.8 + 0.2 * y)


def boss(name):
    path = SHARED / "data" / "masks" / f"DR12v5_CMASS_{name}_mask.fits"
    if not path.exists():
        pytest.skip("needs ../shared/data/masks, absent here")
    return healpy.read_map(path)


def gaussian_sky(seed, nside=NSIDE):
    """healpy draws from NumPy's global state."""
    np.random.seed(seed)  # noqa: NPY002
    return healpy.synfast(SPECTRUM, nside, lmax=3 * nside - 1)


def mean_and_error(powers):
    return np.mean(powers, axis=0), np.std(powers, axis=0, ddof=1) / np.sqrt(len(powers))


def test_one_harmonic_by_closed_form():
    """sqrt(5 / 16 pi) (3 z² - 1) is Y_20: C_2 = 1/5, no other power, on the whole sky."""
    _, _, z = healpy.pix2vec(NSIDE, np.arange(12 * NSIDE**2))
    harmonic = np.sqrt(5 / (16 * np.pi)) * (3 * z**2 - 1)
    result = angular_power(masked_field(harmonic, np.ones(z.size)), np.arange(6))
    np.testing.assert_allclose(result.power, [0, 0, 0.2, 0, 0], atol=1e-6)
    np.testing.assert_array_equal(result.modes, [1, 3, 5, 7, 9])
    np.testing.assert_allclose(result.ell, np.arange(5))


@pytest.mark.parametrize("mask", ["cap", "North"])
def test_gaussian_skies_through_a_mask_have_their_spectrum_and_the_error_their_scatter(mask):
    completeness = cap() if mask == "cap" else healpy.ud_grade(boss(mask), NSIDE)
    results = [
        angular_power(masked_field(gaussian_sky(seed), completeness), EDGES)
        for seed in range(SKIES)
    ]
    mean, error = mean_and_error([result.power for result in results])
    truth = band(SPECTRUM, EDGES)
    assert np.all(np.abs(mean - truth) < 4 * error) and np.all(error < 0.05 * truth)
    stated = np.mean([result.error for result in results], axis=0)
    np.testing.assert_allclose(stated, error * np.sqrt(SKIES), rtol=0.45)


@pytest.mark.parametrize("mask", ["cap", "South"])
def test_weighted_poisson_galaxies_have_no_power(mask):
    completeness = cap() if mask == "cap" else healpy.ud_grade(boss(mask), NSIDE)
    rng = np.random.default_rng(0)
    fields = []
    for _ in range(SKIES):
        once, twice = rng.poisson(3.0 * completeness), rng.poisson(1.0 * completeness)
        fields.append(galaxy_field(once + 2 * twice, completeness, once + 4 * twice))
    results = [angular_power(field, EDGES) for field in fields]
    mean, error = mean_and_error([result.power for result in results])
    # Weight 5 per complete pixel, its square 7: noise Omega_p 7 / 25 <w> / <w²>.
    noise = 4 * np.pi / completeness.size * 7 / 25 * completeness.mean()
    noise /= np.mean(completeness**2)
    np.testing.assert_allclose(np.mean([r.noise for r in results], axis=0), noise, rtol=0.01)
    assert np.all(np.abs(mean) < 4 * error) and np.all(error < 0.065 * noise)


def test_randoms_serve_as_completeness():
    """Poisson galaxies over Poisson randoms: the noise of both is taken off."""
    rng, completeness = np.random.default_rng(1), cap()
    powers, noise = [], []
    for _ in range(SKIES):
        randoms, galaxies = rng.poisson(4 * completeness), rng.poisson(2 * completeness)
        field = galaxy_field(galaxies, randoms, from_randoms=True)
        np.testing.assert_allclose(field.second, 16 * np.mean(completeness**2), rtol=0.05)
        result = angular_power(field, EDGES)
        powers.append(result.power)
        noise.append(result.noise)
    mean, error = mean_and_error(powers)
    assert np.all(np.abs(mean) < 4 * error) and np.all(error < 0.065 * np.mean(noise, axis=0))


def test_galaxies_drawn_from_a_gaussian_sky_have_its_spectrum():
    rng, completeness = np.random.default_rng(2), cap()
    powers = []
    for seed in range(SKIES):
        density = np.maximum(1 + gaussian_sky(seed), 0)
        field = galaxy_field(rng.poisson(20 * completeness * density), completeness)
        powers.append(angular_power(field, EDGES).power)
    mean, error = mean_and_error(powers)
    truth = band(SPECTRUM, EDGES)
    assert np.all(np.abs(mean - truth) < 4 * error) and np.all(error < 0.1 * truth)


def test_the_scale_of_the_completeness_and_unseen_values_do_not_matter():
    rng, completeness = np.random.default_rng(3), cap()
    counts = rng.poisson(5 * completeness)
    first = angular_power(galaxy_field(counts, completeness), EDGES)
    second = angular_power(galaxy_field(counts, 7 * completeness), EDGES)
    outside = np.where(completeness > 0, counts, 9)
    third = angular_power(galaxy_field(outside, completeness), EDGES)
    for name in ("power", "noise", "error"):
        np.testing.assert_allclose(getattr(second, name), getattr(first, name), rtol=1e-8)
        np.testing.assert_array_equal(getattr(third, name), getattr(first, name))
    sky = gaussian_sky(4)
    dirty = np.where(completeness > 0, sky, np.nan)
    np.testing.assert_array_equal(
        angular_power(masked_field(dirty, completeness), EDGES).power,
        angular_power(masked_field(sky, completeness), EDGES).power,
    )


def test_the_pixel_window_divides_power_and_noise():
    field = galaxy_field(np.random.default_rng(5).poisson(5 * cap()), cap())
    window, edges = np.exp(-ELL / 50.0), np.arange(10, 20)
    plain, divided = angular_power(field, edges), angular_power(field, edges, window)
    for name in ("power", "noise", "error"):
        expected = getattr(plain, name) / window[10:19] ** 2
        np.testing.assert_allclose(getattr(divided, name), expected, rtol=1e-10)


def test_maps_and_areas():
    longitude, latitude = healpy.pix2ang(4, np.arange(192), lonlat=True)
    repeat = np.arange(192) % 3
    counts = count_map(np.repeat(longitude, repeat), np.repeat(latitude, repeat), 4)
    np.testing.assert_array_equal(counts, repeat)
    weighted = count_map(longitude, latitude, 4, np.arange(192) / 7)
    np.testing.assert_allclose(weighted, np.arange(192) / 7)
    for weights in (None, []):
        np.testing.assert_array_equal(count_map([], [], 4, weights), np.zeros(192))
    np.testing.assert_allclose(survey_area(np.full(192, 0.25)), SKY_AREA / 4)
    np.testing.assert_allclose(SKY_AREA, 41252.96125, rtol=1e-9)


@pytest.mark.parametrize(("name", "area"), [("North", 7562), ("South", 2881)])
def test_areas_of_the_real_masks(name, area):
    assert abs(survey_area(boss(name)) - area) < 1


MAP = np.ones(12)


def test_bad_input_is_named():
    field = masked_field(MAP, MAP)
    with pytest.raises(InputError, match=r"edges as whole l up to 3 nside = 3, got 0 to 4; round"):
        angular_power(field, [0, 4])
    with pytest.raises(InputError, match=r"edges as whole l up to 3 nside = 3, got 0.5 to 2; rou"):
        angular_power(field, [0.5, 2])
    with pytest.raises(InputError, match=r"pixel window for l = 0 to 2, got shape \(2,\); pass"):
        angular_power(field, [0, 3], np.ones(2))
    with pytest.raises(InputError, match=r"completeness as a HEALPix map .*, got shape \(13,\);"):
        masked_field(MAP, np.ones(13))
    with pytest.raises(InputError, match=r"completeness in \[0, .* got -1.6375e\+30 in 1 of 12; s"):
        masked_field(MAP, np.where(np.arange(12) == 3, healpy.UNSEEN, 1.0))
    with pytest.raises(InputError, match=r"a finite overdensity on 12 pixels, got shape \(12,\);"):
        masked_field(np.full(12, np.nan), MAP)
    with pytest.raises(InputError, match=r"one nside, got 12, 48 and 12 pixels; use healpy.ud_gr"):
        galaxy_field(MAP, np.ones(48))
    with pytest.raises(InputError, match=r"galaxies in the survey, got a weight of 0 in a comple"):
        galaxy_field(0 * MAP, MAP)
    with pytest.raises(InputError, match=r"several randoms per pixel, got 12 on 12 pixels; pass"):
        galaxy_field(MAP, MAP, from_randoms=True)
    with pytest.raises(InputError, match=r"completeness in \[0, 1\], got 2 in 12 of 12; set"):
        survey_area(2 * MAP)
    with pytest.raises(InputError, match=r"nside as a whole number from 1, got 0; pass e.g. 64"):
        count_map([1.0], [2.0], 0)
    with pytest.raises(InputError, match=r"finite weights of shape \(1,\), got \(2,\); pass one"):
        count_map([1.0], [2.0], 4, [1.0, 2.0])
    with pytest.raises(InputError, match=r"declination in \[-90, 90\], got 91 in 1 of 1; give"):
        count_map([1.0], [91.0], 4)
    assert isinstance(field, SkyField)
