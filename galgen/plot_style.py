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
    """The figure as a PNG in base64, without date or version, so that it is reproducible."""
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
    axes.errorbar(
        x,
        scale * curve.mean,
        scale * curve.error,
        fmt="o",
        ms=5,
        mfc="white",
        mec=GENERATED,
        mew=1.3,
        ecolor=GENERATED,
        elinewidth=1.2,
        capsize=2,
        label="generated",
        zorder=5,
    )
