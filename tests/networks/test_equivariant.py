"""Equivariant networks: what they claim is exact, and they learn."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from galgen.errors import InputError
from galgen.geometry import Euclidean, PeriodicBox, cube_symmetries
from galgen.neighbors import nearest_neighbors
from galgen.networks.egnn import EGNN
from galgen.networks.equivariant_network import EquivariantNetwork
from galgen.periodic import wrap

MAKERS = {
    "EquivariantNetwork": partial(EquivariantNetwork, 10, 6, 1, 1, 5, 6),
    "EquivariantNetwork, degree 2": partial(EquivariantNetwork, 6, 4, 2, 1, 5, 6),
    "EGNN": partial(EGNN, 12, 4, 1, 5, 6),
}
CASES = [
    ("EquivariantNetwork", PeriodicBox()),
    ("EquivariantNetwork, degree 2", Euclidean()),
    ("EGNN", PeriodicBox()),
    ("EGNN", Euclidean()),
]
# Compiling takes longer than running.
jit = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
POINTS, REAL, FEATURES = 16, 11, 8
# Not in order, so that a network that takes the first three marks fails.
VELOCITIES = (6, 4, 5)
T = jnp.array([0.3, 0.8])
CONDITION = jnp.array([[0.5, -1.0], [1.0, 0.2]])
MASK = jnp.arange(POINTS)[None] < jnp.array([[REAL], [POINTS]])


def cloud(features: int = FEATURES) -> jax.Array:
    key, mark_key = jax.random.split(jax.random.key(1))
    positions = jax.random.uniform(key, (2, POINTS, 3))
    marks = jax.random.normal(mark_key, (2, POINTS, features - 3))
    return jnp.concatenate([positions, marks], axis=-1)


def draw_weights(network: nn.Module, *arguments):
    """Weights away from their zero initialisation, which would take long to compile."""
    shapes = jax.eval_shape(network.init, jax.random.key(0), *arguments)
    generator = np.random.default_rng(2)

    def draw(leaf):
        scale = 1.0 / np.sqrt(leaf.shape[0]) if len(leaf.shape) == 2 else 0.5
        return (scale * generator.normal(size=leaf.shape)).astype(np.float32)

    return jax.tree.map(draw, shapes)


class Case:
    """A network in a geometry, with random weights and compiled calls."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self.params = draw_weights(network, cloud(), T, MASK, CONDITION)
        self.apply = jit(network.apply)
        self.gradient = jit(jax.grad(self.power, argnums=(0, 1)))

    def power(self, params, x, mask):
        return jnp.sum(self.network.apply(params, x, T, mask, CONDITION) ** 2)

    def __call__(self, x, mask=MASK, t=T, condition=CONDITION) -> np.ndarray:
        return np.asarray(self.apply(self.params, x, t, mask, condition))


@pytest.fixture(params=CASES, ids=str, scope="module")
def case(request: pytest.FixtureRequest) -> Case:
    name, geometry = request.param
    return Case(MAKERS[name](vector_columns=VELOCITIES, geometry=geometry))


def turned(x, matrix, centre, shift, geometry):
    """The cloud after a symmetry: points about a centre, and velocities."""
    positions = jnp.einsum("ab,...b->...a", matrix, x[..., :3] - centre) + centre + shift
    positions = wrap(positions) if geometry.periodic else positions
    return turned_output(x, matrix).at[..., :3].set(positions)


def turned_output(out, matrix):
    """The output after a symmetry: both of its vectors turn, scalars do not."""
    for columns in ((0, 1, 2), VELOCITIES):
        place = np.asarray(columns)
        out = (
            jnp.asarray(out)
            .at[..., place]
            .set(jnp.einsum("ab,...b->...a", matrix, out[..., place]))
        )
    return out


@pytest.mark.parametrize("name", ["EquivariantNetwork, degree 2", "EGNN"])
def test_starts_as_zero(name: str) -> None:
    network = MAKERS[name](vector_columns=VELOCITIES)
    out, _ = jit(network.init_with_output)(jax.random.key(0), cloud(), T, MASK, CONDITION)
    assert np.all(np.asarray(out) == 0)


def test_output_is_not_trivial(case: Case) -> None:
    out = case(cloud())
    assert out.shape == (2, POINTS, FEATURES)
    assert np.all(out[0, :REAL].std(axis=0) > 0.03)


def test_every_symmetry_of_its_space(case: Case) -> None:
    geometry = case.network.geometry
    generator = np.random.default_rng(3)
    if geometry.periodic:
        matrices = cube_symmetries()
    else:
        matrices = np.linalg.qr(generator.normal(size=(8, 3, 3)))[0].astype(np.float32)
        matrices[::2] *= np.sign(np.linalg.det(matrices[::2]))[:, None, None]
        matrices[1::2] *= -np.sign(np.linalg.det(matrices[1::2]))[:, None, None]
    x, out = cloud(), case(cloud())
    for matrix in matrices:
        centre, shift = generator.uniform(size=(2, 3)).astype(np.float32)
        moved = case(turned(x, matrix, centre, shift, geometry))
        assert np.allclose(moved, turned_output(out, matrix), atol=3e-5)


def test_velocities_are_heard_as_vectors(case: Case) -> None:
    x = cloud()
    place = np.asarray(VELOCITIES)
    mixed = x.at[..., place].set(x[..., place] @ cube_symmetries()[7])
    difference = np.abs(case(mixed) - case(x))[0, :REAL].max(axis=0)
    assert np.all(difference > 1e-4), "turning velocities alone must change every column"


def test_permutation(case: Case) -> None:
    order = jax.random.permutation(jax.random.key(3), REAL)
    x = cloud()
    shuffled = case(x.at[0, :REAL].set(x[0, order]))
    assert np.allclose(shuffled[0, :REAL], case(x)[0, order], atol=2e-5)


def test_padding_never_speaks(case: Case) -> None:
    x = cloud()
    poisoned = jnp.where(MASK[..., None], x, jnp.nan)
    assert np.array_equal(case(poisoned), case(x))
    assert np.all(case(x)[0, REAL:] == 0)
    clean, dirty = (case.gradient(case.params, y, MASK)[0] for y in (x, poisoned))
    for a, b in zip(jax.tree.leaves(clean), jax.tree.leaves(dirty), strict=True):
        assert np.all(np.isfinite(a))
        assert np.array_equal(a, b)


def test_one_real_point_and_coincident_points(case: Case) -> None:
    alone = jnp.arange(POINTS)[None] < jnp.array([[1], [1]])
    x = cloud()
    twins = x.at[:, 1:4].set(x[:, :1]).at[1, :, :3].set(0.25)
    for y, mask in ((x, alone), (twins, MASK)):
        assert np.all(np.isfinite(case(y, mask)))
        assert all(
            np.all(np.isfinite(a)) for a in jax.tree.leaves(case.gradient(case.params, y, mask))
        )


def test_time_and_condition_are_heard(case: Case) -> None:
    x = cloud()
    for other in (case(x, t=T + 0.1), case(x, condition=CONDITION + 1.0)):
        assert np.all(np.abs(other - case(x))[0, :REAL].max(axis=0) > 1e-3)


def test_output_is_continuous_where_neighbours_change(case: Case) -> None:
    x, k, geometry = cloud(), case.network.k, case.network.geometry
    search = jit(lambda x: nearest_neighbors(x[..., :3], k + 1, geometry, MASK))
    near = search(x)
    way, following = np.asarray(near.displacement[1, 0]), near.indices[1, 0, k]
    unit = way[k] / np.linalg.norm(way[k])
    outs, farthest = [], []
    for factor in (1 - 1e-5, 1 + 1e-5):
        place = x[1, 0, :3] + factor * np.linalg.norm(way[k - 1]) * unit
        moved = x.at[1, following, :3].set(place)
        farthest.append(search(moved).indices[1, 0, k - 1])
        outs.append(case(moved))
    assert farthest[0] == following != farthest[1]
    assert np.allclose(*outs, atol=1e-3)


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("columns", [(2, 3, 4), (3, 3, 4), (4, 5, 8), (-3, -2, -1)])
def test_wrong_columns(maker, columns) -> None:
    with pytest.raises(InputError, match=r"expected vector_columns .* from 3 to 7, got .*; give"):
        maker(vector_columns=columns).init(jax.random.key(0), cloud(), T)
    with pytest.raises(InputError, match=r"expected points with at least 3 .* got 2; use"):
        maker().init(jax.random.key(0), cloud()[..., :2], T)


def springs(x):
    """A force towards near neighbours, minimum-image, linear in distance out to a radius."""
    way = PeriodicBox().displacement(x[:, :, None, :3], x[:, None, :, :3])
    distance = jnp.sqrt(jnp.sum(way**2, axis=-1, keepdims=True) + 1e-12)
    return jnp.sum(way * jax.nn.relu(0.25 - distance), axis=2) * 60.0


@pytest.mark.slow
@pytest.mark.parametrize("maker", [MAKERS["EquivariantNetwork"], MAKERS["EGNN"]])
def test_learns_a_force_between_neighbours(maker) -> None:
    network = maker()
    draw = partial(jax.random.uniform, shape=(8, 24, 3))
    t = jnp.zeros(8)
    optimizer = optax.adam(optax.cosine_decay_schedule(1e-2, 200))

    def loss(params, x):
        return jnp.mean((network.apply(params, x, t) - springs(x)) ** 2)

    @jit
    def train(params):
        def step(state, key):
            params, memory = state
            gradient = jax.grad(loss)(params, draw(key))
            update, memory = optimizer.update(gradient, memory)
            return (optax.apply_updates(params, update), memory), None

        keys = jax.random.split(jax.random.key(4), 200)
        return jax.lax.scan(step, (params, optimizer.init(params)), keys)[0][0]

    start = jit(network.init)(jax.random.key(0), draw(jax.random.key(1)), t)
    held_out = draw(jax.random.key(5))
    before, after = (jit(loss)(params, held_out) for params in (start, train(start)))
    assert after < 0.1 * before
