"""A survey catalogue: galaxies or randoms on the sky, by the columns that surveys name.

========== ============ ====================================================================
column     unit         meaning
========== ============ ====================================================================
RA, DEC    deg          right ascension in [0, 360), declination
Z                       redshift as observed
WEIGHT                  of completeness: times WEIGHT_FKP it is what a pair count takes
WEIGHT_FKP              1 / (1 + NZ P_0) (Feldman, Kaiser & Peacock 1994, ApJ 426, 23)
NZ         h^3/Mpc^3    expected number density at Z where the survey is complete
WEIGHT_CP               1, plus one for each neighbour lost to a fibre collision; in WEIGHT
COMP                    completeness of the mask there
Z_COSMO                 redshift without the peculiar velocity; of data only
========== ============ ====================================================================

These are the names of BOSS (Reid et al. 2016, MNRAS 455, 1553) and DESI. Data have the other
columns of their box too, in capitals.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from galgen.arrays import as_array, check_range
from galgen.cosmology import astropy_cosmology
from galgen.cosmology.coordinates import cartesian_positions
from galgen.data.tabular import Tabular
from galgen.errors import InputError
from galgen.printing import printable
from galgen.statistics.pairs.survey_catalogue import SurveyCatalogue
from galgen.units import converted

REQUIRED = ("RA", "DEC", "Z", "WEIGHT", "WEIGHT_FKP", "NZ")
SURVEY_UNITS: Mapping[str, str] = {"RA": "deg", "DEC": "deg", "NZ": "h^3/Mpc^3"}
"""Units of the standard columns; any other is dimensionless unless told."""
KINDS = ("bool", "uint8", "int16", "int32", "int64", "float32", "float64")
"""Types of numbers that FITS, HDF5 and Parquet all keep to the bit."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class SkyCatalogue(Tabular):
    """Galaxies or randoms of a survey; it may have no rows.

    ========== ======================= =====================================================
    field      type                    meaning
    ========== ======================= =====================================================
    columns    name -> ``(objects,)``  RA, DEC, Z, WEIGHT, WEIGHT_FKP, NZ and any other
    cosmology  name -> float           ``omega_m`` and others, of the box it was made from
    units      name -> str             of every column; standard columns given in another
                                       unit are converted, the others keep theirs
    provenance name -> str             where it came from
    ========== ======================= =====================================================

    Raises:
        InputError: a required column that is missing, columns of different lengths or of types
            that not all formats keep, values that are not finite, or angles out of range.
    """

    columns: Mapping[str, np.ndarray]
    cosmology: Mapping[str, float] = dataclasses.field(default_factory=dict)
    units: Mapping[str, str] = dataclasses.field(default_factory=dict)
    provenance: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        h = self.cosmology.get("h")
        columns = {
            str(name): _in_standard_unit(name, values, self.units.get(name), h)
            for name, values in self.columns.items()
        }
        _check_columns(columns)
        unknown = [name for name in self.units if name not in columns]
        if unknown:
            raise InputError(
                f"expected units of columns {list(columns)}, got units of {unknown}; drop them"
            )
        units = {n: SURVEY_UNITS.get(n, str(self.units.get(n, ""))) for n in columns}
        set_field = object.__setattr__
        set_field(self, "columns", columns)
        set_field(self, "units", units)
        set_field(self, "cosmology", {str(k): float(v) for k, v in self.cosmology.items()})
        set_field(self, "provenance", {str(k): str(v) for k, v in self.provenance.items()})

    def points(self, regions: Int[np.ndarray, " objects"] | None = None) -> SurveyCatalogue:
        """What :func:`~galgen.statistics.pairs.landy_szalay.landy_szalay` takes.

        Comoving positions in the catalogue's own cosmology, weights WEIGHT x WEIGHT_FKP.

        Args:
            regions: of a jackknife, see :func:`~galgen.statistics.sky.regions.sky_regions`.

        Raises:
            InputError: no omega_m, or fewer than two objects.
        """
        right_ascension, declination, redshift = (self.columns[n] for n in ("RA", "DEC", "Z"))
        cosmology = astropy_cosmology(self.cosmology)
        positions = cartesian_positions(right_ascension, declination, redshift, cosmology)
        return SurveyCatalogue(positions, self.total_weight, regions)

    @property
    def total_weight(self) -> Float[np.ndarray, " objects"]:
        """WEIGHT x WEIGHT_FKP."""
        weight = np.asarray(self.columns["WEIGHT"], np.float64)
        return weight * np.asarray(self.columns["WEIGHT_FKP"], np.float64)

    def __repr__(self) -> str:
        redshift = self.columns["Z"]
        reach = f"; z {redshift.min():.4g} to {redshift.max():.4g}" if len(self) else ""
        return printable(
            f"SkyCatalogue({len(self)} objects, {' '.join(self.columns)}{reach}; "
            f"{self._parameters()})"
        )

    def _summary(self) -> dict[str, str]:
        return {"catalogue": repr(self), **self.provenance}


def _in_standard_unit(name: str, values: Any, stated: str | None, h: float | None) -> np.ndarray:
    """A column as numbers; a standard one in its unit, whatever unit is stated of it."""
    wanted, label = SURVEY_UNITS.get(name), f"column {name!r}"
    numbers = as_array(values, label, wanted)
    if wanted is None or stated is None:
        return numbers
    return converted(numbers, stated, wanted, label, h)


def _check_columns(columns: Mapping[str, np.ndarray]) -> None:
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        raise InputError(
            f"expected columns {list(REQUIRED)}, got none called {missing} among {list(columns)}; "
            "rename or add them"
        )
    for name, values in columns.items():
        if values.ndim != 1 or values.dtype.name not in KINDS:
            raise InputError(
                f"expected column {name!r} as one number of {', '.join(KINDS)} per object, got "
                f"shape {values.shape} of {values.dtype}; convert it"
            )
        if not np.all(np.isfinite(values)):
            raise InputError(
                f"expected finite values in column {name!r}, got NaN or infinity; drop those rows"
            )
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"expected columns of one length, got {lengths}; select the same rows")
    check_range("RA", np.asarray(columns["RA"], float), 0.0, 360.0, "give degrees")
    check_range("DEC", np.asarray(columns["DEC"], float), -90.0, 90.0, "give degrees")
