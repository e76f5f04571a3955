"""One table of networks, one set of truths."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from galgen.geometry import Euclidean, wrap
from galgen.networks import MLP, ConvolutionalNetwork, GraphNetwork, ParticleMesh, SetTransformer


@dataclasses.dataclass(frozen=True)
class Row:
    network: nn.Module
    translation: bool


TABLE = {
    "ParticleMesh": Row(ParticleMesh(24, 16, 2, 6, 6, 2, 4), True),
    "ParticleMesh, open": Row(ParticleMesh(24, 16, 2, 6, 6, 2, 4, Euclidean()), False),
    "GraphNetwork": Row(GraphNetwork(width=24, layers=2, k=6, radial=6), True),
    "GraphNetwork, open": Row(GraphNetwork(24, 2, 6, 6, geometry=Euclidean()), False),
    "SetTransformer": Row(SetTransformer(width=24, layers=2, heads=2), False),
    "SetTransformer, open": Row(SetTransformer(24, 2, 2, geometry=Euclidean()), False),
}
POINTS, REAL = 24, 17
T = jnp.array([0.3, 0.8])
CONDITION = jnp.array([[0.5, -1.0], [1.0, 0.2]])
MASK = jnp.arange(POINTS)[None] < jnp.array([[REAL], [POINTS]])


def cloud(features: int = 4) -> jax.Array:
    return jax.random.uniform(jax.random.key(1), (2, POINTS, features))


def perturbed(params):
    """Weights away from their zero initialisation."""
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(2), len(leaves))
    noisy = [a + 0.2 * jax.random.normal(k, a.shape) for a, k in zip(leaves, keys, strict=True)]
    return jax.tree.unflatten(tree, noisy)


@pytest.fixture(params=TABLE, scope="module")
def row(request: pytest.FixtureRequest):
    """The table's row, weights that are not at their zero initialisation, and a compiled call."""
    entry = TABLE[request.param]
    params = entry.network.init(jax.random.key(0), cloud(), T, MASK, CONDITION)
    params = perturbed(params)
    call = jax.jit(entry.network.apply)
    return (
        entry,
        params,
        lambda x, mask=MASK: call(params, x, T[: len(x)], mask, CONDITION[: len(x)]),
    )


def test_starts_as_zero(row) -> None:
    entry, *_ = row
    params = entry.network.init(jax.random.key(0), cloud(), T, MASK, CONDITION)
    assert np.all(np.asarray(entry.network.apply(params, cloud(), T, MASK, CONDITION)) == 0)


def test_output_is_not_trivial(row) -> None:
    _, _, call = row
    out = np.asarray(call(cloud()))
    assert out.shape == (2, POINTS, 4)
    assert np.all(out[0, :REAL].std(axis=0) > 1e-3)


def test_permutation_equivariance(row) -> None:
    _, _, call = row
    order = jax.random.permutation(jax.random.key(3), REAL)
    x = cloud()
    shuffled = x.at[0, :REAL].set(x[0, order])
    assert np.allclose(call(shuffled)[0, :REAL], call(x)[0, order], atol=2e-5)


def test_padding_never_speaks(row) -> None:
    entry, params, call = row
    x = cloud()
    poisoned = jnp.where(MASK[..., None], x, jnp.nan)
    assert np.array_equal(call(poisoned), call(x))
    assert np.all(np.asarray(call(x))[0, REAL:] == 0)
    cut = call(x[:1, :REAL], None)
    assert np.allclose(cut, call(x)[:1, :REAL], atol=2e-5)

    def power(params, x):
        return jnp.sum(entry.network.apply(params, x, T, MASK, CONDITION) ** 2)

    for a, b in zip(
        *(jax.tree.leaves(jax.grad(power)(params, y)) for y in (x, poisoned)), strict=True
    ):
        assert np.all(np.isfinite(a))
        assert np.array_equal(a, b)


def test_translation_on_the_torus(row) -> None:
    entry, _, call = row
    shift = jnp.array([0.37, 0.61, 0.93])
    x = cloud()
    moved = x.at[..., :3].set(wrap(x[..., :3] + shift))
    difference = np.max(np.abs(call(moved) - call(x)))
    if entry.translation:
        assert difference < 5e-5
    else:
        assert difference > 1e-3, "claims less than it does: list it as equivariant"


def test_one_real_point_and_no_condition(row) -> None:
    entry, *_ = row
    mask = jnp.arange(POINTS)[None] < jnp.array([[1], [1]])
    params = entry.network.init(jax.random.key(0), cloud(), T, mask, None)
    params = jax.tree.map(lambda a: a + 0.1, params)

    def power(params):
        return jnp.sum(entry.network.apply(params, cloud(), T, mask, None) ** 2)

    value, gradient = jax.value_and_grad(power)(params)
    assert np.isfinite(value)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(gradient))


def test_time_and_condition_are_heard(row) -> None:
    entry, params, _ = row
    x = cloud()
    here = entry.network.apply(params, x, T, MASK, CONDITION)
    assert np.max(np.abs(entry.network.apply(params, x, T + 0.1, MASK, CONDITION) - here)) > 1e-3
    assert np.max(np.abs(entry.network.apply(params, x, T, MASK, CONDITION + 1) - here)) > 1e-3


def test_positions_alone(row) -> None:
    entry, *_ = row
    x = cloud(3)
    params = entry.network.init(jax.random.key(0), x, T, MASK, CONDITION)
    params = jax.tree.map(lambda a: a + 0.1, params)
    assert np.all(np.isfinite(entry.network.apply(params, x, T, MASK, CONDITION)))


@pytest.mark.parametrize(
    ("network", "shape", "wrong"),
    [
        (MLP(16, 1), (2, 2), (2, 5)),
        (ConvolutionalNetwork((4, 8, 8)), (2, 28, 28, 1), (2, 27, 27, 1)),
    ],
)
def test_plain_networks(network: nn.Module, shape, wrong) -> None:
    x = jax.random.normal(jax.random.key(0), shape)
    params = network.init(jax.random.key(0), x, T, None, CONDITION)
    assert np.all(np.asarray(network.apply(params, x, T, None, CONDITION)) == 0)
    params = perturbed(params)
    out = network.apply(params, x, T, None, CONDITION)
    assert out.shape == shape
    assert np.max(np.abs(network.apply(params, x, T, None, CONDITION + 1) - out)) > 1e-3
    assert np.max(np.abs(network.apply(params, x, T + 0.2, None, CONDITION) - out)) > 1e-3
    with pytest.raises(ValueError, match="expected"):
        network.init(jax.random.key(0), jnp.zeros(wrong), T, jnp.ones((2, 3), bool), None)
