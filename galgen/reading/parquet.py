"""Parquet: files whose declared rows fit their size, with the checksums of pages verified.

Columns have their nulls, lists of numbers as vectors, and the units that are stated: in the
metadata of a field, key ``unit`` or ``units``, as galgen writes it, or in those of the table that
astropy writes. astropy keeps masks as columns ``<name>.mask``.

pyarrow does it, which is not among what galgen needs otherwise: ``pip install 'galgen[formats]'``.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from galgen.errors import InputError
from galgen.reading.columns import Column
from galgen.reading.files import check_declared, reading, regular_file

WIDTH = 8
"""Bytes of the widest number."""
MASK = ".mask"
UNIT_KEYS = (b"unit", b"units", b"Unit", b"Units", b"UNIT")
ASTROPY = b"table_meta_yaml"


@contextlib.contextmanager
def open_parquet(path: Path, what: str) -> Iterator[Any]:
    """A Parquet file as pyarrow's ParquetFile; what goes wrong while it is open is one line.

    Args:
        path: of the file.
        what: is expected in it, for errors.

    Raises:
        InputError: if pyarrow is not installed, there is no such file, it is no Parquet, or
            declares more rows than a file of its size holds.
    """
    _, parquet = import_pyarrow()
    with (
        reading(regular_file(path, what), what),
        parquet.ParquetFile(path, page_checksum_verification=True) as file,
    ):
        check_declared(WIDTH * file.metadata.num_rows, path, "rows (num_rows)")
        yield file


def import_pyarrow() -> tuple[Any, Any]:
    """The modules pyarrow and pyarrow.parquet.

    Raises:
        InputError: if pyarrow is not installed.
    """
    try:
        return importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise InputError(
            "expected pyarrow for Parquet, got none installed; pip install 'galgen[formats]'"
        ) from error


def parquet_columns(
    file: Any, places: Sequence[int] | None = None, masks: bool = False
) -> list[Column]:
    """Columns of an open file.

    Args:
        file: that :func:`open_parquet` opened.
        places: their numbers; all of them where None.
        masks: whether a column ``<name>.mask`` is the mask of another, as astropy writes it.
    """
    schema = file.schema_arrow
    units = _units(schema)
    names = [schema.names[i] for i in (range(len(schema.names)) if places is None else places)]
    masked = {name for name in names if masks and name + MASK in schema.names}
    wanted = {*names, *(name + MASK for name in masked)}
    plain = len(set(schema.names)) == len(schema.names) and not any("." in n for n in wanted)
    table = file.read(columns=sorted(wanted) if plain else None)
    columns = []
    for place, name in zip(places or range(len(names)), names, strict=True):
        values, missing = _values(table.column(name if plain else place))
        if name in masked:
            gaps = table.column(schema.names.index(name + MASK)).to_numpy()
            missing = gaps if missing is None else missing | gaps
        columns.append(Column(name, values, missing, units.get(name, "")))
    return columns


def write_parquet(
    path: Path,
    columns: Mapping[str, np.ndarray],
    units: Mapping[str, str],
    metadata: Mapping[str, str],
) -> None:
    """Write columns with their units, and text of the schema; a file that is there is replaced.

    Raises:
        InputError: if pyarrow is not installed.
    """
    arrow, parquet = import_pyarrow()
    arrays = [arrow.array(values) for values in columns.values()]
    fields = [
        arrow.field(name, array.type, nullable=False, metadata={"unit": units[name]})
        for name, array in zip(columns, arrays, strict=True)
    ]
    table = arrow.Table.from_arrays(arrays, schema=arrow.schema(fields, metadata=metadata))
    parquet.write_table(table, path, write_page_checksum=True)


def _units(schema: Any) -> Mapping[str, str]:
    """The units that fields, or the metadata of astropy, state."""
    units = {}
    stated = (schema.metadata or {}).get(ASTROPY)
    if stated is not None:
        from astropy.table import meta

        header = meta.get_header_from_yaml(stated.decode().split("\n"))
        units = {column["name"]: str(column.get("unit") or "") for column in header["datatype"]}
    for field in schema:
        found = [text for key in UNIT_KEYS if (text := (field.metadata or {}).get(key))]
        if found:
            units[field.name] = found[0].decode()
    return units


def _values(column: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Numbers or text of a column, and which are null."""
    arrow, _ = import_pyarrow()
    kind = column.type
    if arrow.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if arrow.types.is_decimal(kind):
        column = column.cast(arrow.float64())
    missing = column.is_null().to_numpy() if column.null_count else None
    if arrow.types.is_list(kind) or arrow.types.is_large_list(kind):
        return _vectors(column.drop_null().to_pylist(), missing)
    if arrow.types.is_fixed_size_list(kind):
        inner = column.drop_null().combine_chunks().flatten()
        if inner.null_count:
            return _vectors(column.drop_null().to_pylist(), missing)
        return _spread(inner.to_numpy(zero_copy_only=False).reshape(-1, kind.list_size), missing)
    if missing is not None:
        return _spread(_array(column.drop_null()), missing)
    return _array(column), None


def _array(column: Any) -> np.ndarray:
    values = column.to_numpy()
    text = values.dtype == object and all(isinstance(value, str) for value in values.tolist())
    return values.astype(str) if text else values


def _vectors(
    rows: list[list[Any]], missing: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Lists of one length as rows; nulls within them are missing as well."""
    if len({len(row) for row in rows}) > 1:
        return np.array([*rows, None], dtype=object)[:-1], None
    gaps = np.array([[value is None for value in row] for row in rows], dtype=bool)
    filled = [[0 if value is None else value for value in row] for row in rows]
    values, absent = _spread(np.array(filled), missing)
    if not gaps.any():
        return values, absent
    inside, _ = _spread(gaps, missing)
    return values, inside if absent is None else inside | absent


def _spread(
    present: np.ndarray, missing: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Values at the places of those that are not missing, zeros elsewhere."""
    if missing is None:
        return present, None
    values = np.zeros((len(missing), *present.shape[1:]), present.dtype)
    values[~missing] = present
    return values, missing.reshape(-1, *[1] * (present.ndim - 1)) & np.ones_like(values, bool)
