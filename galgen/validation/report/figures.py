"""The figures of a report, each with a caption that says what to look at, and its verdicts."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import matplotlib
from matplotlib.figure import Figure

from galgen.plot_style import STYLE
from galgen.validation.comparison import Comparison
from galgen.validation.report.plot_catalogues import marks_figure, spread_figure
from galgen.validation.report.plot_curves import (
    correlation_figure,
    covariance_figure,
    power_figure,
    ratio_figure,
    statistics_figure,
)
from galgen.validation.report.plot_phases import phases_figure
from galgen.validation.report.plot_response import gradient_figure, response_figure
from galgen.validation.report.plot_rotation import rotation
from galgen.validation.report.plot_slices import matched_pairs, slice_figure
from galgen.validation.sets import Sets
from galgen.validation.verdict import Kind, Verdict

SLICES = (
    "Points with z in the first quarter of the box; symbols grow with mass where there is one. "
    "Each pair shows a held-out catalogue whose number of points is nearest the mean, and the "
    "generated one nearest to it in cosmology: they were not picked by eye. Look for the same "
    "richness of clumps and voids, not for the same places."
)
CORRELATION = (
    "Top: correlation function of held-out (line, dark band: error of the mean, light band: one "
    "catalogue) and generated (circles); dashed, uniform points with the same numbers, as measured."
    " Bottom left: closure, the part of the way from uniform to truth; the dotted line is what one "
    "half of held-out scores on the other, faint bins are near zero in held-out. Bottom right: "
    "difference in units of both errors. Circles belong in the band, and the differences scattered "
    "within ±2."
)
POWER = (
    "As the correlation function, for the multipoles of the power spectrum along z, shot noise "
    "taken off. Positions are as they are in the catalogue: without a shift to redshift space "
    "only the monopole has a signal, and the others show that no axis is preferred."
)
MARKS = (
    "Left: number of points per catalogue; its spread matters as much as its mean. Others: the "
    "distribution of each mark over all points, on a logarithmic scale; below, the "
    "difference in units of both errors."
)
RATIO = (
    "Generated over held-out for every split. Band: error of the mean of held-out; bars: that of "
    "generated; dotted: the tolerance; faint bins are near zero in held-out. Look for ratios "
    "within both errors of one, without a trend."
)
SPREAD = (
    "Single catalogues, not means. Left: variance of generated over that of held-out; one is "
    "right, less is a mock that varies too little. Middle: ranks of held-out values among "
    "generated ones, a thin line for each bin; U-shaped is too narrow, a dome too wide, a slope "
    "shifted. Right: ranked probability score against generated over that of one half of held-out "
    "on the other; the bars are its scatter for a mock that is right, and every fault raises it "
    "above one."
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
PHASES = (
    "Draws on the fields of held-out. Left: correlation of a draw with the held-out catalogue of "
    "its field (circles), of two draws on one field (line), the most that can be asked, and of "
    "both with the field itself; shot noise is left in. Below: the first less the second, whose "
    "errors come from the pairs. Right: square root of the ratio of powers. Circles belong on the "
    "line, and the differences scattered within ±2."
)
ROTATION = (
    "The first pair of the slices, turning; near points are darker and larger. Look for the same "
    "kinds of filaments and voids, not for the same places."
)
STATISTICS = "As the correlation function, for the other statistics that the settings name."
RESPONSE = (
    "Top: correlation function; bottom: monopole of the power spectrum. Left: both cosmologies. "
    "Middle: the change from one to the other; a mock that ignores cosmology lies on the dashed "
    "line. Right: change against change with the fitted slope; the shaded cone is the "
    "tolerance."
)


@dataclasses.dataclass(frozen=True)
class ReportFigure:
    """A figure and what was found of what it shows.

    Attributes:
        name: a short identifier.
        title: heading.
        caption: what is shown and what to look at.
        figure: to be drawn, or an image that is drawn already, as a PNG in base64.
        verdicts: on it; none for a figure that is for the eye only.
    """

    name: str
    title: str
    caption: str
    figure: Figure | str
    verdicts: tuple[Verdict, ...] = ()


def report_figures(
    comparison: Comparison, generated: Sets, held_out: Sets
) -> tuple[ReportFigure, ...]:
    """All figures of a comparison."""
    main, contrast = comparison.main, comparison.contrast
    of, first = f", {main.name}", contrast[0] if contrast else main.name

    def on(*kinds: Kind, among: Sequence[str] | None = None) -> tuple[Verdict, ...]:
        """Verdicts of some kinds on some statistics, of all splits."""
        rows = [v for v in comparison.verdicts if v.kind in kinds]
        return tuple(v for v in rows if among is None or v.statistic in among)

    powers, others = ([c.name for c in curves] for curves in (main.power, main.statistics))
    found = []

    def add(name: str, title: str, caption: str, figure: Figure | str, *verdicts: Verdict) -> None:
        found.append(ReportFigure(name, title, caption, figure, verdicts))

    with matplotlib.rc_context(dict(STYLE)):
        add("slices", "Slices", SLICES, slice_figure(comparison, generated, held_out))
        pair = matched_pairs(generated[first], held_out[first])[0]
        add("rotation", f"In three dimensions, {first}", ROTATION, rotation(pair))
        figure, verdicts = correlation_figure(main), on(Kind.MEAN, among=["xi"])
        add("correlation", f"Correlation function{of}", CORRELATION, figure, *verdicts)
        figure, verdicts = power_figure(main), on(Kind.MEAN, among=powers)
        add("power", f"Power spectrum{of}", POWER, figure, *verdicts)
        add("ratio", "Ratios, every split", RATIO, ratio_figure(comparison))
        if others:
            figure, verdicts = statistics_figure(main), on(Kind.MEAN, among=others)
            add("statistics", f"Other statistics{of}", STATISTICS, figure, *verdicts)
        verdicts = on(Kind.SPREAD, Kind.COUNT_SPREAD, Kind.TWO_SAMPLE, Kind.MEMORISATION)
        add("spread", f"Spread of single catalogues{of}", SPREAD, spread_figure(main), *verdicts)
        add("covariance", f"Covariance{of}", COVARIANCE, covariance_figure(main))
        figure, verdicts = marks_figure(main), on(Kind.COUNT, Kind.MARK)
        add("marks", f"Number of points and marks{of}", MARKS, figure, *verdicts)
        if main.phases is not None:
            figure, verdicts = phases_figure(main.phases), on(Kind.PHASES)
            add("phases", f"Draws on the fields of held-out{of}", PHASES, figure, *verdicts)
        if contrast:
            title = f"Dependence on cosmology, {' to '.join(contrast)}"
            figure, verdicts = response_figure(comparison), on(Kind.RESPONSE)
            add("response", title, RESPONSE, figure, *verdicts)
        if any(g.response.name != "N" for g in main.gradients):
            figure, verdicts = gradient_figure(main), on(Kind.GRADIENT)
            add("gradient", f"Dependence on each parameter{of}", GRADIENT, figure, *verdicts)
    return tuple(found)
