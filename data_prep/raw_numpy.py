"""Arrays in ``.npy`` and ``.npz``: one table, or as many as the arrays have catalogues.

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

import numpy as np

from data_prep.raw_table import RawColumn, RawTable, raw_column, table_of_arrays
from galgen.errors import InputError

ALONE = ""
"""The name of the array of an ``.npy``."""
REMEDY = "choose among these with --columns, or the array of all columns with --array"


def tables_of(
    arrays: Mapping[str, np.ndarray], path: Path, array: str | None = None
) -> list[RawTable]:
    """The tables that arrays are.

    Args:
        arrays: of a file, by name.
        path: of the file, for errors.
        array: the one that has the columns; the only one, or all by name, where None.

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

    def read(places: Sequence[int]) -> list[RawColumn]:
        return [raw_column(str(place), rows[:, place]) for place in places]

    names = tuple(map(str, range(rows.shape[1])))
    notes = ("an array without names; columns have numbers from 0",)
    return RawTable(
        str(path), names, read, notes, "choose among these with --columns", numbered=True
    )


def _together(arrays: Mapping[str, np.ndarray], path: Path) -> list[RawTable]:
    """The table of arrays that are columns, or one per catalogue."""
    deep = [name for name, values in arrays.items() if values.ndim == 3]
    if not deep:
        return [table_of_arrays(str(path), dict(arrays), REMEDY)]
    number = len(arrays[deep[0]])
    stacked = {n: v for n, v in arrays.items() if v.ndim >= 2 and len(v) == number}
    return [
        table_of_arrays(str(path), {n: v[i] for n, v in stacked.items()}, REMEDY)
        for i in range(number)
    ]
