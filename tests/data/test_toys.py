import numpy as np
import pytest
from scipy.spatial import cKDTree

from galgen.data.toys import (
    Checkerboard,
    EightGaussians,
    Pinwheel,
    ThomasProcess,
    TwoMoons,
    TwoSpirals,
)

TOYS = [EightGaussians(), TwoMoons(), Checkerboard(), TwoSpirals(), Pinwheel()]
CLASSES = [8, 2, 8, 2, 5]


@pytest.mark.parametrize(("toy", "classes"), list(zip(TOYS, CLASSES, strict=True)))
def test_every_toy(toy, classes):
    x, labels = toy.sample_with_labels(np.random.default_rng(0), 4000)
    assert x.shape == (4000, 2) and x.dtype == np.float32 and np.all(np.isfinite(x))
    counts = np.bincount(labels, minlength=classes)
    assert len(counts) == classes
    assert np.sum((counts - 4000 / classes) ** 2) / (4000 / classes) < 40
    np.testing.assert_array_equal(toy.sample(np.random.default_rng(0), 4000), x)
    assert not np.array_equal(toy.sample(np.random.default_rng(1), 4000), x)


def test_eight_gaussians_moments_and_density():
    toy = EightGaussians()
    assert toy.std == pytest.approx(0.562, abs=1e-3)
    x, labels = toy.sample_with_labels(np.random.default_rng(1), 20000)
    for label in range(8):
        cluster = x[labels == label] - toy.centres[label]
        np.testing.assert_allclose(cluster.std(0), toy.std, rtol=0.08)
        np.testing.assert_allclose(cluster.mean(0), 0, atol=5 * toy.std / np.sqrt(2000))
    axis = np.linspace(-9, 9, 400)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1)
    mass = np.exp(toy.log_density(grid)).sum() * (axis[1] - axis[0]) ** 2
    assert mass == pytest.approx(1, abs=1e-6)


def test_checkerboard_fills_half_the_board_uniformly():
    x, labels = Checkerboard().sample_with_labels(np.random.default_rng(2), 16000)
    assert np.abs(x).max() <= 4
    cell = np.floor((x + 4) / 2).astype(int)
    assert np.all(cell.sum(1) % 2 == 0)
    counts = np.bincount(cell[:, 0] * 4 + cell[:, 1], minlength=16)
    assert sorted(counts > 0) == [False] * 8 + [True] * 8
    assert counts[counts > 0].min() > 1800
    assert len({tuple(row) for row in np.c_[cell, labels]}) == 8


def test_moons_lie_on_their_circles():
    x, labels = TwoMoons(std=1e-6).sample_with_labels(np.random.default_rng(3), 500)
    centres = 3 * np.array([[0.0, 0.0], [1.0, 0.5]]) - 1
    radius = np.linalg.norm(x - centres[labels], axis=1)
    np.testing.assert_allclose(radius, 3, atol=1e-4)


def test_spirals_and_pinwheel_are_symmetric():
    x, labels = TwoSpirals().sample_with_labels(np.random.default_rng(4), 40000)
    np.testing.assert_allclose(x[labels == 0].mean(0), -x[labels == 1].mean(0), atol=0.05)
    x, labels = Pinwheel().sample_with_labels(np.random.default_rng(5), 40000)
    means = np.array([x[labels == i].mean(0) for i in range(5)])
    np.testing.assert_allclose(np.linalg.norm(means, axis=1), np.linalg.norm(means[0]), rtol=0.02)


def test_thomas_counts_have_the_closed_form_moments():
    process = ThomasProcess(20.0, 5.0, 0.03)
    counts = np.array([len(x) for x in process.sample(np.random.default_rng(6), 4000)])
    variance = 20 * 5 * (1 + 5)  # kappa mu (1 + mu)
    std = np.sqrt(variance)
    assert counts.mean() == pytest.approx(process.mean_count, abs=5 * std / np.sqrt(4000))
    assert counts.var() == pytest.approx(variance, rel=0.15)


def test_thomas_correlation_is_the_measured_one():
    process = ThomasProcess(30.0, 8.0, 0.03)
    edges = np.linspace(0.01, 0.12, 8)
    shells = 4 / 3 * np.pi * np.diff(edges**3)
    clouds = process.sample(np.random.default_rng(7), 400)
    ratios = []
    for x in clouds:
        tree = cKDTree(x.astype(np.float64), boxsize=1.0)
        pairs = np.diff(tree.count_neighbors(tree, edges))
        ratios.append(pairs / shells / process.mean_count**2)
    measured = np.mean(ratios, axis=0)
    error = np.std(ratios, axis=0) / np.sqrt(len(clouds))
    fine = np.linspace(edges[:-1], edges[1:], 200)
    weights = fine**2
    expected = np.sum(process.correlation(fine) * weights, axis=0) / weights.sum(axis=0)
    deviations = (measured - 1 - expected) / error
    assert np.all(np.abs(deviations) < 4), deviations
    assert expected[0] > 10 * error[0]


def test_thomas_points_are_on_the_torus():
    x = np.concatenate(ThomasProcess(sigma=0.1).sample(np.random.default_rng(8), 50))
    assert x.dtype == np.float32 and x.min() >= 0 and x.max() < 1
