"""Columns of survey clustering catalogues, by the names of SDSS, BOSS, eBOSS and DESI.

RA and DEC in degrees, unless the file states another unit, and Z: by the exact name, or in another
case where one column has it. Each galaxy's weight, from those columns that there are:

- DESI: ``WEIGHT``, the product of all but FKP (``WEIGHT_SYS``, ``WEIGHT_COMP``, ``WEIGHT_ZFAIL``);
- BOSS: ``WEIGHT_SYSTOT (WEIGHT_CP + WEIGHT_NOZ - 1)`` (Reid et al. 2016, arXiv:1509.06529, eq. 50);
- eBOSS: ``WEIGHT_SYSTOT WEIGHT_CP WEIGHT_NOZ`` (Ross et al. 2020, arXiv:2007.09000).

``WEIGHT`` is taken as it is: nothing multiplies it. ``WEIGHT_FKP`` stays by itself, and so does the
expected number density, ``NX`` or ``NZ`` [h^3/Mpc^3] (in BOSS ``NZ``, in DESI ``NX``). Any other
column with a weight's name is left behind, and the account says so.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import healpy
import numpy as np
from jaxtyping import Bool, Float, Shaped

from data_prep.account import Account, meaning_of
from data_prep.tables.columns import RawTable, read_fields, rows_with_values
from data_prep.tables.files import Choice, open_table
from data_prep.tables.units import in_ours
from galgen.cosmology import SPEED_OF_LIGHT
from galgen.errors import InputError
from galgen.reading import reading
from galgen.reading.columns import Column
from galgen.units import conversion_factor

Weighting = Literal["auto", "boss", "eboss", "none"]
SYSTEMATIC = ("WEIGHT_SYSTOT", "WEIGHT_CP", "WEIGHT_NOZ")
FACTORS = ("WEIGHT_SYS", "WEIGHT_COMP", "WEIGHT_ZFAIL")
"""Of ``WEIGHT`` in DESI."""
UNITS = {"weight": "", "weight_fkp": "", "number_density": "h^3/Mpc^3"}
SKY = {"ra": "RA", "dec": "DEC", "redshift": "Z"}
"""What a survey has by these names."""
HOURS = ("h", "hr", "hour", "hours", "hourangle", "hms")
MEMBERS = ("x", "y", "z", *UNITS)
"""Columns of the cubes that no column of the survey may replace."""


@dataclasses.dataclass(frozen=True)
class Sky:
    """Galaxies, or randoms, on the sky.

    Attributes:
        directions: unit vectors.
        redshift: of each.
        columns: ``weight``, ``weight_fkp``, ``number_density`` of each, those that are known, and
            others that were asked for.
        units: of the columns.
        assumed: what the file does not say.
    """

    directions: Float[np.ndarray, "points 3"]
    redshift: Float[np.ndarray, " points"]
    columns: Mapping[str, Shaped[np.ndarray, " points"]]
    units: Mapping[str, str] = dataclasses.field(default_factory=dict)
    assumed: tuple[str, ...] = ()

    def within(self, z_min: float, z_max: float) -> Bool[np.ndarray, " points"]:
        """Which are in a redshift range."""
        return (self.redshift >= z_min) & (self.redshift <= z_max)


@dataclasses.dataclass(frozen=True)
class SkyColumns:
    """Which columns of a survey are read, and how.

    Attributes:
        names: ``ra``, ``dec``, ``redshift`` where they are not called RA, DEC and Z, and other
            columns to keep, name -> column.
        hdu: number or name of the table in FITS; the first if None.
        drop_missing: leave out rows in which one is masked or not finite, else refuse them.
    """

    names: Mapping[str, str] = dataclasses.field(default_factory=dict)
    hdu: str | None = None
    drop_missing: bool = False


def read_sky(
    path: Path,
    weights: Weighting = "auto",
    chosen: SkyColumns | None = None,
    account: Account | None = None,
) -> Sky:
    """The rows of a catalogue with columns RA, DEC, Z, in FITS or another format of tables.

    ``weights`` says how those of BOSS and eBOSS multiply; auto is WEIGHT where there is one, else
    boss.

    Raises:
        InputError: if the file or a column is missing, a name is that of several columns, a value
            is missing, angles or redshifts are outside their bounds, or weights are negative.
    """
    chosen, account = chosen or SkyColumns(), account or Account()
    with reading(path, "a survey catalogue"):
        table = open_table(path, Choice(hdu=chosen.hdu))
        wanted = {**_sky(chosen.names), **_weight_columns(table, weights)}
        raw, fields = read_fields(table, wanted)
        stored = rows_with_values(raw, fields, chosen.drop_missing, account)
        account.read(len(stored["ra"]))
        table.tell(account)
        account.leave(_left(table, raw, weights))
        ra, dec, assumed = _angles(stored, raw)
        z = _redshift(stored["redshift"], raw["redshift"], account)
        _check_sky(ra, dec, z)
        directions = healpy.ang2vec(ra, dec, lonlat=True).reshape(-1, 3)
        columns = _weights({n: v for n, v in stored.items() if n.isupper()}, weights)
        units = {name: UNITS[name] for name in columns}
        for name in chosen.names:
            if name not in SKY:
                columns[name], units[name] = stored[name], raw[name].unit
        return Sky(directions, z, columns, units, assumed)


def _sky(names: Mapping[str, str]) -> dict[str, str]:
    """The columns to read besides weights."""
    wrong = [name for name in names if name in MEMBERS or name.isupper()]
    if wrong:
        raise InputError(
            f"expected ra, dec, redshift or new names in lower case in --columns, got {wrong}, "
            "which a cube has of its own; rename them"
        )
    return {**SKY, **names}


def _weight_columns(table: RawTable, weights: Weighting) -> dict[str, str]:
    """The columns from which weights follow, and the number density."""
    if weights == "none":
        return {}
    known = ("WEIGHT", *SYSTEMATIC, "WEIGHT_FKP", "NX", "NZ")
    present = [name for name in known if table.place(name) is not None]
    if weights == "auto" and "WEIGHT" in present:
        used = ["WEIGHT"]
    elif weights != "auto" or "WEIGHT_SYSTOT" in present:
        missing = [name for name in SYSTEMATIC if name not in present]
        if missing:
            raise InputError(
                f"expected columns {', '.join(SYSTEMATIC)}, got no {missing[0]} among "
                f"{sorted(table.names)}; pass --weights none, or auto"
            )
        used = list(SYSTEMATIC)
    else:
        used = []
    used += [name for name in ("WEIGHT_FKP",) if name in present]
    used += [name for name in ("NX", "NZ") if name in present][:1]
    return {name: name for name in used}


def _left(table: RawTable, raw: Mapping[str, Column], weights: Weighting) -> list[str]:
    """The columns that are left behind, but for weights that are in another or not wanted."""
    used = {column.name for column in raw.values()}
    inside = FACTORS if "WEIGHT" in raw else ()
    left = [n for n in table.names if n and n not in used and n.upper() not in inside]
    return [n for n in left if weights != "none" or meaning_of(n) != "a weight"]


def _angles(
    stored: Mapping[str, np.ndarray], raw: Mapping[str, Column]
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Right ascension and declination in degrees, and what was assumed."""
    angles, assumed = [], []
    for name in ("ra", "dec"):
        values, unit = stored[name].astype(np.float64), raw[name].unit
        if name == "ra" and unit.strip().lower() in HOURS:
            values, unit = values * 15, "deg"
        values, _, guess = in_ours(name, values, unit, None, None)
        angles.append(values)
        assumed += [raw[name].name] if guess else []
    text = (f"{' '.join(assumed)} in degrees",) if assumed else ()
    return angles[0], angles[1], text


def _redshift(values: np.ndarray, column: Column, account: Account) -> np.ndarray:
    z = values.astype(np.float64)
    try:
        speed = conversion_factor(column.unit, "km/s", column.name) if column.unit.strip() else None
    except InputError:
        speed = None
    if speed is not None and column.unit.strip() not in ("1", "none"):
        account.note(f"{column.name} is a velocity in {column.unit}, divided by that of light")
        return z * speed / SPEED_OF_LIGHT
    return in_ours("redshift", z, column.unit, None, None)[0]


def _check_sky(ra: np.ndarray, dec: np.ndarray, z: np.ndarray) -> None:
    if np.any(np.abs(dec) > 90) or np.any((ra < -180) | (ra > 360)):
        raise InputError(
            f"expected angles in degrees, got DEC from {dec.min():.4g} to {dec.max():.4g} and RA "
            f"from {ra.min():.4g} to {ra.max():.4g}; convert them"
        )
    if np.any(z > 20):
        raise InputError(
            f"expected redshifts, got values up to {z.max():.4g}; divide cz in km/s by "
            f"{SPEED_OF_LIGHT}"
        )


def _weights(present: Mapping[str, np.ndarray], weights: Weighting) -> dict[str, np.ndarray]:
    """The weight and number density of each galaxy."""
    chosen: dict[str, np.ndarray] = {}
    if "WEIGHT" in present:
        chosen["weight"] = present["WEIGHT"]
    elif SYSTEMATIC[0] in present:
        systot, close, failed = (present[name].astype(np.float64) for name in SYSTEMATIC)
        chosen["weight"] = systot * (close * failed if weights == "eboss" else close + failed - 1)
    for name, columns in (("weight_fkp", ("WEIGHT_FKP",)), ("number_density", ("NX", "NZ"))):
        found = next((present[column] for column in columns if column in present), None)
        if found is not None:
            chosen[name] = found
    for name, values in chosen.items():
        if not np.all(values >= 0):
            raise InputError(
                f"expected {name} of 0 or more, got {values.min():.4g}; drop those rows"
            )
    return {name: values.astype(np.float64) for name, values in chosen.items()}
