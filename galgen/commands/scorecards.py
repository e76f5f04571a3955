"""galgen scorecards: many models side by side."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import tyro

from galgen.checked import checked
from galgen.commands.command import Command
from galgen.errors import InputError
from galgen.printing import say


@dataclasses.dataclass(frozen=True)
@checked
class Scorecards(Command):
    """Tabulate scorecards: what of each model is shown bad or good, and to how many percent.

    galgen validate writes a scorecard.json beside every report, of a run or of any two suites.

    Example: galgen scorecards runs/a/report runs/b/report
    """

    files: tyro.conf.Positional[tuple[Path, ...]]
    """Scorecards, or the folders that hold one."""

    def run(self) -> None:
        from galgen.validation.report.scorecard import SCORECARD, aligned, read_scorecard, tabulated

        if not self.files:
            raise InputError("expected scorecards, got none; name the folders of some reports")
        paths = [path / SCORECARD if path.is_dir() else path for path in self.files]
        cards = [read_scorecard(path) for path in paths]
        titles = [str(card["title"]) for card in cards]
        names = titles if len(set(titles)) == len(titles) else [str(path) for path in paths]
        if len(set(names)) < len(names):
            raise InputError(f"expected different scorecards, got {names}; name each once")
        say(aligned(tabulated(dict(zip(names, cards, strict=True)))))
