"""One style for every figure, readable in grey: black bands are held-out, open circles generated.

Figures are plain ``matplotlib.figure.Figure`` objects; pyplot and its global state are not used.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from galgen.printing import printable

HELD_OUT = "#1b1b1b"
GENERATED = "#c8452d"
BASE = "#5d7fa3"
BAND = "#8c8c8c"
DOTS_PER_INCH = 110

STYLE: Mapping[str, Any] = {
    "font.size": 9,
    "font.family": "DejaVu Sans",
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "axes.linewidth": 0.7,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.3,
    "figure.facecolor": "white",
}


def as_label(name: str) -> str:
    """A name of a file as text of a figure: it is no mathematics, whatever it holds."""
    return printable(name).replace("$", r"\$")


def new_figure(width: float, height: float) -> Figure:
    """An empty figure in the style, sizes in inches."""
    return Figure(figsize=(width, height), layout="constrained")


def log_abscissa(axes: Axes) -> None:
    """A logarithmic abscissa labelled 1, 2, 5, 10, ..."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())


def encode(figure: Figure) -> str:
    """The figure as a PNG in base64, without date or version: the same each time."""
    buffer = io.BytesIO()
    with matplotlib.rc_context(dict(STYLE)):
        figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def draw_band(axes: Axes, x: np.ndarray, curve: Any, scale: np.ndarray | float = 1.0) -> None:
    """Held-out: its mean, ±1 sigma of the mean (dark) and the scatter of one catalogue (light)."""
    mean, error, scatter = (scale * v for v in (curve.mean, curve.error, curve.scatter))
    label = "one held-out catalogue, ±1 sigma"
    axes.fill_between(x, mean - scatter, mean + scatter, color=BAND, alpha=0.22, lw=0, label=label)
    axes.fill_between(x, mean - error, mean + error, color=BAND, alpha=0.75, lw=0)
    axes.plot(x, mean, color=HELD_OUT, label="held-out, mean ±1 sigma")


def draw_points(axes: Axes, x: np.ndarray, curve: Any, scale: np.ndarray | float = 1.0) -> None:
    """Generated: open circles with the error of the mean."""
    style: dict[str, Any] = {
        "mec": GENERATED,
        "mew": 1.3,
        "elinewidth": 1.2,
        "label": "generated",
        "zorder": 5,
    }
    draw_errors(axes, x, scale * curve.mean, scale * curve.error, ms=5, **style)


def draw_errors(axes: Axes, x: np.ndarray, y: np.ndarray, error: np.ndarray, **style: Any) -> None:
    """Open circles with error bars, in the colour of generated."""
    usual: dict[str, Any] = {
        "fmt": "o",
        "ms": 4.5,
        "mfc": "white",
        "color": GENERATED,
        "capsize": 2,
    }
    axes.errorbar(x, y, error, **(usual | style))


def draw_error(
    axes: Axes, x: np.ndarray, curve: Any, scale: np.ndarray | float = 1.0, alpha: float = 0.6
) -> None:
    """The band of a mean and its error, without the mean."""
    low, high = scale * (curve.mean - curve.error), scale * (curve.mean + curve.error)
    axes.fill_between(x, low, high, color=BAND, alpha=alpha, lw=0)


def draw_deviations(axes: Axes, x: np.ndarray, deviation: np.ndarray, **style: Any) -> None:
    """Differences in units of their errors, with the bands of ±1 and ±2 sigma."""
    for sigma in (1, 2):
        axes.axhspan(-sigma, sigma, color=BAND, alpha=0.22, lw=0)
    axes.plot(x, deviation, "o", mfc="white", mec=GENERATED, **style)
    limit = max(3.0, 1.15 * float(np.nanmax(np.abs(deviation), initial=0.0)))
    axes.set_ylim(-limit, limit)


def legend_above(figure: Figure, axes: Axes) -> None:
    """The legend of one panel above all of them, where it hides nothing."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
