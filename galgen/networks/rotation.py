r"""Rotations of channels by position: how a network of sets reads displacements alone.

A pair c of channels is turned by the angle 2 pi n_c . x, where n_c is an integer wave vector: the
periodic form of rotary positions (Su et al. 2021, arXiv:2104.09864, eq. 14-16). With R(x) the
rotation of all pairs at x, what is turned forward where it is sent and back where it is read has
been turned by the displacement, exactly periodically::

    R(-x_i) R(x_j) v_j = R(x_j - x_i) v_j

so attention and pooling read where a point is relative to another, without a feature of position::

    q_i . R(x_j - x_i) k_j = R(x_i) q_i . R(x_j) k_j
    o_i = R(-x_i) sum_j a_ij R(x_j) v_j = sum_j a_ij R(x_j - x_i) v_j

The turned values let an output say where its neighbours are, not only what they are. In open space
angles are half as large, so that opposite faces of the unit box are told apart.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from galgen.errors import InputError
from galgen.geometry import Geometry


class Rotation(NamedTuple):
    """The rotation R(x) of pairs of channels at every point: cos and sin of 2 pi n_c . x."""

    cos: Float[Array, "batch points 1 pairs"]
    sin: Float[Array, "batch points 1 pairs"]

    def inverse(self) -> Rotation:
        """R(-x)."""
        return Rotation(self.cos, -self.sin)

    def __call__(
        self, x: Float[Array, "batch points heads channels"]
    ) -> Float[Array, "batch points heads channels"]:
        """Channel c and channel c + pairs turned as one vector of the plane."""
        first, second = jnp.split(x, 2, axis=-1)
        turned = (first * self.cos - second * self.sin, first * self.sin + second * self.cos)
        return jnp.concatenate(turned, axis=-1)


def rotation_at(
    positions: Float[Array, "batch points dim"],
    vectors: Float[np.ndarray, "pairs dim"],
    geometry: Geometry,
) -> Rotation:
    """The rotation at positions in the unit box, a pair of channels for each wave vector."""
    # Full precision: a GPU's default would round the phase.
    cycles = jnp.matmul(positions, vectors.T, precision="highest")[:, :, None]
    if not geometry.periodic:
        cycles = 0.5 * cycles
    angle = 2.0 * jnp.pi * (cycles - jnp.round(cycles))
    return Rotation(jnp.cos(angle), jnp.sin(angle))


def wave_vectors(pairs: int, octaves: int, dim: int) -> Float[np.ndarray, "pairs dim"]:
    """One integer wave vector per pair of channels.

    A quarter are zero: channels that carry what a point is. Then come the axes at 1, 2, 4, ...
    cycles, ``octaves`` of them, which resolve distances, and last the other modes by length.

    Raises:
        InputError: if there are too few pairs for every axis to be seen.
    """
    if pairs < dim or octaves < 1:
        raise InputError(
            f"expected at least {2 * dim} channels to turn (a pair for each of {dim} axes) and "
            f"one octave, got {2 * pairs} and {octaves}; raise width, lower heads or set octaves"
        )
    axes = [
        tuple(int(2**j * (a == b)) for b in range(dim)) for j in range(octaves) for a in range(dim)
    ]
    chosen = [(0,) * dim] * (pairs // 4) + axes
    largest = 1
    while len(chosen) < pairs:
        cube = itertools.product(range(-largest, largest + 1), repeat=dim)
        inside = [n for n in cube if n > (0,) * dim and sum(c * c for c in n) <= largest**2]
        new = set(inside) - set(chosen)
        chosen += sorted(new, key=lambda n: (sum(c * c for c in n), n))
        largest += 1
    return np.array(chosen[:pairs], np.float32)
