"""Halo lists of Rockstar and consistent-trees: what the lines with ``#`` say, and the rows.

White space is between columns, and every row has as many as the header names.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from data_prep.checks import cosmology_of
from galgen.errors import InputError
from galgen.units import conversion_factor

NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
PAIR = re.compile(rf"([A-Za-z]\w*)\s*=\s*({NUMBER})(?![\w.])")
BOX = re.compile(r"(?:Full b|B)ox size\s*[:=]\s*(\S+)[ \t]*([^\n]*)")
UNITS: Mapping[str, tuple[str, ...]] = {
    "lengths": (r"^Units: .*\bPositions in ([^(\n]+)", r"^X/Y/Z: [^(\n]*\(([^)\n]+)\)"),
    "velocities": (r"^Units: .*\bVelocities in ([^(\n]+)", r"^VX/VY/VZ: [^(\n]*\(([^)\n]+)\)"),
    "masses": (r"^Units: .*\bMasses in ([^(\n]+)", r"^Mvir: [^(\n]*\(([^)\n]+)\)"),
}
"""How each finder states the units of positions, velocities and masses."""
SILENT = re.compile(r"Omega_?(r|g|Radiation)", re.IGNORECASE)
"""Names that look like cosmology and change no distance."""
AT_ONCE = 1 << 16
"""Rows that are read together."""
EXACT = 2**53
"""The whole numbers that float64 holds are below it."""


@dataclasses.dataclass(frozen=True)
class ListHeader:
    """What the lines with ``#`` say.

    Attributes:
        names: of the columns.
        scale: factor, if a line has it.
        box: side [Mpc/h], if a line has it.
        cosmology: parameters by galgen's names.
        units: as text, of lengths, velocities and masses, of those that are stated.
        finder: rockstar or consistent-trees.
    """

    names: tuple[str, ...]
    scale: float | None
    box: float | None
    cosmology: Mapping[str, float]
    units: Mapping[str, str]
    finder: str

    @classmethod
    def read(cls, path: Path) -> ListHeader:
        """The header of a list.

        Raises:
            InputError: if there is none, two lines contradict, or a row of numbers is among them.
        """
        with path.open(encoding="utf-8", errors="replace") as file:
            head = itertools.takewhile(lambda line: line.startswith("#"), file)
            lines = [line[1:].rstrip("\n") for line in head]
        if not lines:
            raise InputError(
                "expected a first line '#ID DescID Mvir ...', got none with #; is it a list of "
                "Rockstar or consistent-trees?"
            )
        names = tuple(re.sub(r"\(\d+\)$", "", word) for word in lines[0].split())
        for number, line in enumerate(lines[1:], 2):
            if _is_row(line, len(names)):
                raise InputError(
                    f"expected a header in lines with #, got a row of {len(names)} numbers in line "
                    f"{number}; take away its #, or the row"
                )
        text = "\n".join(lines[1:])
        numbers = _pairs(text)
        cosmology = cosmology_of(numbers, numbers.__getitem__, SILENT)
        return cls(
            names=names,
            scale=numbers.get("a"),
            box=_box(text, cosmology.get("h")),
            cosmology=cosmology,
            units=_units(text),
            finder="consistent-trees" if "scale" in lines[0].lower().split("(")[0] else "rockstar",
        )


def _is_row(line: str, width: int) -> bool:
    words = line.split()
    return len(words) == width > 1 and all(re.fullmatch(NUMBER, word) for word in words)


def _pairs(text: str) -> dict[str, float]:
    """What lines like ``Om = 0.3; Ol = 0.7`` say."""
    found: dict[str, float] = {}
    for name, value in PAIR.findall(text):
        if found.setdefault(name, float(value)) != float(value):
            raise InputError(
                f"expected one {name} in the header, got {found[name]:g} and {value}; mend it"
            )
    return found


def _box(text: str, h: float | None) -> float | None:
    """The side of the box [Mpc/h]; lines that say so must agree."""
    sides = set()
    for value, unit in BOX.findall(text):
        if not re.fullmatch(NUMBER, value):
            raise InputError(f"expected a number as box size in the header, got {value!r}; mend it")
        sides.add(float(value) * conversion_factor(unit or "Mpc/h", "Mpc/h", "the box size", h))
    if len(sides) > 1 and not np.isclose(min(sides), max(sides), rtol=1e-6):
        raise InputError(f"expected one box size in the header, got {sorted(sides)}; mend it")
    return max(sides, default=None)


def _units(text: str) -> dict[str, str]:
    found = {}
    for kind, patterns in UNITS.items():
        for match in filter(None, (re.search(p, text, re.MULTILINE) for p in patterns)):
            found[kind] = re.sub(r"\b(comoving|physical|peculiar)\b|,", "", match[1]).strip()
    return found


def read_rows(
    path: Path, width: int, wanted: Mapping[str, int], whole: Collection[str] = ()
) -> dict[str, np.ndarray]:
    """Chosen columns of a list, by name: ``whole`` ones are int64, others float64.

    Args:
        path: of the list.
        width: number of columns that the header names.
        wanted: name -> number of the column.
        whole: names.

    Raises:
        InputError: if a row has more or fewer columns, or one that is no number.
    """
    parts: dict[str, list[np.ndarray]] = {name: [] for name in wanted}
    with path.open(encoding="utf-8") as file:
        lines = filter(str.strip, itertools.dropwhile(lambda line: line.startswith("#"), file))
        for first in itertools.count(step=AT_ONCE):
            rows = _split(list(itertools.islice(lines, AT_ONCE)), width, first)
            if not rows:
                break
            for name, number in wanted.items():
                words = [row[number] for row in rows]
                parts[name].append(_numbers(words, name in whole, first))
    return {name: _joined(values, name) for name, values in parts.items()}


def _split(lines: list[str], width: int, first: int) -> list[list[str]]:
    """The words of some rows, of which the first has that number."""
    if any("\0" in line for line in lines):
        raise InputError("expected text, got NUL bytes; the file is damaged: copy it again")
    rows = [line.split() for line in lines]
    if lines and not lines[-1].endswith("\n"):
        raise InputError(
            f"expected {width} columns and an end of line in the last row, got {len(rows[-1])} "
            "and no end of line; it is truncated: copy the file again"
        )
    for place, row in enumerate(rows):
        if len(row) != width or row[0].startswith("#"):
            raise InputError(
                f"expected {width} numbers in every row, got {len(row)} in row {first + place}; "
                "copy the file again"
            )
    return rows


def _numbers(words: list[str], whole: bool, first: int) -> np.ndarray:
    """Words as numbers: whole ones as int64, unless one of them is not whole."""
    try:
        if whole and all(word.lstrip("+-").isdecimal() for word in words):
            return np.array([int(word) for word in words], np.int64)
        return np.array([float(word) for word in words], np.float64)
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"expected numbers in every row, got {str(error).rsplit(':', 1)[-1].strip()} in one of "
            f"{first} to {first + len(words) - 1}; copy the file again"
        ) from error


def _joined(parts: list[np.ndarray], name: str) -> np.ndarray:
    """All parts; whole numbers among others only if float64 holds them."""
    if len({part.dtype for part in parts}) > 1:
        for part in parts:
            if part.dtype.kind == "i" and np.any(np.abs(part) >= EXACT):
                raise InputError(
                    f"expected whole numbers in column {name!r}, got others among those of "
                    f"2^53 and more; mend it"
                )
    return np.concatenate(parts) if parts else np.zeros(0)
