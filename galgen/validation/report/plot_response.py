"""Figure of the dependence on cosmology: xi at both ends, its change, and change against change."""

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
    draw_points,
    log_abscissa,
    new_figure,
)
from galgen.validation.checks.response import Response
from galgen.validation.comparison import Comparison
from galgen.validation.curves import CurveComparison
from galgen.validation.report.plot_curves import SEPARATION, WAVENUMBER


def response_figure(comparison: Comparison) -> Figure:
    """A row for xi and one for P0: both ends, the change, generated change against held-out."""
    assert comparison.contrast is not None
    low, high = (comparison.split(name) for name in comparison.contrast)
    figure = new_figure(10.0, 5.8)
    panels = figure.subplots(2, 3)
    ends = (
        (low.correlation, high.correlation),
        (comparison.monopole(low), comparison.monopole(high)),
    )
    for row, (first, second), response in zip(panels, ends, comparison.responses[:2], strict=True):
        separation = first.name == "xi"
        weight = first.centre**2 if separation else first.centre
        symbol = r"$r^2 \xi$ [(Mpc/$h$)$^2$]" if separation else r"$k\,P_0$ [(Mpc/$h$)$^2$]"
        label = SEPARATION if separation else WAVENUMBER
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
        _draw_slope(row[2], response, weight, symbol)
    return figure


def _draw_end(
    axes: Axes, curve: CurveComparison, weight: np.ndarray, style: tuple[str, str, str]
) -> None:
    name, marker, line = style
    truth, mock = curve.held_out, curve.generated
    low, high = weight * (truth.mean - truth.error), weight * (truth.mean + truth.error)
    axes.fill_between(curve.centre, low, high, color=BAND, alpha=0.6, lw=0)
    axes.plot(curve.centre, weight * truth.mean, color=HELD_OUT, ls=line, label=f"held-out {name}")
    axes.errorbar(
        curve.centre,
        weight * mock.mean,
        weight * mock.error,
        fmt=marker,
        ms=4.5,
        color=GENERATED,
        mfc="white",
        capsize=2,
        label=f"generated {name}",
    )


def _draw_change(axes: Axes, centre: np.ndarray, response: Response, weight: np.ndarray) -> None:
    truth = response.held_out
    low, high = weight * (truth.mean - truth.error), weight * (truth.mean + truth.error)
    axes.fill_between(centre, low, high, color=BAND, alpha=0.6, lw=0)
    axes.plot(centre, weight * truth.mean, color=HELD_OUT, label="held-out, high - low")
    draw_points(axes, centre, response.generated, weight)
    axes.axhline(0, color=BASE, ls="--", lw=1, label="no response")
    axes.legend()


def _draw_slope(axes: Axes, response: Response, weight: np.ndarray, symbol: str) -> None:
    """Generated change against held-out change, the fitted line and the cone of the target."""
    truth, mock = response.held_out, response.generated
    axes.errorbar(
        weight * truth.mean,
        weight * mock.mean,
        weight * mock.error,
        weight * truth.error,
        fmt="o",
        ms=4.5,
        color=GENERATED,
        mfc="white",
        elinewidth=1,
    )
    ends = [*(weight * truth.mean), *(weight * mock.mean), 0.0]
    margin = 0.08 * (max(ends) - min(ends))
    line = np.array([min(ends) - margin, max(ends) + margin])
    axes.fill_between(
        line,
        (1 - response.target) * line,
        (1 + response.target) * line,
        color=BAND,
        alpha=0.3,
        lw=0,
        label=f"1 ± {response.target:.2f}",
    )
    axes.plot(line, line, color=HELD_OUT, lw=1)
    label = f"slope {response.slope:.2f} ± {response.slope_error:.2f}"
    axes.plot(line, response.slope * line, color=GENERATED, ls="--", label=label)
    axes.set(xlabel=f"held-out change of {symbol}", ylabel="generated change", xlim=line)
    axes.legend(loc="best")
