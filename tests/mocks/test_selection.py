"""Masks, n(z) and fibre collisions, each against counts, closed forms and brute force."""

from pathlib import Path

import healpy
import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM
from astropy.io import fits
from scipy.integrate import quad
from scipy.stats import chisquare, kstest

from galgen.errors import InputError
from galgen.mocks import (
    FibreCollisions,
    RadialSelection,
    SkyMask,
    read_mask,
    read_radial_selection,
)

SHARED = Path(__file__).parents[3] / "shared"
COSMOLOGY = FlatLambdaCDM(70, 0.3, Tcmb0=0)


def cap(nside=16, completeness=1.0):
    """Ring order: complete to a part within 40 degrees of (30, 20)."""
    vectors = np.array(healpy.pix2vec(nside, np.arange(12 * nside**2)))
    near = healpy.ang2vec(30.0, 20.0, lonlat=True) @ vectors > np.cos(np.radians(40))
    return near * completeness


@pytest.mark.parametrize("nested", [False, True])
def test_masks_are_read_in_either_order(tmp_path, nested):
    ring = cap() * np.linspace(0, 1, 3072)
    stored = healpy.reorder(ring, r2n=True) if nested else ring
    path = tmp_path / "mask.fits"
    healpy.write_map(path, stored, nest=nested, dtype=np.float64)
    mask = read_mask(path)
    longitude, latitude = healpy.pix2ang(16, np.arange(3072), lonlat=True)
    np.testing.assert_array_equal(mask.at(longitude, latitude), ring)
    np.testing.assert_array_equal(SkyMask.from_ring(ring).completeness, mask.completeness)
    assert mask.area == pytest.approx(ring.sum() * healpy.nside2pixarea(16, degrees=True))
    with fits.open(path, mode="update") as file:
        del file[1].header["ORDERING"]
    with pytest.raises(InputError, match=r"ORDERING in the header .* say nested=True or False"):
        read_mask(path)
    np.testing.assert_array_equal(read_mask(path, nested).completeness, mask.completeness)


def test_the_masks_of_boss():
    folder = SHARED / "data" / "masks"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data/masks, absent here")
    north = read_mask(folder / "DR12v5_CMASS_North_mask.fits")
    south = read_mask(folder / "DR12v5_CMASS_South_mask.fits")
    assert north.area == pytest.approx(7562, abs=1) and south.area == pytest.approx(2881, abs=1)
    assert north.at([185.0, 0.0], [30.0, 10.0]).tolist() == [1.0, 0.0]
    assert south.at([185.0, 0.0], [30.0, 10.0]).tolist() == [0.0, 1.0]
    assert north.times(south).area == 0


def test_unseen_pixels_galactic_maps_and_wrong_values(tmp_path):
    path = tmp_path / "mask.fits"
    values = cap(8)
    values[:3] = healpy.UNSEEN
    values[5] = np.nan
    healpy.write_map(path, values, dtype=np.float64)
    assert read_mask(path).area == SkyMask.from_ring(np.nan_to_num(cap(8))).area
    galactic = tmp_path / "galactic.fits"
    healpy.write_map(galactic, cap(8), coord="G", dtype=np.float64)
    with pytest.raises(InputError, match=r"celestial coordinates .* got G; rotate the map"):
        read_mask(galactic)
    percent = tmp_path / "percent.fits"
    healpy.write_map(percent, 100 * cap(8), dtype=np.float64)
    with pytest.raises(InputError, match=r"percent.fits: expected completeness in \[0, 1\], got 1"):
        read_mask(percent)
    with pytest.raises(InputError, match=r"a HEALPix map of 12 nside² pixels, got shape \(100,\)"):
        SkyMask(np.ones(100))
    with pytest.raises(InputError, match="nside as a power of 2 from 1 to 8192, got 3"):
        SkyMask.from_ring(np.ones(108))
    with pytest.raises(InputError, match=r"a mask at .*none.fits, got no such file"):
        read_mask(tmp_path / "none.fits")
    (tmp_path / "text.fits").write_text("no map")
    with pytest.raises(InputError, match=r"text\.fits: expected a mask, got"):
        read_mask(tmp_path / "text.fits")


def test_points_drawn_from_a_mask_follow_it():
    ring = cap(4) * np.linspace(0.2, 1, 192)
    mask = SkyMask.from_ring(ring)
    angles = mask.draw(40_000, np.random.default_rng(1))
    counts = np.bincount(healpy.ang2pix(4, *angles, lonlat=True), minlength=192)
    seen = ring > 0
    assert counts[~seen].sum() == 0
    assert chisquare(counts[seen], 40_000 * ring[seen] / ring.sum()).pvalue > 0.01
    # Within a pixel too: all of the sky is even in sin(Dec) and RA.
    longitude, latitude = SkyMask.full_sky().draw(20_000, np.random.default_rng(2))
    assert kstest(np.sin(np.radians(latitude)), "uniform", (-1, 2)).pvalue > 0.01
    assert kstest(longitude, "uniform", (0, 360)).pvalue > 0.01
    with pytest.raises(InputError, match="a mask that sees some sky, got zeros only"):
        SkyMask(np.zeros(12)).draw(1, np.random.default_rng(0))


def test_two_maps_multiply_at_the_finer_resolution():
    coarse, fine = SkyMask.from_ring(cap(4, 0.5)), SkyMask.from_ring(cap(16, 0.8))
    both = coarse.times(fine)
    longitude, latitude = healpy.pix2ang(16, np.arange(3072), lonlat=True)
    product = coarse.at(longitude, latitude) * fine.at(longitude, latitude)
    np.testing.assert_allclose(both.at(longitude, latitude), product)
    assert both.nside == 16 and both.area == fine.times(coarse).area


RADIAL = RadialSelection((0.4, 0.5, 0.7), (1e-4, 3e-4, 0.0))


def test_expected_number_is_the_integral():
    def shell(redshift):
        distance = COSMOLOGY.comoving_distance(redshift).to_value("Mpc") * 0.7
        rate = COSMOLOGY.H(redshift).to_value("km / (s Mpc)") / 0.7
        return float(RADIAL.at(redshift)) * distance**2 * 299792.458 / rate

    truth = sum(quad(shell, a, b)[0] for a, b in ((0.42, 0.5), (0.5, 0.65)))
    truth *= 1000 * (np.pi / 180) ** 2
    assert RADIAL.expected(COSMOLOGY, 1000.0, 0.42, 0.65) == pytest.approx(truth, rel=1e-6)
    assert RADIAL.highest(0.4, 0.45) == pytest.approx(2e-4)
    assert RADIAL.highest(0.4, 0.6) == 3e-4
    np.testing.assert_array_equal(RADIAL.at([0.39, 0.71]), 0)


def test_redshifts_are_drawn_from_n_of_z_times_volume():
    drawn = RADIAL.draw(20_000, COSMOLOGY, 0.42, 0.65, np.random.default_rng(3))
    grid = np.linspace(0.42, 0.65, 60)
    truth = [RADIAL.expected(COSMOLOGY, 1.0, 0.42, z) for z in grid]
    assert kstest(drawn, lambda z: np.interp(z, grid, truth) / truth[-1]).pvalue > 0.01
    assert drawn.min() >= 0.42 and drawn.max() < 0.65
    with pytest.raises(InputError, match=r"n\(z\) above 0 between z = 0.8 and 0.9, got 0; its"):
        RADIAL.draw(5, COSMOLOGY, 0.8, 0.9, np.random.default_rng(0))


def test_tables_of_n_of_z(tmp_path):
    path = tmp_path / "nz.txt"
    path.write_text("# z n\n0.4 1e-4\n0.5 3e-4\n0.7 0\n")
    assert read_radial_selection(path) == RADIAL
    path.write_text("0.4 1e-4 5\n0.5 3e-4 5\n")
    with pytest.raises(InputError, match=r"two columns in .*nz.txt, .* got 3"):
        read_radial_selection(path)
    path.write_text("0.5 1e-4\n0.4 3e-4\n")
    with pytest.raises(InputError, match=r"nz.txt: expected redshifts that rise from 0"):
        read_radial_selection(path)
    path.write_text("z n\n0.4 3e-4\n")
    with pytest.raises(InputError, match=r"two columns of numbers in .*nz.txt"):
        read_radial_selection(path)
    with pytest.raises(InputError, match=r"a table of n\(z\) at .* got no such file"):
        read_radial_selection(tmp_path / "none.txt")
    with pytest.raises(InputError, match=r"densities of 0 or more .* got \[-1.0, 1.0\]"):
        RadialSelection((0.1, 0.2), (-1.0, 1.0))
    with pytest.raises(InputError, match=r"n\(z\) at two redshifts or more"):
        RadialSelection((0.1,), (1.0,))


def separations(right_ascension, declination):
    """Arcseconds, by the haversine formula."""
    a, d = np.radians(right_ascension), np.radians(declination)
    h = np.sin((d[:, None] - d) / 2) ** 2
    h = h + np.cos(d[:, None]) * np.cos(d) * np.sin((a[:, None] - a) / 2) ** 2
    return np.degrees(2 * np.arcsin(np.sqrt(h))) * 3600


def test_fibres_are_never_too_close_and_weights_are_kept():
    rng = np.random.default_rng(4)
    right_ascension, declination = rng.uniform(0, 0.4, 600) % 360, rng.uniform(60, 60.4, 600)
    kept, weight = FibreCollisions(62.0)(right_ascension, declination, np.random.default_rng(5))
    apart = separations(right_ascension, declination)
    np.fill_diagonal(apart, np.inf)
    assert 100 < (~kept).sum() < 500
    assert apart[np.ix_(kept, kept)].min() > 62
    # Every lost one was too close to one that is left, to the nearest of which its weight went.
    nearest = np.where(kept, apart, np.inf)
    assert nearest[~kept].min(axis=1).max() < 62
    given = np.bincount(nearest[~kept].argmin(axis=1), minlength=600)
    np.testing.assert_array_equal(weight, kept * (1 + given))
    assert weight.sum() == 600


def test_pairs_lose_one_of_either_with_even_chance():
    """Pairs 50 arcseconds apart, across RA 0, lose one each; pairs 70 apart lose none."""
    declination = np.repeat(np.linspace(-60, 60, 400), 2)
    for arcseconds, lost in ((50.0, 400), (70.0, 0)):
        step = arcseconds / 3600 / 2 / np.cos(np.radians(declination))
        right_ascension = (np.tile([-1.0, 1.0], 400) * step) % 360
        kept, weight = FibreCollisions()(right_ascension, declination, np.random.default_rng(6))
        assert (~kept).sum() == lost and weight.sum() == 800
        if lost:
            assert 140 < kept[::2].sum() < 260
            assert np.all(weight[kept] == 2)
    triple = np.array([0.0, 50.0, 100.0]) / 3600
    outcomes = {
        tuple(FibreCollisions()(triple, np.zeros(3), np.random.default_rng(s))[1].tolist())
        for s in range(40)
    }
    # The middle one first: it takes both. Else the ends stay, and one of them takes the middle.
    assert outcomes <= {(0, 3, 0), (2, 0, 1), (1, 0, 2)} and (0, 3, 0) in outcomes
    assert FibreCollisions()(np.zeros(0), np.zeros(0), np.random.default_rng(0))[0].shape == (0,)
    for wrong in (0.0, 4000.0):
        with pytest.raises(InputError, match=r"a separation of fibres in \(0, 3600\) arcseconds"):
            FibreCollisions(wrong)
