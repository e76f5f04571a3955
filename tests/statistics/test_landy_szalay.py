"""Landy-Szalay against the analytic estimator, brute force, and the scatter of mocks."""

import itertools

import numpy as np
import pytest
from pair_reference import separations

from galgen.errors import InputError
from galgen.statistics.pairs.bins import AngleBins, ProjectedBins, SeparationBins
from galgen.statistics.pairs.correlation import cuboid_window, two_point_correlation
from galgen.statistics.pairs.landy_szalay import SurveyCatalogue, landy_szalay

BOX = np.array([40.0, 40.0, 40.0])
EDGES = np.array([1.0, 3.0, 6.0, 10.0, 15.0])


def clustered(seed, parents=60, members=6):
    """Poisson parents, each with Poisson members around it, in an open box."""
    rng = np.random.default_rng(seed)
    centres = rng.uniform(-6, 46, (rng.poisson(parents * (52 / 40) ** 3), 3))
    family = np.repeat(centres, rng.poisson(members, len(centres)), axis=0)
    points = family + rng.normal(0, 2.0, family.shape)
    return points[np.all((points > 0) & (points < 40), axis=1)]


def randoms(seed, number=8000):
    return np.random.default_rng(seed).uniform(0, BOX, (number, 3))


def octants(points):
    return ((points > 20) @ np.array([1, 2, 4])).astype(int)


@pytest.mark.slow
def test_randoms_in_a_box_agree_with_the_analytic_estimator():
    y = SurveyCatalogue(randoms(1, 5000))
    surveys = [landy_szalay(SurveyCatalogue(clustered(seed)), y, EDGES) for seed in range(8)]
    np.testing.assert_allclose(surveys[0].rr, cuboid_window(EDGES, BOX), rtol=0.02)
    # A gradient of the density across the box moves the natural estimator to first order, so that
    # they agree in the mean only.
    truth = [
        two_point_correlation(clustered(seed)[None], None, EDGES, BOX, periodic=False).xi[0]
        for seed in range(8)
    ]
    gap = np.array([survey.xi for survey in surveys]) - truth
    error = gap.std(axis=0, ddof=1) / np.sqrt(8)
    assert np.all(np.abs(gap.mean(axis=0)) < 3.5 * error) and np.mean(truth, axis=0)[0] > 1
    assert np.all(error < 0.06)


def brute(points, others, weights, other_weights, edges, own):
    r = np.sqrt((separations(points, others, None) ** 2).sum(-1))
    if own:
        r[np.diag_indices(len(r))] = np.inf
    product = weights[:, None] * other_weights
    return np.array([product[(r >= a) & (r < b)].sum() for a, b in itertools.pairwise(edges)])


def by_hand(x, y, w, v, edges):
    dd = brute(x, x, w, w, edges, True) / (w.sum() ** 2 - (w**2).sum())
    rr = brute(y, y, v, v, edges, True) / (v.sum() ** 2 - (v**2).sum())
    dr = brute(x, y, w, v, edges, False) / (w.sum() * v.sum())
    return (dd - 2 * dr + rr) / rr


def test_weighted_xi_and_each_jackknife_row_equal_brute_force():
    rng = np.random.default_rng(2)
    x, y = clustered(3)[:250], randoms(4, 600)
    w, v = rng.uniform(0.5, 2, len(x)), rng.uniform(0.5, 2, len(y))
    a, b = octants(x), octants(y)
    survey = landy_szalay(SurveyCatalogue(x, w, a), SurveyCatalogue(y, v, b), EDGES)
    np.testing.assert_allclose(survey.xi, by_hand(x, y, w, v, EDGES), rtol=1e-9)
    rows = [by_hand(x[a != k], y[b != k], w[a != k], v[b != k], EDGES) for k in range(8)]
    np.testing.assert_allclose(survey.jackknife, rows, rtol=1e-9, atol=1e-11)
    result = survey.correlation()
    np.testing.assert_allclose(result.covariance, np.cov(np.array(rows).T, ddof=0) * 7)
    np.testing.assert_allclose(result.error**2, np.diag(result.covariance))
    plain = landy_szalay(SurveyCatalogue(x, w), SurveyCatalogue(y, v), EDGES)
    np.testing.assert_allclose(plain.xi, survey.xi, rtol=1e-12)


@pytest.mark.slow
def test_observer_far_away_sees_the_multipoles_and_wp_of_the_box():
    """From 1e8 Mpc/h along z the midpoint is the z axis: counts as along that axis."""
    away = np.array([0.0, 0.0, 1e8])
    x, y = clustered(5), randoms(6, 2500)
    pairs = []
    for line_of_sight, shift in ((None, away), (2, 0.0)):
        one, other = SurveyCatalogue(x + shift), SurveyCatalogue(y + shift)
        angle = landy_szalay(one, other, AngleBins(tuple(EDGES), 10, line_of_sight))
        across = landy_szalay(one, other, ProjectedBins(tuple(EDGES), 10.0, 0, line_of_sight))
        pairs.append((angle, across))
    for far, box in zip(*pairs, strict=True):
        np.testing.assert_allclose(far.xi, box.xi, atol=1e-3, rtol=1e-3)
    radial = landy_szalay(SurveyCatalogue(x), SurveyCatalogue(y), EDGES)
    weighted = (pairs[1][0].rr * pairs[1][0].xi).sum(-1) / pairs[1][0].rr.sum(-1)
    np.testing.assert_allclose(weighted, radial.xi, rtol=1e-8)


@pytest.mark.slow
def test_jackknife_errors_are_those_of_mocks():
    """Diagonal of the covariance, mean over mocks, against the scatter between them: within 30%."""
    errors, values = [], []
    y = randoms(7, 6000)
    for seed in range(100):
        x = clustered(100 + seed)
        survey = landy_szalay(
            SurveyCatalogue(x, None, octants(x)), SurveyCatalogue(y, None, octants(y)), EDGES
        )
        values.append(survey.xi)
        errors.append(survey.correlation().error)
    ratio = np.sqrt(np.mean(np.square(errors), axis=0)) / np.std(values, axis=0, ddof=1)
    assert np.all(np.abs(ratio - 1) < 0.3), ratio


@pytest.mark.slow
def test_multipoles_and_projection_come_with_jackknife_errors():
    x, y = clustered(8), randoms(9, 2500)
    one, other = (SurveyCatalogue(p, None, octants(p)) for p in (x, y))
    survey = landy_szalay(one, other, AngleBins(tuple(EDGES), 4, None))
    result = survey.multipoles((0, 2))
    assert result.mean.shape == (2, 4) and result.covariance.shape == (8, 8)
    assert np.all(result.error > 0)
    np.testing.assert_allclose(result.mean[0], survey.xi.mean(axis=-1), rtol=1e-10)
    wp = landy_szalay(one, other, ProjectedBins((1.0, 4.0, 8.0), 10.0, 5, None)).projected()
    assert wp.mean.shape == (2,) and wp.mean[0] > wp.mean[1] and np.all(wp.error > 0)
    with pytest.raises(InputError, match=r"bins of \(rp, pi\), got AngleBins; measure"):
        survey.projected()


def test_bad_input_is_named():
    x, y = clustered(10), randoms(11, 100)
    with pytest.raises(InputError, match=r"weights of shape \(100,\), got \(3,\); pass"):
        SurveyCatalogue(y, np.ones(3))
    with pytest.raises(InputError, match=r"positions of shape \(points, 3\) with at least 2"):
        SurveyCatalogue(np.zeros((1, 3)))
    with pytest.raises(InputError, match="finite values in positions, got 6 NaN"):
        SurveyCatalogue(np.where(y > 39, np.nan, y))
    with pytest.raises(InputError, match="regions of both data and randoms"):
        landy_szalay(SurveyCatalogue(x, None, octants(x)), SurveyCatalogue(y), EDGES)
    with pytest.raises(InputError, match="randoms in every region, got none in region 1"):
        landy_szalay(
            SurveyCatalogue(x, None, octants(x)),
            SurveyCatalogue(y, None, 2 * (octants(y) // 2)),
            EDGES,
        )
    with pytest.raises(InputError, match="at least 2 regions for a jackknife error"):
        landy_szalay(SurveyCatalogue(x), SurveyCatalogue(y), EDGES).correlation()


def test_a_bin_without_randoms_is_named():
    """No two randoms are 1 to 4 Mpc/h apart across and 6 or more along the line of sight."""
    x = clustered(12) + np.array([0.0, 0.0, 1000.0])
    steps = np.array([[0, 0, 0], [2, 0, 0], [2, 0, 3], [0, 2, 5], [20, 0, 1], [22, 0, 0]])
    y = SurveyCatalogue(steps + np.array([10.0, 10.0, 1000.0]))
    bins = ProjectedBins((1.0, 4.0), 10.0, 5, None)
    with pytest.warns(UserWarning, match=r"2 of 5 bins, the first of rp 1 to 4, pi 6 to 8 Mpc/h"):
        survey = landy_szalay(SurveyCatalogue(x), y, bins)
    np.testing.assert_array_equal(np.isnan(survey.xi), [[False] * 3 + [True] * 2])
    assert AngleBins((0.1, 0.2, 30.0), 2, None).name(3) == "s 0.2 to 30 Mpc/h, mu 0.5 to 1"
    assert SeparationBins((0.1, 0.2, 30.0)).name(1) == "r 0.2 to 30 Mpc/h"


@pytest.mark.slow
def test_a_bin_without_randoms_outside_a_region_is_named():
    x = clustered(12) + np.array([0.0, 0.0, 1000.0])
    steps = np.array([[0, 0, 0], [2, 0, 0], [2, 0, 3], [0, 2, 5], [20, 0, 1], [22, 0, 0]])
    y = SurveyCatalogue(steps + np.array([10.0, 10.0, 1000.0]))
    # Regions 0 and 1 hold the near pairs between them: without either there is none.
    regions = np.array([0, 0, 0, 1, 2, 2])
    one = SurveyCatalogue(x, None, np.arange(len(x)) % 3)
    with pytest.warns(UserWarning, match=r"outside region 0 in the bin of r 4 to 6 Mpc/h: its"):
        survey = landy_szalay(one, SurveyCatalogue(y.positions, None, regions), (4.0, 6.0))
    assert np.isnan(survey.correlation().error[0]) and np.isfinite(survey.xi[0])


def test_points_without_weight_or_outside_a_region_are_named():
    x, y = clustered(13), randoms(14, 100)
    nothing = SurveyCatalogue(x, np.zeros(len(x)))
    with pytest.raises(InputError, match="two points of weight above zero or more in the data, "):
        landy_szalay(nothing, SurveyCatalogue(y), EDGES)
    one = SurveyCatalogue(x, None, np.zeros(len(x), int))
    other = SurveyCatalogue(y, None, np.arange(100) % 2)
    with pytest.raises(InputError, match="in the data outside region 0, got fewer; check"):
        landy_szalay(one, other, EDGES)
