"""Tables: text (CSV, white space, ECSV), FITS, Parquet, ``.npy`` and ``.npz``.

Parquet is read by pyarrow (``pip install 'galgen[formats]'``), text and FITS by astropy. A
three-dimensional array ``(catalogues, points, columns)`` in ``.npy`` or ``.npz`` is as many
catalogues, and a second array of an ``.npz`` may hold their cosmological parameters.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from astropy.table import Table

from data_prep.boxes import columns_of, parse_numbers, parse_pairs, place_in_box
from data_prep.fields import without_logarithms
from data_prep.files import provenance_of
from data_prep.parameters import together
from data_prep.source import BoxSource
from galgen.cosmology import canonical_parameters
from galgen.data.catalogue import Catalogue
from galgen.errors import InputError
from galgen.reading.parquet import import_pyarrow

NUMPY = (".npy", ".npz")
TEXT = {".csv": "ascii.csv", ".ecsv": "ascii.ecsv"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class TableSource(BoxSource):
    """Text, FITS, Parquet, .npy or .npz tables of a periodic box."""

    box: float
    """Side of the box [Mpc/h]."""
    columns: str = "x=x,y=y,z=z"
    """galgen name=column name or number from 0; log_mass=... is stored as mass."""
    redshift: float = 0.0
    """Of the box."""
    cosmology: str = ""
    """Parameters of every catalogue, e.g. omega_m=0.3,sigma_8=0.8."""
    array: str | None = None
    """Array of an .npz that holds (points, columns) or (catalogues, points, columns)."""
    parameters: str | None = None
    """Array of an .npz that holds one row of parameters per catalogue."""
    parameter_names: tuple[str, ...] = ()
    """Names of the columns of that array, or of the table of parameters."""

    def read(self, path: Path) -> Iterator[Catalogue]:
        parameters = None if self.parameters is None else (self.parameters, self.parameter_names)
        yield from read_tables(
            path,
            columns=parse_pairs(self.columns),
            box=self.box,
            redshift=self.redshift,
            cosmology=canonical_parameters(parse_numbers(self.cosmology), "--cosmology"),
            array=self.array,
            parameters=parameters,
        )


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
    arrays = _load(path) if path.suffix.lower() in NUMPY else None
    tables = [_named_table(path)] if arrays is None else _array_tables(arrays, array, path)
    rows = _parameter_rows(path, arrays, parameters, len(tables))
    catalogues, provenance = [], provenance_of([path])
    sources = ("--cosmology", f"the parameters of {path}")
    for number, table in enumerate(tables):
        chosen = columns_of(table, list(columns.values()))
        catalogues.append(
            place_in_box(
                without_logarithms({name: chosen[column] for name, column in columns.items()}),
                box,
                redshift=redshift,
                cosmology=together(cosmology or {}, rows[number], sources, "leave one out"),
                provenance={**provenance, "number": str(number)},
            )
        )
    return catalogues


def _array_tables(
    arrays: dict[str, np.ndarray], array: str | None, path: Path
) -> list[dict[str, np.ndarray]]:
    if array is None and len(arrays) > 1:
        return [arrays]
    return _split_array(_named(arrays, array or next(iter(arrays)), path))


def _named_table(path: Path) -> dict[str, np.ndarray]:
    parquet = path.suffix.lower() == ".parquet"
    by_name = _read_parquet(path) if parquet else _read_text_or_fits(path)
    by_number = {str(i): values for i, values in enumerate(by_name.values())}
    return by_number | by_name


def _load(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a NumPy file by name; that of an ``.npy`` has the name ``""``."""
    try:
        loaded = np.load(path, allow_pickle=False)
        return {"": loaded} if isinstance(loaded, np.ndarray) else dict(loaded)
    except (OSError, ValueError) as error:
        raise InputError(
            f"expected a NumPy file in {path}, got {error}; save plain arrays with np.save"
        ) from error


def _read_text_or_fits(path: Path) -> dict[str, np.ndarray]:
    suffix = path.suffix.lower()
    try:
        with path.open("rb") as file:
            fits = suffix in (".fits", ".fit")
            source = file if fits else path
            table = Table.read(source, format="fits" if fits else TEXT.get(suffix, "ascii"))
    except Exception as error:
        raise InputError(
            f"expected a table with equal columns in {path}, got one that cannot be read "
            f"({type(error).__name__}); check that every row has as many values"
        ) from error
    missing = [n for n in table.colnames if np.any(getattr(table[n], "mask", False))]
    if missing:
        raise InputError(
            f"expected a value in every row of {path}, got gaps in columns {missing}; fill or drop "
            "those rows"
        )
    return {name: np.asarray(table[name]) for name in table.colnames}


def _read_parquet(path: Path) -> dict[str, np.ndarray]:
    _, parquet = import_pyarrow()
    try:
        table = parquet.ParquetFile(path).read()
    except (OSError, ValueError) as error:
        raise InputError(
            f"expected a whole Parquet file in {path}, got one that pyarrow cannot read "
            f"({type(error).__name__}); copy it again"
        ) from error
    return {name: np.asarray(table.column(name)) for name in table.column_names}


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
    path: Path,
    arrays: Mapping[str, np.ndarray] | None,
    parameters: tuple[str, Sequence[str]] | None,
    number: int,
) -> list[dict[str, float]]:
    if parameters is None:
        return [{} for _ in range(number)]
    if arrays is None or path.suffix.lower() != ".npz":
        raise InputError(f"expected an .npz with an array of parameters, got {path}; use one")
    name, labels = parameters
    table = _named(arrays, name, path)
    if table.shape != (number, len(labels)):
        raise InputError(
            f"expected parameters {name!r} of shape ({number}, {len(labels)}), got {table.shape}; "
            "name every column of it, one row per catalogue"
        )
    if len(set(labels)) < len(labels):
        raise InputError(f"expected names that differ, got {list(labels)}; mend --parameter-names")
    return [
        canonical_parameters(
            dict(zip(labels, map(float, row), strict=True)), f"row {i} of {name!r} in {path}"
        )
        for i, row in enumerate(table)
    ]
