"""Tables in Parquet, with their nulls, lists of numbers as vectors, and the units that are stated.

A unit is in the metadata of a field, key ``unit`` or ``units``, as galgen writes it, or in those of
the table that astropy writes. astropy keeps masks as columns ``<name>.mask``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import meta

from data_prep.raw_table import RawColumn, RawTable
from galgen.reading.parquet import import_pyarrow, open_parquet

WHAT = "a whole Parquet file"
MASK = ".mask"
UNIT_KEYS = (b"unit", b"units", b"Unit", b"Units", b"UNIT")
ASTROPY = b"table_meta_yaml"


def read_parquet_table(path: Path) -> RawTable:
    """The table of a Parquet file.

    Args:
        path: of the file.

    Raises:
        InputError: if pyarrow is not installed.
    """
    with open_parquet(path, WHAT) as file:
        schema = file.schema_arrow
    units = _units(schema)

    def read(places: Sequence[int]) -> list[RawColumn]:
        names = [schema.names[place] for place in places]
        masks = [schema.names.index(n + MASK) for n in names if n + MASK in schema.names]
        wanted = {schema.names[place] for place in (*places, *masks)}
        plain = len(set(schema.names)) == len(schema.names) and not any("." in n for n in wanted)
        with open_parquet(path, WHAT) as file:
            table = file.read(columns=sorted(wanted) if plain else None)
        columns = []
        for place, name in zip(places, names, strict=True):
            values, missing = _values(table.column(name if plain else place))
            if name + MASK in schema.names:
                masked = table.column(schema.names.index(name + MASK)).to_numpy()
                missing = masked if missing is None else missing | masked
            columns.append(RawColumn(name, values, missing, units.get(name, "")))
        return columns

    shown = tuple("" if name.endswith(MASK) else name for name in schema.names)
    return RawTable(str(path), shown, read)


def _units(schema: Any) -> Mapping[str, str]:
    """The units that fields, or the metadata of astropy, state."""
    units = {}
    stated = (schema.metadata or {}).get(ASTROPY)
    if stated is not None:
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
