"""Pair counts are the integers of brute force and of scipy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pair_reference import brute_force, counts_by_tree, separations

from galgen.errors import InputError
from galgen.statistics.binning import reached_from
from galgen.statistics.digitizing import digitize
from galgen.statistics.pairs import columns
from galgen.statistics.pairs.bins import AngleBins, ProjectedBins, SeparationBins
from galgen.statistics.pairs.cells import equal_cells, sums_by_cells
from galgen.statistics.pairs.columns import sums_by_columns
from galgen.statistics.pairs.counts import as_points, cross_pair_counts, pair_counts, pair_sums
from galgen.statistics.pairs.points import Product
from galgen.statistics.pairs.tiles import sums_by_tiles

BOX = np.array([30.0, 40.0, 50.0])
EDGES = np.array([0.0, 0.7, 2.0, 5.5, 9.0, 14.99])


def small_tiles(*arguments):
    return sums_by_tiles(*arguments, tile=64)


METHODS = [sums_by_tiles, small_tiles, sums_by_cells, sums_by_columns]


def clouds(points, batch=3, seed=0):
    return np.random.default_rng(seed).uniform(0, BOX, (batch, points, 3))


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("points", [2, 300])
def test_float64_counts_equal_brute_force(points, periodic):
    x = clouds(points)
    truth = [brute_force(cloud, EDGES, BOX, periodic) for cloud in x]
    with jax.enable_x64(True):
        counts = np.asarray(pair_counts(x, None, EDGES, BOX, periodic, method=small_tiles))
    np.testing.assert_array_equal(counts, truth)
    for method in (sums_by_cells, sums_by_columns):
        found = pair_counts(x, None, EDGES, BOX, periodic, method=method)
        np.testing.assert_array_equal(found, truth)
        assert found.dtype == np.int64
    assert points == 2 or counts.sum() > 0


@pytest.mark.parametrize("double", [True, False])
@pytest.mark.parametrize("periodic", [True, False])
def test_a_lattice_with_faces_duplicates_and_pairs_on_edges(periodic, double):
    """Quarter-integer coordinates are exact in float32 too, so ties on the edges must fall right.

    The last edge is just below half the box.
    """
    rng = np.random.default_rng(1)
    side = np.array([16.0, 16.0, 16.0])
    x = rng.integers(0, 65, (2, 400, 3)) / 4.0  # 64 / 4 = 16 is the upper face
    x[:, :40] = x[:, 40:80]
    edges = np.array([0.0, 0.25, 0.5, 1.0, 1.5, 2.5, 5.0, 7.5, 7.99])
    truth = [brute_force(cloud % side if periodic else cloud, edges, side, periodic) for cloud in x]
    points = x if double else x.astype(np.float32)
    with jax.enable_x64(double):
        for method in METHODS:
            counts = pair_counts(points, None, edges, side, periodic, method=method)
            np.testing.assert_array_equal(counts, truth)
    assert np.all(np.asarray(truth)[:, 0] >= 80)  # the duplicates, at zero separation


def test_bins_are_closed_below_and_open_above():
    x = np.array([[[1.0, 1, 1], [3.0, 1, 1]]])
    for method in METHODS:
        counts = pair_counts(x, None, [1.0, 2.0, 3.0], 20.0, method=method)
        np.testing.assert_array_equal(counts, [[0, 2]])


def test_padding_holds_anything_and_never_speaks():
    x = clouds(130).astype(np.float32)
    mask = np.random.default_rng(2).random((3, 130)) < 0.6
    mask[2] = False
    dirty = np.where(mask[..., None], x, np.nan)
    for method in METHODS:
        counts = np.asarray(pair_counts(dirty, mask, EDGES, BOX, method=method))
        for index in range(3):
            np.testing.assert_array_equal(
                counts[index], brute_force(x[index][mask[index]].astype(float), EDGES, BOX, True)
            )


def test_tile_jit_vmap_permutation_and_translation_change_nothing():
    x = jnp.asarray(np.random.default_rng(3).integers(0, 1024, (4, 150, 3)) / 32.0, jnp.float32)
    box = (32.0, 32.0, 32.0)
    edges = [0.0, 1.0, 4.0, 10.0, 15.0]
    truth = np.asarray(pair_counts(x, None, edges, box))
    assert truth.sum() > 1000
    variants = [pair_counts(x, None, edges, box, method=method) for method in METHODS]
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
    truth = [counts_by_tree(x[0], edges, 100.0)]
    with jax.enable_x64(True):
        tiles = pair_counts(x, None, edges, 100.0, method=sums_by_tiles)
    np.testing.assert_array_equal(tiles, truth)
    np.testing.assert_array_equal(pair_counts(x, None, edges, 100.0), truth)
    single = np.asarray(pair_counts(jnp.asarray(x), None, edges, 100.0), np.int64)
    assert np.abs(single - truth).max() <= 1e-6 * np.sum(truth)


def test_every_pair_is_counted_once_in_an_open_box():
    x = clouds(211, batch=1).astype(np.float32)
    assert int(pair_counts(x, None, [0.0, 1000.0], BOX, periodic=False)[0, 0]) == 211 * 210


def test_no_pairs_without_points():
    for points in (0, 1):
        x = np.zeros((2, points, 3))
        for method in METHODS:
            counts = pair_counts(x, None, EDGES, BOX, method=method)
            np.testing.assert_array_equal(counts, np.zeros((2, 5)))


@pytest.mark.slow
def test_20000_points_equal_the_tree():
    x = np.random.default_rng(6).uniform(0, 200, (1, 20_000, 3))
    edges = np.linspace(0, 40, 9)
    truth = [counts_by_tree(x[0], edges, 200.0)]
    np.testing.assert_array_equal(pair_counts(x, None, edges, 200.0), truth)
    with jax.enable_x64(True):
        tiles = pair_counts(x, None, edges, 200.0, method=sums_by_tiles)
    np.testing.assert_array_equal(tiles, truth)


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


@pytest.mark.parametrize("convert", [np.asarray, jnp.asarray])
@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_bad_input_is_named(convert, arguments, message):
    with pytest.raises(InputError, match=message):
        pair_counts(convert(arguments[0]), *arguments[1:])


def test_too_many_points_for_int32_are_refused():
    with pytest.raises(InputError, match=r"at most 46341 points .* got 46342; use sums_by_cells"):
        jax.eval_shape(
            lambda x: pair_counts(x, None, EDGES, BOX),
            jax.ShapeDtypeStruct((1, 46_342, 3), jnp.float32),
        )


def test_a_position_that_is_not_finite_is_refused_where_it_can_be_seen():
    x = np.zeros((1, 4, 3))
    x[0, 2, 1] = np.nan
    with pytest.raises(InputError, match="positions of real points finite, got NaN"):
        pair_counts(x, None, EDGES, BOX, method=sums_by_cells)


def test_weights_and_batches_of_another_shape_are_refused():
    with pytest.raises(InputError, match=r"expected weights of shape \(1, 4\), got \(1, 3\); pass"):
        pair_counts(X, None, EDGES, BOX, weights=np.ones((1, 3)))
    with pytest.raises(InputError, match="as many catalogues in both batches, got 1 and 2; pair"):
        cross_pair_counts(X, None, np.zeros((2, 4, 3)), None, EDGES, BOX)


@pytest.mark.parametrize("method", [sums_by_tiles, sums_by_cells, sums_by_columns])
@pytest.mark.parametrize("periodic", [True, False])
def test_weighted_and_cross_counts_equal_brute_force(method, periodic):
    rng = np.random.default_rng(7)
    x, y = (rng.uniform(0, BOX, (2, points, 3)) for points in (230, 410))
    w, v = (rng.uniform(0.2, 3.0, cloud.shape[:2]) for cloud in (x, y))
    keep = rng.random(y.shape[:2]) < 0.8
    with jax.enable_x64(True):
        auto = pair_counts(x, None, EDGES, BOX, periodic, w, method)
        counts = cross_pair_counts(x, None, y, keep, EDGES, BOX, periodic, method=method)
        cross = cross_pair_counts(x, None, y, keep, EDGES, BOX, periodic, w, v, method)
    for i in range(2):
        other, weight = y[i][keep[i]], v[i][keep[i]]
        truth = brute_force(x[i], EDGES, BOX, periodic, weights=w[i])
        np.testing.assert_allclose(auto[i], truth, rtol=1e-12)
        truth = brute_force(x[i], EDGES, BOX, periodic, other)
        np.testing.assert_array_equal(counts[i], truth)
        truth = brute_force(x[i], EDGES, BOX, periodic, other, w[i], weight)
        np.testing.assert_allclose(cross[i], truth, rtol=1e-12)


def test_float32_weights_keep_a_millionth():
    rng = np.random.default_rng(8)
    x = rng.uniform(0, 100, (1, 3000, 3)).astype(np.float32)
    w = rng.uniform(0.5, 1.5, (1, 3000)).astype(np.float32)
    edges = [0.0, 10.0, 20.0, 40.0]
    exact = pair_counts(x.astype(float), None, edges, 100.0, weights=w, method=sums_by_cells)
    single = pair_counts(x, None, edges, 100.0, weights=w, method=sums_by_tiles)
    assert np.abs(np.asarray(single, float) - exact).max() <= 1e-6 * exact.sum()


def angle_index(apart, middle, bins):
    s = np.sqrt((apart**2).sum(-1))
    if bins.line_of_sight is None:
        along = np.abs((apart * middle).sum(-1)) / np.linalg.norm(middle, axis=-1)
    else:
        along = np.abs(apart[..., bins.line_of_sight])
    if isinstance(bins, AngleBins):
        second = np.minimum(along / np.where(s > 0, s, 1) * bins.mu_bins, bins.mu_bins - 1)
        return s, second
    across = np.sqrt(np.maximum(s**2 - along**2, 0))
    return across, np.where(along < bins.pi_max, along * bins.pi_bins / bins.pi_max, -1)


LINE_OF_SIGHT_BINS = {
    "mu": AngleBins((0.5, 3.0, 8.0, 14.0), 7, 0),
    "mu midpoint": AngleBins((0.5, 3.0, 8.0, 14.0), 7, None),
    "pi": ProjectedBins((0.0, 2.0, 5.0, 9.0), 12.0, 0, 1),
    "pi midpoint": ProjectedBins((0.3, 2.0, 5.0, 9.0), 12.0, 5, None),
}


# Both kinds of bins, both lines of sight; the other pairs of them are slow.
@pytest.mark.parametrize("method", [sums_by_tiles, sums_by_cells, sums_by_columns])
@pytest.mark.parametrize(
    "bins",
    [
        pytest.param(bins, id=name, marks=[pytest.mark.slow] * (name in ("mu midpoint", "pi")))
        for name, bins in LINE_OF_SIGHT_BINS.items()
    ],
)
def test_bins_along_the_line_of_sight_equal_numpy(bins, method):
    """Auto and cross, counted to the integer and weighted to 1e-12."""
    x, y = clouds(180, 1, seed=9), clouds(150, 1, seed=13)
    w, v = (np.random.default_rng(14).uniform(0.2, 3, c.shape[:2]) for c in (x, y))
    periodic = bins.line_of_sight is not None
    arguments = (bins, BOX, periodic)
    with jax.enable_x64(True):
        auto = pair_counts(x, None, *arguments, method=method)
        cross = cross_pair_counts(x, None, y, None, *arguments, method=method)
        weighted = pair_counts(x, None, *arguments, w, method)
        both = cross_pair_counts(x, None, y, None, *arguments, w, v, method)

    def histogram(other, product=None, own=False):
        apart = separations(x[0], other, BOX if periodic else None)
        radial, second = angle_index(apart, x[0][:, None] + other, bins)
        chosen = second >= 0
        if own:
            chosen &= ~np.eye(180, dtype=bool)
        edges = (np.asarray(bins.edges), np.arange(bins.shape[1] + 1) - 0.5)
        weights = None if product is None else product[chosen]
        return np.histogram2d(radial[chosen], np.floor(second[chosen]), edges, weights=weights)[0]

    np.testing.assert_array_equal(auto[0], histogram(x[0], own=True))
    np.testing.assert_array_equal(cross[0], histogram(y[0]))
    assert np.sum(auto) > 500 and np.sum(cross) > 500
    np.testing.assert_allclose(weighted[0], histogram(x[0], w.T * w, own=True), rtol=1e-12)
    np.testing.assert_allclose(both[0], histogram(y[0], w.T * v), rtol=1e-12)


def test_pairs_at_one_place_and_along_the_line_of_sight_have_a_bin():
    x = np.array([[[1.0, 1, 1], [1.0, 1, 1], [1.0, 1, 4]]])
    for method in METHODS:
        counts = np.asarray(
            pair_counts(x, None, AngleBins((0.0, 1.0, 5.0), 4), 20.0, method=method)
        )
        truth = np.zeros((2, 4))
        truth[0, 0], truth[1, 3] = 2, 4
        np.testing.assert_array_equal(counts[0], truth)


EDGE_SETS = {
    "from zero": [0.0, 0.7, 2.0, 5.5],
    "logarithmic": np.geomspace(1e-3, 150.0, 40),
    "linear": np.linspace(0.0, 150.0, 151),
    "close": [1.0, 1.0 + 1e-6, 1.0 + 3e-6, 2.0, 2.0000002],
    "two": [3.0, 1e4],
}


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("edges", EDGE_SETS.values(), ids=EDGE_SETS)
def test_digitizing_is_a_comparison_with_every_edge(edges, double):
    dtype = np.float64 if double else np.float32
    limits = np.asarray(edges, np.float64)
    exact = limits.astype(dtype)
    rng = np.random.default_rng(12)
    values = [rng.uniform(0, 1.2 * limits[-1], 500), rng.uniform(0, 3, 500), exact, [0.0, 1e30]]
    values += [np.nextafter(exact, side) for side in (0, np.inf)]
    values += [exact * (1 + sign * 1e-12) for sign in (-1, 1)]
    given = np.concatenate(values).astype(dtype)
    with jax.enable_x64(double):
        found = np.asarray(jax.jit(lambda given: digitize(given, limits))(given))
    np.testing.assert_array_equal(found, np.sum(given[:, None] >= exact, axis=1))


@pytest.mark.parametrize("reach", [0.02, 3.0, 14.99])
@pytest.mark.parametrize("points", [40, 3000])
def test_columns_wide_and_narrow_equal_brute_force(points, reach):
    """A box of one column, of many, and of more than there are points; auto and cross."""
    rng = np.random.default_rng(15)
    x, y = rng.uniform(0, BOX, (points, 3)), rng.uniform(-BOX, 2 * BOX, (points // 2, 3))
    x[::5] = x[0] + rng.normal(0, 0.01, (len(x[::5]), 3))
    edges = reach * np.array([0.1, 0.5, 1.0])
    for periodic in (True, False):
        found = pair_counts(x[None], None, edges, BOX, periodic, method=sums_by_columns)
        np.testing.assert_array_equal(found[0], brute_force(x, edges, BOX, periodic))
        found = cross_pair_counts(
            x[None], None, y[None], None, edges, BOX, periodic, method=sums_by_columns
        )
        np.testing.assert_array_equal(found[0], brute_force(x, edges, BOX, periodic, y))


@pytest.mark.parametrize("edges", EDGE_SETS.values(), ids=EDGE_SETS)
def test_bins_of_columns_are_a_comparison_with_every_edge(edges):
    """Pairs of one point at the origin with others along an axis, on the edges and beside them."""
    limits = np.asarray(edges, np.float64)
    values = [np.nextafter(limits[:, None] * factor, [-1, 1]) for factor in (1, 1 + 1e-10, 0.7)]
    values = np.concatenate([v.ravel() for v in values] + [limits])
    values = np.unique(values[values >= 0])
    others = np.zeros((1, len(values), 3))
    others[0, :, 1] = values
    found = cross_pair_counts(
        np.zeros((1, 1, 3)), None, others, None, limits, 1.0, False, method=sums_by_columns
    )
    reached = np.sum(values[:, None] ** 2 >= reached_from(limits) ** 2, axis=1)
    np.testing.assert_array_equal(found[0], np.bincount(reached, minlength=len(limits))[1:-1])


@pytest.mark.parametrize("threads", [1, 3])
def test_the_number_of_threads_changes_no_bit(threads, monkeypatch):
    x = clouds(4000, 1, seed=16)
    w = np.random.default_rng(17).normal(0, 1, x.shape[:2])
    whole = pair_counts(x, None, EDGES, BOX, weights=w, method=sums_by_columns)
    monkeypatch.setattr(columns, "_threads", lambda: threads)
    np.testing.assert_array_equal(
        pair_counts(x, None, EDGES, BOX, weights=w, method=sums_by_columns), whole
    )


class Doubled(Product):
    """Twice the product: columns know nothing of it."""

    def of(self, apart, first, second):
        return [2 * first[0] * second[0]]


def test_quantities_of_others_are_summed_by_tiles_and_cells():
    x = clouds(300, 1, seed=18)
    points = as_points(x, None, np.ones(x.shape[:2]))
    twice = pair_sums(points, None, EDGES, BOX, quantity=Doubled())
    np.testing.assert_allclose(twice[:, 0], 2 * pair_counts(x, None, EDGES, BOX), rtol=1e-12)


def test_clustered_and_duplicate_points():
    rng = np.random.default_rng(10)
    parents = rng.uniform(0, BOX, (12, 3))
    x = (np.repeat(parents, 150, axis=0) + rng.normal(0, 0.4, (1800, 3))) % BOX
    x[:90] = x[90]
    truth = brute_force(x, EDGES, BOX, True)
    for method in (sums_by_cells, sums_by_columns):
        np.testing.assert_array_equal(
            pair_counts(x[None], None, EDGES, BOX, method=method)[0], truth
        )
    assert truth[0] >= 90 * 89


@pytest.mark.parametrize("points", [1, 2, 31, 32, 33, 1000])
def test_cells_hold_every_point_once(points):
    cells = equal_cells(np.random.default_rng(points).uniform(0, 1, (points, 3)))
    rows = cells.rows[cells.rows >= 0]
    np.testing.assert_array_equal(np.sort(rows), np.arange(points))
    assert cells.rows.shape[1] <= 16 and len(cells.rows) == 2 ** (len(cells.centre) - 1)


@pytest.mark.slow
def test_counts_beyond_int32_are_exact():
    """70,000 points at one of two places: 4.9e9 ordered pairs, more than int32 or float32 holds."""
    x = np.zeros((1, 70_000, 3))
    x[0, 30_000:, 0] = 5.0
    counts = pair_counts(x, None, [0.0, 1.0, 6.0], 20.0)[0]
    same = 30_000 * 29_999 + 40_000 * 39_999
    np.testing.assert_array_equal(counts, [same, 2 * 30_000 * 40_000])


def test_weighted_sums_differentiate_in_the_weights():
    x = jnp.asarray(clouds(60, 1, seed=11), jnp.float32)

    def last_bin(w):
        points = as_points(x, None, w)
        return pair_sums(points, None, EDGES, BOX, quantity=Product())[0, 0, 4]

    w = jnp.linspace(0.5, 1.5, 60)[None]
    gradient = jax.grad(last_bin)(w)[0]
    step = jnp.zeros_like(w).at[0, 7].set(0.5)
    truth = last_bin(w + step) - last_bin(w - step)
    assert abs(gradient[7] - truth) < 1e-4 * abs(truth) and truth > 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SeparationBins((1.0,)), r"expected edges of shape \(bins \+ 1,\)"),
        (lambda: AngleBins((1.0, 2.0), 0), "mu_bins of at least 1, got 0; 100 is usual"),
        (lambda: AngleBins((1.0, 2.0), 5, 3), "a line of sight of 0, 1 or 2"),
        (lambda: ProjectedBins((1.0, 2.0), -1.0), "a positive pi_max in Mpc/h, got -1.0; 40"),
        (lambda: ProjectedBins((1.0, 2.0), 2.5), "a whole pi_max for bins of 1 Mpc/h, got 2.5"),
    ],
)
def test_bad_bins_are_named(make, message):
    with pytest.raises(InputError, match=message):
        make()
