"""Encoders: one vector of a cloud, which keeps the symmetries of the network inside."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from galgen.geometry import Euclidean, cube_symmetries
from galgen.networks import (
    DeepSet,
    EquivariantNetwork,
    GraphNetwork,
    ParticleMesh,
    PooledNetwork,
    SetTransformer,
    VectorNetwork,
)
from galgen.periodic import wrap
from galgen.serialization import from_json, to_json


@dataclasses.dataclass(frozen=True)
class Row:
    """A network inside, and what the vector of the whole is claimed not to see."""

    network: nn.Module
    translation: bool
    cube: bool = False


TABLE = {
    "ParticleMesh": Row(ParticleMesh(24, 4, 2, 6, 6, 2, 4), True),
    "GraphNetwork": Row(GraphNetwork(24, 2, 6, 6), True),
    "EquivariantNetwork": Row(EquivariantNetwork(10, 6, 1, 1, 5, 6), True, True),
    "SetTransformer, relative": Row(SetTransformer(24, 2, 2, relative=True), True),
    "DeepSet, relative": Row(DeepSet(24, 2, relative=True), True),
    "DeepSet, open": Row(DeepSet(24, 2, geometry=Euclidean()), False),
}
POINTS, REAL = 24, 17
MASK = jnp.arange(POINTS)[None] < jnp.array([[REAL], [POINTS]])
X = jax.random.uniform(jax.random.key(1), (2, POINTS, 4))


@pytest.fixture(params=TABLE, scope="module")
def row(request: pytest.FixtureRequest):
    """The table's row, weights that are nowhere zero, and a compiled call."""
    entry = TABLE[request.param]
    network = PooledNetwork(entry.network, width=6, features=8, layers=1)
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(network.init, jax.random.key(0), X, MASK)

    def draw(path, leaf):
        fan_in = leaf.shape[0] if leaf.ndim > 1 else 10
        centre = 1.0 if path[-1].key == "scale" else 0.0
        return (centre + rng.normal(size=leaf.shape) / np.sqrt(fan_in)).astype(np.float32)

    params = jax.tree_util.tree_map_with_path(draw, shapes)
    level = {"xla_backend_optimization_level": 0}
    apply = jax.jit(network.apply, compiler_options=level)
    return entry, params, lambda x, mask=MASK: np.asarray(apply(params, x, mask))


def test_order_and_padding_do_not_speak(row) -> None:
    _, _, call = row
    out = call(X)
    assert out.shape == (2, 8) and np.all(out.std(axis=1) > 1e-2)
    order = jax.random.permutation(jax.random.key(3), REAL)
    shuffled = X.at[0, :REAL].set(X[0, order])
    assert np.allclose(call(shuffled), out, atol=2e-5)
    assert np.array_equal(call(jnp.where(MASK[..., None], X, jnp.nan)), out)


def test_what_is_said_to_be_unseen_is(row) -> None:
    entry, _, call = row
    out = call(X)
    moved = X.at[..., :3].set(wrap(X[..., :3] + jnp.array([0.37, 0.61, 0.93])))
    turned = X.at[..., :3].set(wrap((X[..., :3] - 0.5) @ cube_symmetries()[7].T + 0.5))
    for other, unseen in ((moved, entry.translation), (turned, entry.cube)):
        difference = np.max(np.abs(call(other) - out))
        assert difference < 1e-4 if unseen else difference > 1e-4


def test_points_their_marks_and_their_number_are_heard(row) -> None:
    _, _, call = row
    out = call(X)
    nearer = X.at[:, 1, :3].set(X[:, 0, :3] + 0.01)
    for other in (nearer, X.at[..., 3].add(0.5)):
        assert np.max(np.abs(call(other) - out)) > 1e-3
    fewer = call(X, MASK.at[0, REAL - 1].set(False))
    assert np.max(np.abs(fewer[0] - out[0])) > 1e-3 and np.allclose(fewer[1], out[1], atol=1e-6)


def test_reads_back_equal_and_refuses_what_it_cannot_take() -> None:
    network = PooledNetwork(ParticleMesh(), 16)
    assert from_json(to_json(network)) == network
    with pytest.raises(ValueError, match=r"expected clouds .* use VectorNetwork"):
        jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((3, 5)), None)
    with pytest.raises(ValueError, match=r"expected vectors .* PooledNetwork for clouds"):
        jax.eval_shape(VectorNetwork().init, jax.random.key(0), jnp.zeros((3, 5, 3)), None)


def test_vectors_pass_as_they_are_or_through_blocks() -> None:
    x = jax.random.normal(jax.random.key(0), (5, 3))
    assert np.array_equal(VectorNetwork(layers=0).apply({}, x, None), x)
    network = VectorNetwork(features=8, layers=1)
    level = {"xla_backend_optimization_level": 0}
    out, _ = jax.jit(network.init_with_output, compiler_options=level)(jax.random.key(0), x, None)
    assert out.shape == (5, 8) and np.all(out.std(axis=0) > 1e-2)
