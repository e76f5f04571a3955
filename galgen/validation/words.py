"""Verdicts in words: the row of a table, a sentence below a figure, the summary.

A row whose signal is too weak says so. A target that is not met is "missed", by how much and where.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from galgen.validation.checks.chi_square import About, ChiSquare, CovarianceKind
from galgen.validation.checks.memorisation import Memorisation
from galgen.validation.checks.phases import PhaseComparison
from galgen.validation.checks.response import Gradient, Response
from galgen.validation.checks.spread import Spread
from galgen.validation.checks.two_sample import TwoSample
from galgen.validation.curves import CurveComparison
from galgen.validation.marks import CountComparison, MarkComparison
from galgen.validation.sets import Groups
from galgen.validation.split import SplitComparison
from galgen.validation.verdict import Kind, Status, Verdict, median

HEADINGS = ("measure", "generated", "held-out itself", "target", "verdict", "note")


@dataclasses.dataclass(frozen=True)
class Row:
    """A verdict in words.

    Attributes:
        measure: what was measured, and on which split.
        figure: its value and error.
        noise: what held-out gives against itself.
        target: what was asked; "-" where nothing was.
        status: met, missed, not judged or noted.
        note: where and by how much it was missed, or how it is to be read.
    """

    measure: str
    figure: str
    noise: str
    target: str
    status: str
    note: str

    @property
    def sentence(self) -> str:
        """The row as one short sentence."""
        asked = self.status != Status.NOTED
        against = f", held-out itself {self.noise}" if self.noise != "-" else ""
        if asked:
            against = f", target {self.target}, {self.status}"
        note = f" ({self.note})" if self.note else ""
        return f"{self.measure}: {self.figure}{against}{note}."


def row(verdict: Verdict) -> Row:
    """A verdict in words."""
    title, figure, noise, note = _WORDS[verdict.kind](verdict, verdict.result)
    target = "-"
    if verdict.target is not None:
        low, high = verdict.target
        target = f">= {low:.2f}" if high == math.inf else f"1 +- {high - 1:.2f}"
    measure = f"{title}, {' to '.join(verdict.splits)}"
    return Row(measure, figure, noise, target, verdict.status, note)


def sentences(verdicts: Iterable[Verdict]) -> str:
    """Every verdict as one short sentence."""
    return " ".join(row(verdict).sentence for verdict in verdicts)


def summary(verdicts: Iterable[Verdict]) -> str:
    """How many targets were met, and which were not."""
    rows = [row(v) for v in verdicts if v.status is not Status.NOTED]
    by = {status: [r.measure for r in rows if r.status == status] for status in Status}
    parts = [f"{len(by[Status.MET])} of {len(rows)} targets met"]
    if missed := by[Status.MISSED]:
        parts.append("missed: " + "; ".join(missed))
    if weak := by[Status.NOT_JUDGED]:
        parts.append("too little signal to judge: " + "; ".join(weak))
    return ". ".join(parts) + "."


def notes(
    splits: Iterable[SplitComparison], contrast: tuple[str, str] | None, periodic: bool
) -> tuple[str, ...]:
    """What a reader must know before believing a figure."""
    found = []
    for split in splits:
        if not split.matched:
            found.append(
                f"Split {split.name}: generated and held-out do not hold the same "
                "cosmologies in the same proportions; differences may come from that."
            )
        found += [
            f"{curve.name}, {split.name}: {covariance_of(curve.chi_square)}."
            for curve in split.curves
            if not curve.chi_square.full
        ]
    if contrast is None:
        found.append(
            "There are no two further splits at two cosmologies, so the response to cosmology "
            "was not measured."
        )
    if not periodic:
        found.append(
            "The boxes are open: P(k) is that of the box as if it were periodic, convolved "
            "with its window, alike for both sets."
        )
    return tuple(found)


def covariance_of(found: ChiSquare) -> str:
    """How the covariance of a chi-square was made, or why it could not be used."""
    text = _COVARIANCES[found.kind].format(
        catalogues=found.catalogues,
        bins=found.degrees,
        about=_ABOUT[found.about].format(", ".join(found.parameters)),
    )
    if found.constant:
        text += f"; left out, the same in all of held-out: {', '.join(found.constant)}"
    return text


_ABOUT: Mapping[About, str] = {
    About.MEAN: "their mean",
    About.CONDITION: "the mean of their condition",
    About.LINE: "a straight line in {}",
}
_COVARIANCES: Mapping[CovarianceKind, str] = {
    CovarianceKind.FULL: "covariance of {catalogues} held-out catalogues about {about}",
    CovarianceKind.TOO_FEW: (
        "{catalogues} catalogues are too few for the covariance of {bins} bins: bins taken as "
        "independent"
    ),
    CovarianceKind.SINGULAR: (
        "the covariance of {bins} bins is singular: bins taken as independent"
    ),
    CovarianceKind.NOTHING_VARIES: "nothing varies in held-out",
}
_GROUPS: Mapping[Groups, str] = {
    Groups.CONDITION: "at each condition",
    Groups.MATCHED_SPLIT: "over the whole split, whose cosmologies are the same in both sets",
    Groups.UNMATCHED_SPLIT: (
        "over the whole split, whose cosmologies are not the same in both sets"
    ),
}
Words = tuple[str, str, str, str]
"""Title, figure, noise and note."""


def _plus_minus(value: float, error: float, digits: int = 2) -> str:
    return f"{value:.{digits}f} +- {error:.{digits}f}"


def _about_one(v: Verdict, digits: int = 2) -> str:
    return f"1 +- {v.null_error:.{digits}f}"


def _closure(v: Verdict, curve: CurveComparison) -> Words:
    title = f"{v.statistic} closure"
    if curve.worst is None:
        note = "no bin of held-out is significant; add catalogues or widen the bins"
        return title, "-", "-", note
    figure = f"{_plus_minus(v.value, v.error)} (median {curve.median:.2f})"
    noise = f"{v.null:.2f} (median {np.median(curve.floor[curve.judged]):.2f})"
    names, judged = curve.axis.bin_names, curve.judged.sum()
    where = [int(index) for index in np.flatnonzero(curve.missed)]
    if not where:
        return title, figure, noise, f"all {judged} judged bins; worst at {names[curve.worst]}"
    bins = [
        f"{names[i]} {curve.closure[i]:.2f} ({curve.shortfall[i]:.1f} sigma below)" for i in where
    ]
    note = f"missed in {len(where)} of {judged} judged bins: " + "; ".join(bins)
    noisy = sum(curve.floor[i] < curve.target for i in where)
    if noisy:
        note += f". In {noisy} of these, halves of held-out miss it against each other too"
    return title, figure, noise, note


def _response(v: Verdict, response: Response) -> Words:
    if not response.judged:
        note = f"held-out itself changes by {response.signal:.1f} sigma only"
    else:
        direction = "right direction" if response.right_direction else "WRONG direction"
        note = f"{direction}; held-out changes by {response.signal:.0f} sigma"
        if not response.met:
            over = (abs(response.slope - 1) - response.target) / max(response.slope_error, 1e-12)
            note = f"missed: {note}; {over:.1f} sigma outside"
    return f"{v.statistic} response", _plus_minus(v.value, v.error), _about_one(v), note


def _chi_square(v: Verdict, found: ChiSquare) -> Words:
    title, note = f"{v.statistic} chi2/dof", covariance_of(found)
    if found.full:
        note += f"; bins taken as independent: {v.numbers['chi2_diagonal']:.2f}"
    if not found.degrees:
        return title, "-", "-", note
    figure = f"{v.value:.2f} ({found.degrees} bins), p {found.p_value:.2g}"
    return title, figure, _about_one(v), note


def _spread(v: Verdict, spread: Spread) -> Words:
    note = f"median over bins, {_GROUPS[spread.variance_groups]}; rank histograms flat with p "
    note += f"{spread.flatness_p_value:.2g}, {_GROUPS[spread.rank_groups]}"
    ratio = v.numbers["crps_ratio"]
    if math.isfinite(ratio):
        note += f"; CRPS {_plus_minus(ratio, median(spread.crps_ratio_error))} "
        note += f"times that of half of held-out on half, p {spread.crps_p_value:.2g}"
    figure = f"variance x {_plus_minus(v.value, v.error)}"
    return f"{v.statistic} spread", figure, _about_one(v), note


def _count(v: Verdict, count: CountComparison) -> Words:
    truth, mock = count.held_out, count.generated
    note = f"mean {mock.mean():.1f} and {truth.mean():.1f}; std {mock.std(ddof=1):.1f} and "
    note += f"{truth.std(ddof=1):.1f} (generated and held-out)"
    return "N mean ratio", _plus_minus(v.value, v.error, 3), _about_one(v, 3), note


def _two_sample(v: Verdict, test: TwoSample) -> Words:
    generated, held_out = test.catalogues
    note = f"summaries of {test.dimensions} numbers, {generated} generated and {held_out} held-out "
    note += f"in {test.cells} cells; p by relabelling"
    if test.constant:
        note += f"; left out, the same in all of both: {', '.join(test.constant)}"
    figure = f"{v.value:.2f}, p {test.p_value:.2g}"
    return "PQMass chi2/dof", figure, _plus_minus(v.null, v.null_error), note


def _memorisation(v: Verdict, found: Memorisation) -> Words:
    note = (
        f"expected {found.expected:.2f} of new catalogues ({found.excess:+.1f} sigma); by points "
    )
    note += f"{_plus_minus(found.point_fraction, found.point_error)}; copies {found.copies:.0%}"
    return "nearest is training", _plus_minus(v.value, v.error), f"{v.null:.2f}", note


def _gradient(v: Verdict, gradient: Gradient) -> Words:
    found = gradient.response
    note = f"slope of generated against held-out, which varies by {found.signal:.1f} sigma"
    if not found.judged:
        note += ": too weak to tell"
    title = f"dln {v.statistic}/d {gradient.parameter}"
    return title, _plus_minus(v.value, v.error), _about_one(v), note


def _mark(v: Verdict, mark: MarkComparison) -> Words:
    truth, mock = mark.held_out_moments, mark.generated_moments
    note = f"mean {mock.mean:.4g} and {truth.mean:.4g}; std {mock.std:.4g} and "
    note += f"{truth.std:.4g} (generated and held-out)"
    if mark.constant:
        note = f"{truth.mean:.6g} in all points of both sets but for rounding: nothing to compare"
    return f"{v.statistic} KS", f"{v.value:.3f}", f"{v.null:.3f}", note


def _phases(v: Verdict, phases: PhaseComparison) -> Words:
    n = v.numbers
    note = f"mean over {len(phases.axis.centre)} bins of k and {phases.fields} fields that both "
    note += f"share; T {_plus_minus(n['transfer'], n['transfer_error'], 3)}"
    if phases.generated is not None:
        note += f"; with the field {_plus_minus(n['field'], n['field_error'], 3)} and "
        note += f"{_plus_minus(n['held_out_field'], n['held_out_field_error'], 3)} (generated and "
        note += "held-out)"
    if phases.ceiling is None:
        note += "; no ceiling, with fewer than four fields drawn twice"
    return "r(k) with truth", _plus_minus(v.value, v.error, 3), "-", note


def _ceiling(v: Verdict, phases: PhaseComparison) -> Words:
    n = v.numbers
    note = f"two draws on one field have r {_plus_minus(n['ceiling'], n['ceiling_error'], 3)} "
    note += f"({phases.pairs} fields); chi2/dof {n['chi2']:.2f}, bins taken as independent"
    if abs(v.value) > 3 * v.error:
        more = "more" if v.value < 0 else "less"
        note += f"; draws agree {more} with each other than with the truth"
    figure, noise = _plus_minus(v.value, v.error, 3), f"0 +- {v.null_error:.3f}"
    return "r(k) with truth less two draws", figure, noise, note


_WORDS: Mapping[Kind, Callable[[Verdict, Any], Words]] = {
    Kind.CLOSURE: _closure,
    Kind.RESPONSE: _response,
    Kind.COUNT: _count,
    Kind.CHI_SQUARE: _chi_square,
    Kind.SPREAD: _spread,
    Kind.TWO_SAMPLE: _two_sample,
    Kind.MEMORISATION: _memorisation,
    Kind.GRADIENT: _gradient,
    Kind.MARK: _mark,
    Kind.PHASES: _phases,
    Kind.CEILING: _ceiling,
}
