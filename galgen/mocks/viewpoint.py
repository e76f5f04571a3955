r"""Where the observer stands in the box, and which way it looks.

With o the observer in the box, L its sides and n whole numbers, the images of a point x are seen at

    r = (x + n L - o) R,      d = |r|

where the rotation R carries the box's x axis to the right ascension and declination it points to,
its y axis to the east and its z axis to the north there. A periodic box is repeated without end
(all n whose image of the box reaches what is looked at), so that the sky is full, but the
structure in it recurs with the period of the box. An open box is seen once, and a remapped one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from galgen.arrays import ArrayLike, as_finite
from galgen.checked import checked
from galgen.cosmology.coordinates import unit_vectors
from galgen.data.catalogue import Catalogue
from galgen.errors import InputError
from galgen.mocks.remapping import Remapping, Vector

if TYPE_CHECKING:
    from galgen.mocks.sky_mask import SkyMask

MOST_IMAGES = 2_000_000
AT_ONCE = 1_000_000
"""Points whose distances are computed together."""


@dataclasses.dataclass(frozen=True)
@checked
class Viewpoint:
    """The observer and the box around it.

    Attributes:
        observer: place in units of the sides of the box, after remapping; it may lie outside.
        toward: right ascension and declination in degrees to which the box's x axis points.
        tiled: repeat the periodic box; False to see one copy of it.
        remapping: three integer vectors, of triple product 1, that make a cuboid of the box; it is
            not repeated (tiled False). None to leave the box.

    Raises:
        InputError: a place or direction that is not finite, or a cuboid that would be repeated.
    """

    observer: tuple[float, float, float] = (0.5, 0.5, 0.5)
    toward: tuple[float, float] = (0.0, 0.0)
    tiled: bool = True
    remapping: tuple[Vector, Vector, Vector] | None = None

    def __post_init__(self) -> None:
        if len(self.observer) != 3 or not np.all(np.isfinite(self.observer)):
            raise InputError(
                f"expected an observer at three finite coordinates in units of the box, got "
                f"{self.observer}; pass e.g. (0.5, 0.5, 0.5), the centre"
            )
        unit_vectors(*self.toward)
        if self.remapping is not None:
            Remapping(self.remapping)
            if self.tiled:
                raise InputError(
                    "expected a remapped box to be seen once, got remapping with tiled; a cuboid "
                    "is not periodic along its axes: pass tiled=False (--no-tiled)"
                )

    def prepared(self, catalogue: Catalogue) -> Catalogue:
        """The catalogue, remapped where that is asked for.

        Raises:
            InputError: an open box that would be repeated or remapped.
        """
        if self.remapping is not None:
            return Remapping(self.remapping)(catalogue)
        if self.tiled and not catalogue.periodic:
            raise InputError(
                "expected a periodic box to repeat, got an open one; pass tiled=False (--no-tiled) "
                "to see it once"
            )
        return catalogue

    @property
    def rotation(self) -> Float[np.ndarray, "3 3"]:
        """R: rows are the box's axes in the observer's frame, x to (0, 0), z to the north pole."""
        alpha, delta = np.radians(self.toward)
        east = [-np.sin(alpha), np.cos(alpha), 0.0]
        north = [-np.sin(delta) * np.cos(alpha), -np.sin(delta) * np.sin(alpha), np.cos(delta)]
        return np.array([unit_vectors(*self.toward), east, north])

    def images(
        self, box: tuple[float, float, float], nearest: float, farthest: float, mask: SkyMask
    ) -> Int[np.ndarray, "images 3"]:
        """n of every image of the box that may be seen in a shell of comoving distance, in Mpc/h.

        Raises:
            InputError: millions of images.
        """
        if not self.tiled:
            return np.zeros((1, 3), np.int64)
        sides, place = np.asarray(box), np.asarray(self.observer) * box
        low = np.floor((place - farthest) / sides).astype(np.int64)
        high = np.floor((place + farthest) / sides).astype(np.int64)
        number = int(np.prod(high - low + 1))
        if number > MOST_IMAGES:
            raise InputError(
                f"expected at most {MOST_IMAGES} images of the box within {farthest:g} Mpc/h, got "
                f"{number} of sides {box} Mpc/h; lower the redshift or use a larger box"
            )
        axes = [np.arange(a, b + 1) for a, b in zip(low, high, strict=True)]
        every = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
        start = every * sides - place
        end = start + sides
        inner = np.linalg.norm(np.clip(0.0, start, end), axis=1)
        outer = np.linalg.norm(np.maximum(np.abs(start), np.abs(end)), axis=1)
        reached = (inner <= farthest) & (outer >= nearest)
        every, middle = every[reached], (start + end)[reached] / 2
        # The box lies within a cone around its middle; all around where the observer is close.
        distance = np.linalg.norm(middle, axis=1)
        radius = np.linalg.norm(sides) / 2
        angle = np.arcsin(radius / np.maximum(distance, radius))
        angle = np.where(distance > radius, angle, np.pi)
        towards = middle / np.where(distance > 0, distance, 1.0)[:, None] @ self.rotation
        return every[mask.near(towards, angle)]

    def look(
        self, catalogue: Catalogue, nearest: float, farthest: float, mask: SkyMask
    ) -> Iterator[tuple[Int[np.ndarray, " seen"], Float[np.ndarray, "seen 3"]]]:
        """Rows and places, from the observer, of the points in a shell; a part at a time.

        All that the mask sees are there, and some that it does not see.

        Args:
            catalogue: as :meth:`prepared`.
            nearest, farthest: comoving distances in Mpc/h, [nearest, farthest).
            mask: what is seen of the sky.
        """
        images = self.images(catalogue.box, nearest, farthest, mask)
        apart = catalogue.positions - np.asarray(self.observer) * catalogue.box
        step = max(1, AT_ONCE // max(len(catalogue), 1))
        for start in range(0, len(images), step):
            shift = images[start : start + step] * np.asarray(catalogue.box)
            every = apart + shift[:, None]
            distance = np.linalg.norm(every, axis=-1)
            image, row = np.nonzero((distance >= nearest) & (distance < farthest))
            yield row, every[image, row] @ self.rotation

    def from_observer(
        self, positions: ArrayLike, box: tuple[float, float, float]
    ) -> Float[np.ndarray, "points 3"]:
        """Places of ``(points, 3)`` in the one box that is seen, from the observer, in Mpc/h."""
        places = as_finite(positions, "positions", "Mpc/h")
        return (places - np.asarray(self.observer) * box) @ self.rotation
