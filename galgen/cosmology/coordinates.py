"""Sky coordinates to comoving space and back, and sky regions for a jackknife.

::

    x = d (cos Dec cos RA, cos Dec sin RA, sin Dec)

d is the comoving distance in Mpc/h along the line of sight (:mod:`galgen.cosmology.distances`). In
a curved space x keeps distances along the line of sight, not those across it. All of it is NumPy
in float64, on the host.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from jaxtyping import Float

from galgen.arrays import ArrayLike, as_finite, as_floats, check_range
from galgen.cosmology.background import Cosmology
from galgen.cosmology.distances import comoving_distance, redshift_at
from galgen.errors import InputError

SKY_AREA = 4 * math.pi * (180 / math.pi) ** 2
"""Of the whole sky, in square degrees."""


@dataclasses.dataclass(frozen=True, eq=False)
class SkyPositions:
    """Objects on the sky, on the host in float64.

    =============== ============ ==================================
    field           shape        meaning
    =============== ============ ==================================
    right_ascension ``(*shape)`` degrees, in [0, 360)
    declination     ``(*shape)`` degrees, in [-90, 90]
    redshift        ``(*shape)`` cosmological
    =============== ============ ==================================
    """

    right_ascension: Float[np.ndarray, "*shape"]
    declination: Float[np.ndarray, "*shape"]
    redshift: Float[np.ndarray, "*shape"]


def cartesian_positions(
    right_ascension: ArrayLike, declination: ArrayLike, redshift: ArrayLike, cosmology: Cosmology
) -> Float[np.ndarray, "*shape 3"]:
    """Comoving Cartesian positions in Mpc/h of objects on the sky, the observer at the origin.

    Args:
        right_ascension: degrees, in [-180, 360].
        declination: degrees, in [-90, 90].
        redshift: in [0, 1100].
        cosmology: of astropy, or parameters by name; H_0 does not matter.

    Raises:
        InputError: coordinates of different shapes, out of range or not finite.
    """
    distance = comoving_distance(redshift, cosmology)
    direction = unit_vectors(right_ascension, declination)
    if direction.shape[:-1] != distance.shape:
        raise InputError(
            f"expected coordinates and redshifts of one shape, got {direction.shape[:-1]} and "
            f"{distance.shape}; take all columns from the same catalogue"
        )
    return direction * distance[..., None]


def sky_positions(positions: ArrayLike, cosmology: Cosmology) -> SkyPositions:
    """Where an observer at the origin sees comoving positions: the way back.

    The origin itself is at RA = Dec = z = 0.

    Args:
        positions: ``(..., 3)`` in Mpc/h.
        cosmology: of astropy, or parameters by name; H_0 does not matter.

    Raises:
        InputError: positions that are not ``(..., 3)`` or not finite, or beyond z = 1100.
    """
    points = as_floats(positions, "positions", "Mpc/h")
    if points.shape[-1:] != (3,):
        raise InputError(
            f"expected positions of shape (..., 3), got {points.shape}; "
            "give Cartesian coordinates in Mpc/h"
        )
    as_finite(points, "positions")
    across = np.hypot(points[..., 0], points[..., 1])
    angle = np.degrees(np.arctan2(points[..., 1], points[..., 0])) % 360.0
    return SkyPositions(
        right_ascension=np.where(angle >= 360.0, 0.0, angle),
        declination=np.asarray(np.degrees(np.arctan2(points[..., 2], across))),
        redshift=redshift_at(np.hypot(across, points[..., 2]), cosmology),
    )


def unit_vectors(
    right_ascension: ArrayLike, declination: ArrayLike
) -> Float[np.ndarray, "*shape 3"]:
    """Directions on the sky as unit vectors.

    Raises:
        InputError: angles of different shapes, out of range or not finite.
    """
    longitude = as_floats(right_ascension, "right ascension", "deg")
    latitude = as_floats(declination, "declination", "deg")
    if longitude.shape != latitude.shape:
        raise InputError(
            f"expected right ascensions and declinations of one shape, got {longitude.shape} and "
            f"{latitude.shape}; take both from the same catalogue"
        )
    check_range("right ascension", longitude, -180.0, 360.0, "give degrees")
    check_range("declination", latitude, -90.0, 90.0, "give degrees, right ascension first")
    alpha, delta = np.radians(longitude % 360.0), np.radians(latitude)
    return np.stack(
        [np.cos(delta) * np.cos(alpha), np.cos(delta) * np.sin(alpha), np.sin(delta)], axis=-1
    )
