"""The figures of a report, each with a caption that says what to look at and a verdict in words."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import matplotlib
from matplotlib.figure import Figure

from galgen.validation.comparison import Comparison
from galgen.validation.plot_curves import correlation_figure, power_figure
from galgen.validation.plot_marks import marks_figure
from galgen.validation.plot_response import response_figure
from galgen.validation.plot_slices import slice_figure
from galgen.validation.plot_style import STYLE
from galgen.validation.sets import Sets
from galgen.validation.verdict import NOTED, Verdict

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
        figure: to be drawn.
    """

    name: str
    title: str
    caption: str
    verdict: str
    figure: Figure


def report_figures(
    comparison: Comparison, generated: Sets, held_out: Sets
) -> tuple[ReportFigure, ...]:
    """All figures of a comparison."""
    main = comparison.main
    of_main = [v for v in comparison.verdicts if v.measure.endswith(f", {main.name}")]
    with matplotlib.rc_context(dict(STYLE)):
        found = [
            ReportFigure(
                "slices",
                "Slices",
                SLICES,
                "For the eye only; nothing is judged here.",
                slice_figure(comparison, generated, held_out),
            ),
            ReportFigure(
                "correlation",
                f"Correlation function, {main.name}",
                CORRELATION,
                _words([v for v in of_main if v.measure.startswith("xi ")]),
                correlation_figure(main),
            ),
            ReportFigure(
                "power",
                f"Power spectrum, {main.name}",
                POWER,
                _words([v for v in of_main if v.measure[0] == "P" and v.measure[1:2].isdigit()]),
                power_figure(main),
            ),
            ReportFigure(
                "marks",
                f"Number of points and marks, {main.name}",
                MARKS,
                _words([v for v in of_main if v.measure.startswith("N ") or " KS" in v.measure]),
                marks_figure(main),
            ),
        ]
        if comparison.contrast:
            low, high = comparison.contrast
            verdicts = [v for v in comparison.verdicts if " response, " in v.measure]
            figure = response_figure(comparison)
            title = f"Dependence on cosmology, {low} to {high}"
            found.append(ReportFigure("response", title, RESPONSE, _words(verdicts), figure))
    return tuple(found)


def _words(verdicts: Sequence[Verdict]) -> str:
    """Every verdict as one short sentence."""
    sentences = []
    for v in verdicts:
        if v.status == NOTED:
            sentences.append(f"{v.measure}: {v.figure}, held-out itself {v.noise}.")
        else:
            note = f" ({v.note})" if v.note else ""
            sentences.append(f"{v.measure}: {v.figure}, target {v.target}, {v.status}{note}.")
    return " ".join(sentences)
