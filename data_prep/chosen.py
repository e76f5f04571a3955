"""The columns of a table that are asked for, and the rows that have a value in all of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from data_prep.account import Account
from data_prep.fields import Field, parse_field
from data_prep.raw_table import RawColumn, RawTable
from galgen.errors import InputError


def read_fields(
    table: RawTable, wanted: Mapping[str, str]
) -> tuple[dict[str, RawColumn], dict[str, Field]]:
    """Columns by the names that they get, and which component of each is meant.

    Args:
        table: to read.
        wanted: name -> column, its number, or a component of it, ``pos[0]``.

    Raises:
        InputError: if a column is missing, or a name is that of several.
    """
    fields = {
        name: Field(text) if table.place(text) is not None else parse_field(text)
        for name, text in wanted.items()
    }
    columns = table.columns([field.name for field in fields.values()])
    return dict(zip(fields, columns, strict=True)), fields


def rows_with_values(
    raw: Mapping[str, RawColumn],
    fields: Mapping[str, Field],
    drop: bool,
    account: Account,
) -> dict[str, np.ndarray]:
    """The numbers of columns, in the rows that have one in each; integers keep every bit.

    Args:
        raw: name -> column.
        fields: name -> component.
        drop: leave out rows in which a value is missing or not finite, else refuse them.
        account: of what is left out.

    Raises:
        InputError: for missing values, with their number in each column, columns of unlike length,
            or text that is no number.
    """
    values = {name: fields[name].of(column.numbers()) for name, column in raw.items()}
    lengths = {name: len(column) for name, column in values.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"expected columns of one length, got {lengths}; choose others")
    gaps = {}
    for name, column in raw.items():
        absent = _absent(column, fields[name], values[name])
        if absent.any():
            gaps[name] = absent
    if not gaps:
        return values
    number = next(iter(lengths.values()))
    told = ", ".join(f"{int(gap.sum())} in {fields[name]!s}" for name, gap in gaps.items())
    if not drop:
        raise InputError(
            f"expected a value in each of {number} rows, got masked, blank, NaN or infinite ones: "
            f"{told}; pass --drop-missing to leave those rows out, or mend them"
        )
    lost = np.any(list(gaps.values()), axis=0)
    account.read(int(lost.sum()))
    account.drop(f"without a value in {', '.join(str(fields[n]) for n in gaps)}", int(lost.sum()))
    return {name: column[~lost] for name, column in values.items()}


def _absent(column: RawColumn, field: Field, values: np.ndarray) -> np.ndarray:
    """Which rows have no value, by a mask or for it is not finite."""
    absent = np.zeros(len(values), bool) if values.dtype.kind != "f" else ~np.isfinite(values)
    if column.missing is not None:
        whole = column.missing.ndim == 1
        absent = absent | (column.missing if whole else column.missing[:, field.component])
    return absent
