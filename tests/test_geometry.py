import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from galgen.geometry import Euclidean, PeriodicBox, cube_symmetries, geodesic
from galgen.periodic import wrap

coordinate = st.floats(0, 1, exclude_max=True, width=32)
triple = st.tuples(coordinate, coordinate, coordinate).map(lambda p: np.array(p, np.float32))


@given(triple, triple)
def test_displacement_is_the_nearest_of_27_images(a: np.ndarray, b: np.ndarray) -> None:
    images = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3), -1).reshape(-1, 3)
    nearest = np.min(np.linalg.norm(b + images - a, axis=-1))
    length = np.linalg.norm(PeriodicBox().displacement(jnp.array(a), jnp.array(b)))
    assert length == pytest.approx(nearest, abs=1e-6)


@given(triple, triple)
def test_geodesic_ends_where_it_should_and_stays_inside(a: np.ndarray, b: np.ndarray) -> None:
    box = PeriodicBox()
    start, end = jnp.array(a), jnp.array(b)
    assert np.allclose(box.displacement(geodesic(box, start, end, 1.0), end), 0, atol=1e-6)
    assert np.allclose(box.displacement(geodesic(box, start, end, 0.0), start), 0, atol=1e-6)
    halfway = geodesic(box, start, end, 0.5)
    assert np.all((halfway >= 0) & (halfway < 1))
    whole = np.linalg.norm(box.displacement(start, end))
    assert np.linalg.norm(box.displacement(start, halfway)) == pytest.approx(whole / 2, abs=1e-6)


def test_wrapping_never_gives_one() -> None:
    x = jnp.array([-1e-12, -1e-9, 1.0, 2.0, -3.0, 0.999999999])
    assert np.all((wrap(x) >= 0) & (wrap(x) < 1))


def test_euclidean_geodesic_is_a_straight_line() -> None:
    a, b = jnp.array([0.1, 0.9, 0.5]), jnp.array([0.9, 0.1, 0.5])
    assert np.allclose(geodesic(Euclidean(), a, b, 0.25), 0.75 * a + 0.25 * b)


def test_cube_symmetries_are_the_full_group() -> None:
    group = cube_symmetries()
    assert len({m.tobytes() for m in group + 0.0}) == 48
    assert np.allclose(group @ group.transpose(0, 2, 1), np.eye(3))
    assert sorted(np.linalg.det(group).round()) == [-1.0] * 24 + [1.0] * 24
    products = {(a @ b + 0.0).round().tobytes() for a in group for b in group}
    assert len(products) == 48


def test_minimum_image_has_unit_gradient() -> None:
    def length(a):
        return jnp.sum(PeriodicBox().displacement(a, jnp.array([0.95, 0.5, 0.1])) ** 2)

    gradient = jax.grad(length)(jnp.array([0.05, 0.4, 0.9]))
    assert np.allclose(gradient, -2 * np.array([-0.1, 0.1, 0.2]), atol=1e-6)
