"""Comoving distances of redshifts, and the way back.

::

    d(z) = h c / H_0  integral_0^z dz' / E(z')

d is in Mpc/h along the line of sight: of Omega_m, dark energy, curvature and neutrinos, but not of
H_0 (except through radiation). In a curved space distances across the line of sight are S_k(d) / d
times as large, and volumes are those of :func:`shell_volumes`::

    S_k(d) = sinh(sqrt(Omega_k) d / d_H) d_H / sqrt(Omega_k),   d_H = c / 100 Mpc/h
    V      = integral S_k(d)² dd                                per steradian

d is integrated over astropy's E(z) to nodes 0.001 apart in u = ln(1 + z), joined by the cubic with
the exact slopes dd/du = d_H (1 + z) / E(z): within 1e-10 of astropy. The nodes do not depend on the
data, so an object's place does not depend on the others. z(d) inverts the same curve by Newton
steps: a round trip is exact to rounding.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy
from jaxtyping import Float

from galgen.arrays import as_floats, check_range
from galgen.cosmology.background import SPEED_OF_LIGHT, Cosmology, astropy_cosmology
from galgen.errors import InputError

MAXIMUM_REDSHIFT = 1100.0
NODE = 1e-3
"""Spacing of the distance table in ln(1 + z)."""


def comoving_distance(redshift: Any, cosmology: Cosmology) -> Float[np.ndarray, "*shape"]:
    """Comoving distance along the line of sight in Mpc/h.

    Args:
        redshift: in [0, 1100].
        cosmology: of astropy, or parameters by name; H_0 does not matter.

    Raises:
        InputError: redshifts that are not finite or not in [0, 1100], or a cosmology that is not
            understood.
    """
    values = as_floats(redshift, "redshift", "")
    check_range("redshift", values, 0.0, MAXIMUM_REDSHIFT, "drop stars and failed redshifts")
    curve = _distance_curve(cosmology, _length(values.max(initial=0.0)))
    return np.asarray(curve(np.log1p(values)))


def shell_volumes(edges: Any, cosmology: Cosmology) -> Float[np.ndarray, "bins"]:
    """Comoving volume of a steradian between successive redshifts, (Mpc/h)³, with curvature.

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


def redshift_at(distance: Any, cosmology: Cosmology) -> Float[np.ndarray, "*shape"]:
    """Redshift at a comoving distance in Mpc/h.

    Raises:
        InputError: distances that are not finite, negative or beyond z = 1100, or a cosmology
            that is not understood.
    """
    values = as_floats(distance, "comoving distance", "Mpc/h")
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


def _length(redshift: float) -> int:
    """Nodes that reach a redshift."""
    return int(math.log1p(redshift) / NODE) + 2


def _distance_curve(cosmology: Cosmology, nodes: int) -> scipy.interpolate.CubicHermiteSpline:
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
    return scipy.interpolate.CubicHermiteSpline(logarithm, distance, slope(logarithm))
