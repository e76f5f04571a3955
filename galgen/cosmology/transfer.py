"""The transfer function of matter, after Eisenstein and Hu (1998, ApJ 496, 605; "EH98").

Equations 2-24, baryon wiggles included. Symbols (EH98): s sound horizon [Mpc],
q = k / (13.41 k_eq), R ratio of baryon to photon momentum density, alpha_c, beta_c suppression of
the dark matter, alpha_b, beta_b of the baryons. Wavenumbers are in h/Mpc outside, in 1/Mpc in the
formulae of the paper. No massive neutrinos.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

CMB_TEMPERATURE = 2.7255
"""Temperature of the microwave background in kelvin (Fixsen 2009)."""
_Floats = Float[np.ndarray | np.float64, "*shape"]  # arithmetic turns 0-d arrays into scalars


def top_hat(x: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Fourier transform of a unit sphere, 3 (sin x - x cos x) / x^3, by series below x = 0.01."""
    x = np.asarray(x, np.float64)
    safe = np.where(x < 1e-2, 1.0, x)
    return np.where(
        x < 1e-2, 1.0 - x**2 / 10.0, 3.0 * (np.sin(safe) - safe * np.cos(safe)) / safe**3
    )


def transfer_function(
    wavenumber: Float[np.ndarray, "*shape"], omega_m: float, omega_b: float, h: float
) -> Float[np.ndarray, "*shape"]:
    """T(k) of EH98, one at k = 0; ``wavenumber`` in h/Mpc, positive."""
    matter, baryon = omega_m * h**2, omega_b * h**2
    baryon_fraction = omega_b / omega_m
    theta = CMB_TEMPERATURE / 2.7
    k = np.asarray(wavenumber, np.float64) * h
    k_eq = 7.46e-2 * matter / theta**2  # eq. 3
    z_eq = 2.5e4 * matter / theta**4  # eq. 2
    z_drag, ratio_drag, ratio_eq = _drag_epoch(matter, baryon, theta, z_eq)
    s = (  # eq. 6
        2.0 / (3.0 * k_eq) * math.sqrt(6.0 / ratio_eq)
        * math.log(
            (math.sqrt(1.0 + ratio_drag) + math.sqrt(ratio_drag + ratio_eq))
            / (1.0 + math.sqrt(ratio_eq))
        )
    )  # fmt: skip
    q = k / (13.41 * k_eq)
    dark = _dark_matter(q, k * s, matter, baryon_fraction)
    y = (1.0 + z_eq) / (1.0 + z_drag)
    root = math.sqrt(1.0 + y)
    g = y * (-6.0 * root + (2.0 + 3.0 * y) * math.log((root + 1.0) / (root - 1.0)))  # eq. 15
    alpha_b = 2.07 * k_eq * s * (1.0 + ratio_drag) ** -0.75 * g  # eq. 14
    beta_b = 0.5 + baryon_fraction + (3.0 - 2.0 * baryon_fraction) * math.hypot(17.2 * matter, 1.0)
    beta_node = 8.41 * matter**0.435  # eq. 23
    k_silk = 1.6 * baryon**0.52 * matter**0.73 * (1.0 + (10.4 * matter) ** -0.95)  # eq. 7
    ks = k * s
    shifted = ks / (1.0 + (beta_node / ks) ** 3) ** (1.0 / 3.0)  # eq. 22
    baryons = (  # eq. 21
        _no_baryon_transfer(q, 1.0, 1.0) / (1.0 + (ks / 5.2) ** 2)
        + alpha_b / (1.0 + (beta_b / ks) ** 3) * np.exp(-((k / k_silk) ** 1.4))
    ) * np.sinc(shifted / np.pi)
    return np.asarray(baryon_fraction * baryons + (1.0 - baryon_fraction) * dark)


def _drag_epoch(
    matter: float, baryon: float, theta: float, z_eq: float
) -> tuple[float, float, float]:
    """Redshift of the drag epoch and R there and at equality (EH98 eqs. 4 and 5)."""
    b1 = 0.313 * matter**-0.419 * (1.0 + 0.607 * matter**0.674)
    b2 = 0.238 * matter**0.223
    z_drag = 1291.0 * matter**0.251 / (1.0 + 0.659 * matter**0.828) * (1.0 + b1 * baryon**b2)
    scale = 31.5 * baryon / theta**4 * 1000.0
    return z_drag, scale / z_drag, scale / z_eq


def _no_baryon_transfer(q: _Floats, alpha: float, beta: float) -> _Floats:
    """The function T_0 tilde of EH98 eqs. 19 and 20."""
    logarithm = np.log(math.e + 1.8 * beta * q)
    c = 14.2 / alpha + 386.0 / (1.0 + 69.9 * q**1.08)
    return logarithm / (logarithm + c * q**2)


def _dark_matter(q: _Floats, ks: _Floats, matter: float, baryon_fraction: float) -> _Floats:
    """Transfer function of the cold dark matter (EH98 eqs. 11, 12, 17 and 18)."""
    a1 = (46.9 * matter) ** 0.670 * (1.0 + (32.1 * matter) ** -0.532)
    a2 = (12.0 * matter) ** 0.424 * (1.0 + (45.0 * matter) ** -0.582)
    alpha_c = a1**-baryon_fraction * a2 ** (-(baryon_fraction**3))
    b1 = 0.944 / (1.0 + (458.0 * matter) ** -0.708)
    b2 = (0.395 * matter) ** -0.0266
    beta_c = 1.0 / (1.0 + b1 * ((1.0 - baryon_fraction) ** b2 - 1.0))
    weight = 1.0 / (1.0 + (ks / 5.4) ** 4)
    return weight * _no_baryon_transfer(q, 1.0, beta_c) + (1.0 - weight) * _no_baryon_transfer(
        q, alpha_c, beta_c
    )
