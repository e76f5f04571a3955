"""The account of a run: what was read, kept and dropped and why, and what is left behind.

It goes to standard output below the summary of the suite, which says what was assumed; what a user
should look at again are warnings on standard error, one line for each kind.
"""

from __future__ import annotations

import dataclasses
import re
import sys
from collections import Counter
from collections.abc import Iterable

MEANINGS = {
    "a weight": r"w|wt|wts|.*we?i?ght.*|w_?(tot|fkp|sys|comp)\w*|\w*completeness",
    "a velocity": r"v_?(x|y|z|r|pec|los)|vel\w*|\w*_vel|\w*velocit\w*",
    "a mass": r"m|\w*mass\w*|log_?10_?m\w*|log_?m|m_?(\d+|vir|fof|halo|crit|mean|peak)\w*",
    "an identifier": r"\w*ids?|\w*identifiers?",
    "the box, redshift or cosmology": r"box\w*|l_?box|redshift|scale_?factor|omega\w*|sigma_?8|"
    r"h_?0|hubble\w*|cosmo\w*|theta|params?",
}
"""What names of columns mean, by regular expressions without case."""
OTHERS = 8


@dataclasses.dataclass
class Account:
    """What happened to the points of a run.

    Attributes:
        catalogues: that were read.
        points: that were read.
        dropped: points that were dropped, by the reason.
        notes: how files were read, where that is a choice.
        measured: of each catalogue and its field, by what it is.
        left: known columns that were not taken, and their meaning.
        unknown: other columns that were not taken.
        warnings: by kind: the first of it, and how many there were.
    """

    catalogues: int = 0
    points: int = 0
    dropped: Counter[str] = dataclasses.field(default_factory=Counter)
    notes: dict[str, None] = dataclasses.field(default_factory=dict)
    measured: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    left: dict[str, str] = dataclasses.field(default_factory=dict)
    unknown: dict[str, None] = dataclasses.field(default_factory=dict)
    warnings: dict[str, tuple[str, int]] = dataclasses.field(default_factory=dict)

    def read(self, points: int, catalogues: int = 0) -> None:
        """Points were read."""
        self.points += points
        self.catalogues += catalogues

    def drop(self, reason: str, points: int) -> None:
        """Points were dropped."""
        if points:
            self.dropped[reason] += points

    def note(self, what: str) -> None:
        """Something was read in one of several ways."""
        self.notes[what] = None

    def measure(self, what: str, value: float) -> None:
        """Something of a catalogue and its field was measured; all such are told in one line."""
        self.measured.setdefault(what, []).append(value)

    def leave(self, names: Iterable[str]) -> None:
        """Columns of a file were not taken."""
        for name in names:
            if meaning := meaning_of(name):
                self.left[name] = meaning
            else:
                self.unknown[name] = None

    def warn(self, kind: str, text: str) -> None:
        """A user should look at something again; of each kind, the first is told."""
        first, number = self.warnings.get(kind, (text, 0))
        self.warnings[kind] = (first, number + 1)

    def text(self, kept: int) -> str:
        """The account, given the points that are in the suite."""
        read = f"{self.points} points in {self.catalogues} catalogue{'s'[: self.catalogues != 1]}"
        lines = [f"  read: {read}; kept: {kept}{_share(kept, self.points)}"]
        for reason, points in self.dropped.items():
            lines.append(f"  dropped: {points} points {reason}{_share(points, self.points)}")
        lines += [f"  {what}" for what in self.notes]
        if self.measured:
            ranges = [f"{what} {_range(values)}" for what, values in self.measured.items()]
            lines.append(f"  field and points: {'; '.join(ranges)}")
        if self.left or self.unknown:
            named = [f"{name} ({meaning})" for name, meaning in self.left.items()]
            others = list(self.unknown)
            more = f", and {len(others) - OTHERS} more" if len(others) > OTHERS else ""
            lines.append(f"  left behind: {', '.join([*named, *others[:OTHERS]])}{more}")
        return "\n".join(lines)

    def print_warnings(self) -> None:
        """Each kind of warning in a line on standard error."""
        if self.left:
            named = ", ".join(f"{name} ({meaning})" for name, meaning in self.left.items())
            self.warn("left", f"not taken from the files: {named}; take them with --columns")
        for text, number in self.warnings.values():
            more = f" (and {number - 1} more such)" if number > 1 else ""
            print(f"data_prep: warning: {text}{more}", file=sys.stderr)


def meaning_of(name: str) -> str | None:
    """What a column is by its name, if that is known."""
    plain = re.sub(r"[\s.\[\]()-]+", "_", name.strip())
    found = (m for m, pattern in MEANINGS.items() if re.fullmatch(pattern, plain, re.I))
    return next(found, None)


def _share(part: int, whole: int) -> str:
    return f" ({100 * part / whole:.3g}%)" if whole else ""


def _range(values: list[float]) -> str:
    low, high = f"{min(values):.2f}", f"{max(values):.2f}"
    return low if low == high else f"{low} to {high}"
