"""What a comparison found: one verdict for each measure of a split, with its noise and its target.

A :class:`Verdict` holds numbers. :mod:`galgen.validation.words` says them in a table, a report or
a notebook, and :func:`numbers` gives them by dotted name, for a gate in a script:

====================================== =====================================================
name                                   meaning
====================================== =====================================================
``targets.met``, ``.missed``,          how many rows of the summary
``.not_judged``
``xi.response``, ``xi.response_error`` slope from the low to the high split (so ``P0``, ``N``)
``xi.closure``, ``xi.closure_median``  over the judged bins of a curve: least, median
``xi.chi2``, ``xi.p``                  per degree of freedom, whole covariance; its p-value
``xi.chi2_diagonal``                   the same, bins taken as independent
``xi.bias``                            greatest bias in cosmic variance, over the bins
``xi.variance_ratio``, ``xi.rank_p``,  spread of single catalogues: median variance ratio, p of
``xi.crps_ratio``                      the rank histograms, median CRPS over its null
``xi.gradient.omega_m``                slope of d ln xi / d omega_m (also ``.gradient_error``)
``N.ratio``, ``N.ratio_error``         mean number of points
``N.std_ratio``                        ratio of the standard deviations of the number
``log10_mass.ks``, ``.ks_null``        Kolmogorov-Smirnov distance of a mark
``pqmass.chi2``, ``.null``, ``.p``     sample-level test
``memorisation.fraction``,             nearest is training, by summaries and by points
``.point_fraction``, ``.expected``,
``.excess``, ``.copies``
``r.truth``, ``r.truth_error``         r(k) with the truth of the same fields, mean over the bins;
                                       so ``r.transfer``, T(k), and ``r.field``, with the field,
                                       which ``r.held_out_field`` is of the truth
``r.ceiling``, ``r.ceiling_error``     r(k) of two draws on one field, mean over the bins
``r.difference``, ``.chi2``            r with truth less that of two draws: mean over the bins
                                       (also ``.difference_error``), mean square in errors
====================================== =====================================================

Every name but the first two rows is that of the main split. With the name of a split before it
(``low.xi.closure``), it is that of another. Words of a name that are no identifiers have
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

from galgen.measurements.ratio import divided
from galgen.validation.checks.phases import PhaseComparison, over_bins
from galgen.validation.checks.response import Response
from galgen.validation.curves import CurveComparison
from galgen.validation.split import SplitComparison


class Kind(enum.StrEnum):
    """What a verdict is about."""

    CLOSURE = "closure"
    RESPONSE = "response"
    COUNT = "count"
    CHI_SQUARE = "chi_square"
    SPREAD = "spread"
    TWO_SAMPLE = "two_sample"
    MEMORISATION = "memorisation"
    GRADIENT = "gradient"
    MARK = "mark"
    PHASES = "phases"
    CEILING = "ceiling"


class Status(enum.StrEnum):
    """What came of it: a target met, missed or with too little signal to judge; or no target."""

    MET = "met"
    MISSED = "missed"
    NOT_JUDGED = "not judged"
    NOTED = "noted"


@dataclasses.dataclass(frozen=True)
class Verdict:
    """One measure of generated catalogues against held-out ones.

    Attributes:
        kind: of the measure.
        statistic: the curve, mark or test, ``xi`` or ``N``.
        splits: the split, or the two that a response leads from and to.
        status: what came of it.
        value, error: of generated; an error of NaN where there is none.
        null, null_error: what held-out gives against itself; the same.
        target: the lowest and highest value that meets it; None where nothing is asked.
        numbers: all numbers of the measure, by the names that follow the statistic.
        result: what the numbers were taken of.
    """

    kind: Kind
    statistic: str
    splits: tuple[str, ...]
    status: Status
    value: float
    error: float
    null: float
    null_error: float
    numbers: Mapping[str, float]
    result: Any = dataclasses.field(repr=False, compare=False)
    target: tuple[float, float] | None = None

    @property
    def is_row(self) -> bool:
        """Whether it has a row in the table: a closure without a target has none."""
        return self.kind is not Kind.CLOSURE or self.target is not None


def closure_verdict(curve: CurveComparison, split: str) -> Verdict:
    """The least closure over the judged bins; noted for a curve without a target."""
    value = error = null = math.nan
    status = Status.MISSED if curve.missed.any() else Status.MET
    if (worst := curve.worst) is None:
        status = Status.NOT_JUDGED
    else:
        value, error = float(curve.closure[worst]), float(curve.closure_error[worst])
        null = float(np.min(curve.floor[curve.judged]))
    found = {"closure": value, "closure_median": curve.median}
    noted = _noted(Kind.CLOSURE, curve.name, split, (value, error), (null, math.nan), found, curve)
    if not curve.axis.targeted:
        return noted
    return dataclasses.replace(noted, status=status, target=(curve.target, math.inf))


def response_verdict(response: Response, low: str, high: str) -> Verdict:
    """The slope of the response to cosmology from one split to another."""
    slope, error, target = response.slope, response.slope_error, response.target
    status = Status.MET if response.met else Status.MISSED
    return Verdict(
        Kind.RESPONSE, response.name, (low, high), status if response.judged else Status.NOT_JUDGED,
        slope, error, 1.0, error, {"response": slope, "response_error": error}, response,
        (1 - target, 1 + target),
    )  # fmt: skip


def noted_verdicts(split: SplitComparison) -> Iterator[Verdict]:
    """The measures of a split that have no target."""
    name, count, test, memory = split.name, split.count, split.two_sample, split.memorisation
    ratio, error = count.ratio, count.ratio_error
    std = float(count.held_out.std(ddof=1))
    std_ratio = float(count.generated.std(ddof=1)) / std if std else math.nan
    found = {"ratio": ratio, "ratio_error": error, "std_ratio": std_ratio}
    yield _noted(Kind.COUNT, "N", name, (ratio, error), (1.0, error), found, count)
    yield from (_of_means(curve, name) for curve in split.curves)
    yield from (_of_catalogues(curve, name) for curve in split.curves)
    found = {"chi2": test.chi_square, "null": test.null, "p": test.p_value}
    value, null = (test.chi_square, math.nan), (test.null, test.null_error)
    yield _noted(Kind.TWO_SAMPLE, "pqmass", name, value, null, found, test)
    if memory is not None:
        fields = ("fraction", "expected", "excess", "point_fraction", "copies")
        found = {field: getattr(memory, field) for field in fields}
        value, null = (memory.fraction, memory.error), (memory.null, math.nan)
        yield _noted(Kind.MEMORISATION, "memorisation", name, value, null, found, memory)
    for gradient in split.gradients:
        slope, parameter = gradient.response, identifier(gradient.parameter)
        value, null = (slope.slope, slope.slope_error), (1.0, slope.slope_error)
        found = {f"gradient.{parameter}": value[0], f"gradient_error.{parameter}": value[1]}
        yield _noted(Kind.GRADIENT, slope.name, name, value, null, found, gradient)
    for mark in split.marks:
        value, null = (mark.distance, math.nan), (mark.null, math.nan)
        found = {"ks": mark.distance, "ks_null": mark.null}
        yield _noted(Kind.MARK, mark.name, name, value, null, found, mark)
    if split.phases is not None:
        yield from _of_phases(split.phases, name)


def _of_phases(phases: PhaseComparison, split: str) -> Iterator[Verdict]:
    """r with truth; then, less that of two draws on one field, which is 0 for a right mock."""
    value, nothing = over_bins(phases.coefficient), (math.nan, math.nan)
    found = {"truth": value[0], "truth_error": value[1]}
    for name, curve in (
        ("transfer", phases.transfer),
        ("field", phases.generated),
        ("held_out_field", phases.held_out),
    ):
        found[name], found[f"{name}_error"] = over_bins(curve)
    yield _noted(Kind.PHASES, "r", split, value, nothing, found, phases)
    if phases.difference is None:
        return
    ceiling, value = over_bins(phases.ceiling), over_bins(phases.difference)
    deviation = divided(phases.difference.mean, phases.difference.error)
    varied = deviation[np.isfinite(deviation)]
    found = {
        "ceiling": ceiling[0],
        "ceiling_error": ceiling[1],
        "difference": value[0],
        "difference_error": value[1],
        "chi2": float(np.mean(varied**2)) if len(varied) else math.nan,
    }
    yield _noted(Kind.CEILING, "r", split, value, (0.0, value[1]), found, phases)


def _of_means(curve: CurveComparison, split: str) -> Verdict:
    """Chi-square per degree of freedom; its noise is 1 by definition."""
    found = curve.chi_square
    null_error = math.sqrt(2 / found.degrees) if found.degrees else math.nan
    bias, varied = np.abs(curve.bias), curve.held_out.scatter > 0
    numbers = {
        "chi2": found.reduced,
        "p": found.p_value,
        "chi2_diagonal": curve.reduced_chi_square,
        "bias": float(np.max(bias[varied])) if varied.any() else math.nan,
    }
    value, null = (found.reduced, math.nan), (1.0, null_error)
    return _noted(Kind.CHI_SQUARE, curve.name, split, value, null, numbers, found)


def _of_catalogues(curve: CurveComparison, split: str) -> Verdict:
    """Variance of single catalogues over that of held-out, median over bins."""
    spread = curve.spread
    ratio, error = median(spread.variance_ratio), median(spread.variance_ratio_error)
    crps_ratio, rank_p = median(spread.crps_ratio), spread.flatness_p_value
    numbers = {"variance_ratio": ratio, "rank_p": rank_p, "crps_ratio": crps_ratio}
    return _noted(Kind.SPREAD, curve.name, split, (ratio, error), (1.0, error), numbers, spread)


def _noted(
    kind: Kind,
    statistic: str,
    split: str,
    value: tuple[float, float],
    null: tuple[float, float],
    numbers: Mapping[str, float],
    result: Any,
) -> Verdict:
    """A measure without a target; ``value`` and ``null`` with their errors."""
    return Verdict(kind, statistic, (split,), Status.NOTED, *value, *null, numbers, result)


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
    judged = (Status.MET, Status.MISSED, Status.NOT_JUDGED)
    found = {
        f"targets.{identifier(status)}": float(sum(v.status is status for v in verdicts))
        for status in judged
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
