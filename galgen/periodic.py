"""Positions in a periodic box, and the nearest of their images, for arrays of NumPy and of JAX."""

from __future__ import annotations

from typing import Any

import numpy as np


def wrap(x: Any, side: Any = 1.0) -> Any:
    """Positions modulo the side of a periodic box, in ``[0, side)``.

    A position inside keeps every bit. A negative rounding error becomes 0, never ``side``.

    Args:
        x: positions of any shape.
        side: of the box, in their unit: a number, or one for each axis.
    """
    library = _library_of(x)
    wrapped = np.mod(x, side) if library is np else x - side * library.floor(x / side)
    return library.where(wrapped >= side, 0.0, wrapped)


def minimum_image(difference: Any, side: Any = 1.0) -> Any:
    """Differences of positions to the nearest image, in ``[-side / 2, side / 2]``.

    Args:
        difference: of positions, of any shape.
        side: of the box, in their unit: a number, or one for each axis.
    """
    return difference - side * _library_of(difference).round(difference / side)


def _library_of(x: Any) -> Any:
    if isinstance(x, np.ndarray | np.generic | float):
        return np
    import jax.numpy

    return jax.numpy
