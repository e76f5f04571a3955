"""Fibre collisions: of galaxies too close on the sky for two fibres, some have no redshift.

In SDSS and BOSS two fibres of one plate cannot be nearer than 55 to 62 arcseconds (Zehavi et al.
2002, ApJ 571, 172; Reid et al. 2016, MNRAS 455, 1553). The rule here, for sky seen by one plate:

1. Galaxies get a random order.
2. In that order, each gets a fibre unless one nearer than the separation already has one.
3. A galaxy without a fibre is lost, and its weight goes to the nearest galaxy that has one.

No two galaxies that are left are closer than the separation, every lost one was closer to one that
is left, and the sum of weights does not change. Sky that several plates cover loses fewer: lower
the separation, or leave this out there.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import scipy
from jaxtyping import Bool, Float

from galgen.arrays import ArrayLike
from galgen.checked import checked
from galgen.cosmology.coordinates import unit_vectors
from galgen.errors import InputError

ARCSECOND = np.pi / 180.0 / 3600.0


@dataclasses.dataclass(frozen=True)
@checked
class FibreCollisions:
    """Thinning by angular separation.

    Attributes:
        separation: the closest that two fibres can be, in arcseconds; 62 in BOSS, 55 in SDSS.

    Raises:
        InputError: a separation that is not positive, or of a degree or more.
    """

    separation: float = 62.0

    def __post_init__(self) -> None:
        if not 0.0 < self.separation < 3600.0:
            raise InputError(
                f"expected a separation of fibres in (0, 3600) arcseconds, got {self.separation}; "
                "62 is that of BOSS"
            )

    def __call__(
        self, right_ascension: ArrayLike, declination: ArrayLike, generator: np.random.Generator
    ) -> tuple[Bool[np.ndarray, " galaxies"], Float[np.ndarray, " galaxies"]]:
        """Which galaxies have a fibre, and the weight of each: 0 for those that are lost.

        Args:
            right_ascension, declination: ``(galaxies,)``, degrees.
            generator: of the order.
        """
        place = unit_vectors(right_ascension, declination)
        chord = 2.0 * np.sin(self.separation * ARCSECOND / 2.0)
        pairs = scipy.spatial.cKDTree(place).query_pairs(chord, output_type="ndarray")
        rank = generator.permutation(len(place))
        neighbours: dict[int, list[int]] = {}
        for first, second in pairs.tolist():
            neighbours.setdefault(first, []).append(second)
            neighbours.setdefault(second, []).append(first)
        kept = np.ones(len(place), bool)
        decided: set[int] = set()
        for galaxy in sorted(neighbours, key=rank.__getitem__):
            kept[galaxy] = not any(other in decided for other in neighbours[galaxy])
            if kept[galaxy]:
                decided.add(galaxy)
        weight = kept.astype(np.float64)
        for galaxy in np.flatnonzero(~kept).tolist():
            near = [other for other in neighbours[galaxy] if kept[other]]
            apart = np.linalg.norm(place[near] - place[galaxy], axis=1)
            weight[near[int(np.argmin(apart))]] += 1.0
        return kept, weight
