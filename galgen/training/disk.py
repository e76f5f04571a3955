"""Room on the disk of a run: looked for before a checkpoint is written, and told of in one line."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from galgen.errors import InputError, errno_of
from galgen.training.distributed import anyone, is_first

OVERHEAD = 1 << 20
"""Bytes of a checkpoint besides its arrays, at most."""


def require_room(folder: Path, size: int) -> None:
    """Refuse to begin what a disk has no room for.

    A write that fails half-way leaves files, and threads of Orbax that speak of it for long.

    Args:
        folder: on that disk.
        size: of all arrays, in bytes.

    Raises:
        InputError: in all processes, as the first of them sees the disk.
    """
    disk, needed = shutil.disk_usage(folder), size + OVERHEAD
    # A file system that cannot tell says zero.
    if anyone(is_first() and disk.total > 0 and disk.free < needed):
        raise _full(folder, f"{disk.free / 1e6:.1f} MB where one takes {needed / 1e6:.1f} MB")


@contextmanager
def on_disk(folder: Path) -> Iterator[None]:
    """Turn what Orbax, HDF5 and the log make of a full disk into one clear line."""
    try:
        yield
    except Exception as error:
        if isinstance(error, InputError) or not _tells_of_a_full_disk(error):
            raise
        raise _full(folder, "none left") from error


def _full(folder: Path, found: str) -> InputError:
    return InputError(
        f"expected room on the disk of {folder} for checkpoints, got {found}; free some and go on "
        "with --resume, or lower --trainer.keep"
    )


def _tells_of_a_full_disk(error: BaseException | None) -> bool:
    while error is not None:
        if errno_of(error) in (errno.ENOSPC, errno.EDQUOT):
            return True
        if "No space left on device" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False
