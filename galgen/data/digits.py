"""Handwritten digits (MNIST; LeCun et al. 1998), as images and as clouds of ink.

Images are ``(n, 28, 28, 1)`` in [-1, 1]. As points, each digit is a cloud in the unit square drawn
from its ink: a pixel with probability proportional to its darkness, then a place inside the pixel,
with x to the right and y up. The same networks then draw digits and galaxies.
"""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pooch
from jaxtyping import Float, Int

from galgen.errors import InputError

LEVEL = 1 / 127.5
"""Between neighbouring grey levels, of 256."""
MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)
FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
RAW_MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
COMPRESSED_MD5 = {
    "train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c",
}


def load_digits(
    source: str | Path | None = None, split: str = "train"
) -> tuple[Float[np.ndarray, "digits 28 28 1"], Int[np.ndarray, " digits"]]:
    """The handwritten digits and what they are.

    Args:
        source: a folder with the four idx files, gzipped or not; None downloads them once.
        split: ``"train"``, 60,000 digits, or ``"test"``, 10,000.

    Returns:
        Images in [-1, 1], ink positive, and labels 0 to 9.

    Raises:
        InputError: if a file is missing, is not the real one, or cannot be downloaded.
    """
    check_split(split)
    images, labels = (_content(name, source) for name in FILES[split])
    pixels = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 28, 28, 1)
    return (
        pixels.astype(np.float32) / 127.5 - 1,
        np.frombuffer(labels, np.uint8, offset=8).astype(np.int64),
    )


def check_split(split: str) -> None:
    """Accept a split that there is.

    Raises:
        InputError: for another.
    """
    if split not in FILES:
        raise InputError(f"expected a split among {list(FILES)}, got {split!r}; choose one")


def mnist_is_cached() -> bool:
    """Whether ``load_digits`` without a folder has downloaded the files before."""
    cache = Path(pooch.os_cache("galgen"))
    return all((cache / f"{name}.gz").is_file() for names in FILES.values() for name in names)


def digits_as_points(
    images: Float[np.ndarray, "digits rows columns 1"], points: int, rng: np.random.Generator
) -> Float[np.ndarray, "digits points 2"]:
    """Each digit as a cloud drawn from its ink, in [0, 1)^2, float32.

    Args:
        images: in [-1, 1], ink positive.
        points: in every cloud.
        rng: the random generator.

    Raises:
        InputError: if an image has no ink.
    """
    number, rows, columns = images.shape[:3]
    ink = np.clip((np.asarray(images, np.float64) + 1) / 2, 0, 1).reshape(number, -1)
    total = ink.sum(axis=1)
    if np.any(total <= 0):
        raise InputError(
            f"expected ink in every image, got none in image {int(np.argmin(total))}; drop it"
        )
    clouds = np.empty((number, points, 2), np.float32)
    for cloud, weight in zip(clouds, ink / total[:, None], strict=True):
        row, column = np.divmod(rng.choice(rows * columns, points, p=weight), columns)
        inside = rng.random((points, 2))
        cloud[:, 0] = (column + inside[:, 0]) / columns
        cloud[:, 1] = (rows - 1 - row + inside[:, 1]) / rows
    return np.minimum(clouds, np.nextafter(np.float32(1), np.float32(0)))


def _content(name: str, source: str | Path | None) -> bytes:
    path = _download(name) if source is None else _local(name, Path(source))
    raw = path.read_bytes()
    if path.suffix == ".gz":
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError) as error:
            raise InputError(
                f"expected a gzip file in {path}, got a damaged one; download it again"
            ) from error
    found = hashlib.md5(raw, usedforsecurity=False).hexdigest()
    if found != RAW_MD5[name]:
        raise InputError(
            f"expected MD5 {RAW_MD5[name]} of the content of {path}, got {found}; download it again"
        )
    return raw


def _local(name: str, folder: Path) -> Path:
    for path in (folder / f"{name}.gz", folder / name):
        if path.is_file():
            return path
    raise InputError(
        f"expected {name}.gz in {folder}, got no such file; put the four MNIST files there, or "
        "pass no folder to download them"
    )


def _download(name: str) -> Path:
    failures = []
    for mirror in MIRRORS:
        try:
            return Path(
                pooch.retrieve(
                    f"{mirror}{name}.gz",
                    known_hash=f"md5:{COMPRESSED_MD5[name]}",
                    path=pooch.os_cache("galgen"),
                    fname=f"{name}.gz",
                )
            )
        except (OSError, ValueError) as error:
            failures.append(str(error))
    raise InputError(
        f"expected to download {name}.gz, got {failures[-1].splitlines()[0][:200]}; connect to "
        "the network, or pass a folder that holds the four MNIST files"
    )
