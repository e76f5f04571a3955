"""Surveys on the sky: right ascension, declination and redshift to comoving cubes.

Redshift becomes the line-of-sight comoving distance in Mpc/h in the cosmology that is given, flat
Lambda CDM of omega_m = 0.3 unless it says more, and the sky position a direction; positions stay in
redshift space. In a curved universe they are on a flat chart all the same: radii are right, and
separations across the line of sight differ by (r/R)^2/6 of themselves, for R = 2998 Mpc/h over
sqrt(|omega_k|); volumes are those of the chart. The footprint is taken to be the
HEALPix pixels that hold a galaxy, so pixels should be large enough to be never empty by chance.
A cube is kept when nearly all of it lies inside the footprint and the redshift range. Randoms show
better than galaxies where the survey looked: there are many more, and pixels may be smaller.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import healpy
import numpy as np
from jaxtyping import Bool, Float, Shaped

from data_prep.account import Account
from data_prep.files import assumptions, provenance_of
from data_prep.surveys.columns import SKY, SkyColumns, Weighting, read_sky
from galgen.cosmology import astropy_cosmology
from galgen.data.catalogue import Catalogue
from galgen.errors import InputError
from galgen.randomness import Role, random_generator

PROBES = 2000
INSIDE = 0.99
LARGEST_NSIDE = 8192


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

    @property
    def volume(self) -> float:
        """Of the region [(Mpc/h)^3]."""
        return float(4 / 3 * np.pi * np.mean(self.occupied) * (self.far**3 - self.near**3))

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
        units: of the columns.
        assumed: what the file does not say.
    """

    positions: Float[np.ndarray, "points 3"]
    redshift: Float[np.ndarray, " points"]
    footprint: Footprint
    columns: Mapping[str, Shaped[np.ndarray, " points"]]
    source: Mapping[str, str]
    cosmology: str
    units: Mapping[str, str] = dataclasses.field(default_factory=dict)
    assumed: tuple[str, ...] = ()

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
    cosmology: Mapping[str, float] | None = None,
    nside: int = 32,
    randoms: tuple[Path, ...] = (),
    weights: Weighting = "auto",
    chosen: SkyColumns | None = None,
    account: Account | None = None,
) -> SurveyPoints:
    """The galaxies of a catalogue with columns RA, DEC, Z in a redshift range.

    Args:
        path: of the galaxies.
        z_min: lower end of the range.
        z_max: upper end.
        cosmology: behind distances; flat Lambda CDM of omega_m = 0.3 where it does not say.
        nside: HEALPix resolution of the footprint.
        randoms: catalogues that say where the survey looked; the galaxies do, if there are none.
        weights: how weights multiply (:mod:`data_prep.surveys.columns`).
        chosen: other columns.
        account: of what is read and left out.

    Raises:
        InputError: if a file or a column is missing, the range holds no galaxy, a value is missing,
            or angles or redshifts are outside their bounds.
    """
    if not 0 < z_min < z_max:
        raise InputError(
            f"expected 0 < z_min < z_max, got {z_min} and {z_max}; pass --z-min and --z-max"
        )
    if not 1 <= nside <= LARGEST_NSIDE:
        raise InputError(f"expected an nside from 1 to {LARGEST_NSIDE}, got {nside}; pass --nside")
    named = dict(cosmology or {})
    silent = () if "omega_m" in named else ("omega_m 0.3 for distances",)
    parameters = {"omega_m": 0.3, **named}
    history, h = astropy_cosmology(parameters), parameters.get("h", 1.0)
    chosen, account = chosen or SkyColumns(), account or Account()
    sky = read_sky(path, weights, chosen, account)
    kept = sky.within(z_min, z_max)
    account.drop("outside the redshift range", int(np.sum(~kept)))
    if not np.any(kept):
        raise InputError(
            f"expected galaxies between redshift {z_min} and {z_max} in {path}, got none of those "
            f"from {sky.redshift.min():.4g} to {sky.redshift.max():.4g}; change --z-min and --z-max"
        )
    occupied = np.zeros(healpy.nside2npix(nside), bool)
    where = dataclasses.replace(chosen, names={n: c for n, c in chosen.names.items() if n in SKY})
    unseen = Account()
    for looked in [read_sky(place, "none", where, unseen) for place in randoms] or [sky]:
        directions = looked.directions[looked.within(z_min, z_max)]
        occupied[healpy.vec2pix(nside, *directions.T)] = True
    for reason, number in unseen.dropped.items():
        account.note(f"{number} randoms {reason} are left out")
    near, far = history.comoving_distance([z_min, z_max]).value * h
    redshift = sky.redshift[kept]
    distance = np.asarray(history.comoving_distance(redshift).value) * h
    return SurveyPoints(
        positions=sky.directions[kept] * distance[:, None],
        redshift=redshift,
        footprint=Footprint(occupied, float(near), float(far)),
        columns={name: values[kept] for name, values in sky.columns.items()},
        source=provenance_of([path]),
        cosmology=_described(parameters),
        units=sky.units,
        assumed=sky.assumed + silent,
    )


def _described(parameters: Mapping[str, float]) -> str:
    used = {n: v for n, v in parameters.items() if n in ("omega_m", "w0", "wa", "omega_k", "m_nu")}
    model = "flat Lambda-CDM" if len(used) == 1 else "CDM with dark energy"
    values = ", ".join(f"{name} {value:g}" for name, value in used.items())
    return f"{model}, {values}, distances in Mpc/h"


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
    if not side > 0:
        raise InputError(f"expected a positive cube side in Mpc/h, got {side:g}; mend --cut")
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
                units=survey.units,
                provenance={
                    **survey.source,
                    **assumptions(survey.assumed),
                    "distances": survey.cosmology,
                    "space": "redshift",
                    "line of sight": " ".join(f"{value:.4f}" for value in centre / distance),
                    "corner [Mpc/h]": " ".join(f"{value:g}" for value in corner),
                },
            )
        )
    return catalogues
