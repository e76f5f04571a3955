"""Units that HDF5 files of simulations state, of the whole file and of single fields.

============================  ====================================================================
of the file                   ``UnitLength_in_cm`` and so on in /Header, /Parameters (Gadget-4) or
                              /Units (EAGLE), lengths and masses per h; SWIFT's have no h
of a field, Gadget-4, AREPO   attributes ``to_cgs``, ``a_scaling``, ``h_scaling``
of a field, EAGLE             ``CGSConversionFactor``, ``aexp-scale-exponent``, ``h-scale-exponent``
of a field, SWIFT             ``Conversion factor to CGS ...``, ``a-scale exponent``, ...
of a field, as text           ``unit`` or ``units``: ``ckpc/h``, ``1e10 Msun/h``, ``km/s/a``
============================  ====================================================================

A field of value v is v h^k a^s times its factor, in cgs. Lengths are comoving here and velocities
peculiar. Codes round the parsec and the mass of the sun: a unit within a thousandth of a power of
ten of Mpc, Msun or km/s is that power.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Literal

import h5py
import numpy as np

from galgen.errors import InputError
from galgen.reading.hdf5 import attribute, attribute_names, number_attribute
from galgen.units import conversion_factor, parsed

Kind = Literal["length", "mass", "velocity"]
WANTED: Mapping[Kind, str] = {"length": "Mpc/h", "mass": "Msun/h", "velocity": "km/s"}
"""The library's unit of each kind."""
_PHYSICAL: Mapping[Kind, tuple[str, str]] = {
    "length": ("cm", "Mpc"),
    "mass": ("g", "Msun"),
    "velocity": ("cm/s", "km/s"),
}
_POWERS: Mapping[Kind, int] = {"length": -1, "mass": -1, "velocity": 0}
"""Powers of h in the library's units."""
_SYSTEMS: Mapping[str, tuple[Kind, int]] = {
    "UnitLength_in_cm": ("length", -1),
    "UnitMass_in_g": ("mass", -1),
    "UnitVelocity_in_cm_per_s": ("velocity", 0),
    "Unit length in cgs (U_L)": ("length", 0),
    "Unit mass in cgs (U_M)": ("mass", 0),
}
"""Attributes of a file: what each is the unit of, and the power of h that goes with it."""
_FACTORS = (
    "to_cgs",
    "CGSConversionFactor",
    "Conversion factor to CGS (not including cosmological corrections)",
)
_EXPANSION = ("a_scaling", "aexp-scale-exponent", "a-scale exponent")
_HUBBLE = ("h_scaling", "h-scale-exponent", "h-scale exponent")
_TEXTS = ("unit", "units", "Unit", "Units")
_SCALE_FACTOR = re.compile(
    r"(?P<over>/\s*)?(?:sqrt\(a\)|\ba\b(?:\s*(?:\^|\*\*)\s*\(?(?P<power>[-+]?[\d./]+)\)?)?)"
)
SENSIBLE: Mapping[Kind, tuple[float, float]] = {
    "length": (1e-9, 1e4),
    "mass": (1e-4, 1e16),
    "velocity": (1e-5, 3e5),
}
"""Units that somebody may use, in the library's: from 1 mpc to 10 Gpc, to a cluster, to light's."""
SAME = 1e-3
"""Two statements of one unit may differ by so much: constants are rounded."""


@dataclasses.dataclass(frozen=True)
class Stated:
    """What a file says of the unit of a field.

    Attributes:
        factor: of stored values, for Mpc/h, Msun/h or km/s, but for the scale factor.
        expansion: power of the scale factor that a velocity is to be multiplied by, or a comoving
            length; None if nothing is said of it.
    """

    factor: float
    expansion: float | None = None

    def of(self, redshift: float) -> float:
        """The whole factor at a redshift."""
        return self.factor * (1.0 + redshift) ** -(self.expansion or 0.0)


def system_of(places: Mapping[str, h5py.Group], h: float | None) -> dict[Kind, float]:
    """What attributes of groups say of the file's units: factors for Mpc/h, Msun/h and km/s.

    Raises:
        InputError: if an attribute is no positive number, or two contradict.
    """
    found: dict[Kind, float] = {}
    for place in places.values():
        present = attribute_names(place)
        for name, (kind, power) in _SYSTEMS.items():
            if name in present:
                factor = _in_ours(number_attribute(place, name), kind, power, h, name)
                agree(found.get(kind), factor, kind, f"attribute {name!r}")
                found[kind] = factor
    return found


def of_field(dataset: h5py.Dataset, kind: Kind, h: float | None) -> Stated | None:
    """What the attributes of a field say of its unit; None if they say nothing.

    Raises:
        InputError: if they contradict, or state a unit of another kind.
    """
    label = f"field {dataset.name.strip('/')}"
    present = attribute_names(dataset)
    stated = _by_factor(dataset, present, kind, h, label)
    text = _first(present, _TEXTS)
    if text is None:
        return stated
    spelled, expansion = _without_scale_factor(str(attribute(dataset, text)))
    if parsed(spelled, label) is None:
        return stated
    if kind == "length" and expansion is not None:
        expansion -= 1
    factor = _snapped(conversion_factor(spelled, WANTED[kind], label, h))
    agree(None if stated is None else stated.factor, factor, kind, f"{label}, {text!r}")
    return Stated(factor, expansion if stated is None else stated.expansion)


def agree(known: float | None, factor: float, kind: Kind, where: str) -> None:
    """Refuse, with an InputError that names the second, two statements of a unit that differ."""
    if known is not None and abs(known / factor - 1) > SAME:
        raise InputError(
            f"expected one unit of {kind}, {known:.6g} {WANTED[kind]} as stated elsewhere, got "
            f"{factor:.6g} {WANTED[kind]} in {where}; change the one that is wrong"
        )


def _by_factor(
    dataset: h5py.Dataset, present: list[str], kind: Kind, h: float | None, label: str
) -> Stated | None:
    names = _first(present, _FACTORS), _first(present, _EXPANSION), _first(present, _HUBBLE)
    name, expansion, hubble = names
    if name is None or not number_attribute(dataset, name):  # 0 stands for no unit
        return None
    power = 0.0 if hubble is None else number_attribute(dataset, hubble)
    where = f"{name!r} of {label}"
    factor = _in_ours(number_attribute(dataset, name), kind, power, h, where)
    if expansion is None:
        return Stated(factor)
    scaling = number_attribute(dataset, expansion)
    if not abs(scaling) <= 4:
        raise InputError(
            f"expected a small power of a in {expansion!r} of {label}, got {scaling:g}; mend it"
        )
    return Stated(factor, scaling - 1 if kind == "length" else scaling)


def _in_ours(number: float, kind: Kind, power: float, h: float | None, where: str) -> float:
    """The factor for the library's unit of one of ``number`` in cgs times a power of h."""
    unit, wanted = _PHYSICAL[kind]
    low, high = SENSIBLE[kind]
    factor = number * conversion_factor(unit, wanted, where)
    if not low <= factor <= high or not abs(power) <= 4:
        raise InputError(
            f"expected a unit of {kind} in {where}, got {number:g} {unit} h^{power:g}; mend it"
        )
    factor = _snapped(factor)
    missing = power - _POWERS[kind]
    if missing and h is None:
        raise InputError(
            f"expected {where} in a unit with h, got one without, and h is not known; convert it"
        )
    return factor * (1.0 if h is None else h) ** missing


def _snapped(factor: float) -> float:
    """The power of ten that a rounded constant stands for."""
    nearest = 10.0 ** round(np.log10(factor))
    return nearest if abs(factor / nearest - 1) < SAME else factor


def _first(present: list[str], names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in present), None)


def _without_scale_factor(text: str) -> tuple[str, float | None]:
    """A unit without its powers of a, ``km/s/a``, and their sum; None where there is none."""
    total: float | None = None

    def drop(match: re.Match[str]) -> str:
        nonlocal total
        power = 0.5 if match.group(0).rstrip().endswith("sqrt(a)") else 1.0
        if match.group("power"):
            up, _, down = match.group("power").partition("/")
            power = float(up) / float(down or 1)
        total = (total or 0.0) + (-power if match.group("over") else power)
        return ""

    plain = _SCALE_FACTOR.sub(drop, text)
    return plain.strip(" *"), total
