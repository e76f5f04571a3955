"""Units of the fields of Subfind's catalogues: what is stated, chosen by option, or assumed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from data_prep.checks import checked_side
from data_prep.fields import Unit
from data_prep.simulations.hdf5_units import WANTED, Kind, Stated, agree
from data_prep.simulations.snapshot import SnapshotHeader
from data_prep.source import LENGTHS, LengthUnit
from galgen.errors import InputError

Velocity = Literal["arepo", "peculiar", "sqrt_a"]
VELOCITIES = ("GroupVel", "SubhaloVel")
SPEEDS = ("SubhaloVelDisp", "SubhaloVmax")
LENGTH_ENDINGS = ("Pos", "CM", "HalfmassRad", "HalfmassRadType", "VmaxRad", "PhotometricsRad")
"""Of the names of lengths; SubhaloMassInRad, a mass within a radius, is none."""
USUAL: Mapping[Kind, tuple[float, str]] = {
    "length": (LENGTHS["kpc/h"], "lengths in kpc/h"),
    "mass": (1e10, "masses in 1e10 Msun/h"),
    "velocity": (1.0, "velocities in km/s"),
}
"""What is assumed where a file is silent."""
SMALLEST_BOX = 1.0
"""Side [Mpc/h] below which an assumed unit of length is wrong in all likelihood."""


def kind_of(field: str) -> Kind | None:
    """What a field measures, by its name."""
    if field.endswith(LENGTH_ENDINGS) or "_R_" in field:
        return "length"
    if "Mass" in field or "_M_" in field:
        return "mass"
    return "velocity" if field in (*VELOCITIES, *SPEEDS) else None


class FieldUnits:
    """The units of a snapshot's fields.

    Attributes:
        assumed: what had to be, as text.
    """

    def __init__(
        self,
        header: SnapshotHeader,
        stated: Mapping[str, Stated],
        length_unit: LengthUnit | None = None,
        velocity: Velocity | None = None,
    ) -> None:
        self.assumed: list[str] = []
        self._header = header
        self._stated = stated
        self._length_unit = length_unit
        self._velocity = velocity

    def side(self, positions: str) -> float:
        """The side of the box [Mpc/h], which is in the unit of a field of positions.

        Raises:
            InputError: if it is no length of a box.
        """
        stated = self._stated.get(positions)
        factor = self._factor("length", positions, stated)
        side = checked_side(self._header.box * factor, "attribute 'BoxSize'")
        known = stated is not None or "length" in self._header.units
        if side < SMALLEST_BOX and not known:
            unit = self._length_unit or "kpc/h"
            raise InputError(
                f"expected attribute 'BoxSize' in {unit}, got {self._header.box:g}, a box of "
                f"{side:g} Mpc/h; if lengths are in Mpc/h pass --length-unit Mpc/h"
            )
        return side

    def unit(self, field: str) -> Unit | None:
        """The unit of a field; None if it is not known what it measures.

        Raises:
            InputError: if what is stated contradicts an option.
        """
        kind = kind_of(field)
        if kind is None:
            return None
        stated = self._stated.get(field)
        factor = self._factor(kind, field, stated)
        power = None if stated is None else stated.expansion
        if field in VELOCITIES:
            power = self._power(field, power)
        return Unit(Stated(factor, power).of(self._header.redshift), WANTED[kind])

    def _factor(self, kind: Kind, field: str, stated: Stated | None) -> float:
        """Of stored values, but for the scale factor."""
        found = self._header.units.get(kind)
        if stated is not None:
            agree(found, stated.factor, kind, f"the attributes of {field}")
            found = stated.factor
        option = self._length_unit if kind == "length" else None
        if option is not None:
            agree(found, LENGTHS[option], kind, f"--length-unit {option}")
            return LENGTHS[option]
        if found is None:
            found, assumption = USUAL[kind]
            self.assumed.append(assumption)
        return found

    def _power(self, field: str, stated: float | None) -> float:
        """The power of the scale factor that makes stored velocities peculiar."""
        chosen = self._velocity or "arepo"
        usual = {"arepo": -1.0 if field == "GroupVel" else 0.0, "peculiar": 0.0, "sqrt_a": 0.5}
        if stated is None:
            if self._velocity is None:
                self.assumed.append("velocities as AREPO's (GroupVel times a)")
            return usual[chosen]
        if self._velocity is not None and stated != usual[chosen]:
            raise InputError(
                f"expected {field} times a^{stated:g} to be peculiar, as its attributes say, got "
                f"--velocity {chosen}; leave it out"
            )
        return stated
