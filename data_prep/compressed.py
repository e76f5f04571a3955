"""The bytes of a file, those of one that gzip, bzip2 or xz compressed as they were before."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

from galgen.errors import InputError
from galgen.reading import COMPRESSED, SMALL, reading, regular_file

OPENERS: dict[bytes, Callable[..., Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
"""By the first bytes of a file."""
SUFFIXES = (".gz", ".bz2", ".xz")


def contents(path: Path, what: str) -> bytes:
    """All bytes of a file, not compressed.

    Args:
        path: of the file.
        what: is expected there, for errors.

    Raises:
        InputError: if there is no file, it is damaged, or it grows beyond what its size explains.
    """
    size = regular_file(path, what).stat().st_size
    opener = opener_of(path)
    if opener is None:
        return path.read_bytes()
    most = max(SMALL, COMPRESSED * size)
    with reading(path, f"{what}, compressed and whole"), opener(path, "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise InputError(
            f"expected {what} of a size that fits a compressed file of {size} bytes at {path}, got "
            f"more than {most}; decompress it first if it is sound"
        )
    return content


def opener_of(path: Path) -> Callable[..., Any] | None:
    """What opens a compressed file; None for one that is not compressed."""
    with path.open("rb") as file:
        start = file.read(6)
    return next((opener for mark, opener in OPENERS.items() if start.startswith(mark)), None)
