"""Tables as files have them: names, values with their gaps, and the units that are stated.

A column is found by its exact name; another case is taken where only one column has it, and a
number from 0 where no column has that name. What a column is for, and in which unit, is decided
above (:mod:`data_prep.table`, :mod:`data_prep.survey_columns`).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Shaped

from galgen.arrays import native_order
from galgen.errors import InputError

FORTRAN = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+))[dD]?((?<=[dD])[-+]?\d+|[-+]\d+)")
"""A number whose exponent begins with D, or with its sign alone."""
LOGICAL = {"true": True, "false": False}


@dataclasses.dataclass(frozen=True)
class RawColumn:
    """A column as a file has it.

    Attributes:
        name: in the file.
        values: numbers or text, ``(rows,)`` or ``(rows, components)``.
        missing: which of them the file says are none; None if it says so of no value.
        unit: as the file spells it; empty if it states none.
    """

    name: str
    values: Shaped[np.ndarray, "rows ..."]
    missing: Bool[np.ndarray, "rows ..."] | None = None
    unit: str = ""

    def numbers(self) -> np.ndarray:
        """The values as booleans, integers or floats; text that spells numbers is read.

        Integers keep every bit. What is missing is any number.

        Raises:
            InputError: for text that is no number, naming column, row and value.
        """
        values = self.values
        if values.dtype.kind in "biuf":
            return values
        if values.dtype.kind not in "US" or values.ndim != 1:
            kind = "lists of unlike length" if values.dtype.kind == "O" else str(values.dtype)
            raise InputError(
                f"expected numbers in column {self.name!r}, got {kind}; choose another column"
            )
        words = np.char.strip(values.astype(str))
        gaps = np.zeros(len(words), bool) if self.missing is None else self.missing
        return _spelled(np.where(gaps, "0", words).tolist(), self.name)


@dataclasses.dataclass(frozen=True)
class RawTable:
    """A table in a file, its columns not read yet.

    Attributes:
        where: for errors, e.g. ``"HDU 1 of halos.fits"``.
        names: of the columns, in order; empty for one without a name.
        units: that are stated, by name.
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
    read: Callable[[Sequence[int]], list[RawColumn]]
    notes: tuple[str, ...] = ()
    remedy: str = "choose among these with --columns"
    numbered: bool = False
    flat: bool = False
    doubts: tuple[str, ...] = ()
    skipped: int = 0

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

    def columns(self, wanted: Sequence[str]) -> list[RawColumn]:
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

    def read(places: Sequence[int]) -> list[RawColumn]:
        return [raw_column(names[place], arrays[names[place]]) for place in places]

    names = tuple(arrays)
    table = RawTable(where, names, read)
    return table if remedy is None else dataclasses.replace(table, remedy=remedy)


def raw_column(name: str, values: np.ndarray, unit: str = "") -> RawColumn:
    """A column of an array; a masked one has its mask as what is missing."""
    if isinstance(values, np.ma.MaskedArray):
        filled = native_order(np.asarray(values.filled()))
        return RawColumn(name, filled, np.ma.getmaskarray(values), unit)
    return RawColumn(name, native_order(np.asarray(values)), None, unit)


def _spelled(words: list[str], name: str) -> np.ndarray:
    """Words as numbers: integers of any size that 64 bits hold, logical values, Fortran's D."""
    if words and all(word.lower() in LOGICAL for word in words):
        return np.array([LOGICAL[word.lower()] for word in words])
    if all(re.fullmatch(r"[-+]?\d+", word, re.ASCII) for word in words):
        return _integers([int(word) for word in words], name)
    return np.array([_number(word, name, row) for row, word in enumerate(words)])


def _integers(numbers: list[int], name: str) -> np.ndarray:
    for kind in (np.int64, np.uint64):
        bounds = np.iinfo(kind)
        if not numbers or (min(numbers) >= bounds.min and max(numbers) <= bounds.max):
            return np.array(numbers, dtype=kind)
    raise InputError(
        f"expected integers of 64 bits in column {name!r}, got {min(numbers)} to {max(numbers)}; "
        "choose another column"
    )


def _number(word: str, name: str, row: int) -> float:
    plain = FORTRAN.fullmatch(word)
    try:
        if not word.isascii() or "_" in word:
            raise ValueError
        return float(f"{plain[1]}e{plain[2]}" if plain else word)
    except ValueError:
        raise InputError(
            f"expected a number in column {name!r}, row {row} (from 0), got {word[:40]!r}; mend it "
            "or choose another column"
        ) from None
