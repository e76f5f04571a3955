"""n(z) of shells by closed form, Poisson errors, and the jackknife over the sky."""

from pathlib import Path

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM

from galgen.cosmology.coordinates import SKY_AREA, sky_positions
from galgen.errors import InputError
from galgen.statistics.sky.redshift_distribution import (
    jackknife_redshift_distribution,
    redshift_distribution,
)
from galgen.statistics.sky.regions import sky_regions

SHARED = Path(__file__).parents[3] / "shared"
COSMOLOGY = FlatLambdaCDM(70, 0.3, Tcmb0=0)
EDGES = np.array([0.05, 0.1, 0.2, 0.25])


def uniform_ball(number, radius, seed):
    """Right ascension, declination and redshift of even points in comoving space."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(-radius, radius, (2 * number + 1000, 3))
    points = points[(points**2).sum(-1) < radius**2][:number]
    return sky_positions(points, COSMOLOGY)


def test_volumes_and_densities_by_hand():
    """The whole sky to z holds 4 pi / 3 d³; astropy says so in Mpc³. A square degree is 1/41253."""
    redshift = np.array([0.05, 0.07, 0.1, 0.19, 0.3, 0.01])
    weights = np.array([1.0, 2.0, 0.5, 1.5, 9.0, 9.0])
    result = redshift_distribution(redshift, EDGES, COSMOLOGY, 100.0, weights)
    inside = COSMOLOGY.comoving_volume(EDGES).to_value("Mpc3") * COSMOLOGY.h**3
    volume = np.diff(inside) * 100 / 41252.96125
    np.testing.assert_allclose(result.volume, volume, rtol=1e-9)
    np.testing.assert_array_equal(result.counts, [2, 2, 0])
    np.testing.assert_allclose(result.weight, [3.0, 2.0, 0.0])
    np.testing.assert_allclose(result.density, np.array([3.0, 2.0, 0.0]) / volume, rtol=1e-9)
    np.testing.assert_allclose(result.error, np.sqrt([5.0, 2.5, 0.0]) / volume, rtol=1e-9)
    np.testing.assert_allclose(result.redshift, [0.075, 0.15, 0.225])


def test_the_hubble_constant_does_not_matter():
    redshift = np.random.default_rng(0).uniform(0, 0.3, 50)
    first, second = (
        redshift_distribution(redshift, EDGES, FlatLambdaCDM(h, 0.3, Tcmb0=0), 1000.0).density
        for h in (50.0, 100.0)
    )
    np.testing.assert_allclose(first, second, rtol=1e-12)


def test_a_uniform_ball_has_a_constant_density():
    number, radius = 40_000, 700.0
    sky = uniform_ball(number, radius, seed=1)
    truth = number / (4 / 3 * np.pi * radius**3)
    result = redshift_distribution(sky.redshift, EDGES[:3], COSMOLOGY, SKY_AREA)
    assert np.all(np.abs(result.density - truth) < 4 * result.error)
    assert np.all(result.error < 0.05 * truth)
    cap = sky.declination > 30  # a quarter of the sphere
    quarter = redshift_distribution(sky.redshift[cap], EDGES[:3], COSMOLOGY, SKY_AREA / 4)
    assert np.all(np.abs(quarter.density - truth) < 4 * quarter.error)


def test_the_randoms_of_a_real_survey_have_a_constant_density():
    """Corrfunc's randoms of the SDSS North are even in comoving space (Omega_m = 0.25)."""
    path = SHARED / "data" / "corrfunc" / "Mr19_randoms_northonly.rdcz.ff"
    if not path.exists():
        pytest.skip("needs ../shared/data, absent here")
    number = 909_344
    # Fortran records, each between two int32 of its length: 20, 36 and 4 bytes, then the columns.
    start = (20 + 8) + (36 + 8) + (4 + 8) + 2 * (8 * number + 8) + 4
    redshift = np.fromfile(path, "<f8", number, offset=start) / 299_792.458
    edges = np.linspace(0.021, 0.066, 7)
    even, skewed = (
        redshift_distribution(redshift, edges, FlatLambdaCDM(100, matter, Tcmb0=0), 7000.0)
        for matter in (0.25, 1.0)
    )
    assert np.all(even.counts > 40_000)
    sigma = [
        np.abs(result.density - result.weight.sum() / result.volume.sum()) / result.error
        for result in (even, skewed)
    ]
    assert sigma[0].max() < 4 < sigma[1].max()


def test_poisson_errors_are_the_scatter_of_weighted_shells():
    rng = np.random.default_rng(2)
    results = []
    for _ in range(400):
        redshift = rng.uniform(0.05, 0.25, rng.poisson(300))
        weights = rng.uniform(0.5, 2.0, redshift.size)
        results.append(redshift_distribution(redshift, EDGES, COSMOLOGY, 500.0, weights))
    scatter = np.std([result.density for result in results], axis=0)
    error = np.sqrt(np.mean([result.error**2 for result in results], axis=0))
    np.testing.assert_allclose(error, scatter, rtol=0.12)


def test_the_jackknife_is_the_density_with_the_poisson_error_of_even_points():
    sky = uniform_ball(20_000, 700.0, seed=3)
    randoms = np.random.default_rng(4)
    declination = np.degrees(np.arcsin(randoms.uniform(-1, 1, 200_000)))
    regions = sky_regions(randoms.uniform(0, 360, 200_000), declination, 60, nside=32)
    label = regions.label(sky.right_ascension, sky.declination)
    weights = np.full(sky.redshift.size, 2.0)
    arguments = (EDGES[:3], COSMOLOGY, SKY_AREA, weights)
    jackknife = jackknife_redshift_distribution(sky.redshift, label, regions.share, *arguments)
    poisson = redshift_distribution(sky.redshift, *arguments)
    np.testing.assert_allclose(jackknife.mean, poisson.density, rtol=1e-12)
    # 60 regions know a variance to sqrt(2 / 59), an error to 9%.
    np.testing.assert_allclose(jackknife.error, poisson.error, rtol=0.35)
    order = np.random.default_rng(5).permutation(label.size)
    again = jackknife_redshift_distribution(
        sky.redshift[order], label[order], regions.share, *arguments
    )
    np.testing.assert_allclose(again.error, jackknife.error, rtol=1e-9)


def test_the_jackknife_equals_leaving_out_each_region():
    rng = np.random.default_rng(6)
    redshift, label = rng.uniform(0.05, 0.25, 500), rng.integers(0, 4, 500)
    share = np.array([0.1, 0.2, 0.3, 0.4])
    result = jackknife_redshift_distribution(redshift, label, share, EDGES, COSMOLOGY, 1000.0)
    without = np.array(
        [
            redshift_distribution(
                redshift[label != region], EDGES, COSMOLOGY, 1000.0 * (1 - share[region])
            ).density
            for region in range(4)
        ]
    )
    difference = without - without.mean(axis=0)
    np.testing.assert_allclose(result.covariance, 0.75 * difference.T @ difference, rtol=1e-9)


def test_no_objects_and_one():
    none = redshift_distribution([], EDGES, COSMOLOGY, 10.0)
    np.testing.assert_array_equal(none.density, np.zeros(3))
    one = redshift_distribution([0.15], EDGES, COSMOLOGY, 10.0)
    np.testing.assert_array_equal(one.counts, [0, 1, 0])
    np.testing.assert_array_equal(one.error, one.density)


Z = [0.1, 0.2]
HALF = [0.5, 0.5]


def test_bad_input_is_named():
    with pytest.raises(InputError, match=r"redshift edges not below 0, got -0.1; start them at 0"):
        redshift_distribution(Z, [-0.1, 0.2], COSMOLOGY, 10.0)
    with pytest.raises(InputError, match=r"area in \(0, 41253\] square degrees, got 50000; conv"):
        redshift_distribution(Z, EDGES, COSMOLOGY, 50_000.0)
    with pytest.raises(InputError, match=r"area in \(0, 41253\] square degrees, got nan; convert"):
        redshift_distribution(Z, EDGES, COSMOLOGY, np.nan)
    with pytest.raises(InputError, match=r"redshift in \[0, 1100\], got nan in 1 of 2; drop"):
        redshift_distribution([0.1, np.nan], EDGES, COSMOLOGY, 10.0)
    with pytest.raises(InputError, match=r"weights in \[0, .*\], got -1 in 1 of 2; drop"):
        redshift_distribution(Z, EDGES, COSMOLOGY, 10.0, [1.0, -1.0])
    with pytest.raises(InputError, match=r"\(objects,\), got \(2,\) and \(1,\); take both"):
        redshift_distribution(Z, EDGES, COSMOLOGY, 10.0, [1.0])
    with pytest.raises(InputError, match=r"from 0 to 1 for each of 2 objects, got shape \(2,\)"):
        jackknife_redshift_distribution(Z, [0, 2], HALF, EDGES, COSMOLOGY, 10.0)
    with pytest.raises(InputError, match=r"shares of the area that sum to 1, got 2 with the sum 2"):
        jackknife_redshift_distribution(Z, [0, 1], [1.0, 1.0], EDGES, COSMOLOGY, 10.0)
    with pytest.raises(InputError, match=r"at least 2 catalogues for a jackknife error, got 1"):
        jackknife_redshift_distribution(Z, [0, 0], [1.0], EDGES, COSMOLOGY, 10.0)
