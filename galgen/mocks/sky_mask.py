"""Which part of the sky a survey sees, and how much of it: a HEALPix map of completeness.

Each pixel holds the chance, from 0 to 1, that an object there is in the survey. Points that follow
the map are drawn exactly: a pixel by its completeness, then one of its equal-area descendants at
the finest resolution of HEALPix, 0.4 milliarcseconds across (Gorski et al. 2005, ApJ 622, 759).
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import healpy
import numpy as np
import scipy
from jaxtyping import Bool, Float

from galgen.arrays import ArrayLike, as_array
from galgen.errors import InputError
from galgen.reading import reading
from galgen.reading.fits import open_fits
from galgen.statistics.sky.angular_power import survey_area
from galgen.statistics.sky.regions import check_nside, nested_pixels

FINEST = 29
"""log2 of the highest nside."""
COARSE = 16
"""nside at which whole images of a box are found to be out of sight."""


@dataclasses.dataclass(frozen=True, eq=False)
class SkyMask:
    """Completeness over the whole sky.

    ============ ============= ====================================================
    field        shape         meaning
    ============ ============= ====================================================
    completeness ``(pixels,)`` in nested order, celestial coordinates, from 0 to 1
    ============ ============= ====================================================

    Raises:
        InputError: a map that is not of 12 nside² pixels, nside a power of 2, or values outside
            [0, 1].
    """

    completeness: ArrayLike

    def __post_init__(self) -> None:
        values = as_array(self.completeness, "completeness").astype(np.float64)
        object.__setattr__(self, "completeness", values)
        survey_area(values)
        check_nside(self.nside)

    @classmethod
    def full_sky(cls) -> SkyMask:
        """All of the sky, complete."""
        return cls(np.ones(12))

    @classmethod
    def from_ring(cls, completeness: ArrayLike) -> SkyMask:
        """From a map in ring order.

        Raises:
            InputError: as the class.
        """
        values = as_array(completeness, "completeness").astype(np.float64)
        survey_area(values)
        check_nside(int(healpy.npix2nside(values.size)))
        return cls(healpy.reorder(values, r2n=True))

    @property
    def nside(self) -> int:
        """Resolution of the map."""
        return int(healpy.npix2nside(self.completeness.size))

    @property
    def area(self) -> float:
        """Square degrees, partly complete pixels in part."""
        return survey_area(self.completeness)

    def at(self, right_ascension: ArrayLike, declination: ArrayLike) -> Float[np.ndarray, "*shape"]:
        """Completeness where objects are, by their angles in degrees."""
        return np.asarray(
            self.completeness[nested_pixels(self.nside, right_ascension, declination)]
        )

    def near(
        self, directions: Float[np.ndarray, "places 3"], angle: Float[np.ndarray, " places"]
    ) -> Bool[np.ndarray, " places"]:
        """Whether any sky that is seen may lie within an angle of each direction.

        It never misses any, but says yes up to two pixels of nside 16 too far.

        Args:
            directions: unit vectors.
            angle: radians.
        """
        nside = min(self.nside, COARSE)
        seen = np.any(self.completeness.reshape(12 * nside**2, -1) > 0, axis=1)
        if np.all(seen) or not np.any(seen):
            return np.full(len(directions), bool(seen[0]))
        centres = np.stack(healpy.pix2vec(nside, np.flatnonzero(seen), nest=True), axis=-1)
        reach = np.minimum(angle + healpy.max_pixrad(nside), np.pi)
        return np.asarray(
            scipy.spatial.cKDTree(centres).query(directions)[0] <= 2 * np.sin(reach / 2)
        )

    def times(self, other: SkyMask) -> SkyMask:
        """The product of two maps, at the finer resolution of the two."""
        nside = max(self.nside, other.nside)
        fine = [np.repeat(mask.completeness, (nside // mask.nside) ** 2) for mask in (self, other)]
        return SkyMask(fine[0] * fine[1])

    def draw(
        self, number: int, generator: np.random.Generator
    ) -> tuple[Float[np.ndarray, " number"], Float[np.ndarray, " number"]]:
        """Right ascensions and declinations, in degrees, of points that follow the map.

        Raises:
            InputError: a map of zeros.
        """
        seen = np.flatnonzero(self.completeness > 0)
        if not len(seen):
            raise InputError("expected a mask that sees some sky, got zeros only; check its file")
        rising = np.cumsum(self.completeness[seen])
        chosen = np.searchsorted(rising, generator.random(number) * rising[-1], side="right")
        pixel = seen[np.minimum(chosen, len(seen) - 1)]
        deeper = FINEST - int(np.log2(self.nside))
        fine = pixel.astype(np.int64) * 4**deeper + generator.integers(0, 4**deeper, number)
        longitude, latitude = healpy.pix2ang(2**FINEST, fine, nest=True, lonlat=True)
        return np.asarray(longitude) % 360.0, np.asarray(latitude)


def read_mask(path: Path, nested: bool | None = None) -> SkyMask:
    """A mask or completeness map from a HEALPix FITS file.

    Unseen and NaN pixels are of no completeness.

    Args:
        path: of the file; its first map is read.
        nested: the order of the pixels, where the header does not say.

    Raises:
        InputError: no such file, no HEALPix map, no known order, galactic coordinates, or values
            outside [0, 1].
    """
    with open_fits(path, "a mask") as file:
        nside = max(int(unit.header.get("NSIDE", 1)) for unit in file)
        check_nside(nside)  # Before healpy takes memory for it.
        for unit in file:
            getattr(unit, "columns", None)  # What cannot be parsed healpy would mend by guess.
        values, cards = healpy.read_map(file, nest=None, h=True, dtype=np.float64)
    header = dict(cards)
    frame = str(header.get("COORDSYS", "C")).strip().upper()
    if frame[:1] not in ("C", "Q"):
        raise InputError(
            f"expected celestial coordinates (COORDSYS C) in {path}, got {frame}; rotate the map "
            "with healpy.Rotator"
        )
    order = str(header.get("ORDERING", "")).strip().upper()
    if not order.startswith(("RING", "NEST")):
        if nested is None:
            raise InputError(
                f"expected ORDERING in the header of {path}, got none; say "
                "nested=True or False (--nested)"
            )
        order = "NESTED" if nested else "RING"
    blank = np.isnan(values) | (values == healpy.UNSEEN)
    values = np.where(blank, 0.0, values)
    with reading(path, "a completeness map"):
        return SkyMask(values) if order.startswith("NEST") else SkyMask.from_ring(values)
