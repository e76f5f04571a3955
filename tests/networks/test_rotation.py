"""Rotations by position: they know displacements alone, and see every axis."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from galgen.geometry import Euclidean, PeriodicBox
from galgen.networks.rotation import rotation_at, wave_vectors
from galgen.periodic import wrap

VECTORS = wave_vectors(32, 5, 3)


def test_rotated_products_know_displacements_alone() -> None:
    rng = np.random.default_rng(3)
    positions = jnp.asarray(rng.random((2, 9, 3)), jnp.float32)
    moved = wrap(positions + jnp.array([0.37, 0.61, 0.93]))
    query, key = jnp.asarray(rng.normal(size=(2, 2, 9, 2, 64)), jnp.float32)
    here, there = (rotation_at(x, VECTORS, PeriodicBox()) for x in (positions, moved))
    products = [np.einsum("bqhc,bkhc->bhqk", r(query), r(key)) for r in (here, there)]
    assert np.allclose(*products, atol=5e-5)
    assert not np.allclose(products[0], np.einsum("bqhc,bkhc->bhqk", query, key), atol=0.1)
    assert np.allclose(here.inverse()(here(query)), query, atol=1e-5)
    shifted = rotation_at(positions + jnp.array([1.0, -2.0, 3.0]), VECTORS, PeriodicBox())
    assert np.allclose(shifted(query), here(query), atol=1e-4)


def test_open_space_tells_opposite_faces_apart() -> None:
    faces = jnp.array([[[0.0, 0.5, 0.5]], [[1.0, 0.5, 0.5]]])
    x = jnp.ones((2, 1, 1, 64))
    periodic, open_space = (rotation_at(faces, VECTORS, g)(x) for g in (PeriodicBox(), Euclidean()))
    assert np.allclose(*periodic, atol=1e-5)
    assert np.max(np.abs(open_space[0] - open_space[1])) > 1


@pytest.mark.parametrize(("pairs", "dim"), [(2, 2), (3, 3), (12, 3), (32, 3), (40, 2)])
def test_wave_vectors_see_every_axis(pairs: int, dim: int) -> None:
    vectors = wave_vectors(pairs, 5, dim)
    assert vectors.shape == (pairs, dim)
    assert np.array_equal(vectors, np.round(vectors))
    rows = {tuple(row) for row in vectors}
    assert {tuple(row) for row in np.eye(dim)} <= rows
    moving = [row for row in map(tuple, vectors) if any(row)]
    assert len(moving) == pairs - pairs // 4 == len(set(moving))
    pairs_of_rows = itertools.combinations(moving, 2)
    assert all(np.any(np.add(a, b)) for a, b in pairs_of_rows), "n and -n are one mode"


def test_too_few_channels_for_the_axes() -> None:
    with pytest.raises(ValueError, match=r"expected at least 6 channels to turn .* got 4 and 5"):
        wave_vectors(2, 5, 3)
