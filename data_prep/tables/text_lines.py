"""Lines of a text table, told apart: comments, names and rows.

The names are in the first line that is no comment, if no cell of it is a number, or else in a
comment with ``#`` that has as many words as the rows have cells, as NumPy and CAMELS write them. A
line ``0,1,2`` over rows that are no integers has names too, those that pandas gives. Otherwise
there is no header, and columns have numbers.
"""

from __future__ import annotations

import codecs
import csv
import dataclasses
import functools
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from galgen.errors import InputError

DELIMITERS = ";,\t|"
MISSING = ("", "NA", "N/A", "n/a", "<NA>", "null", "NULL", "None", "none", "--", "masked")
NUMBER = re.compile(r"[-+]?((\d+\.?\d*|\.\d+)([eEdD]?[-+]?\d+)?|nan|inf|infinity)", re.I | re.ASCII)
_ROW = re.compile(r"(?m)^[^\S\n]*[^\s#]")
_COMMENT = re.compile(r"(?m)^[^\S\n]*#")


@dataclasses.dataclass(frozen=True)
class TextLines:
    """The lines of a text table, told apart.

    Attributes:
        path: of the file.
        delimiter: between cells; a space is any white space.
        header: the words of the header; None if there is none.
        body: the text below it.
        notes: how it was read, where that is a choice.
        skipped: comments among the rows.
    """

    path: Path
    delimiter: str
    header: tuple[str, ...] | None
    body: str
    notes: tuple[str, ...] = ()
    skipped: int = 0

    def rows(self) -> Iterator[list[str]]:
        """The cells of each row."""
        return (_cells(line, self.delimiter) for _, line in _lines(self.body))

    @functools.cached_property
    def number(self) -> int:
        """The number of rows."""
        return sum(1 for _ in _ROW.finditer(self.body))

    @functools.cached_property
    def width(self) -> int:
        """The number of columns."""
        return len(next(self.rows()))


def text_of(path: Path, content: bytes) -> str:
    """The text of a file in UTF-8, or UTF-16 with a mark, its lines ended by ``\\n``.

    Raises:
        InputError: if it has a NUL byte, which no text has.
    """
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")  # a name or a comment; numbers are the same in all
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InputError(
            f"expected text in {path}, got a NUL byte in line {line}; the file is damaged or of "
            "another format: copy it again"
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")


def told_apart(path: Path, text: str, header: bool, naming: str | None) -> TextLines:
    """Header and rows of a text; ``header`` is False if its first line is of the data.

    ``naming`` is the option that names columns, for errors; None if they are named.

    Raises:
        InputError: if there are no rows, rows are of unlike length, or the first line may be names
            or data.
    """
    head = list(itertools.islice(_lines(text), 2))
    if not head:
        raise InputError(f"expected names and rows in {path}, got no row; is it whole?")
    (start, line), below = head[0], [after for _, after in head[1:]]
    delimiter = _delimiter(line)
    first = _cells(line, delimiter)
    found: tuple[str, ...] | None = tuple(first)
    notes: tuple[str, ...] = ()
    if header and not any(map(_is_number, first)) and any(first):
        start += len(line) + 1
    elif header and _by_pandas(first, below, delimiter):
        start += len(line) + 1
        notes = (f"the first line, {line.strip()[:40]}, has names as pandas gives them",)
    else:
        found = _in_comments(text[:start].split("\n"), delimiter, len(first))
        plain = all(_is_number(cell, or_gap=True) for cell in first)
        if header and found is None and not plain and (naming or _above(first, below, delimiter)):
            remedy = f", or pass {naming}" if naming else ", or take it out"
            raise InputError(
                f"expected names or numbers in the first line of {path}, got both: "
                f"{line.strip()[:60]!r}; write names above it{remedy}"
            )
    body = text[start:]
    if next(_lines(body), None) is None:
        raise InputError(f"expected rows below the names in {path}, got none; is it whole?")
    inside = len(_COMMENT.findall(body))
    if inside:
        notes += (f"{inside} lines with # among the rows are left out",)
    return _without_trailing_gap(TextLines(path, delimiter, found, body, notes, inside))


def _without_trailing_gap(lines: TextLines) -> TextLines:
    """Refuse a header of another length than the rows, but for a delimiter that ends each row."""
    if lines.header is None or len(lines.header) == lines.width:
        return lines
    last = next(lines.rows())[-1]
    if len(lines.header) == lines.width - 1 and not last:
        return dataclasses.replace(lines, header=(*lines.header, ""))
    raise unequal_rows(lines, len(lines.header))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines that are neither empty nor a comment, and where each begins."""
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        line = text[start:end]
        if line.strip() and not line.lstrip().startswith("#"):
            yield start, line
        start = end + 1


def _delimiter(line: str) -> str:
    """What is between the cells of a line, outside of quotes."""
    plain = re.sub(r'"[^"]*"', "", line)
    return next((mark for mark in DELIMITERS if mark in plain.strip()), " ")


def _cells(line: str, delimiter: str) -> list[str]:
    if delimiter == " ":
        line = " ".join(line.split())
    (row,) = csv.reader([line], delimiter=delimiter, skipinitialspace=True)
    return [cell.strip() for cell in row]


def _is_number(cell: str, or_gap: bool = False) -> bool:
    return NUMBER.fullmatch(cell) is not None or (or_gap and cell in MISSING)


def _by_pandas(first: list[str], below: list[str], delimiter: str) -> bool:
    """Whether a line is 0, 1, 2, ... over rows that are no integers: names that pandas gives."""
    names = first[1:] if first[:1] == [""] else first
    counted = names == list(map(str, range(len(names))))
    cells = _cells(below[0], delimiter) if below else []
    return counted and len(names) > 1 and any(not re.fullmatch(r"[-+]?\d+", c) for c in cells)


def _above(first: list[str], below: list[str], delimiter: str) -> bool:
    """Whether a line has text where the next one has a number, as names do."""
    cells = _cells(below[0], delimiter) if below else []
    pairs = zip(first, cells, strict=False)
    return any(_is_number(cell) and not _is_number(name, or_gap=True) for name, cell in pairs)


def _in_comments(comments: list[str], delimiter: str, width: int) -> tuple[str, ...] | None:
    """The words of the last comment that has one for each column, none of them a number."""
    for line in reversed(comments):
        comment = line.strip().lstrip("#").strip()
        together = re.sub(r"\s+([\[(][^\])]*[\])])", r"\1", comment)
        for words in (_cells(comment, delimiter), together.split()):
            if len(words) == width and all(words) and not any(map(_is_number, words)):
                return tuple(words)
    return None


def unequal_rows(lines: TextLines, width: int) -> InputError:
    """The error of a row with more or fewer cells than there are columns."""
    for number, cells in enumerate(lines.rows()):
        if len(cells) != width:
            return InputError(
                f"expected {width} values in row {number} (from 0) of {lines.path}, got "
                f"{len(cells)}; check that every row has as many values as there are names"
            )
    return InputError(
        f"expected {width} values in every row of {lines.path}, got rows that cannot be told "
        "apart; check its quotes"
    )
