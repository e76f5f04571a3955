"""What a comparison found: a verdict for each measure of a split, with a stated error rate.

A measure is *shown bad* if generated differs from held-out, with at most 5% probability that a
whole report finds such a difference in truth (Holm's correction over all of its tests), and if the
best estimate of the error is beyond the tolerance in a bin that differs by itself. It is *shown
good* if an equivalence test (:mod:`galgen.validation.checks.equivalence`) shows every bin within
the tolerance. Else there are too few catalogues to tell. Tests of whole catalogues and of
memorisation have no percentage: they find a fault or none.

A :class:`Verdict` holds numbers. :mod:`galgen.validation.words` says them in a table, a report or
a notebook, and :func:`numbers` gives them by dotted name, for a gate in a script:

====================================== =====================================================
name                                   meaning
====================================== =====================================================
``verdicts.bad``, ``.good``,           how many of all splits
``.cannot_tell``, ``.no_fault``
``xi.p``                               of no difference (so ``P0``, ``N``, ``log10_mass``)
``xi.error``, ``xi.noise``             of the worst bin, relative, and its standard error
``xi.tolerance``                       the least tolerance to which it is shown good
``xi.finds``                           the least error that would be found with 80%
``xi.enough``                          catalogues to show good, at the tolerance, what is right
``xi.bad``, ``xi.good``                1 if it is shown to be so, else 0
``xi.spread.p`` and as above           of the standard deviation of single catalogues
``xi.response.p`` and as above         of the change from the low to the high split
``xi.gradient.omega_m.p``, as above    of d ln xi / d omega_m
``xi.response``, ``xi.response_error`` slope of generated against held-out
``xi.gradient.omega_m``                the same (also ``xi.gradient_error.omega_m``)
``xi.closure``, ``xi.closure_median``  over the judged bins of a curve: least, median
``xi.chi2``                            per degree of freedom, whole covariance where there is one
``xi.chi2_diagonal``                   the same, bins taken as independent
``xi.bias``                            greatest bias in cosmic variance, over the bins
``xi.variance_ratio``, ``xi.rank_p``,  spread of single catalogues: median variance ratio, p of
``xi.crps_ratio``                      the rank histograms, median CRPS over its null
``N.ratio``, ``N.ratio_error``         mean number of points
``N.std_ratio``                        ratio of the standard deviations of the number
``log10_mass.ks``, ``.ks_null``        Kolmogorov-Smirnov distance of a mark
``pqmass.chi2``, ``.null``, ``.p``     sample-level test
``memorisation.fraction``, ``.p``,     nearest is training, by summaries and by points
``.point_fraction``, ``.expected``,
``.excess``, ``.copies``
``r.truth``, ``r.truth_error``         r(k) with the truth of the same fields, mean over the bins;
                                       so ``r.transfer``, T(k), and ``r.field``, with the field,
                                       which ``r.held_out_field`` is of the truth
``r.ceiling``, ``r.ceiling_error``     r(k) of two draws on one field, mean over the bins
``r.difference``, ``.chi2``            r with truth less that of two draws: mean over the bins
                                       (also ``.difference_error``), mean square in errors
====================================== =====================================================

A name without a split is that of the main one. With the name of a split before it
(``low.xi.tolerance``), it is that of another. Words of a name that are no identifiers have
underscores.
"""

from __future__ import annotations

import dataclasses
import enum
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from galgen.measurements.ratio import divided
from galgen.validation.checks.equivalence import Agreement, agree_number, holm
from galgen.validation.checks.phases import PhaseComparison, over_bins
from galgen.validation.checks.response import Response
from galgen.validation.curves import CurveComparison
from galgen.validation.marks import MASS
from galgen.validation.split import SplitComparison


class Kind(enum.StrEnum):
    """What a verdict is about."""

    MEAN = "mean"
    COUNT = "count"
    MARK = "mark"
    SPREAD = "spread"
    COUNT_SPREAD = "count spread"
    RESPONSE = "response"
    GRADIENT = "gradient"
    PHASES = "phases"
    TWO_SAMPLE = "two sample"
    MEMORISATION = "memorisation"


class Status(enum.StrEnum):
    """What came of it; no fault is found where there is no percentage to be good to."""

    BAD = "shown bad"
    GOOD = "shown good"
    CANNOT_TELL = "cannot tell"
    NO_FAULT = "no fault found"


@dataclasses.dataclass(frozen=True)
class Verdict:
    """One measure of generated catalogues against held-out ones.

    Attributes:
        kind: of the measure.
        statistic: the curve, mark or test, ``xi`` or ``N``.
        splits: the split, or the two that a response leads from and to.
        p_value: of no difference; NaN where it was not tested.
        agreement: error and noise of every bin; None where there is no percentage.
        numbers: all numbers of the measure, by the names that follow the statistic.
        result: what the numbers were taken of.
        status: what came of it.
        tolerance: to which it is good or bad.
        tests: of the whole report.
    """

    kind: Kind
    statistic: str
    splits: tuple[str, ...]
    p_value: float
    agreement: Agreement | None = dataclasses.field(compare=False)
    numbers: Mapping[str, float]
    result: Any = dataclasses.field(repr=False, compare=False)
    status: Status
    tolerance: float
    tests: int

    @property
    def worst(self) -> tuple[str, float, float, bool]:
        """Name, error and noise of the worst bin, and whether it is strong; NaN for none."""
        if self.agreement is None:
            return "", math.nan, math.nan, False
        found, place = self.agreement, self.agreement.worst(self.tolerance)
        name, error, noise = found.bins[place], float(found.error[place]), float(found.noise[place])
        if math.isfinite(error) and self._of_logarithms(name):
            error, noise = math.expm1(error), noise * math.exp(error)
        return name, error, noise, bool(found.strong[place])

    def _of_logarithms(self, bin_name: str) -> bool:
        """Whether the error of a bin is that of a logarithm."""
        if self.kind is Kind.MARK:
            return bin_name == "width" or (bin_name == "mean" and self.statistic == MASS)
        return self.kind in (Kind.SPREAD, Kind.COUNT_SPREAD)

    @property
    def finds(self) -> float:
        """The least error that would be found with a probability of 80%; infinite for none."""
        if self.agreement is None:
            return math.inf
        return self.agreement.detectable(self.tests, self.tolerance)

    @property
    def severity(self) -> float:
        """By which the bad ones are sorted: the least that the error surely is."""
        _, error, noise, _ = self.worst
        return abs(error) - (2 * noise if math.isfinite(noise) else 0.0)


def unjudged(
    kind: Kind,
    statistic: str,
    splits: tuple[str, ...],
    p_value: float,
    agreement: Agreement | None,
    numbers: Mapping[str, float],
    result: Any,
) -> Verdict:
    """A measure without a status, which takes the p-values of the whole report."""
    what = (kind, statistic, splits, p_value, agreement, numbers, result)
    return Verdict(*what, Status.CANNOT_TELL, math.nan, 0)


def judged(found: Sequence[Verdict], tolerance: float) -> tuple[Verdict, ...]:
    """The verdicts of a report: their status, from the p-values of all."""
    differs = holm([verdict.p_value for verdict in found])
    tests = sum(not math.isnan(verdict.p_value) for verdict in found)
    made = []
    for verdict, different in zip(found, differs, strict=True):
        known = dataclasses.replace(
            verdict,
            status=_status(verdict, different, tolerance),
            tolerance=tolerance,
            tests=tests,
        )
        made.append(dataclasses.replace(known, numbers={**_test_numbers(known), **known.numbers}))
    return tuple(made)


def _status(verdict: Verdict, different: bool, tolerance: float) -> Status:
    found = verdict.agreement
    if found is None:
        if math.isnan(verdict.p_value):
            return Status.CANNOT_TELL
        return Status.BAD if different else Status.NO_FAULT
    if different and found.bad(tolerance).any():
        return Status.BAD
    good = found.strong.any() and found.good(tolerance)[found.strong].all()
    return Status.GOOD if good else Status.CANNOT_TELL


PREFIX: Mapping[Kind, str] = {
    Kind.SPREAD: "spread.",
    Kind.COUNT_SPREAD: "spread.",
    Kind.RESPONSE: "response.",
}


def _test_numbers(verdict: Verdict) -> dict[str, float]:
    """What every test tells, by name."""
    before = PREFIX.get(verdict.kind, "")
    if verdict.kind is Kind.GRADIENT:
        before = f"gradient.{identifier(verdict.result.parameter)}."
    found = {"p": verdict.p_value, "bad": float(verdict.status is Status.BAD)}
    if verdict.agreement is not None:
        _, error, noise, _ = verdict.worst
        found |= {
            "good": float(verdict.status is Status.GOOD),
            "error": error,
            "noise": noise,
            "tolerance": verdict.agreement.tolerance,
            "finds": verdict.finds,
            "enough": verdict.agreement.enough(verdict.tolerance),
        }
    return {f"{before}{name}": value for name, value in found.items()}


def response_verdict(response: Response, low: str, high: str) -> Verdict:
    """The slope of the response to cosmology from one split to another."""
    numbers = {"response": response.slope, "response_error": response.slope_error}
    splits, known = (low, high), response.agreement
    return unjudged(Kind.RESPONSE, response.name, splits, known.p_value, known, numbers, response)


def verdicts_of(split: SplitComparison) -> Iterator[Verdict]:
    """The measures of a split."""
    name, count, test, memory = split.name, split.count, split.two_sample, split.memorisation

    def tested(
        kind: Kind, statistic: str, found: Agreement, numbers: Mapping[str, float], result: Any
    ) -> Verdict:
        return unjudged(kind, statistic, (name,), found.p_value, found, numbers, result)

    for curve in split.curves:
        yield tested(Kind.MEAN, curve.name, curve.means, _of_means(curve), curve)
    numbers = {"ratio": count.ratio, "ratio_error": count.ratio_error}
    yield tested(Kind.COUNT, "N", count.means, numbers, count)
    for mark in split.marks:
        numbers = {"ks": mark.distance, "ks_null": mark.null}
        known = mark.agreement
        p_value = math.nan if known is None else known.p_value
        yield unjudged(Kind.MARK, mark.name, (name,), p_value, known, numbers, mark)
    for curve in split.curves:
        yield tested(Kind.SPREAD, curve.name, curve.spread.std, _of_spread(curve), curve.spread)
    numbers = {"std_ratio": count.std_ratio}
    yield tested(Kind.COUNT_SPREAD, "N", count.std, numbers, count)
    for gradient in split.gradients:
        slope, parameter = gradient.response, identifier(gradient.parameter)
        numbers = {
            f"gradient.{parameter}": slope.slope,
            f"gradient_error.{parameter}": slope.slope_error,
        }
        yield tested(Kind.GRADIENT, slope.name, slope.agreement, numbers, gradient)
    if split.phases is not None:
        yield _of_phases(split.phases, name)
    numbers = {"chi2": test.chi_square, "null": test.null}
    yield unjudged(Kind.TWO_SAMPLE, "pqmass", (name,), test.p_value, None, numbers, test)
    if memory is not None:
        fields = ("fraction", "expected", "excess", "point_fraction", "copies")
        numbers = {field: getattr(memory, field) for field in fields}
        p_value = float(stats.norm.sf(memory.excess))
        yield unjudged(Kind.MEMORISATION, "memorisation", (name,), p_value, None, numbers, memory)


def _of_phases(phases: PhaseComparison, split: str) -> Verdict:
    """r with truth, less that of two draws on one field: 0 for a right mock."""
    value = over_bins(phases.coefficient)
    found = {"truth": value[0], "truth_error": value[1]}
    for name, curve in (
        ("transfer", phases.transfer),
        ("field", phases.generated),
        ("held_out_field", phases.held_out),
    ):
        found[name], found[f"{name}_error"] = over_bins(curve)
    if phases.difference is None:
        return unjudged(Kind.PHASES, "r", (split,), math.nan, None, found, phases)
    ceiling, value = over_bins(phases.ceiling), over_bins(phases.difference)
    deviation = divided(phases.difference.mean, phases.difference.error)
    varied = deviation[np.isfinite(deviation)]
    found |= {
        "ceiling": ceiling[0],
        "ceiling_error": ceiling[1],
        "difference": value[0],
        "difference_error": value[1],
        "chi2": float(np.mean(varied**2)) if len(varied) else math.nan,
    }
    known = agree_number(*value, phases.pairs - 1, phases.pairs)
    return unjudged(Kind.PHASES, "r", (split,), known.p_value, known, found, phases)


def _of_means(curve: CurveComparison) -> dict[str, float]:
    bias, varied = np.abs(curve.bias), curve.held_out.scatter > 0
    worst = curve.worst
    return {
        "closure": math.nan if worst is None else float(curve.closure[worst]),
        "closure_median": curve.median,
        "chi2": curve.means.chi_square,
        "chi2_diagonal": curve.reduced_chi_square,
        "bias": float(np.max(bias[varied])) if varied.any() else math.nan,
    }


def _of_spread(curve: CurveComparison) -> dict[str, float]:
    spread = curve.spread
    return {
        "variance_ratio": median(spread.variance_ratio),
        "rank_p": spread.flatness_p_value,
        "crps_ratio": median(spread.crps_ratio),
    }


def median(values: np.ndarray) -> float:
    """Of the finite values; NaN for none."""
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if len(finite) else math.nan


def numbers(verdicts: Sequence[Verdict], main: str) -> dict[str, float]:
    """Every number by dotted name; NaN for what was not measured.

    Args:
        verdicts: all of a comparison.
        main: the split whose numbers also stand without its name.
    """
    names = {
        Status.BAD: "bad",
        Status.GOOD: "good",
        Status.CANNOT_TELL: "cannot_tell",
        Status.NO_FAULT: "no_fault",
    }
    found = {
        f"verdicts.{name}": float(sum(v.status is status for v in verdicts))
        for status, name in names.items()
    }
    splits = [*dict.fromkeys(v.splits for v in verdicts)]
    statistics = [*dict.fromkeys(v.statistic for v in verdicts)]
    named = [
        (v, f"{identifier(v.statistic)}.{name}", value)
        for v in sorted(
            verdicts, key=lambda v: (splits.index(v.splits), statistics.index(v.statistic))
        )
        for name, value in v.numbers.items()
    ]
    found |= {name: x for v, name, x in named if len(v.splits) > 1 or v.splits == (main,)}
    return found | {
        f"{identifier(v.splits[0])}.{name}": x for v, name, x in named if len(v.splits) == 1
    }


def identifier(name: str) -> str:
    """The name with underscores for what an identifier cannot hold."""
    plain = re.sub(r"\W", "_", name)
    return plain if plain.isidentifier() else f"_{plain}"
