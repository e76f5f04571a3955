"""Figure of the correlation matrices of held-out and of generated, and their difference."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from galgen.plot_style import new_figure
from galgen.validation.curves import CurveComparison
from galgen.validation.report.plot_curves import abscissa_label
from galgen.validation.split import SplitComparison


def covariance_figure(split: SplitComparison) -> Figure:
    """A row for every targeted curve: held-out, generated, generated less held-out."""
    curves = [curve for curve in split.curves if curve.axis.targeted]
    figure = new_figure(9.6, 0.4 + 2.9 * len(curves))
    panels = figure.subplots(len(curves), 3, squeeze=False)
    for row, curve in zip(panels, curves, strict=True):
        truth = curve.held_out.correlation_matrix
        mock = curve.generated.correlation_matrix
        for axes, matrix, title in zip(
            row,
            (truth, mock, mock - truth),
            ("held-out", "generated", "generated - held-out"),
            strict=True,
        ):
            image = axes.imshow(matrix, cmap="RdBu_r", vmin=-1, vmax=1, origin="lower")
            axes.set_title(f"{curve.name}, {title}")
            _name_bins(axes, curve)
        row[0].set_ylabel(abscissa_label(curve))
        figure.colorbar(image, ax=list(row), shrink=0.85, label="correlation of bins")
    return figure


def _name_bins(axes: Axes, curve: CurveComparison) -> None:
    """At most five bins named by their centres, as many digits as tell them apart."""
    shown = np.arange(0, len(curve.centre), -(-len(curve.centre) // 5))
    names = [f"{curve.centre[i]:.2g}" for i in shown]
    axes.set_xticks(shown, names)
    axes.set_yticks(shown, names)
    axes.set_xlabel(abscissa_label(curve))
