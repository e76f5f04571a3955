"""Redshift space: peculiar velocities move galaxies along the line of sight.

Of a distant observer along one axis of the box (Kaiser 1987, MNRAS 227, 1), and of an observer at
a place o::

    s = x + v_axis / (a H) axis                                   distant
    s = x + (v . n) / (a H) n,    n = (x - o) / |x - o|           radial
    H = 100 h E(z) km/s/Mpc,      E(z)² = Omega_m (1 + z)³ + 1 - Omega_m

With lengths in Mpc/h comoving and peculiar velocities in km/s, h cancels: the shift is
``v (1 + z) / (100 E(z))`` Mpc/h, 0.01 Mpc/h per km/s today. That E(z), of a flat cosmology without
radiation, needs Omega_m alone and may be traced; for dark energy, curvature and neutrinos a whole
cosmology is given, on the host (:mod:`galgen.cosmology.expansion`). All points of a catalogue
share its redshift. NaN stays in its own row: padding may hold anything.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from galgen.arrays import ArrayLike, as_array, library_of
from galgen.cosmology import flat_expansion_squared
from galgen.cosmology.expansion import Cosmologies, expansion_ratio
from galgen.errors import InputError
from galgen.periodic import wrap
from galgen.statistics.arguments import evaluate, is_traced
from galgen.statistics.binning import check_box


def hubble_ratio(omega_m: ArrayLike, redshift: ArrayLike) -> Float[Array | np.ndarray, "..."]:
    """E(z) = H(z) / H_0 of flat Lambda-CDM, in float64 of NumPy for what is not JAX's."""
    library: Any = jnp if isinstance(omega_m, jax.Array) or isinstance(redshift, jax.Array) else np
    squared = flat_expansion_squared(library.asarray(omega_m), library.asarray(redshift))
    return library.asarray(library.sqrt(squared))


def redshift_space_positions(
    positions: ArrayLike,
    velocities: ArrayLike,
    box: ArrayLike,
    omega_m: ArrayLike | None = None,
    redshift: ArrayLike | None = None,
    line_of_sight: int = 2,
    periodic: bool = True,
    cosmology: Cosmologies | None = None,
) -> Float[Array | np.ndarray, "*lead 3"]:
    """Positions as seen by a distant observer along one axis, in Mpc/h.

    Arrays of JAX give one, in their precision; all else gives NumPy's float64.

    Args:
        positions: ``(..., 3)`` in Mpc/h comoving.
        velocities: ``(..., 3)`` peculiar, in km/s.
        box: the three sides in Mpc/h.
        omega_m: matter density today of a flat cosmology; a number, or one per catalogue,
            ``(batch,)``. None with a cosmology.
        redshift: of the box; a number, or one per catalogue.
        line_of_sight: the axis, 0, 1 or 2.
        periodic: wrap the result into the box; False leaves points that crossed a face outside.
        cosmology: instead of omega_m, any one of astropy, or parameters by name such as a
            catalogue's; or one per catalogue.

    Raises:
        InputError: velocities of another shape, an axis other than 0, 1, 2, Omega_m or redshift
            out of range, or not one of omega_m and cosmology.
    """
    exact, start, motion = _check_motion(positions, velocities, omega_m, redshift)
    check_axis(line_of_sight)
    side = check_box(box)[line_of_sight].astype(start.dtype)
    factor = _shift_per_speed(omega_m, redshift, cosmology, start)
    return evaluate(exact, _shift, start, motion, factor, side, line_of_sight, bool(periodic))


def radial_redshift_space_positions(
    positions: ArrayLike,
    velocities: ArrayLike,
    observer: ArrayLike,
    omega_m: ArrayLike | None = None,
    redshift: ArrayLike | None = None,
    cosmology: Cosmologies | None = None,
) -> Float[Array | np.ndarray, "*lead 3"]:
    """Positions as seen by an observer among them, in Mpc/h.

    No images are taken: a point that crosses a face of its box stays outside, and one that moves
    through the observer comes out behind. A point at the observer itself does not move.

    Args:
        positions: ``(..., 3)`` in Mpc/h comoving.
        velocities: ``(..., 3)`` peculiar, in km/s, relative to the observer.
        observer: ``(3,)`` in Mpc/h, in the coordinates of the positions.
        omega_m, redshift, cosmology: as :func:`redshift_space_positions`.

    Raises:
        InputError: velocities of another shape, an observer that is not three finite numbers,
            Omega_m or redshift out of range, or not one of omega_m and cosmology.
    """
    exact, start, motion = _check_motion(positions, velocities, omega_m, redshift)
    place = as_array(observer, "observer", "Mpc/h").astype(np.float64)
    if place.shape != (3,) or not np.all(np.isfinite(place)):
        raise InputError(
            f"expected an observer at 3 finite coordinates in Mpc/h, got {place.tolist()}; "
            "pass e.g. (500, 500, 500)"
        )
    factor = _shift_per_speed(omega_m, redshift, cosmology, start)
    return evaluate(exact, _radial_shift, start, motion, factor, place.astype(start.dtype))


def _check_motion(
    positions: ArrayLike, velocities: ArrayLike, *others: Any
) -> tuple[bool, Float[Any, "*lead 3"], Float[Any, "*lead 3"]]:
    """Whether the result is exact, and positions and velocities as floats of one shape.

    Arrays of JAX stay so, in their precision; all else becomes float64 of NumPy.
    """
    exact = not isinstance(positions, jax.Array) and not is_traced(velocities, *others)
    columns = (positions, "positions", "Mpc/h"), (velocities, "velocities", "km/s")
    start, motion = (
        x if isinstance(x, jax.Array) and not exact else as_array(x, name, unit)
        for x, name, unit in columns
    )
    if start.shape != motion.shape or start.shape[-1:] != (3,):
        raise InputError(
            f"expected positions and velocities of one shape (..., 3), got {start.shape} and "
            f"{motion.shape}; take both from the same catalogues"
        )
    dtype = np.float64 if exact else jnp.result_type(start, motion, jnp.float32)
    return exact, start.astype(dtype), motion.astype(dtype)


def _shift_per_speed(
    omega_m: ArrayLike | None,
    redshift: ArrayLike | None,
    cosmology: Cosmologies | None,
    positions: Float[Array | np.ndarray, "*lead 3"],
) -> Float[Array | np.ndarray, "..."]:
    """1 / (a H) in Mpc/h per km/s, shaped to multiply one coordinate of the positions."""
    rate = comoving_hubble(omega_m, redshift, cosmology)
    factor = library_of(rate).asarray(1 / rate)
    if factor.ndim and (factor.ndim > 1 or factor.shape != positions.shape[:-1][:1]):
        raise InputError(
            f"expected Omega_m and redshift as numbers, or one per catalogue of positions "
            f"{positions.shape}, got {factor.shape}; pass a number to use it for all"
        )
    if factor.ndim:
        factor = factor.reshape(factor.shape + (1,) * (positions.ndim - 2))
    return factor.astype(positions.dtype)


def comoving_hubble(
    omega_m: ArrayLike | None, redshift: ArrayLike | None, cosmology: Cosmologies | None
) -> Float[Array | np.ndarray, "..."]:
    """a H in km/s per Mpc/h, a number, or one per catalogue.

    Raises:
        InputError: not one of omega_m and cosmology, no redshift, or values out of range.
    """
    if redshift is None or (omega_m is None) == (cosmology is None):
        raise InputError(
            f"expected a redshift and one of omega_m and cosmology, got "
            f"{'none' if redshift is None else 'a'} redshift and "
            f"{'neither' if omega_m is None else 'both'}; pass cosmology=catalogue.cosmology"
        )
    _check_number("redshift", redshift, -1, 1e4)
    if cosmology is not None:
        ratio: Any = expansion_ratio(cosmology, redshift)
    else:
        _check_number("Omega_m", omega_m, 0, 10)
        ratio = hubble_ratio(omega_m, redshift)
    library = library_of(ratio)
    return library.asarray(100.0 * ratio / (1 + library.asarray(redshift)))


def _check_number(name: str, value: Any, low: float, high: float) -> None:
    """Refuse numbers out of range, where they are known."""
    if isinstance(value, jax.core.Tracer):
        return
    numbers = np.atleast_1d(as_array(value, name, "")).astype(np.float64)
    strange = ~((numbers > low) & (numbers < high))
    if np.any(strange):
        raise InputError(
            f"expected {name} between {low:g} and {high:g}, got {numbers[strange][0]:g}; "
            "check the order and the units of the arguments"
        )


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
        moved = wrap(moved, side)
    return positions.at[..., line_of_sight].set(moved)


@jax.jit
def _radial_shift(
    positions: Float[Array, "*lead 3"],
    velocities: Float[Array, "*lead 3"],
    factor: Float[Array, "..."],
    observer: Float[Array, "3"],
) -> Float[Array, "*lead 3"]:
    """s = x + (v . d) d / (a H d²), d from the observer."""
    apart = positions - observer
    squared = jnp.sum(apart**2, axis=-1)
    along = jnp.sum(velocities * apart, axis=-1) / jnp.where(squared > 0, squared, 1.0)
    return positions + (factor * along)[..., None] * apart
