"""A whole survey of a box: counts, completeness, weights and randoms against what they must be."""

import dataclasses

import healpy
import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM
from mock_boxes import box_of, thomas_box, uniform_box
from scipy.stats import chisquare, kstest

from galgen.cosmology.coordinates import SKY_AREA, cartesian_positions
from galgen.errors import InputError
from galgen.mocks import (
    FibreCollisions,
    RadialSelection,
    RandomRecipe,
    SkyMask,
    Survey,
    Viewpoint,
    draw_survey,
)
from galgen.mocks.randoms import Footprint
from galgen.mocks.sky_picture import density_by_redshift

COSMOLOGY = FlatLambdaCDM(70, 0.3, Tcmb0=0)
RADIAL = RadialSelection((0.05, 0.08, 0.12), (4e-4, 8e-4, 2e-4))
NORTH = np.zeros(768)
NORTH[:384] = np.linspace(0.2, 1.0, 384)
MASK = SkyMask.from_ring(NORTH)
SURVEY = Survey((0.05, 0.12), mask=MASK, radial=RADIAL, randoms=RandomRecipe(3))


@pytest.fixture(scope="module")
def box():
    # Its number density, 1e-3, is above that of RADIAL everywhere.
    return uniform_box(8000, 200.0, seed=1, redshift=0.08)


@pytest.fixture(scope="module")
def mock(box):
    return SURVEY.observe([box], 11)


def test_total_counts_are_n_of_z_times_completeness_times_volume(mock):
    redshift = np.linspace(0.05, 0.12, 20_001)
    distance = COSMOLOGY.comoving_distance(redshift).to_value("Mpc") * 0.7
    middle = np.interp((redshift[1:] + redshift[:-1]) / 2, RADIAL.redshift, RADIAL.density)
    steradians = NORTH.mean() * 4 * np.pi
    truth = steradians * (middle * np.diff(distance**3) / 3).sum()
    assert mock.expected == pytest.approx(truth, rel=1e-6)
    # Poisson, and no tighter: each galaxy recurs with the period of the box.
    assert len(mock.data) == pytest.approx(truth, abs=4 * np.sqrt(truth))
    assert len(mock.data) > 5000 and len(mock.randoms) == 3 * len(mock.data)
    edges = np.linspace(0.05, 0.12, 8)
    density, error = density_by_redshift(mock, edges)
    # Means over bins, weighted by volume, of the target.
    volume = np.histogram((redshift[1:] + redshift[:-1]) / 2, edges, weights=np.diff(distance**3))
    number = np.histogram(
        (redshift[1:] + redshift[:-1]) / 2, edges, weights=middle * np.diff(distance**3)
    )
    assert np.all(np.abs(density - number[0] / volume[0]) < 4 * error)


def test_the_measured_n_of_z_does_not_depend_on_shuffling(box, mock):
    """The volume is that of the survey: redshifts of the data would give back n(z) for any data."""
    survey = dataclasses.replace(SURVEY, randoms=RandomRecipe(3, True))
    shuffled, edges = survey.observe([box], 11), np.linspace(0.05, 0.12, 8)
    assert shuffled.data == mock.data
    np.testing.assert_array_equal(mock.drawn, mock.randoms.columns["Z"])
    np.testing.assert_array_equal(shuffled.drawn, mock.drawn)
    assert np.mean(shuffled.randoms.columns["Z"] == mock.drawn) < 0.01
    found, wanted = density_by_redshift(shuffled, edges), density_by_redshift(mock, edges)
    np.testing.assert_array_equal(found, wanted)


def test_completeness_thins_data_and_randoms_alike(mock):
    for catalogue in (mock.data, mock.randoms):
        ra, dec = catalogue.columns["RA"], catalogue.columns["DEC"]
        pixel = healpy.ang2pix(8, ra, dec, lonlat=True)
        np.testing.assert_array_equal(catalogue.columns["COMP"], NORTH[pixel])
        expected = NORTH.reshape(48, 16).sum(axis=1)
        counts = np.bincount(pixel // 16, minlength=48)
        assert counts[24:].sum() == 0
        share = expected[:24] / expected.sum() * len(catalogue)
        assert chisquare(counts[:24], share).pvalue > 1e-3


@pytest.mark.parametrize("shuffled", [False, True])
def test_randoms_have_the_redshifts_of_the_selection(box, shuffled):
    survey = dataclasses.replace(SURVEY, randoms=RandomRecipe(3, shuffled))
    mock = survey.observe([box], 12)
    drawn = mock.randoms.columns["Z"]
    if shuffled:
        assert set(drawn) <= set(mock.data.columns["Z"]) and len(set(drawn)) > 3000
    grid = np.linspace(0.05, 0.12, 300)
    truth = np.array([RADIAL.expected(COSMOLOGY, 1.0, 0.05, z) for z in grid[1:]])
    truth = np.concatenate([[0.0], truth]) / truth[-1]
    if shuffled:
        reference = np.sort(mock.data.columns["Z"])
        assert kstest(drawn, lambda z: np.searchsorted(reference, z) / len(reference)).pvalue > 1e-3
    else:
        assert kstest(drawn, lambda z: np.interp(z, grid, truth)).pvalue > 0.01
    assert "Z_COSMO" not in mock.randoms.columns


def test_weights(mock, box):
    for catalogue in (mock.data, mock.randoms):
        density = np.interp(catalogue.columns["Z"], RADIAL.redshift, RADIAL.density)
        np.testing.assert_allclose(catalogue.columns["NZ"], density)
        np.testing.assert_allclose(catalogue.columns["WEIGHT_FKP"], 1 / (1 + 1e4 * density))
        assert np.all(catalogue.columns["WEIGHT"] == 1)
        assert catalogue.units["NZ"] == "h^3/Mpc^3" and catalogue.units["RA"] == "deg"
    points = mock.data.points()
    np.testing.assert_allclose(points.weights, mock.data.columns["WEIGHT_FKP"])
    angles = (mock.data.columns[name] for name in ("RA", "DEC", "Z"))
    np.testing.assert_allclose(points.positions, cartesian_positions(*angles, COSMOLOGY))
    fibres = dataclasses.replace(SURVEY, collisions=FibreCollisions(1200.0), power=0.0)
    lost = fibres.observe([box], 11)
    assert 0.02 < 1 - len(lost.data) / len(mock.data) < 0.5
    assert lost.data.columns["WEIGHT_CP"].sum() == len(mock.data)
    np.testing.assert_array_equal(lost.data.columns["WEIGHT_CP"], lost.data.columns["WEIGHT"])
    assert lost.data.columns["WEIGHT"].max() > 1 and np.all(lost.data.total_weight >= 1)
    assert np.all(lost.randoms.total_weight == 1)


def test_columns_of_the_box_come_along(box):
    rows = np.arange(len(box))
    tagged = box.replace(columns={**box.columns, "halo": rows, "mass": 1e13 + rows})
    data = SURVEY.observe([tagged], 11).data
    np.testing.assert_array_equal(data.columns["MASS"], 1e13 + data.columns["HALO"])
    assert data.columns["HALO"].dtype == np.int64 and data.units["MASS"] == "Msun/h"
    assert not {"X", "VX"} & set(data.columns)
    with pytest.raises(InputError, match=r"columns of the box other than .*, got 'weight'; rename"):
        SURVEY.observe([box.replace(columns={**box.columns, "weight": rows})], 11)


def test_the_same_seed_gives_the_same_survey_and_another_another(box, mock):
    again, other = SURVEY.observe([box], 11), SURVEY.observe([box], 12)
    assert again.data == mock.data and again.randoms == mock.randoms
    assert len(other.data) != len(mock.data)
    assert mock.data.provenance["survey seed"] == "11"


def test_volume_limited_without_n_of_z(box):
    survey = Survey((0.02, 0.05), randoms=RandomRecipe(1), redshift_space=False)
    mock = survey.observe([box], 0)
    assert np.all(mock.data.columns["NZ"] == box.number_density)
    assert len(mock.data) == pytest.approx(mock.expected, rel=0.02)
    np.testing.assert_array_equal(mock.data.columns["Z"], mock.data.columns["Z_COSMO"])
    sparse = box.select(np.arange(0, len(box), 4)).replace(redshift=0.03)
    both = survey.observe([box, sparse], 0)
    assert np.all(both.data.columns["NZ"] == sparse.number_density)
    density, error = density_by_redshift(both, np.linspace(0.02, 0.05, 5))
    assert np.all(np.abs(density - sparse.number_density) < 5 * error)


def test_a_box_seen_once_ends_data_and_randoms_at_its_faces():
    box = uniform_box(6000, (100.0, 60.0, 80.0), seed=2, speed=0.0)
    once = Viewpoint((-1.0, 0.5, 0.5), toward=(150.0, 20.0), tiled=False)
    mock = Survey((0.0, 0.2), once, randoms=RandomRecipe(2)).observe([box], 3)
    assert len(mock.data) == 6000
    assert mock.expected == pytest.approx(6000, rel=0.05)
    for catalogue in (mock.data, mock.randoms):
        places = catalogue.points().positions
        in_box = places @ once.rotation.T - np.array([100.0, -30.0, -40.0])
        assert in_box.min() > -1e-6 and np.all(in_box.max(axis=0) < np.array(box.box) + 1e-6)
        for axis in range(3):
            assert kstest(in_box[:, axis], "uniform", (0, box.box[axis])).pvalue > 1e-3
    with pytest.raises(InputError, match=r"redshifts of n\(z\) where the box is seen once"):
        Survey((0.0, 0.2), once, randoms=RandomRecipe(2, True))


def test_a_remapped_box_keeps_all_its_galaxies():
    box = uniform_box(3000, 100.0, seed=3)
    view = Viewpoint((-0.5, 0.5, 0.5), tiled=False, remapping=((1, 1, 0), (0, 0, 1), (1, 0, 0)))
    mock = Survey((0.0, 0.3), view, randoms=RandomRecipe(1)).observe([box], 4)
    assert len(mock.data) == pytest.approx(3000, abs=5) and "remapping" in mock.data.provenance


def test_an_observer_inside_sees_galaxies_all_around():
    mock = Survey((0.0, 0.03), randoms=RandomRecipe(1)).observe([thomas_box(1, redshift=0.0)], 0)
    for name, edges in (("RA", [0, 90, 180, 270, 360]), ("DEC", [-90, -30, 30, 90])):
        assert np.histogram(mock.data.columns[name], edges)[0].min() > 100
    assert mock.mask.area == pytest.approx(SKY_AREA)


def test_what_cannot_be_observed_is_named(box):
    with pytest.raises(
        InputError, match=r"at least 0.0008 points .* got 0.0005; lower n\(z\), pop"
    ):
        SURVEY.observe([box.select(np.arange(4000))], 0)
    with pytest.raises(InputError, match="velocities for redshift space"):
        SURVEY.observe([box_of(box.positions, side=200.0)], 0)
    nothing = SkyMask.from_ring(np.eye(1, 768)[0])
    few = dataclasses.replace(
        SURVEY, mask=nothing, radial=RadialSelection((0.05, 0.12), (1e-9,) * 2)
    )
    with pytest.raises(InputError, match=r"galaxies in the survey, got none of 8000 in the box"):
        few.observe([box], 0)
    with pytest.raises(InputError, match="points in every box, got an empty one"):
        dataclasses.replace(SURVEY, radial=None).observe([box.select(np.arange(0))], 0)
    with pytest.raises(InputError, match="one snapshot or more, got none"):
        SURVEY.observe([], 0)
    with pytest.raises(
        InputError, match=r"one random point or more, got 1e-05 times \d+ objects; raise times"
    ):
        dataclasses.replace(SURVEY, randoms=RandomRecipe(1e-5)).observe([box], 0)


@pytest.mark.parametrize(
    ("mask", "radial"),
    [
        (SkyMask.from_ring(np.arange(768) < 384), RADIAL),
        (SkyMask.full_sky(), RadialSelection((0.3, 0.4), (1e-4, 1e-4))),
    ],
    ids=["north of a box in the south", "no density at its redshifts"],
)
def test_randoms_of_a_box_that_is_not_seen_come_to_an_end(monkeypatch, mask, radial):
    monkeypatch.setattr("galgen.mocks.randoms.AT_ONCE", 1000)
    south = Viewpoint((0.5, 0.5, 2.0), tiled=False)
    footprint = Footprint(mask, radial, (0.01, 0.12), south, (100.0,) * 3, COSMOLOGY)
    with pytest.raises(
        InputError, match=r"points of the box in the survey, got none of \d+ .*move the observer"
    ):
        footprint.draw(5, np.random.default_rng(0))


def test_the_picture_shows_the_sky_and_n_of_z(mock):
    figure = draw_survey(mock)
    sky, _, depth = figure.axes
    assert sky.name == "mollweide" and f"{len(mock.data):,} objects" in sky.get_title()
    image = np.ma.masked_invalid(sky.collections[0].get_array()).reshape(360, 720)
    assert image.mask[:170].all() and not image.mask[200:350].any()
    assert "n(z)" in depth.get_ylabel()
    # RA rises to the left: where the mask is most complete at RA 90 only, that is on the right.
    east = np.zeros(768)
    longitude, latitude = healpy.pix2ang(8, np.arange(768), lonlat=True)
    east[(np.abs(longitude - 90) < 30) & (np.abs(latitude) < 30)] = 1
    one = dataclasses.replace(mock, mask=SkyMask.from_ring(east))
    picture = draw_survey(one).axes[0].collections[0].get_array()
    seen = ~np.ma.getmaskarray(np.ma.masked_invalid(picture)).reshape(360, 720)
    assert seen[:, 360:].any() and not seen[:, :360].any()
    # Few objects are drawn one by one, in the same places.
    few = Survey((0.05, 0.055), mask=MASK).observe([uniform_box(1000, 200.0)], 0)
    dots = draw_survey(few).axes[0].collections[1].get_offsets()
    np.testing.assert_allclose(dots[:, 0], np.radians(180.0 - few.data.columns["RA"]))
    np.testing.assert_allclose(dots[:, 1], np.radians(few.data.columns["DEC"]))
