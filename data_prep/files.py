"""Raw files: their hash, their pieces, and errors that name them."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import h5py

from galgen.errors import InputError

PIECE = 1 << 22


def provenance_of(paths: Sequence[Path]) -> dict[str, str]:
    """Where a catalogue comes from: the file's name and the SHA-256 of its bytes.

    Of several files, the name of the first, and of their bytes one after the other.
    """
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                digest.update(piece)
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return {"source": f"{paths[0].name}{more}", "source sha256": digest.hexdigest()}


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Errors about a file's content name the file."""
    try:
        yield
    except InputError as error:
        if str(path) in str(error):
            raise
        raise InputError(f"{path}: {error}") from error


def existing(path: Path, what: str) -> Path:
    """``path``, if there is a file or folder.

    Raises:
        InputError: if there is none.
    """
    if not path.exists():
        raise InputError(f"expected {what} at {path}, got no such file; check the path")
    return path


def pieces(path: Path, pattern: str, what: str) -> list[Path]:
    """The files, in order of their number, of the snapshot that ``path`` is a folder or a piece of.

    Args:
        path: a folder, or one of the files.
        pattern: regular expression of file names; group ``number`` is the piece, if there are many,
            and the rest of the name is the same for all of them.
        what: is wanted, for errors.

    Raises:
        InputError: if there is no such file, or a folder has files of several snapshots.
    """
    existing(path, what)
    folder = path if path.is_dir() else path.parent
    found: dict[str, dict[int, Path]] = {}
    for place in folder.iterdir():
        match = re.fullmatch(pattern, place.name)
        if match:
            number = match.group("number")
            found.setdefault(_rest(place.name, match), {})[int(number or 0)] = place
    if not path.is_dir():
        match = re.fullmatch(pattern, path.name)
        if match is None:
            raise InputError(
                f"expected {what} with a name like {pattern}, got {path}; is this another format?"
            )
        found = {path.name: found[_rest(path.name, match)]}
    if len(found) != 1:
        raise InputError(
            f"expected {what} of one snapshot in {path}, got {sorted(found) or 'none'}; name a file"
        )
    (one,) = found.values()
    return [one[number] for number in sorted(one)]


def _rest(name: str, match: re.Match[str]) -> str:
    start, end = match.span("number")
    return name if start < 0 else name[:start] + "*" + name[end:]


def open_hdf5(path: Path, what: str) -> h5py.File:
    """An HDF5 file, read-only.

    Raises:
        InputError: if there is none, or HDF5 cannot open it.
    """
    existing(path, what)
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise InputError(
            f"expected {what} in HDF5 at {path}, got a file that HDF5 cannot open (another format, "
            "or truncated); copy it again"
        ) from error
