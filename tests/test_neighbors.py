import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.extend.core import jaxprs_in_params
from scipy.spatial import cKDTree

from galgen.geometry import Euclidean, Geometry, PeriodicBox
from galgen.neighbors import (
    Automatic,
    BruteForce,
    CellList,
    Method,
    Neighbors,
    Tree,
    nearest_neighbors,
)

POINTS, K = 420, 9
# The default makes 64 cells of 7 here and repairs some rows; the narrow one repairs nearly all.
NARROW = CellList(occupancy=2.0, cells=2, block=100)
# This one has the 64 cells in regions of two, as the default has many more in regions of 64.
REGIONAL = CellList(cells=6, block=100, region=2, regions=8)
METHODS = [BruteForce(), BruteForce(block=50), CellList(), NARROW, REGIONAL, Tree()]
FEW_METHODS = [BruteForce(), NARROW, REGIONAL, Tree()]
JUST_BELOW_ONE = np.nextafter(np.float32(1), np.float32(0))


@functools.cache
def search(k: int, geometry: Geometry, method: Method):
    """Neighbours of clouds and masks, compiled once for a shape."""
    return jax.jit(lambda x, mask: nearest_neighbors(x, k, geometry, mask, method))


def uniform(rng: np.random.Generator) -> np.ndarray:
    return rng.random((POINTS, 3))


def blobs(rng: np.random.Generator) -> np.ndarray:
    centres = rng.random((rng.integers(1, 6), 3))
    return np.mod(rng.choice(centres, POINTS) + rng.normal(0, 0.005, (POINTS, 3)), 1)


def one_cell(rng: np.random.Generator) -> np.ndarray:
    return rng.random(3) + 0.02 * rng.random((POINTS, 3))


def half_crowded(rng: np.random.Generator) -> np.ndarray:
    return np.where(rng.random((POINTS, 1)) < 0.5, 0.001, 1) * rng.random((POINTS, 3))


def faces(rng: np.random.Generator) -> np.ndarray:
    on_face = rng.choice([0, JUST_BELOW_ONE, -1e-9, 1e-9], (POINTS, 3))
    return np.where(rng.random((POINTS, 3)) < 0.5, on_face, rng.random((POINTS, 3)))


def duplicates(rng: np.random.Generator) -> np.ndarray:
    return rng.random((POINTS, 3))[rng.integers(0, rng.choice([1, 5, 100]), POINTS)]


def lattice(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 7, (POINTS, 3)) / 7


def line(rng: np.random.Generator) -> np.ndarray:
    return rng.random((POINTS, 1)) * np.array([1, 1e-3, 0])


def beyond_the_box(rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(-1, 2, (POINTS, 3))


CLOUDS = [
    uniform,
    blobs,
    one_cell,
    half_crowded,
    faces,
    duplicates,
    lattice,
    line,
    beyond_the_box,
]
MASKS = {
    "all": lambda rng: np.ones(POINTS, bool),
    "all but one": lambda rng: np.arange(POINTS) != rng.integers(POINTS),
    "first": lambda rng: np.arange(POINTS) < rng.integers(POINTS),
    "any": lambda rng: rng.random(POINTS) < rng.random(),
    "fewer than k": lambda rng: rng.permutation(POINTS) < rng.integers(2, K),
    "one": lambda rng: np.arange(POINTS) == rng.integers(POINTS),
    "none": lambda rng: np.zeros(POINTS, bool),
}


def assert_nearest(x: np.ndarray, mask: np.ndarray, geometry: Geometry, found: Neighbors) -> None:
    """One cloud's neighbours are those of a tree in double precision."""
    rows = np.flatnonzero(mask)
    indices, displacement, valid = map(np.asarray, (found.indices, found.displacement, found.valid))
    assert not np.any(valid[~mask])
    assert np.all(displacement[~valid] == 0)
    assert np.all(indices[~valid] == 0)
    if not rows.size:
        return
    exact = x[rows].astype(float)
    if geometry.periodic:
        exact = np.mod(np.mod(exact, 1), 1)
    tree = cKDTree(exact, boxsize=1.0 if geometry.periodic else None)
    expected = tree.query(exact, K + 1)[0][:, 1:]
    there = np.isfinite(expected)
    assert np.array_equal(valid[rows], there)
    rounding = 4 * np.finfo(np.float32).eps * max(1, np.abs(x[rows]).max())
    distance = np.linalg.norm(displacement[rows].astype(float), axis=-1)
    np.testing.assert_allclose(distance[there], expected[there], rtol=1e-6, atol=rounding)

    apart = x[indices[rows]].astype(float) - x[rows].astype(float)[:, None]
    if geometry.periodic:
        apart -= np.round(apart)
    chosen = np.linalg.norm(apart, axis=-1)
    np.testing.assert_allclose(chosen[there], expected[there], rtol=1e-6, atol=rounding)
    assert np.all(mask[indices[rows][there]])
    once = np.column_stack([rows, np.where(there, indices[rows], -1 - np.arange(K))])
    assert np.all(np.diff(np.sort(once)) > 0), "a neighbour twice, or the point itself"


@pytest.mark.parametrize("geometry", [PeriodicBox(), Euclidean()], ids=["periodic", "open"])
@pytest.mark.parametrize("method", METHODS, ids=str)
@given(
    cloud=st.sampled_from(CLOUDS), hide=st.sampled_from(sorted(MASKS)), seed=st.integers(0, 2**32)
)
@settings(max_examples=30)
def test_neighbors_are_those_of_a_tree(method: Method, geometry: Geometry, cloud, hide, seed):
    rng = np.random.default_rng(seed)
    # Two clouds that differ: neither may be served from the other.
    x = np.stack([cloud(rng), uniform(rng)]).astype(np.float32)
    mask = np.stack([MASKS[hide](rng), MASKS["any"](rng)])
    poisoned = np.where(mask[..., None], x, np.nan)
    found = search(K, geometry, method)(poisoned, mask)
    for i in range(2):
        assert_nearest(x[i], mask[i], geometry, jax.tree.map(lambda leaf, i=i: leaf[i], found))


@pytest.mark.parametrize("method", FEW_METHODS, ids=str)
def test_padding_is_nobodys_neighbour(method: Method) -> None:
    x = np.random.default_rng(0).random((1, 60, 3), np.float32)
    mask = np.arange(60)[None] < 40
    poisoned = np.where(mask[..., None], x, np.nan)
    found = search(5, PeriodicBox(), method)(poisoned, mask)
    alone = search(5, PeriodicBox(), method)(x[:, :40], None)
    assert np.array_equal(found.indices[0, :40], alone.indices[0])
    assert np.array_equal(found.displacement[0, :40], alone.displacement[0])
    assert not np.any(found.valid[0, 40:])
    assert np.all(np.isfinite(found.displacement))


@pytest.mark.parametrize("method", FEW_METHODS, ids=str)
def test_a_row_that_is_not_finite_shows_and_spoils_no_other(method: Method) -> None:
    x = jnp.array(np.random.default_rng(0).random((1, 60, 3)), jnp.float32)
    broken = nearest_neighbors(x.at[0, 7, 1].set(jnp.nan), 5, PeriodicBox(), method=method)
    without = nearest_neighbors(x, 5, PeriodicBox(), jnp.arange(60)[None] != 7, method)
    others = np.arange(60) != 7
    assert np.all(np.isnan(broken.displacement[0, 7]))
    assert not np.any(broken.valid[0, 7])
    assert np.array_equal(broken.displacement[0, others], without.displacement[0, others])


@pytest.mark.parametrize("method", FEW_METHODS, ids=str)
def test_gradient_flows_through_displacements(method: Method) -> None:
    x = jnp.array(np.random.default_rng(0).random((1, 12, 3)), jnp.float32)

    def energy(x):
        # All the others, so that no neighbour changes under the shift.
        return jnp.sum(nearest_neighbors(x, 11, Euclidean(), method=method).displacement ** 4)

    differentiate = jax.jit(jax.grad(jax.checkpoint(energy)))
    differentiate(x)
    with jax.transfer_guard("disallow"):
        gradient = differentiate(x)
    shift = jnp.zeros_like(x).at[0, 4, 1].set(1e-3)
    numerical = (energy(x + shift) - energy(x - shift)) / 2e-3
    assert gradient[0, 4, 1] == pytest.approx(float(numerical), rel=2e-2)


@pytest.mark.parametrize("method", [BruteForce(), CellList()], ids=str)
def test_nothing_grows_with_the_square_of_the_points(method: Method) -> None:
    def largest(jaxpr):
        sizes = [out.aval.size for equation in jaxpr.eqns for out in equation.outvars]
        inner = [largest(sub) for e in jaxpr.eqns for sub in jaxprs_in_params(e.params)]
        return max([*sizes, *inner])

    sizes = []
    for points in (2048, 8192):
        x = jax.ShapeDtypeStruct((1, points, 3), jnp.float32)
        made = jax.make_jaxpr(lambda x: nearest_neighbors(x, 20, PeriodicBox(), None, method))(x)
        sizes.append(largest(made.jaxpr))
    assert sizes[1] <= 4 * sizes[0]


@pytest.mark.parametrize(("points", "chosen"), [(1000, BruteForce()), (2000, CellList())])
def test_automatic_chooses_by_the_number_of_rows(points: int, chosen: Method) -> None:
    def program(method):
        x = jax.ShapeDtypeStruct((1, points, 3), jnp.float32)
        return str(jax.make_jaxpr(lambda x: method.search(x, x[..., 0] > 0, 8, PeriodicBox()))(x))

    assert program(Automatic()) == program(chosen)
    assert program(Automatic(small=points)) == program(CellList())
    assert "callback" not in program(Automatic())


@pytest.mark.parametrize("method", FEW_METHODS, ids=str)
def test_fewer_points_than_neighbours(method: Method) -> None:
    """All the others are found, whatever the number of rows, down to one row."""
    x = np.random.default_rng(0).random((1, 12, 3)).astype(np.float32)
    for rows in (1, 2, K, 12):
        for points in {0, 1, 2, 5, K, rows}:
            cloud, mask = x[0, :rows], np.arange(rows) < points
            poisoned = np.where(mask[:, None], cloud, np.nan)[None]
            found = search(K, PeriodicBox(), method)(poisoned, mask[None])
            assert found.valid.shape == (1, rows, K)
            there = min(points, rows)
            assert int(found.valid.sum()) == there * min(max(there - 1, 0), K)
            assert_nearest(cloud, mask, PeriodicBox(), jax.tree.map(lambda leaf: leaf[0], found))


def test_no_neighbours_at_all_are_refused() -> None:
    with pytest.raises(ValueError, match="expected k of at least 1 neighbour, got k=0; 16"):
        nearest_neighbors(jnp.zeros((1, 20, 3)), 0, PeriodicBox())
