"""Velocity divergence: plane waves on lattices and random points, linear theory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.interpolate import BSpline

from galgen.errors import InputError
from galgen.statistics.fourier.mesh import CLOUD_IN_CELL, TRIANGULAR_SHAPED_CLOUD
from galgen.statistics.fourier.power_spectrum import power_spectrum
from galgen.statistics.fourier.velocity_power import velocity_power_spectrum, velocity_scale

SIDE = 120.0
FUNDAMENTAL = 2 * np.pi / SIDE
EDGES = np.array([0.5, 1.5, 2.5, 3.5]) * FUNDAMENTAL


def lattice(cells):
    """Points at the centres of ``cells``³ cells, ``(points, 3)``."""
    grid = (np.arange(cells) + 0.5) * SIDE / cells
    return np.stack(np.meshgrid(grid, grid, grid, indexing="ij"), -1).reshape(-1, 3)


def wave(points, n, direction, speed=200.0, phase=0.3):
    """v = speed * direction * cos(k.x + phase), k = 2 pi n / SIDE."""
    return speed * np.cos(FUNDAMENTAL * points @ np.asarray(n) + phase)[..., None] * direction


def smoothing(resampler, phase, per_cell):
    """What the mean over a cell of a lattice, ``per_cell`` points to its side, does to a mode.

    ``phase`` is k H / (2 pi) along one axis; S is SciPy's B-spline.
    """
    distance = (np.arange(-2 * per_cell, 2 * per_cell) + 0.5) / per_cell
    knots = np.arange(resampler.order + 1) - resampler.order / 2
    share = np.nan_to_num(BSpline.basis_element(knots, extrapolate=False)(distance))
    return np.sum(share * np.cos(2 * np.pi * phase * distance)) / np.sum(share)


@pytest.mark.parametrize("resampler", [CLOUD_IN_CELL, TRIANGULAR_SHAPED_CLOUD])
def test_plane_wave_on_a_lattice(resampler):
    """theta = A sin, A = speed (k.d) / (a H f): P = V A² / 2 over the modes of its bin, exactly."""
    n, direction = np.array([1, -2, 2]), np.array([0.6, 0.0, 0.8])  # |n| = 3, mu = 2/3
    x = lattice(36)[None]
    with jax.enable_x64(True):
        result = velocity_power_spectrum(
            x, wave(x, n, direction), None, SIDE, 12, 0.3, 0.5, 0.7, EDGES, (0, 2), 2, resampler
        )
        power, modes = np.asarray(result.power)[0], np.asarray(result.modes)
        assert float(result.empty[0]) == 0
    expansion = 100 * np.sqrt(0.3 * 1.5**3 + 0.7) / 1.5 * 0.7
    theta = 200 * FUNDAMENTAL * (n @ direction) / expansion
    mean = np.prod([smoothing(resampler, phase, 3) for phase in n / 12])
    window = mean / np.prod(resampler.window(n / 12))
    assert abs(window - 1) < 0.03  # many points to a cell: nearly the window that is divided out
    truth = SIDE**3 * (window * theta) ** 2 / 2 / modes[2] * np.array([1, 5 * (3 * 4 / 9 - 1) / 2])
    np.testing.assert_allclose(power[:, 2], truth, rtol=1e-6)
    assert np.all(np.abs(power[:, :2]) < 1e-9 * truth[0])


def test_plane_wave_across_its_direction_has_no_divergence():
    x = lattice(24)[None]
    n = np.array([1, -2, 2])
    along, across = (
        velocity_power_spectrum(x, wave(x, n, np.array(d)), None, SIDE, 12, 0.3, 0.0, None, EDGES)
        for d in ([1 / 3, -2 / 3, 2 / 3], [2 / 3, 2 / 3, 1 / 3])
    )
    assert np.all(np.asarray(across.power) < 1e-8 * np.asarray(along.power)[..., -1:])


def test_plane_wave_on_random_points_is_unbiased():
    """Forty points per cell, weighted: the mean over cells is the field, to a few per cent."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0, SIDE, (3, 40_000, 3))
    w = rng.uniform(0.5, 1.5, x.shape[:2])
    n = np.array([0, 0, 2])
    result = velocity_power_spectrum(
        x, wave(x, n, np.array([0.0, 0, 1])), None, SIDE, 10, 0.3, 0.0, 0.5, EDGES, (0,), weights=w
    )  # fmt: skip
    theta = 200 * FUNDAMENTAL * 2 / 50
    truth = SIDE**3 * theta**2 / 2 / np.asarray(result.modes)[1]
    np.testing.assert_allclose(np.asarray(result.power)[:, 0, 1], truth, rtol=0.02)
    assert np.all(np.asarray(result.empty) == 0)


def test_linear_theory_equates_it_with_the_density():
    """Points displaced by psi and moving at a H f psi: theta = delta, so both powers are V A²."""
    amplitude, rng = 2e-4, np.random.default_rng(1)
    start = lattice(24)
    n = np.stack(np.meshgrid(*[np.arange(-3, 4)] * 3, indexing="ij"), -1).reshape(-1, 3)
    first = (n[:, 2] > 0) | ((n[:, 2] == 0) & ((n[:, 1] > 0) | ((n[:, 1] == 0) & (n[:, 0] > 0))))
    k = FUNDAMENTAL * n[first & (np.linalg.norm(n, axis=1) < 3.3)]
    waves = 2 * amplitude * np.sin(start @ k.T + rng.uniform(0, 2 * np.pi, len(k)))
    displacement = -waves @ (k / (k**2).sum(axis=1, keepdims=True))
    x, v = (start + displacement)[None], float(velocity_scale(0.31, 0.8)) * displacement[None]
    edges = np.array([0.5, 1.5, 2.5, 3.1]) * FUNDAMENTAL
    with jax.enable_x64(True):
        theta = velocity_power_spectrum(x, v, None, SIDE, 24, 0.31, 0.8, None, edges).power
        delta = power_spectrum(x, None, SIDE, 48, edges, (0,)).raw_power
        theta, delta = np.asarray(theta), np.asarray(delta)
    np.testing.assert_allclose(theta, SIDE**3 * amplitude**2, rtol=0.01)
    np.testing.assert_allclose(theta, delta, rtol=0.02)


def test_scale_is_a_h_f():
    """Einstein-de Sitter: E² = (1 + z)³ and f = 1, so a H = 100 sqrt(1 + z)."""
    np.testing.assert_allclose(velocity_scale(1.0, [0.0, 3.0]), [100, 200], rtol=1e-6)
    np.testing.assert_allclose(velocity_scale(0.3, 0.0), 100 * 0.3**0.55, rtol=1e-6)
    np.testing.assert_allclose(velocity_scale(0.3, 0.0, 0.4), 40, rtol=1e-6)


def test_padding_permutation_translation_and_jit_change_nothing():
    rng = np.random.default_rng(2)
    x = rng.uniform(0, SIDE, (2, 50, 3)).astype(np.float32)
    v = rng.normal(0, 200, x.shape).astype(np.float32)
    mask = np.ones((2, 50), bool)
    mask[0, 35:] = False

    @jax.jit
    def measure(y, u, m):
        return velocity_power_spectrum(y, u, m, SIDE, 8, 0.3, jnp.array([0.0, 1.0]), None, EDGES)

    truth = measure(x, v, mask)
    assert 0 < float(truth.empty[0]) < 1
    order = rng.permutation(50)
    dirty = [np.where(mask[..., None], a, np.nan) for a in (x, v)]
    wide = [np.pad(a, ((0, 0), (0, 9), (0, 0)), constant_values=np.nan) for a in dirty]
    variants = [
        measure(*wide, np.pad(mask, ((0, 0), (0, 9)))),
        measure(x[:, order], v[:, order], mask[:, order]),
        velocity_power_spectrum(x, v, mask, SIDE, 8, 0.3, jnp.array([0.0, 1.0]), None, EDGES),
        measure(x + SIDE / 8 * np.float32([3, -30, 7]), v, mask),  # whole cells
    ]
    for variant in variants:
        # A cell that holds the far tail of one cloud has the velocity of that point, or none
        np.testing.assert_allclose(variant.power, truth.power, rtol=2e-3)
    alone = measure(x[:, :35], v[:, :35], None)
    np.testing.assert_allclose(alone.power[0], truth.power[0], rtol=1e-4)
    none = measure(x, v, mask & np.array([[True], [False]]))
    assert np.all(np.isfinite(none.power[0])) and np.all(np.isnan(none.power[1]))


def test_gradients_against_finite_differences():
    rng = np.random.default_rng(3)
    x, move = rng.uniform(0, SIDE, (1, 60, 3)), rng.normal(size=(1, 60, 3))
    v, change = rng.normal(0, 200, (2, 1, 60, 3))
    with jax.enable_x64(True):

        @jax.jit
        def loss(step):
            y, u = x + step * move, v + step * change
            result = velocity_power_spectrum(y, u, None, SIDE, 8, 0.3, 0.0, None, EDGES)
            return jnp.sum(result.power * jnp.array([1.0, -2.0, 3.0]))

        slope = float(jax.jit(jax.grad(loss))(0.0))
        finite = float(loss(1e-6) - loss(-1e-6)) / 2e-6
    assert abs(slope - finite) < 1e-5 * abs(slope) and abs(slope) > 1


def test_velocities_of_another_shape_are_named():
    x = np.zeros((1, 4, 3))
    message = r"velocities of shape \(1, 4, 3\), got \(1, 3, 3\); take both"
    with pytest.raises(InputError, match=message):
        velocity_power_spectrum(x, np.zeros((1, 3, 3)), None, SIDE, 8, 0.3, 0.0)
