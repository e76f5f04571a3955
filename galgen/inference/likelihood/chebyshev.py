r"""Interpolation of smooth functions on a box, from few values.

In one dimension a function is interpolated by the polynomial of degree n - 1 through its values at
the n Chebyshev points of the first kind,

    x_j = cos(pi (j + 1/2) / n),    j = 0 ... n - 1,

in barycentric form (Berrut and Trefethen 2004, SIAM Review 46, 501, eqs. 4.2 and 5.3); in several,
by products. For functions that are smooth on the scale of the box the error falls exponentially in
n (Trefethen 2013, Approximation Theory and Approximation Practice, theorem 8.2), and the last
coefficients of the expansion in Chebyshev polynomials tell its size.
"""

from __future__ import annotations

import dataclasses
from functools import reduce
from typing import Annotated

import numpy as np
from jaxtyping import Float

from galgen.checked import FILLED, Range, at_least, checked


@dataclasses.dataclass(frozen=True)
@checked
class ChebyshevGrid:
    """The product of Chebyshev points between bounds.

    Attributes:
        bounds: (low, high) along each axis.
        number: of points along each axis.

    Raises:
        InputError: for fewer than three points, or bounds that do not rise or are not finite.
    """

    bounds: Annotated[tuple[Range, ...], FILLED]
    number: Annotated[int, at_least(3)] = 7

    @property
    def axes(self) -> tuple[Float[np.ndarray, " number"], ...]:
        """The points along each axis, rising."""
        unit = -np.cos(np.pi * (np.arange(self.number) + 0.5) / self.number)
        return tuple(low + 0.5 * (high - low) * (unit + 1) for low, high in self.bounds)

    @property
    def points(self) -> Float[np.ndarray, "points axes"]:
        """All points, the last axis fastest."""
        return product(self.axes)

    def interpolate(
        self,
        values: Float[np.ndarray, "*lead points"],
        axes: tuple[Float[np.ndarray, " _"], ...],
    ) -> Float[np.ndarray, "*lead fine"]:
        """The interpolant at the product of ``axes``, the last fastest."""
        matrices = [_barycentric(own, to) for own, to in zip(self.axes, axes, strict=True)]
        return self._apply(matrices, values)

    def highest(self, values: Float[np.ndarray, "*lead points"]) -> Float[np.ndarray, "*lead"]:
        """The largest coefficient of the last degree along any axis: the interpolant's error."""
        degree = np.arange(self.number)
        angle = np.pi * (degree + 0.5) / self.number
        transform = 2 / self.number * np.cos(degree[:, None] * angle)  # DCT-II, rows are degrees
        transform[0] /= 2
        last = self.number - 1
        shape = values.shape[:-1] + (self.number,) * len(self.bounds)
        found = np.abs(self._apply([transform] * len(self.bounds), values).reshape(shape))
        lead = values.ndim - 1
        ends = [np.take(found, last, axis=lead + i) for i in range(len(self.bounds))]
        flat = [end.reshape(*values.shape[:-1], -1) for end in ends]
        return np.asarray(np.max(np.concatenate(flat, axis=-1), axis=-1))

    def _apply(self, matrices, values):
        """A matrix along each axis of values on the grid."""
        lead = values.shape[:-1]
        found = values.reshape(*lead, *(self.number,) * len(self.bounds))
        for i, matrix in enumerate(matrices):
            found = np.moveaxis(np.tensordot(found, matrix, (len(lead) + i, 1)), -1, len(lead) + i)
        return found.reshape(*lead, -1)


def product(axes: tuple[Float[np.ndarray, " _"], ...]) -> Float[np.ndarray, "points axes"]:
    """All combinations of values along axes, the last fastest."""
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))


def weights(axes: tuple[Float[np.ndarray, " _"], ...]) -> Float[np.ndarray, " points"]:
    """Those of the trapezoidal rule on the product of axes."""
    each = [np.gradient(axis) for axis in axes]
    for one in each:
        one[[0, -1]] *= 0.5
    return reduce(lambda a, b: np.multiply.outer(a, b), each).ravel()


def _barycentric(own, to):
    """The matrix that carries values at the Chebyshev points ``own`` to points ``to``."""
    number = len(own)
    weight = (-1.0) ** np.arange(number) * np.sin(np.pi * (np.arange(number) + 0.5) / number)
    gap = to[:, None] - own
    exact = gap == 0
    ratio = weight / np.where(exact, 1.0, gap)
    matrix = ratio / ratio.sum(axis=1, keepdims=True)
    hit = exact.any(axis=1)
    matrix[hit] = exact[hit]
    return matrix
