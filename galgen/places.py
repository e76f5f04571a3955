"""Where output goes: a place that cannot take it is refused before the work, and nothing is made.

Folders that are not there yet are no error: who writes makes them. A link is replaced, and what it
points to stays. A file that is there is replaced when the new one is whole, but only where it is of
the same kind: an input, a configuration or a device that was named by mistake is not.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from galgen.errors import InputError

HDF5 = b"\x89HDF\r\n\x1a\n"
"""The first bytes of a suite."""


def check_file(
    path: Path, inputs: Iterable[Path | None] = (), signature: bytes | None = None
) -> None:
    """Refuse a place that a file cannot be written to.

    Args:
        path: of the file.
        inputs: files that are read, none of which it may be.
        signature: the first bytes of the files that it may replace; None for any.

    Raises:
        InputError: for a folder, a device, an input, a file of another kind, or a place where
            nothing can be written.
    """
    link = path.is_symlink()  # which would be replaced, not what it points to
    if path.name in ("", ".", "..") or (path.is_dir() and not link):
        raise InputError(f"expected a file to write, got the folder {path}; name a file in it")
    if path.exists() and not link:
        _check_replaced(path, inputs, signature)
    _check_writable(path.parent)


def check_folder(path: Path) -> None:
    """Refuse a place that files cannot be written into.

    Raises:
        InputError: for a file, or a place where nothing can be written.
    """
    if path.exists() and not path.is_dir():
        raise InputError(f"expected a folder to write to, got the file {path}; name another")
    _check_writable(path)


def _check_replaced(path: Path, inputs: Iterable[Path | None], signature: bytes | None) -> None:
    if not path.is_file():
        raise InputError(f"expected a file to write, got the pipe or device {path}; name a file")
    for given in inputs:
        if given is not None and given.exists() and given.samefile(path):
            raise InputError(
                f"expected an output that is no input, got {path} for both; name another"
            )
    if signature is not None and path.stat().st_size:
        with path.open("rb") as file:
            begins = file.read(len(signature))
        if begins != signature:
            raise InputError(
                f"expected a new file or one of the same kind to replace, got {path}, which is "
                "another; remove it or name another"
            )


def _check_writable(folder: Path) -> None:
    """Whether files can be made in a folder, which may have to be made first."""
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir():
        raise InputError(f"expected a folder {folder}, got the file {there}; name another place")
    effective = os.access in os.supports_effective_ids
    if not os.access(there, os.W_OK | os.X_OK, effective_ids=effective):
        raise InputError(
            f"expected a folder {folder} that can be written to, got {there} without permission; "
            "change its permissions or name another place"
        )
