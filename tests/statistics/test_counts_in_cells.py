"""Counts in cells against NumPy, and against the closed forms of Poisson and clustered points."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import poisson

from galgen.errors import InputError
from galgen.statistics.counts.counts_in_cells import (
    cell_counts,
    counts_in_cells,
    counts_in_spheres,
    summarize_counts,
)
from galgen.statistics.counts.sphere_counts import lattice_centers, sphere_counts_by_tree

BOX = np.array([30.0, 40.0, 50.0])


def clouds(points, batch=3, seed=0):
    return np.random.default_rng(seed).uniform(0, BOX, (batch, points, 3))


def poisson_clouds(batch, mean_number, side, seed):
    """A Poisson number of even points in padded rows, and their mask."""
    rng = np.random.default_rng(seed)
    number = rng.poisson(mean_number, batch)
    mask = np.arange(number.max()) < number[:, None]
    return rng.uniform(0, side, (batch, number.max(), 3)).astype(np.float32), mask


def test_counts_equal_the_histogram_of_numpy():
    x = clouds(500)
    edges = [np.linspace(0, side, 6) for side in BOX]
    with jax.enable_x64(True):
        counts = cell_counts(x, None, BOX, 5)
    truth = [np.histogramdd(cloud, edges)[0].ravel() for cloud in x]
    np.testing.assert_array_equal(counts, truth)


def test_moments_and_histogram_equal_numpy():
    x = clouds(700).astype(np.float32)
    result = counts_in_cells(x, None, BOX, 4)
    counts = np.asarray(cell_counts(x, None, BOX, 4), float)
    for i in range(3):
        n = counts[i]
        average, difference = n.mean(), n - n.mean()
        second, third = (difference**2).mean(), (difference**3).mean()
        xi = (n * (n - 1)).mean() / average**2 - 1  # factorial moments: Poisson noise never enters
        triple = (n * (n - 1) * (n - 2)).mean() / average**3 - 3 * xi - 1
        np.testing.assert_allclose(result.average[i], [average], rtol=1e-6)
        np.testing.assert_allclose(result.variance[i], [second], rtol=1e-5)
        np.testing.assert_allclose(result.third[i], [third], rtol=1e-4)
        np.testing.assert_allclose(result.xi[i], [xi], rtol=1e-4)
        np.testing.assert_allclose(result.skewness[i], [triple / xi**2], rtol=1e-3)
        histogram = np.bincount(n.astype(int), minlength=result.number.size)
        np.testing.assert_allclose(result.probability[i, 0], histogram / 64, rtol=1e-6)
    np.testing.assert_allclose(result.volume, [30 * 40 * 50 / 64], rtol=1e-6)
    assert int(result.number[-1]) == counts.max()


def test_poisson_points_give_the_poisson_distribution_and_no_correlation():
    x, mask = poisson_clouds(100, 500.0, 10.0, seed=1)
    result = counts_in_cells(x, mask, 10.0, 5)
    mean = result.mean_probability()
    truth = poisson.pmf(np.arange(result.number.size), 4.0)
    likely = truth > 1e-3
    gap = (mean.mean[0] - truth)[likely]
    assert np.abs(gap / mean.error[0][likely]).max() < 4
    # Normalised by its own number, a box keeps the integral constraint of -1/N.
    xi = result.mean()
    assert abs(xi.mean[0] + 1 / 500) < 4 * xi.error[0]
    expected = np.sqrt(2 / 125) / 4 / np.sqrt(100)  # Gaussian limit: 125 cells, <n> = 4
    np.testing.assert_allclose(xi.error[0], expected, rtol=0.4)
    third = np.asarray(result.third - 3 * result.variance + 2 * result.average)[:, 0]
    assert abs(third.mean()) < 4 * third.std() / 10


def test_poisson_spheres():
    x, mask = poisson_clouds(60, 500.0, 10.0, seed=2)
    radii = np.array([0.8, 1.2])
    centers = np.random.default_rng(3).uniform(0, 10, (60, 300, 3))
    result = counts_in_spheres(x, mask, radii, 10.0, centers)
    expected = 0.5 * 4 * np.pi / 3 * radii**3
    np.testing.assert_allclose(result.volume, 4 * np.pi / 3 * radii**3, rtol=1e-6)
    mean = result.mean_probability()
    for i in range(2):
        truth = poisson.pmf(np.arange(result.number.size), expected[i])
        likely = truth > 1e-3
        gap = (mean.mean[i] - truth)[likely]
        assert np.abs(gap / mean.error[i][likely]).max() < 4
    xi = result.mean()
    assert np.all(np.abs(xi.mean) < 4 * xi.error) and np.all(xi.error < 0.02)


def test_even_points_miss_one_pair_in_n():
    """N points in M cells are binomial: <mu_2> = N/M (1 - 1/M), so <xi_2> = -1/N exactly."""
    x = np.random.default_rng(4).uniform(0, 1, (4000, 20, 3)).astype(np.float32)
    xi = counts_in_cells(x, None, 1.0, 3).mean()
    assert xi.error[0] < 0.01 and abs(xi.mean[0] + 1 / 20) < 4 * xi.error[0]


def test_clusters_in_cells_by_closed_form():
    """Poisson(l) clusters per cell, m points each: xi_2 = (m - 1)/(l m) and S_3 = (m - 2)/(m - 1).

    <n> = l m, mu_2 = l m², mu_3 = l m³ (compound Poisson). Hence xi_3 = (m - 1)(m - 2)/(l m)².
    """
    clusters, members = 0.5, 5
    number = np.random.default_rng(5).poisson(clusters, (1, 400_000, 1)) * members
    result = summarize_counts(jnp.asarray(number, jnp.int32), np.ones(1), None)
    np.testing.assert_allclose(result.xi, (members - 1) / (clusters * members), rtol=0.02)
    np.testing.assert_allclose(result.skewness, (members - 2) / (members - 1), rtol=0.06)


def test_spheres_by_tree_are_the_same():
    x = clouds(200).astype(np.float32)
    centers, radii = lattice_centers(5, BOX), [3.0, 6.0]
    device = counts_in_spheres(x, None, radii, BOX, centers)
    host = counts_in_spheres(x, None, radii, BOX, centers, counter=sphere_counts_by_tree)
    for one, other in zip(jax.tree.leaves(device), jax.tree.leaves(host), strict=True):
        np.testing.assert_array_equal(one, other)
    assert device.probability.shape == (3, 2, int(device.number[-1]) + 1)


def test_padding_wrapping_permutation_translation_and_jit_change_nothing():
    rng = np.random.default_rng(6)
    x = (rng.integers(0, 256, (2, 90, 3)) / 16.0).astype(np.float32)
    mask = rng.random((2, 90)) < 0.7
    truth = counts_in_cells(x, mask, 16.0, 4, largest=6)
    order = rng.permutation(90)
    whole_cells = np.array([4.0, -8.0, 32.0], np.float32)
    variants = [
        counts_in_cells(np.where(mask[..., None], x, np.nan), mask, 16.0, 4, largest=6),
        counts_in_cells(x[:, order], mask[:, order], 16.0, 4, largest=6),
        counts_in_cells(x + whole_cells, mask, 16.0, 4, largest=6),
        jax.jit(lambda y: counts_in_cells(y, mask, 16.0, 4, largest=6))(x),
    ]
    for variant in variants:
        for one, other in zip(jax.tree.leaves(variant), jax.tree.leaves(truth), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6)
    full = counts_in_cells(x, mask, 16.0, 4)
    assert int(full.number[-1]) < 6 or np.all(truth.probability[..., 6] > 0)
    cut = counts_in_cells(x, mask, 16.0, 4, largest=1).probability
    np.testing.assert_allclose(cut[..., 1], 1 - full.probability[..., 0], rtol=1e-6)


def test_walls_faces_duplicates_one_point_and_none():
    x = np.array([[[1.0, 0, 0], [1.0, 0, 0], [2.0, 2, 2], [-1e-9, 0, 0]]], np.float32)
    np.testing.assert_array_equal(cell_counts(x, None, 2.0, 2), [[2, 0, 0, 0, 2, 0, 0, 0]])
    one = counts_in_cells(x[:, :1], None, 2.0, 2)
    np.testing.assert_allclose(one.xi, [[-1.0]])  # no other point anywhere
    none = counts_in_cells(x[:, :0], None, 2.0, 2)
    np.testing.assert_array_equal(none.probability, [[[1.0]]])
    assert np.all(np.isnan(none.xi)) and np.all(np.isnan(none.skewness))
    assert counts_in_cells(x[:0], None, 2.0, 2, largest=3).probability.shape == (0, 1, 4)


def test_bad_input_is_named():
    x = np.zeros((1, 4, 3), np.float32)
    with pytest.raises(InputError, match=r"1 to 1290 cells per side .*, got 0; pass e\.g\. 16"):
        cell_counts(x, None, BOX, 0)
    with pytest.raises(InputError, match=r"1 to 1290 cells per side .*, got 1291; pass"):
        cell_counts(x, None, BOX, 1291)
    with pytest.raises(InputError, match=r"shape \(batch, points, 3\), got \(4, 3\);"):
        counts_in_cells(x[0], None, BOX, 4)
    with pytest.raises(InputError, match="of real points finite, got NaN or infinity in 12"):
        counts_in_cells(x + np.inf, None, BOX, 4)
    with pytest.raises(InputError, match=r"expected largest from 0, got -1; pass e\.g\. 50"):
        counts_in_cells(x, None, BOX, 4, largest=-1)
    with pytest.raises(InputError, match=r"expected largest inside a jit, got None; pass the last"):
        jax.jit(lambda y: counts_in_cells(y, None, BOX, 4))(x)
    with pytest.raises(InputError, match=r"expected at least one cell, got none; ask for more"):
        summarize_counts(jnp.zeros((1, 0, 1), jnp.int32), np.ones(1), None)
    with pytest.raises(InputError, match=r"half the shortest box side, 15 Mpc/h, got 20; lower"):
        counts_in_spheres(x, None, [20.0], BOX, lattice_centers(2, BOX))
