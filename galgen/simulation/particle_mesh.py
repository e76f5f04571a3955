"""Particles that fall in their own gravity: FastPM on a mesh finer than the particles.

Particles start on a lattice, displaced to second order (2LPT) at an early time, and are moved by
the kick-drift-kick steps of FastPM (Feng et al. 2016, MNRAS 463, 2273), which give waves of linear
theory their exact growth whatever the length of a step::

    p = a^2 E dx/dlna                                   momentum, H_0 = 1
    drift  x += p (D(a_1) - D(a_0)) / G(a_p)            G = a^2 E f D,  momentum known at a_p
    kick   p -= grad laplacian^-1 delta(x) (G(a_1) - G(a_0)) / D(a_x)      positions known at a_x

delta is painted by cloud in cell, the force i k / k^2 delta_k is taken without correction of the
window, and is read at the particles by cloud in cell again: what one particle does to another is
the opposite of what the other does to it, and the momentum of all stays what it was.

Steps are even in a. Lengths are in cells of the force mesh here, float32 throughout.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex64, Float, Float32, Int32

from galgen.cosmology import flat_growth_rate
from galgen.mass_assignment import shares
from galgen.simulation.cosmology import Cosmology
from galgen.simulation.initial_field import Displacement

Vectors = Float32[np.ndarray, "3 side side side"]


def even_steps(
    cosmology: Cosmology, start: float, end: float, steps: int
) -> tuple[Float[np.ndarray, "forces"], Float[np.ndarray, "forces"]]:
    """Factors of kicks and drifts, of ``steps`` that are equally long in the scale factor.

    There is one more force than steps: the first and the last kick are halves. The last drift is 0.

    Args:
        cosmology: that drives the growth.
        start: scale factor of the first force.
        end: scale factor of the last.
        steps: between them.
    """
    scales = np.linspace(start, end, steps + 1)
    middles = 0.5 * (scales[1:] + scales[:-1])
    growth = np.array([cosmology.growth_factor(1.0 / a - 1.0) for a in scales])
    known = np.concatenate([[start], middles, [end]])
    momentum = np.array([growth_of_momentum(cosmology, a) for a in known])
    return np.diff(momentum) / growth, np.append(np.diff(growth) / momentum[1:-1], 0.0)


def growth_of_momentum(cosmology: Cosmology, scale: float) -> float:
    """G = a^2 E f D: the momentum of a linear displacement that is one today."""
    redshift = 1.0 / scale - 1.0
    rate = flat_growth_rate(cosmology.omega_m, redshift) * cosmology.growth_factor(redshift)
    return scale**2 * cosmology.expansion(redshift) * rate


def evolve(
    displacement: Displacement,
    cosmology: Cosmology,
    mesh_factor: int,
    steps: int,
    start: float,
    end: float,
) -> tuple[Vectors, Vectors]:
    """Displacements [Mpc/h] and peculiar velocities [km/s] of particles of a lattice.

    Args:
        displacement: of first and second order, extrapolated linearly to ``end``, at each particle.
        cosmology: that drives the growth.
        mesh_factor: cells of the force mesh for each particle, along each axis.
        steps: of equal length in the scale factor.
        start: scale factor at which second-order theory hands over.
        end: scale factor of the result.
    """
    early, late = 1.0 / start - 1.0, 1.0 / end - 1.0
    growth = cosmology.growth_factor(early) / cosmology.growth_factor(late)
    speed = growth_of_momentum(cosmology, start) / cosmology.growth_factor(late)
    second_rate = cosmology.second_order_growth_rate(early)
    second_speed = start**2 * cosmology.expansion(early) * second_rate * growth**2
    factors = np.stack(even_steps(cosmology, start, end, steps), axis=1)
    cell = displacement.box / (mesh_factor * displacement.first.shape[-1])
    position, momentum = _evolve(
        displacement.first,
        displacement.second,
        jnp.asarray([[growth, growth**2], [speed, second_speed]], jnp.float32) / cell,
        jnp.asarray(factors, jnp.float32),
        mesh_factor,
    )
    return (
        np.asarray(position) * np.float32(cell),
        np.asarray(momentum) * np.float32(100.0 * cell / end),
    )


@functools.partial(jax.jit, static_argnames="mesh_factor")
def _evolve(
    first: Float[Array, "3 side side side"],
    second: Float[Array, "3 side side side"],
    start: Float[Array, "2 2"],
    factors: Float[Array, "forces 2"],
    mesh_factor: int,
) -> tuple[Float[Array, "3 side side side"], Float[Array, "3 side side side"]]:
    """Displacements and momenta in cells after all steps."""
    position = start[0, 0] * first + start[0, 1] * second
    momentum = start[1, 0] * first + start[1, 1] * second

    def step(state: tuple[Array, Array], factor: Array) -> tuple[tuple[Array, Array], None]:
        position, momentum = state
        kick, drift = factor
        momentum = momentum + kick * force(position, mesh_factor)
        return (position + drift * momentum, momentum), None

    return jax.lax.scan(step, (position, momentum), factors)[0]


def force(
    position: Float[Array, "3 side side side"], mesh_factor: int
) -> Float[Array, "3 side side side"]:
    """-grad laplacian^-1 delta at the particles, of their own density.

    Args:
        position: displacements from the lattice, in cells of the force mesh.
        mesh_factor: cells for each particle, along each axis.
    """
    side = position.shape[-1]
    mesh = mesh_factor * side
    density = jnp.zeros(mesh**3, jnp.float32)
    for cells, share in _corners(position, mesh_factor):
        density = density.at[cells].add(share, mode="promise_in_bounds")
    modes = jnp.fft.rfftn(density.reshape((mesh,) * 3)) * mesh_factor**3
    components = []
    for component in _accelerations(modes):
        values = jnp.fft.irfftn(component, s=(mesh,) * 3).reshape(-1)
        read = [
            share * values.at[cells].get(mode="promise_in_bounds")
            for cells, share in _corners(position, mesh_factor)
        ]
        components.append(functools.reduce(jnp.add, read))
    return jnp.stack(components)


def _corners(
    position: Float[Array, "3 side side side"], mesh_factor: int
) -> Iterator[tuple[Int32[Array, "side side side"], Float[Array, "side side side"]]]:
    """Of each of the eight cells about a particle, its number and the share it gets."""
    side = position.shape[-1]
    mesh = mesh_factor * side
    floor = jnp.floor(position)
    below = floor.astype(jnp.int32) + _lattice(side, mesh_factor)
    low, high = shares(position - floor, 2)
    for corner in np.ndindex(2, 2, 2):
        x, y, z = (jnp.mod(below[axis] + up, mesh) for axis, up in enumerate(corner))
        along = [(high if up else low)[axis] for axis, up in enumerate(corner)]
        yield (x * mesh + y) * mesh + z, along[0] * along[1] * along[2]


def _lattice(side: int, mesh_factor: int) -> Int32[Array, "3 side side side"]:
    """The cell of each particle's place in the lattice, along each axis."""
    places = [jax.lax.broadcasted_iota(jnp.int32, (side,) * 3, axis) for axis in range(3)]
    return mesh_factor * jnp.stack(places)


def _accelerations(
    density: Complex64[Array, "mesh mesh half"],
) -> Iterator[Complex64[Array, "mesh mesh half"]]:
    """i k / k^2 delta_k along each axis, k per cell, without the Nyquist plane of the axis."""
    mesh = density.shape[0]
    full = jnp.asarray(2.0 * np.pi * np.fft.fftfreq(mesh), jnp.float32)
    half = jnp.abs(full[: mesh // 2 + 1])
    k = (full[:, None, None], full[None, :, None], half[None, None, :])
    squared = k[0] ** 2 + k[1] ** 2 + k[2] ** 2
    potential = jnp.where(squared > 0.0, density / jnp.where(squared > 0.0, squared, 1.0), 0.0)
    for along in k:
        yield 1j * jnp.where(jnp.abs(along) < 0.999 * np.pi, along, 0.0) * potential
