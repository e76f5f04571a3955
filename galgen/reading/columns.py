"""A column as its file has it: numbers or text, with gaps and the unit that is stated."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
from jaxtyping import Bool, Shaped

from galgen.arrays import as_array, native_order
from galgen.errors import InputError

FORTRAN = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+))[dD]?((?<=[dD])[-+]?\d+|[-+]\d+)")
"""A number whose exponent begins with D, or with its sign alone."""
LOGICAL = {"true": True, "false": False}


@dataclasses.dataclass(frozen=True)
class Column:
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

    def complete(self) -> np.ndarray:
        """The numbers of a column that galgen wrote, which has a value in every row.

        Raises:
            InputError: if a value is missing, or is no number.
        """
        if self.missing is not None and np.any(self.missing):
            raise InputError(
                f"expected a value in every row of column {self.name!r}, got none in "
                f"{int(np.sum(self.missing))}; the file is damaged: copy it again"
            )
        return as_array(self.values, f"column {self.name!r}")


def column_of(name: str, values: np.ndarray, unit: str = "") -> Column:
    """A column of an array; a masked one has its mask as what is missing."""
    if isinstance(values, np.ma.MaskedArray):
        filled = native_order(np.asarray(values.filled()))
        return Column(name, filled, np.ma.getmaskarray(values), unit)
    return Column(name, native_order(np.asarray(values)), None, unit)


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
