"""The window of a survey: a lattice of known transform, its overlap, pairs by hand, a file."""

import itertools

import jax
import numpy as np
import pytest
from pair_reference import separations

from galgen.errors import InputError
from galgen.statistics.fourier.survey_field import SurveyBox
from galgen.statistics.fourier.survey_power_spectrum import survey_power_spectrum
from galgen.statistics.fourier.survey_window import SurveyWindow, survey_window
from galgen.statistics.pairs.correlation import cuboid_window
from galgen.statistics.pairs.landy_szalay import SurveyCatalogue

SIDE = 100.0
SHAPE, CELLS = np.array([20.0, 30.0, 40.0]), np.array([10, 15, 20])
BOX = SurveyBox((0.0, 0.0, 1e8), (SIDE,) * 3)


def lattice():
    axes = [(np.arange(n) + 0.5) * side / n for side, n in zip(SHAPE, CELLS, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3) + 30.0


def measured(randoms, edges, separations, box=BOX):
    """Galaxies at random among the randoms, and their window; n is 0.01."""
    rng = np.random.default_rng(0)
    data = SurveyCatalogue(rng.permutation(randoms.positions)[:240])
    density = np.full(len(randoms.positions), 0.01)
    spectrum = survey_power_spectrum(data, randoms, 16, edges[:2], (0,), box, density)
    return survey_window(randoms, spectrum, 64, separations, edges, box=box), spectrum


@pytest.fixture(scope="module")
def whole():
    """The randoms of a lattice, their window and the spectrum that it is of."""
    randoms = SurveyCatalogue(lattice() + np.array(BOX.corner))
    edges = np.array([0.5, 1.5, 2.5]) * 2 * np.pi / SIDE
    return randoms, *measured(randoms, edges, [5.0, 12.0, 20.0])


def test_the_transform_of_a_lattice_is_known():
    """W(k) over W(0) is a product of sin(n k h / 2) / (n sin(k h / 2)), of n points h apart."""
    randoms = SurveyCatalogue(lattice() + np.array(BOX.corner))
    edges = np.arange(0.5, 9, 2) * 2 * np.pi / SIDE
    with jax.enable_x64(True):
        window, spectrum = measured(randoms, edges, [5.0, 10.0])
    n = np.stack(np.meshgrid(*[np.arange(-12, 13)] * 3, indexing="ij"), -1).reshape(-1, 3)
    k = 2 * np.pi / SIDE * n
    size = np.linalg.norm(k, axis=1)
    half = k * SHAPE / CELLS / 2
    safe = np.where(half != 0, half, 1.0)
    each = np.where(half != 0, np.sin(CELLS * safe) / (CELLS * np.sin(safe)), 1.0)
    power = 240**2 * np.prod(each, axis=1) ** 2 / spectrum.normalisation
    noise = 240**2 / 3000 / spectrum.normalisation
    for row, ell in enumerate((0, 2, 4)):
        mu = k[:, 2] / np.where(size > 0, size, 1)
        legendre = (2 * ell + 1) * np.polynomial.legendre.legval(mu, [0.0] * ell + [1.0])
        for b, (low, high) in enumerate(itertools.pairwise(edges)):
            truth = np.mean((power * legendre)[(size >= low) & (size < high)])
            gap = window.power[row, b] + (noise if ell == 0 else 0) - truth
            assert abs(gap) < 1e-3 * (window.power[0, b] + noise)
    assert window.power[1, 0] < -0.2 * window.power[0, 0]  # longest along the line of sight
    np.testing.assert_allclose(window.zero_mode, 240**2 / spectrum.normalisation - noise)
    np.testing.assert_allclose(
        [window.shot_noise, window.normalisation, window.alpha], [noise, 2.4, 240 / 3000]
    )


def test_the_overlap_of_a_cuboid_is_its_correlation():
    """Q_0(s) = overlap of the cuboid with itself over its volume, whose integral is closed."""
    rng = np.random.default_rng(1)
    positions = rng.uniform(0, SHAPE, (6000, 3)) + 30.0 + np.array(BOX.corner)
    edges, shells = np.array([0.5, 1.5]) * 2 * np.pi / SIDE, np.array([0.0, 4.0, 8.0, 14.0, 20.0])
    window, _ = measured(SurveyCatalogue(positions), edges, shells)
    volume = 4 * np.pi / 3 * np.diff(shells**3)
    truth = cuboid_window(shells, SHAPE) * np.prod(SHAPE) / volume
    np.testing.assert_allclose(window.correlation[0], truth, rtol=0.02)
    assert truth[0] > 0.8 and truth[-1] < 0.4
    assert np.all(window.correlation[1, 1:] > 0.05)


def test_pairs_by_hand_from_a_near_observer():
    rng = np.random.default_rng(2)
    x, w = rng.uniform(5, 60, (150, 3)), rng.uniform(0.5, 2, 150)
    box = SurveyBox((0.0, 0.0, 0.0), (SIDE,) * 3)
    edges, shells = np.array([0.5, 1.5]) * 2 * np.pi / SIDE, np.array([2.0, 12.0, 30.0])
    window, _ = measured(SurveyCatalogue(x, w), edges, shells, box)
    apart, middle = separations(x, x, None), x[:, None] + x
    s = np.linalg.norm(apart, axis=-1)
    length = np.where(s > 0, s, 1) * np.linalg.norm(middle, axis=-1)
    mu = np.abs((apart * middle).sum(-1)) / length
    for row, ell in enumerate((0, 2, 4)):
        legendre = (2 * ell + 1) * np.polynomial.legendre.legval(mu, [0.0] * ell + [1.0])
        for b, (low, high) in enumerate(itertools.pairwise(shells)):
            inside = (s >= low) & (s < high)
            total = np.sum((w[:, None] * w * legendre)[inside])
            truth = total / (4 * np.pi / 3 * (high**3 - low**3))
            truth *= window.alpha**2 / window.normalisation
            # Bins of mu: their means of L_l are exact, their pairs are not where they lie.
            assert window.correlation[row, b] == pytest.approx(
                truth, rel=1e-9 if ell == 0 else 0.03, abs=1e-3 if ell else 0
            )


def test_a_part_of_the_randoms_is_the_same_window(whole):
    randoms, window, spectrum = whole
    half = np.random.default_rng(3).permutation(np.repeat([0.0, 1.0], 1500))
    some = SurveyCatalogue(randoms.positions, half)  # of weight zero is not there
    edges = window.separation_edges
    part = survey_window(some, spectrum, 64, edges, window.k_edges, box=BOX)
    np.testing.assert_allclose(part.power[0], window.power[0], rtol=0.03)
    np.testing.assert_allclose(part.correlation[0], window.correlation[0], rtol=0.03)
    assert part.alpha == pytest.approx(2 * window.alpha)


def test_a_file_holds_every_field(whole, tmp_path):
    _, window, spectrum = whole
    path = tmp_path / "window.npz"
    window.save(path)
    back = SurveyWindow.load(path)
    for name, value in vars(window).items():
        np.testing.assert_array_equal(getattr(back, name), value)
        assert type(getattr(back, name)) is type(value)
    with np.load(path, allow_pickle=False) as file:  # as another code reads it
        assert float(file["normalisation"]) == spectrum.normalisation
        assert file["power"].shape == (3, 2) and file["correlation"].shape == (3, 2)
    np.savez(path, k=[1.0])
    with pytest.raises(InputError, match=r"written by SurveyWindow.save, got .* without 'k_edges'"):
        SurveyWindow.load(path)


def test_the_box_of_a_window_is_wider_than_the_survey():
    randoms = SurveyCatalogue(lattice() + 500.0)
    spectrum = survey_power_spectrum(
        SurveyCatalogue(randoms.positions[::10]), randoms, 16, multipoles=(0,)
    )
    window = survey_window(
        randoms, spectrum, 16, [5.0, 10.0], multipoles=(0, 2), mu_bins=4, interlaced=False
    )
    np.testing.assert_allclose(window.sides, 3 * 38)  # of the 38 Mpc/h from first to last point
    assert window.k_edges[0] < 0.5 * spectrum.k_edges[0] and window.multipoles.tolist() == [0, 2]


@pytest.mark.parametrize("box", [BOX, None], ids=["box given", "box around"])
def test_randoms_of_weight_zero_are_not_there(whole, box):
    randoms, _, spectrum = whole
    nowhere = np.array([[0.0, 0, 0], [1e9, -1e9, 1e9]])
    more = SurveyCatalogue(
        np.concatenate([randoms.positions, nowhere]), np.append(randoms.weight, [0.0, 0.0])
    )
    with jax.enable_x64(True):
        found, truth = (
            survey_window(
                some, spectrum, 16, [2.5, 10.0], multipoles=(0, 2), box=box, mu_bins=4,
                interlaced=False,
            )
            for some in (more, randoms)
        )  # fmt: skip
    for name in ("corner", "sides", "k", "alpha", "shot_noise", "zero_mode"):
        np.testing.assert_allclose(getattr(found, name), getattr(truth, name), rtol=1e-12)
    for name in ("power", "correlation"):
        one, other = getattr(found, name), getattr(truth, name)
        assert np.abs(other[0]).max() > 0
        np.testing.assert_allclose(one, other, atol=1e-10 * np.abs(other).max())


def test_randoms_without_weight_have_no_window(whole):
    randoms, _, spectrum = whole
    none = SurveyCatalogue(randoms.positions, np.zeros(len(randoms.positions)))
    with pytest.raises(InputError, match=r"positive total weight, got 240 and 0; check the weigh"):
        survey_window(none, spectrum, 16, [2.5, 10.0])
