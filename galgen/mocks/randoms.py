"""Random points of the same selection as the data, from which a survey's shape is known.

Angles follow the completeness of the mask and redshifts follow n(z) times the volume; or redshifts
are shuffled from the data, by their weight. Shuffled ones have the very distribution of the data,
which takes away a part of the clustering along the line of sight (de Mattia & Ruhlmann-Kleider
2019, JCAP 08, 036); those of a smooth n(z) take away none.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import numpy as np
from jaxtyping import Float

from galgen.checked import ABOVE_ZERO, at_most, checked
from galgen.cosmology.background import Cosmology
from galgen.cosmology.coordinates import sky_positions
from galgen.errors import InputError
from galgen.mocks.radial_selection import RadialSelection
from galgen.mocks.viewpoint import Viewpoint

if TYPE_CHECKING:
    from galgen.mocks.sky_mask import SkyMask

AT_ONCE = 200_000
"""Points of a box that are tried together."""
FRUITLESS = 100
"""After so many times without a point in the survey, the box is taken to be out of it."""


@dataclasses.dataclass(frozen=True)
@checked
class RandomRecipe:
    """How many random points, and whence their redshifts.

    Attributes:
        times: random points per object of the data.
        shuffled: take redshifts from the data; False to draw them from n(z).

    Raises:
        InputError: a number that is not positive.
    """

    times: Annotated[float, ABOVE_ZERO, at_most(1e6)] = 20.0
    shuffled: bool = False

    def number(self, objects: int) -> int:
        """How many random points for so many objects.

        Raises:
            InputError: if there would be none.
        """
        number = round(self.times * objects)
        if number < 1:
            raise InputError(
                f"expected one random point or more, got {self.times:g} times {objects} objects; "
                "raise times (--randoms.times)"
            )
        return number


@dataclasses.dataclass(frozen=True)
class Footprint:
    """Where a survey sees: on the sky, in redshift, and in the box.

    Attributes:
        mask: completeness over the sky.
        radial: n(z).
        redshifts: lowest and highest.
        viewpoint: the observer.
        box: sides in Mpc/h; a box that is not repeated ends the survey at its faces.
        cosmology: of astropy, or parameters by name.
    """

    mask: SkyMask
    radial: RadialSelection
    redshifts: tuple[float, float]
    viewpoint: Viewpoint
    box: tuple[float, float, float]
    cosmology: Cosmology

    def draw(
        self, number: int, generator: np.random.Generator
    ) -> tuple[Float[np.ndarray, "3 points"], float]:
        """Right ascension, declination [deg] and redshift of points without clustering.

        Returns:
            ``number`` points, and how many objects the survey has in the mean: n(z) C over its
            volume, for a box seen once as well as the points tell.

        Raises:
            InputError: a mask that sees nothing, n(z) of zero, or a box seen once that is out of
                the survey.
        """
        if not self.viewpoint.tiled:
            return self._draw_in_box(number, generator)
        angles = self.mask.draw(number, generator)
        redshift = self.radial.draw(number, self.cosmology, *self.redshifts, generator)
        expected = self.radial.expected(self.cosmology, self.mask.area, *self.redshifts)
        return np.stack([*angles, redshift]), expected

    def _draw_in_box(
        self, number: int, generator: np.random.Generator
    ) -> tuple[Float[np.ndarray, "3 points"], float]:
        """Even in the box, each kept with a chance of C n(z) over the highest n(z)."""
        low, high = self.redshifts
        densest = self.radial.highest(low, high)
        parts: list[Float[np.ndarray, "3 points"]] = []
        tried = kept = 0
        while kept < number:
            if not densest > 0 or (not kept and tried >= FRUITLESS * AT_ONCE):
                raise InputError(
                    f"expected points of the box in the survey, got none of {tried} between z = "
                    f"{low:g} and {high:g}, n(z) up to {densest:.4g}, on {self.mask.area:.4g} "
                    "square degrees; widen the redshifts or the mask, or move the observer"
                )
            in_box = generator.random((AT_ONCE, 3)) * self.box
            sky = sky_positions(self.viewpoint.from_observer(in_box, self.box), self.cosmology)
            chance = self.mask.at(sky.right_ascension, sky.declination)
            chance = chance * self.radial.at(sky.redshift) / densest
            chance = np.where((sky.redshift >= low) & (sky.redshift < high), chance, 0.0)
            points = np.stack([sky.right_ascension, sky.declination, sky.redshift])
            parts.append(points[:, generator.random(AT_ONCE) < chance])
            tried, kept = tried + AT_ONCE, kept + parts[-1].shape[1]
        expected = kept / tried * densest * float(np.prod(self.box)) if tried else 0.0
        return np.concatenate([np.zeros((3, 0)), *parts], axis=1)[:, :number], expected
