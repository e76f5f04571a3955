"""Mass assignment: the shares of a point that the cells of a mesh get, and the window of that.

A point of weight one at ``u`` (in cells) gives the cell ``n`` the share ``prod_axes S(u - n)``. S
is the B-spline of Hockney & Eastwood (1981): ``order`` top hats of one cell convolved. Shares add
up to one. Painting multiplies a mode k by the window W, with H the cell side::

    W(k) = prod_axes [sin(k H / 2) / (k H / 2)]^order

Order 1 is nearest grid point, 2 cloud in cell, 3 triangular-shaped cloud, 4 piecewise cubic spline.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

ORDERS = (1, 2, 3, 4)


def shares(offset: Any, order: int) -> list[Any]:
    """The share of each cell along one axis, for arrays of NumPy or JAX.

    Args:
        offset: of the point in cells: from the nearest cell for an odd order, in [-1/2, 1/2], and
            from the cell below for an even one, in [0, 1].
        order: of the B-spline.

    Returns:
        Of ``order`` neighbouring cells, those from ``(order - 1) // 2`` below that cell on.
    """
    u, v = offset, 1 - offset
    if order == 1:
        return [u**0]
    if order == 2:
        return [v, u]
    if order == 3:
        return [0.5 * (0.5 - u) ** 2, 0.75 - u**2, 0.5 * (0.5 + u) ** 2]
    return [v**3 / 6, 2 / 3 - u**2 * (1 - u / 2), 2 / 3 - v**2 * (1 - v / 2), u**3 / 6]


def window(phase: Float[np.ndarray, "*shape"], order: int) -> Float[np.ndarray, "*shape"]:
    """W along one axis at ``phase`` = k H / (2 pi), in cycles per cell, on the host."""
    return np.asarray(np.sinc(phase) ** order)
