"""Tables in FITS: the first, or the one that ``--hdu`` names, with its units and its gaps.

A value is missing where an integer column has its TNULL and where a logical one has neither T nor
F. NaN is a value of a float column here, and refused above.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from data_prep.raw_table import RawColumn, RawTable
from galgen.arrays import native_order
from galgen.errors import InputError
from galgen.reading.fits import open_fits

WHAT = "a whole FITS file"
REMEDY = "choose among these with --columns, or another table with --hdu"


def read_fits(path: Path, hdu: str | None = None) -> RawTable:
    """The table of a FITS file.

    Args:
        path: of the file.
        hdu: number from 0 or name of an extension; the first table if None.

    Raises:
        InputError: if there is no such table.
    """
    with open_fits(path, WHAT) as file:
        number, note = _chosen(file, hdu, path)
        names = tuple(name or "" for name in file[number].columns.names)

    def read(places: Sequence[int]) -> list[RawColumn]:
        with open_fits(path, WHAT) as again:
            return [_column(again[number], place) for place in places]

    return RawTable(f"HDU {number} of {path}", names, read, note, REMEDY)


def _chosen(file: Any, hdu: str | None, path: Path) -> tuple[int, tuple[str, ...]]:
    """The number of a table's HDU, and what to say if there are others."""
    tables = [
        i for i, part in enumerate(file) if isinstance(part, fits.BinTableHDU | fits.TableHDU)
    ]
    described = [f"{i} {file[i].name}".strip() for i in tables]
    if hdu is not None:
        folded = hdu.strip().casefold()
        found = [i for i in tables if folded in (str(i), file[i].name.casefold())]
        if len(found) != 1:
            raise InputError(
                f"expected --hdu to be one table of {path}, got {hdu!r}, which is {len(found)}; "
                f"choose among {', '.join(described) or 'none'}"
            )
        return found[0], ()
    if not tables:
        kinds = ", ".join(f"{i} {type(part).__name__}" for i, part in enumerate(file))
        raise InputError(f"expected a table in {path}, got {kinds}; convert it, e.g. to .npz")
    if len(tables) == 1:
        return tables[0], ()
    note = f"table of HDU {described[0]}; --hdu chooses {' or '.join(described[1:4])}"
    return tables[0], (note,)


def _column(part: Any, place: int) -> RawColumn:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        column, data = part.columns[place], part.data
        stored = data.view(np.ndarray)[data.dtype.names[place]]
        values = np.asarray(data.field(place))
    missing = None
    if isinstance(column.null, int) and values.dtype.kind in "iu":
        # Before and after scaling: writers differ in what TNULL of an unsigned column is.
        missing = (stored == int(column.null)) | (values == int(column.null))
    elif values.dtype.kind == "b" and stored.dtype.itemsize == 1:
        missing = ~np.isin(stored.view(np.uint8), (ord("T"), ord("F")))
    return RawColumn(column.name or "", native_order(values), missing, column.unit or "")
