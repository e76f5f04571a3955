"""Positions in a periodic box, and the nearest of their images, for arrays of NumPy and of JAX."""

from __future__ import annotations

from typing import Any

import numpy as np

from galgen.arrays import library_of

_BELOW_ONE = float(np.nextafter(np.float32(1), np.float32(0)))


def wrap(x: Any, side: Any = 1.0) -> Any:
    """Positions modulo the side of a periodic box, in ``[0, side)``.

    A position inside keeps every bit. A negative rounding error becomes 0, never ``side``.

    Args:
        x: positions of any shape.
        side: of the box, in their unit: a number, or one for each axis.
    """
    library = library_of(x)
    wrapped = np.mod(x, side) if library is np else x - side * library.floor(x / side)
    return library.where(wrapped >= side, 0.0, wrapped)


def minimum_image(difference: Any, side: Any = 1.0) -> Any:
    """Differences of positions to the nearest image, in ``[-side / 2, side / 2]``.

    Args:
        difference: of positions, of any shape.
        side: of the box, in their unit: a number, or one for each axis.
    """
    return difference - side * library_of(difference).round(difference / side)


def into_unit_box(x: Any, periodic: bool) -> Any:
    """Positions in ``[0, 1)``: wrapped in a periodic box, clipped to an open one.

    Args:
        x: positions in units of the side of the box, of any shape, in float32 or float64.
        periodic: whether the box is.
    """
    return wrap(x) if periodic else library_of(x).clip(x, 0.0, _BELOW_ONE)
