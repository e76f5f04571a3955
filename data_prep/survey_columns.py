"""Columns of survey clustering catalogues in FITS, by the names of SDSS, BOSS, eBOSS and DESI.

RA and DEC in degrees and Z, in any case. Each galaxy's weight, from those columns that there are:

- DESI: ``WEIGHT``, the product of all but FKP (``WEIGHT_SYS``, ``WEIGHT_COMP``, ``WEIGHT_ZFAIL``);
- BOSS: ``WEIGHT_SYSTOT (WEIGHT_CP + WEIGHT_NOZ - 1)`` (Reid et al. 2016, arXiv:1509.06529, eq. 50);
- eBOSS: ``WEIGHT_SYSTOT WEIGHT_CP WEIGHT_NOZ`` (Ross et al. 2020, arXiv:2007.09000).

``WEIGHT_FKP`` stays by itself, and so does the expected number density, ``NX`` or ``NZ``
[h^3/Mpc^3] (in BOSS ``NZ``, in DESI ``NX``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import healpy
import numpy as np
from astropy.table import Table
from jaxtyping import Bool, Float

from data_prep.boxes import columns_of
from galgen.errors import InputError
from galgen.reading import regular_file

Weighting = Literal["auto", "boss", "eboss", "none"]
SYSTEMATIC = ("WEIGHT_SYSTOT", "WEIGHT_CP", "WEIGHT_NOZ")
UNITS = {"weight": "", "weight_fkp": "", "number_density": "h^3/Mpc^3"}


@dataclasses.dataclass(frozen=True)
class Sky:
    """Galaxies, or randoms, on the sky.

    Attributes:
        directions: unit vectors.
        redshift: of each.
        columns: ``weight``, ``weight_fkp``, ``number_density`` of each, those that are known.
    """

    directions: Float[np.ndarray, "points 3"]
    redshift: Float[np.ndarray, " points"]
    columns: Mapping[str, Float[np.ndarray, " points"]]

    def within(self, z_min: float, z_max: float) -> Bool[np.ndarray, " points"]:
        """Which are in a redshift range."""
        return (self.redshift >= z_min) & (self.redshift <= z_max)


def read_sky(path: Path, weights: Weighting = "auto") -> Sky:
    """The rows of a FITS catalogue with columns RA, DEC, Z (any case).

    Args:
        path: of the catalogue.
        weights: how those of BOSS and eBOSS multiply; auto is WEIGHT where there is one, else boss.

    Raises:
        InputError: if the file or a column is missing, angles or redshifts are outside their
            bounds, or weights are negative.
    """
    regular_file(path, "a FITS catalogue")
    try:
        with path.open("rb") as file:
            # h^3/Mpc^3 and the like are no units to astropy; none is used here.
            table = Table.read(file, format="fits", hdu=1, unit_parse_strict="silent")
    except Exception as error:
        raise InputError(
            f"expected a FITS table in {path}, got another format, or one cut short; copy it again "
            "or convert it first"
        ) from error
    columns = columns_of({n: table[n] for n in table.colnames}, ["RA", "DEC", "Z"])
    ra, dec, z = (np.asarray(values, dtype=np.float64) for values in columns.values())
    if np.any(np.abs(dec) > 90) or np.any((ra < -180) | (ra > 360)):
        raise InputError(
            f"expected angles in degrees in {path}, got DEC from {dec.min():.4g} to "
            f"{dec.max():.4g} and RA from {ra.min():.4g} to {ra.max():.4g}; convert them"
        )
    if np.any(z > 20):
        raise InputError(
            f"expected redshifts in {path}, got values up to {z.max():.4g}; divide cz in km/s by "
            "299792.458"
        )
    directions = healpy.ang2vec(ra, dec, lonlat=True).reshape(-1, 3)
    present = {name.upper(): np.asarray(table[name]) for name in table.colnames}
    return Sky(directions, z, _weights(present, weights, path))


def _weights(
    present: Mapping[str, np.ndarray], weights: Weighting, path: Path
) -> dict[str, np.ndarray]:
    if weights == "none":
        return {}
    chosen: dict[str, np.ndarray] = {}
    if weights == "auto" and "WEIGHT" in present:
        chosen["weight"] = present["WEIGHT"]
    elif weights != "auto" or "WEIGHT_SYSTOT" in present:
        missing = [name for name in SYSTEMATIC if name not in present]
        if missing:
            raise InputError(
                f"expected columns {', '.join(SYSTEMATIC)} in {path}, got no {missing[0]} among "
                f"{sorted(present)}; pass --weights none, or auto"
            )
        systot, close, failed = (present[name].astype(np.float64) for name in SYSTEMATIC)
        chosen["weight"] = systot * (close * failed if weights == "eboss" else close + failed - 1)
    if "WEIGHT_FKP" in present:
        chosen["weight_fkp"] = present["WEIGHT_FKP"]
    density = next((present[name] for name in ("NX", "NZ") if name in present), None)
    if density is not None:
        chosen["number_density"] = density
    for name, values in chosen.items():
        if not np.all(values >= 0):
            raise InputError(
                f"expected {name} of 0 or more in {path}, got {np.nanmin(values):.4g} or NaN; drop "
                "those rows"
            )
    return {name: values.astype(np.float64) for name, values in chosen.items()}
