"""Figure of the number of points and of every mark; below each mark, the deviation."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from galgen.plot_style import BAND, GENERATED, HELD_OUT, as_label, draw_points, new_figure
from galgen.validation.marks import MASS, CountComparison, MarkComparison
from galgen.validation.split import SplitComparison


def marks_figure(split: SplitComparison) -> Figure:
    """N in the first panel, the marks in the others."""
    columns = 1 + len(split.marks)
    figure = new_figure(max(4.5, 3.4 * columns), 4.4)
    grid = figure.add_gridspec(2, columns, height_ratios=(2.4, 1))
    _draw_counts(figure.add_subplot(grid[:, 0]), split.count)
    for column, mark in enumerate(split.marks, start=1):
        above = figure.add_subplot(grid[0, column])
        below = figure.add_subplot(grid[1, column], sharex=above)
        _draw_mark(above, below, mark)
    return figure


def _draw_counts(axes: Axes, count: CountComparison) -> None:
    """Normalised histograms, so that sets of different size compare."""
    both = np.concatenate([count.held_out, count.generated])
    edges = np.linspace(both.min() - 0.5, both.max() + 0.5, 17)
    for values, colour, fill, label in (
        (count.held_out, BAND, True, "held-out"),
        (count.generated, GENERATED, False, "generated"),
    ):
        weights = np.full(len(values), 1 / len(values))
        kind = "stepfilled" if fill else "step"
        axes.hist(values, edges, weights=weights, histtype=kind, color=colour, lw=1.6, label=label)  # type: ignore[arg-type]
        axes.axvline(values.mean(), color=HELD_OUT if fill else colour, ls="-" if fill else "--")
    axes.set(xlabel="points per catalogue", ylabel="fraction of catalogues")
    axes.margins(y=0.2)
    axes.legend(loc="upper right", title="lines: means", title_fontsize=8)


def _draw_mark(above: Axes, below: Axes, mark: MarkComparison) -> None:
    """Density with errors, on a logarithmic scale, and the difference in errors of both."""
    centre = (mark.edges[1:] + mark.edges[:-1]) / 2
    per_width = 1 / np.diff(mark.edges)
    density = mark.held_out.mean * per_width
    error = mark.held_out.error * per_width
    above.fill_between(
        centre, density - error, density + error, step="mid", color=BAND, alpha=0.75, lw=0
    )
    above.step(centre, density, where="mid", color=HELD_OUT, label="held-out")
    draw_points(above, centre, mark.generated, per_width)
    above.set_yscale("log")
    positive = density[density > 0]
    above.set_ylim(0.3 * positive.min(), 6 * positive.max())
    above.set_ylabel(
        "fraction of points per " + ("dex" if mark.name == MASS else as_label(mark.unit or "unit"))
    )
    above.legend(loc="upper right")
    above.tick_params(labelbottom=False)
    difference = mark.generated.minus(mark.held_out)
    for sigma in (1, 2):
        below.axhspan(-sigma, sigma, color=BAND, alpha=0.22, lw=0)
    below.plot(centre, difference.mean / difference.error, "o", ms=4, mfc="white", mec=GENERATED)
    limit = max(3.0, 1.15 * float(np.max(np.abs(difference.mean / difference.error))))
    unit = f" [{_unit(mark.unit)}]" if mark.unit else ""
    below.set(ylim=(-limit, limit), ylabel="diff. / error", xlabel=f"{as_label(mark.name)}{unit}")


def _unit(unit: str) -> str:
    return {"Msun/h": r"$M_\odot/h$"}.get(unit, as_label(unit))
