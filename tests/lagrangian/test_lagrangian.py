"""Haloes on the Lagrangian grid: what holds exactly, and a run from training to draws."""

import dataclasses
import functools
import itertools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial import cKDTree

from galgen import Experiment, Run, Suite, Trainer, sample, write_suite
from galgen.cli import main
from galgen.data import CatalogueDataset, Field
from galgen.errors import InputError
from galgen.generative.models.model import with_weights
from galgen.geometry import Euclidean
from galgen.lagrangian import (
    GridUnits,
    LagrangianDataset,
    LagrangianGrid,
    LagrangianHaloes,
    LagrangianNetwork,
    LagrangianSampler,
    candidates,
)
from galgen.lagrangian.calibration import calibrated
from galgen.lagrangian.candidates import likeliest
from galgen.lagrangian.dataset import PieceSource
from galgen.lagrangian.encoding import LagrangianEncoding
from galgen.lagrangian.grid_draw import GridDraw
from galgen.lagrangian.halo_table import HaloTable
from galgen.lagrangian.layout import INPUTS, PAD, REACH
from galgen.lagrangian.mark_training import boxes_of, further_marks, loss
from galgen.lagrangian.network import _Convolution
from galgen.lagrangian.sums import WIDTHS, contributions, offsets
from galgen.lagrangian.trained import TrainedHaloes, between_blocks, displacement_of
from galgen.networks import MeshRate
from galgen.simulation import HaloSimulator, SeededField, SuiteRecipe, simulate
from galgen.simulation.cosmology import Cosmology

BOX, LIMIT = 128.0, 8e13
UNITS = GridUnits()
KEY = jax.random.key(0)
NETWORK = LagrangianNetwork(width=12, features=2, hidden=8, marks=8, layers=1, k=4)


@pytest.fixture(scope="session")
def suite(tmp_path_factory):
    path = tmp_path_factory.mktemp("field") / "suite.h5"
    simulator = HaloSimulator(box=BOX, mesh=64, mass_min=LIMIT)
    recipe = SuiteRecipe(
        simulator, (0.3, 0.34), (0.8, 0.86), train=3, test=1, contrast=0, field_mesh=64
    )
    simulate(path, recipe, workers=1)
    return path


@pytest.fixture(scope="session")
def tables(suite):
    held = Suite(suite)
    return [HaloTable.of(held[i], held.field(i), LIMIT, UNITS) for i in range(3)]


@pytest.fixture(scope="session")
def encoding(tables):
    return LagrangianEncoding.fit(UNITS, tables)


@pytest.fixture(scope="session")
def trained(suite):
    """A model with fresh weights, and the fields of the first catalogue."""
    prepared = LagrangianDataset(suite, minimum_masses=(LIMIT,), piece=32).prepare(1, 0)
    batch, model = prepared.source.batch(0), LagrangianHaloes()
    params = model.initial_params(NETWORK, KEY, batch)
    return model.with_params(NETWORK, params)


def of_grid(trained, encoding, grid):
    condition = jnp.asarray(encoding.condition_of(grid))[None]
    return trained.given_field(jnp.asarray(grid.inputs())[None]).example(0, condition)


def test_a_box_and_its_tiling_give_the_same(suite, trained, encoding):
    field, cosmology = Suite(suite).field(0), Cosmology()
    tiled = Field(np.tile(field.values, (2, 2, 2)), 2 * BOX)
    found = []
    for one in (field, tiled):
        grid = LagrangianGrid.of(one, cosmology, LIMIT, UNITS)
        model = of_grid(trained, encoding, grid)
        found.append((grid, likeliest(model, 1.0)))
    (small, rates), (large, of_large) = found
    assert large.mesh == 2 * small.mesh
    assert large.cell == pytest.approx(small.cell)
    np.testing.assert_allclose(
        large.displacement, np.tile(small.displacement, (1, 2, 2, 2)), atol=2e-5
    )
    shape = (small.mesh,) * 3
    for name in ("log_rate", "maps", "features"):
        one, other = (np.asarray(getattr(each.known, name)) for each in (rates, of_large))
        one = one.reshape(*shape, -1)
        other = other.reshape(*(2 * side for side in shape), -1)
        assert one.std() > 1e-3
        np.testing.assert_allclose(other, np.tile(one, (2, 2, 2, 1)), atol=2e-3)


class Unturned(np.random.Generator):
    """Draws of a piece in a corner of the box, its axes as they are."""

    def integers(self, low, high, number):
        return np.array([3, 0, 5]) % high if high > 2 else np.zeros(number, int)

    def permutation(self, number):
        return np.arange(number)


def test_pieces_of_a_box_are_encoded_as_the_box(tables, trained, encoding):
    """A piece sees what lies around it: nothing changes at its edges."""
    table, side = tables[0], 24
    _, condition, field = PieceSource([table], encoding, side, 1, 0)._piece(
        0, Unturned(np.random.PCG64(0))
    )
    model = trained.given_field(jnp.asarray(field)[None]).example(0, jnp.asarray(condition)[None])
    rate, _ = model.encode(model.field[..., :INPUTS])
    whole = likeliest(of_grid(trained, encoding, table.grid), 1.0).known.log_rate
    mesh = table.grid.mesh
    where = np.ix_(*((2 * start + np.arange(side)) % mesh for start in (3, 0, 5)))
    whole = np.asarray(whole).reshape((mesh,) * 3)
    assert whole.std() > 1e-3
    np.testing.assert_allclose(rate, whole[where], atol=5e-3)


def test_convolutions_are_those_of_flax():
    """With the same weights, and their gradients: what is in saved models does not change."""
    h = jax.random.normal(KEY, (2, 5, 6, 7, 4))
    ours, theirs = _Convolution(3), nn.Conv(3, (3, 3, 3), padding="VALID")
    params = theirs.init(KEY, h)
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, ours.init(KEY, h))

    def value(of, params, h):
        return jnp.sum(of.apply(params, h) ** 3)

    for one, other in zip(
        jax.tree.leaves(jax.value_and_grad(value, (1, 2))(ours, params, h)),
        jax.tree.leaves(jax.value_and_grad(value, (1, 2))(theirs, params, h)),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-4)


def test_slabs_of_any_size_give_the_same(tables, trained, encoding, monkeypatch):
    """Also those that leave a rest: every cell is a candidate once, with what it has in one."""
    example = of_grid(trained, encoding, tables[0].grid)
    half, found = tables[0].grid.mesh // 2, {}
    for blocks in (half, half // 3 + 1):
        monkeypatch.setattr(candidates, "SLAB", blocks)
        found[blocks] = likeliest(example, 1.0)
    whole, slabs = found.values()
    assert half % (half // 3 + 1)
    np.testing.assert_array_equal(
        np.sort(np.asarray(slabs.number), axis=None), np.arange(8 * half**3)
    )
    order = np.asarray(slabs.number)[tuple(np.asarray(whole.cells).T)]
    for one, other in zip(jax.tree.leaves(whole.known), jax.tree.leaves(slabs.known), strict=True):
        np.testing.assert_allclose(one, np.asarray(other)[order], rtol=1e-4, atol=1e-4)


def test_a_field_is_scaled_to_the_redshift_of_its_haloes(suite):
    """The linear field of another redshift gives the same grid."""
    field, cosmology = Suite(suite).field(0), Cosmology()
    early = dataclasses.replace(
        field, values=field.values * np.float32(cosmology.growth_factor(1.0)), redshift=1.0
    )
    one, other = (LagrangianGrid.of(f, cosmology, LIMIT, UNITS) for f in (field, early))
    for name in ("density", "spheres", "waves", "displacement", "speed"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-4)
    assert one.shape == other.shape
    later = LagrangianGrid.of(field, cosmology, LIMIT, UNITS, redshift=1.0)
    growth = cosmology.growth_factor(1.0)
    # Densities are in units of sigma(R) at the redshift, displacements in R.
    np.testing.assert_allclose(later.density, one.density, atol=1e-4)
    np.testing.assert_allclose(later.waves, growth * one.waves, atol=1e-4)
    assert later.shape[0] == pytest.approx(one.shape[0] + np.log(growth))


def test_training_has_one_redshift(tables):
    odd = dataclasses.replace(tables[0], redshift=1.0)
    with pytest.raises(InputError, match="one redshift"):
        LagrangianEncoding.fit(UNITS, [*tables[1:], odd])


def test_the_usual_mass_is_within_training(tables, encoding):
    """Where R is the same in all of it, as of 20 particles, the least mass follows the density."""
    assert encoding.usual_mass(AT) == pytest.approx(LIMIT)
    by_radius = dataclasses.replace(encoding, masses=(5e13, 2e14), radii=(6.6, 9.4))
    for omega_m in (0.2, 0.4):
        condition = {**AT, "omega_m": omega_m}
        mass = by_radius.usual_mass(condition)
        cosmology = Cosmology.of(condition)
        assert cosmology.lagrangian_radius(mass) == pytest.approx(6.6)
    # Fewer particles than any halo of training: never drawn unasked.
    with pytest.raises(InputError, match=r"R \[Mpc/h\] from 6.27"):
        by_radius.plan([{**AT, "minimum_mass": 4e13}], 1, 0)


@pytest.mark.parametrize("step", range(4))
def test_pieces_keep_distances_and_products(tables, encoding, step):
    """Turned and mirrored, haloes lie where they did to each other, and move so."""
    table = tables[1]
    batch = PieceSource([table], encoding, 28, 1, step).batch(step)
    rows = batch.x[0][batch.mask[0]]
    cell = float(batch.condition[0, 2])
    inner = jnp.asarray(batch.field[0][PAD:-PAD, PAD:-PAD, PAD:-PAD, INPUTS:])
    moved = np.asarray(displacement_of(inner))
    at = rows[:, :3].astype(int)
    place = at * cell + moved[tuple(at.T)] + rows[:, 3:6] * encoding.offset
    speed = rows[:, 7:] * encoding.speed
    marks = encoding.marks_of(table, np.random.default_rng(0))

    def told(x):
        """What turning leaves alone, which tells one halo from another."""
        return np.stack(
            [x[:, 3], *(np.linalg.norm(x[:, part], axis=1) for part in (slice(3), slice(4, 7)))],
            axis=1,
        )

    own = np.argmin(((told(rows[:, 3:])[:, None] - told(marks)) ** 2).sum(axis=-1), axis=1)
    size = table.grid.box / table.grid.radius
    there = table.grid.carried(table.cells[own]) + table.offset[own]
    assert len(own) > 10
    for i, j in itertools.combinations(range(len(own)), 2):
        apart, known = place[j] - place[i], there[j] - there[i]
        known = known - size * np.round(known / size)
        if np.linalg.norm(apart) < size / 2.5:
            assert np.linalg.norm(apart) == pytest.approx(np.linalg.norm(known), abs=0.02)
            product = apart @ (speed[j] - speed[i])
            true = known @ (table.speed[own[j]] - table.speed[own[i]])
            assert product == pytest.approx(true, abs=0.05)


def test_encoding_and_decoding_give_the_catalogue_back(suite, tables, encoding):
    held = Suite(suite)
    table, catalogue, field = tables[2], held[2], held.field(2)
    condition = encoding.condition_values(catalogue) | {"minimum_mass": LIMIT}
    (draw,) = encoding.with_fields(encoding.plan([condition], 1, 0), [field])
    marks = encoding.marks_of(table, np.random.default_rng(0))
    x = np.zeros(draw.shape, np.float32)
    x[0, : len(marks)] = np.concatenate([table.cells, marks], axis=1)
    mask = np.arange(draw.shape[1])[None] < len(marks)
    (again,) = encoding.decode(dataclasses.replace(draw, mask=mask), x, {})
    assert table.dropped == len(catalogue) - len(again) == 0
    assert np.all(np.diff(again.columns["mass"]) <= 0)
    tree = cKDTree(catalogue.positions % BOX, boxsize=BOX)
    apart, order = tree.query(again.positions)
    assert apart.max() < 2e-3 and len(set(order)) == len(catalogue)
    np.testing.assert_allclose(again.velocities, catalogue.velocities[order], atol=0.5)
    np.testing.assert_allclose(again.columns["mass"], catalogue.columns["mass"][order], rtol=0.02)
    assert again.cosmology == pytest.approx(catalogue.cosmology)


@dataclasses.dataclass(frozen=True, eq=False)
class Stub(TrainedHaloes):
    """A model whose lambda is 0.02 in one half of the box, and whose g is chosen."""

    g: float = 0.0

    def encode(self, field):
        side = 2 * (field.shape[1] - 2 * PAD)
        thick = 2 * (field.shape[0] - 2 * PAD)
        halves = jnp.where(jnp.arange(side) < side // 2, np.log(0.02), np.log(1e-4))
        return jnp.broadcast_to(halves, (thick, side, side)), jnp.zeros((thick, side, side, 2))

    def excess(self, log_rate, maps, features, sums, t):
        return jnp.where(sums[..., 4] > np.exp(-0.5 * (2.5 / 1.8) ** 2), self.g, 0.0) + 0.0 * t


def stub(g, mesh=24):
    blocks, condition = jnp.zeros((mesh // 2,) * 3 + (INPUTS + 24,)), jnp.array([0.0, 0.0, 0.6])
    return Stub(NETWORK, {}, LagrangianHaloes().marks, blocks, condition, g)


def born(model, seed, steps=4, rows=512):
    sampler = LagrangianSampler(steps=steps, cells=0.99)
    found = likeliest(model, 1.0)
    there, sums = jax.jit(lambda key: sampler.births(model, found, key, rows))(jax.random.key(seed))
    return np.asarray(found.cells)[np.asarray(there)], np.asarray(sums)[np.asarray(there)], found


def test_births_without_interaction_are_independent():
    """Each cell holds a halo with the probability 1 - exp(-lambda)."""
    model = stub(0.0)
    found = likeliest(model, 1.0)
    sampler = LagrangianSampler(steps=3, cells=0.99)
    draw = jax.jit(
        lambda keys: jax.lax.map(lambda k: sampler.births(model, found, k, 512)[0], keys)
    )
    many = np.asarray(draw(jax.random.split(KEY, 40)))
    dense = np.asarray(found.cells)[:, 2] < 12
    expected = -np.expm1(-0.02) * dense.sum()
    numbers = many[:, dense].sum(axis=1)
    assert numbers.mean() == pytest.approx(expected, abs=4 * np.sqrt(expected / 40))
    assert numbers.var() == pytest.approx(expected, rel=0.6)
    # Where half of the cells are kept, they get the lambda of the others too.
    few = likeliest(model, 0.5)
    assert float(few.share) == pytest.approx(1.005, abs=1e-4)


def test_births_of_one_step_see_each_other():
    """Where g forbids a second halo within 2.5 R, none comes, in one step as in many."""
    for steps in (1, 4):
        cells, _, _ = born(stub(-60.0), 1, steps)
        free, _, _ = born(stub(0.0), 1, steps)
        assert 8 < len(cells) < len(free)
        apart = cells[:, None] - cells
        apart -= 24 * np.round(apart / 24).astype(int)
        distance = 0.6 * np.sqrt((apart**2).sum(axis=-1)) + 99.0 * np.eye(len(cells))
        assert distance.min() >= 2.5
    # Among few births they look at each other, among many at the cells around: the same.
    for one, other in zip(born(stub(-60.0), 1, 4), born(stub(-60.0), 1, 4, 6000), strict=True):
        for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-4)


def test_sums_are_those_over_all_haloes():
    cells, sums, _ = born(stub(0.0), 2)
    steps = cells[:, None] - cells
    steps -= 24 * np.round(steps / 24).astype(int)
    direct = contributions(jnp.asarray(steps), jnp.zeros(steps.shape), 0.6).sum(axis=1)
    np.testing.assert_allclose(sums, direct, rtol=1e-4, atol=1e-5)
    assert sums.shape[1] == WIDTHS
    assert len(offsets()) == sum(
        0 < i * i + j * j + k * k <= REACH**2
        for i, j, k in itertools.product(range(-REACH, REACH + 1), repeat=3)
    )


def test_losses_are_least_at_the_truth(tables, encoding):
    """Of the rate, scaled by one number everywhere: sum - n log, at the true number."""
    batch = PieceSource(tables, encoding, 32, 1, 0).batch(0)
    model = LagrangianHaloes()
    params = model.initial_params(NETWORK, KEY, batch)
    number = int(batch.mask.sum())
    volume = float(batch.condition[0, 2] / UNITS.cell) ** 3

    def loss(scale):
        shifted = jax.tree.map(lambda a: a, params)
        dense = shifted["params"]["encoder"]
        last = next(name for name in dense if dense[name]["bias"].shape == (8,))
        dense[last]["kernel"] = 0.0 * dense[last]["kernel"]
        dense[last]["bias"] = jnp.full(8, np.log(number / 32**3 / volume) + scale)
        example = model.with_params(NETWORK, shifted).given_field(batch.field)
        one = example.example(0, batch.condition)
        return float(model.losses(one, KEY, jnp.asarray(batch.x[0]), jnp.asarray(batch.mask[0]))[0])

    at = loss(0.0)
    assert at == pytest.approx(1.0 - np.log(number / 32**3), rel=1e-4)
    assert at < loss(0.2) and at < loss(-0.2)
    assert loss(0.2) - at == pytest.approx(np.exp(0.2) - 1.2, abs=1e-3)


@pytest.fixture(scope="session")
def run(suite, tmp_path_factory):
    experiment = Experiment(
        data=LagrangianDataset(suite, minimum_masses=(LIMIT,), piece=28),
        network=NETWORK,
        model=LagrangianHaloes(times=2, places=200, noises=1, own_draws=2),
        sampler=LagrangianSampler(steps=4),
        trainer=Trainer(steps=4, batch_size=2),
    )
    return experiment.train(tmp_path_factory.mktemp("runs") / "field")


@dataclasses.dataclass(frozen=True, eq=False)
class Lowered(TrainedHaloes):
    """Of lambda that is a fraction of what it should be."""

    shift: float = 0.0

    def encode(self, field):
        log_rate, features = super().encode(field)
        return log_rate + self.shift, features


def lowered(trained, tables, encoding, part):
    """A model whose lambda gives that part of the haloes of the tables."""
    number, expected = len(np.concatenate([table.cells for table in tables])), 0.0
    for table in tables:
        rates = likeliest(of_grid(trained, encoding, table.grid), 0.5)
        expected += float(rates.share * jnp.sum(jnp.exp(rates.known.log_rate)))
    parts = [getattr(trained, field.name) for field in dataclasses.fields(TrainedHaloes)]
    return Lowered(*parts, shift=float(np.log(part * number / expected)))


def test_own_draws_teach_the_number(tables, encoding, trained):
    """Of a lambda that gives three quarters of the haloes of each field."""
    source, sampler = PieceSource(tables, encoding, 28, 1, 0), LagrangianSampler(steps=4)
    number = len(np.concatenate([table.cells for table in tables]))
    model = lowered(trained, tables, encoding, 0.75)

    def drawn(model):
        """Haloes of a few draws on every field over those of the data."""

        def births(field, condition, key):
            one = model.given_field(field[None]).example(0, condition[None])
            found = likeliest(one, sampler.cells)
            return jnp.sum(sampler.births(one, found, key, 512)[0])

        births = jax.jit(births)
        whole = [source.whole(i)[1:] for i in range(len(source))]
        total = sum(
            int(births(field, condition, jax.random.fold_in(KEY, i)))
            for condition, field in whole
            for i in range(8)
        )
        return total / (8 * number)

    learned = calibrated(model, source, sampler, 0, 6)
    assert set(learned) == {"params/births/tilt", "params/mass_scale"}
    assert np.all(np.diff(learned["params/mass_scale"]) >= 0.0)
    before, after = drawn(model), drawn(model.replaced(with_weights(model.params, learned)))
    assert abs(before - 0.75) < 0.07 and abs(after - 1.0) < 0.1, (before, after)


class Drawn:
    """Draws of a model on the fields of a source, in place of its haloes."""

    def __init__(self, model, source, sampler, each):
        self.boxes = []

        @jax.jit
        def births(condition, field, key):
            example = model.given_field(field[None]).example(0, condition[None])
            found = likeliest(example, sampler.cells)
            born, sums = sampler.births(example, found, key, 512)
            total = jnp.append(jnp.sum(sums * born[:, None], axis=0), jnp.sum(born))
            return found.cells, born, total

        self.total = 0.0
        for place in range(len(source)):
            _, *given = source.whole(place)
            for number in range(each):
                cells, born, total = births(*given, jax.random.fold_in(KEY, 99 * place + number))
                x = np.asarray(cells)[np.asarray(born)]
                x = np.concatenate([x, np.zeros((len(x), 7))], axis=1).astype(np.float32)
                self.boxes.append((x, *given))
                self.total += np.asarray(total)

    def __len__(self):
        return len(self.boxes)

    def whole(self, place):
        return self.boxes[place]


def test_own_draws_teach_the_pairs(tables, encoding, trained):
    """Those of data that are draws of the same model with another tilt."""
    model = lowered(trained, tables, encoding, 1.0)
    model = dataclasses.replace(model, network=NETWORK.clone(tilt="pairs"))
    source, sampler = PieceSource(tables, encoding, 28, 1, 0), LagrangianSampler(8, 0.99)
    tilt = np.zeros((3, 9), np.float32)
    tilt[0] = -0.1, -3.0, -1.0, 0.3, 0.1, 0.0, 0.0, -1.0, 0.4
    truth = model.replaced(with_weights(model.params, {"params/births/tilt": tilt.ravel()}))
    data = Drawn(truth, source, sampler, 12)
    learned = model.replaced(with_weights(model.params, calibrated(model, data, sampler, 0, 72)))
    each = (Drawn(one, source, sampler, 12).total for one in (model, learned))
    before, after = (np.log(total / data.total) for total in each)
    assert np.all(np.abs(before[:2]) > 0.3), before
    assert np.all(np.abs(after) < 0.05 + 2.0 / np.sqrt(data.total)), after


def test_marks_are_trained_further(tables, encoding, trained):
    source, sampler = PieceSource(tables, encoding, 32, 1, 0), LagrangianSampler(cells=0.99)
    assert further_marks(trained, source, sampler, 0, 0) == {}
    learned = further_marks(trained, source, sampler, 0, 400)
    again = further_marks(trained, source, sampler, 0, 400)
    assert all(np.array_equal(learned[name], again[name]) for name in learned)
    assert all(name.startswith("params/denoiser/") for name in learned)

    start = trained.params["params"]["denoiser"]
    after = with_weights(trained.params, learned)["params"]["denoiser"]
    error = jax.jit(functools.partial(loss, trained))
    boxes = boxes_of(trained, source, sampler)
    cases = [(jax.random.fold_in(KEY, i), boxes[i % 3]) for i in range(30)]
    before, after = (np.mean([error(w, *case) for case in cases]) for w in (start, after))
    # 2 without knowledge of anything, pi / 2 of unit Gaussians.
    assert abs(before - 2.0) < 0.1 and after < 1.85, (before, after)


def test_means_of_blocks_are_read_between_them():
    """Linear ones exactly, in every cell that has its neighbours."""
    middles = 2.0 * jnp.arange(6) + 1.0
    blocks = jnp.stack(jnp.meshgrid(middles, middles, middles, indexing="ij"), axis=-1)
    cells = jnp.asarray(np.random.default_rng(0).integers(1, 11, (50, 3)))
    np.testing.assert_allclose(between_blocks(blocks, cells), cells + 0.5, rtol=1e-6)
    # Blocks wrap.
    one, other = (between_blocks(blocks, jnp.full((1, 3), at)) for at in (0, 12))
    np.testing.assert_allclose(one, other)
    np.testing.assert_allclose(one, 0.75 * 1.0 + 0.25 * 11.0, rtol=1e-6)


def test_haloes_of_one_cell_are_told_of(tmp_path, suite):
    held = Suite(suite)
    twins = []
    for one in held["train"]:
        columns = {name: np.concatenate([value, value[:5]]) for name, value in one.columns.items()}
        columns["mass"][-5:] *= 1.5
        twins.append(one.replace(columns=columns))
    path = tmp_path / "twins.h5"
    write_suite(path, twins, ["train"] * len(twins), [held.field(i) for i in range(len(twins))])
    dataset = LagrangianDataset(path, minimum_masses=(LIMIT,), piece=28)
    with pytest.warns(UserWarning, match="15 of .* haloes lie in a cell with a heavier one"):
        dataset.prepare(1, 0)


def test_a_run_draws_any_box(run, suite):
    again = Run.load(run.folder)
    assert again.encoding == run.encoding
    held = Suite(suite)
    condition = run.encoding.condition_values(held[0])
    first, second = (sample(again, [condition] * 2, box=100.0, seed=3) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        assert one.box == (100.0,) * 3
        assert len(one) > 0 and set(one.columns) == {"x", "y", "z", "vx", "vy", "vz", "mass"}
        np.testing.assert_array_equal(one.positions, other.positions)
        assert one.columns["mass"].min() >= condition["minimum_mass"] * (1 - 1e-6)
    assert len(first[0]) != len(first[1]) or np.any(first[0].positions != first[1].positions)
    (large,) = sample(again, [condition], box=200.0)
    assert len(large) > 3 * len(first[0])
    (given,) = sample(again, [condition], fields=[held.field(0)])
    assert given.box == (BOX,) * 3


def test_the_heaviest_are_drawn(run):
    """Exactly as many as asked, at every cosmology, above a mass that leaves room for them."""
    conditions = [{**AT, "sigma_8": sigma_8} for sigma_8 in (0.79, 0.83)]
    drawn = sample(run, conditions, box=200.0, points=40, extrapolate=True)
    assert [len(one) for one in drawn] == [40, 40]
    for one, condition in zip(drawn, conditions, strict=True):
        limit = float(one.provenance["minimum_mass"])
        assert LIMIT <= limit <= one.columns["mass"].min() * (1 + 1e-6)
        number = run.encoding.expected_number({**condition, "minimum_mass": limit}, 200.0)
        assert 40 < number < 200


def test_there_is_room_in_boxes_of_any_size(encoding):
    """Rows for all haloes and some more, also of boxes beyond the reach of the table of sigma."""
    cosmology = Cosmology(**AT)
    for box in (100.0, 300.0, 3000.0):
        draws = encoding.plan([AT], 1, 0, extrapolate=True)
        (draw,) = encoding.with_fields(draws, [SeededField(cosmology, 0, 0, box, 64)])
        number = encoding.expected_number(AT, box)
        assert 1.1 * number < draw.shape[1] < 3.0 * number + 512


def test_the_usual_mass_of_the_heaviest(encoding):
    """Training on the N heaviest: the mass that N are expected above, which rises with sigma_8."""
    fit = {"middle": (0.0, -0.7), "spread": (1.0, 1.0), "density": (-3.0, 4.0, 0.0)}
    of_number = dataclasses.replace(
        encoding, masses=(LIMIT, 2 * LIMIT), per_volume=(1e-5, 1.005e-5), **fit
    )
    low, high = ({**AT, "sigma_8": sigma_8} for sigma_8 in (0.79, 0.83))
    for condition in (low, high):
        condition |= {"minimum_mass": of_number.usual_mass(condition)}
        assert of_number.expected_number(condition, 300.0) == pytest.approx(270.0, rel=1e-5)
    assert low["minimum_mass"] < high["minimum_mass"]


def test_phases_do_not_depend_on_the_cosmology(run):
    at = {"omega_m": 0.3, "omega_b": 0.049, "h": 0.67, "n_s": 0.96, "sigma_8": 0.8}
    one, other = run.encoding.seeded_fields([at, at | {"sigma_8": 0.85}], 5, 150.0)
    assert one.points == other.points
    high = SeededField(other.cosmology, 5, 0, 150.0, other.points).made().values
    np.testing.assert_allclose(one.made().values * (0.85 / 0.8), high, rtol=1e-3, atol=1e-4)


def test_commands(run, suite, tmp_path, capsys):
    folder = str(run.folder)
    out = tmp_path / "drawn.h5"
    options = ["--omega-m", "0.3", "--minimum-mass", "9e13", "-n", "2", "--extrapolate"]
    main(["sample", folder, "--box", "110", *options, "-o", str(out)])
    with Suite(out) as drawn:
        assert len(drawn) == 2 and drawn[0].box[0] == 110.0
        assert drawn[0].cosmology["omega_m"] == pytest.approx(0.3)
        assert drawn[0].columns["mass"].min() >= 8.999e13
    heaviest = ["--points", "20", *options[:2], *options[4:]]
    main(["sample", folder, "--box", "200", *heaviest, "-o", str(out)])
    with Suite(out) as drawn:
        assert [len(one) for one in drawn] == [20, 20]
    main(["sample", folder, "--like", str(suite), "--splits", "test", "-o", str(out)])
    with Suite(out) as drawn:
        assert drawn[0].box[0] == BOX
    path = tmp_path / "linear.npy"
    np.save(path, Suite(suite).field(0).values)
    main(["sample", folder, "--box", "128", "--field", str(path), *options, "-o", str(out)])
    with Suite(out) as drawn:
        assert len(drawn) == 2


AT = {"omega_m": 0.3, "omega_b": 0.049, "h": 0.67, "n_s": 0.96, "sigma_8": 0.8}
WAVES = np.sin(2 * np.pi * np.arange(64) / 64).astype(np.float32)
VALUES = np.broadcast_to(0.3 * WAVES, (64, 64, 64))


@pytest.mark.parametrize(
    ("conditions", "options", "message"),
    [
        ([AT], {}, "pass --box"),
        ([AT], {"fields": []}, "a linear field for each of 1 draws"),
        ([AT], {"fields": [VALUES]}, "know their box"),
        ([AT], {"box": 100.0, "fields": [Field(VALUES, BOX)]}, "leave one out"),
        ([AT], {"box": 100.0, "points": 5000}, "at most .* heaviest haloes in 100 Mpc/h"),
        ([{**AT, "minimum_mass": 9e13}], {"box": 100.0, "points": 5}, "leave one out"),
        ([AT], {"box": 100.0, "points": 0}, "one halo or more"),
        ([{**AT, "sigma_8": 1.9}], {"box": 100.0}, "--extrapolate"),
        ([{**AT, "minimum_mass": 1e16}], {"box": 500.0}, "--extrapolate"),
        ([{"omega_m": 0.3}], {"box": 100.0}, "none of omega_b"),
        ([AT], {"fields": [Field(VALUES[:16, :16, :16] - VALUES[0, 0, :16].mean(), BOX)]}, "finer"),
        ([AT], {"fields": [Field(VALUES, BOX, smoothing=3.0)]}, "without smoothing"),
    ],
)
def test_what_cannot_be_drawn_is_said(run, conditions, options, message):
    with pytest.raises(InputError, match=message):
        sample(run, conditions, **options)


def test_bad_fields_are_refused():
    for values, message in [
        (VALUES + 1.0, "mean 0"),
        (np.where(np.arange(64) == 3, np.nan, VALUES), "finite|NaN"),
        (VALUES[:32], "shape"),
    ]:
        with pytest.raises(InputError, match=message):
            Field(values, BOX)


def test_a_model_without_fields_takes_no_box(tmp_path, suite):
    data = CatalogueDataset(suite, columns=("x", "y", "z"), condition=("omega_m",))
    from galgen.generative import Births, BirthSampler

    experiment = Experiment(
        data,
        MeshRate(mesh=4, width=4, channels=2),
        Births(),
        BirthSampler(steps=2),
        Trainer(steps=1, batch_size=1),
    )
    run = experiment.train(tmp_path / "births")
    with pytest.raises(InputError, match="expected no box"):
        sample(run, [{"omega_m": 0.3}], box=100.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"minimum_masses": (1e17,)}, "got none of"),
        ({"minimum_masses": (3.2e14,)}, "larger boxes"),
        ({"minimum_masses": (1e10,)}, "finer field"),
        ({"piece": 10}, "--data.piece"),
    ],
)
def test_what_cannot_be_trained_on_is_said(suite, change, message):
    data = LagrangianDataset(suite, **{"minimum_masses": (LIMIT,), **change})
    with pytest.raises(InputError, match=message):
        data.prepare(1, 0)


def test_columns_that_are_missing_are_named(suite):
    held = Suite(suite)
    catalogue = held[0]
    for drop in ("mass", "vx"):
        columns = {name: held[0].columns[name] for name in catalogue.columns if name != drop}
        with pytest.raises(InputError, match=f"no {drop}"):
            HaloTable.of(catalogue.replace(columns=columns), held.field(0), LIMIT, UNITS)
    with pytest.raises(InputError, match="periodic cube"):
        HaloTable.of(catalogue.replace(periodic=False), held.field(0), LIMIT, UNITS)


def test_a_draw_without_a_field_is_blank(encoding):
    (draw,) = encoding.plan([AT], 1, 0)
    assert isinstance(draw, GridDraw)
    source = SeededField(Cosmology(**AT), 0, 0, 110.0, 64)
    (given,) = encoding.with_fields([draw], [source])
    np.testing.assert_allclose(given.condition[0], encoding.condition_of(given.grid), rtol=1e-5)
    assert draw.blank.field.shape[-1] == INPUTS + 24


def test_marks_do_not_depend_on_the_order_of_haloes(trained):
    rng = np.random.default_rng(0)
    model = dataclasses.replace(trained, condition=jnp.array([0.1, -0.2, 0.6]))
    points, known = rng.random((30, 3)), rng.standard_normal((30, 2 + 1 + WIDTHS + 9))
    noisy, order = rng.standard_normal((30, 7)).astype(np.float32), rng.permutation(30)

    def denoised(rows):
        denoiser = model.denoiser(
            jnp.asarray(points[rows], jnp.float32),
            jnp.ones(30, bool),
            jnp.asarray(known[rows], jnp.float32),
            20.0,
            Euclidean(),
        )
        out = denoiser(jnp.asarray(noisy[rows])[None], jnp.full(1, 0.4), None, None)
        return np.asarray(out[0])

    np.testing.assert_allclose(denoised(np.arange(30))[order], denoised(order), atol=1e-5)
