"""Networks of sets: what the common table of symmetries does not ask of them."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from drawn_weights import weights

from galgen.geometry import Euclidean
from galgen.networks.deep_set import DeepSet
from galgen.networks.set_transformer import SetTransformer, even_places
from galgen.periodic import wrap

NETWORKS = {
    "DeepSet": DeepSet(12, 1, dim=2),
    "full": SetTransformer(12, 1, 2, dim=2),
    "induced": SetTransformer(12, 1, 2, dim=2, inducing=3),
    "relative": SetTransformer(12, 1, 2, dim=2, relative=True),
    "DeepSet, relative": DeepSet(12, 1, dim=2, relative=True),
}
POINTS = 14
T = jnp.array([0.3, 0.8])
CONDITION = jnp.array([[0.5, -1.0], [1.0, 0.2]])
# Real rows are scattered; the first cloud has one point.
SCATTERED = jnp.zeros((2, POINTS), bool).at[0, 5].set(True).at[1, jnp.array([1, 4, 5, 9])].set(True)
X = jnp.asarray(np.random.default_rng(1).random((2, POINTS, 3)), jnp.float32)


@pytest.fixture(params=NETWORKS, scope="module")
def row(request: pytest.FixtureRequest):
    """The network's name, weights and a compiled call."""
    network: nn.Module = NETWORKS[request.param]
    return request.param, weights(network, X, T, SCATTERED, CONDITION), jax.jit(network.apply)


def test_real_rows_may_be_anywhere(row) -> None:
    _, params, call = row
    out = call(params, X, T, SCATTERED, CONDITION)
    assert np.all(np.asarray(out)[~np.asarray(SCATTERED)] == 0)
    order = jnp.argsort(~SCATTERED, axis=-1, stable=True)
    front = jnp.take_along_axis(X, order[..., None], axis=1)
    mask = jnp.take_along_axis(SCATTERED, order, axis=1)
    expected = jnp.take_along_axis(out, order[..., None], axis=1)
    assert np.allclose(call(params, front, T, mask, CONDITION), expected, atol=2e-5)


def test_no_mask_is_all_real_and_points_hear_each_other(row) -> None:
    _, params, call = row
    out = call(params, X, T, None, CONDITION)
    every = call(params, X, T, jnp.ones((2, POINTS), bool), CONDITION)
    assert np.allclose(out, every, atol=2e-5)
    changed = call(params, X.at[:, 0].add(jnp.array([0.3, 0.2, 1.0])), T, None, CONDITION)
    assert np.max(np.abs(changed - out)[:, 1:]) > 1e-3


def test_only_relative_positions_do_not_see_a_translation(row) -> None:
    name, params, call = row
    moved = X.at[..., :2].set(wrap(X[..., :2] + jnp.array([0.37, 0.61])))
    for mask in (None, SCATTERED):
        out, after = (call(params, x, T, mask, CONDITION) for x in (X, moved))
        difference = np.max(np.abs(after - out))
        assert difference < 5e-5 if "relative" in name else difference > 1e-3


def test_network_is_continuous_across_the_faces(row) -> None:
    _, params, call = row
    sides = [X.at[0, 5, 0].set(side) for side in (1e-6, 1.0 - 1e-6)]
    out, other = (call(params, x, T, SCATTERED, CONDITION) for x in sides)
    assert np.allclose(out, other, atol=1e-3)


@pytest.mark.parametrize("name", ["relative", "DeepSet, relative"])
def test_relative_outputs_carry_directions(name: str) -> None:
    """Two equal points a displacement apart: what one says of it is not what the other says."""
    network = NETWORKS[name]
    x = jnp.array([[[0.2, 0.4], [0.5, 0.3]]])
    out = jax.jit(network.apply)(weights(network, x, T[:1]), x, T[:1])[0]
    assert np.max(np.abs(out[0] - out[1])) > 1e-2


@pytest.mark.parametrize(
    ("network", "shape", "message"),
    [
        (SetTransformer(12, 1, 2), (2, 4, 2), "at least 3 columns.* got shape"),
        (DeepSet(12, 1), (2, 4, 2), "at least 3 columns.* got shape"),
        (
            SetTransformer(12, 1, 2, geometry=Euclidean(), relative=True),
            (2, 4, 3),
            "expected PeriodicBox",
        ),
        (DeepSet(12, 1, geometry=Euclidean(), relative=True), (2, 4, 3), "expected PeriodicBox"),
        (SetTransformer(16, 1, 4), (2, 4, 3), "at least 6 channels to turn"),
        (DeepSet(2, 1), (2, 4, 3), "at least 6 channels to turn"),
    ],
)
def test_errors_say_what_to_do(network: nn.Module, shape, message: str) -> None:
    with pytest.raises(ValueError, match=f"expected .*{message.removeprefix('expected ')}"):
        jax.eval_shape(network.init, jax.random.key(0), jnp.zeros(shape), T)


def test_inducing_points_start_spread_over_the_box() -> None:
    places = np.asarray(even_places(jax.random.key(0), (64, 3)))
    assert np.all((places >= 0) & (places < 1))
    octant = (places > 0.5) @ np.array([1, 2, 4])
    assert np.all(np.abs(np.bincount(octant, minlength=8) - 8) <= 2)
