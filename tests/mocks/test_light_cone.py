"""What an observer sees of a box: directions known by hand, brute force, counts, redshifts."""

import healpy
import numpy as np
import pytest
from astropy import units
from astropy.cosmology import FlatLambdaCDM, Flatw0waCDM, LambdaCDM
from mock_boxes import box_of, uniform_box
from scipy.spatial import cKDTree

from galgen.cosmology.coordinates import SKY_AREA
from galgen.cosmology.distances import comoving_distance, redshift_at
from galgen.errors import InputError
from galgen.mocks import RandomRecipe, SkyMask, Survey, Viewpoint
from galgen.mocks.light_cone import light_cone, snapshot_edges
from galgen.statistics.sky.redshift_distribution import redshift_distribution

COSMOLOGY = FlatLambdaCDM(70, 0.3, Tcmb0=0)
SPEED_OF_LIGHT = 299792.458


def observed(box, viewpoint=None, redshifts=(0.0, 0.1), redshift_space=False, mask=None):
    boxes = box if isinstance(box, list) else [box]
    return light_cone(
        boxes, viewpoint or Viewpoint(), redshifts, redshift_space, mask or SkyMask.full_sky()
    )


def test_known_directions():
    """From the centre, +x is RA 0, +y is RA 90, -x is RA 180, -y is RA 270, +z the north pole."""
    steps = 20.0 * np.array(
        [[1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1], [1, 1, 2**0.5]]
    )
    cone = observed(box_of(50 + steps), Viewpoint(tiled=False))
    np.testing.assert_allclose(cone.right_ascension[:4], [0, 90, 180, 270], atol=1e-9)
    np.testing.assert_allclose(cone.declination, [0, 0, 0, 0, 90, -90, 45], atol=1e-9)
    np.testing.assert_allclose(cone.right_ascension[6], 45)
    distance = comoving_distance(cone.cosmological, COSMOLOGY)
    np.testing.assert_allclose(distance, [20] * 6 + [40], rtol=1e-9)


GENERAL = {
    "w0wa": ({"w0": -0.7, "wa": -0.5}, Flatw0waCDM(70, 0.3, w0=-0.7, wa=-0.5, Tcmb0=0)),
    "closed": ({"omega_k": -0.1}, LambdaCDM(70, 0.3, 0.8, Tcmb0=0)),
    "neutrinos": (
        {"m_nu": 0.3},
        FlatLambdaCDM(70, 0.3 - 0.3 / 93.14 / 0.49, 2.7255, 3.046, m_nu=0.1 * units.eV),
    ),
}


@pytest.mark.parametrize("name", GENERAL)
def test_a_survey_of_any_cosmology_has_its_redshifts(name):
    """From the light cone to n(z) and back to comoving places, with astropy's own distances."""
    parameters, cosmology = GENERAL[name]
    box = uniform_box(60, speed=0.0)
    box = box.replace(cosmology={**box.cosmology, **parameters})
    survey = Survey((0.05, 0.12), Viewpoint(), randoms=RandomRecipe(2.0), redshift_space=False)
    mock = survey.observe([box], 0)
    points = mock.data.points().positions
    distance = cosmology.comoving_distance(mock.data.columns["Z"]).value * 0.7
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), distance, rtol=1e-9)
    back = np.mod(points + 50.0, 100.0)
    near, _ = cKDTree(box.positions, boxsize=100.0).query(np.where(back >= 100, 0.0, back))
    assert near.max() < 1e-6
    edges = np.array([0.05, 0.12])
    found = redshift_distribution(mock.data.columns["Z"], edges, mock.data.cosmology, SKY_AREA)
    truth = len(mock.data) / np.diff(cosmology.comoving_volume(edges).value * 0.7**3)
    np.testing.assert_allclose(found.density, truth, rtol=1e-8)
    np.testing.assert_allclose(mock.expected, len(mock.data), rtol=0.05)
    flat = comoving_distance(0.1, COSMOLOGY)
    assert abs(float(comoving_distance(0.1, mock.data.cosmology)) / flat - 1) > 1e-6


def test_the_box_can_be_pointed_anywhere():
    """x to the given place, y to its east (right ascension rises), z to its north."""
    steps = np.array([[30.0, 0, 0], [30, 1, 0], [30, 0, 1]])
    cone = observed(box_of(50 + steps), Viewpoint(toward=(200.0, 35.0), tiled=False))
    np.testing.assert_allclose(
        (cone.right_ascension[0], cone.declination[0]), (200.0, 35.0), atol=1e-9
    )
    assert 200 < cone.right_ascension[1] < 203 and cone.declination[1] == pytest.approx(35, abs=0.1)
    assert cone.right_ascension[2] == pytest.approx(200) and 36 < cone.declination[2] < 38
    turn = Viewpoint(toward=(200.0, 35.0)).rotation
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-14)
    assert np.linalg.det(turn) == pytest.approx(1)


@pytest.mark.parametrize("observer", [(0.5, 0.5, 0.5), (0.1, 0.9, 0.0), (-1.3, 0.4, 2.2)])
def test_images_are_those_of_brute_force(observer):
    box = uniform_box(30, (40.0, 60.0, 50.0), seed=3)
    low, high = redshift_at(np.array([50.0, 130.0]), COSMOLOGY)
    cone = observed(box, Viewpoint(observer), (float(low), float(high)))
    shifts = np.stack(np.meshgrid(*[np.arange(-7, 8)] * 3), axis=-1).reshape(-1, 3) * box.box
    every = box.positions[:, None] + shifts - np.array(observer) * box.box
    distance = np.linalg.norm(every, axis=-1)
    row, _ = np.nonzero((distance >= 50) & (distance < 130))
    assert len(cone) > 1000
    np.testing.assert_array_equal(np.bincount(cone.row), np.bincount(row))
    np.testing.assert_allclose(
        np.sort(comoving_distance(cone.cosmological, COSMOLOGY)),
        np.sort(distance[(distance >= 50) & (distance < 130)]),
        rtol=1e-9,
    )


@pytest.mark.parametrize("radius", [1.5, 6.0, 70.0])
def test_images_that_are_out_of_sight_are_left_out_and_no_others(radius):
    """The cone of a small mask is that of the whole sky, cut by the mask."""
    vectors = np.array(healpy.pix2vec(64, np.arange(12 * 64**2)))
    centre = healpy.ang2vec(211.0, -37.0, lonlat=True)
    mask = SkyMask.from_ring((centre @ vectors > np.cos(np.radians(radius))).astype(float))
    box = uniform_box(300, (40.0, 60.0, 50.0), seed=8)
    view, shell = Viewpoint((0.2, 0.7, 0.1), (50.0, 10.0)), (0.01, 0.06)
    whole, part = observed(box, view, shell), observed(box, view, shell, mask=mask)
    seen = mask.at(whole.right_ascension, whole.declination) > 0
    assert len(part) == seen.sum() > 0
    for name in ("right_ascension", "redshift", "row"):
        np.testing.assert_array_equal(
            np.sort(getattr(part, name)), np.sort(getattr(whole, name)[seen])
        )
    full, few = (view.images(box.box, 30.0, 180.0, m) for m in (SkyMask.full_sky(), mask))
    assert len(few) < len(full) * (0.5 if radius < 10 else 1)


def test_counts_of_the_whole_sky_are_density_times_volume_and_even():
    box = uniform_box(400, 60.0, seed=4)
    cone = observed(box, redshifts=(0.02, 0.06))
    shell = np.diff(comoving_distance([0.02, 0.06], COSMOLOGY) ** 3)[0] * 4 * np.pi / 3
    assert len(cone) == pytest.approx(box.number_density * shell, rel=0.01)
    assert np.abs(np.bincount((cone.declination > 0).astype(int)) / len(cone) - 0.5).max() < 0.01


def test_redshift_space_is_the_first_order_doppler_shift():
    box = uniform_box(300, seed=5, speed=1500.0)
    viewpoint = Viewpoint((0.3, -0.2, 0.5), toward=(120.0, -40.0), tiled=False)
    cone = observed(box, viewpoint, (0.0, 0.08), redshift_space=True)
    from_observer = box.positions[cone.row] - np.array([0.3, -0.2, 0.5]) * 100.0
    distance = np.linalg.norm(from_observer, axis=1)
    along = (box.velocities[cone.row] * from_observer).sum(1) / distance
    true = redshift_at(distance, COSMOLOGY)
    np.testing.assert_allclose(cone.cosmological, true, rtol=1e-9)
    np.testing.assert_allclose(cone.redshift, true + (1 + true) * along / SPEED_OF_LIGHT, rtol=1e-9)
    assert np.abs(cone.redshift - true).max() > 0.005


def test_points_come_into_a_shell_and_leave_it_by_their_velocity():
    """All points that are observed within it, those that truly lie outside included."""
    box = uniform_box(2000, seed=6, speed=2000.0)
    viewpoint = Viewpoint(tiled=False)
    whole = observed(box, viewpoint, (0.0, 1.0), redshift_space=True)
    inside = (whole.redshift >= 0.008) & (whole.redshift < 0.012)
    cone = observed(box, viewpoint, (0.008, 0.012), redshift_space=True)
    np.testing.assert_array_equal(np.sort(cone.row), np.sort(whole.row[inside]))
    outside = (cone.cosmological < 0.008) | (cone.cosmological > 0.012)
    assert 0.2 < outside.mean() < 0.9


def test_a_light_cone_takes_the_nearest_snapshot():
    boxes = [uniform_box(300, 60.0, seed=7, redshift=z) for z in (0.0, 0.04, 0.06)]
    cone = observed(boxes, redshifts=(0.01, 0.07))
    nearest = np.abs(cone.cosmological[:, None] - np.array([0.0, 0.04, 0.06])).argmin(axis=1)
    np.testing.assert_array_equal(cone.snapshot, nearest)
    assert set(cone.snapshot) == {0, 1, 2}
    # One box at three redshifts without motion is one box.
    np.testing.assert_allclose(
        np.sort(cone.redshift), np.sort(observed(boxes[0], redshifts=(0.01, 0.07)).redshift)
    )
    np.testing.assert_allclose(snapshot_edges([0.0, 0.04, 0.06])[1:-1], [0.02, 0.05])


def test_an_observer_at_a_point_and_nothing_in_reach():
    box = box_of(np.array([[50.0, 50, 50], [60, 50, 50]]), np.full((2, 3), 300.0))
    cone = observed(box, Viewpoint(tiled=False), redshift_space=True)
    assert cone.redshift[0] == 0 and len(cone) == 2
    assert len(observed(box, Viewpoint(tiled=False), (0.5, 0.6), redshift_space=True)) == 0
    assert len(observed(box, Viewpoint(tiled=False), (0.5, 0.6))) == 0


def test_what_cannot_be_seen_is_named():
    box = uniform_box(10)
    still = box_of(box.positions)
    with pytest.raises(InputError, match=r"velocities for redshift space, got columns \['x', 'y'"):
        observed(still, redshift_space=True)
    with pytest.raises(InputError, match=r"redshifts that rise from 0 or more, got 0.2 to 0.1"):
        observed(box, redshifts=(0.2, 0.1))
    with pytest.raises(InputError, match="snapshots of rising redshift, got"):
        observed([box, box])
    with pytest.raises(InputError, match=r"snapshots of one box, got .* in snapshot 1"):
        observed([box, uniform_box(10, 50.0, redshift=1.0)])
    with pytest.raises(InputError, match=r"at most 2000000 images .* lower the redshift"):
        observed(box, redshifts=(5.0, 9.0))
    with pytest.raises(InputError, match="omega_m in the catalogue's cosmology, got none"):
        observed(box.replace(cosmology={}))
    with pytest.raises(InputError, match=r"a periodic box to repeat, got an open one; pass tiled"):
        Viewpoint().prepared(box.replace(periodic=False))
    with pytest.raises(InputError, match="a remapped box to be seen once"):
        Viewpoint(remapping=((1, 0, 0), (0, 1, 0), (0, 0, 1)))
    with pytest.raises(InputError, match=r"declination in \[-90, 90\], got 100"):
        Viewpoint(toward=(0.0, 100.0))
