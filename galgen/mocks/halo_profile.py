r"""Where satellites are in a halo, and how fast they move: the profile of Navarro, Frenk and White.

Symbols: M mass, R radius, c concentration, s = r / R, x = c s, m(x) = ln(1 + x) - x / (1 + x)::

    R   = (3 M / (4 pi Delta rho_m))^(1/3)          comoving, Delta = 200 times the mean matter
    c   = 10.14 (M / 2e12 Msun/h)^-0.081 (1+z)^-1.01      Duffy et al. (2008, MNRAS 390, L64),
                                                           table 1, full sample, Delta = 200 mean
    M(<s) / M = m(c s) / m(c)                       Navarro, Frenk & White (1997, ApJ 490, 493)
    x = -1 / W_0(-e^{-1-u}) - 1                     where m(x) = u, by Lambert's W (Robotham &
                                                     Howlett 2018, RNAAS 2, 55)

The velocity dispersion per axis that holds such a halo up, if the orbits are isotropic, is the
solution of Jeans' equation (Lokas & Mamon 2001, MNRAS 321, 155, eq. 14)::

    sigma²(s) = V² c / m(c) x (1+x)² / 2 [pi² - ln x - 1/x - 1/(1+x)² - 6/(1+x)
                + (1 + 1/x² - 4/x - 2/(1+x)) ln(1+x) + 3 ln²(1+x) + 6 Li_2(-x)]
    V² = G M (1+z) / R                              R comoving: the physical radius is R / (1+z)

The bracket is a small difference of large terms where x is large; x never exceeds c here.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.special import lambertw, spence

from galgen.arrays import ArrayLike
from galgen.cosmology import CRITICAL_DENSITY

OVERDENSITY = 200.0
"""Of a halo, in units of the mean matter density; that of the simulator's masses."""
GRAVITY = 4.30091e-9
"""G in Mpc (km/s)² / Msun; the same per h on both sides."""
SMALLEST_U = 1e-8
"""Below, m(x) = x²/2 to 1e-4, while Lambert's W loses its digits."""
SMALLEST_X = 1e-3
"""Nearer the centre the closed form of the dispersion loses digits; it is held constant there."""


def virial_radius(mass: ArrayLike, omega_m: float) -> Float[np.ndarray, "*shape"]:
    """R, comoving, in Mpc/h, of haloes of ``mass`` in Msun/h."""
    density = OVERDENSITY * CRITICAL_DENSITY * omega_m
    return np.asarray(np.cbrt(3.0 * np.asarray(mass) / (4.0 * np.pi * density)))


def concentration(mass: ArrayLike, redshift: float) -> Float[np.ndarray, "*shape"]:
    """c of haloes of ``mass`` in Msun/h."""
    return np.asarray(10.14 * (np.asarray(mass) / 2e12) ** -0.081 * (1.0 + redshift) ** -1.01)


def enclosed(x: ArrayLike) -> Float[np.ndarray, "*shape"]:
    """m(x)."""
    values = np.asarray(x)
    return np.asarray(np.log1p(values) - values / (1.0 + values))


def radius_of_fraction(
    fraction: ArrayLike, concentrations: ArrayLike
) -> Float[np.ndarray, "*shape"]:
    """s = r / R of the sphere that holds a fraction, from 0 to 1, of the mass."""
    target = np.asarray(fraction) * enclosed(concentrations)
    x = -1.0 / lambertw(-np.exp(-1.0 - np.maximum(target, SMALLEST_U))).real - 1.0
    x = np.where(target > SMALLEST_U, x, np.sqrt(2.0 * target))
    return np.asarray(np.clip(x / np.asarray(concentrations), 0.0, 1.0))


def velocity_dispersion(
    scaled_radius: ArrayLike,
    mass: ArrayLike,
    concentrations: ArrayLike,
    omega_m: float,
    redshift: float,
) -> Float[np.ndarray, "*shape"]:
    """sigma(s) per axis in km/s, at s = r / R."""
    of_halo = np.asarray(concentrations)
    x = np.maximum(of_halo * np.asarray(scaled_radius), SMALLEST_X)
    log = np.log1p(x)
    bracket = (
        np.pi**2
        - np.log(x)
        - 1.0 / x
        - 1.0 / (1.0 + x) ** 2
        - 6.0 / (1.0 + x)
        + (1.0 + 1.0 / x**2 - 4.0 / x - 2.0 / (1.0 + x)) * log
        + 3.0 * log**2
        + 6.0 * spence(1.0 + x)
    )
    shape = of_halo / enclosed(of_halo) * x * (1.0 + x) ** 2 / 2.0 * bracket
    return np.asarray(np.sqrt(circular_velocity(mass, omega_m, redshift) ** 2 * shape))


def circular_velocity(
    mass: ArrayLike, omega_m: float, redshift: float
) -> Float[np.ndarray, "*shape"]:
    """V in km/s at the virial radius."""
    potential = GRAVITY * np.asarray(mass) / virial_radius(mass, omega_m)
    return np.asarray(np.sqrt(potential * (1.0 + redshift)))
