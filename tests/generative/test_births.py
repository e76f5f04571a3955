"""Births: points that appear one after another, against processes known in closed form."""

import dataclasses
import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from tiny_run import clustered

from galgen import Experiment, Trainer, sample_trajectory, write_suite
from galgen.data import CatalogueDataset
from galgen.errors import InputError
from galgen.generative import Births, BirthSampler, Bridge, LinearPath
from galgen.generative.sampling.birth_process import TrainedBirths, cells_of, corners, free
from galgen.networks import DeepSet, MeshRate
from galgen.serialization import from_json, to_json
from galgen.types import Batch

KEY = jax.random.key(0)
CELLS = (4, 4)


def mean_of(intensity):
    """Births of a Poisson process with this intensity in cells."""

    def log_rate(x, t, mask, condition):
        return jnp.broadcast_to(jnp.log(jnp.asarray(intensity)), (len(x), *np.shape(intensity)))

    return TrainedBirths(log_rate, 0.0)


def pair_or_nothing(x, t, mask, condition):
    """log r of a process that is empty, or one point in each of two cells; half of the time."""
    there = jax.vmap(lambda c, m: jnp.zeros(16).at[c].add(m))(cells_of(x, CELLS), mask * 1.0)
    left = (1 - t)[:, None]
    asked = jnp.isin(jnp.arange(16), jnp.array([2, 13]))
    missing = 16 * left / (1 + left**2)  # density of each, given that neither is there
    one = jnp.sum(there, axis=1, keepdims=True) == 1
    rate = jnp.where(one, 16 / jnp.maximum(left, 1e-6) * (there == 0), missing)
    rate = jnp.where(asked & (jnp.sum(there, axis=1, keepdims=True) < 2), rate, 0.0)
    return jnp.log(rate + 1e-30).reshape(-1, *CELLS)


def clouds(*sets: np.ndarray) -> tuple[jax.Array, jax.Array]:
    rows = max(map(len, sets))
    mask = np.array([np.arange(rows) < len(s) for s in sets])
    x = np.array([np.pad(s, ((0, rows - len(s)), (0, 0))) for s in sets], np.float32)
    return jnp.asarray(x), jnp.asarray(mask)


def test_the_bound_is_the_density_of_a_poisson_process() -> None:
    """log p = sum log mu(x_i) - integral of mu + 1, relative to an intensity of one."""
    rng = np.random.default_rng(0)
    intensity = rng.uniform(5, 40, CELLS)
    x, mask = clouds(rng.random((30, 2)), rng.random((12, 2)))
    found = mean_of(intensity).log_density(KEY, x, mask, draws=512)
    cells = np.asarray(cells_of(x, CELLS))
    exact = np.sum(np.log(intensity.ravel()[cells]) * mask, axis=1) - intensity.mean() + 1
    assert np.all(np.abs(found.value - exact) < 4 * found.error)
    assert np.all(found.error < 3)


def test_the_bound_is_exact_for_points_that_know_of_each_other() -> None:
    """Janossy densities of a pair or nothing: 1/2, and 1/2 per both cells' areas."""
    pair = (np.array([[0, 2], [3, 1]]) + 0.5) / 4  # in cells 2 and 13
    x, mask = clouds(pair, np.zeros((0, 2)))
    found = TrainedBirths(pair_or_nothing, 0.0).log_density(KEY, x, mask, draws=4096)
    exact = np.array([np.log(0.5 * 16**2), np.log(0.5)]) + 1
    assert np.all(np.abs(found.value - exact) < 4 * found.error + 1e-3)
    assert np.all(found.error < 0.2)


def test_at_the_last_time_nothing_is_missing() -> None:
    """Float32 may round a time to 1: the integrand is then minus the integral of the rate."""
    x, mask = clouds(np.random.default_rng(0).random((30, 2)))
    found = mean_of(np.full(CELLS, 7.0)).integrand(KEY, jnp.ones(1), x, mask, None)
    assert np.allclose(found, -7.0)


def test_poisson_births_are_a_poisson_process() -> None:
    """Mean and variance of the number, and the number in every cell."""
    rng = np.random.default_rng(1)
    intensity = rng.uniform(5, 40, CELLS)
    drawn = BirthSampler(4)(mean_of(intensity), KEY, (2000, 80, 2))
    number = np.asarray(drawn.mask.sum(axis=1))
    mean = intensity.mean()
    assert abs(number.mean() - mean) < 4 * np.sqrt(mean / 2000)
    assert abs(number.var() / mean - 1) < 4 * np.sqrt(2 / 2000)
    cells = np.asarray(cells_of(drawn.x, CELLS))[np.asarray(drawn.mask)]
    counts = np.bincount(cells, minlength=16) / 2000
    wanted = intensity.ravel() / 16
    assert np.all(np.abs(counts - wanted) < 4.5 * np.sqrt(wanted / 2000))
    assert np.all(drawn.x[~np.asarray(drawn.mask)] == 0)


def test_a_given_number_is_kept_and_falls_as_the_rate() -> None:
    rng = np.random.default_rng(2)
    intensity = rng.uniform(5, 40, CELLS)
    mask = jnp.arange(20)[None] < jnp.array([0, 7, 20] * 300)[:, None]
    drawn = BirthSampler(5)(mean_of(intensity), KEY, (900, 20, 2), mask)
    assert np.array_equal(drawn.mask, mask)
    cells = np.asarray(cells_of(drawn.x, CELLS))[np.asarray(mask)]
    share = intensity.ravel() / intensity.sum()
    counts = np.bincount(cells, minlength=16)
    total = counts.sum()
    assert np.all(np.abs(counts - total * share) < 4.5 * np.sqrt(total * share))


def test_draws_of_a_pair_or_nothing() -> None:
    """Steps of 1/128: numbers 0 and 2 alone but for pairs that a step splits."""
    drawn = BirthSampler(128)(TrainedBirths(pair_or_nothing, 0.0), KEY, (2000, 6, 2))
    number = np.bincount(np.asarray(drawn.mask.sum(axis=1)), minlength=3) / 2000
    assert abs(number[0] - 0.5) < 0.05
    assert abs(number[2] - 0.5) < 0.05


def matern(rng: np.random.Generator, intensity: float, distance: float) -> np.ndarray:
    """Matern's third process: of points in random order, those with no earlier one near."""
    kept = np.zeros((0, 2))
    for place in rng.random((rng.poisson(intensity), 2)):
        apart = kept - place
        apart -= np.round(apart)
        if not np.any(np.sum(apart**2, axis=1) < distance**2):
            kept = np.vstack([kept, place])
    return kept


def nearest(x: np.ndarray) -> float:
    apart = x[:, None] - x
    apart -= np.round(apart)
    return float(np.sqrt(np.sum(apart**2, axis=-1) + np.eye(len(x))).min())


def test_births_with_an_exclusion_are_materns_third_process() -> None:
    """Exclusion exact, whatever the steps; the mean number as of the process itself."""
    model = dataclasses.replace(mean_of(np.full(CELLS, 90.0)), exclusion=0.08)
    drawn = BirthSampler(3)(model, KEY, (200, 128, 2))
    sets = [np.asarray(x)[np.asarray(m)] for x, m in zip(drawn.x, drawn.mask, strict=True)]
    assert min(map(nearest, sets)) >= 0.08
    rng = np.random.default_rng(3)
    ours, theirs = (
        np.array([len(s) for s in each])
        for each in (sets, [matern(rng, 90, 0.08) for _ in range(200)])
    )
    error = np.sqrt((ours.var() + theirs.var()) / 200)
    assert abs(ours.mean() - theirs.mean()) < 4 * error
    assert theirs.mean() < 60  # of 90: the exclusion matters
    given = BirthSampler(8)(model, KEY, (20, 128, 2), jnp.ones((20, 40), bool))
    assert np.all(given.mask.sum(axis=1) == 40)
    assert (
        min(nearest(np.asarray(x)[np.asarray(m)]) for x, m in zip(given.x, given.mask, strict=True))
        >= 0.08
    )


def test_free_places_by_brute_force() -> None:
    rng = np.random.default_rng(4)
    places, x = rng.random((2, 50, 3)), rng.random((2, 20, 3))
    mask = np.arange(20)[None] < np.array([[20], [5]])
    apart = places[:, :, None] - x[:, None]
    apart -= np.round(apart)
    near = np.any((np.sum(apart**2, axis=-1) < 0.2**2) & mask[:, None], axis=-1)
    found = free(jnp.asarray(places), jnp.asarray(x), jnp.asarray(mask), 0.2)
    assert np.array_equal(found, ~near) and 5 < near.sum() < 95
    assert np.array_equal(corners((2, 2)), [[0, 0], [0, 1], [1, 0], [1, 1]])


@pytest.mark.parametrize("axes", [2, 3])
def test_the_network_turns_with_its_points(axes: int) -> None:
    """Permutations, padding and translations by whole cells change nothing but the place."""
    rng = np.random.default_rng(5)
    network = MeshRate(mesh=8, width=8, layers=1)
    x = jnp.asarray(rng.random((2, 12, axes)), jnp.float32)
    mask = jnp.arange(12)[None] < jnp.array([[12], [7]])
    t, condition = jnp.array([0.3, 0.9]), jnp.array([[1.0], [-1.0]])
    params = jax.jit(network.init)(KEY, x, t, mask, condition)
    params = jax.tree.map(lambda a: a + 0.1 * rng.normal(size=a.shape).astype(np.float32), params)
    rate = jax.jit(functools.partial(network.apply, params))
    found = rate(x, t, mask, condition)
    assert found.shape == (2, *(8,) * axes) and np.std(found) > 0.002
    order = rng.permutation(12)
    np.testing.assert_allclose(rate(x[:, order], t, mask[:, order], condition), found, atol=1e-5)
    padded = jnp.where(mask[..., None], x, jnp.nan)
    np.testing.assert_allclose(rate(padded, t, mask, condition), found, atol=1e-5)
    moved = (x + jnp.array([3 / 8, 0, 0][:axes])) % 1
    rolled = np.roll(found, 3, axis=1)
    np.testing.assert_allclose(rate(moved, t, mask, condition), rolled, atol=1e-4)


def test_other_columns_and_networks_are_refused() -> None:
    model, batch = Births(), Batch(jnp.zeros((2, 5, 4)))
    with pytest.raises(InputError, match="columns x y z"):
        model.initial_params(MeshRate(mesh=4), KEY, batch)
    space = Batch(jnp.zeros((2, 5, 3)))
    weights = jax.jit(DeepSet(8, 1).init)(KEY, space.x, jnp.zeros(2))
    params = {"network": weights, "log_number": 0.0}
    with pytest.raises(InputError, match=r"as MeshRate\(\)"):
        model.training_loss(DeepSet(8, 1), params, KEY, space)
    with pytest.raises(InputError, match="draws from Births"):
        model.sampler_or_default(Bridge(LinearPath()).default_sampler)
    assert isinstance(model.sampler_or_default(None), BirthSampler)
    whole = (Births(exclusion=0.1), MeshRate(mesh=8), BirthSampler(16))
    assert from_json(to_json(whole)) == whole


def test_a_run_draws_numbers_of_its_own_or_those_asked_for(tmp_path: Path) -> None:
    write_suite(tmp_path / "suite.h5", clustered(12), "train")
    experiment = Experiment(
        CatalogueDataset(tmp_path / "suite.h5", columns=("x", "y", "z"), buckets=1),
        MeshRate(mesh=4, width=8, layers=1),
        Births(),
        trainer=Trainer(steps=2, batch_size=4, warmup=1),
    )
    run = experiment.train(tmp_path / "run")
    here = [{"omega_m": 0.3, "sigma_8": 0.8}] * 12
    free = [len(catalogue) for catalogue in run.sample(here, seed=1)]
    assert len(set(free)) > 3 and 30 < np.mean(free) < 90  # of 40 to 90 in training
    assert [len(c) for c in run.sample(here[:3], seed=1, points=40)] == [40] * 3
    states = sample_trajectory(run, here[:2], seed=1)
    assert [len(catalogues[0]) for catalogues in states] == sorted(len(c[0]) for c in states)
    assert len(states) == 33 and len(states[0][0]) == 0 and len(states[-1][0]) > 30


def thomas(rng: np.random.Generator, number: int) -> list[np.ndarray]:
    """A mean of 20 parents with 4 children each, at a normal distance of 0.06 an axis."""
    found = []
    for _ in range(number):
        parents = rng.random((rng.poisson(20), 2))
        children = np.repeat(parents, rng.poisson(4, len(parents)), axis=0)
        found.append((children + 0.06 * rng.normal(size=children.shape)) % 1)
    return found


def soft_core(rng: np.random.Generator, number: int) -> list[np.ndarray]:
    """A Gibbs process: a pair at the distance r costs exp(-u), u = 2 exp(-r^2 / 2 0.06^2).

    By births and deaths (Geyer and Moller 1994) of many chains side by side, from no point.
    """
    beta, rows = 100.0, 128
    x, there = np.zeros((number, rows, 2)), np.zeros((number, rows), bool)
    chain = np.arange(number)
    for _ in range(2500):
        n = there.sum(axis=1)
        birth = rng.random(number) < 0.5
        place = rng.random((number, 2))
        row = np.argmin(there, axis=1)  # the first free one
        order = rng.random((number, rows)) * there
        gone = np.argmax(order, axis=1)  # a point, at random
        at = np.where(birth[:, None], place, x[chain, gone])
        apart = x - at[:, None]
        apart -= np.round(apart)
        cost = 2 * np.exp(-np.sum(apart**2, axis=2) / (2 * 0.06**2)) * there
        cost[chain, gone] *= birth
        papangelou = beta * np.exp(-cost.sum(axis=1))
        ratio = np.where(birth, papangelou / (n + 1), n / papangelou)
        taken = rng.random(number) < ratio
        born, dead = taken & birth, taken & ~birth & (n > 0)
        x[chain[born], row[born]] = place[born]
        there[chain[born], row[born]] = True
        there[chain[dead], gone[dead]] = False
    return [cloud[real] for cloud, real in zip(x, there, strict=True)]


def pair_correlation(sets: list[np.ndarray], edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """g(r) by pairs over the square of the mean number, and its standard error."""
    counts = []
    for x in sets:
        apart = x[:, None] - x
        apart -= np.round(apart)
        r = np.sqrt(np.sum(apart**2, axis=-1))[~np.eye(len(x), dtype=bool)]
        counts.append(np.histogram(r, edges)[0])
    mean = np.mean([len(x) for x in sets])
    norm = mean**2 * np.pi * np.diff(edges**2)
    return np.mean(counts, axis=0) / norm, np.std(counts, axis=0) / norm / np.sqrt(len(sets))


@pytest.mark.slow
@pytest.mark.parametrize("process", [thomas, soft_core])
def test_trained_births_are_the_process(process) -> None:
    """Clusters and a pair interaction, after a short training: g(r) to 10%, the number to 5%."""
    rng = np.random.default_rng(6)
    data, truth = process(rng, 3000), process(rng, 1000)
    x, mask = clouds(*data)
    model, network = Births(), MeshRate(mesh=32)
    params = model.initial_params(network, KEY, Batch(x[:32], mask[:32]))
    steps = 1500
    optimizer = optax.adam(optax.cosine_decay_schedule(5e-3, steps))

    def step(state, key):
        params, moments = state
        rows = jax.random.randint(key, (32,), 0, len(x))
        loss = functools.partial(model.training_loss, network)
        slope = jax.grad(loss)(params, key, Batch(x[rows], mask[rows]))
        updates, moments = optimizer.update(slope, moments)
        return (optax.apply_updates(params, updates), moments), None

    start = params, optimizer.init(params)
    train = jax.jit(lambda keys: jax.lax.scan(step, start, keys)[0][0])
    trained = model.with_params(network, train(jax.random.split(KEY, steps)))
    draw = jax.jit(lambda key: BirthSampler(32)(trained, key, (250, 256, 2)))
    drawn = [draw(key) for key in jax.random.split(jax.random.key(1), 4)]
    sets = [np.asarray(x)[np.asarray(m)] for d in drawn for x, m in zip(d.x, d.mask, strict=True)]
    numbers, wanted = (np.array([len(s) for s in each]) for each in (sets, truth))
    edges = np.array([0.02, 0.04, 0.06, 0.08, 0.1, 0.13, 0.17, 0.22, 0.3])
    (found, error), (true, noise) = (pair_correlation(each, edges) for each in (sets, truth))
    assert abs(numbers.mean() / wanted.mean() - 1) < 0.05
    assert np.all(np.abs(found - true) < 0.1 * true + 3 * np.hypot(error, noise))
    if process is thomas:  # 1 + exp(-r^2 / 4 s^2) / (4 pi s^2 kappa), at the middle of the bins
        r = (edges[1:] + edges[:-1]) / 2
        exact = 1 + np.exp(-(r**2) / (4 * 0.06**2)) / (4 * np.pi * 0.06**2 * 20)
        assert np.all(np.abs(true - exact) < 0.03 * exact + 3 * noise)
