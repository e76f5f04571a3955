r"""From boxes to what an observer sees: angles, cosmological and observed redshifts.

The comoving distance d of each image of each point (:mod:`galgen.mocks.viewpoint`) gives its
cosmological redshift (:mod:`galgen.cosmology.coordinates`), and its peculiar velocity the
observed one, to first order in v / c::

    z = z_cos + (1 + z_cos) v . n / c,      n the direction to the point

In a curved cosmology d is the distance along the line of sight: a box is flat, and its lengths
across are kept as angles of d.

With several snapshots of one box, each serves the redshifts that are nearer to its own than to
those of the others. One snapshot serves all, so its own redshift should be that of the survey.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from galgen.cosmology import SPEED_OF_LIGHT, astropy_cosmology
from galgen.cosmology.coordinates import sky_positions
from galgen.cosmology.distances import MAXIMUM_REDSHIFT, comoving_distance
from galgen.data.catalogue import VELOCITIES, Catalogue
from galgen.errors import InputError
from galgen.mocks.sky_mask import SkyMask
from galgen.mocks.viewpoint import Viewpoint


@dataclasses.dataclass(frozen=True, eq=False)
class LightCone:
    """Points on the sky.

    =============== ============ ==================================================
    field           shape        meaning
    =============== ============ ==================================================
    right_ascension ``(seen,)``  degrees, in [0, 360)
    declination     ``(seen,)``  degrees
    redshift        ``(seen,)``  observed
    cosmological    ``(seen,)``  redshift without the peculiar velocity
    snapshot        ``(seen,)``  which of the catalogues
    row             ``(seen,)``  of that catalogue
    =============== ============ ==================================================
    """

    right_ascension: Float[np.ndarray, " seen"]
    declination: Float[np.ndarray, " seen"]
    redshift: Float[np.ndarray, " seen"]
    cosmological: Float[np.ndarray, " seen"]
    snapshot: Int[np.ndarray, " seen"]
    row: Int[np.ndarray, " seen"]

    def __len__(self) -> int:
        return len(self.redshift)

    def select(self, rows: Bool[np.ndarray, " seen"]) -> LightCone:
        """The chosen points only."""
        names = [field.name for field in dataclasses.fields(self)]
        return LightCone(**{name: getattr(self, name)[rows] for name in names})


def snapshot_edges(redshifts: Sequence[float]) -> Float[np.ndarray, "edges"]:
    """Where each snapshot gives way to the next: halfway between their redshifts.

    Raises:
        InputError: redshifts that do not rise.
    """
    values = np.asarray(redshifts, np.float64)
    if not len(values) or np.any(np.diff(values) <= 0):
        raise InputError(
            f"expected snapshots of rising redshift, got {values.tolist()}; sort them, one each"
        )
    return np.concatenate([[0.0], (values[1:] + values[:-1]) / 2, [MAXIMUM_REDSHIFT]])


def light_cone(
    snapshots: Sequence[Catalogue],
    viewpoint: Viewpoint,
    redshifts: tuple[float, float],
    redshift_space: bool,
    mask: SkyMask,
) -> LightCone:
    """All points observed in a shell of redshift.

    Args:
        snapshots: of rising redshift, one box and one cosmology, prepared by the viewpoint.
        viewpoint: the observer.
        redshifts: lowest and highest observed redshift, [low, high).
        redshift_space: add the peculiar velocity to the redshift.
        mask: of the sky; what it does not see at all is left out.

    Raises:
        InputError: redshifts that do not rise, snapshots of different boxes or cosmologies, no
            omega_m, or no velocities in redshift space.
    """
    _check_snapshots(snapshots, redshifts, redshift_space)
    cosmology = astropy_cosmology(snapshots[0].cosmology)
    edges = snapshot_edges([catalogue.redshift for catalogue in snapshots])
    parts = []
    for index, catalogue in enumerate(snapshots):
        margin = _margin(catalogue, redshifts[1]) if redshift_space else 0.0
        low = max(edges[index], redshifts[0] - margin)
        high = min(edges[index + 1], redshifts[1] + margin)
        if low >= high:
            continue
        nearest, farthest = comoving_distance([low, high], cosmology)
        for row, places in viewpoint.look(catalogue, nearest, farthest, mask):
            sky = sky_positions(places, cosmology)
            keep = mask.at(sky.right_ascension, sky.declination) > 0
            row, places, true = row[keep], places[keep], sky.redshift[keep]
            observed = true
            if redshift_space:
                velocity = catalogue.velocities[row] @ viewpoint.rotation
                observed = true + (1.0 + true) * _along(velocity, places) / SPEED_OF_LIGHT
            angles = (sky.right_ascension[keep], sky.declination[keep])
            part = LightCone(*angles, observed, true, np.full(len(row), index), row)
            parts.append(part.select((observed >= redshifts[0]) & (observed < redshifts[1])))
    if not parts:
        empty, none = np.zeros(0), np.zeros(0, np.int64)
        return LightCone(empty, empty, empty, empty, none, none)
    fields = [field.name for field in dataclasses.fields(LightCone)]
    return LightCone(**{n: np.concatenate([getattr(p, n) for p in parts]) for n in fields})


def _margin(catalogue: Catalogue, highest: float) -> float:
    """As far as the fastest point is from its cosmological redshift."""
    if not len(catalogue):
        return 0.0
    speed = float(np.linalg.norm(catalogue.velocities, axis=1).max())
    return (1.0 + highest) * speed / (SPEED_OF_LIGHT - speed)


def _along(
    velocity: Float[np.ndarray, "seen 3"], places: Float[np.ndarray, "seen 3"]
) -> Float[np.ndarray, " seen"]:
    """v . n; zero at the observer's own place."""
    distance = np.linalg.norm(places, axis=1)
    return (velocity * places).sum(axis=1) / np.where(distance > 0, distance, 1.0)


def _check_snapshots(
    snapshots: Sequence[Catalogue], redshifts: tuple[float, float], redshift_space: bool
) -> None:
    low, high = redshifts
    if not 0.0 <= low < high <= MAXIMUM_REDSHIFT:
        raise InputError(
            f"expected redshifts that rise from 0 or more, got {low:g} to {high:g}; "
            "pass e.g. (0.4, 0.6)"
        )
    first = snapshots[0]
    for number, catalogue in enumerate(snapshots):
        for what, wanted, found in (
            ("box", first.box, catalogue.box),
            ("cosmology", first.cosmology, catalogue.cosmology),
            ("columns", list(first.columns), list(catalogue.columns)),
        ):
            if wanted != found:
                raise InputError(
                    f"expected snapshots of one {what}, got {wanted} and {found} in snapshot "
                    f"{number}; a light cone is made of one box at several redshifts"
                )
        missing = [name for name in VELOCITIES if name not in catalogue.columns]
        if redshift_space and missing:
            raise InputError(
                f"expected velocities for redshift space, got columns {list(catalogue.columns)}; "
                "add vx, vy and vz in km/s or pass redshift_space=False (--no-redshift-space)"
            )
