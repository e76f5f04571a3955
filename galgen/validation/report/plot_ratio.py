"""Figure of ratios: generated over held-out for every targeted curve, a row per split."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from galgen.plot_style import BAND, GENERATED, HELD_OUT, as_label, new_figure
from galgen.validation.comparison import Comparison
from galgen.validation.curves import CurveComparison
from galgen.validation.report.plot_curves import abscissa_label, set_abscissa


def ratio_figure(comparison: Comparison) -> Figure:
    """Generated over held-out with the errors of either, bins of weak signal faint."""
    names = [curve.name for curve in comparison.main.curves if curve.axis.targeted]
    figure = new_figure(4.6 * len(names), 0.7 + 1.9 * len(comparison.splits))
    panels = figure.subplots(len(comparison.splits), len(names), squeeze=False, sharex="col")
    for row, split in zip(panels, comparison.splits, strict=True):
        for axes, name in zip(row, names, strict=True):
            curve = split.curve(name)
            _draw_ratio(axes, curve)
            axes.set_title(f"{name}, {as_label(split.name)}", loc="left")
            set_abscissa(axes, curve)
        row[0].set_ylabel("generated / held-out")
    for axes, name in zip(panels[-1], names, strict=True):
        axes.set_xlabel(abscissa_label(comparison.main.curve(name)))
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure


def _draw_ratio(axes: Axes, curve: CurveComparison) -> None:
    """The band is the error of held-out about one, the bars that of generated."""
    x, shown = curve.centre, np.isfinite(curve.ratio) & curve.judged
    scale = np.where(curve.held_out.mean != 0, np.abs(curve.held_out.mean), np.nan)
    width = curve.held_out.error / scale
    axes.fill_between(
        x, 1 - width, 1 + width, color=BAND, alpha=0.45, lw=0, label="held-out ±1 sigma"
    )
    for edge in (0.9, 1.1):
        axes.axhline(edge, color=BAND, ls=":", lw=0.8, label="±10%" if edge < 1 else None)
    axes.axhline(1, color=HELD_OUT, lw=1)
    for rows, faint, label in ((shown, 1.0, "generated"), (~shown, 0.25, None)):
        axes.errorbar(
            x[rows],
            curve.ratio[rows],
            (curve.generated.error / scale)[rows],
            fmt="o",
            ms=4.5,
            mfc="white",
            color=GENERATED,
            capsize=2,
            alpha=faint,
            label=label,
        )
    far = np.abs(curve.ratio - 1) + curve.generated.error / scale
    reach = float(np.max(far, where=shown, initial=0.15))
    limit = min(1.15 * reach, 1.5)
    axes.set_ylim(1 - limit, 1 + limit)
