"""The tables of a file, whatever its format; its first bytes tell the format, not its name.

gzip, bzip2 and xz are undone first.
"""

from __future__ import annotations

import bz2
import dataclasses
import gzip
import lzma
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table

from data_prep.tables.binary import ALONE, read_fits, read_parquet_table, tables_of
from data_prep.tables.columns import RawTable
from data_prep.tables.text import read_text
from galgen.errors import InputError
from galgen.reading import COMPRESSED, SMALL, reading, regular_file
from galgen.reading.columns import Column, column_of
from galgen.reading.numpy_files import array_in, read_npy, read_npz

OPENERS: dict[bytes, Callable[..., Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
"""By the first bytes of a file."""
SUFFIXES = (".gz", ".bz2", ".xz")
BEGINNINGS = {
    b"SIMPLE  =": "FITS",
    b"PAR1": "Parquet",
    b"\x93NUMPY": "npy",
    b"PK\x03\x04": "npz",
    b"PK\x05\x06": "npz",
    b"\x89HDF\r\n\x1a\n": "HDF5",
    b"<?xml": "XML",
    b"<VOTABLE": "XML",
    b"#ASDF": "ASDF",
    b"# %ECSV": "ECSV",
}
ENDINGS = {".fits": "FITS", ".fit": "FITS", ".parquet": "Parquet", ".ecsv": "ECSV"}
ENDINGS |= {".npy": "npy", ".npz": "npz"}
OTHERS = ("HDF5", "XML", "ASDF")
LONGEST = max(map(len, BEGINNINGS))


@dataclasses.dataclass(frozen=True)
class Choice:
    """Which table of a file, and how it is read.

    Attributes:
        names: of all columns of a text file, if it does not have them.
        header: False if the first line of a text file is of the data, whatever it looks like.
        hdu: number or name of the table in FITS; the first if None.
        array: of an ``.npz`` that has all columns.
        naming: the option that ``names`` comes from, for errors.
    """

    names: tuple[str, ...] = ()
    header: bool = True
    hdu: str | None = None
    array: str | None = None
    naming: str = "--names"


def open_table(path: Path, choice: Choice | None = None) -> RawTable:
    """The one table of a file.

    Raises:
        InputError: if there is none, several, or it cannot be read.
    """
    tables, _ = open_tables(path, choice or Choice())
    if len(tables) != 1:
        raise InputError(f"expected one table in {path}, got {len(tables)}; split it")
    return tables[0]


def open_tables(
    path: Path, choice: Choice
) -> tuple[list[RawTable], Mapping[str, np.ndarray] | None]:
    """The tables of a file, and the arrays of one of NumPy.

    Raises:
        InputError: if there is no file, or no table in it, or it cannot be read.
    """
    regular_file(path, "a table")
    tables, arrays = _opened(path, choice)
    return [_guarded(table, path) for table in tables], arrays


def _guarded(table: RawTable, path: Path) -> RawTable:
    """The table, errors of whose reading name the file."""

    def read(places: Sequence[int]) -> list[Column]:
        with reading(path, "a whole table"):
            return table.read(places)

    return dataclasses.replace(table, read=read)


def _opened(path: Path, choice: Choice) -> tuple[list[RawTable], Mapping[str, np.ndarray] | None]:
    content = None if _opener_of(path) is None else _contents(path, "a table")
    start = beginning_of(path) if content is None else content[:LONGEST]
    kind = format_of(start, path)
    _check_choice(choice, kind, path)
    with reading(path, "a table of text" if kind == "text" else f"a whole {kind} file"):
        if kind in OTHERS:
            raise InputError(
                f"expected a table of text, FITS, Parquet or NumPy in {path}, got {kind}; convert "
                "it, or choose the source that reads it"
            )
        if kind == "FITS":
            return [read_fits(path, choice.hdu)], None
        if content is not None and kind in ("Parquet", "npz"):
            raise InputError(
                f"expected {kind}, which compresses by itself, in {path}, got it compressed again; "
                "decompress it"
            )
        if kind == "Parquet":
            return [read_parquet_table(path)], None
        if kind in ("npy", "npz"):
            what = f"a whole {kind} file"
            arrays = read_npz(path, what) if kind == "npz" else {ALONE: _array(path, content, what)}
            return tables_of(arrays, path, choice.array), arrays
        text = _contents(path, "a table") if content is None else content
        if kind == "ECSV":
            return [_table_of_ecsv(path, text)], None
        return [read_text(path, text, choice.names, choice.header, choice.naming)], None


def _check_choice(choice: Choice, kind: str, path: Path) -> None:
    """Refuse an option that the file's format has no use for."""
    given = [
        (choice.naming, choice.names, "text"),
        ("--no-header", not choice.header, "text"),
        ("--hdu", choice.hdu is not None, "FITS"),
        ("--array", choice.array is not None, "npz"),
    ]
    for option, is_given, wanted in given:
        if is_given and kind != wanted:
            raise InputError(
                f"expected {option} for a file of {wanted} only, got {kind} at {path}; leave it out"
            )


def _array(path: Path, content: bytes | None, what: str) -> np.ndarray:
    return read_npy(path, what) if content is None else array_in(content)


def format_of(start: bytes, path: Path) -> str:
    """The format that a file begins as, or else that its name ends in; ``text`` for any other."""
    for beginning, kind in BEGINNINGS.items():
        if start.startswith(beginning):
            return kind
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() not in SUFFIXES]
    return ENDINGS.get(suffixes[-1] if suffixes else "", "text")


def _table_of_ecsv(path: Path, content: bytes) -> RawTable:
    """The table of an ECSV file, which states units and types."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of units that astropy does not know
        table = Table.read(content.decode("utf-8-sig"), format="ascii.ecsv")

    def read(places: Sequence[int]) -> list[Column]:
        columns = [table.columns[place] for place in places]
        return [column_of(column.name, column, str(column.unit or "")) for column in columns]

    return RawTable(str(path), tuple(table.colnames), read)


def _contents(path: Path, what: str) -> bytes:
    """All bytes of a file, not compressed; no more than its size explains."""
    size = regular_file(path, what).stat().st_size
    opener = _opener_of(path)
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


def _opener_of(path: Path) -> Callable[..., Any] | None:
    """What opens a compressed file; None for one that is not compressed."""
    start = beginning_of(path, 6)
    return next((opener for mark, opener in OPENERS.items() if start.startswith(mark)), None)


def beginning_of(path: Path, length: int = LONGEST) -> bytes:
    """The first bytes of a file."""
    with path.open("rb") as file:
        return file.read(length)
