"""Figure of draws on the fields of held-out: r(k) with its ceiling, T(k), and their difference."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from galgen.measurements.ratio import Curve, divided
from galgen.plot_style import (
    BAND,
    BASE,
    GENERATED,
    HELD_OUT,
    draw_deviations,
    draw_errors,
    legend_above,
    log_abscissa,
    new_figure,
)
from galgen.validation.checks.phases import PhaseComparison
from galgen.validation.report.plot_curves import LABELS


def phases_figure(phases: PhaseComparison) -> Figure:
    """r(k) and T(k) side by side; below r, its difference from the ceiling, where there is one."""
    k = phases.axis.centre
    figure = new_figure(9.0, 5.2 if phases.difference else 3.6)
    grid = figure.add_gridspec(2 if phases.difference else 1, 2)
    left, right = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[:, 1])
    if phases.ceiling is not None:
        _draw_band(left, k, phases.ceiling, HELD_OUT, "-", "two draws on one field (ceiling)")
    if phases.field_axis is not None:
        x = phases.field_axis.centre
        for curve, line, name in (
            (phases.held_out, "--", "held-out with the field"),
            (phases.generated, ":", "draw with the field"),
        ):
            assert curve is not None
            _draw_band(left, x, curve, BASE, line, name)
    _draw_points(left, k, phases.coefficient, "draw with truth")
    _draw_points(right, k, phases.transfer)
    left.axhline(0, color=BASE, lw=0.7)
    left.set_ylabel("$r(k)$")
    right.axhline(1, color=HELD_OUT, lw=1)
    right.set_ylabel(r"$T(k) = \sqrt{P_\mathrm{draw} / P_\mathrm{truth}}$")
    if phases.difference is not None:
        below = figure.add_subplot(grid[1, 0])
        below.axhline(0, color=HELD_OUT, lw=1)
        deviation = divided(phases.difference.mean, phases.difference.error)
        draw_deviations(below, k, deviation, ms=5, mew=1.3)
        below.set(xlabel=LABELS["k"], ylabel="difference / error")
        log_abscissa(below)
    legend_above(figure, left)
    return figure


def _draw_points(axes: Axes, k: np.ndarray, curve: Curve, label: str | None = None) -> None:
    draw_errors(axes, k, curve.mean, curve.error, mec=GENERATED, zorder=5, label=label)
    axes.set_xlabel(LABELS["k"])
    log_abscissa(axes)


def _draw_band(axes: Axes, x: np.ndarray, curve: Curve, color: str, line: str, label: str) -> None:
    low, high = curve.mean - curve.error, curve.mean + curve.error
    axes.fill_between(x, low, high, color=BAND, alpha=0.5, lw=0)
    axes.plot(x, curve.mean, color=color, ls=line, label=label)
