"""Multipoles of a weighted field about a line of sight that varies, by fast Fourier transforms.

Of points x_j with weights w_j (negative ones too) seen by an observer at the origin, with x_hat the
direction of a point and L_l the Legendre polynomial (Yamamoto et al. 2006, PASJ 58, 93; Bianchi et
al. 2015, MNRAS 453, L11; Hand et al. 2017, JCAP 07, 002, eqs. 2.8 to 2.11)::

    F_l(k) = sum_j w_j L_l(k_hat . x_hat_j) exp(-i k . x_j)
           = sum_m C_lm(k_hat)  sum_j w_j C_lm(x_hat_j) exp(-i k . x_j)
    S_l    = (2 l + 1) <Re F_0(k) F_l(k)*>          over the modes of a bin

C_lm are real harmonics (:mod:`galgen.statistics.fourier.spherical_harmonics`): 1, 5 and 9
transforms for l = 0, 2, 4. The line of sight of a pair is the direction of one of its points. As
in nbodykit and pypower, x_hat is that of the mesh cell, not of the point: an error of the order of
(cell side / distance)² or, across the line of sight, of aliases.

The mesh is periodic, but no mode depends on it: F is a sum over points. A point less than ``order``
cells from a face of the box spills over to cells of the opposite face, whose direction is another;
leave a margin, as :meth:`SurveyBox.around` does.
"""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Complex, Float, Int

from galgen.arrays import ArrayLike, as_array, as_finite
from galgen.errors import InputError
from galgen.statistics.binning import check_box
from galgen.statistics.fourier.amplitudes import Painting, field_amplitudes, mean_in_shells, product
from galgen.statistics.fourier.mesh import paint_one
from galgen.statistics.fourier.modes import FourierModes, whole_modes
from galgen.statistics.fourier.spherical_harmonics import (
    Direction,
    spherical_harmonic,
    unit_components,
)


@dataclasses.dataclass(frozen=True)
class SurveyBox:
    """The box in which a survey is transformed, in the coordinates of the observer.

    Attributes:
        corner: the lowest x, y and z, Mpc/h.
        sides: Mpc/h.

    Raises:
        InputError: sides that are not three positive numbers, or a corner of other than three.
    """

    corner: tuple[float, float, float]
    sides: tuple[float, float, float]

    def __post_init__(self) -> None:
        object.__setattr__(self, "sides", tuple(check_box(self.sides).tolist()))
        corner = as_array(self.corner, "corner", "Mpc/h").astype(np.float64)
        if corner.shape != (3,) or not np.all(np.isfinite(corner)):
            raise InputError(
                f"expected a corner of 3 finite coordinates in Mpc/h, got {self.corner}; "
                "take SurveyBox.around(positions)"
            )
        object.__setattr__(self, "corner", tuple(corner.tolist()))

    @classmethod
    def around(cls, *positions: ArrayLike, padding: float = 0.1) -> SurveyBox:
        """A cube about all points, wider than they are by ``padding`` of it on every side.

        Raises:
            InputError: a negative padding, or points all at one place.
        """
        every = [as_finite(points, "positions", "Mpc/h") for points in positions]
        every = [points for points in every if len(points)]
        if not every:
            raise InputError("expected points to put in a box, got none; pass those of the survey")
        low = np.min([np.min(points, axis=0) for points in every], axis=0)
        high = np.max([np.max(points, axis=0) for points in every], axis=0)
        extent = float(np.max(high - low))
        if padding < 0 or extent <= 0:
            raise InputError(
                f"expected points apart and a padding from 0, got an extent of {extent:g} Mpc/h "
                f"and {padding:g}; give the sides yourself"
            )
        side = (1 + 2 * padding) * extent
        corner = (low + high) / 2 - side / 2
        return cls((float(corner[0]), float(corner[1]), float(corner[2])), (side, side, side))

    def place(self, positions: ArrayLike) -> Float[np.ndarray, "_ 3"]:
        """Positions from the corner of the box, Mpc/h, in float64.

        Raises:
            InputError: a point outside the box.
        """
        inside = as_finite(positions, "positions", "Mpc/h") - np.asarray(self.corner)
        outside = np.any((inside < 0) | (inside > np.asarray(self.sides)), axis=1)
        if np.any(outside):
            raise InputError(
                f"expected all points within the box, got {np.count_nonzero(outside)} of "
                f"{len(outside)} outside; take SurveyBox.around(data, randoms)"
            )
        return inside


@functools.partial(jax.jit, static_argnames=("painting", "multipoles"))
def field_multipoles(
    positions: Float[Array, "points 3"],
    weights: Float[Array, "points"],
    corner: Float[Array, "3"],
    sides: Float[Array, "3"],
    table: FourierModes,
    painting: Painting,
    multipoles: tuple[int, ...],
) -> Float[Array, "multipoles bins"]:
    """S_l above; ``positions`` are from the corner, the table has the monopole alone.

    Harmonics one after the other: memory does not grow with l.
    """
    size, resampler = painting.mesh_size, painting.resampler
    shifts = (0.0, 0.5) if painting.interlaced else (0.0,)
    meshes = [paint_one(positions, weights, sides, size, resampler, shift) for shift in shifts]
    seen = [_cell_directions(corner, sides, size, shift) for shift in shifts]
    modes = whole_modes(table.index, size)
    x, y, z = (jnp.asarray(n) / side for n, side in zip(modes, sides, strict=True))
    along = unit_components((x, y, z))  # k over 2 pi

    def amplitude(ell: int) -> Complex[Array, "rows width"]:
        def add(total: Array, order: Int[Array, ""]) -> tuple[Array, None]:
            fields = (
                mesh * spherical_harmonic(ell, order, where)
                for mesh, where in zip(meshes, seen, strict=True)
            )
            part = field_amplitudes(table, *fields)
            return total + spherical_harmonic(ell, order, along) * part, None

        none = jnp.zeros(table.index.shape, jnp.result_type(positions.dtype, jnp.complex64))
        total, _ = lax.scan(add, none, jnp.arange(2 * ell + 1))
        return total

    monopole = amplitude(0)
    return jnp.stack(
        [
            (2 * ell + 1)
            * mean_in_shells(product(monopole, amplitude(ell) if ell else monopole), table)[0]
            for ell in multipoles
        ]
    )


@functools.partial(jax.jit, static_argnames="painting")
def mesh_product(
    data: tuple[Float[Array, "points 3"], Float[Array, "points"]],
    randoms: tuple[Float[Array, "others 3"], Float[Array, "others"]],
    sides: Float[Array, "3"],
    painting: Painting,
) -> Float[Array, ""]:
    """Integral of the density of one set of weighted points times that of another, (h/Mpc)³."""
    size, resampler = painting.mesh_size, painting.resampler
    first, other = (paint_one(*points, sides, size, resampler) for points in (data, randoms))
    return jnp.sum(first * other) * (float(size) ** 3 / jnp.prod(sides))


def _cell_directions(
    corner: Float[Array, "3"], sides: Float[Array, "3"], mesh_size: int, shift: float
) -> Direction:
    """Unit vectors from the observer to every cell of a mesh whose points moved on by ``shift``."""
    x, y, z = (
        corner[axis] + (jnp.arange(mesh_size) - shift) * (sides[axis] / mesh_size)
        for axis in range(3)
    )
    return unit_components((x[:, None, None], y[None, :, None], z[None, None, :]))
