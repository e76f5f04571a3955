"""Galaxies or random points of a survey, checked once for all statistics of surveys."""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float

from galgen.arrays import ArrayLike, as_finite
from galgen.errors import InputError


@dataclasses.dataclass(frozen=True)
class SurveyCatalogue:
    """Galaxies or randoms of a survey, as an observer at the origin sees them.

    ========= =============== ================================================================
    field     shape           meaning
    ========= =============== ================================================================
    positions ``(points, 3)`` comoving, Mpc/h, of ``sky.coordinates.cartesian_positions``
    weights   ``(points,)``   None for one each
    regions   ``(points,)``   region of the jackknife, 0 to n - 1; None for no jackknife
    ========= =============== ================================================================

    All are kept as NumPy arrays of float64, regions of integers.

    Raises:
        InputError: shapes that do not agree, values that are missing or not finite, negative
            weights, or regions that are not whole.
    """

    positions: ArrayLike
    weights: ArrayLike | None = None
    regions: ArrayLike | None = None

    def __post_init__(self) -> None:
        positions = as_finite(self.positions, "positions", "Mpc/h").astype(np.float64)
        if positions.ndim != 2 or positions.shape[1] != 3 or len(positions) < 2:
            raise InputError(
                f"expected positions of shape (points, 3) with at least 2 points, got "
                f"{positions.shape}; pass comoving x, y, z in Mpc/h"
            )
        object.__setattr__(self, "positions", positions)
        for name in ("weights", "regions"):
            if getattr(self, name) is None:
                continue
            column = as_finite(getattr(self, name), name)
            if column.shape != (len(positions),):
                raise InputError(
                    f"expected {name} of shape {(len(positions),)}, got {column.shape}; pass "
                    "one for each point"
                )
            whole = name == "regions"
            if np.any(column != np.round(column)) if whole else np.any(column < 0):
                raise InputError(
                    f"expected {name} {'as whole numbers' if whole else 'of 0 or more'}, got "
                    f"{column.min():g} at least; do they mark missing values? drop those rows"
                )
            object.__setattr__(self, name, column.astype(np.int64 if whole else np.float64))

    @property
    def weight(self) -> Float[np.ndarray, "points"]:
        """Weights, ones where none are given."""
        return np.ones(len(self.positions)) if self.weights is None else self.weights

    def totals(self, power: int, regions: int) -> Float[np.ndarray, "parts"]:
        """Sum of weights to a power: without each region in turn, and last of all points."""
        each = self.weight**power
        if not regions:
            return np.array([each.sum()])
        inside = np.bincount(np.asarray(self.regions), each, regions)
        return np.append(each.sum() - inside, each.sum())
