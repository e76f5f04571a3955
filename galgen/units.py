"""Units that a file or a quantity states, converted to those of the library by ``astropy.units``.

Lengths are comoving Mpc/h, masses Msun/h, peculiar velocities km/s, angles degrees. A unit is
spelled in any of the usual ways: ``kpc/h``, ``h^-1 Mpc``, ``1e10 Msun/h``, ``cm``, ``cMpc/h``.
``h`` is the Hubble constant in 100 km/s/Mpc and never an hour. Conversion to or from units
without h needs its value. A logarithm, ``dex(Msun/h)``, becomes its power of ten.
"""

from __future__ import annotations

import functools
import re
from typing import Any

import numpy as np

from galgen.errors import InputError

_SPELLINGS = (
    (r"(?i)\b(comoving|co-moving)\b", ""),
    (r"\\(rm|mathrm|,)?", ""),
    (r"[${}]", " "),
    (r"(?i)\bM_?(odot|☉|⊙|sol|sun|solar)\b|(?i:\bsolar ?mass(es)?\b)|\bM[☉⊙]", "Msun"),
    (r"(?i)\bdegrees?\b|\bDEG\b", "deg"),
    (r"(?i)\bradians?\b", "rad"),
    (r"(?<=[a-z])/sec\b|(?<=[a-z])/second\b", "/s"),
    (r"\bkms\^?-1", "km s-1"),
    (r"\blog_?10\s*\(|\blog\s*\(|\bLog10\s*\(", "dex("),
    (r"(?<=\d)\s*[x*]\s*(?=[A-Za-z])", " "),
)
_SILENT = ("", "none", "dimensionless", "unitless", "-", "--", "1", "unknown")


@functools.cache
def _library() -> tuple[Any, Any]:
    """astropy.units, and h as a unit of its own."""
    import astropy.units as units

    return units, units.def_unit(["h", "littleh", "hubble"])


@functools.cache
def _enabled() -> list[Any]:
    """What may stand in a unit: no hour, for which h would be taken."""
    units, h = _library()
    base = [units.m, units.g, units.s, units.rad, units.solMass, units.pc, units.deg, units.arcmin]
    base += [units.arcsec, units.yr, units.dex, units.AU, units.lyr, units.sr, units.percent]
    prefixed = [units.Mpc, units.kpc, units.Gpc, units.km, units.cm, units.mm, units.kg, units.Gyr]
    comoving = [units.def_unit(f"c{unit}", unit) for unit in (units.Mpc, units.kpc, units.Gpc)]
    return [*base, *prefixed, units.Myr, *comoving, h]


def parsed(text: Any, name: str = "a column") -> Any | None:
    """The unit that a text spells; None if it states none.

    Raises:
        InputError: if it spells no unit that is known here.
    """
    units, _ = _library()
    if not isinstance(text, str | bytes):
        text = text.to_string() if hasattr(text, "to_string") else str(text)
    spelled = text.decode(errors="replace") if isinstance(text, bytes) else text
    if spelled.strip().lower() in _SILENT:
        return None
    plain = spelled
    for pattern, replacement in _SPELLINGS:
        plain = re.sub(pattern, replacement, plain)
    plain = re.sub(r"\b(h|Mpc|kpc|Gpc|Msun|km|s)\s*\^?\s*\(?\s*(-?\d)\s*\)?", r"\1^\2", plain)
    plain = plain.replace("^", "**").strip()
    if plain[:1] + plain[-1:] in ("()", "[]"):
        plain = plain[1:-1]
    try:
        with units.set_enabled_units(_enabled()):
            return units.Unit(plain)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"expected a unit of {name} such as Mpc/h, kpc/h, Msun/h, 1e10 Msun/h or km/s, got "
            f"{spelled!r}; state the unit it has"
        ) from error


def astropy_unit(text: str) -> Any:
    """A text as astropy's unit, in which h is ``astropy.cosmology.units.littleh``.

    What spells no unit that is known here is a unit that astropy does not recognise: a label.
    """
    units, little = _library()
    try:
        unit = parsed(text)
    except InputError:
        return units.UnrecognizedUnit(text)
    from astropy.cosmology.units import littleh

    if unit is None:
        return units.dimensionless_unscaled
    logarithm = isinstance(unit, units.function.FunctionUnitBase)
    physical = unit.physical_unit if logarithm else unit
    bases = [littleh if base == little else base for base in physical.bases]
    plain = units.CompositeUnit(physical.scale, bases, physical.powers)
    return type(unit)(plain) if logarithm else plain


def converted(
    values: np.ndarray, stated: Any, wanted: str, name: str, h: float | None = None
) -> np.ndarray:
    """Values in the wanted unit.

    Args:
        values: numbers in the stated unit.
        stated: their unit, as text or of astropy; one that states nothing leaves them as they are.
        wanted: the unit to convert to.
        name: of the column, for errors.
        h: Hubble constant in 100 km/s/Mpc, for a unit without h.

    Returns:
        ``values`` themselves where the units are the same, else float64.

    Raises:
        InputError: if the unit is not known, measures something else, or needs an h that is not
            known.
    """
    unit = None if stated == wanted else parsed(stated, name)
    if unit is None:
        return values
    factor, logarithm = _factor(unit, wanted, name, h)
    if logarithm:
        return 10.0 ** np.asarray(values, np.float64) * factor
    return values if factor == 1.0 else np.asarray(values, np.float64) * factor


def conversion_factor(stated: Any, wanted: str, name: str, h: float | None = None) -> float:
    """What numbers in the stated unit are multiplied by; one where it states nothing.

    Raises:
        InputError: as :func:`converted`, and for a logarithm.
    """
    unit = parsed(stated, name)
    if unit is None:
        return 1.0
    factor, logarithm = _factor(unit, wanted, name, h)
    if logarithm:
        raise InputError(f"expected {name} in {wanted}, got the logarithm {stated}; convert it")
    return factor


def _factor(unit: Any, wanted: str, name: str, h: float | None) -> tuple[float, bool]:
    units, little = _library()
    logarithm = isinstance(unit, units.function.FunctionUnitBase)
    physical = unit.physical_unit if logarithm else unit
    target = parsed(wanted, name)
    ratio = (physical / (units.dimensionless_unscaled if target is None else target)).decompose()
    powers = dict(zip(ratio.bases, ratio.powers, strict=True))
    power = float(powers.pop(little, 0))
    if powers:
        raise InputError(
            f"expected {name} in a unit that converts to {wanted or 'no unit'}, got {unit}; check "
            "which column it is, or state its unit"
        )
    if power and h is None:
        raise InputError(
            f"expected {name} in {wanted}, got {unit}, which differs by a power of h, and h is not "
            "known; give the cosmology's h, or convert it"
        )
    factor = float(ratio.scale) * (float(h) ** power if power and h is not None else 1.0)
    nearest = float(f"{factor:.12g}")
    return (nearest if abs(factor / nearest - 1) < 1e-12 else factor), logarithm
