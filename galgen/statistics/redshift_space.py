"""Redshift space of a distant observer along one axis of the box (Kaiser 1987, MNRAS 227, 1).

::

    s = x + v_axis / (a H),    H = 100 h E(z) km/s/Mpc,   E(z)² = Omega_m (1 + z)³ + 1 - Omega_m

With lengths in Mpc/h comoving and peculiar velocities in km/s, h cancels: the shift is
``v (1 + z) / (100 E(z))`` Mpc/h, 0.01 Mpc/h per km/s today. Flat cosmology, no radiation.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from galgen.errors import InputError
from galgen.statistics.binning import ArrayLike, check_box


def hubble_ratio(omega_m: ArrayLike, redshift: ArrayLike) -> Float[Array, "..."]:
    """E(z) = H(z) / H_0 of flat Lambda-CDM."""
    matter = jnp.asarray(omega_m)
    return jnp.sqrt(matter * (1 + jnp.asarray(redshift)) ** 3 + 1 - matter)


def redshift_space_positions(
    positions: ArrayLike,
    velocities: ArrayLike,
    box: ArrayLike,
    omega_m: ArrayLike,
    redshift: ArrayLike,
    line_of_sight: int = 2,
    periodic: bool = True,
) -> Float[Array, "*lead 3"]:
    """Positions as seen by a distant observer along one axis, in Mpc/h.

    Args:
        positions: ``(..., 3)`` in Mpc/h comoving.
        velocities: ``(..., 3)`` peculiar, in km/s.
        box: the three sides in Mpc/h.
        omega_m: matter density today; a number, or one per catalogue, ``(batch,)``.
        redshift: of the box; a number, or one per catalogue.
        line_of_sight: the axis, 0, 1 or 2.
        periodic: wrap the result into the box; False leaves points that crossed a face outside.

    Raises:
        InputError: velocities of another shape, or an axis other than 0, 1, 2.
    """
    start, motion = jnp.asarray(positions), jnp.asarray(velocities)
    if start.shape != motion.shape or start.shape[-1:] != (3,):
        raise InputError(
            f"expected positions and velocities of one shape (..., 3), got {start.shape} and "
            f"{motion.shape}; take both from the same catalogues"
        )
    check_axis(line_of_sight)
    side = jnp.asarray(check_box(box)[line_of_sight], start.dtype)
    factor = (1 + jnp.asarray(redshift)) / (100.0 * hubble_ratio(omega_m, redshift))
    if factor.ndim:
        factor = factor.reshape(factor.shape + (1,) * (start.ndim - 1 - factor.ndim))
    return _shift(start, motion, factor.astype(start.dtype), side, line_of_sight, periodic)


def check_axis(line_of_sight: int) -> None:
    """Refuse a line of sight that is not an axis of the box.

    Raises:
        InputError: not 0, 1 or 2.
    """
    if line_of_sight not in (0, 1, 2):
        raise InputError(
            f"expected a line of sight of 0, 1 or 2 (x, y, z), got {line_of_sight!r}; pass an axis"
        )


@functools.partial(jax.jit, static_argnames=("line_of_sight", "periodic"))
def _shift(
    positions: Float[Array, "*lead 3"],
    velocities: Float[Array, "*lead 3"],
    factor: Float[Array, "..."],
    side: Float[Array, ""],
    line_of_sight: int,
    periodic: bool,
) -> Float[Array, "*lead 3"]:
    """The shifted axis, wrapped into [0, side) when periodic."""
    moved = positions[..., line_of_sight] + factor * velocities[..., line_of_sight]
    if periodic:
        moved = moved - side * jnp.floor(moved / side)
        moved = jnp.where(moved >= side, 0.0, moved)
    return positions.at[..., line_of_sight].set(moved)
