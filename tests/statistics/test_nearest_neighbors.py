"""Nearest-neighbour counts are the integers of sorted distances; Poisson points follow Erlang."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.special import gammainc

from galgen.errors import InputError
from galgen.statistics.counts.nearest_neighbors import (
    joint_neighbor_distribution,
    nearest_neighbor_distribution,
)
from galgen.statistics.counts.neighbor_counts import neighbor_counts, neighbor_counts_by_tree
from galgen.statistics.counts.sphere_counts import (
    lattice_centers,
    sphere_counts,
    sphere_counts_by_tree,
)

BOX = np.array([30.0, 40.0, 50.0])
RADII = np.array([0.5, 2.0, 4.0, 7.0, 15.0])
NEIGHBORS = (1, 2, 3, 60)
COUNTERS = [neighbor_counts, neighbor_counts_by_tree]


def clouds(points, batch=3, seed=0):
    return np.random.default_rng(seed).uniform(0, BOX, (batch, points, 3))


def sorted_distances(points, queries, box):
    """All distances, nearest first, in NumPy float64."""
    difference = np.abs(queries[:, None] - points[None])
    if box is not None:
        difference = np.minimum(difference, box - difference)
    return np.sort(np.sqrt((difference**2).sum(-1)), axis=1)


def counts_of(distances, radii, neighbors):
    """Queries with d_k < r."""
    return [[np.sum(distances[:, k - 1] < r) for r in radii] for k in neighbors]


@pytest.mark.parametrize("periodic", [True, False])
def test_float64_counts_equal_sorted_distances_and_the_tree_of_scipy(periodic):
    x, queries = clouds(300), clouds(170, seed=1)
    box = BOX if periodic else None
    distances = [sorted_distances(p, q, box) for p, q in zip(x, queries, strict=True)]
    truth = [counts_of(d, RADII, NEIGHBORS) for d in distances]
    scipy = [
        counts_of(cKDTree(p, boxsize=box).query(q, 60)[0], RADII, NEIGHBORS)
        for p, q in zip(x, queries, strict=True)
    ]
    np.testing.assert_array_equal(scipy, truth)
    within = [[np.sum(d < r, axis=1) for r in RADII] for d in distances]
    with jax.enable_x64(True):
        result = nearest_neighbor_distribution(x, None, RADII, BOX, queries, NEIGHBORS, periodic)
        spheres = sphere_counts(x, None, RADII, BOX, queries, periodic, tile=64)
        np.testing.assert_array_equal(result.counts, truth)
        np.testing.assert_allclose(result.cdf, np.asarray(truth) / 170, rtol=4e-16)
    np.testing.assert_array_equal(
        neighbor_counts_by_tree([(x, None)], RADII, BOX, queries, NEIGHBORS, periodic)[:, 0], truth
    )
    np.testing.assert_array_equal(np.moveaxis(np.asarray(spheres), 1, 2), within)
    np.testing.assert_array_equal(
        sphere_counts_by_tree(x, None, RADII, BOX, queries, periodic), spheres
    )
    assert np.all(np.ptp(truth, axis=-1) > 20)  # the radii span each distribution


def test_ties_duplicates_faces_and_points_beyond_them_on_a_lattice_in_float32():
    """Quarter-integer coordinates are exact in float32, so ties must fall outside the sphere."""
    rng = np.random.default_rng(2)
    x = rng.integers(-64, 129, (2, 250, 3)) / 4.0
    x[:, :30] = x[:, 30:60]
    queries = np.concatenate([rng.integers(0, 65, (70, 3)) / 4.0, x[0, :30]])
    radii = np.array([0.25, 0.5, 1.0, 2.5, 5.0, 8.0])
    distances = [sorted_distances(cloud % 16, queries % 16, np.full(3, 16.0)) for cloud in x]
    truth = [counts_of(d, radii, (1, 2, 5)) for d in distances]
    for count in COUNTERS:
        counts = count([(x.astype(np.float32), None)], radii, 16.0, queries, (1, 2, 5))
        np.testing.assert_array_equal(np.asarray(counts)[:, 0], truth)
    within = np.moveaxis([[np.sum(d < r, axis=1) for r in radii] for d in distances], 1, 2)
    for count in (sphere_counts, sphere_counts_by_tree):
        np.testing.assert_array_equal(count(x, None, radii, 16.0, queries), within)
    assert truth[0][1][0] >= 30  # a query on two duplicates has d_2 = 0


def test_poisson_points_follow_the_erlang_distribution():
    """A Poisson number of even points in padded rows, independent queries: within 4 sigma."""
    rng = np.random.default_rng(3)
    batch, mean_number = 64, 200.0
    number = rng.poisson(mean_number, batch)
    mask = np.arange(number.max()) < number[:, None]
    x = rng.uniform(0, 10, (batch, number.max(), 3)).astype(np.float32)
    radii, neighbors = np.array([0.4, 0.8, 1.1, 1.5]), (1, 2, 4, 8)
    queries = rng.uniform(0, 10, (batch, 400, 3))
    result = nearest_neighbor_distribution(x, mask, radii, 10.0, queries, neighbors)
    expected = mean_number / 1000 * 4 * np.pi / 3 * radii**3
    erlang = np.stack([gammainc(k, expected) for k in neighbors])
    mean = result.mean()
    number_of_sigma = (mean.mean - erlang) / np.maximum(mean.error, 1e-4)
    assert np.abs(number_of_sigma).max() < 4
    assert np.all(mean.error < 0.01)
    np.testing.assert_allclose(
        result.void_probability.mean(axis=0), np.exp(-expected), atol=4 * mean.error.max()
    )
    np.testing.assert_array_equal(result.void_probability, 1 - result.cdf[:, 0])


def test_a_lattice_of_points_by_hand():
    """Queries at the cell centres of a unit lattice: 8 points at sqrt(3)/2, next at sqrt(11)/2."""
    x = np.stack(np.meshgrid(*[np.arange(8.0)] * 3, indexing="ij"), -1).reshape(1, -1, 3)
    queries = lattice_centers(8, 8.0)
    root = np.sqrt(3) / 2
    radii = [root - 1e-4, root + 1e-4, np.sqrt(11) / 2 + 1e-4]
    cdf = nearest_neighbor_distribution(x, None, radii, 8.0, queries, (1, 8, 9, 32, 33)).cdf
    np.testing.assert_array_equal(cdf[0], [[0, 1, 1], [0, 1, 1], [0, 0, 1], [0, 0, 1], [0, 0, 0]])


def test_joint_counts_equal_brute_force():
    first, second, queries = clouds(120), clouds(90, seed=4), clouds(60, batch=1, seed=5)[0]
    truth = []
    for a, b in zip(first, second, strict=True):
        one, two = sorted_distances(a, queries, BOX), sorted_distances(b, queries, BOX)
        both = np.maximum(one[:, :90], two)
        truth.append([counts_of(d, RADII, NEIGHBORS) for d in (one, two, both)])
    sets = [(first, None), (second, None)]
    with jax.enable_x64(True):
        for count in COUNTERS:
            counts = count(sets, RADII, BOX, queries, NEIGHBORS)
            np.testing.assert_array_equal(counts, truth)
        result = joint_neighbor_distribution(
            first, None, second, None, RADII, BOX, queries, NEIGHBORS
        )
        excess = np.asarray(result.excess)
    fraction = np.asarray(truth) / 60
    np.testing.assert_allclose(excess, fraction[:, 2] - fraction[:, 0] * fraction[:, 1], atol=1e-15)


def test_joint_excess_is_zero_for_independent_sets_and_the_variance_for_equal_ones():
    x, other = clouds(150, batch=40, seed=6), clouds(150, batch=40, seed=7)
    queries = clouds(200, batch=40, seed=8)
    radii = [3.0, 5.0, 7.0]
    apart = joint_neighbor_distribution(x, None, other, None, radii, BOX, queries, (1, 2)).mean()
    assert np.all(np.abs(apart.mean) < 4 * apart.error)
    same = joint_neighbor_distribution(x, None, x, None, radii, BOX, queries, (1, 2))
    np.testing.assert_array_equal(same.joint, same.first)
    np.testing.assert_allclose(same.excess, same.first * (1 - same.first), atol=1e-6)
    assert same.mean().mean.max() > 0.2


def test_padding_holds_anything_and_never_speaks():
    x = clouds(130).astype(np.float32)
    queries = clouds(50, seed=9).astype(np.float32)
    mask = np.random.default_rng(10).random((3, 130)) < 0.6
    mask[2] = False
    dirty = np.where(mask[..., None], x, np.nan)
    for count in COUNTERS:
        counts = np.asarray(count([(dirty, mask)], RADII, BOX, queries, NEIGHBORS))[:, 0]
        for i in range(2):
            distances = sorted_distances(x[i][mask[i]].astype(float), queries[i].astype(float), BOX)
            np.testing.assert_array_equal(counts[i], counts_of(distances, RADII, NEIGHBORS))
        assert np.all(counts[2] == 0)  # no points: every sphere is empty
    empty = nearest_neighbor_distribution(dirty, mask, RADII, BOX, queries)
    np.testing.assert_array_equal(empty.void_probability[2], 1.0)


def test_tile_jit_vmap_permutation_and_translation_change_nothing():
    rng = np.random.default_rng(11)
    x = jnp.asarray(rng.integers(0, 1024, (3, 150, 3)) / 32.0, jnp.float32)
    queries = jnp.asarray(rng.integers(0, 1024, (71, 3)) / 32.0, jnp.float32)
    radii = [1.0, 4.0, 10.0]
    truth = np.asarray(nearest_neighbor_distribution(x, None, radii, 32.0, queries).cdf)
    assert 0.01 < truth.mean() < 0.99
    shift = jnp.asarray([17.0, -40.0, 3.5])

    def measure(y):
        return nearest_neighbor_distribution(y, None, radii, 32.0, queries).cdf

    variants = [
        neighbor_counts([(x, None)], radii, 32.0, queries, (1, 2, 4, 8), tile=40)[:, 0] / 71,
        jax.jit(measure)(x),
        jax.vmap(lambda y: measure(y[None])[0])(x),
        measure(x[:, rng.permutation(150)]),
        nearest_neighbor_distribution(x + shift, None, radii, 32.0, queries + shift).cdf,
        nearest_neighbor_distribution(
            x, None, radii, 32.0, queries, counter=neighbor_counts_by_tree
        ).cdf,
    ]
    for variant in variants:
        np.testing.assert_allclose(variant, truth, rtol=1e-7)


@pytest.mark.parametrize("count", COUNTERS)
def test_no_points_one_point_and_no_catalogues(count):
    queries = np.array([[1.0, 1, 1], [1.0, 1, 3.5]])
    none = count([(np.zeros((2, 0, 3)), None)], [1.0, 3.0], 20.0, queries, (1, 2))
    np.testing.assert_array_equal(none, np.zeros((2, 1, 2, 2)))
    one = count([(np.array([[[1.0, 1, 1]]]), None)], [1.0, 3.0], 20.0, queries, (1, 2))
    np.testing.assert_array_equal(one[0, 0], [[1, 2], [0, 0]])
    assert count([(np.zeros((0, 5, 3)), None)], [1.0], 20.0, queries, (1,)).shape == (0, 1, 1, 1)


@pytest.mark.slow
def test_20000_points_equal_the_tree():
    x = np.random.default_rng(12).uniform(0, 200, (1, 20_000, 3))
    queries = np.random.default_rng(13).uniform(0, 200, (20_000, 3))
    arguments = ([(x, None)], np.linspace(2, 15, 10), 200.0, queries, (1, 2, 4, 8, 16, 32))
    with jax.enable_x64(True):
        counts = neighbor_counts(*arguments)
    np.testing.assert_array_equal(counts, neighbor_counts_by_tree(*arguments))


X, Q = np.zeros((1, 4, 3)), np.zeros((2, 3))
NAN = np.full((1, 4, 3), np.nan)
SET = [(X, None)]
BAD = [
    (([(X[0], None)], RADII, BOX, Q, (1,)), r"shape \(batch, points, 3\), got \(4, 3\)"),
    (([(X, np.ones((1, 3)))], RADII, BOX, Q, (1,)), r"a mask of shape \(1, 4\), got \(1, 3\)"),
    (([(NAN, None)], RADII, BOX, Q, (1,)), r"positions of real points finite, got NaN.*; mask"),
    ((SET, [], BOX, Q, (1,)), r"radii of shape \(radii,\), at least one, got \(0,\); pass"),
    ((SET, [2.0, 1.0], BOX, Q, (1,)), r"positive and strictly increasing, got 2 to 1; sort"),
    ((SET, [0.0, 1.0], BOX, Q, (1,)), r"positive and strictly increasing, got 0 to 1; sort"),
    ((SET, [1.0, 15.1], BOX, Q, (1,)), r"half the shortest box side, 15 Mpc/h, got 15.1; lower"),
    ((SET, RADII, BOX, Q[:0], (1,)), r"centres of shape .*, got \(0, 3\); pass at least one"),
    ((SET, RADII, BOX, np.zeros((3, 2, 3)), (1,)), r"for 1 catalogues, got 3; pass \(centers, 3\)"),
    ((SET, RADII, BOX, np.inf * (Q + 1), (1,)), r"expected centres finite, got NaN or infinity"),
    ((SET, RADII, BOX, Q, (0, 1)), r"whole numbers from 1, got \(0, 1\); pass e.g. \(1, 2,"),
    ((SET, RADII, BOX, Q, (2, 2)), r"whole numbers from 1, got \(2, 2\); pass"),
    ((SET, RADII, BOX, Q, ()), r"whole numbers from 1, got \(\); pass"),
    (([*SET, (np.zeros((2, 4, 3)), None)], RADII, BOX, Q, (1,)), r"every set, got \(1, 2\); pair"),
]


@pytest.mark.parametrize("count", COUNTERS)
@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_bad_input_is_named(count, arguments, message):
    with pytest.raises(InputError, match=message):
        count(*arguments)


def test_void_probability_needs_the_first_neighbor_and_lattices_a_side():
    result = nearest_neighbor_distribution(X, None, RADII, BOX, Q, (2, 3))
    with pytest.raises(InputError, match=r"neighbour 1 among those measured, got \(2, 3\); meas"):
        _ = result.void_probability
    with pytest.raises(InputError, match=r"at least 1 centre per side, got 0; pass e.g. 32"):
        lattice_centers(0, BOX)
