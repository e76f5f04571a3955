"""The tables of a file, whatever its format; its first bytes tell the format, not its name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from data_prep.compressed import contents
from data_prep.raw_table import RawTable
from data_prep.raw_text import read_text
from galgen.reading import reading


def open_table(
    path: Path, names: Sequence[str] = (), header: bool = True, naming: str = "--names"
) -> RawTable:
    """The table of a file.

    Args:
        path: of the file.
        names: of all columns of a text file that does not have them.
        header: False if the first line of a text file is of the data, whatever it looks like.
        naming: the option that ``names`` comes from, for errors.

    Raises:
        InputError: if there is none, or it cannot be read.
    """
    content = contents(path, "a table")
    with reading(path, "a table"):
        return read_text(path, content, names, header, naming)
