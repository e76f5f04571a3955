"""The comparison on one screen of text, and as JSON."""

from __future__ import annotations

import dataclasses
import math
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np

from galgen.validation.comparison import Comparison
from galgen.validation.curves import CurveComparison
from galgen.validation.split import SplitComparison
from galgen.validation.words import cell, lines

VERSION = 5
"""Of the layout of ``comparison.json``."""
WIDTH, HEIGHT = 98, 40
LEFT_OUT = ("covariance", "result")
"""Fields that are not written: large matrices, and what stands elsewhere."""


def table(comparison: Comparison) -> str:
    """The verdicts in at most 98 columns and 40 lines; what does not fit is in the report."""
    found = lines(comparison.verdicts)
    splits = [split.name for split in comparison.splits]
    known = [
        (line.measure, *(cell(v) if (v := line.verdicts.get(s)) else "" for s in splits))
        for line in found
    ]
    tail = _tail([comparison.summary, *comparison.notes])
    room = HEIGHT - len(tail) - 4
    if (left_out := len(known) - room) > 0:
        known = known[: room - 1]
        tail = [f"... and {left_out + 1} more rows in the report", *tail]
    headings = ("measure", *splits)
    widths = [max(map(len, column)) for column in zip(headings, *known, strict=True)]
    rows = [
        "  ".join(text.ljust(width) for text, width in zip(each, widths, strict=True)).rstrip()
        for each in (headings, tuple("-" * width for width in widths), *known)
    ]
    return "\n".join(line[:WIDTH] for line in [*rows, "", *tail])


def _tail(texts: Sequence[str]) -> list[str]:
    """The summary and the notes, in at most fifteen lines."""
    wrapped = [
        line
        for text in texts
        for line in textwrap.wrap(text, WIDTH, subsequent_indent="  ", max_lines=8)
    ]
    return wrapped if len(wrapped) <= 15 else [*wrapped[:14], "... the rest is in the report"]


def as_json(comparison: Comparison) -> dict[str, Any]:
    """Every figure of the comparison as JSON values; NaN and infinity become None."""
    tree = {
        "format": "galgen-comparison",
        "version": VERSION,
        "summary": comparison.summary,
        "notes": comparison.notes,
        "numbers": comparison.numbers,
        "verdicts": comparison.verdicts,
        **{f.name: getattr(comparison, f.name) for f in dataclasses.fields(comparison)},
        "splits": [_split(split) for split in comparison.splits],
    }
    return {name: plain(value) for name, value in tree.items()}


def _split(split: SplitComparison) -> dict[str, Any]:
    """A split with its curves by what they are: correlation, power, statistics."""
    names = [f.name for f in dataclasses.fields(split) if f.name != "curves"]
    curves = {name: getattr(split, name) for name in ("correlation", "power", "statistics")}
    return {name: getattr(split, name) for name in names} | curves


def plain(value: Any) -> Any:
    """As JSON values; NaN and infinity become None."""
    if isinstance(value, CurveComparison):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        axis = fields.pop("axis")
        derived = {name: getattr(value, name) for name in ("ratio", "ratio_error")}
        return plain(axis) | {"centre": plain(axis.centre)} | plain(fields | derived)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return {n: plain(getattr(value, n)) for n in names if n not in LEFT_OUT}
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
