"""Pairwise velocities and marked correlations of clouds whose motions and marks are given."""

import itertools

import numpy as np
import pytest
from pair_reference import separations

from galgen.errors import InputError
from galgen.statistics.pairs.cells import sums_by_cells
from galgen.statistics.pairs.columns import sums_by_columns
from galgen.statistics.pairs.pairwise_velocity import marked_correlation, pairwise_velocity
from galgen.statistics.pairs.tiles import sums_by_tiles

BOX = np.array([30.0, 40.0, 50.0])
EDGES = np.array([0.5, 3.0, 6.0, 10.0, 14.0])
METHODS = [sums_by_tiles, sums_by_cells, sums_by_columns]


def cloud(points, seed=0, batch=1):
    return np.random.default_rng(seed).uniform(0, BOX, (batch, points, 3))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("periodic", [True, False])
def test_moments_equal_those_of_the_full_matrix(method, periodic):
    rng = np.random.default_rng(1)
    x, v = cloud(250, batch=2), rng.normal(0, 300, (2, 250, 3))
    mask = rng.random((2, 250)) < 0.8
    dirty = np.where(mask[..., None], v, np.nan)
    result = pairwise_velocity(x, dirty, mask, EDGES, BOX, periodic, method)
    for i in range(2):
        points, motion = x[i][mask[i]], v[i][mask[i]]
        apart = separations(points, points, BOX if periodic else None)
        r = np.sqrt((apart**2).sum(-1))
        u = ((motion[None] - motion[:, None]) * apart).sum(-1) / np.where(r > 0, r, 1)
        for k in range(4):
            here = (r >= EDGES[k]) & (r < EDGES[k + 1])
            assert result.pairs[i, k] == here.sum() > 30
            np.testing.assert_allclose(result.velocity[i, k], u[here].mean(), rtol=2e-4, atol=0.02)
            np.testing.assert_allclose(result.dispersion[i, k], u[here].std(), rtol=2e-4)


def test_a_flow_towards_the_centre_is_infall_and_a_shift_is_nothing():
    """v = -10 (x - centre) km/s gives v_12 = -10 r exactly, with no dispersion but the bin's."""
    x = cloud(400)
    flow = -10.0 * (x - BOX / 2) + np.array([500.0, -200.0, 90.0])
    result = pairwise_velocity(x, flow, None, EDGES, BOX, periodic=False, method=sums_by_cells)
    apart = separations(x[0], x[0], None)
    r = np.sqrt((apart**2).sum(-1))
    means = [r[(r >= a) & (r < b)].mean() for a, b in itertools.pairwise(EDGES)]
    np.testing.assert_allclose(result.velocity[0], -10 * np.array(means), rtol=1e-9)
    assert np.all(result.dispersion[0] < 10 * np.diff(EDGES))


def test_independent_velocities_have_no_mean_and_twice_the_variance():
    rng = np.random.default_rng(2)
    x, v = cloud(300, 3, 30), rng.normal(0, 200, (30, 300, 3))
    result = pairwise_velocity(x, v, None, EDGES, BOX)
    mean = result.mean()
    assert np.all(np.abs(mean.mean) < 3.5 * mean.error) and np.all(mean.error < 40)
    spread = np.sqrt(np.average(result.dispersion**2, axis=0, weights=result.pairs))
    np.testing.assert_allclose(spread, 200 * np.sqrt(2), rtol=0.03)


@pytest.mark.parametrize("method", METHODS)
def test_marks_of_close_pairs_and_marks_that_know_nothing(method):
    """Pairs 1 apart with mark 6 among others with mark 1: M in the first bin by hand."""
    rng = np.random.default_rng(4)
    first = rng.uniform(0, BOX, (50, 3))
    x = np.concatenate(
        [first, (first + np.array([0.0, 0.0, 1.0])) % BOX, rng.uniform(0, BOX, (300, 3))]
    )[None]
    marks = np.concatenate([np.full(100, 6.0), np.ones(300)])[None] * 1e14
    result = marked_correlation(x, marks, None, EDGES, BOX, method=method)
    apart = np.sqrt((separations(x[0], x[0], BOX) ** 2).sum(-1))
    product = marks[0][:, None] * marks[0] / marks[0].mean() ** 2
    for k in range(4):
        here = (apart >= EDGES[k]) & (apart < EDGES[k + 1])
        np.testing.assert_allclose(result.marked[0, k], product[here].mean(), rtol=1e-5)
    assert result.marked[0, 0] > 2
    same = marked_correlation(x, np.full((1, 400), 7.0), None, EDGES, BOX, method=method)
    np.testing.assert_allclose(same.marked, 1.0, rtol=1e-5)


def test_shuffled_marks_give_one_within_the_noise():
    rng = np.random.default_rng(5)
    x, marks = cloud(200, 6, 40), rng.lognormal(0, 0.7, (40, 200))
    mean = marked_correlation(x, marks, None, EDGES, BOX).mean()
    assert np.all(np.abs(mean.mean - 1) < 3.5 * mean.error + 0.01) and np.all(mean.error < 0.03)


def test_empty_bins_are_undefined_and_bad_input_is_named():
    x = np.array([[[1.0, 1, 1], [1.0, 1, 2.0]]])
    result = pairwise_velocity(x, np.zeros_like(x), None, EDGES, BOX)
    assert np.isfinite(result.velocity[0, 0]) and np.isnan(result.velocity[0, 1:]).all()
    assert np.isnan(marked_correlation(x, np.ones((1, 2)), None, EDGES, BOX).marked[0, 1:]).all()
    with pytest.raises(InputError, match=r"velocities of shape \(1, 2, 3\), got \(1, 2\); take"):
        pairwise_velocity(x, np.zeros((1, 2)), None, EDGES, BOX)
