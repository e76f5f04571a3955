"""Weighted counts in cells against loops, and closed forms of Poisson points and clusters."""

import jax
import numpy as np
import pytest

from galgen.errors import InputError
from galgen.statistics.counts.counts_in_cells import counts_in_cells
from galgen.statistics.counts.weighted_cells import weighted_counts_in_cells

BOX = np.array([30.0, 40.0, 50.0])


def clouds(points, batch=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(0, BOX, (batch, points, 3)), rng.lognormal(0, 0.6, (batch, points))


def test_moments_equal_sums_over_distinct_points():
    """Pairs and triples of different points of a cell, one by one: shot noise never enters."""
    x, w = clouds(90, 2)
    unit = w / w.mean(axis=1, keepdims=True)
    with jax.enable_x64(True):
        result = weighted_counts_in_cells(x, None, w, BOX, 3)
        xis, skewness = np.asarray(result.xi), np.asarray(result.skewness)
    for i in range(2):
        cell = (x[i] / BOX * 3).astype(int) @ np.array([9, 3, 1])
        first, pairs, triples = np.zeros(27), np.zeros(27), np.zeros(27)
        for c in range(27):
            v = unit[i][cell == c]
            outer = np.einsum("i,j,k->ijk", v, v, v)
            a, b, d = np.indices(outer.shape)
            triples[c] = outer[(a != b) & (b != d) & (a != d)].sum()
            first[c], pairs[c] = v.sum(), v.sum() ** 2 - (v**2).sum()
        average = first.mean()
        xi = pairs.mean() / average**2 - 1
        third = triples.mean() / average**3 - 3 * xi - 1
        np.testing.assert_allclose(result.average[i], average)
        np.testing.assert_allclose(xis[i], xi, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(skewness[i], third / xi**2, rtol=1e-7)
        np.testing.assert_allclose(result.noise[i], (unit[i] ** 2).sum() / 27)
    assert float(result.volume) == BOX.prod() / 27


def test_weights_of_one_are_counts():
    x, _ = clouds(400)
    plain = counts_in_cells(x, None, BOX, 4)
    for scale in (1.0, 4.0, 5e13):
        found = weighted_counts_in_cells(x, None, np.full((3, 400), scale), BOX, 4)
        np.testing.assert_allclose(found.xi, plain.xi[:, 0], rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(found.skewness, plain.skewness[:, 0], rtol=1e-2)


def test_weighted_poisson_points_have_no_correlation():
    rng = np.random.default_rng(1)
    number = rng.poisson(500, 120)
    mask = np.arange(number.max()) < number[:, None]
    x = rng.uniform(0, BOX, (*mask.shape, 3))
    w = np.where(mask, rng.lognormal(0, 0.8, mask.shape), np.nan)
    found = weighted_counts_in_cells(np.where(mask[..., None], x, np.nan), mask, w, BOX, 5)
    # Of its own total weight, a box misses one pair in N, N = (sum w)² / sum w².
    missing = np.mean(np.nansum(w**2, axis=1) / np.nansum(w, axis=1) ** 2)
    xi = found.mean()
    assert abs(xi.mean[0] + missing) < 3.5 * xi.error[0] < 0.035
    third = np.asarray(found.third - found.third_noise) / np.asarray(found.average) ** 3
    assert abs(third.mean()) < 4 * third.std() / np.sqrt(120)
    assert np.mean(found.noise) > 1.5 * np.mean(found.average) ** 2 / np.mean(number) * 125


def test_clusters_of_one_mark_by_closed_form():
    """Poisson(l) pairs of points per cell, one of weight a and one of b: <W> = l (a + b),
    xi_2 = 2 a b / (l (a + b)²), and of three distinct points there are none: xi_3 = 0.
    """
    rng = np.random.default_rng(2)
    clusters, a, b = 0.5, 1.0, 3.0
    cells = 40
    number = rng.poisson(clusters, cells**3)
    place = np.repeat(np.argwhere(number.reshape((cells,) * 3) >= 0), number, axis=0) + 0.5
    x = np.concatenate([place, place])[None]
    w = np.repeat([a, b], len(place))[None]
    found = weighted_counts_in_cells(x, None, w, float(cells), cells)
    np.testing.assert_allclose(found.xi, 2 * a * b / (clusters * (a + b) ** 2), rtol=0.03)
    third = (found.third - found.third_noise) / found.average**3
    assert abs(float(third[0])) < 0.05 * float(found.xi[0])


def test_the_scale_of_weights_changes_nothing():
    """Masses of 5e13 Msun/h, whose cubes overflow float32, and one unit of mass."""
    x, w = clouds(400)
    mask = np.random.default_rng(3).random((3, 400)) < 0.7
    one, masses = (
        weighted_counts_in_cells(x, mask, scale * np.where(mask, w, np.nan), BOX, 4)
        for scale in (1.0, 5e13)
    )
    for name in ("volume", "average", "variance", "third", "noise", "third_noise"):
        np.testing.assert_allclose(getattr(masses, name), getattr(one, name), rtol=1e-4)
    np.testing.assert_allclose(one.average, mask.sum(axis=1) / 4**3, rtol=1e-5)
    np.testing.assert_allclose(masses.skewness, one.skewness, rtol=1e-3)
    np.testing.assert_allclose(masses.mean().mean, one.mean().mean, rtol=1e-4)


def test_undefined_and_bad_input():
    none = weighted_counts_in_cells(np.zeros((1, 0, 3)), None, np.zeros((1, 0)), BOX, 2)
    assert np.all(np.isnan(none.xi)) and np.all(np.isnan(none.skewness))
    x = np.zeros((1, 4, 3))
    with pytest.raises(InputError, match=r"weights of shape \(1, 4\), got \(1, 3\); pass one per"):
        weighted_counts_in_cells(x, None, np.ones((1, 3)), BOX, 2)
    with pytest.raises(InputError, match=r"1 to 1290 cells per side .*, got 0; pass"):
        weighted_counts_in_cells(x, None, np.ones((1, 4)), BOX, 0)
