"""The bispectrum against triangles enumerated one by one, and fields whose bispectrum is known."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from galgen.errors import InputError
from galgen.statistics.fourier.bispectrum import bispectrum, field_bispectrum
from galgen.statistics.fourier.mesh import PIECEWISE_CUBIC_SPLINE
from galgen.statistics.fourier.triangles import closed_triples, equilateral, squeezed

SIDE = 100.0
FUNDAMENTAL = 2 * np.pi / SIDE
EDGES = np.array([0.5, 1.5, 2.5, 3.5, 4.5, 5.5]) * FUNDAMENTAL


def shells(box, edges):
    """The integer wavevectors of every bin, each ``(modes, 3)``."""
    reach = [int(edges[-1] * side / (2 * np.pi)) + 1 for side in box]
    n = np.stack(np.meshgrid(*[np.arange(-r, r + 1) for r in reach], indexing="ij"), -1)
    n = n.reshape(-1, 3)
    size = np.linalg.norm(2 * np.pi * n / box, axis=1)
    bins = np.searchsorted(edges, size, side="right") - 1
    return [n[(bins == index) & (size > 0)] for index in range(len(edges) - 1)]


def brute_force(amplitude, box, edges, triple):
    """Mean of F1 F2 F3 over all closed triangles of a triple, and their number.

    ``amplitude`` takes integer wavevectors ``(modes, 3)``.
    """
    parts = shells(box, edges)
    first, second, third = (parts[index] for index in triple)
    members = {tuple(n) for n in third.tolist()}
    total, number = 0.0, 0
    values = amplitude(second)
    for n, value in zip(first, amplitude(first), strict=True):
        closing = -n - second
        inside = np.array([tuple(m) in members for m in closing.tolist()])
        if inside.any():
            total = total + value * np.sum(values[inside] * amplitude(closing[inside]))
            number += inside.sum()
    return total / number, number


def clustered(batch, points, seed=0, side=SIDE):
    """Points in blobs, so that the bispectrum exceeds its shot noise at low k."""
    rng = np.random.default_rng(seed)
    centres = rng.uniform(0, side, (batch, 10, 3))
    chosen = np.take_along_axis(centres, rng.integers(0, 10, (batch, points, 1)), axis=1)
    return (chosen + rng.normal(0, 5.0, (batch, points, 3))) % side


@pytest.mark.parametrize("box", [(100.0, 100.0, 100.0), (100.0, 120.0, 90.0)])
def test_triangles_of_a_field_one_by_one(box):
    """Every closed triple of a random field on 16³ cells, to 1e-10; counts are integers."""
    field = np.random.default_rng(0).normal(size=(1, 16, 16, 16)) ** 2
    modes = np.fft.fftn(field[0]) / 16**3
    edges = np.array([0.5, 1.5, 2.6, 3.5]) * 2 * np.pi / min(box)
    triples = closed_triples(edges)
    assert {(0, 0, 0), (0, 1, 1), (2, 2, 2)} <= set(triples)
    with jax.enable_x64(True):
        result = field_bispectrum(field, box, edges, triples)
        values, counts = np.asarray(result.bispectrum)[0], np.asarray(result.triangles)
    truth = []
    for triple in triples:
        mean, number = brute_force(lambda n: modes[tuple(n.T)], np.array(box), edges, triple)
        truth.append((np.prod(box) ** 2 * mean.real, number))
    truth, numbers = np.array(truth).T
    np.testing.assert_array_equal(counts, numbers)
    np.testing.assert_allclose(values, truth, atol=1e-10 * np.abs(truth).max(), rtol=0)
    assert np.all(np.asarray(result.shot_noise) == 0)


@pytest.mark.parametrize("weighted", [False, True])
def test_triangles_of_points_one_by_one(weighted):
    """Raw bispectrum and shot noise from direct Fourier sums over points."""
    box = np.array([100.0, 120.0, 90.0])
    x = clustered(2, 80, side=90.0)
    w = np.random.default_rng(1).uniform(0.3, 2, (2, 80)) if weighted else np.ones((2, 80))
    edges = np.array([0.05, 0.12, 0.2])
    triples = ((0, 0, 0), (0, 1, 1), (1, 1, 1), (1, 0, 1))
    with jax.enable_x64(True):
        result = bispectrum(x, None, box, 32, edges, triples, weights=w if weighted else None)
        raw, noise, power = map(
            np.asarray, (result.raw_bispectrum, result.shot_noise, result.power)
        )
    for index in range(2):

        def amplitude(n, mass=w[index], points=x[index]):
            return mass @ np.exp(-1j * points @ (2 * np.pi * n / box).T)

        total, volume = w[index].sum(), box.prod()
        pairs, spectra = [], []
        for part in shells(box, edges):
            first, squared = amplitude(part), amplitude(part, w[index] ** 2)
            pairs.append(np.mean(first * squared.conj()).real)
            spectra.append(np.mean(np.abs(first) ** 2) * volume / total**2)
        spectra = np.array(spectra) - volume * np.sum(w[index] ** 2) / total**2
        np.testing.assert_allclose(power[index], spectra, rtol=1e-3)
        for place, triple in enumerate(triples):
            mean, _ = brute_force(amplitude, box, edges, triple)
            scale = volume**2 / total**3
            assert abs(raw[index, place] / (scale * mean.real) - 1) < 1e-3
            shot = scale * (sum(pairs[b] for b in triple) - 2 * np.sum(w[index] ** 3))
            assert abs(noise[index, place] / shot - 1) < 1e-3
            if not weighted:
                density = 80 / volume
                plain = sum(power[index][b] for b in triple) / density + 1 / density**2
                assert abs(noise[index, place] / plain - 1) < 1e-10


@pytest.mark.parametrize("weighted", [False, True])
def test_poisson_points_have_no_bispectrum(weighted):
    """Zero within three errors; errors as for Gaussian modes with P = 1/n (Scoccimarro 1998)."""
    rng = np.random.default_rng(2)
    x = rng.uniform(0, SIDE, (200, 2000, 3))
    w = rng.uniform(0.2, 2, (200, 2000)) if weighted else None
    triples = (*equilateral(5), *squeezed(5))
    result = bispectrum(x, None, SIDE, 16, EDGES, triples, weights=w)
    mean = result.mean()
    assert np.all(np.abs(mean.mean) < 3 * mean.error)
    shot = SIDE**3 / 2000 * (1 if w is None else np.mean(w**2) / np.mean(w) ** 2)
    orders = np.array([6] * 5 + [2] * 4)  # permutations of a triple that leave it as it is
    expected = np.sqrt(orders * SIDE**3 * shot**3 / np.asarray(result.triangles) / 200)
    # The first bins hold few independent triangles: only the order of magnitude is Gaussian there
    np.testing.assert_allclose(mean.error[3:5], expected[3:5], rtol=0.3)
    assert np.all(mean.error[:3] < 2 * expected[:3])


def test_three_waves_that_close_have_their_bispectrum():
    """A cos each: |delta_k| = A/2, phases add; 6 orders of the triangle and 6 of its mirror."""
    size, amplitude, phases = 12, np.array([0.3, 0.5, 0.7]), np.array([0.2, 0.9, -0.4])
    waves = np.array([[1, 2, 2], [2, -2, -1], [-3, 0, -1]])  # |n| = 3, 3, sqrt(10)
    grid = np.stack(np.meshgrid(*[np.arange(size) / size] * 3, indexing="ij"), axis=-1)
    field = np.cos(2 * np.pi * grid @ waves.T + phases) @ amplitude
    edges = np.array([2.9, 3.1, 3.2]) * FUNDAMENTAL
    with jax.enable_x64(True):
        result = field_bispectrum(field[None], SIDE, edges, ((0, 0, 1), (1, 0, 0)))
        values, counts = np.asarray(result.bispectrum)[0], np.asarray(result.triangles)
    closed = 2 * 2 * np.prod(amplitude / 2) * np.cos(phases.sum())  # the two equal bins exchange
    np.testing.assert_allclose(values, SIDE**6 * closed / counts, rtol=1e-10)
    assert counts[0] == counts[1] > 4


def test_window_is_divided_out():
    """Two resamplers on a coarse mesh agree with a mesh twice as fine at 0.5 of Nyquist."""
    x = clustered(1, 1500)
    triples = (*equilateral(5), *squeezed(5))
    truth = np.asarray(bispectrum(x, None, SIDE, 44, EDGES, triples).raw_bispectrum)
    other = np.asarray(bispectrum(x, None, SIDE, 22, EDGES, triples).raw_bispectrum)
    cubic = bispectrum(x, None, SIDE, 22, EDGES, triples, PIECEWISE_CUBIC_SPLINE).raw_bispectrum
    assert np.all(np.abs(other / truth - 1) < 5e-3)
    assert np.all(np.abs(np.asarray(cubic) / truth - 1) < 5e-3)


def test_padding_permutation_translation_and_jit_change_nothing():
    x = clustered(3, 100).astype(np.float32)
    w = np.random.default_rng(3).uniform(0.5, 2, (3, 100)).astype(np.float32)
    mask = np.ones((3, 100), bool)
    mask[0, 60:] = False
    triples = ((0, 0, 0), (0, 2, 2), (1, 2, 2))

    def measure(y, m, v):
        return bispectrum(y, m, SIDE, 16, EDGES, triples, weights=v)

    truth = measure(x, mask, w)
    order = np.random.default_rng(5).permutation(100)
    keep = mask[..., None]
    dirty = np.concatenate([np.where(keep, x, np.nan), np.full((3, 9, 3), np.nan)], 1)
    wide, heavy = (np.pad(a, ((0, 0), (0, 9)), constant_values=c) for a, c in ((mask, 0), (w, 7)))
    variants = [
        measure(dirty, wide, heavy),
        measure(x[:, order], mask[:, order], w[:, order]),
        jax.jit(measure)(x, mask, w),
        measure(x + SIDE / 16 * np.float32([3, -30, 7]), mask, w),  # whole cells
        measure(x, mask, 3 * w),
    ]
    scale = np.abs(np.asarray(truth.raw_bispectrum)).max()
    for variant in variants:
        for name in ("bispectrum", "raw_bispectrum"):
            difference = np.asarray(getattr(variant, name)) - np.asarray(getattr(truth, name))
            assert np.all(np.abs(difference) < 1e-4 * scale)
    mask[1] = False  # an empty catalogue is undefined, and alone in it
    values = np.asarray(measure(x, mask, w).bispectrum)
    assert np.all(np.isnan(values[1])) and np.all(np.isfinite(values[[0, 2]]))


def test_gradients_against_finite_differences():
    x = clustered(1, 20)
    rng = np.random.default_rng(4)
    w, move, change = rng.uniform(0.5, 2, (1, 20)), rng.normal(size=x.shape), rng.normal(size=20)
    with jax.enable_x64(True):

        @jax.jit
        def loss(step):
            result = bispectrum(
                x + step * move, None, SIDE, 12, EDGES[:4], ((0, 1, 1), (2, 2, 2)),
                weights=w + step * change,
            )  # fmt: skip
            return jnp.sum(result.bispectrum * jnp.array([1.0, -2.0]))

        slope = float(jax.jit(jax.grad(loss))(0.0))
        finite = float(loss(1e-6) - loss(-1e-6)) / 2e-6
    assert abs(slope - finite) < 1e-6 * abs(slope) and abs(slope) > 1


def test_reduced_bispectrum_and_named_triples():
    result = bispectrum(clustered(1, 200), None, SIDE, 16, EDGES, ((0, 1, 2),))
    p, b = np.asarray(result.power)[0], np.asarray(result.bispectrum)[0, 0]
    truth = b / (p[0] * p[1] + p[1] * p[2] + p[2] * p[0])
    np.testing.assert_allclose(result.reduced[0, 0], truth, rtol=1e-5)
    assert equilateral(2) == ((0, 0, 0), (1, 1, 1)) and squeezed(3) == ((0, 1, 1), (0, 2, 2))
    centre = (EDGES[1:] + EDGES[:-1]) / 2
    every = itertools.combinations_with_replacement(range(5), 3)
    closed = tuple(t for t in every if centre[t[2]] < centre[t[0]] + centre[t[1]] + 1e-6)
    assert closed_triples(EDGES) == closed


X = np.zeros((1, 4, 3))
BAD = [
    (((0, 0),), r"triples of three whole numbers each, got shape \(1, 2\); pass"),
    (((0, 0, 5),), r"triples of bins 0 to 4, got 0 to 5; name bins"),
    (((0, 0, 0), (0, 0, 4)), r"triples that a triangle closes, got \(0, 0, 4\); drop it"),
]


@pytest.mark.parametrize(("triples", "message"), BAD)
def test_bad_triples_are_named(triples, message):
    with pytest.raises(InputError, match=message):
        bispectrum(X, None, SIDE, 16, EDGES, triples)


def test_edges_beyond_the_mesh_are_named():
    with pytest.raises(InputError, match=r"Nyquist wavenumber 0.251327 .* mesh_size >= 11"):
        bispectrum(X, None, SIDE, 8, EDGES, ((0, 0, 0),))
