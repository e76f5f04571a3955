"""How well two catalogues of one box, or a catalogue and a field, share their phases.

With the auto and cross powers of :mod:`galgen.statistics.fourier.cross_power_spectrum`::

    r(k) = P_12 / sqrt(P_11 P_22)      cross-correlation coefficient
    T(k) = sqrt(P_11 / P_22)           transfer function of the first with respect to the second

The auto powers hold their shot noise V sum w² / W² unless it is asked to be taken off: r is then
that of the points as they are, between -1 and 1, and falls below 1 where shot noise is felt even if
both sample one density. Without it, r estimates that of the densities and may pass 1. The cross
power has none taken off in either case: points that both catalogues hold stay correlated.
"""

from __future__ import annotations

import functools
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from galgen.arrays import ArrayLike
from galgen.errors import InputError
from galgen.statistics.fourier.amplitudes import (
    Painting,
    catalogue_amplitudes,
    field_amplitudes,
    mean_in_shells,
    product,
)
from galgen.statistics.fourier.cross_power_spectrum import OtherPoints
from galgen.statistics.fourier.field_power_spectrum import check_field
from galgen.statistics.fourier.mesh import TRIANGULAR_SHAPED_CLOUD, Resampler, check_mesh_size
from galgen.statistics.fourier.modes import FourierModes, device_modes, nyquist
from galgen.statistics.fourier.power_spectrum import (
    WeightedPoints,
    modes_of,
    sides_of,
    trusted_k_edges,
    weighted_points,
)


@flax.struct.dataclass
class CrossCoefficient:
    """Auto and cross powers of pairs, and what follows from them; NaN where one has no points.

    ================= =================== ====================================================
    field             shape               meaning
    ================= =================== ====================================================
    k_edges           ``(bins + 1,)``     h/Mpc; bins are [low, high)
    k                 ``(bins,)``         mean |k| of the modes, h/Mpc
    modes             ``(bins,)``         modes per bin, both of k and -k
    cross_power       ``(batch, bins)``   P_12, (Mpc/h)³; with a field, times its unit
    power             ``(batch, bins)``   P_11 with shot noise
    other_power       ``(batch, bins)``   P_22 with shot noise
    shot_noise        ``(batch,)``        of the first, (Mpc/h)³
    other_shot_noise  ``(batch,)``        of the second; zero for a field
    ================= =================== ====================================================
    """

    k_edges: Float[Array, "edges"]
    k: Float[Array, "bins"]
    modes: Int[Array, "bins"]
    cross_power: Float[Array, "batch bins"]
    power: Float[Array, "batch bins"]
    other_power: Float[Array, "batch bins"]
    shot_noise: Float[Array, "batch"]
    other_shot_noise: Float[Array, "batch"]

    def coefficient(self, subtract_shot_noise: bool = False) -> Float[Array, "batch bins"]:
        """r(k); NaN where an auto power is not positive."""
        power, other = self._powers(subtract_shot_noise)
        return self.cross_power / jnp.sqrt(power * other)

    def transfer(self, subtract_shot_noise: bool = False) -> Float[Array, "batch bins"]:
        """T(k); NaN where an auto power is not positive."""
        power, other = self._powers(subtract_shot_noise)
        return jnp.sqrt(power / other)

    def _powers(self, subtract: bool) -> tuple[Array, Array]:
        noise = jnp.stack([self.shot_noise, self.other_shot_noise])[..., None] * float(subtract)
        powers = jnp.stack([self.power, self.other_power]) - noise
        first, second = jnp.where(powers > 0, powers, jnp.nan)
        return first, second


def cross_coefficient(
    positions: ArrayLike,
    mask: ArrayLike | None,
    other_positions: ArrayLike,
    other_mask: ArrayLike | None,
    box: ArrayLike,
    mesh_size: int,
    k_edges: ArrayLike | None = None,
    resampler: Resampler = TRIANGULAR_SHAPED_CLOUD,
    interlaced: bool = True,
    weights: ArrayLike | None = None,
    other_weights: ArrayLike | None = None,
) -> CrossCoefficient:
    """r(k) and T(k) between the catalogues of two batches in one box, pairwise.

    Arguments, errors and warnings are those of
    :func:`~galgen.statistics.fourier.cross_power_spectrum.cross_power_spectrum`.

    Raises:
        InputError: batches of different length.
    """
    first = weighted_points(positions, mask, weights, box)
    other = weighted_points(other_positions, other_mask, other_weights, box, "other_positions")
    _check_pairs(len(first[0]), len(other[0]), "other catalogues")
    painting = Painting(check_mesh_size(mesh_size), resampler, bool(interlaced))
    table = modes_of(first[0].dtype, box, painting, k_edges, (0,), 2)
    sides = sides_of(first, box)
    sums = _sums(first, other, sides, (table, table), painting)
    return _found(table, sums, sides, first[1], (_total(other[1]), jnp.sum(other[1] ** 2, axis=1)))


def field_cross_coefficient(
    positions: ArrayLike,
    mask: ArrayLike | None,
    field: ArrayLike,
    box: ArrayLike,
    mesh_size: int,
    k_edges: ArrayLike | None = None,
    resampler: Resampler = TRIANGULAR_SHAPED_CLOUD,
    interlaced: bool = True,
    weights: ArrayLike | None = None,
) -> CrossCoefficient:
    """r(k) between catalogues and fields on a periodic mesh, pairwise; the field is the second.

    Args:
        positions, mask, box, mesh_size, resampler, interlaced, weights: as of
            :func:`~galgen.statistics.fourier.power_spectrum.power_spectrum`.
        field: ``(batch, mesh, mesh, mesh)``, at ``n * side / mesh``, of a mesh of its own.
        k_edges: ``(bins + 1,)`` in h/Mpc, up to Nyquist of either mesh; None for those of the
            coarser.

    Raises:
        InputError: batches of different length, or as :func:`cross_coefficient`.
    """
    first, values = weighted_points(positions, mask, weights, box), check_field(field)
    _check_pairs(len(first[0]), len(values), "fields")
    painting = Painting(check_mesh_size(mesh_size), resampler, bool(interlaced))
    mesh = values.shape[-1]
    if k_edges is None:
        edges = trusted_k_edges(box, mesh_size)
        k_edges = edges[: max(2, np.count_nonzero(edges <= nyquist(box, mesh) * (1 + 1e-12)))]
    dtype = first[0].dtype
    table = modes_of(dtype, box, painting, k_edges, (0,), 2)
    # The same modes in the same order: both tables go through k in the order of n_x, n_y, n_z.
    of_field = device_modes(dtype, box, mesh, k_edges, (0,), 2, None)
    sides = sides_of(first, box)
    sums = _sums(first, values.astype(dtype), sides, (table, of_field), painting)
    cells = jnp.full(len(values), float(mesh) ** 3, dtype)
    return _found(table, sums, sides, first[1], (cells, jnp.zeros_like(cells)))


@functools.partial(jax.jit, static_argnames="painting")
def _sums(
    first: WeightedPoints,
    other: OtherPoints | Float[Array, "batch mesh mesh mesh"],
    box: Float[Array, "3"],
    tables: tuple[FourierModes, FourierModes],
    painting: Painting,
) -> Float[Array, "batch 3 bins"]:
    """Means of F G*, |F|² and |G|² over the modes of every bin; G of points or of a field."""

    def one(pair: tuple[Any, Any]) -> Float[Array, "3 bins"]:
        (points, weights), second = pair
        f = catalogue_amplitudes(points, weights, box, tables[0], painting)
        if isinstance(second, tuple):
            g = catalogue_amplitudes(second[0], second[1], box, tables[1], painting)
        else:
            g = field_amplitudes(tables[1], second)
        means = [mean_in_shells(product(a, b), tables[0]) for a, b in ((f, g), (f, f), (g, g))]
        return jnp.concatenate(means)  # of one multipole each

    return jax.lax.map(one, (first, other))


def _found(
    table: FourierModes,
    sums: Float[Array, "batch 3 bins"],
    box: Float[Array, "3"],
    weights: Float[Array, "batch points"],
    other: tuple[Float[Array, "batch"], Float[Array, "batch"]],
) -> CrossCoefficient:
    """Powers of the sums; of the other, its whole weight and that of the squares."""
    total, volume = _total(weights), jnp.prod(box)
    norms = volume / jnp.stack([total * other[0], total**2, other[0] ** 2])
    cross, first, second = jnp.moveaxis(sums, 1, 0) * norms[:, :, None]
    return CrossCoefficient(
        k_edges=jnp.asarray(table.k_edges),
        k=jnp.asarray(table.k),
        modes=jnp.asarray(table.count),
        cross_power=cross,
        power=first,
        other_power=second,
        shot_noise=norms[1] * jnp.sum(weights**2, axis=1),
        other_shot_noise=norms[2] * other[1],
    )


def _total(weights: Float[Array, "batch points"]) -> Float[Array, "batch"]:
    """The whole weight; NaN for none."""
    total = jnp.sum(weights, axis=1)
    return jnp.where(total != 0, total, jnp.nan)


def _check_pairs(number: int, others: int, what: str) -> None:
    if number != others:
        raise InputError(
            f"expected as many {what} as catalogues, got {others} for {number}; pair them, or "
            "repeat one"
        )
