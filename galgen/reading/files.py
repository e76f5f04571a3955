"""Files as they come: what is no file, is damaged, or declares more than it holds is one line.

Every reader opens its file through :func:`regular_file` and works inside :func:`reading`, which
turns whatever h5py, astropy, pyarrow, zipfile, NumPy and the operating system raise into an
:class:`~galgen.errors.InputError` that names the file. The other rooms of this folder do both for
the formats of h5py, astropy, pyarrow and NumPy.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from galgen.errors import InputError

SMALL = 1 << 26
"""Bytes that any file may declare, however small it is."""
COMPRESSED = 256
"""How many times its size a file may declare: more than compression of real numbers gains."""
PIECE = 1 << 22
"""Bytes that are read at a time where a file is only passed through."""


@contextlib.contextmanager
def reading(path: Path, what: str = "a file") -> Iterator[None]:
    """Errors about a file become one line that names it.

    Args:
        path: of the file.
        what: is expected in it, e.g. ``"a whole Subfind catalogue"``.

    Raises:
        InputError: for anything that goes wrong inside.
    """
    try:
        yield
    except InputError as error:
        if str(path) in str(error):
            raise
        raise InputError(f"{path}: {error}") from error
    except PermissionError as error:
        raise InputError(
            f"{path}: expected {what} that may be read, got {error.strerror!r}; change its "
            "permissions"
        ) from error
    except MemoryError as error:
        raise InputError(
            f"{path}: expected {what} that fits into memory, got one that asks for more; is it "
            "damaged? copy it again"
        ) from error
    except Exception as error:
        raise InputError(f"{path}: {unreadable(what, error)}") from error


def unreadable(what: str, error: Exception) -> str:
    """The line about a file, or a field, that a library could not read."""
    return (
        f"expected {what}, got one that cannot be read ({said(error)}); copy it again, or is it "
        "another format?"
    )


def regular_file(path: Path, what: str = "a file") -> Path:
    """``path``, if it is a file that can be read to its end.

    Raises:
        InputError: if there is none, it is a folder, a pipe or a device, it may not be read, or
            nearly all of it is a hole.
    """
    with reading(path, what):
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise InputError(
                f"expected {what} at {path}, got no such file; check the path"
            ) from error
        if not stat.S_ISREG(found.st_mode):
            kind = "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe or a device"
            raise InputError(f"expected {what} at {path}, got {kind}; name a file")
        with path.open("rb") as file:
            if found.st_size > SMALL and _is_hollow(file.fileno(), found):
                raise InputError(
                    f"expected {what} at {path}, got {found.st_size} bytes of which the disk holds "
                    f"{found.st_blocks * 512}; it was not copied to the end: copy it again"
                )
        return path


def _is_hollow(descriptor: int, found: os.stat_result) -> bool:
    """Whether nearly all of a file is a hole, and not only on its way to the disk."""
    if found.st_blocks * 512 * COMPRESSED >= found.st_size:
        return False
    return os.lseek(descriptor, 0, os.SEEK_HOLE) < found.st_size


def check_declared(declared: int, path: Path, field: str) -> None:
    """Refuse to read what a file of its size cannot hold, before memory is taken for it.

    Args:
        declared: bytes that the file says a field has.
        path: of the file.
        field: for the error.

    Raises:
        InputError: if they are more than compression explains.
    """
    held = path.stat().st_size
    if declared > max(SMALL, COMPRESSED * held):
        raise InputError(
            f"{path}: expected {field} of a size that fits a file of {held} bytes, got {declared} "
            "bytes declared; the file is damaged: copy it again"
        )


def pieces_of(path: Path, what: str = "a file") -> Iterator[bytes]:
    """The bytes of a file, a few megabytes at a time.

    Raises:
        InputError: as :func:`regular_file`.
    """
    with reading(regular_file(path, what), what), path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece


def said(error: Exception) -> str:
    """An error's kind and words, short and in one line."""
    words = " ".join(str(error).split())
    shown = words if len(words) <= 160 else words[:157] + "..."
    return f"{type(error).__name__}: {shown}" if shown else type(error).__name__
