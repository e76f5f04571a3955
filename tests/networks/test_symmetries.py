"""One table of networks, one set of truths."""

import dataclasses
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from drawn_weights import weights

from galgen.geometry import Euclidean, cube_symmetries
from galgen.networks import (
    EGNN,
    MLP,
    ConvolutionalNetwork,
    DeepSet,
    EquivariantNetwork,
    GraphNetwork,
    ParticleMesh,
    SetTransformer,
)
from galgen.periodic import wrap


@dataclasses.dataclass(frozen=True)
class Row:
    """What a network claims; what it does not claim is tested to be so."""

    network: nn.Module
    translation: bool
    cube: bool = False


OPEN = Euclidean()
TABLE = {
    "ParticleMesh": Row(ParticleMesh(24, 4, 2, 6, 6, 2, 4), True),
    "ParticleMesh, open": Row(ParticleMesh(24, 4, 2, 6, 6, 2, 4, geometry=OPEN), False),
    "GraphNetwork": Row(GraphNetwork(24, 2, 6, 6), True),
    "GraphNetwork, jraph": Row(GraphNetwork(24, 2, 6, 6, gathered=False), True),
    "GraphNetwork, open": Row(GraphNetwork(24, 2, 6, 6, geometry=OPEN), False),
    "EquivariantNetwork": Row(EquivariantNetwork(10, 6, 1, 1, 5, 6), True, True),
    "EquivariantNetwork, open": Row(
        EquivariantNetwork(10, 6, 1, 1, 5, 6, geometry=OPEN), False, True
    ),
    "EGNN": Row(EGNN(12, 4, 1, 5, 6), True, True),
    "SetTransformer": Row(SetTransformer(24, 2, 2), False),
    "SetTransformer, open": Row(SetTransformer(24, 2, 2, geometry=OPEN), False),
    "SetTransformer, induced": Row(SetTransformer(24, 2, 2, inducing=4), False),
    "SetTransformer, relative": Row(SetTransformer(24, 2, 2, relative=True), True),
    "DeepSet": Row(DeepSet(24, 2), False),
    "DeepSet, relative": Row(DeepSet(24, 2, relative=True), True),
    "DeepSet, open": Row(DeepSet(24, 2, geometry=OPEN), False),
}
# Compiling takes longer than running.
jit = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
POINTS, REAL = 24, 17
T = jnp.array([0.3, 0.8])
CONDITION = jnp.array([[0.5, -1.0], [1.0, 0.2]])
MASK = jnp.arange(POINTS)[None] < jnp.array([[REAL], [POINTS]])
# The first cloud has one point.
SCATTERED = jnp.zeros((2, POINTS), bool).at[0, 5].set(True).at[1, 1::2].set(True)


def cloud(features: int = 4) -> jax.Array:
    return jax.random.uniform(jax.random.key(1), (2, POINTS, features))


def perturbed(params):
    """Weights away from their zero initialisation."""
    rng = np.random.default_rng(2)
    return jax.tree.map(
        lambda a: a + np.float32(0.2) * rng.normal(size=a.shape).astype(np.float32),
        jax.device_get(params),
    )


# What an open box changes is one geometry for all networks.
ROWS = [pytest.param(n, marks=[pytest.mark.slow] * n.endswith(", open")) for n in TABLE]


@pytest.fixture(params=ROWS, scope="module")
def row(request: pytest.FixtureRequest):
    """The table's row, a compiled call of weights away from zero, and its gradients."""
    entry = TABLE[request.param]
    initial = jit(entry.network.init)(jax.random.key(0), cloud(), T, MASK, CONDITION)
    moved, apply = perturbed(initial), jit(entry.network.apply)

    def call(x, mask=MASK, t=T, condition=CONDITION, params=moved):
        return apply(params, x, t[: len(x)], mask, condition[: len(x)])

    @jit
    @partial(jax.grad, argnums=(0, 1))
    def gradient(params, x, mask):
        return jnp.sum((entry.network.apply(params, x, T, mask, CONDITION) - 1.0) ** 2)

    assert np.all(np.asarray(call(cloud(), params=initial)) == 0), "does not start as zero"
    return entry, call, partial(gradient, moved)


def test_output_is_not_trivial(row) -> None:
    _, call, _ = row
    out = np.asarray(call(cloud()))
    assert out.shape == (2, POINTS, 4)
    assert np.all(out[0, :REAL].std(axis=0) > 1e-3)


def test_permutation_equivariance(row) -> None:
    _, call, _ = row
    order = jax.random.permutation(jax.random.key(3), REAL)
    x = cloud()
    shuffled = x.at[0, :REAL].set(x[0, order])
    assert np.allclose(call(shuffled)[0, :REAL], call(x)[0, order], atol=2e-5)


def test_padding_never_speaks(row) -> None:
    _, call, _ = row
    x = cloud()
    poisoned = jnp.where(MASK[..., None], x, jnp.nan)
    assert np.array_equal(call(poisoned), call(x))
    assert np.all(np.asarray(call(x))[0, REAL:] == 0)
    # Of five points, fewer than the neighbours that a network asks for.
    few = jnp.arange(POINTS)[None] < jnp.array([[5], [POINTS]])
    cut = call(x[:1, :5], None)
    assert np.allclose(cut, call(x, few)[:1, :5], atol=2e-5)


def test_nan_in_the_padding_reaches_no_gradient(row) -> None:
    """Neither of the weights nor of the cloud, whose real rows lie scattered."""
    *_, gradient = row
    x = cloud()
    poisoned = jnp.where(SCATTERED[..., None], x, jnp.nan)
    clean, dirty = (gradient(y, SCATTERED) for y in (x, poisoned))
    for a, b in zip(jax.tree.leaves(clean), jax.tree.leaves(dirty), strict=True):
        assert np.all(np.isfinite(b))
        assert np.array_equal(a, b)
    assert np.all(np.asarray(dirty[1])[~np.asarray(SCATTERED)] == 0)


@pytest.mark.slow
@pytest.mark.parametrize("rows", [5, 6, REAL, 20])
def test_clouds_of_few_points_do_not_feel_their_padding(row, rows: int) -> None:
    """Fewer points than neighbours: every point sees all the others, in whatever padding."""
    _, call, _ = row
    x = cloud()
    for counts in ([0, 1], [2, 5], [4, 3]):
        mask = jnp.arange(POINTS) < jnp.array(counts)[:, None]
        out = np.asarray(call(x, mask))
        assert np.all(np.isfinite(out)) and np.all(out[~np.asarray(mask)] == 0)
        assert np.allclose(call(x[:, :rows], mask[:, :rows]), out[:, :rows], atol=2e-5)


def test_a_point_sees_the_only_other_one(row) -> None:
    entry, call, _ = row
    if getattr(entry.network, "k", None) is None:
        pytest.skip("no network of neighbours")
    x, mask = cloud(), jnp.arange(POINTS)[None] < jnp.array([[2], [2]])
    near, far = (call(x.at[:, 1, :3].set(x[:, 0, :3] + apart), mask) for apart in (0.05, 0.2))
    assert np.max(np.abs(near - far)[:, :2]) > 1e-3


def test_translation_on_the_torus(row) -> None:
    entry, call, _ = row
    shift = jnp.array([0.37, 0.61, 0.93])
    x = cloud()
    moved = x.at[..., :3].set(wrap(x[..., :3] + shift))
    difference = np.max(np.abs(call(moved) - call(x)))
    if entry.translation:
        assert difference < 5e-5
    else:
        assert difference > 1e-3, "claims less than it does: list it as equivariant"


def test_positions_outside_a_periodic_box_are_taken_modulo_one(row) -> None:
    entry, call, _ = row
    x = cloud()
    outside = x.at[:, ::2, :3].add(jnp.array([1.0, -2.0, 1.0]))
    difference = np.max(np.abs(call(outside) - call(x)))
    if entry.network.geometry.periodic:
        assert difference < 2e-4
    else:
        assert difference > 1e-3, "an open box has no other side"


def test_symmetries_of_the_cube(row) -> None:
    """Positions turn with the cloud and marks do not, for all 48 if it is claimed."""
    entry, call, _ = row
    x = cloud()
    out = np.asarray(call(x))
    differences = []
    for matrix in cube_symmetries() if entry.cube else cube_symmetries()[5:8]:
        turned = x.at[..., :3].set(wrap((x[..., :3] - 0.5) @ matrix.T + 0.5))
        expected = np.concatenate([out[..., :3] @ matrix.T, out[..., 3:]], axis=-1)
        differences.append(np.max(np.abs(np.asarray(call(turned)) - expected)))
    if entry.cube:
        assert max(differences) < 1e-4
    else:
        assert max(differences) > 1e-3, "claims less than it does: list it as equivariant"


def test_one_real_point_or_none_and_their_gradients_are_finite(row) -> None:
    *_, gradient = row
    mask = jnp.arange(POINTS)[None] < jnp.array([[1], [0]])
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(gradient(cloud(), mask)))


def test_no_condition_and_no_marks(row) -> None:
    entry, *_ = row
    x = cloud(3)
    params, apply = weights(entry.network, x, T, MASK, None), jit(entry.network.apply)
    out = np.asarray(apply(params, x, T, MASK, None))
    assert out.shape == x.shape and np.all(out[0, REAL:] == 0)
    assert np.all(out.std(axis=(0, 1)) > 1e-2)
    few = jnp.arange(POINTS)[None] < jnp.array([[1], [0]])
    out = apply(params, x, T, few, None)
    assert np.all(np.isfinite(out)) and np.all(out[:, 1:] == 0) and np.all(out[1] == 0)


def test_time_and_condition_are_heard(row) -> None:
    _, call, _ = row
    x = cloud()
    assert np.max(np.abs(call(x, t=T + 0.1) - call(x))) > 1e-3
    assert np.max(np.abs(call(x, condition=CONDITION + 1) - call(x))) > 1e-3


def test_an_unknown_parameter_is_not_its_mean(row) -> None:
    """NaN stands for a parameter that is not given: finite, and told from any value."""
    _, call, _ = row
    x = cloud()
    unknown, zero = (call(x, condition=CONDITION.at[:, 0].set(v)) for v in (jnp.nan, 0.0))
    assert np.all(np.isfinite(unknown))
    assert np.max(np.abs(unknown - zero)) > 1e-3


def test_what_is_no_cloud_is_refused(row) -> None:
    entry, *_ = row
    with pytest.raises(ValueError, match="expected"):
        entry.network.init(jax.random.key(0), cloud(2), T, MASK, CONDITION)


def test_other_columns_than_the_weights_were_made_for_are_refused(row) -> None:
    _, call, _ = row
    for columns in (3, 5):
        with pytest.raises(
            ValueError, match=rf"expected 4 columns.* got {columns}; .* new weights"
        ):
            call(cloud(columns))


def test_the_two_layouts_of_a_graph_agree() -> None:
    dense, flat = TABLE["GraphNetwork"].network, TABLE["GraphNetwork, jraph"].network
    params = perturbed(jit(dense.init)(jax.random.key(0), cloud(), T, MASK, CONDITION))
    a, b = (jit(n.apply)(params, cloud(), T, MASK, CONDITION) for n in (dense, flat))
    assert np.allclose(a, b, atol=2e-5)


@pytest.mark.parametrize(
    ("network", "shape", "wrong"),
    [
        (MLP(16, 1), (2, 2), (2, 5)),
        (ConvolutionalNetwork((4, 8, 8)), (2, 28, 28, 1), (2, 27, 27, 1)),
    ],
)
def test_plain_networks(network: nn.Module, shape, wrong) -> None:
    x = jax.random.normal(jax.random.key(0), shape)
    apply = jit(network.apply)
    params = jit(network.init)(jax.random.key(0), x, T, None, CONDITION)
    assert np.all(np.asarray(apply(params, x, T, None, CONDITION)) == 0)
    params = perturbed(params)
    out = apply(params, x, T, None, CONDITION)
    assert out.shape == shape
    assert np.max(np.abs(apply(params, x, T, None, CONDITION + 1) - out)) > 1e-3
    assert np.max(np.abs(apply(params, x, T + 0.2, None, CONDITION) - out)) > 1e-3
    with pytest.raises(ValueError, match="expected"):
        network.init(jax.random.key(0), jnp.zeros(wrong), T, jnp.ones((2, 3), bool), None)
    wider = jnp.concatenate([x, x], axis=-1)
    with pytest.raises(ValueError, match=f"expected {shape[-1]} columns.* got {2 * shape[-1]};"):
        apply(params, wider, T, None, CONDITION)
