"""Tables: text (CSV, white space, ECSV), FITS, ``.npy`` and ``.npz``.

A three-dimensional array ``(catalogues, points, columns)`` in ``.npy`` or ``.npz`` is as many
catalogues, and a second array of an ``.npz`` may hold their cosmological parameters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from astropy.table import Table

from data_prep.boxes import columns_of, place_in_box
from galgen.data.catalogue import Catalogue
from galgen.errors import InputError

LOG_PREFIX = "log_"


def read_tables(
    path: Path,
    columns: Mapping[str, str],
    box: float,
    redshift: float = 0.0,
    cosmology: Mapping[str, float] | None = None,
    array: str | None = None,
    parameters: tuple[str, Sequence[str]] | None = None,
) -> list[Catalogue]:
    """The catalogues of a table file.

    Args:
        path: the file.
        columns: galgen name -> column name, or its number from 0; ``log_mass`` is stored as
            ``mass``, its power of ten.
        box: side [Mpc/h].
        redshift: of the catalogues.
        cosmology: parameters that all catalogues share.
        array: which array of an ``.npz``; the only one, or the named columns, where None.
        parameters: array of an ``.npz`` with one row per catalogue, and the names of its columns.

    Raises:
        InputError: if the file cannot be read, or a column, array or parameter is missing.
    """
    if not path.is_file():
        raise InputError(f"expected a table at {path}, got no such file; check the path")
    tables = _tables(path, array)
    rows = _parameter_rows(path, parameters, len(tables))
    catalogues = []
    for number, table in enumerate(tables):
        chosen = columns_of(table, list(columns.values()))
        named = {_plain(n): _values(n, chosen[c]) for n, c in columns.items()}
        catalogues.append(
            place_in_box(
                named,
                box,
                redshift=redshift,
                cosmology={**(cosmology or {}), **rows[number]},
                provenance={"source": path.name, "number": str(number)},
            )
        )
    return catalogues


def _plain(name: str) -> str:
    return name.removeprefix(LOG_PREFIX)


def _values(name: str, values: np.ndarray) -> np.ndarray:
    numbers = np.asarray(values, dtype=np.float64)
    return 10.0**numbers if name.startswith(LOG_PREFIX) else numbers


def _tables(path: Path, array: str | None) -> list[dict[str, np.ndarray]]:
    if path.suffix in (".npy", ".npz"):
        arrays = _load(path)
        if array is None and len(arrays) > 1:
            return [arrays]
        return _split_array(_named(arrays, array or next(iter(arrays)), path))
    table = _read_text_or_fits(path)
    by_name = {name: np.asarray(table[name]) for name in table.colnames}
    by_number = {str(i): by_name[name] for i, name in enumerate(table.colnames)}
    return [by_number | by_name]


def _load(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a NumPy file by name; that of an ``.npy`` has the name ``""``."""
    try:
        loaded = np.load(path, allow_pickle=False)
        return {"": loaded} if isinstance(loaded, np.ndarray) else dict(loaded)
    except (OSError, ValueError) as error:
        raise InputError(
            f"expected a NumPy file in {path}, got {error}; save plain arrays with np.save"
        ) from error


def _read_text_or_fits(path: Path) -> Table:
    try:
        if path.suffix.lower() in (".fits", ".fit"):
            return Table.read(path, format="fits")
        comma = path.suffix.lower() == ".csv"
        return Table.read(path, format="ascii.csv" if comma else "ascii")
    except Exception as error:
        raise InputError(
            f"expected a table with equal columns in {path}, got one that cannot be read "
            f"({type(error).__name__}); check that every row has as many values"
        ) from error


def _split_array(values: np.ndarray) -> list[dict[str, np.ndarray]]:
    if values.dtype.names:
        return [{name: values[name] for name in values.dtype.names}]
    if values.ndim not in (2, 3):
        raise InputError(
            f"expected an array (points, columns) or (catalogues, points, columns), got shape "
            f"{values.shape}; reshape it"
        )
    stack = values if values.ndim == 3 else values[None]
    return [{str(i): rows[:, i] for i in range(rows.shape[1])} for rows in stack]


def _named(arrays: Mapping[str, np.ndarray], name: str, path: Path) -> np.ndarray:
    if name not in arrays:
        raise InputError(f"expected an array {name!r} in {path}, got {list(arrays)}; choose one")
    return arrays[name]


def _parameter_rows(
    path: Path, parameters: tuple[str, Sequence[str]] | None, number: int
) -> list[dict[str, float]]:
    if parameters is None:
        return [{} for _ in range(number)]
    if path.suffix != ".npz":
        raise InputError(f"expected an .npz with an array of parameters, got {path}; use one")
    name, labels = parameters
    table = _named(_load(path), name, path)
    if table.shape != (number, len(labels)):
        raise InputError(
            f"expected parameters {name!r} of shape ({number}, {len(labels)}), got {table.shape}; "
            "name every column of it, one row per catalogue"
        )
    return [dict(zip(labels, map(float, row), strict=True)) for row in table]
