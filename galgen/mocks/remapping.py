r"""A periodic box as a long cuboid of the same points (Carlson & White 2010, ApJS 190, 311).

For a box of sides L, three integer vectors u_1, u_2, u_3 with::

    u_1 . (u_2 x u_3) = 1

span a parallelepiped that tiles space by the same translations as the box does, each point of the
box once. Sheared, it is a cuboid with the orthogonal edges::

    e_1 = u_1,   e_2 = u_2 + a u_1,   e_3 = u_3 + b u_1 + c u_2

(Gram and Schmidt; u_i scaled by L). A shear along u_1, or of u_3 along u_1 and u_2, moves whole
layers onto their own images, so the cuboid tiles space too: of all images of a point, x + n L, just
one is in it. It is found layer by layer, with t_i = x . e_i / |e_i|²::

    x -> x - floor(t_3) u_3,   then  x -> x - floor(t_2) u_2,   then  x -> x - floor(t_1) u_1

since u_i has t_i = 1 and no part along later edges. The volume stays; distances stay among the
points that move by the same n. The result is rotated, so that e_1, e_2, e_3 are the axes, and so
are the velocities. It is no longer periodic along its axes.
"""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
from jaxtyping import Float, Int

from galgen.arrays import ArrayLike, as_finite
from galgen.checked import checked
from galgen.data.catalogue import POSITIONS, VELOCITIES, Catalogue
from galgen.errors import InputError

Vector = tuple[int, int, int]


@dataclasses.dataclass(frozen=True)
@checked
class Remapping:
    """Three integer vectors that make a cuboid of a box.

    Attributes:
        vectors: u_1, u_2, u_3, in sides of the box.

    Raises:
        InputError: vectors whose triple product is not 1.
    """

    vectors: tuple[Vector, Vector, Vector]

    def __post_init__(self) -> None:
        product = _triple(np.array(self.vectors))
        if product != 1:
            raise InputError(
                f"expected integer vectors with u1 . (u2 x u3) = 1, got {product} for "
                f"{self.vectors}; "
                + ("swap two of them" if product == -1 else "see Remapping.closest")
            )

    @classmethod
    def closest(
        cls, shape: tuple[float, float, float], box: tuple[float, float, float], largest: int = 2
    ) -> Remapping:
        """The remapping whose cuboid is closest to a shape, in the rms of log sides.

        Args:
            shape: wanted sides along x, y and z; only their ratios matter.
            box: sides of the periodic box.
            largest: coefficients are searched from minus this to this; 1 or 2.

        Raises:
            InputError: sides that are not positive, or another range.
        """
        wanted, sides = np.asarray(shape, np.float64), np.asarray(box, np.float64)
        if np.any(wanted <= 0) or np.any(sides <= 0) or largest not in (1, 2):
            raise InputError(
                f"expected positive sides and a range of 1 or 2, got {shape}, {box} and "
                f"{largest}; 1 is usual"
            )
        vectors = np.array(list(itertools.product(range(-largest, largest + 1), repeat=3)))
        first, second = (a.ravel() for a in np.indices((len(vectors), len(vectors))))
        cross = np.cross(vectors[first], vectors[second])
        pair, third = np.nonzero(cross @ vectors.T == 1)
        found = np.stack([vectors[first[pair]], vectors[second[pair]], vectors[third]], axis=1)
        lengths = _lengths(found * sides)
        goal = np.log(wanted / np.cbrt(wanted.prod() / sides.prod()))
        best = found[np.argmin(((np.log(lengths) - goal) ** 2).sum(axis=-1).round(12))]
        return cls(tuple(tuple(int(n) for n in row) for row in best))  # type: ignore[arg-type]

    def sides(self, box: tuple[float, float, float]) -> tuple[float, float, float]:
        """Sides of the cuboid, |e_1|, |e_2| and |e_3|."""
        x, y, z = _lengths(np.array(self.vectors) * np.asarray(box))
        return (float(x), float(y), float(z))

    def moves(
        self, positions: ArrayLike, box: tuple[float, float, float]
    ) -> Int[np.ndarray, "points 3"]:
        """n of each of the ``(points, 3)``: by how many sides of the box it moves."""
        lattice = np.array(self.vectors) * np.asarray(box)
        edges = _orthogonal(lattice)
        place = as_finite(positions, "positions", "Mpc/h").astype(np.float64)
        moved = np.zeros(place.shape, np.int64)
        for vector, integers, edge in reversed(
            list(zip(lattice, np.array(self.vectors), edges, strict=True))
        ):
            layer = np.floor(place @ edge / (edge @ edge))
            place = place - layer[:, None] * vector
            moved -= layer[:, None].astype(np.int64) * integers
        return moved

    def __call__(self, catalogue: Catalogue) -> Catalogue:
        """The same points in the cuboid, which is open.

        Raises:
            InputError: a catalogue that is not periodic.
        """
        if not catalogue.periodic:
            raise InputError(
                "expected a periodic box to remap, got an open one; use it as it is, without "
                "remapping"
            )
        box = catalogue.box
        axes = _orthogonal(np.array(self.vectors) * np.asarray(box))
        axes = axes / np.linalg.norm(axes, axis=1, keepdims=True)
        positions = catalogue.positions
        moved = (positions + self.moves(positions, box) * np.asarray(box)) @ axes.T
        sides = self.sides(box)
        # Rounding may leave a point at a face on the wrong side of it, by 1e-16 of the box.
        inside = np.clip(moved, 0.0, np.nextafter(sides, 0.0))
        columns = dict(catalogue.columns) | dict(zip(POSITIONS, inside.T, strict=True))
        if all(name in columns for name in VELOCITIES):
            columns |= dict(zip(VELOCITIES, (catalogue.velocities @ axes.T).T, strict=True))
        note = {"remapping": str(self.vectors)}
        return catalogue.replace(
            columns=columns, box=sides, periodic=False, provenance={**catalogue.provenance, **note}
        )


def _triple(vectors: Int[np.ndarray, "3 3"]) -> int:
    """u_1 . (u_2 x u_3), in integers."""
    return int(vectors[0] @ np.cross(vectors[1], vectors[2]))


def _orthogonal(vectors: Float[np.ndarray, "*many 3 3"]) -> Float[np.ndarray, "*many 3 3"]:
    """e_1, e_2, e_3."""
    first, second, third = (vectors[..., i, :] for i in range(3))

    def without(vector: np.ndarray, edge: np.ndarray) -> np.ndarray:
        share = (vector * edge).sum(-1, keepdims=True) / (edge * edge).sum(-1, keepdims=True)
        return vector - share * edge

    second = without(second, first)
    third = without(without(third, first), second)
    return np.stack([first, second, third], axis=-2)


def _lengths(vectors: Float[np.ndarray, "*many 3 3"]) -> Float[np.ndarray, "*many 3"]:
    return np.linalg.norm(_orthogonal(vectors), axis=-1)
