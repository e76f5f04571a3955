"""Whether masses and velocities are in the units that they are said to be in.

A file does not tell its units reliably, but the sky does. Objects weigh between 1e4 and 1e17
Msun/h. Their velocities have about the linear dispersion along an axis (Peebles 1980, section 14)::

    sigma_v = a H(a) f(a) D(a) sqrt(1 / (6 pi^2) int P(k) dk)

P(k) is the linear spectrum (:mod:`galgen.cosmology.transfer`) normalised to sigma_8, D the growth
factor of flat Lambda CDM, f = Omega_m(a)^0.55, and the integral is over the modes that the box
holds. Nonlinear motion, the choice of objects and cosmic variance move the dispersion by tens of
per cent in a large box. A factor of a, forgotten at redshift 1 or above, moves it by two or more.
So gross errors can be told, small ones cannot.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from galgen.cosmology import SPEED_OF_LIGHT, flat_expansion_squared, flat_growth_factor
from galgen.cosmology.transfer import top_hat, transfer_function
from galgen.data.catalogue import VELOCITIES, Catalogue
from galgen.errors import InputError

MASSES = (1e4, 1e17)
FEWEST = 100
TYPICAL = {"omega_m": 0.31, "omega_b": 0.049, "h": 0.68, "n_s": 0.965, "sigma_8": 0.81}
"""What is assumed of parameters that are not known."""


def check_units(catalogue: Catalogue) -> None:
    """Raise if masses or velocities cannot be in Msun/h and km/s.

    Raises:
        InputError: naming the column and the factor that would mend it.
    """
    mass = catalogue.columns.get("mass")
    if mass is not None and len(mass):
        low, high = MASSES
        top = float(mass.max())
        if not low <= top <= high:
            raise InputError(
                f"expected column 'mass' in Msun/h, the largest between {low:g} and {high:g}, got "
                f"{top:.4g}; check its unit (1e10 Msun/h? log10?)"
            )
    if all(name in catalogue.columns for name in VELOCITIES) and len(catalogue) >= FEWEST:
        _check_velocities(catalogue)
    for name in VELOCITIES:
        fastest = float(np.max(np.abs(catalogue.columns.get(name, np.zeros(1))), initial=0.0))
        if fastest >= SPEED_OF_LIGHT:
            raise InputError(
                f"expected column {name!r} in km/s, slower than light, got {fastest:.4g}; check "
                "its unit, or copy the file again"
            )


def _check_velocities(catalogue: Catalogue) -> None:
    measured = float(np.sqrt(np.mean(catalogue.velocities**2)))
    side = max(catalogue.box)
    expected = linear_dispersion(catalogue.cosmology, catalogue.redshift, side)
    # Below 50 Mpc/h the box holds few linear modes, and only a wrong power of ten can be told.
    low, high = (0.6, 1.7) if side >= 200 else (0.4, 2.5) if side >= 50 else (0.03, 30.0)
    ratio = measured / expected
    if low <= ratio <= high:
        return
    scale = 1 / (1 + catalogue.redshift)
    remedies = {
        "divided by a": 1 / scale,
        "multiplied by a": scale,
        "divided by sqrt(a)": scale**-0.5,
        "multiplied by sqrt(a)": scale**0.5,
        "in m/s": 1e3,
        "in units of 1000 km/s": 1e-3,
        "in units of the speed of light": 1 / SPEED_OF_LIGHT,
    }
    errors = {text: abs(np.log(ratio / factor)) for text, factor in remedies.items()}
    likely = min(errors, key=lambda text: errors[text])
    guess = f" (the ratio is that of velocities {likely})" if errors[likely] < 0.4 else ""
    raise InputError(
        "expected columns 'vx', 'vy', 'vz' as peculiar velocities in km/s, of about "
        f"{expected:.3g} along an axis at redshift {catalogue.redshift:g}, got {measured:.3g}"
        f"{guess}; check the velocity convention and the redshift, or pass --no-check-units"
    )


def linear_dispersion(cosmology: Mapping[str, float], redshift: float, side: float) -> float:
    """Linear velocity dispersion of matter along an axis [km/s] in a periodic box."""
    known = {**TYPICAL, **cosmology}
    omega_m = known["omega_m"]
    omega_b = min(known["omega_b"], omega_m / 2)
    k = np.geomspace(1e-4, 20, 2000)
    spectrum = k ** known["n_s"] * transfer_function(k, omega_m, omega_b, known["h"]) ** 2
    variance = np.trapezoid(spectrum * top_hat(8 * k) ** 2 * k**3 / (2 * np.pi**2), np.log(k))
    held = np.where(k >= 2 * np.pi / side, spectrum, 0.0)
    spread = known["sigma_8"] ** 2 / variance * np.trapezoid(held * k, np.log(k)) / (6 * np.pi**2)
    squared = flat_expansion_squared(omega_m, redshift)
    rate = (omega_m * (1 + redshift) ** 3 / squared) ** 0.55
    growth = flat_growth_factor(omega_m, redshift)
    return float(100 * np.sqrt(squared * spread) / (1 + redshift) * rate * growth)
