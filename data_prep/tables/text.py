"""Tables of text: columns between commas, semicolons, tabs, bars or white space.

:mod:`data_prep.tables.text_lines` finds the line of names. A unit may follow a name in brackets,
``x [kpc/h]``. Cells may be quoted; empty ones, ``NA``, ``null``, ``None`` and ``--`` are missing.
"""

from __future__ import annotations

import csv
import dataclasses
import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.io import ascii as astropy_text

from data_prep.tables.columns import RawTable
from data_prep.tables.text_lines import MISSING, TextLines, text_of, told_apart, unequal_rows
from galgen.errors import InputError
from galgen.reading.columns import Column, column_of
from galgen.units import parsed

NAME_AND_UNIT = re.compile(r"(?P<name>.*?\S)\s*[\[(](?P<unit>[^\[\]()]*\D[^\[\]]*)[\])]")
_HEXADECIMAL = re.compile(r"\b0[xX]")
_TAB = "\x1f"


def read_text(
    path: Path,
    content: bytes,
    names: Sequence[str] = (),
    header: bool = True,
    naming: str = "--names",
) -> RawTable:
    """The table of the bytes of a text file, read as :class:`~data_prep.tables.files.Choice` says.

    Raises:
        InputError: if it is no text, has no rows, or it is not clear where names are.
    """
    lines = told_apart(path, text_of(path, content), header, naming if not names else None)
    labels, notes = lines.header, lines.notes
    numbered = labels is None and not names
    if names:
        _check_names(path, names, lines.width, naming)
        if labels is not None:
            notes += (f"{naming} takes the place of the header {' '.join(labels)[:60]!r}",)
        labels = tuple(names)
    elif labels is None:
        labels = tuple(map(str, range(lines.width)))
        notes += ("no line has names; columns have numbers from 0",)
    blank = [""] * (lines.width - len(labels))
    named, units = zip(*map(_name_and_unit, [*labels, *blank]), strict=True)

    def read(places: Sequence[int]) -> list[Column]:
        columns = _columns(lines, places)
        return [
            dataclasses.replace(column, name=named[place] or str(place), unit=units[place])
            for place, column in zip(places, columns, strict=True)
        ]

    cut = f"{path}: the last line does not end; is the file whole?"
    return RawTable(
        where=str(path),
        names=named,
        read=read,
        notes=notes,
        remedy=f"choose among these with --columns, or name all columns with {naming}",
        numbered=numbered,
        flat=True,
        doubts=() if lines.body.endswith("\n") else (cut,),
        skipped=lines.skipped,
    )


def _name_and_unit(label: str) -> tuple[str, str]:
    """``x [kpc/h]`` as name and unit; a bracket that holds no unit belongs to the name."""
    match = NAME_AND_UNIT.fullmatch(label)
    if match is None:
        return label, ""
    try:
        known = parsed(match["unit"], label) is not None
    except InputError:
        known = False
    return (match["name"], match["unit"]) if known else (label, "")


def _check_names(path: Path, names: Sequence[str], width: int, naming: str) -> None:
    if len(names) != width or len(set(names)) < len(names):
        raise InputError(
            f"expected a name of its own for each of {width} columns of {path}, got {list(names)}; "
            f"mend {naming}"
        )


def _columns(lines: TextLines, places: Sequence[int]) -> list[Column]:
    """Columns by place, as numbers where all of their cells are."""
    body, delimiter = f"{lines.body}\n", lines.delimiter
    if not body.isascii() or _HEXADECIMAL.search(body):
        return _columns_of_text(lines, places)
    if delimiter == "\t":  # which astropy takes for white space
        body, delimiter = body.replace("\t", _TAB), _TAB
    labels = [f"c{place}" for place in range(lines.width)]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # of numbers that do not fit their type, which stay text
            table = astropy_text.read(
                body,
                format="fast_no_header",
                guess=False,
                delimiter=delimiter,
                names=labels,
                include_names=sorted({labels[place] for place in places}),
                fill_values=[(word, "0") for word in MISSING],
            )
    except (astropy_text.InconsistentTableError, csv.Error) as error:
        raise unequal_rows(lines, lines.width) from error
    if len(table) != lines.number:
        raise InputError(
            f"expected {lines.number} rows in {lines.path}, as it has lines, got {len(table)} by "
            "its quotes; one does not close, or a cell has several lines: mend it"
        )
    return [column_of(labels[place], table[labels[place]]) for place in places]


def _columns_of_text(lines: TextLines, places: Sequence[int]) -> list[Column]:
    """Columns by place as text, slowly; astropy would read 0x10 as a number, and ASCII only."""
    rows = list(lines.rows())
    if any(len(row) != lines.width for row in rows):
        raise unequal_rows(lines, lines.width)
    columns = [np.array([row[place] for row in rows]) for place in places]
    return [Column(f"c{i}", c, np.isin(c, MISSING)) for i, c in zip(places, columns, strict=True)]
