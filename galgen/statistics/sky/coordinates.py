"""Sky coordinates to comoving space and back, and sky regions for a jackknife.

::

    x = d (cos Dec cos RA, cos Dec sin RA, sin Dec),    d(z) = h c / H_0  integral_0^z dz' / E(z')

d is the comoving distance in Mpc/h along the line of sight: of Omega_m, dark energy, curvature and
neutrinos, but not of H_0 (except through radiation). In a curved space x keeps distances along the
line of sight; those across it are S_k(d) / d times as large, and volumes are those of
:func:`shell_volumes`::

    S_k(d) = sinh(sqrt(Omega_k) d / d_H) d_H / sqrt(Omega_k),   d_H = c / 100 Mpc/h
    V      = integral S_k(d)² dd                                per steradian

d is integrated over astropy's E(z) to nodes 0.001 apart in u = ln(1 + z), joined by the cubic with
the exact slopes dd/du = d_H (1 + z) / E(z): within 1e-10 of astropy. The nodes do not depend on the
data, so an object's place does not depend on the others. z(d) inverts the same curve by Newton
steps: a round trip is exact to rounding. All of it is NumPy in float64, on the host.
"""

from __future__ import annotations

import math

import flax.struct
import numpy as np
from jaxtyping import Float
from scipy.interpolate import CubicHermiteSpline

from galgen.arrays import as_array, as_finite
from galgen.cosmology import astropy_cosmology
from galgen.errors import InputError
from galgen.statistics.arguments import ArrayLike
from galgen.statistics.expansion import Cosmology

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


def comoving_distance(redshift: ArrayLike, cosmology: Cosmology) -> Float[np.ndarray, "*shape"]:
    """Comoving distance along the line of sight in Mpc/h.

    Args:
        redshift: in [0, 1100].
        cosmology: of astropy, or parameters by name; H_0 does not matter.

    Raises:
        InputError: redshifts that are not finite or not in [0, 1100], or a cosmology that is not
            understood.
    """
    values = sky_column(redshift, "redshift", "")
    check_range("redshift", values, 0.0, MAXIMUM_REDSHIFT, "drop stars and failed redshifts")
    curve = _distance_curve(cosmology, _length(values.max(initial=0.0)))
    return np.asarray(curve(np.log1p(values)))


def shell_volumes(edges: ArrayLike, cosmology: Cosmology) -> Float[np.ndarray, "bins"]:
    """Comoving volume of a steradian between successive redshifts, (Mpc/h)³, curvature heard.

    Raises:
        InputError: as :func:`comoving_distance`.
    """
    model = astropy_cosmology(cosmology)
    distance = comoving_distance(edges, model)
    curvature = float(model.Ok0) * (100.0 / SPEED_OF_LIGHT) ** 2
    if curvature == 0:
        return np.diff(distance**3) / 3
    nodes, weights = np.polynomial.legendre.leggauss(20)
    half = np.diff(distance)[:, None] / 2
    d = distance[:-1, None] + half * (1 + nodes)
    root = np.sqrt(abs(curvature)) * d
    across = d * (np.sinh(root) / root if curvature > 0 else np.sin(root) / root)
    return (half * weights * across**2).sum(axis=1)


def redshift_at(distance: ArrayLike, cosmology: Cosmology) -> Float[np.ndarray, "*shape"]:
    """Redshift at a comoving distance in Mpc/h.

    Raises:
        InputError: distances that are not finite, negative or beyond z = 1100, or a cosmology
            that is not understood.
    """
    values = sky_column(distance, "comoving distance", "Mpc/h")
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
    points = sky_column(positions, "positions", "Mpc/h")
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
    longitude = sky_column(right_ascension, "right ascension", "deg")
    latitude = sky_column(declination, "declination", "deg")
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


def sky_column(values: ArrayLike, name: str, unit: str) -> Float[np.ndarray, "*shape"]:
    """Numbers of an object each in float64, in the wanted unit; missing ones are refused.

    Raises:
        InputError: what is missing, no number, or of another unit.
    """
    return as_array(values, name, unit).astype(np.float64)


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


def _distance_curve(cosmology: Cosmology, nodes: int) -> CubicHermiteSpline:
    """d(u) in Mpc/h at u = ln(1 + z): Gauss-Legendre integrals between the nodes, added up."""
    model = astropy_cosmology(cosmology)
    logarithm = NODE * np.arange(nodes)

    def slope(u: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        with np.errstate(invalid="ignore", divide="ignore"):
            return SPEED_OF_LIGHT / 100.0 * np.exp(u) * model.inv_efunc(np.expm1(u))

    points, weights = np.polynomial.legendre.leggauss(4)
    between = slope(logarithm[:-1, None] + NODE / 2 * (1 + points)) @ weights * (NODE / 2)
    if not np.all(np.isfinite(between)):
        raise InputError(
            f"expected a cosmology that expands from z = {math.expm1(logarithm[-1]):.4g} on, got "
            "one that does not; check omega_lambda and omega_k"
        )
    distance = np.concatenate([[0.0], np.cumsum(between)])
    return CubicHermiteSpline(logarithm, distance, slope(logarithm))
