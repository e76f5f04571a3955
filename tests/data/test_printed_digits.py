"""Printed digits: what stands in for MNIST where it is not at hand."""

import numpy as np
import pytest

from galgen.data import digits
from galgen.data import printed_digits as room
from galgen.data.digits import FILES, mnist_is_cached
from galgen.data.printed_digits import FACES, digits_at_hand, printed_digits
from galgen.errors import InputError


def test_they_have_the_form_of_mnist() -> None:
    images, labels = printed_digits(300)
    assert images.shape == (300, 28, 28, 1) and images.dtype == np.float32
    levels = (images + 1) * 127.5
    assert (levels.min(), levels.max()) == (0, 255) and np.allclose(levels, np.round(levels))
    assert set(labels.tolist()) == set(range(10))
    ink = (images[..., 0] + 1) / 2
    assert np.all(ink.sum(axis=(1, 2)) > 15), "a digit is never blank"
    border = ink.copy()
    border[:, 1:-1, 1:-1] = 0
    assert border.sum() < 0.002 * ink.sum(), "and lies inside"
    inked = [np.argwhere(one > 0.05) for one in ink]
    middle = np.array([(places.min(axis=0) + places.max(axis=0)) / 2 for places in inked])
    assert np.all(np.abs(middle - 13.5) < 5), "in the middle; the ink of a 7 leans to one side"


def test_a_digit_looks_like_its_own_kind_in_faces_not_seen() -> None:
    """The nearest mean image of the training faces names most of the held-out ones."""
    images, labels = printed_digits(1500)
    held_out, truth = printed_digits(500, "test")
    means = np.stack([images[labels == digit].mean(axis=0) for digit in range(10)])
    distance = np.sum((held_out[:, None] - means) ** 2, axis=(2, 3, 4))
    assert np.mean(distance.argmin(axis=1) == truth) > 0.75
    assert not set(FACES["train"]) & set(FACES["test"]) and set(FACES) == set(FILES)


def test_a_seed_is_a_set() -> None:
    first, again, other = (printed_digits(20, seed=seed)[0] for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    with pytest.raises(InputError, match="got 'validation'; choose one"):
        printed_digits(5, "validation")
    with pytest.raises(InputError, match="at least one digit, got 0; raise number"):
        printed_digits(0)


def test_what_is_at_hand(tmp_path, monkeypatch) -> None:
    """The cache is looked into, never filled; a folder that is named must hold the files."""
    monkeypatch.setattr(digits.pooch, "os_cache", lambda name: tmp_path)
    assert not mnist_is_cached()
    images, labels, kind = digits_at_hand(7, "test")
    expected = printed_digits(7, "test")
    assert np.array_equal(images, expected[0]) and np.array_equal(labels, expected[1])
    assert kind == "printed digits"
    for names in FILES.values():
        for name in names:
            (tmp_path / f"{name}.gz").touch()
    assert mnist_is_cached()
    made = np.zeros((9, 28, 28, 1), np.float32), np.arange(9)
    monkeypatch.setattr(room, "load_digits", lambda folder, split: made)
    images, labels, kind = digits_at_hand(7)
    assert len(images) == len(labels) == 7 and kind == "MNIST"


def test_a_folder_without_the_files_is_refused(tmp_path) -> None:
    with pytest.raises(InputError, match="got no such file; put the four"):
        digits_at_hand(7, folder=tmp_path)
