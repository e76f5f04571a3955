"""The map from bounded parameters to the real line."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from galgen.inference.priors.support import Bounded, Unbounded

THETA = jnp.array([[-0.999, 0.3], [0.0, 0.98], [0.5, -0.5]])


@pytest.mark.parametrize("support", [Bounded(), Unbounded()])
def test_maps_there_and_back_with_its_volume(support) -> None:
    u, log_slope = support.unconstrain(THETA)
    assert np.allclose(support.constrain(u), THETA, atol=1e-5)
    jacobian = jax.vmap(jax.jacobian(lambda theta: support.unconstrain(theta)[0]))(THETA)
    assert np.allclose(log_slope, np.linalg.slogdet(jacobian)[1], atol=1e-4)
    # The prior is standard normal of u, and the prior that samplers are given is the same.
    normal = -0.5 * np.sum(np.asarray(u) ** 2 + np.log(2 * np.pi), axis=-1)
    assert np.allclose(support.prior(2).log_prob(THETA), normal + log_slope, atol=1e-4)


def test_uniform_parameters_become_normal_and_nothing_leaves_the_bounds() -> None:
    theta = jnp.linspace(-1, 1, 20_003)[1:-1, None]
    u, _ = Bounded().unconstrain(theta)
    assert abs(u.mean()) < 1e-3 and abs(u.std() - 1) < 2e-3
    far = Bounded().constrain(jnp.array([[-60.0, 9.0], [3.0, 60.0]]))
    assert np.all(np.abs(far) <= 1)


def test_outside_has_no_density_and_the_edge_a_finite_one() -> None:
    u, log_slope = Bounded().unconstrain(jnp.array([[0.0, 1.2], [1.0, -1.0]]))
    assert np.isneginf(log_slope[0]) and np.isnan(u[0, 1])
    assert np.all(np.isfinite(u[1])) and np.isfinite(log_slope[1])
    gradient = jax.grad(lambda theta: jnp.sum(Bounded().unconstrain(theta)[1]))(jnp.ones((1, 2)))
    assert np.all(np.isfinite(gradient))
