"""Numbers of a header: its cosmology, and what could not be true, refused before a distance."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import numpy as np

from galgen.cosmology import RANGES, canonical_parameters, parameter_name
from galgen.errors import InputError

REDSHIFTS = (-0.01, 1100.0)
LARGEST_SCALE = 1.01
LARGEST_BOX = 1e6
"""Side of a box [Mpc/h], beyond any horizon."""
UNSET = ("omega_b", "sigma_8", "n_s", "m_nu", "Omega_nu_0", "M_nu_eV")
"""Parameters of which 0 means that a code had no use for them."""


def checked_redshift(redshift: float, name: str = "redshift") -> float:
    """A redshift between today, but for rounding, and the last scattering.

    Raises:
        InputError: for any other.
    """
    low, high = REDSHIFTS
    if not low < redshift <= high:
        raise InputError(
            f"expected {name} between 0 and {high:g}, got {redshift:g}; is the header damaged?"
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

    Args:
        names: all that the header has.
        number: the value of one.
        silent: names that look like cosmology and change no distance.

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
