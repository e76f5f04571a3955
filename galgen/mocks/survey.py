r"""A survey of a box: who looks, where on the sky, how deep; data and randoms alike.

With n(z) the wanted density, C the completeness of the mask and n_box that of the snapshot, a
galaxy is kept with the probability C n(z) / n_box; z is the observed redshift. Then fibre
collisions take some and give their weights to neighbours. Randoms follow C and n(z) without any
clustering. Where the box is seen once, both end at its faces. With P_0 the power that weights are
best for (Feldman, Kaiser & Peacock 1994, ApJ 426, 23, eq. 2.3.4)::

    WEIGHT_FKP = 1 / (1 + n(z) P_0)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Annotated

import numpy as np
from jaxtyping import Float

from galgen.checked import RISING, NotNegative, checked
from galgen.cosmology import astropy_cosmology
from galgen.data.catalogue import POSITIONS, VELOCITIES, Catalogue
from galgen.errors import InputError
from galgen.mocks.fibre_collisions import FibreCollisions
from galgen.mocks.light_cone import LightCone, light_cone, snapshot_edges
from galgen.mocks.radial_selection import RadialSelection
from galgen.mocks.randoms import Footprint, RandomRecipe
from galgen.mocks.sky_catalogue import REQUIRED, SkyCatalogue
from galgen.mocks.sky_mask import SkyMask
from galgen.mocks.viewpoint import Viewpoint
from galgen.randomness import Role, random_generator


@dataclasses.dataclass(frozen=True)
class MockSurvey:
    """What a survey saw.

    Attributes:
        data: galaxies (or haloes).
        randoms: points of the same angular and radial selection without clustering.
        drawn: the redshift that each random was drawn at, by n(z) and the volume; its own, but
            where they are shuffled from the data.
        expected: mean number of objects before fibre collisions: n(z) C over the volume.
        mask: the completeness map.
        radial: n(z).
    """

    data: SkyCatalogue
    randoms: SkyCatalogue
    drawn: Float[np.ndarray, " randoms"]
    expected: float
    mask: SkyMask
    radial: RadialSelection

    def __repr__(self) -> str:
        return f"MockSurvey(data={self.data!r}, randoms={self.randoms!r})"


@dataclasses.dataclass(frozen=True, eq=False)
@checked
class Survey:
    """How a box is observed.

    Attributes:
        redshifts: lowest and highest observed redshift, [low, high).
        viewpoint: the observer, and the box repeated or remapped around.
        mask: completeness over the sky.
        radial: n(z); None for all there is (the sparsest snapshot, if there are several).
        collisions: fibre collisions; None for none.
        redshift_space: add peculiar velocities to redshifts.
        power: P_0 of the weights, (Mpc/h)³.
        randoms: how many, and whence their redshifts.

    Raises:
        InputError: a P_0 that is negative or not finite, or shuffled redshifts of randoms where
            the box is seen once, and so its depth changes over the sky.
    """

    redshifts: Annotated[tuple[NotNegative, NotNegative], RISING]
    viewpoint: Viewpoint = Viewpoint()
    mask: SkyMask = dataclasses.field(default_factory=SkyMask.full_sky)
    radial: RadialSelection | None = None
    collisions: FibreCollisions | None = None
    redshift_space: bool = True
    power: NotNegative = 1e4
    randoms: RandomRecipe = RandomRecipe()

    def __post_init__(self) -> None:
        if self.randoms.shuffled and not self.viewpoint.tiled:
            raise InputError(
                "expected randoms with redshifts of n(z) where the box is seen once, got shuffled "
                "ones; its depth changes over the sky: pass shuffled=False"
            )

    def observe(self, snapshots: Sequence[Catalogue], seed: int) -> MockSurvey:
        """Data and randoms of a box, or of a light cone through several snapshots of it.

        Args:
            snapshots: one box, at one or more redshifts, in any order.
            seed: the same one gives the same survey.

        Raises:
            InputError: a box sparser than n(z), no galaxies in the survey or no random points for
                them, a seed below zero, or what :func:`~galgen.mocks.light_cone.light_cone`
                refuses.
        """
        if not snapshots:
            raise InputError("expected one snapshot or more, got none; pass a box")
        roles = Role.THINNING, Role.COLLISIONS, Role.RANDOMS, Role.RANDOM_REDSHIFTS
        thinning, order, sky, depth = (random_generator(role, seed) for role in roles)
        boxes = [self.viewpoint.prepared(s) for s in sorted(snapshots, key=lambda s: s.redshift)]
        cone = light_cone(boxes, self.viewpoint, self.redshifts, self.redshift_space, self.mask)
        radial = self._radial(boxes)
        chance = self.mask.at(cone.right_ascension, cone.declination) * radial.at(cone.redshift)
        chance = chance / np.array([box.number_density for box in boxes])[cone.snapshot]
        cone = cone.select(thinning.random(len(cone)) < chance)
        fibres = np.ones(len(cone))
        if self.collisions is not None:
            kept, weight = self.collisions(cone.right_ascension, cone.declination, order)
            cone, fibres = cone.select(kept), weight[kept]
        if not len(cone):
            raise InputError(
                f"expected galaxies in the survey, got none of {len(boxes[0])} in the box between "
                f"z = {self.redshifts[0]:g} and {self.redshifts[1]:g} on {self.mask.area:.4g} "
                "square degrees; widen the redshifts or the mask, or move the observer"
            )
        data = self._data(cone, boxes, radial, fibres, seed)
        cosmology = astropy_cosmology(boxes[0].cosmology)
        footprint = Footprint(
            self.mask, radial, self.redshifts, self.viewpoint, boxes[0].box, cosmology
        )
        points, expected = footprint.draw(self.randoms.number(len(cone)), sky)
        randoms = self._randoms(points, data, radial, depth)
        return MockSurvey(data, randoms, points[2], expected, self.mask, radial)

    def _radial(self, boxes: Sequence[Catalogue]) -> RadialSelection:
        """n(z), which every snapshot must be able to give."""
        low, high = self.redshifts
        if self.radial is None:
            sparsest = min(box.number_density for box in boxes)
            if not sparsest > 0:
                raise InputError("expected points in every box, got an empty one; drop it")
            return RadialSelection((low, high), (sparsest, sparsest))
        edges = snapshot_edges([box.redshift for box in boxes])
        for number, box in enumerate(boxes):
            start, end = max(low, edges[number]), min(high, edges[number + 1])
            wanted = self.radial.highest(start, end) if start < end else 0.0
            if wanted > box.number_density * (1 + 1e-9):
                raise InputError(
                    f"expected a box of at least {wanted:.4g} points per (Mpc/h)^3 for n(z) "
                    f"between z = {start:.4g} and {end:.4g}, got {box.number_density:.4g}; lower "
                    "n(z), populate the haloes, or use a box of lighter haloes"
                )
        return self.radial

    def _data(
        self,
        cone: LightCone,
        boxes: Sequence[Catalogue],
        radial: RadialSelection,
        fibres: Float[np.ndarray, " seen"],
        seed: int,
    ) -> SkyCatalogue:
        columns = self._columns(cone.right_ascension, cone.declination, cone.redshift, radial)
        columns |= {"WEIGHT": fibres, "WEIGHT_CP": fibres, "Z_COSMO": cone.cosmological}
        units = {}
        for name in boxes[0].columns:
            if name in (*POSITIONS, *VELOCITIES):
                continue
            if name.upper() in columns:
                raise InputError(
                    f"expected columns of the box other than {list(REQUIRED)}, got {name!r}; "
                    "rename or drop it"
                )
            values = np.empty(len(cone), boxes[0].columns[name].dtype)
            for number, box in enumerate(boxes):
                chosen = cone.snapshot == number
                values[chosen] = box.columns[name][cone.row[chosen]]
            columns[name.upper()], units[name.upper()] = values, boxes[0].units[name]
        provenance = {**boxes[0].provenance, "survey seed": str(seed)}
        return SkyCatalogue(columns, boxes[0].cosmology, units, provenance)

    def _randoms(
        self,
        points: Float[np.ndarray, "3 points"],
        data: SkyCatalogue,
        radial: RadialSelection,
        generator: np.random.Generator,
    ) -> SkyCatalogue:
        right_ascension, declination, redshift = points
        if self.randoms.shuffled:
            weight = data.columns["WEIGHT"] / data.columns["WEIGHT"].sum()
            redshift = generator.choice(data.columns["Z"], len(redshift), p=weight)
        columns = self._columns(right_ascension, declination, redshift, radial)
        return SkyCatalogue(columns, data.cosmology, {}, data.provenance)

    def _columns(
        self,
        right_ascension: np.ndarray,
        declination: np.ndarray,
        redshift: np.ndarray,
        radial: RadialSelection,
    ) -> dict[str, np.ndarray]:
        """What data and randoms both have."""
        density = radial.at(redshift)
        return {
            "RA": right_ascension,
            "DEC": declination,
            "Z": redshift,
            "WEIGHT": np.ones(len(redshift)),
            "WEIGHT_FKP": 1.0 / (1.0 + density * self.power),
            "NZ": density,
            "COMP": self.mask.at(right_ascension, declination),
        }
