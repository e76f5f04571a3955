"""Verdicts in words: one row per measure, with its figure, the noise beside it and the target.

Nothing is judged here that was not measured: a row whose signal is too weak says so, and a target
that is not met says "missed", by how much and where.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable

import numpy as np

from galgen.validation.closure import CurveComparison
from galgen.validation.marks import CountComparison, MarkComparison
from galgen.validation.response import Response

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
        note = f"all {curve.judged.sum()} judged bins; worst at {curve.bin_name(worst)}"
        return Verdict(measure, figure, noise, target, MET, note)
    bins = [
        f"{curve.bin_name(i)} {curve.closure[i]:.2f} ({curve.shortfall[i]:.1f} sigma below)"
        for i in where
    ]
    note = f"missed in {len(where)} of {curve.judged.sum()} judged bins: " + "; ".join(bins)
    noisy = sum(curve.floor[i] < curve.target for i in where)
    if noisy:
        note += f". In {noisy} of these, halves of held-out miss it against each other too"
    return Verdict(measure, figure, noise, target, MISSED, note)


def chi_square_verdict(curve: CurveComparison, split: str) -> Verdict:
    """Chi-square per degree of freedom; no target, its noise is 1 by definition."""
    degrees = len(curve.centre)
    return Verdict(
        f"{curve.name} chi2/dof, {split}",
        f"{curve.reduced_chi_square:.2f} ({degrees} bins)",
        f"1 +- {math.sqrt(2 / degrees):.2f}",
        "",
        NOTED,
        "bins taken as independent",
    )


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
    note = f"mean {mock.mean:.4g} and {truth.mean:.4g}; std {mock.deviation:.4g} and "
    note += f"{truth.deviation:.4g} (generated and held-out)"
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
