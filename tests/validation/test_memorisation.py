"""A mock that copies its training set is seen, though turned and shifted; a new one is not."""

import numpy as np
import pytest

from galgen.data.catalogue import Catalogue
from galgen.data.toys import ThomasProcess
from galgen.validation.checks.memorisation import (
    fourier_amplitudes,
    greatest_correlation,
    measure_memorisation,
)

SIDE = 100.0
PROCESS = ThomasProcess(parents=20.0, children=4.0, sigma=0.04)


def clouds(seed, number):
    return [
        SIDE * c.astype(np.float64) for c in PROCESS.sample(np.random.default_rng(seed), number)
    ]


def catalogues(positions):
    return [Catalogue(dict(zip("xyz", x.T, strict=True)), (SIDE,) * 3) for x in positions]


def disguised(x, rng):
    """Moved by a random translation and symmetry of the cube, its points in another order."""
    x = x[:, rng.permutation(3)] * rng.choice([-1, 1], 3) + rng.uniform(0, SIDE, 3)
    x = x[rng.permutation(len(x))] % SIDE
    return np.where(x >= SIDE, 0.0, x)


def test_amplitudes_against_the_sum_over_points():
    x, box = np.random.default_rng(0).uniform(0, 50, (9, 3)), (50.0, 60.0, 70.0)
    found = fourier_amplitudes(x, box)
    wave = 2 * np.pi * np.array([-5, 2, 3]) / box
    other = 2 * np.pi * np.array([1, 0, -4]) / box
    first, second = (np.exp(-1j * x @ k).sum() for k in (wave, other))
    assert found[0, 7, 8] / found[6, 5, 1] == pytest.approx(first / second)
    assert np.sum(np.abs(found) ** 2) == pytest.approx(1.0) and found[5, 5, 5] == 0


def test_a_disguised_copy_correlates_fully_and_another_cloud_does_not():
    rng = np.random.default_rng(1)
    first, *others = clouds(2, 9)
    own = fourier_amplitudes(first, (SIDE,) * 3)
    for _ in range(4):
        copy = fourier_amplitudes(disguised(first, rng), (SIDE,) * 3)
        assert greatest_correlation(own, copy, cube=True) == pytest.approx(1.0, abs=0.01)
    different = [
        greatest_correlation(own, fourier_amplitudes(x, (SIDE,) * 3), cube=True) for x in others
    ]
    assert max(different) < 0.6


def test_translation_alone_where_the_box_is_no_cube():
    x = clouds(3, 1)[0]
    shifted = (x + np.array([31.0, 7.0, 77.7])) % SIDE
    own = fourier_amplitudes(x, (SIDE,) * 3)
    moved, turned = (fourier_amplitudes(y, (SIDE,) * 3) for y in (shifted, x[:, [1, 2, 0]]))
    assert greatest_correlation(own, moved, cube=False) == pytest.approx(1.0, abs=0.01)
    assert greatest_correlation(own, turned, cube=False) < 0.7


def measured(mock, truth, training, vectors):
    return measure_memorisation(vectors, tuple(catalogues(c) for c in (mock, truth, training)))


def test_copies_of_training_are_seen_by_both_distances():
    rng = np.random.default_rng(4)
    training, truth = clouds(5, 24), clouds(6, 12)
    mock = [disguised(training[i % 24], rng) for i in range(16)]
    known, other = rng.normal(size=(24, 6)), rng.normal(size=(12, 6))
    vectors = (known[np.arange(16) % 24] + 0.05 * rng.normal(size=(16, 6)), other, known)
    found = measured(mock, truth, training, vectors)
    assert found.fraction == 1.0 and found.excess > 2.5
    assert found.expected == pytest.approx(24 / 36) and found.null_expected == pytest.approx(
        24 / 35
    )
    assert found.point_fraction == 1.0 and found.copies == 1.0
    assert found.likeness > 0.98


def test_new_catalogues_are_near_training_as_often_as_expected():
    """A fraction with the binomial error about n_train / (n_train + n_held), half by points."""
    rng = np.random.default_rng(7)
    sets = clouds(8, 40), clouds(9, 30), clouds(10, 60)
    found = measured(*sets, tuple(rng.normal(size=(n, 6)) for n in (40, 30, 60)))
    assert found.expected == pytest.approx(2 / 3)
    assert found.error == pytest.approx(np.sqrt(2 / 9 / 40))
    assert abs(found.excess) < 3.5
    assert abs(found.null - found.null_expected) < 4 * np.sqrt(2 / 9 / 30)
    assert abs(found.point_fraction - found.expected) < 3.5 * found.point_error
    assert found.copies == 0 and found.likeness < 0.6


def test_empty_catalogues_are_left_out():
    rng = np.random.default_rng(11)
    sets = clouds(12, 6), clouds(13, 5), clouds(14, 7)
    vectors = [rng.normal(size=(n, 2)) for n in (6, 5, 7)]
    vectors[0][2], vectors[2][0] = np.nan, np.nan
    found = measured(*sets, tuple(vectors))
    assert (found.training, found.held_out) == (6, 5) and np.isfinite(found.fraction)
