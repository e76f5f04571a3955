"""Conditions: named parameters between their physical values and standardised ones.

Standardised is ``(value - mean) / scale``, in float32. A parameter of scale 0 was the same in all
catalogues (:mod:`galgen.resolution`) and becomes 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Float32

from galgen.errors import InputError
from galgen.resolution import divisors

Ranges = Sequence[tuple[float, float]]
SLACK = 1e-6
"""How far a value may be outside its trained range, relative to the end of it."""


def standardised(
    values: Float[np.ndarray, "*lead parameters"], means: Sequence[float], scales: Sequence[float]
) -> Float32[np.ndarray, "*lead parameters"]:
    """``(value - mean) / scale``, exactly 0 where the scale is 0."""
    return ((values - np.asarray(means)) / divisors(scales)).astype(np.float32)


def in_order(
    values: Mapping[str, float] | Sequence[float] | np.ndarray, names: Sequence[str]
) -> Float[np.ndarray, " parameters"]:
    """Values by name, of which others are ignored, or in order, as an array in order.

    Raises:
        InputError: if a value is missing, or there are more or fewer than names.
    """
    if isinstance(values, Mapping):
        missing = [name for name in names if name not in values]
        if missing:
            raise InputError(
                f"expected values of {list(names)}, got {list(values)}; add {', '.join(missing)}"
            )
        values = [values[name] for name in names]
    given = np.asarray(values, dtype=np.float64)
    if given.shape != (len(names),):
        raise InputError(
            f"expected {len(names)} values, of {list(names)}, got shape {given.shape}; pass one "
            "value each"
        )
    return given


def check_trained(
    values: Float[np.ndarray, " parameters"],
    names: Sequence[str],
    ranges: Ranges,
    extrapolate: bool = False,
) -> None:
    """Refuse values that are not finite, or outside the trained range unless told to extrapolate.

    Raises:
        InputError: naming the first.
    """
    for name, value, (low, high) in zip(names, values, ranges, strict=True):
        slack = SLACK * max(abs(low), abs(high))
        inside = low - slack <= value <= high + slack
        if not np.isfinite(value) or not (inside or extrapolate):
            raise InputError(
                f"expected {name} in the trained range [{low:.6g}, {high:.6g}], got {value:.6g}; "
                "choose a value inside it, train on a wider suite, or pass extrapolate=True"
            )


def check_bounds(bounds: Ranges, names: Sequence[str], ranges: Ranges) -> None:
    """Refuse bounds of a prior that do not hold the trained ranges.

    Raises:
        InputError: for another number of bounds, or one that does not hold its range.
    """
    if len(bounds) != len(names):
        raise InputError(
            f"expected bounds of each of {list(names)}, got {len(bounds)} pairs; "
            "give one (low, high) each"
        )
    for name, (least, most), (low, high) in zip(names, ranges, bounds, strict=True):
        if not low <= least <= most <= high or not low < high:
            raise InputError(
                f"expected bounds of {name} around its trained range [{least:.6g}, {most:.6g}], "
                f"got [{low:.6g}, {high:.6g}]; widen them to those of the prior"
            )
