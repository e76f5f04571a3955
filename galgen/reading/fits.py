"""FITS: files whose headers and sizes agree, before rows are read, and the columns of their tables.

A value is missing where an integer column has its TNULL and where a logical one has neither T nor
F. NaN is a value of a float column.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

from galgen.errors import InputError
from galgen.reading.columns import Column, column_of
from galgen.reading.files import check_declared, reading, regular_file

BLOCK = 2880
PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00")
"""How files begin that gzip, bzip2 and xz compressed."""


@contextlib.contextmanager
def open_fits(path: Path, what: str, strict: bool = False, **options: Any) -> Iterator[Any]:
    """A FITS file as astropy's HDUList; what goes wrong while it is open is one line.

    Args:
        path: of the file, which may be compressed by gzip, bzip2 or xz.
        what: is expected in it, for errors.
        strict: whether what astropy only warns of is an error: for files that galgen wrote. In
            those of others unusual cards and units are common, and pass.
        options: of astropy.io.fits.open.

    Raises:
        InputError: if there is no such file, it is no FITS, its size is no number of blocks, or an
            extension declares more than the file holds.
    """
    with reading(regular_file(path, what), what), warnings.catch_warnings(), path.open("rb") as raw:
        warnings.simplefilter("error" if strict else "ignore", AstropyWarning)
        warnings.filterwarnings("error", "(?s).*(corrupt|truncat)", AstropyWarning)
        packed = raw.read(max(map(len, PACKED))).startswith(PACKED)
        raw.seek(0)
        held = None if packed else os.fstat(raw.fileno()).st_size
        with fits.open(raw, memmap=False, **options) as file:
            for number, unit in enumerate(file):
                _check_size(unit, number, path, held)
            if held is not None and held % BLOCK:
                raise InputError(
                    f"expected a size of whole blocks of {BLOCK} bytes, as FITS has, got {held} "
                    "bytes; some are missing or too many: copy it again"
                )
            yield file


def _check_size(unit: Any, number: int, path: Path, held: int | None) -> None:
    """Refuse an extension that ends beyond the file."""
    declared, start = int(unit.size), int(unit.fileinfo()["datLoc"])
    if held is None:
        check_declared(declared, path, f"extension {number} (NAXIS, PCOUNT)")
    elif declared < 0 or start + declared > held:
        raise InputError(
            f"expected extension {number} (NAXIS, PCOUNT) to end within the file, got its end at "
            f"byte {start + declared} of {held}; it is truncated: copy it again"
        )


def fits_columns(table: Any, places: Sequence[int] | None = None) -> list[Column]:
    """Columns of a table's HDU, by number; all of them where None."""
    return [_column(table, i) for i in (range(len(table.columns)) if places is None else places)]


def _column(table: Any, place: int) -> Column:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        column, data = table.columns[place], table.data
        stored = data.view(np.ndarray)[data.dtype.names[place]]
        values = np.asarray(data.field(place))
    missing = None
    if isinstance(column.null, int) and values.dtype.kind in "iu":
        # Before and after scaling: writers differ in what TNULL of an unsigned column is.
        missing = (stored == int(column.null)) | (values == int(column.null))
    elif values.dtype.kind == "b" and stored.dtype.itemsize == 1:
        missing = ~np.isin(stored.view(np.uint8), (ord("T"), ord("F")))
    found = column_of(column.name or "", values, column.unit or "")
    return dataclasses.replace(found, missing=missing)


def fits_table(columns: Mapping[str, np.ndarray], units: Sequence[str], name: str) -> Any:
    """A binary table's HDU of columns and their units, empty for none, as FITS spells them."""
    made = [
        fits.Column(label, _format(values), unit=unit or None, bzero=_zero(values), array=values)
        for (label, values), unit in zip(columns.items(), units, strict=True)
    ]
    return fits.BinTableHDU.from_columns(made, uint=True, name=name)


def _format(values: np.ndarray) -> str:
    codes = {"b1": "L", "u1": "B", "i2": "I", "u2": "I", "i4": "J", "u4": "J", "i8": "K"}
    codes |= {"u8": "K", "f4": "E", "f8": "D"}
    return codes[values.dtype.str[1:]]


def _zero(values: np.ndarray) -> int | None:
    """FITS has no unsigned integers but bytes: they are stored less half their range."""
    unsigned = values.dtype.kind == "u" and values.dtype.itemsize > 1
    return 1 << (8 * values.dtype.itemsize - 1) if unsigned else None
