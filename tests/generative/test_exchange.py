"""The averaged target has the posterior mean over assignments, found by enumeration."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from galgen.generative import (
    Bridge,
    Exchange,
    LinearPath,
    NoisePrediction,
    OptimalAssignment,
    ProductPath,
    TorusDiffusion,
    TorusGeodesic,
    Uniform,
    VariancePreserving,
)
from galgen.generative.objectives.exchange import _pairs
from galgen.types import Batch

MARKED = ProductPath((TorusDiffusion(), VariancePreserving()), (3, 1))
ROWS = np.array(list(itertools.permutations(range(4))))


def noise(ends):
    return ends.noise


@pytest.mark.parametrize(
    ("path", "t", "sweeps"),
    [
        (TorusDiffusion(), 0.1, 1),
        (TorusDiffusion(), 0.1, 5),
        (MARKED, 0.1, 5),
        (VariancePreserving(), 0.45, 5),
        (LinearPath(), 0.6, 5),
    ],
)
def test_mean_over_assignments_is_exact(path, t, sweeps) -> None:
    number, features = 20_000, 4 if path is MARKED else 3
    data = jax.random.uniform(jax.random.key(0), (4, features))

    @jax.jit
    def by_enumeration(data):
        """A noised cloud, and log p and the noise of all 24 assignments of its four rows."""
        base = path.sample_base(jax.random.key(1), (1, 4, features))
        x = path.interpolate(base, data[None], jnp.array([t]))[0]
        repeated, times = jnp.broadcast_to(x, (len(ROWS), *x.shape)), jnp.full(len(ROWS), t)
        log = path.log_transition(repeated, data[ROWS], times).sum(axis=-1)
        return x, log, path.ends_from_data(data[ROWS], repeated, times).noise

    @jax.jit
    def averaged(x, drawn):
        many, times = jnp.broadcast_to(x, (number, *x.shape)), jnp.full(number, t)
        target = Exchange(sweeps)(jax.random.key(2), path, noise, many, drawn, None, times)
        return target, path.ends_from_data(drawn, many, times).noise

    x, log, everything = by_enumeration(data)
    weights = special.softmax(np.float64(log))
    assert 0.02 < 1 - weights.max() < 0.95, "a test of nothing: one assignment only"
    # Many chains, each from a draw of the posterior, as the identity is for a noised cloud.
    start = np.random.default_rng(0).choice(len(ROWS), number, p=weights)
    target, single = map(np.asarray, averaged(x, np.asarray(data)[ROWS[start]]))
    exact = np.einsum("p,pnf->nf", weights, everything)
    error = target.std(axis=0) / np.sqrt(number)
    assert np.all(np.abs(target.mean(axis=0) - exact) < 5 * error + 1e-4)
    assert target.var(axis=0).sum() < 0.9 * single.var(axis=0).sum()


@pytest.mark.slow
def test_the_loss_keeps_its_minimiser() -> None:
    """For uniform data on the torus the exact noise is zero: no gradient towards anything else."""
    bridges = [
        Bridge(TorusDiffusion(), prediction=NoisePrediction(), exchange=exchange)
        for exchange in (None, Exchange(32))
    ]

    def gradient(bridge, key):
        data = Batch(jax.random.uniform(jax.random.fold_in(key, 1), (4, 40, 3)))

        def loss(scale):
            # A smooth wrong answer: the mean gradient along it is zero.
            return bridge.loss(lambda x, *_: scale * jnp.sin(2 * jnp.pi * x), key, data)

        return jax.grad(loss)(0.0)

    keys = jax.random.split(jax.random.key(1), 200)
    plain, averaged = (
        np.asarray(jax.jit(jax.vmap(lambda k, b=b: gradient(b, k)))(keys)) for b in bridges
    )
    assert abs(plain.mean()) < 4 * plain.std() / np.sqrt(200)
    assert abs(averaged.mean()) < 4 * averaged.std() / np.sqrt(200)


def test_pairs_agree_and_leave_padding_out() -> None:
    x = jax.random.uniform(jax.random.key(0), (3, 41, 3))
    real = jax.random.uniform(jax.random.key(1), (3, 41)) < 0.7
    pairs = jax.jit(_pairs)
    for number in range(4):
        partner = np.asarray(pairs(jax.random.key(number), x, real))
        for row, mates, mask in zip(partner, partner, np.asarray(real), strict=True):
            assert np.array_equal(row[mates], np.arange(41)), "a partner has another partner"
            assert np.all(row[~mask] == np.flatnonzero(~mask))
            assert np.sum(row[mask] == np.flatnonzero(mask)) <= 2
            assert np.all(mask[row[mask]])


def test_padding_never_speaks() -> None:
    path, t = MARKED, jnp.array([0.3, 0.5])
    data = jax.random.uniform(jax.random.key(0), (2, 20, 4))
    mask = jnp.arange(20)[None] < jnp.array([[12], [20]])
    x = path.interpolate(path.sample_base(jax.random.key(1), data.shape), data, t)

    @jax.jit
    def run(x, data):
        return Exchange(4)(jax.random.key(2), path, noise, x, data, mask, t)

    other = jnp.where(mask[..., None], x, 0.77), jnp.where(mask[..., None], data, 0.13)
    same = np.asarray(run(*other) == run(x, data))
    assert np.all(same[np.asarray(mask)])


def test_errors_name_the_remedy() -> None:
    cloud = jnp.zeros((1, 4, 3))
    with pytest.raises(ValueError, match=r"expected Independent\(\)"):
        Bridge(VariancePreserving(), OptimalAssignment(), exchange=Exchange())
    for path in (TorusGeodesic(), LinearPath(Uniform())):
        with pytest.raises(ValueError, match="a path with Gaussian noise"):
            Exchange()(jax.random.key(0), path, noise, cloud, cloud, None, jnp.zeros(1))
    with pytest.raises(ValueError, match="a path with Gaussian noise"):
        LinearPath(Uniform()).renoise(jax.random.key(0), cloud, jnp.array(0.5), jnp.array(0.2))
    with pytest.raises(ValueError, match="exchange=None"):
        Exchange()(
            jax.random.key(0),
            LinearPath(),
            noise,
            cloud[0],
            cloud[0],
            None,
            jnp.zeros(4),
        )
