r"""Real spherical harmonics of even order, as polynomials of a unit vector.

Normalised so that the addition theorem has no factor (Racah's normalisation; e.g. Hand et al. 2017,
JCAP 07, 002, eq. 2.9, whose Y_lm are sqrt((2 l + 1) / 4 pi) times these)::

    L_l(a . b) = sum_{m = -l}^{l} C_lm(a) C_lm(b)

for unit vectors a and b, with L_l the Legendre polynomial. So C_00 = 1.
"""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

Direction = tuple[Array, Array, Array]
"""x, y and z of unit vectors, of shapes that broadcast."""
Harmonic = Callable[[Array, Array, Array], Array]

ROOT = {number: number**0.5 for number in (3, 5, 10, 35, 70)}

HARMONICS: dict[int, tuple[Harmonic, ...]] = {
    0: (lambda x, y, z: jnp.ones_like(x * y * z),),
    2: (
        lambda x, y, z: ROOT[3] * x * y,
        lambda x, y, z: ROOT[3] * y * z,
        lambda x, y, z: (3 * z**2 - 1) / 2,
        lambda x, y, z: ROOT[3] * x * z,
        lambda x, y, z: ROOT[3] / 2 * (x**2 - y**2),
    ),
    4: (
        lambda x, y, z: ROOT[35] / 2 * x * y * (x**2 - y**2),
        lambda x, y, z: ROOT[70] / 4 * y * z * (3 * x**2 - y**2),
        lambda x, y, z: ROOT[5] / 2 * x * y * (7 * z**2 - 1),
        lambda x, y, z: ROOT[10] / 4 * y * z * (7 * z**2 - 3),
        lambda x, y, z: (35 * z**4 - 30 * z**2 + 3) / 8,
        lambda x, y, z: ROOT[10] / 4 * x * z * (7 * z**2 - 3),
        lambda x, y, z: ROOT[5] / 4 * (x**2 - y**2) * (7 * z**2 - 1),
        lambda x, y, z: ROOT[70] / 4 * x * z * (x**2 - 3 * y**2),
        lambda x, y, z: ROOT[35] / 8 * (x**4 - 6 * x**2 * y**2 + y**4),
    ),
}
"""C_lm of l for m = -l, ..., l."""


def spherical_harmonic(
    ell: int, order: int | Int[Array, ""], direction: Direction
) -> Float[Array, "..."]:
    """C_lm of directions, with ``order`` = l + m, which may be traced; l is 0, 2 or 4."""
    # Every branch must have the full shape, even one that does not depend on all components.
    shape = jnp.broadcast_shapes(*(part.shape for part in direction))
    whole = tuple(jnp.broadcast_to(part, shape) for part in direction)
    return lax.switch(jnp.asarray(order), HARMONICS[ell], *whole)


def unit_components(vector: Direction) -> Direction:
    """The vectors over their lengths; zero where the length is zero."""
    squared = vector[0] ** 2 + vector[1] ** 2 + vector[2] ** 2
    inverse = jnp.where(squared > 0, 1 / jnp.sqrt(jnp.where(squared > 0, squared, 1.0)), 0.0)
    return vector[0] * inverse, vector[1] * inverse, vector[2] * inverse
