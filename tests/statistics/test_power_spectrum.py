"""P(k) against direct Fourier sums, counted modes, and fields whose power is known."""

import importlib.util
import itertools
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from galgen.errors import InputError
from galgen.statistics.fourier.cross_power_spectrum import cross_power_spectrum
from galgen.statistics.fourier.field_power_spectrum import field_power_spectrum
from galgen.statistics.fourier.mesh import (
    CLOUD_IN_CELL,
    PIECEWISE_CUBIC_SPLINE,
    TRIANGULAR_SHAPED_CLOUD,
    paint,
)
from galgen.statistics.fourier.modes import default_k_edges, fourier_modes, nyquist
from galgen.statistics.fourier.power_spectrum import power_spectrum

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "make_references.py"
SIDE = 100.0
FUNDAMENTAL = 2 * np.pi / SIDE


def lattice(box, k_max):
    """All wavevectors with 0 < |k| <= k_max, as ``(modes, 3)``."""
    reach = [int(np.ceil(k_max * side / (2 * np.pi))) for side in box]
    grids = np.meshgrid(*[np.arange(-n, n + 1) for n in reach], indexing="ij")
    k = 2 * np.pi * np.stack([g.ravel() for g in grids], axis=1) / np.asarray(box)
    size = np.linalg.norm(k, axis=1)
    return k[(size > 0) & (size <= k_max)]


def direct_power(points, box, edges, multipoles, line_of_sight, weights=None, other=None):
    """Raw multipoles by summing w exp(-i k.x) over every point, float64; counts; mean k."""
    k = lattice(box, edges[-1])
    size = np.linalg.norm(k, axis=1)
    mu = k[:, line_of_sight] / size
    weights = np.ones(len(points)) if weights is None else weights
    points2, weights2 = (points, weights) if other is None else other
    amplitude, amplitude2 = (
        weights @ np.exp(-1j * points @ k.T),
        weights2 @ np.exp(1j * points2 @ k.T),
    )
    power = np.prod(box) / weights.sum() / weights2.sum() * (amplitude * amplitude2).real
    legendre = {0: 1 + 0 * mu, 2: 2.5 * (3 * mu**2 - 1), 4: 9 / 8 * (35 * mu**4 - 30 * mu**2 + 3)}
    result, counts, means = [], [], []
    for low, high in itertools.pairwise(edges):
        inside = (size >= low) & (size < high)
        counts.append(inside.sum())
        means.append(size[inside].mean())
        result.append([(power * legendre[ell])[inside].mean() for ell in multipoles])
    return np.array(result).T, np.array(counts), np.array(means)


def clustered(batch=2, points=400, side=SIDE, seed=0):
    """Points in blobs, so that P exceeds the shot noise at low k."""
    rng = np.random.default_rng(seed)
    centres = rng.uniform(0, side, (batch, 20, 3))
    chosen = np.take_along_axis(centres, rng.integers(0, 20, (batch, points, 1)), axis=1)
    return (chosen + rng.normal(0, 4.0, (batch, points, 3))) % side


@pytest.mark.parametrize(("line_of_sight", "double"), [(0, False), (2, True)])
def test_direct_sum_over_points(line_of_sight, double):
    box = np.array([100.0, 120.0, 90.0])
    x = clustered(side=90.0)
    edges = np.array([0.04, 0.1, 0.2, 0.3, 0.45])
    with jax.enable_x64(double):
        result = power_spectrum(x, None, box, 64, edges, (0, 2, 4), line_of_sight)
        raw, noise, k = (np.asarray(a) for a in (result.raw_power, result.shot_noise, result.k))
        modes, power = np.asarray(result.modes), np.asarray(result.power)
    for index in range(2):
        truth, counts, mean_k = direct_power(x[index], box, edges, (0, 2, 4), line_of_sight)
        np.testing.assert_array_equal(modes, counts)
        np.testing.assert_allclose(k, mean_k, rtol=1e-6)
        # Relative to the monopole with shot noise: 1e-4 to a quarter of Nyquist, as documented
        assert np.all(np.abs(raw[index] - truth) < 1e-4 * truth[0])
        np.testing.assert_allclose(noise[index], box.prod() / 400, rtol=1e-6)
        expected = truth - noise[index] * np.array([[1.0], [0], [0]])
        assert np.all(np.abs(power[index] - expected) < 1e-4 * truth[0])


def test_float32_agrees_with_float64():
    x = clustered(points=500).astype(np.float32)
    single = np.asarray(power_spectrum(x, None, SIDE, 32).raw_power)
    with jax.enable_x64(True):
        double = np.asarray(power_spectrum(x.astype(np.float64), None, SIDE, 32).raw_power)
    assert np.all(np.abs(single - double) < 1e-5 * double[:, :1])


@pytest.fixture(scope="module")
def references() -> ModuleType:
    """The script that froze the spectra of abacusutils, with its catalogue and bins."""
    specification = importlib.util.spec_from_file_location("make_references", SCRIPT)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.filterwarnings("ignore:P.k. is aliased by up to 1%")  # alike in both codes
@pytest.mark.parametrize("double", [False, True])
def test_multipoles_of_abacusutils(references, double):
    """Its own functions in float64 are met to 1e-10 of P + shot noise, calc_power to 1e-4."""
    frozen = json.loads(references.FILE.read_text())
    x = references.catalogue()
    assert float(x.sum()) == pytest.approx(frozen["sum_of_positions"], rel=1e-13)
    x = x[None] if double else x[None].astype(np.float32)
    with jax.enable_x64(double):
        result = power_spectrum(
            x, None, references.BOX, references.MESH_SIZE, references.EDGES, references.MULTIPOLES
        )
        raw, modes = np.asarray(result.raw_power)[0], np.asarray(result.modes)
    np.testing.assert_array_equal(modes, frozen["modes"])
    public, exact = np.array(frozen["calc_power"]), np.array(frozen["double"])
    assert exact[0, 0] > 50 * references.BOX**3 / 2000 and np.abs(exact[1, 2]) > 0.05 * exact[0, 2]
    assert np.all(np.abs(raw - public) < 1e-4 * exact[0])
    assert np.all(np.abs(raw - exact) < (1e-10 if double else 3e-5) * exact[0])


@pytest.mark.parametrize("mesh_size", [9, 12])
def test_mode_counts_equal_an_explicit_loop(mesh_size):
    box = np.array([10.0, 14.0, 11.0])
    edges = np.linspace(0.3, nyquist(box, mesh_size), 4)
    counts = np.zeros(3, int)
    half = mesh_size // 2
    for n in np.ndindex(2 * half + 1, 2 * half + 1, 2 * half + 1):
        size = np.linalg.norm(2 * np.pi * (np.array(n) - half) / box)
        place = np.searchsorted(edges, size, side="right") - 1
        if 0 <= place < 3:
            counts[place] += 1
    table = fourier_modes(box, mesh_size, edges)
    np.testing.assert_array_equal(table.count, counts)


MULTIPLES = {
    "products": lambda k: k * np.arange(1, 8),
    "linspace": lambda k: np.linspace(k, 7 * k, 7),
    "sums": lambda k: np.cumsum(np.full(7, k)),
    "just above": lambda k: k * np.arange(1, 8) * (1 + 4e-10),
    "decimals": lambda k: np.array([float(f"{k * m:.15g}") for m in range(1, 8)]),
}


@pytest.mark.parametrize("edges", MULTIPLES.values(), ids=MULTIPLES)
@pytest.mark.parametrize("side", [1000.0, 250.3, 0.7])
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 2, 3)])
def test_edges_on_modes_count_them_by_integers(shape, side, edges):
    """A box whose sides are ``side`` over whole numbers: |k| L / 2 pi is a root of an integer."""
    n = np.stack(np.meshgrid(*[np.arange(-20, 21)] * 3, indexing="ij")) * np.reshape(
        shape, (3, 1, 1, 1)
    )
    squared = (n**2).sum(0).ravel()
    truth = [np.sum((squared >= m**2) & (squared < (m + 1) ** 2)) for m in range(1, 7)]
    limits = edges(2 * np.pi / side)
    table = fourier_modes(side / np.array(shape), 40, limits)
    np.testing.assert_array_equal(table.count, truth)


def test_bins_that_are_not_given_end_where_the_mesh_is_trusted():
    """One fundamental mode wide to 0.6 of Nyquist, without a warning; at least one bin."""
    x = clustered(batch=1)
    limit = 0.6 * nyquist(SIDE, 24)
    edges = np.asarray(power_spectrum(x, None, SIDE, 24).k_edges)
    assert edges[-1] <= limit < edges[-1] + FUNDAMENTAL
    np.testing.assert_allclose(np.diff(edges), FUNDAMENTAL, rtol=1e-5)
    with pytest.warns(UserWarning, match="aliased by up to 1% beyond 0.6"):
        assert power_spectrum(x, None, SIDE, 4).k_edges.shape == (2,)


def test_default_edges_hold_the_first_shells():
    """Shells of a cubic lattice: 6 + 12 modes with |n| in [0.5, 1.5), then 8 + 6 + 24 to 2.5."""
    table = fourier_modes(SIDE, 16)
    np.testing.assert_array_equal(table.count[:2], [18, 62])
    np.testing.assert_allclose(table.k[0], FUNDAMENTAL * (6 + 12 * np.sqrt(2)) / 18)
    assert table.k_edges[-1] <= nyquist(SIDE, 16)
    np.testing.assert_allclose(np.diff(default_k_edges(SIDE, 16)), FUNDAMENTAL)


def test_interlacing_removes_the_aliases():
    """Near Nyquist of a coarse mesh, against a mesh three times finer."""
    x = np.random.default_rng(1).uniform(0, SIDE, (1, 3000, 3))
    edges = np.linspace(0.05, 0.95, 10) * nyquist(SIDE, 24)
    fine = np.asarray(power_spectrum(x, None, SIDE, 72, edges).raw_power)[0, 0]
    beyond = r"beyond 0.6 of the Nyquist wavenumber, 0.452389 h/Mpc, and k_edges reach 0.716283; "
    with pytest.warns(UserWarning, match=rf"by up to 1% {beyond}use a larger mesh_size"):
        with_it = np.asarray(power_spectrum(x, None, SIDE, 24, edges).raw_power)[0, 0]
    with pytest.warns(UserWarning, match=rf"by per cents {beyond}pass interlaced=True or a larger"):
        without = power_spectrum(x, None, SIDE, 24, edges, interlaced=False).raw_power
    assert np.all(np.abs(with_it / fine - 1) < 2e-3)
    assert np.all(np.abs(with_it / fine - 1)[:5] < 1e-3)
    assert np.abs(np.asarray(without)[0, 0] / fine - 1)[-1] > 0.05
    for resampler in (CLOUD_IN_CELL, PIECEWISE_CUBIC_SPLINE):
        other = power_spectrum(x, None, SIDE, 72, edges, resampler=resampler).raw_power
        np.testing.assert_allclose(np.asarray(other)[0, 0], fine, rtol=5e-3)


def test_interlaced_clustered_power_holds_to_six_tenths_of_nyquist():
    """Within 0.1% of P + shot noise of a mesh twice as fine; without interlacing it is not."""
    x = clustered(batch=4, points=2000)
    edges = np.linspace(0.5 * FUNDAMENTAL, 0.6 * nyquist(SIDE, 32), 8)
    with jax.enable_x64(True):
        fine, coarse, without = (
            np.asarray(power_spectrum(x, None, SIDE, size, edges, interlaced=lace).raw_power)
            for size, lace in ((64, True), (32, True), (32, False))
        )
    assert np.all(fine[:, 0, 0] > 20 * SIDE**3 / 2000)  # clustered far above the shot noise
    assert np.all(np.abs(coarse - fine) < 1e-3 * fine[:, :1])
    assert np.max(np.abs(without - fine) / fine[:, :1]) > 2e-3


def test_weighted_and_cross_spectra_equal_direct_sums():
    box = np.array([100.0, 120.0, 90.0])
    rng = np.random.default_rng(8)
    x, y = clustered(side=90.0), clustered(side=90.0, points=300, seed=0)
    w, v = rng.uniform(0.1, 3, x.shape[:2]), rng.uniform(0.1, 3, y.shape[:2])
    mask = rng.random(y.shape[:2]) < 0.8
    edges = np.array([0.04, 0.1, 0.2, 0.3])
    with jax.enable_x64(True):
        auto = power_spectrum(x, None, box, 64, edges, weights=w)
        cross = cross_power_spectrum(
            x, None, np.where(mask[..., None], y, np.nan), mask, box, 64, edges,
            weights=w, other_weights=np.where(mask, v, np.nan),
        )  # fmt: skip
        same = cross_power_spectrum(x, None, x, None, box, 64, edges, weights=w, other_weights=w)
        for index in range(2):
            truth, _, _ = direct_power(x[index], box, edges, (0, 2, 4), 2, w[index])
            assert np.all(np.abs(auto.raw_power[index] - truth) < 1e-4 * truth[0])
            noise = box.prod() * np.sum(w[index] ** 2) / np.sum(w[index]) ** 2
            np.testing.assert_allclose(auto.shot_noise[index], noise, rtol=1e-12)
            np.testing.assert_allclose(auto.power[index, 0], auto.raw_power[index, 0] - noise)
            other = y[index][mask[index]], v[index][mask[index]]
            both, _, _ = direct_power(x[index], box, edges, (0, 2, 4), 2, w[index], other)
            assert np.all(np.abs(cross.power[index] - both) < 1e-4 * truth[0])
        assert np.all(np.asarray(cross.shot_noise) == 0)
        np.testing.assert_allclose(same.power, auto.raw_power, rtol=1e-12, atol=1e-9)


def test_weighted_poisson_points_have_no_power_nor_two_sets_of_them():
    rng = np.random.default_rng(9)
    x, y = rng.uniform(0, SIDE, (2, 100, 300, 3))
    w = rng.lognormal(0, 0.7, (100, 300))
    edges = np.linspace(0.5, 9.5, 7) * FUNDAMENTAL
    weighted = power_spectrum(x, None, SIDE, 32, edges, (0, 2), weights=w)
    assert np.all(np.asarray(weighted.shot_noise) > 1.3 * SIDE**3 / 300)
    crossed = cross_power_spectrum(x, None, y, None, SIDE, 32, edges, (0, 2), weights=w)
    for result in (weighted, crossed):
        mean = result.mean()
        assert np.all(np.abs(mean.mean) < 3 * mean.error)
        assert np.all(mean.error < 0.2 * SIDE**3 / 300)


def test_weights_count_points_and_their_scale_is_free():
    x = clustered(points=60)
    w = np.random.default_rng(10).integers(0, 4, x.shape[:2]).astype(float)
    repeated = np.zeros((2, int(w.sum(axis=1).max()), 3))
    mask = np.arange(repeated.shape[1]) < w.sum(axis=1, keepdims=True)
    for index in range(2):
        repeated[index][mask[index]] = np.repeat(x[index], w[index].astype(int), axis=0)
    with jax.enable_x64(True):
        weighted = power_spectrum(x, None, SIDE, 16, weights=7.5 * w)
        truth = power_spectrum(repeated, mask, SIDE, 16)
    np.testing.assert_allclose(weighted.raw_power, truth.raw_power, rtol=1e-10, atol=1e-6)


def test_plane_waves_on_a_mesh_have_their_power():
    """A cos(k.x) has |delta_k|² = A²/4 at k and -k: P = V A²/2 over the modes of its bin."""
    size, amplitude = 12, np.array([0.3, 0.8])
    grid = np.stack(np.meshgrid(*[np.arange(size) * SIDE / size] * 3, indexing="ij"), axis=-1)
    k = FUNDAMENTAL * np.array([1, 2, 2])  # |k| = 3, mu = 2/3 along z
    wave = np.cos(grid @ k + 0.4)
    edges = np.array([0.5, 2.5, 3.5, 5.5]) * FUNDAMENTAL
    with jax.enable_x64(True):
        result = field_power_spectrum(amplitude[:, None, None, None] * wave, SIDE, edges)
        power = np.asarray(result.power)
    truth = np.zeros((2, 3, 3))
    legendre = np.array([1, 5 * (3 * 4 / 9 - 1) / 2, 9 * (35 * 16 / 81 - 30 * 4 / 9 + 3) / 8])
    modes = np.asarray(result.modes)[1]
    truth[:, :, 1] = SIDE**3 * amplitude[:, None] ** 2 / 2 / modes * legendre
    np.testing.assert_allclose(power, truth, atol=1e-10 * truth.max())
    np.testing.assert_array_equal(result.shot_noise, np.zeros(2))


def test_a_painted_field_gives_the_power_of_its_points():
    x = clustered(batch=2)
    edges = np.linspace(0.5, 7.5, 5) * FUNDAMENTAL
    with jax.enable_x64(True):
        field = paint(x, None, SIDE, 32) * 32**3 / x.shape[1] - 1
        one = field_power_spectrum(field, SIDE, edges, resampler=TRIANGULAR_SHAPED_CLOUD)
        two = power_spectrum(x, None, SIDE, 32, edges, interlaced=False)
    np.testing.assert_allclose(one.raw_power, two.raw_power, rtol=1e-9, atol=1e-8)


def test_poisson_points_have_no_power():
    x = np.random.default_rng(2).uniform(0, SIDE, (200, 300, 3))
    edges = np.linspace(0.5, 9.5, 7) * FUNDAMENTAL
    result = power_spectrum(x, None, SIDE, 32, edges, (0, 2))
    mean = result.mean()
    assert np.all(np.abs(mean.mean) < 3 * mean.error)
    assert np.all(mean.error < 0.1 * np.asarray(result.shot_noise)[0])
    np.testing.assert_allclose(result.shot_noise, SIDE**3 / 300, rtol=1e-6)
    # Power of Poisson modes is exponential: its variance over the mean is 2 SN² / (modes n)
    expected = SIDE**3 / 300 * np.sqrt(2 / np.asarray(result.modes) / 200)
    np.testing.assert_allclose(mean.error[0], expected, rtol=0.25)


def displaced(rng, side, cells, amplitude, axes):
    """A lattice of points moved by a white Gaussian field of the lowest modes: P is known.

    Zel'dovich: delta(k) = -i k.psi(k) to first order. With psi = i k/k² delta on ``axes`` only,
    the measured delta is delta x (sum over axes of k_axis²)/k²: 1 for all three.
    """
    grid = (np.arange(cells) + 0.5) * side / cells
    points = np.stack(np.meshgrid(grid, grid, grid, indexing="ij"), axis=-1).reshape(-1, 3)
    k = lattice((side,) * 3, 3.2 * 2 * np.pi / side)
    k = k[(k[:, 2] > 0) | ((k[:, 2] == 0) & ((k[:, 1] > 0) | ((k[:, 1] == 0) & (k[:, 0] > 0))))]
    phase = rng.uniform(0, 2 * np.pi, len(k))  # fixed amplitude: |delta_k|² is the same for all
    wave = 2 * amplitude * np.sin(points @ k.T + phase)
    strength = k / (k**2).sum(axis=1, keepdims=True) * axes
    return (points - wave @ strength) % side


def test_fixed_amplitude_field_returns_its_power():
    """Each mode has |delta_k| = A exactly, so P = V A² in every bin, and no quadrupole."""
    amplitude = 2e-4
    x = displaced(np.random.default_rng(3), SIDE, 16, amplitude, np.ones(3))[None]
    edges = np.array([0.5, 1.5, 2.5, 3.1]) * FUNDAMENTAL
    with jax.enable_x64(True):
        result = power_spectrum(x, None, SIDE, 48, edges)
        raw = np.asarray(result.raw_power)[0]
    truth = SIDE**3 * amplitude**2
    np.testing.assert_allclose(raw[0], truth, rtol=0.01)  # a lattice has no shot noise
    assert np.all(np.abs(raw[1]) < 0.01 * truth)


def test_kaiser_field_has_the_expected_multipoles():
    """Displacements stretched by 1 + f along the line of sight: delta (1 + f mu²), Kaiser 1987."""
    amplitude, growth = 2e-4, 0.6
    edges = np.array([0.5, 1.5, 2.5, 3.1]) * FUNDAMENTAL
    for axis in (0, 2):
        axes = np.ones(3)
        axes[axis] += growth
        x = displaced(np.random.default_rng(4), SIDE, 16, amplitude, axes)[None]
        with jax.enable_x64(True):
            raw = np.asarray(
                power_spectrum(x, None, SIDE, 48, edges, line_of_sight=axis).raw_power
            )[0]
        k = lattice((SIDE,) * 3, edges[-1])
        size = np.linalg.norm(k, axis=1)
        mu2 = (k[:, axis] / size) ** 2
        kaiser = SIDE**3 * amplitude**2 * (1 + growth * mu2) ** 2
        legendre = [1 + 0 * mu2, 2.5 * (3 * mu2 - 1), 9 / 8 * (35 * mu2**2 - 30 * mu2 + 3)]
        for index, polynomial in enumerate(legendre):
            for b in range(3):
                inside = (size >= edges[b]) & (size < edges[b + 1])
                truth = np.mean((kaiser * polynomial)[inside])
                assert abs(raw[index, b] - truth) < 0.01 * raw[0, b]
        assert raw[1, 0] > 0.3 * raw[0, 0]


def test_padding_permutation_and_translation_change_nothing():
    x = clustered(batch=3).astype(np.float32)
    mask = np.ones((3, 400), bool)
    mask[0, 250:] = False
    truth = power_spectrum(x, mask, SIDE, 24)
    scale = np.asarray(truth.raw_power)[:, :1]
    order = np.random.default_rng(5).permutation(400)
    dirty = np.concatenate([np.where(mask[..., None], x, np.nan), np.full((3, 30, 3), np.nan)], 1)
    wide = np.pad(mask, ((0, 0), (0, 30)))
    variants = [
        power_spectrum(dirty, wide, SIDE, 24),
        power_spectrum(x[:, order], mask[:, order], SIDE, 24),
        jax.jit(lambda y: power_spectrum(y, mask, SIDE, 24))(x),
        power_spectrum(x + SIDE / 24 * np.float32([3, -30, 7]), mask, SIDE, 24),  # whole cells
    ]
    for variant in variants:
        assert np.all(np.abs(np.asarray(variant.raw_power) - truth.raw_power) < 2e-5 * scale)
        np.testing.assert_array_equal(variant.shot_noise, truth.shot_noise)
    alone = power_spectrum(x[:1, :250], None, SIDE, 24).raw_power
    assert np.all(np.abs(np.asarray(alone) - truth.raw_power[:1]) < 2e-5 * scale[:1])
    # Any translation: to the accuracy of the mesh at low k
    moved = power_spectrum(x + np.float32([1.3, 71.0, -9.9]), mask, SIDE, 24)
    low = np.asarray(truth.k) < 0.4 * nyquist(SIDE, 24)
    difference = np.abs(np.asarray(moved.raw_power) - truth.raw_power)
    assert np.all(difference[..., low] < 5e-4 * scale[..., low])


@pytest.mark.slow
def test_without_jit_the_power_is_the_same():
    x = clustered(batch=1, points=50).astype(np.float32)
    truth = np.asarray(power_spectrum(x, None, SIDE, 8).raw_power)
    with jax.disable_jit():
        plain = np.asarray(power_spectrum(x, None, SIDE, 8).raw_power)
    assert np.all(np.abs(plain - truth) < 1e-5 * truth[:, :1])


def test_gradients_against_finite_differences():
    """With respect to positions and to weights, of auto and cross spectra, along one direction."""
    x = clustered(batch=1, points=30)
    rng = np.random.default_rng(6)
    w = rng.uniform(0.5, 2, (1, 30))
    probe = rng.normal(size=(1, 3, 5))
    edges = np.linspace(0.5, 5.5, 6) * FUNDAMENTAL
    other = clustered(batch=1, points=20, seed=1)
    with jax.enable_x64(True):

        def loss(y, v):
            auto = power_spectrum(y, None, SIDE, 20, edges, weights=v).power
            cross = cross_power_spectrum(y, None, other, None, SIDE, 20, edges, weights=v).power
            return jnp.sum(probe * auto), jnp.sum(probe * cross)

        loss = jax.jit(loss)
        slopes = jax.jit(jax.jacrev(loss, argnums=(0, 1)))(jnp.asarray(x), jnp.asarray(w))
        for argument, scale in ((0, 1e-5), (1, 1e-6)):
            step = rng.normal(size=(x, w)[argument].shape)
            moved = [[x, w], [x, w]]
            moved[0][argument] = moved[0][argument] + scale * step
            moved[1][argument] = moved[1][argument] - scale * step
            for index in range(2):
                slope = float(np.vdot(slopes[index][argument], step))
                finite = float(loss(*moved[0])[index] - loss(*moved[1])[index]) / (2 * scale)
                assert abs(slope - finite) < 1e-6 * abs(slope) and abs(slope) > 1.0


SHARDED = """
    import sys
    import jax, numpy as np
    from jax.sharding import Mesh, NamedSharding, PartitionSpec
    from galgen.statistics.fourier.power_spectrum import power_spectrum
    x = np.random.default_rng(0).uniform(0, 100, (4, 50, 3)).astype(np.float32)
    w = np.random.default_rng(1).uniform(0, 2, (4, 50)).astype(np.float32)
    place = NamedSharding(Mesh(np.array(jax.devices()), ("data",)), PartitionSpec("data"))
    shared, weights = jax.device_put((x, w), place)
    assert len(shared.sharding.device_set) == 4
    result = power_spectrum(shared, None, 100.0, 12, weights=weights)
    np.savez(sys.argv[1], power=result.raw_power, noise=result.shot_noise, x=x, w=w)
"""


def test_batch_shared_by_four_devices_gives_the_same(tmp_path):
    file = tmp_path / "sharded.npz"
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SHARDED), str(file)],
        env={
            **os.environ,
            "XLA_FLAGS": "--xla_force_host_platform_device_count=4",
            "JAX_PLATFORMS": "cpu",
        },
        check=True,
        capture_output=True,
        timeout=600,
    )
    sharded = np.load(file)
    alone = power_spectrum(sharded["x"], None, 100.0, 12, weights=sharded["w"])
    scale = np.asarray(alone.raw_power)[:, :1]
    assert np.all(np.abs(sharded["power"] - np.asarray(alone.raw_power)) < 1e-5 * scale)
    np.testing.assert_allclose(sharded["noise"], alone.shot_noise, rtol=1e-6)


def test_gradient_of_padding_is_zero_and_finite():
    x = clustered(batch=1, points=20).astype(np.float32)
    mask = np.arange(20)[None] < 12
    x[~mask] = np.nan
    slope = jax.grad(lambda y: jnp.sum(power_spectrum(y, mask, SIDE, 8).power))
    gradient = slope(jnp.asarray(x))
    assert np.all(np.isfinite(gradient)) and np.all(np.asarray(gradient)[~mask] == 0)
    assert np.any(np.asarray(gradient)[mask] != 0)


def test_multipoles_come_in_the_order_asked_for():
    x = clustered(batch=1)
    both = power_spectrum(x, None, SIDE, 16, multipoles=(2, 0))
    other = power_spectrum(x, None, SIDE, 16, multipoles=(0, 2))
    np.testing.assert_array_equal(np.asarray(both.power)[:, ::-1], other.power)
    assert both.multipoles == (2, 0)


def test_an_empty_catalogue_is_undefined_and_alone_in_it():
    x = clustered(batch=2)
    mask = np.ones((2, 400), bool)
    mask[1] = False
    result = power_spectrum(x, mask, SIDE, 16)
    assert np.all(np.isfinite(result.power[0])) and np.all(np.isnan(result.power[1]))


X = np.zeros((1, 4, 3))
BAD = [
    ({"k_edges": [0.1, 0.6]}, r"Nyquist wavenumber 0.502655 h/Mpc, got 0.6; .* mesh_size >= 20"),
    ({"k_edges": [0.07, 0.08]}, r"none in \[0.07, 0.08\) h/Mpc; widen the bins"),
    ({"k_edges": [0.3, 0.2]}, r"k_edges finite and strictly increasing, got \[0.3, 0.2\]; sort"),
    ({"multipoles": (0, 1)}, r"multipoles among 0, 2, 4, each once, got \(0, 1\); pass"),
    ({"multipoles": (0, 0)}, r"multipoles among 0, 2, 4, each once, got \(0, 0\); pass"),
    ({"line_of_sight": 3}, r"line of sight of 0, 1 or 2 \(x, y, z\), got 3; pass an axis"),
    ({"mesh_size": 3}, r"4 to 1290 cells per side .* got 3; pass"),
    ({"box": (1.0, 2.0)}, r"a box of 3 sides in Mpc/h, got shape \(2,\);"),
    ({"box": (100.0, 100.0, 1.0)}, r"resolves the fundamental mode .* got 16 cells .* enlarge"),
    ({"positions": X[0]}, r"positions of shape \(batch, points, 3\), got \(4, 3\); add"),
    ({"weights": np.ones((2, 4))}, r"weights of shape \(1, 4\), got \(2, 4\); pass one per row"),
    ({"mask": np.ones((2, 4))}, r"a mask of shape \(1, 4\), got \(2, 4\); pass"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_input_is_named(change, message):
    arguments = {
        "positions": X,
        "mask": None,
        "box": SIDE,
        "mesh_size": 16,
        "resampler": TRIANGULAR_SHAPED_CLOUD,
        **change,
    }
    with pytest.raises(InputError, match=message):
        power_spectrum(**arguments)


def test_unpaired_batches_and_flat_fields_are_named():
    with pytest.raises(InputError, match=r"as many catalogues in both batches, got 1 and 2; pair"):
        cross_power_spectrum(X, None, np.zeros((2, 4, 3)), None, SIDE, 16)
    for shape in ((8, 8, 8), (1, 8, 8, 4)):
        with pytest.raises(InputError, match=r"a field of shape \(batch, mesh, mesh, mesh\), got"):
            field_power_spectrum(np.zeros(shape), SIDE)
