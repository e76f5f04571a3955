import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial import cKDTree

from galgen.geometry import Euclidean, PeriodicBox
from galgen.neighbors import nearest_neighbors


def clouds(kind: str, points: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    if kind == "uniform":
        x = rng.random((2, points, 3))
    elif kind == "clustered":
        x = np.mod(rng.normal(0.98, 0.02, (2, points, 3)), 1)
    else:
        x = rng.integers(0, 4, (2, points, 3)) / 4
    return x.astype(np.float32)


@pytest.mark.parametrize("kind", ["uniform", "clustered", "lattice with duplicates"])
@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("block", [512, 37])
def test_distances_agree_with_a_tree(kind: str, periodic: bool, block: int) -> None:
    x, k = clouds(kind, 150), 9
    geometry = PeriodicBox() if periodic else Euclidean()
    found = nearest_neighbors(jnp.array(x), k, geometry, block=block)
    for cloud, displacement, indices in zip(x, found.displacement, found.indices, strict=True):
        tree = cKDTree(cloud.astype(float), boxsize=1.0 if periodic else None)
        expected = np.sort(tree.query(cloud.astype(float), k + 1)[0], axis=-1)[:, 1:]
        assert np.allclose(np.linalg.norm(displacement, axis=-1), expected, atol=1e-6)
        assert np.all(np.asarray(indices) != np.arange(len(cloud))[:, None])
    assert np.all(found.valid)


def test_padding_is_nobodys_neighbour() -> None:
    x = jnp.array(clouds("uniform", 60))
    mask = jnp.arange(60)[None] < jnp.array([[40], [60]])
    poisoned = jnp.where(mask[..., None], x, jnp.nan)
    found = nearest_neighbors(poisoned, 5, PeriodicBox(), mask)
    alone = nearest_neighbors(x[:1, :40], 5, PeriodicBox())
    assert np.array_equal(found.indices[0, :40], alone.indices[0])
    assert np.array_equal(found.displacement[0, :40], alone.displacement[0])
    assert not np.any(found.valid[0, 40:])
    assert np.all(np.isfinite(found.displacement))


def test_too_few_real_points_are_marked() -> None:
    x = jnp.array(clouds("uniform", 20))[:1]
    found = nearest_neighbors(x, 6, PeriodicBox(), jnp.arange(20)[None] < 3)
    assert np.all(found.valid[0, :3, :2])
    assert not np.any(found.valid[0, :, 2:])
    assert np.all(np.asarray(found.displacement)[~np.asarray(found.valid)] == 0)


def test_gradient_flows_through_displacements() -> None:
    x = jnp.array(clouds("uniform", 12))[:1]

    def energy(x):
        # All the others, so that no neighbour changes under the shift.
        return jnp.sum(nearest_neighbors(x, 11, Euclidean()).displacement ** 4)

    gradient = jax.grad(energy)(x)
    shift = jnp.zeros_like(x).at[0, 4, 1].set(1e-3)
    numerical = (energy(x + shift) - energy(x - shift)) / 2e-3
    assert gradient[0, 4, 1] == pytest.approx(float(numerical), rel=2e-2)


@pytest.mark.parametrize("k", [0, 20, 25])
def test_k_out_of_range_is_named(k: int) -> None:
    with pytest.raises(ValueError, match=rf"expected 1 <= k < number of rows \(20\), got k={k}"):
        nearest_neighbors(jnp.zeros((1, 20, 3)), k, PeriodicBox())
