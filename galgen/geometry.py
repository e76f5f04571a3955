"""The spaces that points live in, and the symmetries of a box.

Model space is the unit box: positions are divided by the box side. A periodic box of any size is
then the flat torus [0, 1)^3. A geometry supplies displacements, the motion of a
point along a velocity, and its uniform distribution; networks and paths take one and never ask
which it is.

Both geometries agree on the equation of a geodesic from a to b, with t from 0 to 1::

    x(t) = move(a, t * displacement(a, b))

On the torus the displacement is the minimum image: each component lies in [-1/2, 1/2).
"""

from __future__ import annotations

import dataclasses
import itertools

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt32

from galgen.checked import checked
from galgen.periodic import minimum_image, wrap


@dataclasses.dataclass(frozen=True)
@checked
class Euclidean:
    """Open space: displacement is subtraction. Positions of an open box fill the unit cube."""

    periodic = False

    def displacement(
        self, start: Float[Array, "*#shape dim"], end: Float[Array, "*#shape dim"]
    ) -> Float[Array, "*shape dim"]:
        """The vector from ``start`` to ``end``."""
        return end - start

    def move(
        self, x: Float[Array, "*#shape dim"], step: Float[Array, "*#shape dim"]
    ) -> Float[Array, "*shape dim"]:
        """The point reached from ``x`` along ``step``."""
        return x + step


@dataclasses.dataclass(frozen=True)
@checked
class PeriodicBox:
    """The flat torus [0, 1)^dim: displacement is the minimum image, motion wraps around."""

    periodic = True

    def displacement(
        self, start: Float[Array, "*#shape dim"], end: Float[Array, "*#shape dim"]
    ) -> Float[Array, "*shape dim"]:
        """The minimum-image vector from ``start`` to ``end``, components in [-1/2, 1/2]."""
        return minimum_image(end - start)

    def move(
        self, x: Float[Array, "*#shape dim"], step: Float[Array, "*#shape dim"]
    ) -> Float[Array, "*shape dim"]:
        """The point reached from ``x`` along ``step``, wrapped into [0, 1)."""
        return wrap(x + step)


Geometry = Euclidean | PeriodicBox


def geodesic(
    geometry: Geometry,
    start: Float[Array, "*#shape dim"],
    end: Float[Array, "*#shape dim"],
    t: Float[Array, "..."] | float,
) -> Float[Array, "*shape dim"]:
    """The point at fraction ``t`` of the shortest way from ``start`` (t=0) to ``end`` (t=1)."""
    return geometry.move(start, t * geometry.displacement(start, end))


def morton_code(x: Float[Array, "*shape dim"], bits: int = 10) -> UInt32[Array, "*shape"]:
    """Place of each point of the unit box along the Z-order curve: its coordinates' bits, mixed.

    Args:
        x: in [0, 1); one to three coordinates.
        bits: of each coordinate; 10 fit three coordinates into 32 bits.
    """
    cell = (x * 2**bits).astype(jnp.uint32)
    return _interleave([cell[..., axis] for axis in range(x.shape[-1])], bits)


def hilbert_code(x: Float[Array, "*shape dim"], bits: int = 10) -> UInt32[Array, "*shape"]:
    """Place of each point of the unit box along the Hilbert curve: neighbours along it touch.

    Skilling 2004, "Programming the Hilbert curve", AIP Conference Proceedings 707, 381.

    Args:
        x: in [0, 1]; one to three coordinates.
        bits: of each coordinate; 10 fit three coordinates into 32 bits.
    """
    dim = x.shape[-1]
    whole = jnp.minimum((x * 2**bits).astype(jnp.uint32), np.uint32(2**bits - 1))
    cell = [whole[..., axis] for axis in range(dim)]
    for bit in range(bits - 1, 0, -1):
        low = np.uint32(2**bit - 1)
        for axis in range(dim):
            upper = (cell[axis] >> bit) & 1 == 1
            exchanged = jnp.where(upper, 0, (cell[0] ^ cell[axis]) & low)
            cell[0] = cell[0] ^ jnp.where(upper, low, exchanged)
            if axis:
                cell[axis] = cell[axis] ^ exchanged
    for axis in range(1, dim):
        cell[axis] = cell[axis] ^ cell[axis - 1]
    flips = jnp.zeros_like(cell[0])
    for bit in range(bits - 1, 0, -1):
        flips = flips ^ jnp.where((cell[-1] >> bit) & 1 == 1, np.uint32(2**bit - 1), 0)
    return _interleave([c ^ flips for c in reversed(cell)], bits)


def _interleave(cell: list[UInt32[Array, "*shape"]], bits: int) -> UInt32[Array, "*shape"]:
    """One bit of each number after the other, those of the first the least significant."""
    code = jnp.zeros_like(cell[0])
    for bit in range(bits):
        for axis, number in enumerate(cell):
            code = code | (((number >> bit) & 1) << (len(cell) * bit + axis))
    return code


def cube_symmetries() -> Float[np.ndarray, "48 3 3"]:
    """The 48 signed permutation matrices: every rotation and reflection of the cube."""
    matrices = []
    for permutation in itertools.permutations(range(3)):
        for signs in itertools.product((1.0, -1.0), repeat=3):
            matrices.append(np.diag(signs) @ np.eye(3)[list(permutation)])
    return np.stack(matrices).astype(np.float32)
