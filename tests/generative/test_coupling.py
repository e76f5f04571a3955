import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from galgen.generative import Independent, LinearPath, OptimalAssignment, TorusGeodesic

KEY = jax.random.key(9)


def total_cost(path, base, data) -> float:
    return float(jnp.trace(path.squared_distance(base, data)))


@pytest.mark.parametrize("path", [TorusGeodesic(), LinearPath()])
def test_assignment_is_the_best_of_all_permutations(path) -> None:
    base = path.sample_base(jax.random.key(0), (2, 6, 3))
    data = path.sample_base(jax.random.key(1), (2, 6, 3))
    coupled = jax.jit(lambda b, d: OptimalAssignment()(KEY, path, b, d, None))(base, data)
    for b, d, c in zip(base, data, coupled, strict=True):
        best = min(total_cost(path, b[jnp.array(p)], d) for p in itertools.permutations(range(6)))
        assert total_cost(path, c, d) == pytest.approx(best, rel=1e-5)


@pytest.mark.parametrize(
    "coupling", [Independent(), OptimalAssignment(), OptimalAssignment(blur=0.7)]
)
def test_both_marginals_are_left_intact(coupling) -> None:
    path = TorusGeodesic()
    base = path.sample_base(jax.random.key(0), (3, 40, 3))
    data = path.sample_base(jax.random.key(1), (3, 40, 3))
    mask = jnp.arange(40)[None] < jnp.array([[40], [25], [1]])
    coupled = coupling(KEY, path, base, data, mask)
    for before, after, real in zip(base, coupled, np.asarray(mask), strict=True):
        rows = [np.unique(np.asarray(cloud)[real], axis=0) for cloud in (before, after)]
        assert np.array_equal(*rows), "the base rows of a cloud changed: not a permutation"
        assert np.array_equal(before[~real], after[~real]), "padding was mixed in"


def test_assignment_needs_clouds() -> None:
    with pytest.raises(ValueError, match="expected clouds"):
        OptimalAssignment()(KEY, LinearPath(), jnp.zeros((4, 2)), jnp.zeros((4, 2)), None)


def test_blur_goes_from_optimal_to_independent() -> None:
    path = TorusGeodesic()
    base = path.sample_base(jax.random.key(0), (4, 60, 3))
    data = path.sample_base(jax.random.key(1), (4, 60, 3))
    costs = []
    for blur in (0.0, 0.5, 50.0):
        coupled = OptimalAssignment(blur)(KEY, path, base, data, None)
        costs.append(sum(total_cost(path, c, d) for c, d in zip(coupled, data, strict=True)) / 240)
    independent = 3 / 12  # the variance of a minimum-image displacement, three axes
    assert costs[0] < costs[1] < 0.6 * independent
    assert costs[2] == pytest.approx(independent, rel=0.15)
