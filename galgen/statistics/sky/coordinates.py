"""Sky coordinates to comoving space and back, and sky regions for a jackknife.

::

    x = d (cos Dec cos RA, cos Dec sin RA, sin Dec),    d(z) = h c / H_0  integral_0^z dz' / E(z')

d is the comoving distance in Mpc/h: of Omega_m, dark energy and so on, but not of H_0 (except
through radiation). Flat space only, where distances along and across the line of sight are one.

d comes from the cosmology of astropy at nodes 0.001 apart in u = ln(1 + z), joined by the cubic
with the exact slopes dd/du = h c (1 + z) / H(z): within 1e-10 Mpc/h of astropy. The nodes do not
depend on the data, so an object's place does not depend on the others. z(d) inverts the same curve
by Newton steps: a round trip is exact to rounding. All of it is NumPy in float64, on the host.
"""

from __future__ import annotations

import math

import flax.struct
import numpy as np
from astropy.cosmology import FLRW
from jaxtyping import Float
from scipy.interpolate import CubicHermiteSpline

from galgen.errors import InputError
from galgen.statistics.binning import ArrayLike

SPEED_OF_LIGHT = 299_792.458
"""In km/s."""
MAXIMUM_REDSHIFT = 1100.0
NODE = 1e-3
"""Spacing of the distance table in ln(1 + z)."""
SKY_AREA = 4 * math.pi * (180 / math.pi) ** 2
"""Of the whole sky, in square degrees."""


@flax.struct.dataclass
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


def comoving_distance(redshift: ArrayLike, cosmology: FLRW) -> Float[np.ndarray, "*shape"]:
    """Comoving distance in Mpc/h.

    Raises:
        InputError: redshifts that are not finite or not in [0, 1100], or a curved cosmology.
    """
    values = np.asarray(redshift, np.float64)
    check_range("redshift", values, 0.0, MAXIMUM_REDSHIFT, "drop stars and failed redshifts")
    curve = _distance_curve(cosmology, _length(values.max(initial=0.0)))
    return np.asarray(curve(np.log1p(values)))


def redshift_at(distance: ArrayLike, cosmology: FLRW) -> Float[np.ndarray, "*shape"]:
    """Redshift at a comoving distance in Mpc/h.

    Raises:
        InputError: distances that are not finite, negative or beyond z = 1100, or a curved
            cosmology.
    """
    values = np.asarray(distance, np.float64)
    farthest = values.max(initial=0.0)
    check_range("comoving distance", values, 0.0, 1e6, "give distances in Mpc/h")
    nodes = _length(1.0)
    curve = _distance_curve(cosmology, nodes)
    while curve(curve.x[-1]) < farthest:
        if nodes >= _length(MAXIMUM_REDSHIFT):
            raise InputError(
                f"expected comoving distances up to {curve(curve.x[-1]):.6g} Mpc/h, that of "
                f"z = {MAXIMUM_REDSHIFT:g}, got {farthest:g}; give distances in Mpc/h"
            )
        nodes = min(2 * nodes, _length(MAXIMUM_REDSHIFT))
        curve = _distance_curve(cosmology, nodes)
    slope = curve.derivative()
    logarithm = np.interp(values, curve(curve.x), curve.x)
    for _ in range(3):
        logarithm = logarithm - (curve(logarithm) - values) / slope(logarithm)
    return np.asarray(np.expm1(np.maximum(logarithm, 0.0)))


def cartesian_positions(
    right_ascension: ArrayLike, declination: ArrayLike, redshift: ArrayLike, cosmology: FLRW
) -> Float[np.ndarray, "*shape 3"]:
    """Comoving Cartesian positions in Mpc/h of objects on the sky, the observer at the origin.

    Args:
        right_ascension: degrees, in [-180, 360].
        declination: degrees, in [-90, 90].
        redshift: in [0, 1100].
        cosmology: flat, of astropy; its H_0 does not matter.

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


def sky_positions(positions: ArrayLike, cosmology: FLRW) -> SkyPositions:
    """Where an observer at the origin sees comoving positions: the way back.

    The origin itself is at RA = Dec = z = 0.

    Args:
        positions: ``(..., 3)`` in Mpc/h.
        cosmology: flat, of astropy; its H_0 does not matter.

    Raises:
        InputError: positions that are not ``(..., 3)`` or not finite, or beyond z = 1100.
    """
    points = np.asarray(positions, np.float64)
    if points.shape[-1:] != (3,):
        raise InputError(
            f"expected positions of shape (..., 3), got {points.shape}; "
            "give Cartesian coordinates in Mpc/h"
        )
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
    longitude = np.asarray(right_ascension, np.float64)
    latitude = np.asarray(declination, np.float64)
    if longitude.shape != latitude.shape:
        raise InputError(
            f"expected right ascensions and declinations of one shape, got {longitude.shape} and "
            f"{latitude.shape}; take both from the same catalogue"
        )
    check_range("right ascension", longitude, -180.0, 360.0, "give degrees")
    check_range("declination", latitude, -90.0, 90.0, "give degrees, right ascension first")
    alpha, delta = np.radians(longitude), np.radians(latitude)
    return np.stack(
        [np.cos(delta) * np.cos(alpha), np.cos(delta) * np.sin(alpha), np.sin(delta)], axis=-1
    )


def check_range(
    name: str, values: Float[np.ndarray, "*shape"], low: float, high: float, remedy: str
) -> None:
    """Refuse values outside [low, high], NaN and infinity.

    Raises:
        InputError: naming the first such value.
    """
    strange = ~((values >= low) & (values <= high))
    if np.any(strange):
        raise InputError(
            f"expected {name} in [{low:g}, {high:g}], got {values[strange].ravel()[0]:g} in "
            f"{np.count_nonzero(strange)} of {values.size}; {remedy}"
        )


def _length(redshift: float) -> int:
    """Nodes that reach a redshift."""
    return int(math.log1p(redshift) / NODE) + 2


def _distance_curve(cosmology: FLRW, nodes: int) -> CubicHermiteSpline:
    """d(u) in Mpc/h at u = ln(1 + z)."""
    if abs(cosmology.Ok0) > 1e-8:
        raise InputError(
            f"expected a flat cosmology, got Omega_k = {float(cosmology.Ok0):g}; "
            "pass e.g. astropy.cosmology.FlatLambdaCDM(100, 0.3)"
        )
    logarithm = NODE * np.arange(nodes)
    redshift = np.expm1(logarithm)
    distance = cosmology.comoving_distance(redshift).to_value("Mpc") * cosmology.h
    rate = cosmology.H(redshift).to_value("km / (s Mpc)") / cosmology.h
    return CubicHermiteSpline(logarithm, distance, SPEED_OF_LIGHT * (1 + redshift) / rate)
