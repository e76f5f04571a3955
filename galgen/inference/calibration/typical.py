r"""Is a catalogue one that the model would draw at its own posterior?

A posterior of data unlike those of training can be narrow and wrong. So catalogues are drawn at
conditions drawn from the posterior (Gelman, Meng and Stern 1996), and numbers of the observed one
are set against theirs, aspect by aspect: ln N; quantiles of each column; the logarithm of xi(r);
and, of a likelihood, log p of the catalogue itself beside ln N. Each aspect has its p-value as of a
Gaussian (:mod:`galgen.inference.calibration.predictive`). A draw of the model is warned of in one
case of a hundred, over all aspects together.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from galgen.data.catalogue import POSITIONS, VELOCITIES, Catalogue
from galgen.data.features import physical_column
from galgen.data.normalization import Standardizer
from galgen.inference.calibration.predictive import PredictiveCheck
from galgen.inference.results.result_warning import ResultWarning
from galgen.measurements.counts import LogNumber
from galgen.measurements.pairs import LogCorrelation
from galgen.resolution import SINGLE

LEVEL = 0.01
"""Of all aspects together."""
LEVELS = (0.05, 0.5, 0.95)
"""Quantiles of columns."""
BINS, NEAREST, FURTHEST = 6, 0.3, 0.25
"""Of xi: from so many mean separations to so much of the box."""
AT_EDGE = 0.005
"""Of the width of a prior: half of the draws nearer to its end than this pile up there."""


@dataclasses.dataclass(frozen=True)
class Aspect:
    """Numbers of a catalogue that are judged together.

    Attributes:
        labels: one for each.
        measure: a vector of a catalogue with points.
    """

    labels: tuple[str, ...]
    measure: Callable[[Catalogue], Float[np.ndarray, " numbers"]]


def aspects(standardizer: Standardizer, catalogue: Catalogue) -> list[Aspect]:
    """What catalogues are compared in."""
    found = [Aspect(("ln N",), LogNumber())]
    scales = zip(standardizer.columns, standardizer.scales, strict=True)
    columns = [name for name, scale in scales if scale > 0 and name not in POSITIONS]
    for name in (name for name in columns if name not in VELOCITIES):
        labels = tuple(f"the {level:.0%} quantile of {name}" for level in LEVELS)
        found.append(Aspect(labels, functools.partial(_quantiles_of, name)))
    if set(VELOCITIES) <= set(columns):
        labels = tuple(f"the {level:.0%} quantile of ln |v|" for level in LEVELS)
        found.append(Aspect(labels, _quantiles_of_speed))
    if set(POSITIONS) <= set(standardizer.columns) and len(catalogue) > 1:
        box = np.array(standardizer.box)
        nearest = NEAREST * np.cbrt(box.prod() / len(catalogue))
        edges = np.geomspace(nearest, max(FURTHEST * box.min(), 2 * nearest), BINS + 1)
        middle = np.sqrt(edges[1:] * edges[:-1])
        statistic = LogCorrelation(tuple(edges.tolist()))
        labels = tuple(f"ln(1 + xi) at {r:.3g} Mpc/h" for r in middle)
        found.append(Aspect(labels, statistic))
    return found


def unlike(
    kinds: Sequence[Aspect], observed: Catalogue, drawn: Sequence[Catalogue]
) -> tuple[ResultWarning, ...]:
    """A warning of each aspect in which a catalogue is no draw of the model, the worst first."""
    found = []
    for kind in kinds:
        rows = np.stack([kind.measure(one) for one in drawn])
        value = kind.measure(observed)
        p = PredictiveCheck(value, rows).gaussian_p_value
        if p < LEVEL / len(kinds):
            found.append((p, _told(kind.labels, value, rows, p)))
    return tuple(warning for _, warning in sorted(found, key=lambda each: each[0]))


def at_the_edge(
    names: Sequence[str],
    draws: Float[np.ndarray, "draws parameters"],
    bounds: Sequence[tuple[float, float]],
) -> tuple[ResultWarning, ...]:
    """A warning of parameters whose posterior piles up at an end of the prior."""
    found = []
    for name, values, (low, high) in zip(names, draws.T, bounds, strict=True):
        for end in (low, high):
            if np.isfinite(high - low) and np.median(np.abs(values - end)) < AT_EDGE * (high - low):
                found.append(f"{name} at {end:g}")
    if not found:
        return ()
    text = f"the posterior piles up at an end of the prior: {', '.join(found)}; widen it"
    return (ResultWarning("edge", text),)


def _told(labels, value, rows, p):
    mean, deviation = rows.mean(axis=0), rows.std(axis=0, ddof=1)
    worst = int(np.argmax(np.abs(value - mean) / np.maximum(deviation, SINGLE)))
    text = (
        f"{labels[worst]} is {value[worst]:.4g}, in draws at the posterior {mean[worst]:.4g} +- "
        f"{deviation[worst]:.2g} (p = {p:.1g}): the model was not trained for such a catalogue"
    )
    return ResultWarning("unlike", text)


def _quantiles_of(name: str, one: Catalogue) -> np.ndarray:
    return np.quantile(physical_column(one, name), LEVELS)


def _quantiles_of_speed(one: Catalogue) -> np.ndarray:
    speed = np.linalg.norm([one.columns[name] for name in VELOCITIES], axis=0)
    return np.quantile(np.log(np.maximum(speed, 1e-3)), LEVELS)
