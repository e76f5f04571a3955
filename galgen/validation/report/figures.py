"""The figures of a report, each with a caption that says what to look at and a verdict in words."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import matplotlib
from matplotlib.figure import Figure

from galgen.plot_style import STYLE
from galgen.validation.comparison import Comparison
from galgen.validation.curves import CurveComparison
from galgen.validation.report.plot_catalogues import marks_figure, spread_figure
from galgen.validation.report.plot_curves import (
    correlation_figure,
    covariance_figure,
    power_figure,
    ratio_figure,
    statistics_figure,
)
from galgen.validation.report.plot_response import gradient_figure, response_figure
from galgen.validation.report.plot_rotation import rotation
from galgen.validation.report.plot_slices import matched_pairs, slice_figure
from galgen.validation.sets import Sets
from galgen.validation.verdict import Kind
from galgen.validation.words import sentences

SLICES = (
    "Points with z in the first quarter of the box; symbols grow with mass where there is one. "
    "Each pair shows a held-out catalogue whose number of points is nearest the mean, and the "
    "generated one nearest to it in cosmology: they were not picked by eye. Look for the same "
    "richness of clumps and voids, not for the same places."
)
CORRELATION = (
    "Top: correlation function of held-out (line, dark band: error of the mean, light band: one "
    "catalogue) and generated (circles); dashed, uniform points with the same numbers, as measured."
    " Bottom left: closure, the part of the way from uniform to truth; the shaded strip is the "
    "target, the dotted line what one half of held-out scores on the other, faint bins are too "
    "noisy to judge. Bottom right: difference in units of both errors. Circles belong in the band, "
    "and the differences scattered within ±2."
)
POWER = (
    "As the correlation function, for the multipoles of the power spectrum along z, shot noise "
    "taken off. Positions are as they are in the catalogue, so that without a shift to redshift "
    "space only the monopole has a signal and the others show that no axis is preferred."
)
MARKS = (
    "Left: number of points per catalogue; its spread matters as much as its mean. Others: the "
    "distribution of each mark over all points, logarithmic, so that tails show; below, the "
    "difference in units of both errors."
)
RATIO = (
    "Generated over held-out for every split. Band: error of the mean of held-out; bars: that of "
    "generated; dotted: ±10%; faint bins are too weak in held-out to judge. Look for ratios within "
    "both errors of one, without a trend."
)
SPREAD = (
    "Single catalogues, not means. Left: variance of generated over that of held-out; one is "
    "right, less is a mock too sure of itself. Middle: ranks of held-out values among generated "
    "ones, a thin line for each bin; U-shaped is too narrow, a dome too wide, a slope shifted. "
    "Right: ranked probability score against generated over that of one half of held-out on the "
    "other; the bars are its scatter for a mock that is right, and every fault raises it above one."
)
COVARIANCE = (
    "Correlation of the bins of the mean, from the jackknife over catalogues. Long-range structure "
    "moves bins together: look for the same blocks left and in the middle, and for noise alone on "
    "the right."
)
GRADIENT = (
    "Logarithmic change with each parameter, the others held fixed, from a straight line through "
    "the catalogues of this split. Band: held-out; circles: generated; dashed: a mock that ignores "
    "the parameter."
)
ROTATION = (
    "The first pair of the slices, turning; near points are darker and larger. Look for the same "
    "filaments and voids in kind, not in place."
)
STATISTICS = "As the correlation function, for the other statistics that the settings name."
RESPONSE = (
    "Top: correlation function; bottom: monopole of the power spectrum. Left: both cosmologies. "
    "Middle: the change from one to the other; a mock that ignores cosmology lies on the dashed "
    "line. Right: change against change with the fitted slope; the shaded cone is the target."
)


@dataclasses.dataclass(frozen=True)
class ReportFigure:
    """A figure with its words.

    Attributes:
        name: a short identifier.
        title: heading.
        caption: what is shown and what to look at.
        verdict: what was found, computed.
        figure: to be drawn, or an image that is drawn already, as a PNG in base64.
    """

    name: str
    title: str
    caption: str
    verdict: str
    figure: Figure | str


def report_figures(
    comparison: Comparison, generated: Sets, held_out: Sets
) -> tuple[ReportFigure, ...]:
    """All figures of a comparison."""
    main = comparison.main
    with matplotlib.rc_context(dict(STYLE)):
        found = [
            *_pictures(comparison, generated, held_out),
            *_of_means(comparison),
            *_of_catalogues(comparison),
        ]
        if comparison.contrast:
            title = f"Dependence on cosmology, {' to '.join(comparison.contrast)}"
            said = sentences(v for v in comparison.verdicts if v.kind is Kind.RESPONSE)
            found.append(
                ReportFigure("response", title, RESPONSE, said, response_figure(comparison))
            )
        if any(g.response.name != "N" for g in main.gradients):
            title = f"Dependence on each parameter, {main.name}"
            said = _of_main(comparison, Kind.GRADIENT)
            found.append(ReportFigure("gradient", title, GRADIENT, said, gradient_figure(main)))
    return tuple(found)


def _pictures(comparison: Comparison, generated: Sets, held_out: Sets) -> list[ReportFigure]:
    """For the eye."""
    unjudged = "For the eye only; nothing is judged here."
    name = (comparison.contrast or (comparison.main.name,))[0]
    truth, mock = matched_pairs(generated[name], held_out[name])[0]
    slices = slice_figure(comparison, generated, held_out)
    title = f"In three dimensions, {name}"
    return [
        ReportFigure("slices", "Slices", SLICES, unjudged, slices),
        ReportFigure("rotation", title, ROTATION, unjudged, rotation((truth, mock))),
    ]


def _of_means(comparison: Comparison) -> list[ReportFigure]:
    """The mean of every statistic."""
    main = comparison.main

    def said(*curves: CurveComparison) -> str:
        names = [curve.name for curve in curves]
        return _of_main(comparison, Kind.CLOSURE, Kind.CHI_SQUARE, among=names)

    closures = sentences(v for v in comparison.verdicts if v.kind is Kind.CLOSURE)
    found = [
        ReportFigure(
            "correlation",
            f"Correlation function, {main.name}",
            CORRELATION,
            said(main.correlation),
            correlation_figure(main),
        ),
        ReportFigure(
            "power", f"Power spectrum, {main.name}", POWER, said(*main.power), power_figure(main)
        ),
        ReportFigure("ratio", "Ratios, every split", RATIO, closures, ratio_figure(comparison)),
    ]
    if main.statistics:
        title, names = f"Other statistics, {main.name}", [c.name for c in main.statistics]
        words = _of_main(comparison, Kind.CHI_SQUARE, among=names)
        figure = statistics_figure(main)
        found.append(ReportFigure("statistics", title, STATISTICS, words, figure))
    return found


def _of_catalogues(comparison: Comparison) -> list[ReportFigure]:
    """The spread of single catalogues, their numbers of points and their marks."""
    main = comparison.main
    return [
        ReportFigure(
            "spread",
            f"Spread of single catalogues, {main.name}",
            SPREAD,
            _of_main(comparison, Kind.SPREAD, Kind.TWO_SAMPLE, Kind.MEMORISATION),
            spread_figure(main),
        ),
        ReportFigure(
            "covariance",
            f"Covariance, {main.name}",
            COVARIANCE,
            _of_main(comparison, Kind.CHI_SQUARE),
            covariance_figure(main),
        ),
        ReportFigure(
            "marks",
            f"Number of points and marks, {main.name}",
            MARKS,
            _of_main(comparison, Kind.COUNT, Kind.MARK),
            marks_figure(main),
        ),
    ]


def _of_main(comparison: Comparison, *kinds: Kind, among: Sequence[str] | None = None) -> str:
    """The verdicts of the main split of some kinds, and of some statistics, in words."""
    return sentences(
        v
        for v in comparison.verdicts
        if v.kind in kinds
        and v.splits == (comparison.main.name,)
        and (among is None or v.statistic in among)
    )
