"""The mesh and the blocks of ParticleMesh do what the direct sums do."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from galgen.geometry import Euclidean, PeriodicBox
from galgen.neighbors import nearest_neighbors
from galgen.networks import ParticleMesh, particle_mesh
from galgen.networks.fourier import DirectModes, Response, half_modes
from galgen.networks.layers import mean_separation
from galgen.networks.painted_mesh import PaintedMesh
from galgen.periodic import wrap

jit = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
POINTS = 30
MASK = jnp.arange(POINTS)[None] < jnp.array([[22], [POINTS]])
REAL = np.asarray(MASK)
X = jax.random.uniform(jax.random.key(0), (2, POINTS, 3))
SOURCES = jnp.where(MASK[..., None], jax.random.normal(jax.random.key(1), (2, POINTS, 2)), 0.0)


def read(modes, response):
    """The potential and the field of all sources under a response per shell."""
    values = jnp.broadcast_to(jnp.asarray(response)[None, :, None], (2, len(response), 2))
    amplitude = modes.respond(modes.density(SOURCES), values)
    return np.asarray(modes.read(amplitude)), np.asarray(modes.gradient(amplitude))


def test_half_of_all_modes() -> None:
    n = half_modes(3)
    both = {tuple(v) for v in np.concatenate([n, -n])}
    assert len(both) == 2 * len(n)
    inside = sum(
        0 < a * a + b * b + c * c <= 9 for a, b, c in np.array(list(np.ndindex(7, 7, 7))) - 3
    )
    assert len(both) == inside


def test_direct_modes_are_the_sum_over_points() -> None:
    modes = DirectModes.of(X, MASK, 2)
    n, response = half_modes(2), 1.0 / modes.shells
    potential, field = read(modes, response)
    for cloud in range(2):
        x = np.asarray(X, np.float64)[cloud]
        a = np.asarray(SOURCES, np.float64)[cloud] / np.sqrt(REAL[cloud].sum())
        density = np.exp(-2j * np.pi * n @ x.T) @ a
        length = np.linalg.norm(n, axis=1)
        waves = np.exp(2j * np.pi * x @ n.T) / np.sqrt(len(n))
        expected = np.real(waves @ (density / length[:, None]))
        vectors = 1j * n[:, None] / length[:, None, None] ** 2 * density[..., None]
        expected_field = np.real(np.einsum("pn,nca->pca", waves, vectors))
        assert np.allclose(potential[cloud][REAL[cloud]], expected[REAL[cloud]], atol=1e-5)
        assert np.allclose(field[cloud][REAL[cloud]], expected_field[REAL[cloud]], atol=1e-5)


def test_a_painted_mesh_agrees_with_the_direct_sum() -> None:
    direct, painted = DirectModes.of(X, MASK, 6), PaintedMesh.of(X, MASK, 24, 0)
    assert np.allclose(direct.shells, painted.shells)
    response = np.exp(-direct.shells)
    for a, b in zip(read(direct, response), read(painted, response), strict=True):
        error = np.abs(a - b)[REAL].max() / np.abs(a)[REAL].std()
        assert error < 0.02


def test_a_painted_mesh_leaves_the_direct_modes_out() -> None:
    painted = PaintedMesh.of(X, MASK, 24, 3)
    assert painted.shells.min() > 3 and painted.shells.max() <= 6
    wave = jnp.cos(2 * jnp.pi * X[..., :1] * 2)  # |n| = 2 is not its business
    density = painted.respond(painted.density(wave), jnp.ones((2, len(painted.shells), 1)))
    kept = np.asarray(painted.shell) < len(painted.shells)
    assert np.all(np.asarray(density)[:, ~kept] == 0)
    assert np.any(np.asarray(density)[:, kept] != 0)


@pytest.fixture(scope="module")
def meshed():
    network = ParticleMesh(12, 3, 1, 5, 6, 1, 3, mesh=16)
    t, condition = jnp.array([0.3, 0.8]), jnp.ones((2, 2))
    params = jit(network.init)(jax.random.key(0), X, t, MASK, condition)
    keys = iter(jax.random.split(jax.random.key(2), len(jax.tree.leaves(params))))
    params = jax.tree.map(lambda a: a + 0.2 * jax.random.normal(next(keys), a.shape), params)
    apply = jit(network.apply)
    return lambda x, mask=MASK: np.asarray(apply(params, x, t, mask, condition))


def test_translation_to_mesh_resolution(meshed) -> None:
    out = meshed(X)
    by_cells = meshed(wrap(X + jnp.array([3, 7, 11]) / 16))
    anyhow = meshed(wrap(X + jnp.array([0.371, 0.118, 0.902])))
    assert np.abs(by_cells - out).max() < 1e-4
    assert 1e-5 < np.abs(anyhow - out).max() < 0.05 * out[REAL].std()


def test_the_mesh_knows_no_padding_and_no_order(meshed) -> None:
    poisoned = jnp.where(MASK[..., None], X, jnp.nan)
    assert np.array_equal(meshed(poisoned), meshed(X))
    order = jax.random.permutation(jax.random.key(3), 22)
    shuffled = X.at[0, :22].set(X[0, order])
    assert np.allclose(meshed(shuffled)[0, :22], meshed(X)[0, order], atol=2e-5)


@pytest.mark.slow
def test_blocks_change_nothing(monkeypatch) -> None:
    neighbors = nearest_neighbors(X, 5, PeriodicBox(), MASK)
    short = particle_mesh.ShortRange(neighbors, mean_separation(X, MASK, 3), 6)
    profile = jax.random.normal(jax.random.key(4), (2, 6))

    def both(sources):
        return jnp.sum(short.moments(sources) ** 2) + jnp.sum(short.force(profile) ** 2)

    values = []
    for block in (8192, 7):
        monkeypatch.setattr(particle_mesh, "BLOCK", block)
        values.append((short.moments(SOURCES), short.force(profile), jax.grad(both)(SOURCES)))
    for whole, blocked in zip(*values, strict=True):
        assert np.allclose(whole, blocked, atol=1e-5)
        assert np.any(whole != 0)


def test_a_response_of_many_shells_is_smooth() -> None:
    shells = np.sqrt(np.arange(1, 200.0))
    response, embedding = Response(2), jax.random.normal(jax.random.key(0), (3, 16))
    params = response.init(jax.random.key(1), shells, embedding)
    out = np.asarray(response.apply(params, shells, embedding))
    assert out.shape == (3, 199, 2)
    assert np.abs(np.diff(out, axis=1))[:, 50:].max() < 0.2 * out.std()


@pytest.mark.slow
def test_memory_is_linear_in_the_number_of_points() -> None:
    network = ParticleMesh(12, 3, 1, 5, 6, 1, 3)
    t = jnp.zeros(1)

    def temporaries(points: int) -> float:
        x = jax.ShapeDtypeStruct((1, points, 3), jnp.float32)
        params = jax.eval_shape(network.init, jax.random.key(0), x, t)

        def loss(params, x):
            return jnp.sum(network.apply(params, x, t) ** 2)

        compiled = jit(jax.grad(loss)).lower(params, x).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    assert temporaries(16384) < 2.6 * temporaries(8192)


def test_errors_name_the_remedy() -> None:
    t = jnp.zeros(2)
    with pytest.raises(ValueError, match=r"expected a mesh of at least 20 per side.* got 12"):
        ParticleMesh(8, 2, 1, 5, mesh=12).init(jax.random.key(0), X, t)
    with pytest.raises(ValueError, match="expected a periodic box for a mesh"):
        ParticleMesh(8, 2, 1, 5, mesh=32, geometry=Euclidean()).init(jax.random.key(0), X, t)
