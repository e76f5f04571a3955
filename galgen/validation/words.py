"""Verdicts in words: a finding, the headline, a cell of a table, a row with its notes."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from galgen.validation.checks.equivalence import About, Agreement, CovarianceKind
from galgen.validation.checks.memorisation import Memorisation
from galgen.validation.checks.phases import PhaseComparison
from galgen.validation.checks.response import Gradient, Response
from galgen.validation.checks.spread import Spread
from galgen.validation.checks.two_sample import TwoSample
from galgen.validation.curves import CurveComparison
from galgen.validation.marks import MASS, CountComparison, MarkComparison
from galgen.validation.sets import Groups
from galgen.validation.split import SplitComparison
from galgen.validation.verdict import Kind, Status, Verdict, median

HEADINGS = ("measure", "worst error", "p", "good to", "would find", "verdict", "note")
NAMED = 3
"""Faults that the headline names."""
WORST_FIRST = (Status.BAD, Status.CANNOT_TELL, Status.GOOD, Status.NO_FAULT)


@dataclasses.dataclass(frozen=True)
class Row:
    """A verdict in words.

    Attributes:
        measure: what was measured, and on which split.
        worst: the error of the worst bin, and where it is.
        p_value: of no difference.
        good_to: the least tolerance to which it is shown good.
        finds: the least error that would be found with a probability of 80%.
        status: shown bad, shown good, cannot tell or no fault found.
        note: how it is to be read.
    """

    measure: str
    worst: str
    p_value: str
    good_to: str
    finds: str
    status: str
    note: str

    @property
    def sentence(self) -> str:
        """The row as one short sentence."""
        figures = ", ".join(
            f"{name}{value}"
            for name, value in (("", self.worst), ("p ", self.p_value))
            if value != "-"
        )
        return f"{self.measure}: {self.status}{f' ({figures})' if figures else ''}."


def row(verdict: Verdict) -> Row:
    """A verdict in words."""
    title, note = _WORDS[verdict.kind](verdict, verdict.result)
    bin_name, error, noise, strong = verdict.worst
    found = verdict.agreement
    worst = "-"
    if math.isfinite(error):
        worst = f"{error:+.1%} +- {noise:.1%}" + ("" if strong else " of one catalogue")
        worst += f" at {bin_name}" if bin_name else ""
    elif math.isinf(error):
        worst = f"no number at {bin_name}"
    good_to = "-" if found is None else _percent(found.tolerance)
    if verdict.status is Status.CANNOT_TELL and found is not None:
        enough = found.enough(verdict.tolerance)
        if math.isfinite(enough) and enough > found.catalogues:
            note = f"about {_rounded(enough)} catalogues a set would do; {note}".rstrip("; ")
    return Row(
        f"{title}, {' to '.join(verdict.splits)}",
        worst,
        "-" if math.isnan(verdict.p_value) else f"{verdict.p_value:.2g}",
        good_to,
        _percent(verdict.finds),
        verdict.status,
        note,
    )


def _percent(value: float) -> str:
    """A share in two digits; "-" for none."""
    if not math.isfinite(value):
        return "-"
    return f"{100 * value:.{0 if value >= 0.0995 else 1}f}%"


def _rounded(number: float) -> str:
    """To two digits."""
    return f"{float(f'{number:.2g}'):,.0f}"


def sentences(verdicts: Iterable[Verdict]) -> str:
    """Every verdict as one short sentence."""
    return " ".join(row(verdict).sentence for verdict in verdicts)


def cell(verdict: Verdict) -> str:
    """A verdict in a few characters: what came of it, and by how much."""
    _, error, _, strong = verdict.worst
    if verdict.agreement is None:
        known = "" if math.isnan(verdict.p_value) else f", p {verdict.p_value:.2g}"
        return f"{_SHORT[verdict.status]}{known}"
    if verdict.status is Status.BAD:
        size = f" {error:+.0%}" if strong and math.isfinite(error) else ""
        return f"BAD{size}"
    reach = _percent(verdict.agreement.tolerance)
    if verdict.status is Status.GOOD:
        return f"good to {reach}"
    return "cannot tell" + ("" if reach == "-" else f" ({reach})")


_SHORT = {**{status: status.value for status in Status}, Status.BAD: "BAD"}


@dataclasses.dataclass(frozen=True)
class Line:
    """A measure of all splits: what it is, and the verdict of each.

    Attributes:
        measure: what was measured.
        verdicts: by split; that of a response stands under the split that it leads to.
    """

    measure: str
    verdicts: Mapping[str, Verdict]


def lines(verdicts: Sequence[Verdict]) -> list[Line]:
    """The splits side by side: one line for each measure, in the order of the verdicts."""
    found: dict[str, dict[str, Verdict]] = {}
    for verdict in verdicts:
        title = _WORDS[verdict.kind](verdict, verdict.result)[0]
        if len(verdict.splits) > 1:
            title += f", {' to '.join(verdict.splits)}"
        found.setdefault(title, {})[verdict.splits[-1]] = verdict
    return [Line(title, by_split) for title, by_split in found.items()]


def bad_first(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """What was shown bad: worst first, and by p where there is no percentage."""
    bad = [v for v in verdicts if v.status is Status.BAD]
    return sorted(bad, key=lambda v: (v.agreement is None, -v.severity, v.p_value))


def finding(verdict: Verdict, where: Mapping[str, str]) -> str:
    """What is wrong, by how much, at which scales and at which cosmology."""
    place, error, noise, strong = verdict.worst
    known = " to ".join(where.get(name, name) for name in verdict.splits)
    if verdict.p_value > 0:
        known += f"; p {verdict.p_value:.0e}"
    subject, units, at = _subject(verdict, place), "", f" at {place}" if place else ""
    if verdict.kind is Kind.MARK:
        units, at = " of its width" if (place, subject) == ("mean", verdict.statistic) else "", ""
    size = f"{_percent(abs(error))} +- {_percent(noise)}{units}"
    if not strong:
        size = f"{abs(error):.2f} +- {noise:.2f} of the scatter of one catalogue"
    return f"{subject} {_fault(verdict, place, size)}{at} ({known})"


def _subject(verdict: Verdict, place: str) -> str:
    """What is too high, or too wide."""
    name = verdict.statistic
    match verdict.kind:
        case Kind.COUNT:
            return "the mean number of points"
        case Kind.SPREAD | Kind.COUNT_SPREAD:
            return f"the scatter of {name}"
        case Kind.MARK if place == "width":
            return f"the distribution of {name}"
        case Kind.MARK if place == "mean":
            return "the mean mass" if name == MASS else name
        case Kind.MARK:
            return f"the number of points of {name} {place}"
        case Kind.RESPONSE:
            return f"the response of {name}"
        case Kind.GRADIENT:
            return f"dln {name}/d {verdict.result.parameter}"
        case Kind.PHASES:
            return "r(k) of draws with the truth"
        case Kind.TWO_SAMPLE:
            return "the summaries of whole catalogues"
    return name


def _fault(verdict: Verdict, place: str, size: str) -> str:
    """What it is, by how much."""
    error = verdict.worst[1]
    high, kind = error > 0, verdict.kind
    if math.isinf(error):
        return "is no number"
    match kind:
        case Kind.TWO_SAMPLE:
            return "tell the sets apart"
        case Kind.MEMORISATION:
            found = verdict.result
            return (
                f"is seen: {found.fraction:.0%} nearest to training, {found.expected:.0%} expected"
            )
        case Kind.PHASES:
            return f"is {'above' if high else 'below'} that of two draws by {abs(error):.3f}"
        case Kind.RESPONSE | Kind.GRADIENT if error + 2 * verdict.worst[2] < -1:
            return "goes the wrong way"
        case Kind.RESPONSE | Kind.GRADIENT:
            return f"is {size} too {'strong' if high else 'weak'}"
        case Kind.SPREAD | Kind.COUNT_SPREAD:
            return f"is {size} too {'large' if high else 'small'}"
        case Kind.MARK if place == "width":
            return f"is {size} too {'wide' if high else 'narrow'}"
    return f"is {size} too {'high' if high else 'low'}"


def summary(verdicts: Sequence[Verdict], where: Mapping[str, str]) -> str:
    """The judgement in one sentence with the worst finding, and how much is good."""
    tested = [v for v in verdicts if not math.isnan(v.p_value)]
    count = Counter(v.status for v in tested)
    tolerance = _percent(verdicts[0].tolerance) if verdicts else "-"
    bad = bad_first(tested)
    if bad:
        named = "; ".join(finding(v, where) for v in bad[:NAMED])
        more = f"; and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
        said = f"Shown bad at a tolerance of {tolerance} in {len(bad)} of {len(tested)} measures. "
        said += f"Worst first: {named}{more}."
    else:
        said = f"No fault is shown in {len(tested)} measures at a tolerance of {tolerance}."
    said += f" Shown good to {tolerance}: {count[Status.GOOD]}."
    if unknown := [v for v in tested if v.status is Status.CANNOT_TELL]:
        said += f" Too few catalogues to tell: {len(unknown)}"
        needed = [v.agreement.enough(v.tolerance) for v in unknown if v.agreement]
        known = [n for n in needed if math.isfinite(n)]
        said += (
            f"; about {_rounded(float(np.median(known)))} a set would do for half of them."
            if known
            else "."
        )
    return said


def places(splits: Sequence[SplitComparison]) -> dict[str, str]:
    """Every split with the parameters by which the splits, or its catalogues, differ."""
    spans = [split.cosmology for split in splits]
    names = [
        name
        for name in spans[0]
        if all(name in span for span in spans)
        and len({f"{value:.4g}" for span in spans for value in span[name]}) > 1
    ]
    found = {}
    for split in splits:
        said = []
        for name in names:
            low, _, high = (f"{value:.3g}" for value in split.cosmology[name])
            said.append(f"{name} {low}" if low == high else f"{name} {low} to {high}")
        found[split.name] = f"{split.name}: {', '.join(said)}" if said else split.name
    return found


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
            f"{curve.name}, {split.name}: {covariance_of(curve.means)}."
            for curve in split.curves
            if not curve.means.full
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


def covariance_of(found: Agreement) -> str:
    """How the covariance of a difference was made, or why it could not be used."""
    return _COVARIANCES[found.kind].format(
        catalogues=found.catalogues,
        bins=found.degrees,
        about=_ABOUT[found.about].format(", ".join(found.parameters)),
    )


_ABOUT: Mapping[About, str] = {
    About.MEAN: "their mean",
    About.CONDITION: "the mean of their condition",
    About.LINE: "a straight line in {}",
    About.PAIR: "those of the same fields",
}
_COVARIANCES: Mapping[CovarianceKind, str] = {
    CovarianceKind.FULL: "covariance of {catalogues} catalogues a set about {about}",
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
Words = tuple[str, str]
"""Title and note."""


def _plus_minus(value: float, error: float, digits: int = 2) -> str:
    return f"{value:.{digits}f} +- {error:.{digits}f}"


def _mean(v: Verdict, curve: CurveComparison) -> Words:
    note = f"{_ranges(v)}{covariance_of(curve.means)}; chi2/dof {v.numbers['chi2']:.2f}"
    return f"{v.statistic} mean", f"{note}; closure, median {curve.median:.2f}"


def _ranges(v: Verdict) -> str:
    """Which bins are shown bad, and how many good."""
    assert v.agreement is not None
    found, said = v.agreement, ""
    bad = found.bad(v.tolerance)
    if v.status is Status.BAD and bad.sum() > 1:
        said = "; ".join(
            f"{found.bins[i]} {found.error[i]:+.1%}" for i in np.flatnonzero(bad).tolist()
        )
        said = f"bad at {said}; "
    good, strong = int(found.good(v.tolerance).sum()), int(found.strong.sum())
    weak = len(found.bins) - strong
    said += f"{good} of {strong} bins good; "
    return said + (f"{weak} near zero in held-out, no percentage; " if weak else "")


def _spread(v: Verdict, spread: Spread) -> Words:
    note = f"variance x {median(spread.variance_ratio):.2f}, {_GROUPS[spread.variance_groups]}; "
    note += f"rank histograms flat with p {spread.flatness_p_value:.2g}"
    ratio = v.numbers["crps_ratio"]
    if math.isfinite(ratio):
        note += f"; CRPS {_plus_minus(ratio, median(spread.crps_ratio_error))} "
        note += f"times that of half of held-out on half, p {spread.crps_p_value:.2g}"
    return f"{v.statistic} scatter", note


def _count(v: Verdict, count: CountComparison) -> Words:
    truth, mock = count.held_out, count.generated
    return "N mean", f"mean {mock.mean():.1f} and {truth.mean():.1f} (generated and held-out)"


def _count_spread(v: Verdict, count: CountComparison) -> Words:
    truth, mock = count.held_out, count.generated
    note = f"std {mock.std(ddof=1):.1f} and {truth.std(ddof=1):.1f} (generated and held-out)"
    return "N scatter", note


def _response(v: Verdict, response: Response) -> Words:
    note = f"slope {_plus_minus(response.slope, response.slope_error)}; held-out changes by "
    note += f"{response.signal:.0f} sigma" + ("" if response.judged else ": too weak to tell")
    return f"{v.statistic} response", note


def _gradient(v: Verdict, gradient: Gradient) -> Words:
    return f"dln {v.statistic}/d {gradient.parameter}", _response(v, gradient.response)[1]


def _mark(v: Verdict, mark: MarkComparison) -> Words:
    truth, mock = mark.held_out_moments, mark.generated_moments
    note = f"mean {mock.mean:.4g} and {truth.mean:.4g}; std {mock.std:.4g} and {truth.std:.4g} "
    note += f"(generated and held-out); KS {mark.distance:.3f}, halves of held-out {mark.null:.3f}"
    if mark.constant:
        note = f"{truth.mean:.6g} in all points of both sets but for rounding: nothing to compare"
    return v.statistic, note


def _phases(v: Verdict, phases: PhaseComparison) -> Words:
    n = v.numbers
    note = f"r with truth {_plus_minus(n['truth'], n['truth_error'], 3)}, mean over "
    note += f"{len(phases.axis.centre)} bins of k and {phases.fields} fields that both share; "
    note += f"T {_plus_minus(n['transfer'], n['transfer_error'], 3)}"
    if phases.generated is not None:
        note += f"; with the field {_plus_minus(n['field'], n['field_error'], 3)} and "
        note += f"{_plus_minus(n['held_out_field'], n['held_out_field_error'], 3)} (generated and "
        note += "held-out)"
    if phases.ceiling is None:
        return "r(k) with truth", f"{note}; no ceiling, with fewer than four fields drawn twice"
    note += f"; two draws on one field have r {_plus_minus(n['ceiling'], n['ceiling_error'], 3)} "
    note += f"({phases.pairs} fields); chi2/dof {n['chi2']:.2f}, bins taken as independent"
    return "r(k) with truth less two draws", note


def _two_sample(v: Verdict, test: TwoSample) -> Words:
    generated, held_out = test.catalogues
    note = f"chi2/dof {test.chi_square:.2f}, halves of held-out {test.null:.2f}; summaries of "
    note += f"{test.dimensions} numbers, {generated} generated and {held_out} held-out "
    note += f"in {test.cells} cells; p by relabelling"
    if test.constant:
        note += f"; left out, the same in all of both: {', '.join(test.constant)}"
    return "whole catalogues (PQMass)", note


def _memorisation(v: Verdict, found: Memorisation) -> Words:
    note = f"nearest is training for {_plus_minus(found.fraction, found.error)}, expected "
    note += f"{found.expected:.2f} of new catalogues ({found.excess:+.1f} sigma); by points "
    note += f"{_plus_minus(found.point_fraction, found.point_error)}; copies {found.copies:.0%}"
    return "memorisation", note


_WORDS: Mapping[Kind, Callable[[Verdict, Any], Words]] = {
    Kind.MEAN: _mean,
    Kind.COUNT: _count,
    Kind.MARK: _mark,
    Kind.SPREAD: _spread,
    Kind.COUNT_SPREAD: _count_spread,
    Kind.RESPONSE: _response,
    Kind.GRADIENT: _gradient,
    Kind.PHASES: _phases,
    Kind.TWO_SAMPLE: _two_sample,
    Kind.MEMORISATION: _memorisation,
}
