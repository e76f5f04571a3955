import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from galgen.data.augmentation import BoxAugmentation, Dequantization, apply_symmetry
from galgen.geometry import cube_symmetries

BATCH = 2400


@functools.partial(jax.jit, static_argnums=0)
def augment(augmentation, key, x, mask=None):
    return augmentation(key, x, mask)


@pytest.fixture(scope="module")
def cloud():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.random((6, 3)), rng.normal(size=(6, 4))], axis=1)
    return x.astype(np.float32)


def separations(positions):
    step = positions[:, :, None] - positions[:, None, :]
    return step - np.round(step)


def distances(positions):
    return np.linalg.norm(separations(positions), axis=-1)


def many(cloud):
    return np.broadcast_to(cloud, (BATCH, *cloud.shape))


def find(rotated, original):
    """Which of the 48 matrices turned the vectors, for each example."""
    wanted = np.einsum("sij,bnj->sbni", cube_symmetries(), original)
    error = np.abs(wanted - rotated).max(axis=(-1, -2))
    assert np.all(error.min(axis=0) < 1e-5)
    return error.argmin(axis=0)


def test_all_48_are_drawn_independently(cloud):
    x = many(cloud)
    augmentation = BoxAugmentation(velocity_columns=(3, 4, 5), translate=False)
    out = np.asarray(augment(augmentation, jax.random.key(1), x))
    drawn = find(out[..., :3] - 0.5, x[..., :3] - 0.5)
    np.testing.assert_array_equal(drawn, find(out[..., 3:6], x[..., 3:6]))
    counts = np.bincount(drawn, minlength=48)
    assert counts.min() > 0
    assert np.sum((counts - BATCH / 48) ** 2 / (BATCH / 48)) < 47 + 5 * np.sqrt(2 * 47)
    determinants = np.linalg.det(cube_symmetries())[drawn]
    assert abs(determinants.mean()) < 5 / np.sqrt(BATCH)
    identity = np.flatnonzero((cube_symmetries() == np.eye(3)).all((1, 2)))
    assert identity[0] in drawn
    np.testing.assert_array_equal(out[..., 6], x[..., 6])


def test_the_symmetries_form_a_group(cloud):
    matrices = {tuple(m.astype(int).ravel()) for m in cube_symmetries()}
    assert len(matrices) == 48
    vectors = jnp.broadcast_to(jnp.eye(3), (48, 3, 3))
    applied = np.asarray(apply_symmetry(jnp.arange(48), vectors)).transpose(0, 2, 1)
    np.testing.assert_array_equal(applied, cube_symmetries())
    products = np.einsum("aij,bjk->abik", applied, applied).reshape(-1, 9).astype(int)
    assert {tuple(row) for row in products} == matrices


def test_translations_are_uniform_and_differ_by_example(cloud):
    x = many(cloud)
    out = np.asarray(augment(BoxAugmentation(rotate=False), jax.random.key(2), x))
    shift = np.mod(np.asarray(out[:, 0, :3]) - cloud[0, :3], 1)
    assert len(np.unique(shift[:, 0])) > 0.95 * BATCH
    np.testing.assert_allclose(shift.mean(0), 0.5, atol=5 * np.sqrt(1 / 12 / BATCH))
    np.testing.assert_allclose(shift.var(0), 1 / 12, rtol=0.1)
    np.testing.assert_array_equal(out[..., 3:], x[..., 3:])


def test_minimum_image_distances_and_speeds_are_kept(cloud):
    x = many(cloud)
    out = np.asarray(augment(BoxAugmentation((3, 4, 5)), jax.random.key(3), x))
    before = distances(x[..., :3])
    np.testing.assert_allclose(distances(out[..., :3]), before, atol=2e-6)
    speeds = np.linalg.norm(x[..., 3:6], axis=-1)
    np.testing.assert_allclose(np.linalg.norm(out[..., 3:6], axis=-1), speeds, rtol=1e-5)
    radial, turned = (
        np.einsum("bijk,bik->bij", separations(y[..., :3]), y[..., 3:6]) for y in (x, out)
    )
    near = np.abs(separations(x[..., :3])).max(axis=-1) < 0.499
    np.testing.assert_allclose(turned[near], radial[near], atol=1e-5)


def test_one_key_one_result(cloud):
    x = many(cloud)
    augmentation = BoxAugmentation()
    first, again = (augment(augmentation, jax.random.key(4), x) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, augment(augmentation, jax.random.key(5), x))


@pytest.mark.parametrize("translate", [True, False])
def test_padding_stays_zero_and_does_not_speak(cloud, translate):
    mask = np.arange(6) < np.array([6, 3, 1])[:, None]
    x = np.where(mask[..., None], cloud, np.float32(0))
    augmentation = BoxAugmentation(velocity_columns=(3, 4, 5), translate=translate)
    out = augment(augmentation, jax.random.key(6), x, mask)
    assert np.all(np.asarray(out)[~mask] == 0)
    dirty = augment(augmentation, jax.random.key(6), np.where(mask[..., None], x, np.nan), mask)
    np.testing.assert_array_equal(out, dirty)


@pytest.mark.parametrize("translate", [True, False])
def test_positions_stay_in_the_unit_box(translate):
    edge = np.float32([0.0, np.nextafter(np.float32(1), np.float32(0)), 0.5])
    corners = np.stack(np.meshgrid(edge, edge, edge), -1).reshape(1, -1, 3)
    x = np.broadcast_to(corners, (200, 27, 3))
    out = np.asarray(augment(BoxAugmentation(translate=translate), jax.random.key(7), x))
    assert out.min() >= 0 and out.max() < 1


def test_without_either_nothing_moves(cloud):
    x = many(cloud)
    out = augment(BoxAugmentation(rotate=False, translate=False), jax.random.key(8), x)
    np.testing.assert_array_equal(out, x)


def test_dequantized_levels_fill_their_steps_evenly():
    """Every value stays in its own step, and all of the step is as probable."""
    levels = np.random.default_rng(0).integers(0, 256, (40, 28, 28, 1))
    x = (levels / 127.5 - 1).astype(np.float32)
    out = np.asarray(augment(Dequantization(1 / 127.5), jax.random.key(2), x), np.float64)
    place = (out + 1) * 127.5 - levels
    assert place.min() > -1e-4 and place.max() < 1 + 1e-4
    counts = np.histogram(np.clip(place, 0, 1), bins=10, range=(0, 1))[0]
    expected = place.size / 10
    assert np.sum((counts - expected) ** 2 / expected) < 9 + 5 * np.sqrt(18)


def test_dequantization_leaves_padding_alone():
    mask = np.array([[True, True, False]])
    out = augment(Dequantization(0.5), jax.random.key(0), np.zeros((1, 3, 2), np.float32), mask)
    assert np.all(np.asarray(out)[:, 2] == 0) and np.all(np.asarray(out)[:, :2] > 0)
