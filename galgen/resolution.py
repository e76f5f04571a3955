"""Whether a spread is more than rounding: asked wherever something is divided by one.

The standard deviation of equal numbers is seldom zero, for the mean of eighty times 0.1 is not 0.1,
and a quantity that is the same in all catalogues differs in the last digit when it is computed in
another order. Divided by such a spread, rounding becomes a feature of order one, and the first
number that truly differs one of order 1e15. A spread is **resolved** where::

    deviation > 2^-b max |value|,   b = 20 in float32, 40 in float64

These are 8 and 4096 units in the last place: a few operations in float32, long sums in float64.
A column of numbers that float32 holds exactly counts as float32, in which they were most likely
computed. Integers are exact: any spread of theirs is resolved.

What is not resolved has a spread of exactly 0, and :func:`divisors` makes of a value in units of it
exactly 0: it is left out. Who leaves something out says so, by name.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Num

SINGLE = 2.0**-20
"""Relative to the largest value, the least spread of numbers in float32."""
DOUBLE = 2.0**-40
"""The same in float64."""
HALF = 2.0**-7
"""The same in float16."""


def precision_of(
    values: Num[np.ndarray, "examples *columns"],
) -> Float[np.ndarray, "*columns"]:
    """The least resolved spread of every column relative to its largest value: 0 for integers."""
    if values.dtype.kind != "f":
        return np.zeros(values.shape[1:])
    if values.dtype.itemsize <= 4:
        return np.full(values.shape[1:], SINGLE if values.dtype.itemsize == 4 else HALF)
    with np.errstate(over="ignore"):
        single = np.all(values.astype(np.float32) == values, axis=0)
    return np.where(single, SINGLE, DOUBLE)


def resolved(
    std: Float[np.ndarray, "*columns"] | float,
    magnitude: Float[np.ndarray, "*_"] | float,
    precision: Float[np.ndarray, "*_"] | float = SINGLE,
) -> Bool[np.ndarray, "*columns"]:
    """Whether standard deviations are more than rounding; False where one is NaN.

    Args:
        std: of some numbers.
        magnitude: the largest of them, without its sign.
        precision: of :func:`precision_of`; :data:`SINGLE` for what was computed in float32.
    """
    return np.asarray(np.asarray(std) > precision * np.asarray(magnitude))


def spread(
    values: Num[np.ndarray, "examples *columns"],
    precision: Float[np.ndarray, "*_"] | float | None = None,
) -> Float[np.ndarray, "*columns"]:
    """The standard deviation over the first axis; exactly 0 where it is not resolved.

    Args:
        values: finite.
        precision: of :func:`resolved`; None for that of the values.
    """
    if not len(values):
        return np.zeros(values.shape[1:])
    least = precision_of(values) if precision is None else precision
    plain = values.astype(np.float64)
    std = plain.std(axis=0)
    differs = plain.max(axis=0) > plain.min(axis=0)
    return np.where(differs & resolved(std, np.abs(plain).max(axis=0), least), std, 0.0)


def divisors(scales: Sequence[float] | Float[np.ndarray, " columns"]) -> np.ndarray:
    """Scales to divide by: infinite where they are 0, so that what is left out becomes 0."""
    found = np.asarray(scales, np.float64)
    return np.where(found > 0, found, np.inf)
