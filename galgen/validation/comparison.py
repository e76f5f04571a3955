"""Generated catalogues compared with held-out ones, split by split.

Both sets are catalogues by split; only the name of the argument says which was generated. Each
split that both have is compared by itself (:mod:`galgen.validation.split`):

- every statistic: its mean (:mod:`equivalence <galgen.validation.checks.equivalence>` and
  :mod:`closure <galgen.validation.curves>`), the :mod:`spread <galgen.validation.checks.spread>` of
  single catalogues, and its :mod:`gradient <galgen.validation.checks.response>` with cosmology;
- the number of points and the other columns (:mod:`marks <galgen.validation.marks>`);
- whole catalogues (:mod:`PQMass <galgen.validation.checks.two_sample>`);
- draws on the fields of held-out, with these (:mod:`r(k) <galgen.validation.checks.phases>`).

The main split is ``test``, or the first. Training catalogues, if given, are compared with it
(:mod:`memorisation <galgen.validation.checks.memorisation>`). Two more splits are repeated
catalogues at two cosmologies far apart: the change from one to the other is compared as well
(:mod:`response <galgen.validation.checks.response>`).
"""

from __future__ import annotations

import dataclasses
import functools
import html
from collections.abc import Mapping, Sequence

import numpy as np

from galgen.data.catalogue import Catalogue
from galgen.measurements.statistic import Volume, measure, rows_of
from galgen.printing import printable
from galgen.validation.checks.phases import SharedField
from galgen.validation.checks.response import Response, respond
from galgen.validation.marks import respond_counts
from galgen.validation.report.page import side_by_side
from galgen.validation.sets import Sets, comparable
from galgen.validation.settings import ValidationSettings
from galgen.validation.split import Measure, SplitComparison, compare_split
from galgen.validation.verdict import (
    Verdict,
    judged,
    numbers,
    response_verdict,
    verdicts_of,
)
from galgen.validation.words import notes, places, summary

DEFAULT = ValidationSettings()


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Generated against held-out.

    Attributes:
        settings: as given.
        box, periodic: of every catalogue.
        splits: the main one first.
        contrast: names of the low and the high split; None without two more splits.
        responses: to cosmology, of xi, P0 and N; empty without a contrast.
    """

    settings: ValidationSettings
    box: tuple[float, float, float]
    periodic: bool
    splits: tuple[SplitComparison, ...]
    contrast: tuple[str, str] | None
    responses: tuple[Response, ...]

    @property
    def main(self) -> SplitComparison:
        """The main comparison."""
        return self.splits[0]

    def split(self, name: str) -> SplitComparison:
        """A split by name."""
        return next(split for split in self.splits if split.name == name)

    @functools.cached_property
    def verdicts(self) -> tuple[Verdict, ...]:
        """One for every measure, split by split, and the responses."""
        found = [verdict for split in self.splits for verdict in verdicts_of(split)]
        if self.contrast:
            found += [response_verdict(response, *self.contrast) for response in self.responses]
        return judged(found, self.settings.tolerance)

    @functools.cached_property
    def numbers(self) -> dict[str, float]:
        """Every number by dotted name (:mod:`galgen.validation.verdict`)."""
        return numbers(self.verdicts, self.main.name)

    @property
    def summary(self) -> str:
        """What was shown bad, the worst first, and how much is good or cannot be told."""
        return summary(self.verdicts, places(self.splits))

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know before believing a figure."""
        return notes(self.splits, self.contrast, self.periodic)

    def __repr__(self) -> str:
        names = ", ".join(split.name for split in self.splits)
        return printable(f"Comparison of {names}: {self.summary}")

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self.summary)}</p>\n{side_by_side(self.verdicts)}"


def compare(
    generated: Sets,
    held_out: Sets,
    settings: ValidationSettings = DEFAULT,
    training: Sequence[Catalogue] | None = None,
    phases: Mapping[str, Sequence[SharedField]] | None = None,
) -> Comparison:
    """Compare generated with held-out catalogues, split by split.

    Args:
        generated: split name -> catalogues.
        held_out: the same. Splits that only one of them has are left out.
        settings: statistics, bins and the tolerance.
        training: what the mock was trained on, for the test of memorisation; None to go without.
        phases: split name -> the fields that catalogues of both sets come from, four or more;
            None where none are shared.

    Returns:
        The comparison; the order of the catalogues in a split does not matter to it.

    Raises:
        InputError: no common split, fewer than four usable catalogues in one, boxes that differ,
            or bins that do not fit the box.
    """
    generated, held_out, training = comparable(generated, held_out, training)
    names = list(held_out)
    main = held_out[names[0]]
    every = [*generated.values(), *held_out.values()]
    measured = _measure(every, main, training or (), settings)
    splits = tuple(
        compare_split(
            name,
            generated[name],
            held_out[name],
            training if name == names[0] else None,
            measured,
            settings,
            (phases or {}).get(name, ()),
        )
        for name in names
    )
    contrast = (names[1], names[2]) if len(names) > 2 else None
    return Comparison(
        settings=settings,
        box=main[0].box,
        periodic=main[0].periodic,
        splits=splits,
        contrast=contrast,
        responses=_responses(splits[1], splits[2], settings) if contrast else (),
    )


def _measure(
    sets: Sequence[Sequence[Catalogue]],
    main: Sequence[Catalogue],
    training: Sequence[Catalogue],
    settings: ValidationSettings,
) -> Measure:
    """On bins for the main split of held-out, with rows for the largest catalogue."""
    return functools.partial(
        measure,
        settings.all_statistics,
        volume=Volume(main[0].box, main[0].periodic, float(np.mean([len(c) for c in main]))),
        batch_size=min(settings.batch_size, max(map(len, sets))),
        rows=rows_of([c for catalogues in (*sets, training) for c in catalogues]),
    )


def _responses(
    low: SplitComparison, high: SplitComparison, settings: ValidationSettings
) -> tuple[Response, ...]:
    """Response of xi, P0 and N from low to high."""
    rules = (
        settings.significance,
        min(n for each in (low, high) for n in (each.held_out_number, each.generated_number)),
    )
    found = []
    for first, second in ((low.correlation, high.correlation), (low.monopole, high.monopole)):
        truth = second.held_out.minus(first.held_out)
        mock = second.generated.minus(first.generated)
        found.append(respond(first.name, truth, mock, *rules))
    return (*found, respond_counts(low.count, high.count, settings.significance))
