"""Verdicts in words: one row per measure, with its figure, the noise beside it and the target.

Nothing is judged here that was not measured: a row whose signal is too weak says so, and a target
that is not met says "missed", by how much and where.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable

import numpy as np

from galgen.validation.checks.gradient import Gradient
from galgen.validation.checks.memorisation import Memorisation
from galgen.validation.checks.response import Response
from galgen.validation.checks.two_sample import TwoSample
from galgen.validation.curves import CurveComparison
from galgen.validation.marks import CountComparison, MarkComparison

MET, MISSED, NOT_JUDGED, NOTED = "met", "missed", "not judged", "noted"


@dataclasses.dataclass(frozen=True)
class Verdict:
    """One row of the table.

    Attributes:
        measure: what was measured, and on which split.
        figure: its value and error.
        noise: what held-out gives against itself.
        target: what was asked; empty where nothing was.
        status: met, missed, not judged (too little signal), or noted (no target).
        note: where and by how much it was missed, or how it is to be read.
    """

    measure: str
    figure: str
    noise: str
    target: str
    status: str
    note: str = ""


def closure_verdict(curve: CurveComparison, split: str) -> Verdict:
    """The least closure over the judged bins."""
    measure, target = f"{curve.name} closure, {split}", f">= {curve.target:.2f}"
    worst = curve.worst
    if worst is None:
        note = "no bin of held-out is significant; add catalogues or widen the bins"
        return Verdict(measure, "-", "-", target, NOT_JUDGED, note)
    figure = (
        f"{curve.closure[worst]:.2f} +- {curve.closure_error[worst]:.2f} "
        f"(median {curve.median:.2f})"
    )
    floor = curve.floor[curve.judged]
    noise = f"{np.min(floor):.2f} (median {np.median(floor):.2f})"
    where = [int(index) for index in np.flatnonzero(curve.missed)]
    if not len(where):
        note = f"all {curve.judged.sum()} judged bins; worst at {curve.axis.bin_name(worst)}"
        return Verdict(measure, figure, noise, target, MET, note)
    bins = [
        f"{curve.axis.bin_name(i)} {curve.closure[i]:.2f} ({curve.shortfall[i]:.1f} sigma below)"
        for i in where
    ]
    note = f"missed in {len(where)} of {curve.judged.sum()} judged bins: " + "; ".join(bins)
    noisy = sum(curve.floor[i] < curve.target for i in where)
    if noisy:
        note += f". In {noisy} of these, halves of held-out miss it against each other too"
    return Verdict(measure, figure, noise, target, MISSED, note)


def chi_square_verdict(curve: CurveComparison, split: str) -> Verdict:
    """Chi-square per degree of freedom; no target, its noise is 1 by definition."""
    found = curve.chi_square
    note = found.note
    if found.full:
        note += f"; bins taken as independent: {curve.reduced_chi_square:.2f}"
    if not found.degrees:
        return Verdict(f"{curve.name} chi2/dof, {split}", "-", "-", "", NOTED, note)
    return Verdict(
        f"{curve.name} chi2/dof, {split}",
        f"{found.reduced:.2f} ({found.degrees} bins), p {found.p_value:.2g}",
        f"1 +- {math.sqrt(2 / found.degrees):.2f}",
        "",
        NOTED,
        note,
    )


def spread_verdict(curve: CurveComparison, split: str) -> Verdict:
    """Variance ratio of single catalogues, median over bins, with the ranks and the CRPS."""
    spread = curve.spread
    ratio, error = median(spread.variance_ratio), median(spread.variance_ratio_error)
    note = f"median over bins, {spread.variance_groups}; rank histograms flat with p "
    note += f"{spread.flatness_p_value:.2g}, {spread.rank_groups}"
    if math.isfinite(median(spread.crps_ratio)):
        note += f"; CRPS {median(spread.crps_ratio):.2f} +- {median(spread.crps_ratio_error):.2f} "
        note += f"times that of half of held-out on half, p {spread.crps_p_value:.2g}"
    noise = f"1 +- {error:.2f}"
    figure = f"variance x {ratio:.2f} +- {error:.2f}"
    return Verdict(f"{curve.name} spread, {split}", figure, noise, "", NOTED, note)


def two_sample_verdict(test: TwoSample, split: str) -> Verdict:
    """PQMass of single catalogues."""
    generated, held_out = test.catalogues
    note = f"summaries of {test.dimensions} numbers, {generated} generated and {held_out} held-out "
    note += f"in {test.cells} cells; p by relabelling"
    if test.constant:
        note += f"; left out, the same in all of both: {', '.join(test.constant)}"
    return Verdict(
        f"PQMass chi2/dof, {split}",
        f"{test.chi_square:.2f}, p {test.p_value:.2g}",
        f"{test.null:.2f} +- {test.null_error:.2f}",
        "",
        NOTED,
        note,
    )


def memorisation_verdict(found: Memorisation, split: str) -> Verdict:
    """How many generated catalogues are nearest to a training one."""
    note = (
        f"expected {found.expected:.2f} of new catalogues ({found.excess:+.1f} sigma); by points "
    )
    note += f"{found.point_fraction:.2f} +- {found.point_error:.2f}; copies "
    note += f"{found.copies:.0%}"
    return Verdict(
        f"nearest is training, {split}",
        f"{found.fraction:.2f} +- {found.error:.2f}",
        f"{found.null:.2f}",
        "",
        NOTED,
        note,
    )


def gradient_verdict(gradient: Gradient, split: str) -> Verdict:
    """Slope of d ln S / d theta, generated against held-out."""
    found = gradient.response
    note = f"slope of generated against held-out, which varies by {found.signal:.1f} sigma"
    if not found.judged:
        note += ": too weak to tell"
    return Verdict(
        f"dln {found.name}/d {gradient.parameter}, {split}",
        f"{found.slope:.2f} +- {found.slope_error:.2f}",
        f"1 +- {found.slope_error:.2f}",
        "",
        NOTED,
        note,
    )


def median(values: np.ndarray) -> float:
    """Of the finite values; NaN for none."""
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if len(finite) else math.nan


def response_verdict(response: Response, low: str, high: str) -> Verdict:
    """The slope of the response to cosmology."""
    measure = f"{response.name} response, {low} to {high}"
    target = f"1 +- {response.target:.2f}"
    noise = f"1 +- {response.slope_error:.2f}"
    figure = f"{response.slope:.2f} +- {response.slope_error:.2f}"
    if not response.judged:
        note = f"held-out itself changes by {response.signal:.1f} sigma only"
        return Verdict(measure, figure, noise, target, NOT_JUDGED, note)
    direction = "right direction" if response.right_direction else "WRONG direction"
    note = f"{direction}; held-out changes by {response.signal:.0f} sigma"
    if not response.met:
        over = (abs(response.slope - 1) - response.target) / max(response.slope_error, 1e-12)
        note = f"missed: {note}; {over:.1f} sigma outside"
    return Verdict(measure, figure, noise, target, MET if response.met else MISSED, note)


def count_verdict(count: CountComparison, split: str) -> Verdict:
    """Mean number of points, generated over held-out."""
    truth, mock = count.held_out, count.generated
    note = f"mean {mock.mean():.1f} and {truth.mean():.1f}; std {mock.std(ddof=1):.1f} and "
    note += f"{truth.std(ddof=1):.1f} (generated and held-out)"
    error = count.ratio_error
    return Verdict(
        f"N mean ratio, {split}",
        f"{count.ratio:.3f} +- {error:.3f}",
        f"1 +- {error:.3f}",
        "",
        NOTED,
        note,
    )


def mark_verdict(mark: MarkComparison, split: str) -> Verdict:
    """Kolmogorov-Smirnov distance of a mark."""
    truth, mock = mark.held_out_moments, mark.generated_moments
    note = f"mean {mock.mean:.4g} and {truth.mean:.4g}; std {mock.std:.4g} and "
    note += f"{truth.std:.4g} (generated and held-out)"
    if mark.constant:
        note = f"{truth.mean:.6g} in all points of both sets but for rounding: nothing to compare"
    return Verdict(
        f"{mark.name} KS, {split}", f"{mark.distance:.3f}", f"{mark.null:.3f}", "", NOTED, note
    )


def summary(verdicts: Iterable[Verdict]) -> str:
    """One sentence: how many targets were met, and which were not."""
    rows = [v for v in verdicts if v.status != NOTED]
    met = sum(v.status == MET for v in rows)
    missed = [v.measure for v in rows if v.status == MISSED]
    weak = [v.measure for v in rows if v.status == NOT_JUDGED]
    parts = [f"{met} of {len(rows)} targets met"]
    if missed:
        parts.append("missed: " + "; ".join(missed))
    if weak:
        parts.append("too little signal to judge: " + "; ".join(weak))
    return ". ".join(parts) + "."
