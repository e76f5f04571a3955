"""Surveys on the sky: right ascension, declination and redshift to comoving cubes.

Redshift becomes comoving distance in Mpc/h in a flat Lambda-CDM cosmology with H0 = 100, and the
sky position a direction; positions stay in redshift space. The footprint is taken to be the
HEALPix pixels that hold a galaxy, so pixels should be large enough to be never empty by chance.
A cube is kept when nearly all of it lies inside the footprint and the redshift range. Randoms say
better than galaxies where the survey looked: there are many more, so that pixels may be smaller.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path

import healpy
import numpy as np
from astropy.cosmology import FlatLambdaCDM
from jaxtyping import Bool, Float

from data_prep.boxes import thin
from data_prep.files import provenance_of
from data_prep.source import Source
from data_prep.survey_columns import UNITS, Weighting, read_sky
from galgen.data.catalogue import Catalogue
from galgen.errors import InputError
from galgen.randomness import Role, random_generator

PROBES = 2000
INSIDE = 0.99


@dataclasses.dataclass(frozen=True, kw_only=True)
class SurveySource(Source):
    """FITS survey catalogues with RA, DEC and Z, cut into cubes inside the footprint."""

    z_min: float
    """Lower end of the redshift range; the survey should be volume limited over it."""
    z_max: float
    """Upper end of the redshift range."""
    omega_m: float = 0.3
    """Of the flat cosmology that turns redshifts into distances."""
    nside: int = 32
    """HEALPix resolution of the footprint."""
    offsets: int = 1
    """Try so many shifts of the grid of cubes and keep the one with the most."""
    randoms: tuple[Path, ...] = ()
    """FITS catalogues of the survey's randoms, which say where it looked."""
    weights: Weighting = "auto"
    """boss: systot (cp + noz - 1); eboss: systot cp noz; auto: WEIGHT, or boss; or none."""

    def boxes(self) -> Iterator[Catalogue]:
        if self.cut is None:
            raise InputError(
                "expected a cube side for a survey, got none; pass --cut, e.g. --cut 35 (Mpc/h)"
            )
        for path in self.inputs:
            survey = read_survey(
                path,
                self.z_min,
                self.z_max,
                self.omega_m,
                self.nside,
                self.randoms,
                self.weights,
            )
            edges, densities = survey.densities()
            print(f"{path.name}: {len(survey.positions)} galaxies; density in equal volumes")
            for low, high, density in zip(edges, edges[1:], densities, strict=False):
                print(f"  {low:7.1f} to {high:7.1f} Mpc/h  {density:.3e} h^3/Mpc^3")
            yield from cut_survey(survey, self.cut, self.offsets, self.seed)

    def cubes(self, box: Catalogue) -> Iterator[Catalogue]:
        yield thin(box, self.mass_min, None)


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
        columns: weights, number density: what else is known of each galaxy.
        source: file name and hash.
        cosmology: text, the cosmology behind the distances.
    """

    positions: Float[np.ndarray, "points 3"]
    redshift: Float[np.ndarray, " points"]
    footprint: Footprint
    columns: Mapping[str, Float[np.ndarray, " points"]]
    source: Mapping[str, str]
    cosmology: str

    def densities(self, shells: int = 6) -> tuple[np.ndarray, np.ndarray]:
        """Edges [Mpc/h] of shells of equal volume, and the number density [h^3/Mpc^3] in each."""
        near, far = self.footprint.near, self.footprint.far
        edges = np.cbrt(np.linspace(near**3, far**3, shells + 1))
        counts, _ = np.histogram(np.linalg.norm(self.positions, axis=-1), edges)
        sky = 4 * np.pi * np.mean(self.footprint.occupied)
        return edges, counts / (sky / 3 * np.diff(edges**3))


def read_survey(
    path: Path,
    z_min: float,
    z_max: float,
    omega_m: float = 0.3,
    nside: int = 32,
    randoms: tuple[Path, ...] = (),
    weights: Weighting = "auto",
) -> SurveyPoints:
    """The galaxies of a FITS catalogue with columns RA, DEC, Z (any case) in a redshift range.

    Args:
        path: of the galaxies.
        z_min: lower end of the range.
        z_max: upper end.
        omega_m: of the flat cosmology behind distances.
        nside: HEALPix resolution of the footprint.
        randoms: catalogues that say where the survey looked; the galaxies do, if there are none.
        weights: how weights multiply (:mod:`data_prep.survey_columns`).

    Raises:
        InputError: if a file or a column is missing, the range holds no galaxy, or angles or
            redshifts are outside their bounds.
    """
    if not 0 < z_min < z_max:
        raise InputError(
            f"expected 0 < z_min < z_max, got {z_min} and {z_max}; pass --z-min and --z-max"
        )
    sky = read_sky(path, weights)
    cosmology = FlatLambdaCDM(H0=100, Om0=omega_m)
    kept = sky.within(z_min, z_max)
    if not np.any(kept):
        raise InputError(
            f"expected galaxies between redshift {z_min} and {z_max} in {path}, got none of those "
            f"from {sky.redshift.min():.4g} to {sky.redshift.max():.4g}; change --z-min and --z-max"
        )
    occupied = np.zeros(healpy.nside2npix(nside), bool)
    for looked in [read_sky(place, "none") for place in randoms] or [sky]:
        directions = looked.directions[looked.within(z_min, z_max)]
        occupied[healpy.vec2pix(nside, *directions.T)] = True
    near, far = cosmology.comoving_distance([z_min, z_max]).value
    redshift = sky.redshift[kept]
    distance = np.asarray(cosmology.comoving_distance(redshift).value)
    return SurveyPoints(
        positions=sky.directions[kept] * distance[:, None],
        redshift=redshift,
        footprint=Footprint(occupied, float(near), float(far)),
        columns={name: values[kept] for name, values in sky.columns.items()},
        source=provenance_of([path]),
        cosmology=f"flat Lambda-CDM, omega_m {omega_m:g}, distances in Mpc/h",
    )


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
    probes = random_generator(Role.PROBES, 0).random((PROBES, 3)) * side
    rng = random_generator(Role.SHIFTS, seed)
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
    order = np.argsort(np.linalg.norm(survey.positions, axis=-1))
    distances = np.linalg.norm(survey.positions[order], axis=-1)
    catalogues = []
    for corner in corners:
        relative = survey.positions - corner
        rows = np.flatnonzero(np.all((relative >= 0) & (relative < side), axis=1))
        columns = dict(zip("xyz", relative[rows].T, strict=True))
        columns |= {name: values[rows] for name, values in survey.columns.items()}
        centre = corner + side / 2
        distance = np.linalg.norm(centre)
        middle = np.interp(distance, distances, survey.redshift[order])
        catalogues.append(
            Catalogue(
                columns,
                (side, side, side),
                redshift=float(survey.redshift[rows].mean() if len(rows) else middle),
                periodic=False,
                units={name: UNITS[name] for name in survey.columns},
                provenance={
                    **survey.source,
                    "distances": survey.cosmology,
                    "space": "redshift",
                    "line of sight": " ".join(f"{value:.4f}" for value in centre / distance),
                    "corner [Mpc/h]": " ".join(f"{value:g}" for value in corner),
                },
            )
        )
    return catalogues
