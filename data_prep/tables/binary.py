"""Tables of FITS, Parquet and NumPy.

Of NumPy, an array is one table, or as many as there are catalogues:

========================================  =====================================================
array                                     tables
========================================  =====================================================
of named fields                           one, a column per field
``(points, columns)``                     one, columns by number
``(catalogues, points, columns)``         as many as there are catalogues
several in an ``.npz``                    one with a column per array, ``(points,)``, or
                                          ``(points, 3)`` whose components are ``pos[0]``, ...;
                                          if one has three dimensions, a table per catalogue
========================================  =====================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from data_prep.tables.columns import RawTable, table_of_arrays
from galgen.errors import InputError
from galgen.reading.columns import Column, column_of
from galgen.reading.fits import fits_columns, open_fits
from galgen.reading.parquet import MASK, open_parquet, parquet_columns

ALONE = ""
"""The name of the array of an ``.npy``."""
ARRAYS = "choose among these with --columns, or the array of all columns with --array"
TABLES = "choose among these with --columns, or another table with --hdu"


def read_fits(path: Path, hdu: str | None = None) -> RawTable:
    """The table of a FITS file in the extension of a number from 0 or a name, or the first.

    Raises:
        InputError: if there is no such table.
    """
    with open_fits(path, "a whole FITS file") as file:
        number, note = _chosen(file, hdu, path)
        names = tuple(name or "" for name in file[number].columns.names)

    def read(places: Sequence[int]) -> list[Column]:
        with open_fits(path, "a whole FITS file") as again:
            return fits_columns(again[number], places)

    return RawTable(f"HDU {number} of {path}", names, read, note, TABLES)


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


def read_parquet_table(path: Path) -> RawTable:
    """The table of a Parquet file; a mask of astropy is no column of its own.

    Raises:
        InputError: if pyarrow is not installed.
    """
    what = "a whole Parquet file"
    with open_parquet(path, what) as file:
        names = file.schema_arrow.names

    def read(places: Sequence[int]) -> list[Column]:
        with open_parquet(path, what) as again:
            return parquet_columns(again, places, masks=True)

    return RawTable(str(path), tuple("" if n.endswith(MASK) else n for n in names), read)


def tables_of(
    arrays: Mapping[str, np.ndarray], path: Path, array: str | None = None
) -> list[RawTable]:
    """The tables that arrays are.

    ``array`` has the columns; where None, the only array does, or all of them by name.

    Raises:
        InputError: if there is no such array, or it is no table.
    """
    if array is None and len(arrays) > 1:
        return _together(arrays, path)
    return _alone(array_named(arrays, next(iter(arrays)) if array is None else array, path), path)


def array_named(arrays: Mapping[str, np.ndarray], name: str, path: Path) -> np.ndarray:
    """An array by name.

    Raises:
        InputError: if there is none of that name.
    """
    if name not in arrays:
        raise InputError(f"expected an array {name!r} in {path}, got {list(arrays)}; choose one")
    return arrays[name]


def _alone(values: np.ndarray, path: Path) -> list[RawTable]:
    if values.dtype.names and values.ndim == 1:
        return [table_of_arrays(str(path), {name: values[name] for name in values.dtype.names})]
    if values.ndim not in (2, 3) or values.dtype.names:
        raise InputError(
            f"expected an array (points, columns) or (catalogues, points, columns), got shape "
            f"{values.shape} of {values.dtype}; reshape it, or choose another with --array"
        )
    stack = values if values.ndim == 3 else values[None]
    if stack.shape[1] < stack.shape[2] and stack.shape[1] in (2, 3):
        raise InputError(
            f"expected an array with a row per point, got shape {values.shape}; transpose it"
        )
    return [_by_number(rows, path) for rows in stack]


def _by_number(rows: np.ndarray, path: Path) -> RawTable:
    """A table of an array (points, columns)."""

    def read(places: Sequence[int]) -> list[Column]:
        return [column_of(str(place), rows[:, place]) for place in places]

    names = tuple(map(str, range(rows.shape[1])))
    notes = ("an array without names; columns have numbers from 0",)
    return RawTable(str(path), names, read, notes, numbered=True)


def _together(arrays: Mapping[str, np.ndarray], path: Path) -> list[RawTable]:
    """The table of arrays that are columns, or one per catalogue."""
    deep = [name for name, values in arrays.items() if values.ndim == 3]
    if not deep:
        return [table_of_arrays(str(path), dict(arrays), ARRAYS)]
    number = len(arrays[deep[0]])
    stacked = {n: v for n, v in arrays.items() if v.ndim >= 2 and len(v) == number}
    each = [{n: v[i] for n, v in stacked.items()} for i in range(number)]
    return [table_of_arrays(str(path), columns, ARRAYS) for columns in each]
