import jax
import jax.numpy as jnp
import numpy as np
import pytest

from galgen.generative import Bridge, LinearPath, OptimalAssignment, ProductPath, TorusGeodesic
from galgen.types import Batch

TORUS = ProductPath((TorusGeodesic(), LinearPath()), (3, 1))


def test_a_zero_network_has_loss_one() -> None:
    batch = Batch(jax.random.uniform(jax.random.key(0), (4, 30, 4)))
    loss = Bridge(TORUS).loss(lambda x, *_: jnp.zeros_like(x), jax.random.key(1), batch)
    assert loss == pytest.approx(1.0, abs=1e-6)


def test_the_minimiser_is_the_conditional_mean() -> None:
    """For data at one point m the velocity is known given x_t: (m - x_t) / (1 - t), loss zero."""
    data = jnp.full((64, 2), 0.7)

    def exact(x, t, mask, condition):
        return (0.7 - x) / (1 - t[:, None])

    loss = Bridge(LinearPath()).loss(exact, jax.random.key(0), Batch(data))
    assert loss < 1e-6
    shifted = Bridge(LinearPath()).loss(lambda *a: exact(*a) + 0.3, jax.random.key(0), Batch(data))
    assert shifted > 0.02


@pytest.mark.parametrize("coupling", [Bridge(TORUS).coupling, OptimalAssignment()])
def test_padding_does_not_change_the_loss(coupling) -> None:
    bridge = Bridge(TORUS, coupling)
    x = jax.random.uniform(jax.random.key(0), (4, 30, 4))
    mask = jnp.arange(30)[None] < jnp.array([[30], [21], [9], [1]])

    def denoiser(x, t, mask, condition):
        return jnp.sin(x) + t[:, None, None]

    poisoned = jnp.where(mask[..., None], x, jnp.nan)
    losses = [bridge.loss(denoiser, jax.random.key(1), Batch(y, mask)) for y in (x, poisoned)]
    assert np.isfinite(losses[0])
    assert losses[0] == losses[1]


def test_velocity_is_zero_on_padding() -> None:
    mask = jnp.arange(5)[None] < 3
    velocity = Bridge(TORUS).velocity(
        lambda x, *_: x + 1, jnp.zeros((1, 5, 4)), jnp.array(0.5), mask, None
    )
    assert np.all(np.asarray(velocity)[0, 3:] == 0) and np.all(np.asarray(velocity)[0, :3] == 1)
