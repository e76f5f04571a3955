import functools
import itertools
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.optimize import linear_sum_assignment

from galgen.generative import (
    BisectionAssignment,
    Independent,
    LinearPath,
    MinibatchTransport,
    OptimalAssignment,
    ProductPath,
    SinkhornAssignment,
    SpaceFillingCurve,
    TorusDiffusion,
    TorusGeodesic,
)
from galgen.generative.coupling.sinkhorn import auction, entropic_potentials
from galgen.geometry import hilbert_code
from galgen.serialization import from_json, to_json

KEY = jax.random.key(9)
TORUS, OPEN = TorusGeodesic(), LinearPath()
WITHIN = [
    OptimalAssignment(),
    OptimalAssignment(blur=0.7),
    SinkhornAssignment(),
    SpaceFillingCurve(),
    BisectionAssignment(),
]
ALL = [Independent(), *WITHIN]
within = pytest.mark.parametrize("coupling", WITHIN, ids=repr)
every = pytest.mark.parametrize("coupling", ALL, ids=repr)
jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


@functools.cache
def compiled(coupling, path):
    """One function for each coupling and path, so that a shape compiles once in this file."""
    return jit(lambda key, base, data, mask: coupling(key, path, base, data, mask))


def couple(coupling, path, base, data, mask=None, key=KEY):
    mask = np.ones(data.shape[:2], bool) if mask is None else mask
    return np.asarray(compiled(coupling, path)(key, base, data, mask))


def uniform(seed, clouds=100, points=64, dim=3):
    rng = np.random.default_rng(seed)
    return rng.random((clouds, points, dim), np.float32)


def clustered(seed, clouds=100, points=64):
    """Exchangeable rows, clustered, of a law that does not know where the origin is."""
    rng = np.random.default_rng(seed)
    centres = rng.random((clouds, points // 16, 3))
    member = rng.integers(points // 16, size=(clouds, points, 1))
    scatter = 0.03 * rng.normal(size=(clouds, points, 3))
    return np.mod(np.take_along_axis(centres, member, axis=1) + scatter, 1.0).astype(np.float32)


def displacement(base, data):
    """The shortest ways on the torus."""
    way = data - base
    return way - np.round(way)


def squared(way) -> float:
    return float(np.mean(np.sum(way**2, axis=-1)))


def first(number):
    """A mask of so many real rows in each cloud."""
    return np.broadcast_to(np.arange(64) < number, (100, 64))


@pytest.mark.parametrize("coupling", [OptimalAssignment(), SinkhornAssignment(tolerance=1e-3)])
def test_assignment_is_the_best_of_all_permutations(coupling) -> None:
    base, data = uniform(0), uniform(1)
    coupled = couple(coupling, TORUS, base, data, first(6))
    for b, d, c in zip(base[:5, :6], data[:5, :6], coupled[:5, :6], strict=True):
        best = min(squared(displacement(b[list(p)], d)) for p in itertools.permutations(range(6)))
        assert squared(displacement(c, d)) == pytest.approx(best, rel=2e-3)


@every
@pytest.mark.parametrize("path", [TORUS, OPEN], ids=["torus", "open"])
def test_real_rows_are_permuted_and_padding_stays(coupling, path) -> None:
    base, data = uniform(0), clustered(1)
    mask = np.arange(64) < np.resize([64, 41, 1, 0], (100, 1))
    coupled = couple(coupling, path, base, data, mask)
    for before, after, real in zip(base, coupled, mask, strict=True):
        rows = [np.unique(cloud[real], axis=0) for cloud in (before, after)]
        assert np.array_equal(*rows), "the base rows of a cloud changed: not a permutation"
        assert np.array_equal(before[~real], after[~real]), "padding was mixed in"
    if not isinstance(coupling, Independent):
        assert np.mean(coupled[mask] != base[mask]) > 0.8, "little was paired"
    poison = np.where(mask[..., None], 0.0, np.nan).astype(np.float32)
    again = couple(coupling, path, base + poison, data + poison, mask)
    assert np.array_equal(coupled[mask], again[mask]), "what was in the padding mattered"


@every
def test_each_row_of_the_base_keeps_its_law(coupling) -> None:
    """Rows of the data being exchangeable, the base row of any one of them is a base draw."""
    coupled = couple(coupling, TORUS, uniform(3), clustered(4))
    for row, axis in ((0, 0), (17, 1), (63, 2)):
        assert stats.kstest(coupled[:, row, axis], "uniform").pvalue > 1e-3


@pytest.mark.parametrize("make", [uniform, clustered])
def test_couplings_in_the_order_of_their_cost(make) -> None:
    base, data = uniform(5), make(6)
    costs = [
        squared(displacement(couple(coupling, TORUS, base, data), data))
        for coupling in (
            OptimalAssignment(),
            SinkhornAssignment(),
            BisectionAssignment(),
            BisectionAssignment(sweeps=0),
            SpaceFillingCurve(),
            Independent(),
        )
    ]
    assert costs == sorted(costs)
    least, sinkhorn, swept, halved, curve, independent = costs
    assert sinkhorn < 1.02 * least and swept < 1.9 * least and halved < 3.2 * least
    assert swept < 0.8 * halved and curve < 0.9 * independent
    assert independent == pytest.approx(3 / 12, rel=0.1)  # of a minimum-image displacement


@every
@pytest.mark.parametrize("points", [8, 64])
def test_length_says_how_far_a_row_travels(coupling, points) -> None:
    base, data, mask = uniform(5), uniform(6), first(points)
    coupled = couple(coupling, TORUS, base, data, mask)
    travelled = squared(displacement(coupled, data)[:, :points]) ** 0.5
    assert 0.4 < travelled / coupling.length(jnp.asarray(data), jnp.asarray(mask))[0] < 2.0


def test_what_takes_long_is_told_beforehand() -> None:
    def shapes(clouds, points):
        """Traced alone."""
        x, real = jnp.zeros((clouds, points, 3)), jnp.ones((clouds, points), bool)
        return jax.eval_shape(
            functools.partial(OptimalAssignment().order, KEY, LinearPath()), x, x, real
        )

    with pytest.warns(UserWarning, match=r"32 clouds of 1000 points takes about 1.3 s a step"):
        shapes(32, 1000)
    assert shapes(16, 1000).shape == (16, 1000)


def test_blur_goes_from_optimal_to_independent() -> None:
    base, data = uniform(5), uniform(6)
    costs = [
        squared(displacement(couple(OptimalAssignment(blur), TORUS, base, data), data))
        for blur in (0.0, 0.7, 50.0)
    ]
    independent = 3 / 12
    assert costs[0] < costs[1] < 0.8 * independent
    assert costs[2] == pytest.approx(independent, rel=0.05)


@pytest.mark.parametrize(("tolerance", "iterations"), [(0.02, 2), (1.0, 40)])
def test_sinkhorn_keeps_its_tolerance_whatever_its_iterations(tolerance, iterations) -> None:
    base, data = uniform(5, 20), clustered(6, 20)
    least = couple(OptimalAssignment(), TORUS, base, data)
    near = couple(SinkhornAssignment(tolerance, iterations), TORUS, base, data)
    for b, c, d in zip(least, near, data, strict=True):
        assert squared(displacement(c, d)) <= (1 + tolerance) * squared(displacement(b, d))


def test_auction_finds_the_optimum_of_whole_numbers() -> None:
    """With costs that are whole numbers, within less than one of the least sum is the least."""
    cost = np.random.default_rng(0).integers(0, 30, (40, 40)).astype(np.float32)
    cost[33:] = cost[:, 33:] = np.inf
    real = jnp.arange(40) < 33
    order = jit(auction)(jnp.asarray(cost), real, jnp.zeros(40), jnp.array(0.9 / 33))
    assert np.array_equal(np.sort(order), np.arange(40))
    assert np.array_equal(order[33:], np.arange(33, 40))
    rows, columns = linear_sum_assignment(cost[:33, :33])
    assert cost[order[:33], np.arange(33)].sum() == cost[rows, columns].sum()


@pytest.mark.parametrize("cost", [np.nan, 0.0], ids=["not finite", "all alike"])
def test_auction_ends_and_is_a_permutation_whatever_the_costs(cost) -> None:
    order = jit(auction)(jnp.full((9, 9), cost), jnp.ones(9, bool), jnp.zeros(9), jnp.array(cost))
    assert np.array_equal(np.sort(order), np.arange(9))


def test_entropic_plan_agrees_with_ott() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ott imports jaxopt, which is unmaintained and says so
        pytest.importorskip("ott", reason="ott-jax, the reference, is not installed")
        from ott.geometry.geometry import Geometry
        from ott.solvers import linear
    cost = TORUS.squared_distance(jnp.asarray(uniform(5)[0]), jnp.asarray(clustered(6)[0]))
    solve = jit(lambda cost: linear.solve(Geometry(cost, epsilon=0.02), threshold=1e-6).matrix)
    theirs = solve(cost[:20, :20])
    real = jnp.arange(64) < 20
    cost = jnp.where(real[:, None] & real, cost, jnp.inf)
    f, g = jit(entropic_potentials, static_argnums=3)(cost, real, jnp.array(0.02), 400)
    plan = np.asarray(jnp.exp((f[:, None] + g - cost) / 0.02))
    assert np.allclose(plan[:20, :20], 20 * theirs, atol=1e-4)
    assert 0.1 < plan.max() < 0.95, "as good as a permutation, or uniform: tests nothing"
    assert np.allclose(plan.sum(0), real, atol=1e-5) and np.allclose(plan.sum(1), real, atol=1e-3)


@pytest.mark.parametrize("coupling", [SpaceFillingCurve(), BisectionAssignment()], ids=repr)
def test_no_place_on_the_torus_is_special(coupling) -> None:
    """Where a curve or a cut always lies, pairs do not reach across; here it lies anywhere."""
    base, data = uniform(5), uniform(6)
    start = couple(coupling, TORUS, base, data)
    end = start + displacement(start, data)
    planes = np.arange(8) / 8
    # What crosses a plane has it, or an image of it, between both ends of its way.
    crossed = np.floor(start[..., None] - planes) != np.floor(end[..., None] - planes)
    counts = crossed.sum(axis=(1, 2))
    error = np.std(counts, axis=0, ddof=1) / np.sqrt(len(counts))
    assert np.all(np.abs(counts.mean(axis=0) - counts.mean()) < 4 * error)
    assert counts.mean() > 10 * error.mean()
    again = couple(coupling, TORUS, base, data, key=jax.random.key(1))
    assert not np.array_equal(start, again)


@pytest.mark.parametrize(("dim", "bits"), [(1, 6), (2, 5), (3, 3)])
def test_hilbert_curve_passes_each_cell_once_and_steps_to_the_next(dim, bits) -> None:
    side = 2**bits
    cells = np.stack(np.meshgrid(*[np.arange(side)] * dim), axis=-1).reshape(-1, dim)
    code_of = jit(hilbert_code, static_argnums=1)
    code = np.asarray(code_of(jnp.asarray((cells + 0.5) / side), bits))
    assert np.array_equal(np.sort(code), np.arange(side**dim))
    steps = np.diff(cells[np.argsort(code)], axis=0)
    assert np.all(np.abs(steps).sum(axis=1) == 1)
    edge = code_of(jnp.array([1.0, 1.0 - 1e-7])[:, None] * jnp.ones(dim), 30 // dim)
    assert edge.max() < 2**30 and np.ptp(np.asarray(edge).astype(int)) < 2**13


@pytest.mark.parametrize("coupling", [OptimalAssignment(), BisectionAssignment()], ids=repr)
def test_marks_ride_along_with_positions(coupling) -> None:
    path = ProductPath((TORUS, OPEN), (3, 1))
    base, data = uniform(5), uniform(6)
    marked = [np.concatenate([x, x[..., :1] + 7.0], axis=-1) for x in (base, data)]
    both = couple(coupling, path, *marked)
    assert np.array_equal(both[..., :3], couple(coupling, TORUS, base, data))
    assert np.array_equal(both[..., 3], both[..., 0] + 7.0)


@pytest.mark.parametrize("kind", [SpaceFillingCurve, BisectionAssignment])
def test_points_of_a_plane(kind) -> None:
    base, data = uniform(0, dim=2), uniform(1, dim=2)
    with pytest.raises(ValueError, match=r"at least 3 columns of positions.*set columns=2"):
        couple(kind(), TORUS, base, data)
    coupled = couple(kind(columns=2), TORUS, base, data)
    assert squared(displacement(coupled, data)) < 0.6 * squared(displacement(base, data))


def test_low_precision_is_paired_as_well() -> None:
    base, data = uniform(5), uniform(6)
    low = couple(OptimalAssignment(), TORUS, *(jnp.asarray(x, jnp.bfloat16) for x in (base, data)))
    assert low.dtype == jnp.bfloat16
    high = couple(OptimalAssignment(), TORUS, base, data)
    costs = [squared(displacement(x.astype(np.float32), data)) for x in (low, high)]
    assert costs[0] == pytest.approx(costs[1], rel=0.02)


@within
def test_what_cannot_be_paired_is_refused(coupling) -> None:
    with pytest.raises(ValueError, match="expected clouds"):
        coupling(KEY, OPEN, jnp.zeros((4, 2)), jnp.zeros((4, 2)), None)
    cloud = jnp.zeros((1, 4, 3))
    with pytest.raises(ValueError, match=r"got a diffusion.*use Independent\(\)"):
        coupling(KEY, TorusDiffusion(), cloud, cloud, None)


@pytest.mark.parametrize("coupling", [*ALL, MinibatchTransport(np.inf)], ids=repr)
def test_couplings_are_read_back(coupling) -> None:
    assert from_json(to_json(coupling)) == coupling
