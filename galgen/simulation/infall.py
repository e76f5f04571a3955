"""Infall faster than second order: spherical collapse, scale by scale.

Second-order theory has a collapsing sphere to second order in its linear overdensity delta. The
exact motion of its edge, from q to x q, is known in closed form (Peebles 1980, sec. 19; Omega_m =
1, and with delta for the time hardly another in Lambda CDM: Bernardeau 1994, ApJ 427, 51)::

    delta = 3/20 (6 u)^(2/3),   x = (9/2 u^2 / w^3)^(-1/3),   u = theta - sin theta
    s = -dx/dlnD = x (1 - 3/2 u sin theta / w^2),             w = 1 - cos theta
    e(delta) = s - delta/3 - 2 delta^2/21 = O(delta^3)

D is the growth factor, s the speed of the infall, e what second order lacks of it. Voids have
sinh and cosh, and delta < 0. The sphere stops contracting when it has virialised, at half its
largest radius (theta = 3 pi / 2, delta = 1.58): e keeps that value beyond.

Augmented Lagrangian perturbation theory (Kitaura and Hess 2013, MNRAS 435, L78) takes the
divergence of short-wave motions from the spheres of one size. Here every wavelength has the
spheres of its own size (as in Neyrinck 2016, MNRAS 455, L11, collapse is looked for on every
scale), with radii R_0 < R_1 < ... a factor 1.4 apart::

    -div v = 3 sum_j (G_j - G_(j+1)) * e(delta_(R_j)),     G_j = exp(-(0.7 k R_j)^2 / 2),   G_0 = 1

where delta_R is the mean over spheres. Thus long waves stay as they were, as a mass attracts from
afar alike before and after its collapse. R_0 is the size of the patches that move: a patch does
not take part in motions inside itself. The one number, 0.7, makes the infall about a spherical
peak of the mean profile right from 1.5 to 3 R_0 (within 10%; at 1.2 R_0 it is 40% of the truth).
"""

from __future__ import annotations

import functools

import numpy as np
import scipy
from jaxtyping import Complex64, Float, Float32

from galgen.cosmology.transfer import top_hat
from galgen.simulation.initial_field import (
    Filter,
    LinearField,
    gradient,
    inverse_laplacian,
    isotropic,
)

VIRIALIZATION = 1.5 * np.pi
"""theta where a sphere has fallen to half its largest radius."""

RADIUS_STEP = 1.4
RADII = 4
FILTER_WIDTH = 0.7


def missing_infall(overdensity: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """e(delta): speed of a spherical shell beyond second order, in units of its q and dlnD."""
    return np.asarray(np.interp(overdensity, *_collapse_table()))


@functools.cache
def _collapse_table() -> tuple[Float[np.ndarray, "steps"], Float[np.ndarray, "steps"]]:
    """delta, rising from -60 to virialisation, and e there."""
    theta = np.linspace(0.05, VIRIALIZATION, 1500)  # below 0.05, e < 1e-8 and digits are lost
    closed = _shell(theta - np.sin(theta), 1.0 - np.cos(theta), np.sin(theta))
    eta = np.linspace(0.05, 8.0, 1500)
    opened = _shell(np.sinh(eta) - eta, np.cosh(eta) - 1.0, np.sinh(eta))
    overdensity = np.concatenate([-opened[0][::-1], [0.0], closed[0]])
    speed = np.concatenate([opened[1][::-1], [0.0], closed[1]])
    return overdensity, speed - overdensity / 3.0 - 2.0 * overdensity**2 / 21.0


def _shell(
    u: Float[np.ndarray, "steps"], w: Float[np.ndarray, "steps"], sine: Float[np.ndarray, "steps"]
) -> tuple[Float[np.ndarray, "steps"], Float[np.ndarray, "steps"]]:
    """|delta| and s of one branch of the solution."""
    radius = (4.5 * u**2 / w**3) ** (-1.0 / 3.0)
    return 0.15 * (6.0 * u) ** (2.0 / 3.0), radius * (1.0 - 1.5 * u * sine / w**2)


def infall_displacement(
    field: LinearField, smallest_radius: float
) -> Float32[np.ndarray, "3 mesh mesh mesh"]:
    """What is missing in dpsi/dlnD of second order, in Mpc/h, on the mesh of ``field``.

    Args:
        field: linear density contrast, extrapolated to the wanted redshift.
        smallest_radius: R_0, the Lagrangian radius of the smallest patches that move, in Mpc/h.
    """
    modes = np.zeros_like(field.modes)
    for radius in smallest_radius * RADIUS_STEP ** np.arange(RADII):
        shortest = 0.0 if radius == smallest_radius else FILTER_WIDTH * radius
        band = _band(shortest, FILTER_WIDTH * RADIUS_STEP * radius)
        modes += _missing_modes(field, radius) * isotropic(band, field.box, field.mesh)
    modes *= isotropic(inverse_laplacian(0.0), field.box, field.mesh)
    return -3.0 * gradient(modes, field.box)


def _missing_modes(field: LinearField, radius: float) -> Complex64[np.ndarray, "mesh mesh half"]:
    """Transform of e(delta_R)."""
    missing = missing_infall(field.filtered(lambda k: top_hat(k * radius)))
    return scipy.fft.rfftn(missing.astype(np.float32), workers=1, overwrite_x=True)


def _band(shortest: float, longest: float) -> Filter:
    """What a Gaussian of ``longest`` Mpc/h smooths away and one of ``shortest`` does not."""
    return lambda k: np.exp(-0.5 * (k * shortest) ** 2) - np.exp(-0.5 * (k * longest) ** 2)
