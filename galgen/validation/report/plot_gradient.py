"""Figure of d ln S / d theta: a row for every statistic, a column for every parameter."""

from __future__ import annotations

from matplotlib.figure import Figure

from galgen.plot_style import BAND, BASE, HELD_OUT, as_label, draw_points, new_figure
from galgen.validation.report.plot_curves import abscissa_label, set_abscissa
from galgen.validation.split import SplitComparison


def gradient_figure(split: SplitComparison) -> Figure:
    """Generated against held-out for the curves; the number of points is in the table alone."""
    found = [g for g in split.gradients if g.response.name != "N"]
    statistics = list(dict.fromkeys(g.response.name for g in found))
    parameters = list(dict.fromkeys(g.parameter for g in found))
    figure = new_figure(max(4.6, 3.6 * len(parameters)), 0.5 + 2.4 * len(statistics))
    panels = figure.subplots(len(statistics), len(parameters), squeeze=False, sharex="row")
    for gradient in found:
        response = gradient.response
        row, column = statistics.index(response.name), parameters.index(gradient.parameter)
        axes, curve = panels[row][column], split.curve(response.name)
        truth, x = response.held_out, curve.centre[gradient.bins]
        low, high = truth.mean - truth.error, truth.mean + truth.error
        axes.fill_between(x, low, high, color=BAND, alpha=0.5, lw=0)
        axes.plot(x, truth.mean, color=HELD_OUT, label="held-out")
        draw_points(axes, x, response.generated)
        axes.axhline(0, color=BASE, ls="--", lw=1)
        name = as_label(gradient.parameter.replace("_", " "))
        slope = f"slope {response.slope:.2f} ± {response.slope_error:.2f}"
        axes.set_title(slope if response.judged else "too weak for a slope", loc="left")
        axes.set_ylabel(f"d ln {response.name} / d {name}")
        axes.set_xlabel(abscissa_label(curve))
        set_abscissa(axes, curve)
    panels[0][0].legend(loc="best")
    return figure
