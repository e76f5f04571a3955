"""The corner plot: every parameter and every pair of a posterior, with truth and prior marked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import corner
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from galgen.errors import InputError
from galgen.inference.priors.prior import Prior
from galgen.inference.sampling.diagnosis import moving
from galgen.inference.sampling.result import PosteriorSamples
from galgen.plot_style import BASE, GENERATED, HELD_OUT, as_label

COLORS = (GENERATED, BASE, HELD_OUT)
LEVELS = (0.393, 0.865)
"""Probability of a two-dimensional normal within one and two standard deviations."""
SIDE = 1.9
"""Inches per panel."""


def corner_plot(
    posteriors: Mapping[str, PosteriorSamples],
    prior: Prior | None = None,
    truth: Mapping[str, float] | None = None,
    labels: Mapping[str, str] | None = None,
) -> Figure:
    """Marginals on the diagonal, contours of 1 and 2 sigma below it.

    Args:
        posteriors: of the same parameters, by what they are called.
        prior: whose density is drawn dashed on the diagonal, and whose bounds are the panels'.
        truth: values by name, drawn as lines; names that are missing are left out.
        labels: of parameters by name, for instance in LaTeX; the names if not given.

    Raises:
        InputError: for none, more than three, posteriors of different parameters, or a parameter
            all of whose draws are alike.
    """
    names = _checked(posteriors)
    figure = Figure(figsize=(SIDE * len(names) + 0.6,) * 2)
    ranges = _ranges(list(posteriors.values()), truth)
    texts = [(labels or {}).get(name, as_label(name)) for name in names]
    for color, posterior in zip(COLORS, posteriors.values(), strict=False):
        corner.corner(
            posterior.flat,
            fig=figure,
            labels=texts,
            range=ranges,
            truths=None if truth is None else [truth.get(name) for name in names],
            truth_color=HELD_OUT,
            color=color,
            levels=LEVELS,
            bins=30,
            smooth=1.0,
            plot_datapoints=False,
            fill_contours=False,
            hist_kwargs={"density": True},
            max_n_ticks=4,
            quiet=True,
        )
    panels = np.array(figure.axes).reshape(len(names), len(names))
    _raise_ceilings(panels)
    if prior is not None:
        _draw_prior(panels, prior, ranges)
    for place, (color, name) in enumerate(zip(COLORS, posteriors, strict=False)):
        figure.text(0.98, 0.97 - 0.05 * place, name, color=color, ha="right", va="top")
    return figure


def _checked(posteriors: Mapping[str, PosteriorSamples]) -> tuple[str, ...]:
    found = list(posteriors.values())
    if not 1 <= len(found) <= len(COLORS) or any(p.names != found[0].names for p in found):
        raise InputError(
            f"expected 1 to {len(COLORS)} posteriors of the same parameters, got "
            f"{[list(p.names) for p in found]}; plot them apart"
        )
    for posterior in found:
        rows = zip(posterior.names, moving(posterior.samples), posterior.flat.T, strict=True)
        for name, moves, column in rows:
            if not moves:
                raise InputError(
                    f"expected finite draws of {name} that differ, got {column[0]:g} and the like; "
                    "leave the parameter out, or draw again"
                )
    return found[0].names


def _ranges(
    posteriors: Sequence[PosteriorSamples], truth: Mapping[str, float] | None
) -> list[tuple[float, float]]:
    """The limits of every panel: all but the outermost thousandth of the draws, and the truth."""
    ranges = []
    for i, name in enumerate(posteriors[0].names):
        ends = np.concatenate([np.quantile(p.flat[:, i], [0.0005, 0.9995]) for p in posteriors])
        if truth is not None and name in truth:
            ends = np.append(ends, truth[name])
        margin = 0.08 * (ends.max() - ends.min())
        ranges.append((float(ends.min() - margin), float(ends.max() + margin)))
    return ranges


def _raise_ceilings(panels: np.ndarray) -> None:
    """Room on the diagonal for all histograms: corner leaves it for the last."""
    for i in range(len(panels)):
        heights = [
            line.get_ydata().max() for line in panels[i, i].lines if len(line.get_xdata()) > 2
        ]
        tops = [patch.get_xy()[:, 1].max() for patch in panels[i, i].patches]
        panels[i, i].set_ylim(0, 1.1 * max([*heights, *tops, 1e-300]))


def _draw_prior(panels: np.ndarray, prior: Prior, ranges: Sequence[tuple[float, float]]) -> None:
    """The density of each parameter's prior, the others at the middle of what is shown."""
    middle = jnp.array([0.5 * (low + high) for low, high in ranges])

    def density(i: int, values: np.ndarray) -> np.ndarray:
        points = jnp.broadcast_to(middle, (len(values), len(ranges))).at[:, i].set(values)
        return np.exp(np.asarray(prior.log_prob(points), np.float64))

    for i, (low, high) in enumerate(ranges):
        center, scale = prior.places[i]
        first, last = prior.bounds[i]
        first = first if math.isfinite(first) else min(low, center - 8 * scale)
        last = last if math.isfinite(last) else max(high, center + 8 * scale)
        whole = np.linspace(first, last, 2001)
        mass = np.trapezoid(density(i, whole), whole)
        if mass > 0:
            x = np.linspace(low, high, 201)
            panels[i, i].plot(x, density(i, x) / mass, "--", color="0.5", lw=1.0)
