import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.optimize import linear_sum_assignment

from galgen.generative import Bridge, LinearPath, MinibatchTransport, TorusGeodesic
from galgen.types import Batch

KEY = jax.random.key(9)
CLASSES = MinibatchTransport(condition_weight=math.inf)
jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


def two_classes(number=512):
    """Two Gaussians of the plane, their classes, and a normal base."""
    label_key, place_key, base_key = jax.random.split(KEY, 3)
    label = jnp.where(jax.random.bernoulli(label_key, 0.5, (number, 1)), 1.0, -1.0)
    data = 2.0 * label * jnp.array([1.0, 0.0]) + jax.random.normal(place_key, (number, 2))
    return jax.random.normal(base_key, (number, 2)), data, label


def couple(coupling, base, data, condition=None, path=None):
    path = path or LinearPath()
    return np.asarray(
        jit(lambda b, d, c: coupling(KEY, path, b, d, None, c))(base, data, condition)
    )


def squared_way(base, data) -> float:
    return float(jnp.mean(jnp.sum((data - base) ** 2, axis=-1)))


@pytest.mark.parametrize(("path", "event"), [(TorusGeodesic(), (2,)), (LinearPath(), (4, 4, 1))])
def test_base_draws_are_permuted_at_the_least_cost(path, event) -> None:
    base, data = (path.sample_base(jax.random.key(k), (32, *event)) for k in (0, 1))
    coupled = couple(MinibatchTransport(), base, data, path=path)
    rows, targets = (x.reshape(32, -1) for x in (base, data))
    cost = np.asarray(path.squared_distance(rows, targets))
    row, column = linear_sum_assignment(cost)
    assert np.array_equal(coupled[column], np.asarray(base)[row])
    assert np.array_equal(MinibatchTransport().length(data, None), np.ones(32))


def test_transport_that_ignores_the_condition_skews_its_base() -> None:
    """p(x_0 | c) in training against the normal base that sampling starts from."""
    base, data, label = two_classes()
    one = np.asarray(label)[:, 0] > 0
    skewed = couple(MinibatchTransport(), base, data)[one, 0]
    assert stats.kstest(skewed, "norm").pvalue < 1e-20 and skewed.mean() > 0.5
    coupled = couple(CLASSES, base, data, label)
    for axis in (0, 1):
        assert stats.kstest(coupled[one, axis], "norm").pvalue > 0.02
    for chosen in (one, ~one):
        rows = [np.unique(np.asarray(x)[chosen], axis=0) for x in (coupled, base)]
        assert np.array_equal(*rows), "base draws crossed from one class to the other"
    assert squared_way(coupled, data) < 0.8 * squared_way(base, data)


def test_weight_goes_from_skewed_to_exact() -> None:
    base, data, label = two_classes()
    one = np.asarray(label)[:, 0] > 0
    means = [
        couple(MinibatchTransport(weight), base, data, label)[one, 0].mean()
        for weight in (1e-4, 0.3, 1e4)
    ]
    assert means[0] > means[1] > means[2]
    assert np.array_equal(
        couple(MinibatchTransport(1e4), base, data, label), couple(CLASSES, base, data, label)
    )


def test_conditions_that_all_differ_leave_the_independent_coupling() -> None:
    base, data, _ = two_classes(64)
    condition = jnp.linspace(0.0, 1.0, 64)[:, None]
    assert np.array_equal(couple(CLASSES, base, data, condition), base)
    assert not np.array_equal(couple(MinibatchTransport(1.0), base, data, condition), base)


def test_off_by_default_where_there_is_a_condition() -> None:
    _, data, label = two_classes(8)

    def loss(coupling, condition):
        bridge = Bridge(LinearPath(), coupling)
        zero = functools.partial(bridge.loss, lambda x, *_: jnp.zeros_like(x))
        return jit(zero)(KEY, Batch(data, None, condition))

    with pytest.raises(ValueError, match="skews the base of every condition; use Minibatch"):
        loss(MinibatchTransport(), label)
    with pytest.raises(ValueError, match="condition_weight=inf and for the condition none"):
        loss(CLASSES, None)
    assert loss(CLASSES, label) == pytest.approx(1.0, abs=1e-6)
    assert loss(MinibatchTransport(), None) == pytest.approx(1.0, abs=1e-6)


def test_what_cannot_be_paired_is_refused() -> None:
    cloud = jnp.zeros((2, 4, 3))
    with pytest.raises(ValueError, match=r"got padded clouds; use OptimalAssignment\(\)"):
        MinibatchTransport()(KEY, LinearPath(), cloud, cloud, jnp.ones((2, 4), bool))
