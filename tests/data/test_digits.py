import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest

from galgen.data import digits
from galgen.data.digits import digits_as_points, load_digits
from galgen.errors import InputError

MNIST = Path(__file__).parents[3] / "shared" / "data" / "mnist"


def write_files(folder, monkeypatch):
    """Two small idx files in place of the real ones."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (5, 28, 28), dtype=np.uint8)
    contents = [bytes(16) + pixels.tobytes(), bytes(8) + bytes([3, 1, 4, 1, 5])]
    for name, content in zip(digits.FILES["test"], contents, strict=True):
        (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        found = hashlib.md5(content, usedforsecurity=False).hexdigest()
        monkeypatch.setitem(digits.RAW_MD5, name, found)
    return pixels


def test_idx_files_are_read(tmp_path, monkeypatch):
    pixels = write_files(tmp_path, monkeypatch)
    images, labels = load_digits(tmp_path, "test")
    assert images.shape == (5, 28, 28, 1) and images.dtype == np.float32
    np.testing.assert_allclose((images[..., 0] + 1) * 127.5, pixels, atol=1e-4)
    assert labels.tolist() == [3, 1, 4, 1, 5]


def test_damaged_and_missing_files(tmp_path, monkeypatch):
    write_files(tmp_path, monkeypatch)
    with pytest.raises(InputError, match=r"train-images.* in .*, got no such file; put the four"):
        load_digits(tmp_path, "train")
    path = tmp_path / "t10k-images-idx3-ubyte.gz"
    whole = path.read_bytes()
    path.write_bytes(gzip.compress(b"other"))
    with pytest.raises(InputError, match=r"expected MD5 .* download it again"):
        load_digits(tmp_path, "test")
    path.write_bytes(whole[:100])
    with pytest.raises(InputError, match="got a damaged one"):
        load_digits(tmp_path, "test")
    with pytest.raises(InputError, match="got 'validation'; choose one"):
        load_digits(tmp_path, "validation")


def test_without_a_network_the_remedy_is_given(monkeypatch):
    def offline(*arguments, **options):
        raise OSError("name resolution failed")

    monkeypatch.setattr(digits.pooch, "retrieve", offline)
    with pytest.raises(InputError, match="got name resolution failed; connect to the network, or"):
        load_digits(None, "test")


def test_points_follow_the_ink():
    image = -np.ones((2, 4, 4, 1), np.float32)
    image[0, 0, 3] = 1.0
    image[1, 3, 0] = 1.0
    image[1, 3, 1] = -0.5
    clouds = digits_as_points(image, 4000, np.random.default_rng(0))
    assert clouds.shape == (2, 4000, 2) and clouds.dtype == np.float32
    assert np.all(clouds[0] >= 0.75) and np.all(clouds < 1)
    np.testing.assert_allclose(clouds[0].mean(0), 0.875, atol=0.01)
    assert np.all(clouds[1, :, 1] < 0.25)
    assert np.mean(clouds[1, :, 0] > 0.25) == pytest.approx(0.2, abs=0.03)


def test_a_blank_image_is_refused():
    with pytest.raises(InputError, match="got none in image 1; drop it"):
        digits_as_points(
            np.stack([np.ones((3, 3, 1)), -np.ones((3, 3, 1))]), 5, np.random.default_rng(0)
        )


def test_real_digits():
    if not MNIST.is_dir():
        pytest.skip("needs ../shared/data, absent here")
    images, labels = load_digits(MNIST, "test")
    assert images.shape == (10000, 28, 28, 1)
    assert (images.min(), images.max()) == (-1, 1)
    assert labels[:8].tolist() == [7, 2, 1, 0, 4, 1, 4, 9]
    assert np.bincount(labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
