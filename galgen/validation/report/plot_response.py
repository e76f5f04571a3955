"""Figures of the dependence on cosmology: between two splits, and on each parameter in one."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from galgen.plot_style import (
    BAND,
    BASE,
    GENERATED,
    HELD_OUT,
    as_label,
    draw_error,
    draw_errors,
    draw_points,
    log_abscissa,
    new_figure,
)
from galgen.validation.checks.response import Response
from galgen.validation.comparison import Comparison
from galgen.validation.curves import CurveComparison
from galgen.validation.report.plot_curves import abscissa_label, set_abscissa
from galgen.validation.split import SplitComparison


def response_figure(comparison: Comparison) -> Figure:
    """A row for xi and one for P0: both ends, the change, generated change against held-out."""
    assert comparison.contrast is not None
    low, high = (comparison.split(name) for name in comparison.contrast)
    figure = new_figure(10.0, 5.8)
    panels = figure.subplots(2, 3)
    ends = (low.correlation, high.correlation), (low.monopole, high.monopole)
    for row, (first, second), response in zip(panels, ends, comparison.responses[:2], strict=True):
        separation = first.name == "xi"
        weight = first.centre**first.axis.weight_power
        symbol = r"$r^2 \xi$ [(Mpc/$h$)$^2$]" if separation else r"$k\,P_0$ [(Mpc/$h$)$^2$]"
        label = abscissa_label(first)
        for curve, name, marker, line in (
            (first, as_label(low.name), "s", "--"),
            (second, as_label(high.name), "o", "-"),
        ):
            _draw_end(row[0], curve, weight, (name, marker, line))
        row[0].set(xlabel=label, ylabel=symbol)
        row[0].margins(y=0.25)
        row[0].legend(ncols=2, loc="upper center", columnspacing=1.0, handlelength=1.6)
        _draw_change(row[1], first.centre, response, weight)
        change = f"change of {symbol}"
        row[1].set(xlabel=label, ylabel=change)
        for axes in row[:2]:
            log_abscissa(axes)
        _draw_slope(row[2], response, weight, symbol, comparison.settings.tolerance)
    return figure


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
        draw_error(axes, x, truth, alpha=0.5)
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


def _draw_end(
    axes: Axes, curve: CurveComparison, weight: np.ndarray, style: tuple[str, str, str]
) -> None:
    name, marker, line = style
    x, truth, mock = curve.centre, curve.held_out, curve.generated
    draw_error(axes, x, truth, weight)
    axes.plot(x, weight * truth.mean, color=HELD_OUT, ls=line, label=f"held-out {name}")
    label = f"generated {name}"
    draw_errors(axes, x, weight * mock.mean, weight * mock.error, fmt=marker, label=label)


def _draw_change(axes: Axes, centre: np.ndarray, response: Response, weight: np.ndarray) -> None:
    truth = response.held_out
    draw_error(axes, centre, truth, weight)
    axes.plot(centre, weight * truth.mean, color=HELD_OUT, label="held-out, high - low")
    draw_points(axes, centre, response.generated, weight)
    axes.axhline(0, color=BASE, ls="--", lw=1, label="no response")
    axes.legend()


def _draw_slope(
    axes: Axes, response: Response, weight: np.ndarray, symbol: str, tolerance: float
) -> None:
    """Generated change against held-out change, the fitted line and the cone of the tolerance."""
    truth, mock = response.held_out, response.generated
    x, y, error = weight * truth.mean, weight * mock.mean, weight * mock.error
    draw_errors(axes, x, y, error, xerr=weight * truth.error, capsize=0, elinewidth=1)
    ends = [*x, *y, 0.0]
    margin = 0.08 * (max(ends) - min(ends))
    line = np.array([min(ends) - margin, max(ends) + margin])
    low, high = (1 - tolerance) * line, (1 + tolerance) * line
    axes.fill_between(line, low, high, color=BAND, alpha=0.3, lw=0, label=f"1 ± {tolerance:.2f}")
    axes.plot(line, line, color=HELD_OUT, lw=1)
    label = f"slope {response.slope:.2f} ± {response.slope_error:.2f}"
    axes.plot(line, response.slope * line, color=GENERATED, ls="--", label=label)
    axes.set(xlabel=f"held-out change of {symbol}", ylabel="generated change", xlim=line)
    axes.legend(loc="best")
