"""The classifier two-sample test against accuracies that are known."""

import numpy as np
import pytest
from scipy.stats import norm

from galgen.data.catalogue import Catalogue
from galgen.errors import InputError
from galgen.inference.calibration.catalogue_test import CatalogueTest
from galgen.inference.calibration.two_sample import ClassifierTest
from galgen.inference.neural.classifier import CloudClassifier
from galgen.networks import DeepSet, PooledNetwork
from galgen.training import Trainer

QUICK = ClassifierTest(steps=100, batch_size=128, permutations=19)


def normals(seed: int, number: int, shift: float) -> np.ndarray:
    x = np.random.default_rng(seed).normal(size=(number, 2))
    return 3.0 + 10.0 * (x + np.array([shift, 0.0]))


def test_accuracy_of_shifted_gaussians() -> None:
    """No classifier is better than Phi(shift / 2), and a trained one is nearly as good."""
    test, shift = ClassifierTest(steps=200, batch_size=256), 1.0
    found = test(normals(0, 2000, 0.0), normals(1, 2300, shift), seed=2)
    best = norm.cdf(shift / 2)
    error = np.sqrt(best * (1 - best) / (2 * found.vectors))
    assert found.vectors == 2000 and len(found.folds) == 5
    assert -0.02 - 3 * error < found.accuracy - best < 3 * error
    assert np.isclose(found.accuracy, found.folds.mean()) and found.p_value is None


@pytest.mark.slow
def test_permuted_labels_are_the_null() -> None:
    same = QUICK(normals(0, 250, 0.0), normals(1, 250, 0.0), seed=2)
    other = QUICK(normals(0, 250, 0.0), normals(1, 250, 1.0), seed=2)
    assert other.p_value == 1 / 20 and same.p_value > 0.1
    for found in (same, other):
        assert len(found.null) == 19 and abs(found.null.mean() - 0.5) < 0.03
        # Every vector is held out once: the spread is near that of 500 fair coins.
        assert 0.4 < found.null.std() / np.sqrt(0.25 / 500) < 2.0
    again = QUICK(normals(0, 250, 0.0), normals(1, 250, 0.0), seed=2)
    assert again.accuracy == same.accuracy and np.array_equal(again.null, same.null)


def test_units_do_not_matter() -> None:
    test = ClassifierTest(steps=200, batch_size=256)
    first, second = normals(0, 2000, 0.0), normals(1, 2000, 1.0)
    scaled = test(first * [1e-3, 50.0], second * [1e-3, 50.0], seed=2)
    assert np.isclose(scaled.accuracy, test(first, second, seed=2).accuracy, atol=2e-3)


def test_errors_say_what_to_do() -> None:
    x = normals(0, 30, 0.0)
    with pytest.raises(InputError, match="same columns, got"):
        QUICK(x, x[:, :1])
    with pytest.raises(InputError, match="10 vectors in each set, got 30 and 9"):
        QUICK(x, x[:9])
    with pytest.raises(InputError, match="expected finite vectors"):
        QUICK(x, np.where(x > 0, np.nan, x))


def catalogues(seed: int, number: int, near: float) -> list[Catalogue]:
    """Pairs of points, one of each pair at random and the other ``near`` to it."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(number):
        first = rng.random((16, 3))
        both = np.concatenate([first, first + near * rng.normal(size=first.shape)]) % 1.0
        made.append(Catalogue(dict(zip("xyz", 99.99 * both.T, strict=True)), (100.0,) * 3))
    return made


@pytest.mark.slow
def test_catalogues_that_cluster_otherwise_are_told_apart() -> None:
    test = CatalogueTest(
        CloudClassifier(PooledNetwork(DeepSet(24, 2, relative=True), 16, 16, 1)),
        Trainer(steps=250, batch_size=32, learning_rate=5e-3, warmup=10),
        folds=2,
        permutations=199,
    )
    held_out = catalogues(0, 100, 0.05)
    same = test(catalogues(1, 100, 0.05), held_out)
    other = test(catalogues(2, 120, 1.0), held_out)
    assert same.p_value > 0.05 and abs(same.accuracy - 0.5) < 0.13
    assert other.p_value < 0.01 and other.accuracy > 0.8
    assert other.vectors == 100 and len(other.folds) == 2


def test_too_few_catalogues_are_refused() -> None:
    with pytest.raises(InputError, match="two catalogues of each set, got 3 and 30 in 5 folds"):
        CatalogueTest()(catalogues(0, 3, 1.0), catalogues(1, 30, 1.0))
