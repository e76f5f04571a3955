"""What could not be true is refused: numbers of a header, and masses and velocities.

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

import re
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from galgen.cosmology import (
    RANGES,
    SPEED_OF_LIGHT,
    canonical_parameters,
    flat_expansion_squared,
    flat_growth_factor,
    parameter_name,
)
from galgen.cosmology.transfer import top_hat, transfer_function
from galgen.data.catalogue import VELOCITIES, Catalogue
from galgen.errors import InputError

REDSHIFTS = (-0.01, 1100.0)
LARGEST_SCALE = 1.01
LARGEST_BOX = 1e6
"""Side of a box [Mpc/h], beyond any horizon."""
UNSET = ("omega_b", "sigma_8", "n_s", "m_nu", "Omega_nu_0", "M_nu_eV")
"""Parameters of which 0 means that a code had no use for them."""
MASSES = (1e4, 1e17)
FEWEST = 100
TYPICAL = {"omega_m": 0.31, "omega_b": 0.049, "h": 0.68, "n_s": 0.965, "sigma_8": 0.81}
"""What is assumed of parameters that are not known."""


def checked_redshift(
    redshift: float, name: str = "redshift", scale: float | None = None, scale_name: str = ""
) -> float:
    """A redshift between today, but for rounding, and the last scattering.

    Raises:
        InputError: for any other, and where a scale factor is given that is of another redshift.
    """
    low, high = REDSHIFTS
    if not low < redshift <= high:
        raise InputError(
            f"expected {name} between 0 and {high:g}, got {redshift:g}; is the header damaged?"
        )
    if scale is not None and not abs(scale * (1 + redshift) - 1) <= 1e-3:
        raise InputError(
            f"expected {scale_name} 1 / (1 + redshift) = {1 / (1 + redshift):.4g}, got "
            f"{scale:.4g}; the header is mislabelled"
        )
    return float(redshift)


def redshift_at(scale: float, name: str = "scale factor") -> float:
    """The redshift of a scale factor, which is 1 today.

    Raises:
        InputError: for one that is not positive, or in the future.
    """
    if not 0 < scale <= LARGEST_SCALE:
        raise InputError(
            f"expected {name} above 0 and up to 1, got {scale:g}; is the header damaged?"
        )
    return checked_redshift(1 / scale - 1, f"the redshift of {name} {scale:g}")


def checked_side(side: float, name: str = "the box") -> float:
    """The side of a box [Mpc/h].

    Raises:
        InputError: for one that is not positive, or beyond any horizon.
    """
    if not (np.isfinite(side) and 0 < side < LARGEST_BOX):
        raise InputError(
            f"expected {name} above 0 and below {LARGEST_BOX:g} Mpc/h, got {side:g}; check its "
            "unit, or pass --box"
        )
    return float(side)


def cosmology_of(
    names: Iterable[str], number: Callable[[str], float], silent: re.Pattern[str]
) -> dict[str, float]:
    """The cosmology of a header by galgen's names: of all that are parameters, or look like one.

    ``number`` gives the value of one of the names that the header has. Names that are ``silent``
    look like cosmology and change no distance.

    Raises:
        InputError: as :func:`galgen.cosmology.canonical_parameters`, which refuses names that only
            look like cosmology.
    """
    found: dict[str, float] = {}
    for name in names:
        meaning = None if silent.fullmatch(name) else _meaning(name)
        if meaning is not None:
            value = number(name)
            if value or meaning not in UNSET:
                found[name] = value
    if {"w0", "w_0"} & set(found):
        found.pop("w", None)  # that at the snapshot's own time
    return canonical_parameters(found, "the header")


def _meaning(name: str) -> str | None:
    """The parameter that a name means, itself if it only looks like one, None if it is none."""
    try:
        found = parameter_name(name)
    except InputError:
        return name
    return found if found in RANGES or found == "H0" else None


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
