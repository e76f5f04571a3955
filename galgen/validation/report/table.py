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
from galgen.validation.verdict import Status
from galgen.validation.words import HEADINGS, row

VERSION = 4
"""Of the layout of ``comparison.json``."""
WIDTH, HEIGHT = 98, 40
LEFT_OUT = ("covariance", "result")
"""Fields that are not written: large matrices, and what stands elsewhere."""


def table(comparison: Comparison) -> str:
    """The verdicts in at most 98 columns and 40 lines; what does not fit is in the report."""
    said = [row(verdict) for verdict in comparison.verdicts]
    rows = [dataclasses.astuple(r)[:-1] for r in said]
    unmet = (Status.MISSED, Status.NOT_JUDGED)
    reasons = [f"{r.measure}: {r.note}" for r in said if r.status in unmet]
    tail = _tail([comparison.summary, *reasons, *comparison.notes])
    room = HEIGHT - len(tail) - 4
    left_out = len(rows) - room
    if left_out > 0:
        rows = rows[: room - 1]
        tail = [f"... and {left_out + 1} more rows in the report", *tail]
    headings = HEADINGS[:-1]
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(each, widths, strict=True)).rstrip()
        for each in (headings, tuple("-" * width for width in widths), *rows)
    ]
    return "\n".join(line[:WIDTH] for line in [*lines, "", *tail])


def _tail(texts: Sequence[str]) -> list[str]:
    """The summary, and why a target was missed, in at most fifteen lines."""
    lines = [
        line
        for text in texts
        for line in textwrap.wrap(text, WIDTH, subsequent_indent="  ", max_lines=3)
    ]
    return lines if len(lines) <= 15 else [*lines[:14], "... the rest is in the report"]


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
    return {name: _plain(value) for name, value in tree.items()}


def _split(split: SplitComparison) -> dict[str, Any]:
    """A split with its curves by what they are: correlation, power, statistics."""
    names = [f.name for f in dataclasses.fields(split) if f.name != "curves"]
    curves = {name: getattr(split, name) for name in ("correlation", "power", "statistics")}
    return {name: getattr(split, name) for name in names} | curves


def _plain(value: Any) -> Any:
    if isinstance(value, CurveComparison):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        axis = fields.pop("axis")
        derived = {name: getattr(value, name) for name in ("ratio", "ratio_error")}
        return _plain(axis) | {"centre": _plain(axis.centre)} | _plain(fields | derived)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return {n: _plain(getattr(value, n)) for n in names if n not in LEFT_OUT}
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
