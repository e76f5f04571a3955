"""A catalogue: the points of one box, by named columns, with everything needed to interpret them.

Simulated, observed and generated catalogues are all of this one class, and every statistic treats
them alike. Lengths are comoving Mpc/h, velocities peculiar km/s, masses Msun/h, angles
degrees. Positions lie in ``[0, side)`` along each axis, whether the box is periodic or was cut
open from something larger.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Integer

from galgen.arrays import as_array, as_finite, unit_of
from galgen.data.tabular import Tabular
from galgen.errors import InputError
from galgen.printing import printable
from galgen.units import converted

POSITIONS = ("x", "y", "z")
VELOCITIES = ("vx", "vy", "vz")

STANDARD_UNITS: Mapping[str, str] = {
    "x": "Mpc/h",
    "y": "Mpc/h",
    "z": "Mpc/h",
    "vx": "km/s",
    "vy": "km/s",
    "vz": "km/s",
    "mass": "Msun/h",
    "ra": "deg",
    "dec": "deg",
    "redshift": "",
}
"""The units of the standard columns; any other column is dimensionless unless told."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Catalogue(Tabular):
    """The points of one box.

    ========== ============================ ==============================================
    field      type                         meaning
    ========== ============================ ==============================================
    columns    name -> ``(points,)``        ``x y z`` [Mpc/h], ``vx vy vz`` [km/s],
                                            ``mass`` [Msun/h], or any other name
    box        three floats                 side lengths [Mpc/h]
    redshift   float                        of the snapshot, or the mean of a survey cut
    cosmology  name -> float                ``omega_m``, ``sigma_8``, ... (anything conditioned on)
    periodic   bool                         False for an open sub-box of something larger
    units      name -> str                  of every column; standard columns given in another
                                            unit are converted, the others keep theirs
    provenance name -> str                  where it came from
    ========== ============================ ==============================================

    Raises:
        InputError: if columns differ in length, have no name or are not one-dimensional numbers,
            if a value is missing or not finite, if a unit cannot be converted, if a position is
            outside the box, or if the box is not three positive sides.
    """

    columns: Mapping[str, np.ndarray]
    box: tuple[float, float, float]
    redshift: float = 0.0
    cosmology: Mapping[str, float] = dataclasses.field(default_factory=dict)
    periodic: bool = True
    units: Mapping[str, str] = dataclasses.field(default_factory=dict)
    provenance: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        set_field = object.__setattr__
        set_field(self, "box", _checked_box(self.box))
        set_field(self, "redshift", _finite(self.redshift, "redshift"))
        cosmology = {name: _finite(value, name) for name, value in self.cosmology.items()}
        set_field(self, "cosmology", cosmology)
        set_field(self, "periodic", bool(self.periodic))
        unknown = [name for name in self.units if name not in self.columns]
        if unknown:
            raise InputError(
                f"expected units of columns {list(self.columns)}, got units of {unknown}; "
                "drop them or add the columns"
            )
        columns = _checked_columns(self.columns, self.units, cosmology.get("h"))
        stated = {name: self.units.get(name, unit_of(v)) for name, v in self.columns.items()}
        units = {n: STANDARD_UNITS.get(n, str(stated[n] or "")) for n in columns}
        set_field(self, "columns", columns)
        set_field(self, "units", units)
        set_field(self, "provenance", {str(k): str(v) for k, v in self.provenance.items()})
        self._check_positions()

    def _check_positions(self) -> None:
        for name, side in zip(POSITIONS, self.box, strict=True):
            values = self.columns.get(name)
            if values is None or not len(values):
                continue
            low, high = float(values.min()), float(values.max())
            if low < 0 or high >= side:
                raise InputError(
                    f"expected column {name!r} in [0, {side:g}) Mpc/h, got [{low:.6g}, {high:.6g}];"
                    " wrap or shift them into the box, or check the units (kpc/h?)"
                )

    @property
    def positions(self) -> Float[np.ndarray, "points 3"]:
        """Comoving positions [Mpc/h], in [0, side)."""
        return np.stack([self.column(n) for n in POSITIONS], axis=-1).astype(np.float64)

    @property
    def velocities(self) -> Float[np.ndarray, "points 3"]:
        """Peculiar velocities [km/s]."""
        return np.stack([self.column(n) for n in VELOCITIES], axis=-1).astype(np.float64)

    @property
    def volume(self) -> float:
        """Volume of the box [(Mpc/h)^3]."""
        return self.box[0] * self.box[1] * self.box[2]

    @property
    def number_density(self) -> float:
        """Points per volume [h^3/Mpc^3]."""
        return len(self) / self.volume

    def select(
        self, rows: Bool[np.ndarray, " points"] | Integer[np.ndarray, " chosen"]
    ) -> Catalogue:
        """The catalogue of the chosen rows only, by mask or by indices."""
        return self.replace(columns={name: v[rows] for name, v in self.columns.items()})

    def replace(self, **changes: Any) -> Catalogue:
        """A copy with some fields changed; units of columns that are gone go too."""
        if "columns" in changes and "units" not in changes:
            changes["units"] = {n: u for n, u in self.units.items() if n in changes["columns"]}
        return dataclasses.replace(self, **changes)

    def _summary(self) -> dict[str, str]:
        edge = " x ".join(f"{side:g}" for side in self.box)
        kind = "periodic" if self.periodic else "open"
        return {
            "points": str(len(self)),
            "columns": ", ".join(f"{n} [{u}]" if u else n for n, u in self.units.items()),
            "box": f"{edge} Mpc/h, {kind}",
            "redshift": f"{self.redshift:g}",
            "cosmology": self._parameters(),
            **self.provenance,
        }

    def __repr__(self) -> str:
        box = self._summary()["box"]
        return printable(
            f"Catalogue({len(self)} points, {' '.join(self.columns)}; box {box}; "
            f"redshift {self.redshift:g}; {self._parameters()})"
        )


def _finite(value: float, name: str) -> float:
    number = float(value)
    if not np.isfinite(number):
        raise InputError(f"expected a finite {name}, got {number}; mend or drop the catalogue")
    return number


def _checked_box(box: Any) -> tuple[float, float, float]:
    sides = np.atleast_1d(as_array(box, "box", "Mpc/h").astype(np.float64))
    if sides.shape != (3,) or not np.all(np.isfinite(sides)) or not np.all(sides > 0):
        raise InputError(
            f"expected a box of three positive sides in Mpc/h, got {box}; pass (side, side, side)"
        )
    return (float(sides[0]), float(sides[1]), float(sides[2]))


def _checked_columns(
    columns: Mapping[str, Any], units: Mapping[str, str], h: float | None
) -> dict[str, np.ndarray]:
    """The columns as numbers; those that are standard in their standard units."""
    if not columns:
        raise InputError("expected at least one column, got none; pass columns={'x': ..., ...}")
    checked = {}
    for name, values in columns.items():
        if not isinstance(name, str) or not name or "\0" in name:
            raise InputError(f"expected names of columns as text, got {name!r}; name it")
        numbers = as_array(values, f"column {name!r}")
        stated = units.get(name) or unit_of(values)
        if stated is not None and name in STANDARD_UNITS:
            numbers = converted(numbers, stated, STANDARD_UNITS[name], f"column {name!r}", h)
        if numbers.ndim != 1:
            raise InputError(
                f"expected column {name!r} as one number per point, got shape {numbers.shape}; "
                "split it into one-dimensional columns"
            )
        checked[name] = as_finite(numbers, f"column {name!r}")
    lengths = {name: len(values) for name, values in checked.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(
            f"expected columns of equal length, got {lengths}; select the same rows from each"
        )
    return checked
