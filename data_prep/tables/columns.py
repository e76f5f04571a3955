"""Tables as files have them, and the columns that are asked for.

A column is found by its exact name; another case is taken where only one column has it, and a
number from 0 where no column has that name. Where nobody names columns, positions, velocities and
mass are those whose names leave no doubt.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from data_prep.account import Account
from data_prep.fields import Field, parse_field
from galgen.data.catalogue import POSITIONS, VELOCITIES
from galgen.errors import InputError
from galgen.reading.columns import Column, column_of

VECTORS = {
    POSITIONS: (
        *("pos", "position", "positions", "xyz", "coord", "coords", "coordinate"),
        *("coordinates", "points", "x"),
    ),
    VELOCITIES: ("vel", "velocity", "velocities", "vels", "vxyz"),
}
"""Names of columns of three components, without case."""
MASSES = ("mass", "masses")


@dataclasses.dataclass(frozen=True)
class RawTable:
    """A table in a file, its columns not read yet.

    Attributes:
        where: for errors, e.g. ``"HDU 1 of halos.fits"``.
        names: of the columns, in order; empty for one without a name.
        read: values of columns by their places in ``names``.
        notes: what a user should know of how it was read.
        remedy: the option with which columns are named or another table is chosen, for errors.
        numbered: whether names are numbers for want of any.
        flat: whether no column has components, as in text.
        doubts: what a user should look at again.
        skipped: lines of comments among the rows of a text.
    """

    where: str
    names: Sequence[str]
    read: Callable[[Sequence[int]], list[Column]]
    notes: tuple[str, ...] = ()
    remedy: str = "choose among these with --columns"
    numbered: bool = False
    flat: bool = False
    doubts: tuple[str, ...] = ()
    skipped: int = 0

    def tell(self, account: Account) -> None:
        """How it was read, in the account of the run."""
        for note in self.notes:
            account.note(note)
        for doubt in self.doubts:
            account.warn("doubt", doubt)

    def place(self, wanted: str) -> int | None:
        """The place of a column by name or number; None if there is none.

        Raises:
            InputError: if several columns have the name.
        """
        exact = [place for place, name in enumerate(self.names) if name == wanted]
        folded = [
            place for place, name in enumerate(self.names) if alike(name) == alike(wanted) != ""
        ]
        found = exact or folded
        if len(found) > 1:
            raise InputError(
                f"expected one column {wanted!r} in {self.where}, got {len(found)}: "
                f"{', '.join(f'{self.names[i]!r} (number {i})' for i in found)}; ask for one of "
                "them by its exact name, or rename one"
            )
        if found:
            return found[0]
        number = int(wanted) if wanted.isdecimal() and wanted.isascii() else len(self.names)
        return number if number < len(self.names) else None

    def columns(self, wanted: Sequence[str]) -> list[Column]:
        """Columns by name or number, in order.

        Raises:
            InputError: if one is missing, a name is that of several, or some are found in another
                case and others have a twin there.
        """
        places = [self.place(name) for name in wanted]
        missing = [name for name, place in zip(wanted, places, strict=True) if place is None]
        if missing:
            raise InputError(
                f"expected columns {list(wanted)} in {self.where}, got no "
                f"{', '.join(map(repr, missing))} among {list(self.names)}; {self.remedy}"
            )
        self._refuse_mixed_cases(dict(zip(wanted, places, strict=True)))
        return self.read([place for place in places if place is not None])

    def _refuse_mixed_cases(self, places: Mapping[str, int | None]) -> None:
        """Of X, Y, Z and z, asked for as x, y and z, the last is hardly the third axis."""
        named = {name: self.names[place] for name, place in places.items() if place is not None}
        other = [n for n, found in named.items() if n != found and alike(n) == alike(found)]
        folded = [alike(name) for name in self.names]
        twice = [n for n, found in named.items() if n == found and folded.count(alike(n)) > 1]
        if other and twice:
            raise InputError(
                f"expected the exact name of each column of {self.where}, got {other[0]!r} for "
                f"{named[other[0]]!r} beside {twice[0]!r}, of which there are two in other cases; "
                "write all as the file does"
            )


def alike(name: str) -> str:
    """A name without its case and the space around it."""
    return name.strip().casefold()


def table_of_arrays(
    where: str, arrays: Mapping[str, np.ndarray], remedy: str | None = None
) -> RawTable:
    """A table of arrays in memory, masked ones with their gaps."""

    def read(places: Sequence[int]) -> list[Column]:
        return [column_of(names[place], arrays[names[place]]) for place in places]

    names = tuple(arrays)
    table = RawTable(where, names, read)
    return table if remedy is None else dataclasses.replace(table, remedy=remedy)


def obvious_columns(table: RawTable) -> dict[str, str]:
    """The galgen names of columns, and which they are, for ``--columns`` that is not given.

    Positions are ``x``, ``y``, ``z``, or all three in upper case, or a column of vectors that is
    called so; or the columns 0, 1, 2 of three without names. Velocities and mass are taken where
    their names are as plain.

    Raises:
        InputError: if no positions are found.
    """
    found = _triple(table, POSITIONS)
    if found is None and table.numbered and len(table.names) == 3:
        return dict(zip(POSITIONS, table.names, strict=True))
    if found is None:
        example = "x=0,y=1,z=2" if table.numbered else "x=POS_X,y=POS_Y,z=POS_Z or x=pos[0],..."
        raise InputError(
            f"expected columns x, y, z or one of positions, such as pos, in {table.where}, got "
            f"{list(table.names)}; name them with --columns, e.g. {example}"
        )
    chosen = dict(zip(POSITIONS, found, strict=True))
    velocities = _triple(table, VELOCITIES)
    if velocities is not None:
        chosen |= dict(zip(VELOCITIES, velocities, strict=True))
    masses = [name for name in table.names if alike(name) in MASSES]
    return chosen | ({"mass": masses[0]} if len(masses) == 1 else {})


def _triple(table: RawTable, names: tuple[str, str, str]) -> list[str] | None:
    """Three columns by their names, or the components of one."""
    for spelled in (names, tuple(name.upper() for name in names)):
        if all(table.names.count(name) == 1 for name in spelled):
            columns = () if table.flat else table.columns(spelled)
            if all(column.values.ndim == 1 for column in columns):
                return list(spelled)
    for name in () if table.flat else VECTORS[names]:
        place = table.place(name)
        if place is None:
            continue
        shape = table.read([place])[0].values.shape
        if len(shape) == 2 and shape[1] == 3:
            return [f"{table.names[place]}[{axis}]" for axis in range(3)]
        if len(shape) == 2 and shape[0] == 3:
            raise InputError(
                f"expected {table.names[place]!r} of {table.where} as (points, 3), got {shape}; "
                "transpose it"
            )
    return None


def read_fields(
    table: RawTable, wanted: Mapping[str, str]
) -> tuple[dict[str, Column], dict[str, Field]]:
    """Columns by the names that they get, and which component of each is meant.

    ``wanted`` has, by name, a column, its number, or a component of it, ``pos[0]``.

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
    raw: Mapping[str, Column], fields: Mapping[str, Field], drop: bool, account: Account
) -> dict[str, np.ndarray]:
    """The numbers of columns, in the rows that have one in each; integers keep every bit.

    Rows in which a value is missing or not finite are left out if ``drop``, else refused.

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


def _absent(column: Column, field: Field, values: np.ndarray) -> np.ndarray:
    """Which rows have no value, by a mask or for it is not finite."""
    absent = ~np.isfinite(values)
    if column.missing is not None:
        whole = column.missing.ndim == 1
        absent = absent | (column.missing if whole else column.missing[:, field.component])
    return absent
