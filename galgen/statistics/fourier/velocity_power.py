"""Power spectrum of the divergence of the peculiar velocity field.

The velocity of a cell is the mean over its points, weighted by the B-spline S of the mesh
(:mod:`galgen.statistics.fourier.mesh`) and by the weights w_j of the points: momentum over number.
Its divergence is taken in Fourier space and scaled as is usual (e.g. Pueblas & Scoccimarro 2009,
PRD 80, 043504)::

    v(n)     = sum_j w_j v_j S(n - x_j) / sum_j w_j S(n - x_j)
    theta(k) = -i k . v(k) / (a H f),     a H = 100 E(z) / (1 + z) km/s per Mpc/h
    P_l      = (2 l + 1) V <|theta(k)|² L_l(mu)>      over the modes of a bin

with v peculiar in km/s, k in h/Mpc, so that theta is dimensionless and equals the overdensity in
linear theory. f = d ln D / d ln a; if not given, Omega_m(z)^0.55 (Linder 2005, PRD 72, 043529), or
what :func:`~galgen.cosmology.expansion.growth_rate` makes of dark energy.

Where points are many per cell, the mean is v smoothed by the window of the mesh, which is divided
out. Cells without a point have no velocity: they are set to zero, which takes power away and adds
some of its own (Jennings, Baugh & Hatt 2015, MNRAS 446, 793); ``empty`` says how many there are.
Choose a mesh that leaves few. No noise is subtracted, and points sample v where they are: a field
weighted by number, not by volume.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, Int

from galgen.arrays import ArrayLike
from galgen.cosmology.expansion import Cosmologies
from galgen.cosmology.expansion import growth_rate as growth_rate_of
from galgen.statistics.arguments import check_column, check_points, check_weights
from galgen.statistics.binning import EnsembleMean, check_box, ensemble_mean
from galgen.statistics.fourier.amplitudes import field_amplitudes, mean_in_shells, product
from galgen.statistics.fourier.mesh import (
    TRIANGULAR_SHAPED_CLOUD,
    Resampler,
    check_mesh_size,
    paint_one,
)
from galgen.statistics.fourier.modes import FourierModes, device_modes, whole_modes
from galgen.statistics.redshift_space import comoving_hubble

GROWTH_INDEX = 0.55


@flax.struct.dataclass
class VelocityPowerSpectrum:
    """P_l(k) of the velocity divergence of each catalogue.

    ========== ============================= ==========================================
    field      shape                         meaning
    ========== ============================= ==========================================
    k_edges    ``(bins + 1,)``               h/Mpc; bins are [low, high)
    k          ``(bins,)``                   mean |k| of the modes, h/Mpc
    modes      ``(bins,)``                   modes per bin, both of k and -k
    power      ``(batch, multipoles, bins)`` of theta, (Mpc/h)³; NaN for no points
    empty      ``(batch,)``                  fraction of cells without a point
    multipoles tuple                         l of the second axis
    ========== ============================= ==========================================
    """

    k_edges: Float[Array, "edges"]
    k: Float[Array, "bins"]
    modes: Int[Array, "bins"]
    power: Float[Array, "batch multipoles bins"]
    empty: Float[Array, "batch"]
    multipoles: tuple[int, ...] = flax.struct.field(pytree_node=False)

    def mean(self) -> EnsembleMean:
        """Mean of ``power`` over catalogues ``(multipoles, bins)``, its error and covariance.

        Raises:
            InputError: fewer than two catalogues.
        """
        return ensemble_mean(self.power)


def velocity_power_spectrum(
    positions: ArrayLike,
    velocities: ArrayLike,
    mask: ArrayLike | None,
    box: ArrayLike,
    mesh_size: int,
    omega_m: ArrayLike | None = None,
    redshift: ArrayLike | None = None,
    growth_rate: ArrayLike | None = None,
    k_edges: ArrayLike | None = None,
    multipoles: Sequence[int] = (0,),
    line_of_sight: int = 2,
    resampler: Resampler = TRIANGULAR_SHAPED_CLOUD,
    weights: ArrayLike | None = None,
    cosmology: Cosmologies | None = None,
) -> VelocityPowerSpectrum:
    """P_l(k) of theta = -div v / (a H f) of every catalogue in a batch.

    Args:
        positions: ``(batch, points, 3)`` in Mpc/h; positions on or beyond a face wrap.
        velocities: ``(batch, points, 3)``, peculiar, in km/s.
        mask: ``(batch, points)``, True where real; None for all.
        box: the three sides of the periodic box in Mpc/h, a host value.
        mesh_size: cells along each side; few enough that hardly any is empty.
        omega_m: matter density today of a flat cosmology; a number, or one per catalogue. None
            with a cosmology.
        redshift: of the box; a number, or one per catalogue.
        growth_rate: f, likewise; None for that of the cosmology.
        k_edges: ``(bins + 1,)`` in h/Mpc, up to Nyquist; None for :func:`default_k_edges`.
        multipoles: any of 0, 2, 4.
        line_of_sight: the axis, 0, 1 or 2.
        resampler: mass assignment.
        weights: ``(batch, points)``, not negative; None for one each.
        cosmology: instead of omega_m, as of
            :func:`~galgen.statistics.redshift_space.redshift_space_positions`.

    Raises:
        InputError: bad shapes, edges beyond the Nyquist wavenumber, bins without modes, or not one
            of omega_m and cosmology.
    """
    size, limits = check_mesh_size(mesh_size), check_box(box)
    points, keep = check_points(positions, mask, box=limits)
    motion = check_column(velocities, keep, "velocities", points, "km/s", vectors=True)
    mass = check_weights(weights, keep, points, negative=False)
    table = device_modes(points.dtype, box, size, k_edges, multipoles, line_of_sight, resampler)
    sides = jnp.asarray(limits, points.dtype)
    scale = jnp.asarray(velocity_scale(omega_m, redshift, growth_rate, cosmology), points.dtype)
    power, empty = velocity_power_of_modes(
        points, motion, mass, sides, jnp.broadcast_to(scale, points.shape[:1]), table,
        size, resampler,
    )  # fmt: skip
    bins: dict[str, Any] = {"k_edges": table.k_edges, "k": table.k, "modes": table.count}
    return VelocityPowerSpectrum(**bins, power=power, empty=empty, multipoles=tuple(multipoles))


def velocity_scale(
    omega_m: ArrayLike | None,
    redshift: ArrayLike | None,
    growth_rate: ArrayLike | None = None,
    cosmology: Cosmologies | None = None,
) -> Float[Array | np.ndarray, "..."]:
    """a H f in km/s per Mpc/h: minus the divergence of v is this times theta."""
    rate = comoving_hubble(omega_m, redshift, cosmology)
    if growth_rate is not None:
        return rate * jnp.asarray(growth_rate)
    if cosmology is not None:
        return rate * growth_rate_of(cosmology, redshift)
    stretch = 1 + jnp.asarray(redshift)
    share = jnp.asarray(omega_m) * stretch / (rate / 100.0) ** 2
    return rate * share**GROWTH_INDEX


@functools.partial(jax.jit, static_argnames=("mesh_size", "resampler"))
def velocity_power_of_modes(
    positions: Float[Array, "batch points 3"],
    velocities: Float[Array, "batch points 3"],
    weights: Float[Array, "batch points"],
    box: Float[Array, "3"],
    scale: Float[Array, "batch"],
    table: FourierModes,
    mesh_size: int,
    resampler: Resampler,
) -> tuple[Float[Array, "batch multipoles bins"], Float[Array, "batch"]]:
    """Power and fraction of empty cells; the compiled part of :func:`velocity_power_spectrum`."""

    def one(catalogue: tuple[Array, ...]) -> tuple[Array, Array]:
        points, motion, mass, expansion = catalogue
        field, empty = velocity_field(points, motion, mass, box, mesh_size, resampler)
        theta = divergence(field, box, table) / (mesh_size**3 * expansion)
        power = jnp.prod(box) * mean_in_shells(product(theta, theta), table)
        return jnp.where(jnp.any(mass != 0), power, jnp.nan), jnp.mean(empty)

    return jax.lax.map(one, (positions, velocities, weights, scale))


def velocity_field(
    positions: Float[Array, "points 3"],
    velocities: Float[Array, "points 3"],
    weights: Float[Array, "points"],
    box: Float[Array, "3"],
    mesh_size: int,
    resampler: Resampler,
) -> tuple[Float[Array, "3 mesh mesh mesh"], Float[Array, "mesh mesh mesh"]]:
    """Mean velocity of the points of each cell, zero where there is none, and 1 where so."""
    loads = jnp.concatenate([weights[None], weights * velocities.T])
    number, *momentum = jax.lax.map(
        lambda load: paint_one(positions, load, box, mesh_size, resampler), loads
    )
    empty = number <= 0
    field = jnp.stack(momentum) / jnp.where(empty, 1.0, number)
    return jnp.where(empty, 0.0, field), empty.astype(number.dtype)


def divergence(
    field: Float[Array, "3 mesh mesh mesh"], box: Float[Array, "3"], table: FourierModes
) -> Complex[Array, "rows width"]:
    """-i k . v(k) at the modes of the table, v(k) the transform of a field on a mesh."""
    modes = whole_modes(table.index, field.shape[-1])
    total = jnp.zeros((), table.phase.dtype)
    for n, side, component in zip(modes, box, field, strict=True):
        total = total - 2j * np.pi * n / side * field_amplitudes(table, component)
    return total
