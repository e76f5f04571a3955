"""Rows of a halo list: white space between columns, as many in every row as the header names."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TextIO

import numpy as np

from galgen.errors import InputError

PIECE = 1 << 24
"""Letters that are read at a time."""
EXACT = 2**53
"""The whole numbers that float64 holds are below it."""


def read_rows(
    path: Path, width: int, wanted: Mapping[str, int], whole: Collection[str] = ()
) -> dict[str, np.ndarray]:
    """Chosen columns of a list.

    Args:
        path: of the list.
        width: number of columns that the header names.
        wanted: name -> number of the column.
        whole: names of those that are int64; others are float64.

    Raises:
        InputError: if a row has more or fewer columns, or one that is no number.
    """
    parts: dict[str, list[np.ndarray]] = {name: [] for name in wanted}
    with path.open(encoding="utf-8") as file:
        for first, lines in _blocks(file, width):
            rows = [line.split() for line in lines]
            for place, row in enumerate(rows):
                if len(row) != width or row[0].startswith("#"):
                    raise InputError(
                        f"expected {width} numbers in every row, got {len(row)} in row "
                        f"{first + place}; copy the file again"
                    )
            for name, number in wanted.items():
                words = [row[number] for row in rows]
                parts[name].append(_numbers(words, name in whole, first))
    return {name: _joined(values, name) for name, values in parts.items()}


def _blocks(file: TextIO, width: int) -> Iterator[tuple[int, list[str]]]:
    """The rows after the header, a few megabytes at a time, with the number of the first."""
    text, first, header = "", 0, True
    while piece := file.read(PIECE):
        text += piece
        if "\0" in piece:
            raise InputError("expected text, got NUL bytes; the file is damaged: copy it again")
        *lines, text = text.split("\n")
        if header:
            lines = list(itertools.dropwhile(lambda line: line.startswith("#"), lines))
            header = not lines
        rows = [line for line in lines if line.strip()]
        if rows:
            yield first, rows
        first += len(rows)
    if text.strip() and not (header and text.startswith("#")):
        raise InputError(
            f"expected {width} columns and an end of line in the last row, got {len(text.split())} "
            "and no end of line; it is truncated: copy the file again"
        )


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
