"""Surveys on the sky: right ascension, declination and redshift to comoving cubes.

Redshift becomes comoving distance in Mpc/h in a flat Lambda-CDM cosmology with H0 = 100, and the
sky position a direction; positions stay in redshift space. The footprint is taken to be the
HEALPix pixels that hold a galaxy, so pixels should be large enough to be never empty by chance.
A cube is kept when nearly all of it lies inside the footprint and the redshift range.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import healpy
import numpy as np
from astropy.cosmology import FlatLambdaCDM
from astropy.table import Table
from jaxtyping import Bool, Float

from data_prep.boxes import columns_of
from galgen.data.catalogue import Catalogue
from galgen.errors import InputError

PROBES = 2000
INSIDE = 0.99


@dataclasses.dataclass(frozen=True)
class Footprint:
    """The region that a survey covers.

    Attributes:
        occupied: HEALPix RING map, True where there is a galaxy.
        near, far: comoving distances [Mpc/h] of the redshift range.
    """

    occupied: Bool[np.ndarray, " pixels"]
    near: float
    far: float

    def contains(self, positions: Float[np.ndarray, "points 3"]) -> Bool[np.ndarray, " points"]:
        """Whether each position is inside."""
        distance = np.linalg.norm(positions, axis=-1)
        nside = healpy.npix2nside(len(self.occupied))
        pixel = healpy.vec2pix(nside, *positions.T)
        return self.occupied[pixel] & (distance >= self.near) & (distance <= self.far)


@dataclasses.dataclass(frozen=True)
class SurveyPoints:
    """Galaxies of a survey within its redshift range.

    Attributes:
        positions: comoving, from the observer [Mpc/h].
        redshift: of each galaxy.
        footprint: where the survey looked.
        source: file name.
        cosmology: text, the cosmology behind the distances.
    """

    positions: Float[np.ndarray, "points 3"]
    redshift: Float[np.ndarray, " points"]
    footprint: Footprint
    source: str
    cosmology: str

    def densities(self, shells: int = 6) -> tuple[np.ndarray, np.ndarray]:
        """Edges [Mpc/h] of shells of equal volume, and the number density [h^3/Mpc^3] in each."""
        near, far = self.footprint.near, self.footprint.far
        edges = np.cbrt(np.linspace(near**3, far**3, shells + 1))
        counts, _ = np.histogram(np.linalg.norm(self.positions, axis=-1), edges)
        sky = 4 * np.pi * np.mean(self.footprint.occupied)
        return edges, counts / (sky / 3 * np.diff(edges**3))


def read_survey(
    path: Path, z_min: float, z_max: float, omega_m: float = 0.3, nside: int = 32
) -> SurveyPoints:
    """The galaxies of a FITS catalogue with columns RA, DEC, Z (any case) in a redshift range.

    Raises:
        InputError: if the file or a column is missing, the range holds no galaxy, or angles or
            redshifts are outside their bounds.
    """
    if not 0 < z_min < z_max:
        raise InputError(
            f"expected 0 < z_min < z_max, got {z_min} and {z_max}; pass --z-min and --z-max"
        )
    ra, dec, z = _sky(path)
    directions = healpy.ang2vec(ra, dec, lonlat=True)
    cosmology = FlatLambdaCDM(H0=100, Om0=omega_m)
    kept = (z >= z_min) & (z <= z_max)
    if not np.any(kept):
        raise InputError(
            f"expected galaxies between redshift {z_min} and {z_max} in {path}, got none of those "
            f"from {z.min():.4g} to {z.max():.4g}; change --z-min and --z-max"
        )
    near, far = cosmology.comoving_distance([z_min, z_max]).value
    occupied = np.zeros(healpy.nside2npix(nside), bool)
    occupied[healpy.vec2pix(nside, *directions[kept].T)] = True
    distance = np.asarray(cosmology.comoving_distance(z[kept]).value)
    return SurveyPoints(
        positions=directions[kept] * distance[:, None],
        redshift=z[kept],
        footprint=Footprint(occupied, float(near), float(far)),
        source=path.name,
        cosmology=f"flat Lambda-CDM, omega_m {omega_m:g}, distances in Mpc/h",
    )


def _sky(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if not path.is_file():
        raise InputError(f"expected a FITS catalogue at {path}, got none; check the path")
    try:
        table = Table.read(path, format="fits")
    except OSError as error:
        raise InputError(
            f"expected a FITS table in {path}, got another format; convert it first"
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
    return ra, dec, z


def cut_survey(
    survey: SurveyPoints, side: float, offsets: int = 1, seed: int = 0
) -> list[Catalogue]:
    """The cubes that lie inside the survey, as open catalogues.

    Args:
        survey: the galaxies.
        side: of the cubes [Mpc/h].
        offsets: try this many shifts of the grid of cubes and keep the one with the most.
        seed: of the shifts.

    Raises:
        InputError: if no cube is inside.
    """
    probes = np.random.default_rng(0).random((PROBES, 3)) * side
    rng = np.random.default_rng(seed)
    best = np.zeros((0, 3))
    for shift in [np.zeros(3), *rng.random((max(offsets, 1) - 1, 3))]:
        corners = _corners_inside(survey.footprint, side, shift * side, probes)
        if len(corners) > len(best):
            best = corners
    if not len(best):
        raise InputError(
            f"expected cubes of {side:g} Mpc/h inside the survey, got none; pass a smaller --cut, "
            "a wider redshift range, or a smaller --nside"
        )
    return _catalogues(survey, best, side)


def _corners_inside(
    footprint: Footprint, side: float, shift: np.ndarray, probes: np.ndarray
) -> Float[np.ndarray, "cubes 3"]:
    cells = int(np.ceil(footprint.far / side)) + 1
    axis = np.arange(-cells, cells) * side
    corners = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3) + shift
    corners = corners[footprint.contains(corners + side / 2)]
    inside = [np.mean(footprint.contains(corner + probes)) >= INSIDE for corner in corners]
    return corners[np.array(inside, dtype=bool)] if len(corners) else corners


def _catalogues(survey: SurveyPoints, corners: np.ndarray, side: float) -> list[Catalogue]:
    catalogues = []
    for corner in corners:
        relative = survey.positions - corner
        rows = np.flatnonzero(np.all((relative >= 0) & (relative < side), axis=1))
        if not len(rows):
            continue
        columns = dict(zip("xyz", relative[rows].T, strict=True))
        sight = (corner + side / 2) / np.linalg.norm(corner + side / 2)
        catalogues.append(
            Catalogue(
                columns,
                (side, side, side),
                redshift=float(survey.redshift[rows].mean()),
                periodic=False,
                provenance={
                    "source": survey.source,
                    "distances": survey.cosmology,
                    "space": "redshift",
                    "line of sight": " ".join(f"{value:.4f}" for value in sight),
                    "corner [Mpc/h]": " ".join(f"{value:g}" for value in corner),
                },
            )
        )
    return catalogues
