"""Raw files: their hash, and the pieces that belong together."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from galgen.errors import InputError
from galgen.reading import pieces_of, regular_file


def provenance_of(paths: Sequence[Path]) -> dict[str, str]:
    """Where a catalogue comes from: the file's name and the SHA-256 of its bytes.

    Of several files, the name of the first, and of their bytes one after the other.
    """
    digest = hashlib.sha256()
    for path in paths:
        for piece in pieces_of(path):
            digest.update(piece)
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return {"source": f"{paths[0].name}{more}", "source sha256": digest.hexdigest()}


def assumptions(made: Iterable[str]) -> dict[str, str]:
    """What was assumed because a file is silent, as provenance: ``{"assumed": "a, b"}`` or none."""
    text = ", ".join(dict.fromkeys(made))
    return {"assumed": text} if text else {}


def pieces(path: Path, pattern: str, what: str) -> list[Path]:
    """The files, in order of their number, of the snapshot that ``path`` is a folder or a piece of.

    ``pattern`` is a regular expression of file names. Its group ``number`` is the piece, if there
    are many; the rest of the name is the same for all of them.

    Raises:
        InputError: if there is no such file, or a folder has files of several snapshots.
    """
    if not path.is_dir():
        regular_file(path, what)
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
