"""Pair counts are the integers of brute force and of scipy."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from galgen.errors import InputError
from galgen.statistics.pair_counts import counts_by_tree, pair_counts

BOX = np.array([30.0, 40.0, 50.0])
EDGES = np.array([0.0, 0.7, 2.0, 5.5, 9.0, 14.99])


def brute_force(points, edges, box, periodic):
    """Ordered pairs by the full N x N matrix, in NumPy float64."""
    difference = np.abs(points[:, None] - points[None])
    if periodic:
        difference = np.minimum(difference, box - difference)
    squared = (difference**2).sum(-1)
    squared[np.diag_indices(len(points))] = np.inf
    return np.array(
        [
            np.sum((squared >= low**2) & (squared < high**2))
            for low, high in itertools.pairwise(edges)
        ]
    )


def clouds(points, batch=3, seed=0):
    return np.random.default_rng(seed).uniform(0, BOX, (batch, points, 3))


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("points", [2, 300])
def test_float64_counts_equal_brute_force(points, periodic):
    x = clouds(points)
    truth = [brute_force(cloud, EDGES, BOX, periodic) for cloud in x]
    with jax.enable_x64(True):
        counts = np.asarray(pair_counts(x, None, EDGES, BOX, periodic, tile=64))
    np.testing.assert_array_equal(counts, truth)
    np.testing.assert_array_equal(counts_by_tree(x, None, EDGES, BOX, periodic), truth)
    assert points == 2 or counts.sum() > 0


@pytest.mark.parametrize("periodic", [True, False])
def test_float32_on_a_lattice_with_faces_duplicates_and_pairs_on_edges(periodic):
    """Quarter-integer coordinates are exact in float32, so ties on the edges must fall right."""
    rng = np.random.default_rng(1)
    side = np.array([16.0, 16.0, 16.0])
    x = rng.integers(0, 65, (2, 400, 3)) / 4.0  # 64 / 4 = 16 is the upper face
    x[:, :40] = x[:, 40:80]
    edges = np.array([0.0, 0.25, 0.5, 1.0, 1.5, 2.5, 5.0, 7.5])
    truth = [brute_force(cloud % side if periodic else cloud, edges, side, periodic) for cloud in x]
    counts = pair_counts(x.astype(np.float32), None, edges, side, periodic, tile=128)
    np.testing.assert_array_equal(counts, truth)
    np.testing.assert_array_equal(counts_by_tree(x, None, edges, side, periodic), truth)
    assert np.all(np.asarray(truth)[:, 0] >= 80)  # the duplicates, at zero separation


def test_bins_are_closed_below_and_open_above():
    x = np.array([[[1.0, 1, 1], [3.0, 1, 1]]])
    for count in (pair_counts, counts_by_tree):
        np.testing.assert_array_equal(count(x, None, [1.0, 2.0, 3.0], 20.0), [[0, 2]])


def test_padding_holds_anything_and_never_speaks():
    x = clouds(130).astype(np.float32)
    mask = np.random.default_rng(2).random((3, 130)) < 0.6
    mask[2] = False
    dirty = np.where(mask[..., None], x, np.nan)
    counts = np.asarray(pair_counts(dirty, mask, EDGES, BOX, tile=32))
    for index in range(3):
        np.testing.assert_array_equal(
            counts[index], brute_force(x[index][mask[index]].astype(float), EDGES, BOX, True)
        )
    np.testing.assert_array_equal(counts, counts_by_tree(dirty, mask, EDGES, BOX))


def test_tile_jit_vmap_permutation_and_translation_change_nothing():
    x = jnp.asarray(np.random.default_rng(3).integers(0, 1024, (4, 150, 3)) / 32.0, jnp.float32)
    box = (32.0, 32.0, 32.0)
    edges = [0.0, 1.0, 4.0, 10.0, 15.0]
    truth = np.asarray(pair_counts(x, None, edges, box))
    assert truth.sum() > 1000
    variants = [pair_counts(x, None, edges, box, tile=tile) for tile in (40,)]
    variants += [
        jax.jit(lambda y: pair_counts(y, None, edges, box))(x),
        jax.vmap(lambda y: pair_counts(y[None], None, edges, box)[0])(x),
        pair_counts(x[:, np.random.default_rng(4).permutation(150)], None, edges, box),
        pair_counts(x + jnp.asarray([17.0, -40.0, 3.5]), None, edges, box),
    ]
    for variant in variants:
        np.testing.assert_array_equal(variant, truth)


@pytest.mark.slow
def test_without_jit_the_counts_are_the_same():
    x = clouds(40).astype(np.float32)
    with jax.disable_jit():
        plain = pair_counts(x, None, EDGES, BOX)
    np.testing.assert_array_equal(plain, pair_counts(x, None, EDGES, BOX))


def test_5000_points_equal_the_tree():
    x = np.random.default_rng(5).uniform(0, 100, (1, 5000, 3))
    edges = np.linspace(0, 40, 11)
    truth = counts_by_tree(x, None, edges, 100.0)
    with jax.enable_x64(True):
        np.testing.assert_array_equal(pair_counts(x, None, edges, 100.0), truth)
    single = np.asarray(pair_counts(x, None, edges, 100.0), np.int64)
    assert np.abs(single - truth).max() <= 1e-6 * truth.sum()


def test_every_pair_is_counted_once_in_an_open_box():
    x = clouds(211, batch=1).astype(np.float32)
    assert int(pair_counts(x, None, [0.0, 1000.0], BOX, periodic=False)[0, 0]) == 211 * 210


def test_no_pairs_without_points():
    for points in (0, 1):
        x = np.zeros((2, points, 3))
        np.testing.assert_array_equal(pair_counts(x, None, EDGES, BOX), np.zeros((2, 5)))
        np.testing.assert_array_equal(counts_by_tree(x, None, EDGES, BOX), np.zeros((2, 5)))


@pytest.mark.slow
def test_20000_points_equal_the_tree():
    x = np.random.default_rng(6).uniform(0, 200, (1, 20_000, 3))
    edges = np.linspace(0, 40, 9)
    with jax.enable_x64(True):
        counts = pair_counts(x, None, edges, 200.0)
    np.testing.assert_array_equal(counts, counts_by_tree(x, None, edges, 200.0))


X = np.zeros((1, 4, 3))
BAD = [
    ((X[0], None, EDGES, BOX), r"expected positions of shape \(batch, points, 3\), got \(4, 3\)"),
    ((X, np.ones((1, 3)), EDGES, BOX), r"expected a mask of shape \(1, 4\), got \(1, 3\); pass"),
    ((X, None, [1.0], BOX), r"expected edges of shape \(bins \+ 1,\).* got \(1,\); pass"),
    ((X, None, [2.0, 1.0], BOX), r"finite and strictly increasing, got \[2, 1\]; sort"),
    ((X, None, [0.0, np.nan], BOX), r"finite and strictly increasing, got \[0, nan\]; sort"),
    ((X, None, [-1.0, 1.0], BOX), r"expected edges not below 0, got -1; start"),
    ((X, None, [1.0, 15.0], BOX), r"below half the shortest box side, 15 Mpc/h, got 15; lower"),
    ((X, None, EDGES, (1.0, 2.0)), r"expected a box of 3 sides in Mpc/h, got shape \(2,\);"),
    ((X, None, EDGES, (30.0, 0.0, 30.0)), r"positive box sides in Mpc/h, got \[30, 0, 30\];"),
]


@pytest.mark.parametrize("count", [pair_counts, counts_by_tree])
@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_bad_input_is_named(count, arguments, message):
    with pytest.raises(InputError, match=message):
        count(*arguments)


def test_too_many_points_for_int32_are_refused():
    with pytest.raises(InputError, match=r"at most 46341 points .* got 46342; use counts_by_tree"):
        pair_counts(np.zeros((1, 46_342, 3), np.float32), None, EDGES, BOX)
