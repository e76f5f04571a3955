"""Whether points fill the periodic box that they are said to be in.

A slab of a survey that is declared a periodic cube has an empty part along an axis. Each axis is
divided into 200 slabs, and the longest run of empty ones is found, the ends of the axis joined. N
independent uniform points leave the k slabs that begin at a given one empty with a probability of
(1 - k/200)^N, so that with three axes::

    P(a run of k or more) <= 600 (1 - k/200)^N

A run is reported when it is a twentieth of the side or longer and this bound is below 1e-6: of a
million boxes of independent points that are filled, less than one is called empty. Points in
clumps are fewer than they seem, so N is the number of cells with a point, of the 10^3 of the box.
With N below 20, no gap of half a side is told from chance.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from galgen.data.catalogue import POSITIONS, Catalogue

SLABS = 200
CELLS = 10
RATE = 1e-6
"""The most boxes of independent points, of all, that are called empty by chance."""
SHORTEST = 1 / 20
"""The shortest gap that counts, in sides."""


@dataclasses.dataclass(frozen=True)
class Gap:
    """A part of a box without a point, along an axis.

    Attributes:
        axis: ``x``, ``y`` or ``z``.
        low: where it begins [Mpc/h].
        high: where it ends [Mpc/h]; below ``low`` for one that goes on beyond the edge.
    """

    axis: str
    low: float
    high: float

    def __str__(self) -> str:
        if self.high > self.low:
            return f"no point has {self.axis} from {self.low:g} to {self.high:g}"
        return f"no point has {self.axis} above {self.low:g} or below {self.high:g}"


def gaps_of(catalogue: Catalogue) -> list[Gap]:
    """The longest empty part along each axis that is too long for chance."""
    if not len(catalogue):
        return []
    positions = catalogue.positions / np.array(catalogue.box)
    cell = np.minimum((positions * CELLS).astype(np.int64), CELLS - 1)
    number = len(np.unique(np.ravel_multi_index(tuple(cell.T), (CELLS,) * 3)))
    gaps = []
    for axis, (name, side) in enumerate(zip(POSITIONS, catalogue.box, strict=True)):
        begin, length = _longest_empty(positions[:, axis])
        share = length / SLABS
        if share >= SHORTEST and 3 * SLABS * (1 - share) ** number < RATE:
            end = (begin + length) % SLABS or SLABS
            gaps.append(Gap(name, begin / SLABS * side, end / SLABS * side))
    return gaps


def _longest_empty(fractions: np.ndarray) -> tuple[int, int]:
    """Where the longest run of empty slabs begins, and its length; the axis is a circle."""
    slab = np.minimum((fractions * SLABS).astype(np.int64), SLABS - 1)
    filled = np.flatnonzero(np.bincount(slab, minlength=SLABS))
    lengths = np.diff(filled, append=filled[0] + SLABS) - 1
    longest = int(np.argmax(lengths))
    return int(filled[longest] + 1) % SLABS, int(lengths[longest])
