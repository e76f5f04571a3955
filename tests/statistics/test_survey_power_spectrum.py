"""P(k) of surveys: sums over pairs by hand, the periodic box, closed forms of A and the window."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM

from galgen.cosmology.coordinates import cartesian_positions
from galgen.cosmology.distances import comoving_distance
from galgen.errors import InputError
from galgen.statistics.fourier.mesh import NEAREST_GRID_POINT, PIECEWISE_CUBIC_SPLINE
from galgen.statistics.fourier.power_spectrum import power_spectrum
from galgen.statistics.fourier.spherical_harmonics import spherical_harmonic
from galgen.statistics.fourier.survey_field import SurveyBox
from galgen.statistics.fourier.survey_power_spectrum import (
    SurveyPowerSpectrum,
    fkp_weights,
    survey_power_spectrum,
)
from galgen.statistics.pairs.landy_szalay import SurveyCatalogue

SIDE = 100.0
FUNDAMENTAL = 2 * np.pi / SIDE
ELLS = (0, 2, 4)
NEAR = SurveyBox((-30.0, 20.0, -70.0), (SIDE,) * 3)
"""The observer is half a box away, and outside."""


def far(axis, distance=1e8):
    """A box that a distant observer sees along one axis."""
    corner = distance * np.eye(3)[axis]
    return SurveyBox(tuple(corner.tolist()), (SIDE,) * 3)


def seen(points, box, weights=None):
    return SurveyCatalogue(points + np.array(box.corner), weights)


def lattice(per_side, side=SIDE):
    """Centres of the cells of a cube: randoms without noise below their own Nyquist wavenumber."""
    places = (np.arange(per_side) + 0.5) * side / per_side
    return np.stack(np.meshgrid(places, places, places, indexing="ij"), axis=-1).reshape(-1, 3)


def modes(k_max):
    """All wavevectors with 0 < |k| < k_max, and their lengths."""
    reach = int(k_max / FUNDAMENTAL) + 1
    n = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 3, indexing="ij"), -1)
    k = FUNDAMENTAL * n.reshape(-1, 3)
    size = np.linalg.norm(k, axis=1)
    inside = (size > 0) & (size < k_max)
    return k[inside], size[inside]


def pair_sums(positions, weights, edges, window=lambda k: 1.0):
    """(2 l + 1) <sum over pairs of w w' L_l(k_hat . x_hat) cos(k . (x - x'))> of every bin."""
    k, size = modes(edges[-1])
    cosine = (k / size[:, None]) @ (positions / np.linalg.norm(positions, axis=1)[:, None]).T
    waves = weights * np.exp(-1j * k @ positions.T)
    rows = []
    for ell in ELLS:
        legendre = np.polynomial.legendre.legval(cosine, [0.0] * ell + [1.0])
        each = (waves.sum(1) * (legendre * waves).sum(1).conj()).real / window(k) ** 2
        inside = [(size >= a) & (size < b) for a, b in itertools.pairwise(edges)]
        rows.append([(2 * ell + 1) * each[some].mean() for some in inside])
    return np.array(rows)


def test_harmonics_obey_the_addition_theorem():
    rng = np.random.default_rng(0)
    a, b = (v / np.linalg.norm(v, axis=0) for v in rng.normal(size=(2, 3, 40)))
    with jax.enable_x64(True):
        one, other = (tuple(map(jnp.asarray, v)) for v in (a, b))
        for ell in ELLS:
            total = sum(
                spherical_harmonic(ell, m, one) * spherical_harmonic(ell, m, other)
                for m in range(2 * ell + 1)
            )
            truth = np.polynomial.legendre.legval((a * b).sum(0), [0.0] * ell + [1.0])
            np.testing.assert_allclose(total, truth, atol=1e-14)


def test_sums_over_pairs_by_hand():
    """Points in the middle of cells, nearest grid point: only the window differs, which is known.

    Every pair, every mode, about the true direction of one of its points, to 1e-10.
    """
    rng = np.random.default_rng(1)
    size, cell = 16, SIDE / 16
    x, y = (rng.integers(0, size, (number, 3)) * cell for number in (40, 70))
    w, v = rng.uniform(0.5, 2, 40), rng.uniform(0.5, 2, 70)
    edges = np.array([0.5, 1.5, 2.5, 3.5, 4.5]) * FUNDAMENTAL
    data, randoms = seen(x, NEAR, w), seen(y, NEAR, v)
    with jax.enable_x64(True):
        found = survey_power_spectrum(
            data, randoms, size, edges, ELLS, NEAR, np.full(70, 1e-3), NEAREST_GRID_POINT, False
        )
    alpha = w.sum() / v.sum()
    normalisation = alpha * 1e-3 * np.sum(v**2)
    truth = pair_sums(
        np.concatenate([data.positions, randoms.positions]),
        np.concatenate([w, -alpha * v]),
        edges,
        lambda k: np.prod(np.sinc(k * cell / (2 * np.pi)), axis=1),
    )
    scale = np.abs(truth[0]) / normalisation
    assert np.all(np.abs(found.raw_power - truth / normalisation) < 1e-10 * scale)
    assert np.abs(truth[1:]).max() > 0.3 * truth[0].max()
    noise = (np.sum(w**2) + alpha**2 * np.sum(v**2)) / normalisation
    np.testing.assert_allclose(
        [found.alpha, found.normalisation, found.shot_noise], [alpha, normalisation, noise]
    )
    np.testing.assert_allclose(found.power[0], found.raw_power[0] - noise)
    np.testing.assert_array_equal(found.power[1:], found.raw_power[1:])


@pytest.mark.parametrize("double", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_points_anywhere_to_the_accuracy_of_the_mesh(double):
    """Interlaced; the direction is that of the cell, so that l = 2, 4 know (cell / distance)²."""
    rng = np.random.default_rng(2)
    x, y = rng.uniform(10, 90, (150, 3)), rng.uniform(10, 90, (400, 3))
    edges = np.array([0.5, 2.5, 4.5, 6.5]) * FUNDAMENTAL
    data, randoms = seen(x, NEAR), seen(y, NEAR)
    with jax.enable_x64(double):
        found = survey_power_spectrum(
            data, randoms, 64, edges, ELLS, NEAR, np.full(400, 1e-3), PIECEWISE_CUBIC_SPLINE
        )
    weights = np.concatenate([np.ones(150), np.full(400, -found.alpha)])
    truth = pair_sums(np.concatenate([data.positions, randoms.positions]), weights, edges)
    off = np.abs(found.raw_power * found.normalisation - truth) / truth[0]
    assert np.all(off[0] < 2e-6) and np.all(off[1:] < 2e-3)
    assert np.abs(truth[1:]).max() > 0.3 * truth[0].max()


@pytest.mark.parametrize(
    "axis", [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)]
)
def test_a_distant_observer_sees_the_periodic_box(axis):
    """Randoms on a lattice that fills it are its mean: A = N²/V, and P is that of the box."""
    rng = np.random.default_rng(3)
    centres = rng.uniform(0, SIDE, (20, 3))
    x = (centres[rng.integers(0, 20, 400)] + rng.normal(0, 4, (400, 3))) % SIDE
    edges = np.arange(0.5, 8) * FUNDAMENTAL
    with jax.enable_x64(True):
        box = power_spectrum(x[None], None, SIDE, 32, edges, ELLS, axis)
        found = survey_power_spectrum(
            seen(x, far(axis)), seen(lattice(16), far(axis)), 32, edges, ELLS, far(axis),
            np.full(16**3, 400 / SIDE**3),
        )  # fmt: skip
        raw, noise = np.asarray(box.raw_power)[0], float(box.shot_noise[0])
    assert np.all(np.abs(found.raw_power - raw) < 3e-5 * raw[0])
    assert np.abs(raw[1]).max() > 0.05 * raw[0].max()
    np.testing.assert_array_equal(found.modes, box.modes)
    np.testing.assert_allclose(found.shot_noise, noise * (1 + 400 / 16**3), rtol=1e-10)
    np.testing.assert_allclose(found.normalisation, 400**2 / SIDE**3, rtol=1e-10)


def test_kaiser_multipoles_for_a_distant_observer():
    """A lattice displaced by waves, 1 + f along the sight: P (1 + f mu²)² of Kaiser (1987)."""
    growth, axis, amplitude = 0.6, 1, 2e-4
    edges = np.array([0.5, 1.5, 2.5, 3.1]) * FUNDAMENTAL
    k, size = modes(3.2 * FUNDAMENTAL)
    half = k[(k[:, 2] > 0) | ((k[:, 2] == 0) & ((k[:, 1] > 0) | ((k[:, 1] == 0) & (k[:, 0] > 0))))]
    rest = lattice(16)
    phase = np.random.default_rng(4).uniform(0, 2 * np.pi, len(half))
    axes = 1 + growth * np.eye(3)[axis]
    strength = half / (half**2).sum(axis=1, keepdims=True) * axes
    x = (rest - 2 * amplitude * np.sin(rest @ half.T + phase) @ strength) % SIDE
    with jax.enable_x64(True):
        found = survey_power_spectrum(
            seen(x, far(axis)), seen(rest, far(axis)), 48, edges, ELLS, far(axis),
            np.full(16**3, 16**3 / SIDE**3),
        )  # fmt: skip
    mu = k[:, axis] / size
    kaiser = SIDE**3 * amplitude**2 * (1 + growth * mu**2) ** 2
    for row, ell in enumerate(ELLS):
        legendre = (2 * ell + 1) * np.polynomial.legendre.legval(mu, [0.0] * ell + [1.0])
        for b, (low, high) in enumerate(itertools.pairwise(edges)):
            truth = np.mean((kaiser * legendre)[(size >= low) & (size < high)])
            assert abs(found.raw_power[row, b] - truth) < 0.01 * found.raw_power[0, b]
    assert found.raw_power[1, 0] > 0.3 * found.raw_power[0, 0]


def test_a_cube_in_a_wider_box_is_convolved_with_its_window():
    """Thomas process: P(k) = members exp(-k² sigma²) + shot noise (Neyman & Scott 1952), times W².

    xi(r) times the overlap of the cube with itself, transformed, is P convolved with the window.
    """
    rng = np.random.default_rng(5)
    parents, members, sigma, cube = 8e-4, 5.0, 3.0, 50.0
    density = parents * members
    box = SurveyBox((1e7, 0.0, 0.0), (SIDE,) * 3)
    edges = np.array([3.5, 4.5, 5.5, 7.5, 9.5]) * FUNDAMENTAL
    randoms = seen(lattice(20, cube) + 25, box)
    sums, norms = [], []
    for _ in range(60):
        centres = rng.uniform(-10, cube + 10, (rng.poisson(parents * (cube + 20) ** 3), 3))
        x = np.repeat(centres, rng.poisson(members, len(centres)), axis=0)
        x = x + rng.normal(0, sigma, x.shape)
        x = x[np.all((x > 0) & (x < cube), axis=1)] + 25
        rows = np.full((1200, 3), SIDE / 2)  # of weight zero beyond the points: one program
        rows[: len(x)] = x
        data = seen(rows, box, (np.arange(1200) < len(x)).astype(float))
        mock = survey_power_spectrum(data, randoms, 32, edges, (0,), box, np.full(20**3, density))
        norms.append(mock.normalisation)
        sums.append(mock.raw_power[0] * mock.normalisation - len(x))
    mean, error = np.mean(sums, axis=0), np.std(sums, axis=0, ddof=1) / np.sqrt(60)

    lag = (np.arange(64) * SIDE / 64 + SIDE / 2) % SIDE - SIDE / 2
    r2 = lag[:, None, None] ** 2 + lag[None, :, None] ** 2 + lag[None, None, :] ** 2
    xi = np.exp(-r2 / (4 * sigma**2)) / (parents * (4 * np.pi * sigma**2) ** 1.5)
    overlap = np.maximum(cube - np.abs(lag), 0)
    each = np.fft.fftn(xi * overlap[:, None, None] * overlap[None, :, None] * overlap).real
    each *= density**2 * (SIDE / 64) ** 3
    n = np.fft.fftfreq(64, 1 / 64)
    size = FUNDAMENTAL * np.sqrt(n[:, None, None] ** 2 + n[None, :, None] ** 2 + n**2)
    truth = [each[(size >= a) & (size < b)].mean() for a, b in itertools.pairwise(edges)]
    assert np.all(np.abs(mean - truth) < 3 * error) and np.all(error < 0.1 * mean)
    assert np.mean(norms) == pytest.approx(density**2 * cube**3, rel=0.1)
    # The window matters here: P of the process itself is another.
    k = (edges[1:] + edges[:-1]) / 2
    plain = density**2 * cube**3 * np.exp(-(k**2) * sigma**2) / parents
    assert np.any(np.abs(plain - truth) > 3 * error)


def cone(rng, number, low=0.2, high=0.4):
    """Right ascension, declination, redshift of points at random in a patch of the sky."""
    cosmology = FlatLambdaCDM(100, 0.3)
    near, far_away = comoving_distance(np.array([low, high]), cosmology)
    distance = rng.uniform(near, far_away, number)  # n proportional to 1 / d²
    z = np.linspace(low, high, 2001)
    redshift = np.interp(distance, comoving_distance(z, cosmology), z)
    ra = rng.uniform(150, 190, number)
    declination = np.degrees(np.arcsin(rng.uniform(0, 0.5, number)))
    return cartesian_positions(ra, declination, redshift, cosmology), (near, far_away)


def test_normalisation_in_closed_form():
    """n = c / d² and w = 1 or d: A = c² Omega (1/d_1 - 1/d_2), or c² Omega (d_2 - d_1)."""
    rng = np.random.default_rng(6)
    solid_angle = np.radians(40) * 0.5
    x, (near, far_away) = cone(rng, 200_000)
    galaxies, _ = cone(rng, 50_000)
    scale = 50_000 / (solid_angle * (far_away - near))  # c
    density = scale / np.sum(x**2, axis=1)
    for power, integral in ((0, 1 / near - 1 / far_away), (1, far_away - near)):
        w, v = (np.linalg.norm(p, axis=1) ** power for p in (galaxies, x))
        pair = SurveyCatalogue(galaxies, w), SurveyCatalogue(x, v)
        edges = [0.02, 0.04]
        known = survey_power_spectrum(*pair, 64, edges, (0,), density=density)
        meshed = survey_power_spectrum(*pair, 64, edges, (0,))
        truth = scale**2 * solid_angle * integral
        assert known.normalisation == pytest.approx(truth, rel=0.01)
        assert 0.85 * truth < meshed.normalisation < 1.01 * truth
        assert known.raw_power * known.normalisation == pytest.approx(
            meshed.raw_power * meshed.normalisation
        )


@pytest.mark.slow
def test_poisson_points_on_the_sky_have_no_power():
    """With FKP weights: zero within 3 sigma in every multipole, over 40 surveys."""
    rng = np.random.default_rng(7)
    edges = np.array([0.01, 0.02, 0.03, 0.04, 0.05])
    found = []
    for _ in range(40):
        (x, _), (y, _) = cone(rng, 1500), cone(rng, 15_000)
        density = [1e3 / np.sum(p**2, axis=1) for p in (x, y)]
        w, v = (fkp_weights(n, 1e3) for n in density)
        found.append(survey_power_spectrum(SurveyCatalogue(x, w), SurveyCatalogue(y, v), 32, edges))
    power = np.array([one.power for one in found])
    mean, error = power.mean(axis=0), power.std(axis=0, ddof=1) / np.sqrt(40)
    noise = np.mean([one.shot_noise for one in found])
    assert np.all(np.abs(mean) < 3 * error) and np.all(error[0] < 0.05 * noise)
    assert isinstance(found[0], SurveyPowerSpectrum) and power.shape == (40, 3, 4)


def test_fkp_weights_by_hand():
    np.testing.assert_allclose(fkp_weights([0.0, 1e-4, 3e-4]), [1, 0.5, 0.25])
    np.testing.assert_allclose(fkp_weights([1e-3], 2e3), [1 / 3])


def test_order_weightless_points_scale_and_turns_change_nothing():
    """Turned by exchanging axes, with the box, seen from near: the line of sight goes along."""
    rng = np.random.default_rng(8)
    x, y = rng.uniform(15, 85, (100, 3)), rng.uniform(15, 85, (300, 3))
    w, v = rng.uniform(0.5, 2, 100), rng.uniform(0.5, 2, 300)
    w[80:] = 0
    density = np.full(300, 1e-3)
    edges = np.array([0.5, 2.5, 4.5]) * FUNDAMENTAL

    def measure(one, other, box=NEAR, n=density):
        return survey_power_spectrum(one, other, 24, edges, ELLS, box, n)

    truth = measure(seen(x, NEAR, w), seen(y, NEAR, v))
    order = rng.permutation(100)
    elsewhere = np.where(w[:, None] > 0, x, rng.uniform(15, 85, (100, 3)))
    turned = [2, 0, 1]
    box = SurveyBox(tuple(np.array(NEAR.corner)[turned].tolist()), (SIDE,) * 3)
    variants = [
        measure(seen(x[order], NEAR, w[order]), seen(y, NEAR, v)),
        measure(seen(elsewhere, NEAR, w), seen(y, NEAR, v)),
        measure(seen(x, NEAR, 3 * w), seen(y, NEAR, 3 * v)),
        measure(seen(x, NEAR, w), seen(y, NEAR, 5 * v), n=density / 5),
        measure(seen(x[:, turned], box, w), seen(y[:, turned], box, v), box),
    ]
    for variant in variants:
        assert np.all(np.abs(variant.raw_power - truth.raw_power) < 1e-4 * truth.raw_power[0])
        assert variant.shot_noise == pytest.approx(truth.shot_noise, rel=1e-5)
    moved = measure(seen(x, far(2), w), seen(y, far(2), v), far(2))
    assert np.abs(moved.raw_power[1] - truth.raw_power[1]).max() > 0.1 * truth.raw_power[0].max()


@pytest.mark.parametrize("box", [NEAR, None], ids=["box given", "box around"])
def test_points_of_weight_zero_are_not_there(box):
    """At the observer and far outside the box, whose density is nothing."""
    rng = np.random.default_rng(9)
    x, y = rng.uniform(15, 85, (100, 3)), rng.uniform(15, 85, (300, 3))
    data = seen(x, NEAR, rng.uniform(0.5, 2, 100))
    randoms = seen(y, NEAR, rng.uniform(0.5, 2, 300))
    for density in (np.full(300, 1e-3), None):
        padded = None if density is None else np.append(density, [0.0, np.nan])
        with jax.enable_x64(True):
            truth = survey_power_spectrum(data, randoms, 16, None, (0, 2), box, density)
            found = survey_power_spectrum(
                with_weightless(data), with_weightless(randoms), 16, None, (0, 2), box, padded
            )
        assert found.box == truth.box and truth.raw_power[0].min() > 0
        scale = truth.raw_power[0].max()
        np.testing.assert_allclose(found.raw_power, truth.raw_power, atol=1e-12 * scale)
        for name in ("k", "shot_noise", "normalisation", "alpha"):
            np.testing.assert_allclose(getattr(found, name), getattr(truth, name), rtol=1e-12)


def with_weightless(catalogue):
    """Two more rows of weight zero: at the observer, and far outside any box."""
    nowhere = np.array([[0.0, 0, 0], [1e7, -1e7, 1e7]])
    return SurveyCatalogue(
        np.concatenate([catalogue.positions, nowhere]), np.append(catalogue.weight, [0.0, 0.0])
    )


def test_the_box_that_is_not_given_holds_all_with_a_margin():
    x = np.array([[0.0, 0, 0], [10, 5, 2]])
    box = SurveyBox.around(x, x[:1] - 10, padding=0.25)
    np.testing.assert_allclose(box.sides, 30)
    np.testing.assert_allclose(np.array(box.corner) + 15, [0, -2.5, -4])


def test_bad_input_is_named():
    x, y = lattice(3), lattice(4)
    data, randoms = SurveyCatalogue(x), SurveyCatalogue(y)
    small = SurveyBox((0.0, 0.0, 0.0), (60.0,) * 3)
    with pytest.raises(InputError, match=r"all points within the box, got 19 of 27 outside; take"):
        survey_power_spectrum(data, randoms, 16, box=small)
    with pytest.raises(InputError, match=r"positive density for each of 64 randoms, got shape \(3"):
        survey_power_spectrum(data, randoms, 16, density=np.ones(3))
    with pytest.raises(InputError, match=r"positive total weight, got 27 and 0; check the weights"):
        survey_power_spectrum(data, SurveyCatalogue(y, np.zeros(64)), 16)
    with pytest.raises(InputError, match=r"multipoles among 0, 2, 4, each once, got \(1,\); pass"):
        survey_power_spectrum(data, randoms, 16, multipoles=(1,))
    with pytest.raises(InputError, match=r"that overlap, got A = 0; check that both have the same"):
        survey_power_spectrum(data, SurveyCatalogue(y + 1e4), 32)
    with pytest.raises(InputError, match=r"points apart and a padding from 0, got an extent of 0"):
        SurveyBox.around(np.zeros((2, 3)))
    with pytest.raises(InputError, match=r"a corner of 3 finite coordinates .* got \(nan, 0, 0\)"):
        SurveyBox((np.nan, 0, 0), (1.0, 1.0, 1.0))
    with pytest.raises(InputError, match=r"densities in .* got -1 at least and P_0 = 10000; 1e-4"):
        fkp_weights([-1.0])
    with pytest.warns(
        UserWarning, match=r"aliased by up to 1% beyond 0.6 .* k_edges reach 0.4; use"
    ):
        survey_power_spectrum(data, randoms, 16, [0.1, 0.4], (0,))
