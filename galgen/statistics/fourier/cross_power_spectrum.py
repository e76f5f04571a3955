"""Cross power spectrum multipoles of two catalogues in one periodic box.

With F and G of two catalogues, as in :mod:`galgen.statistics.fourier.power_spectrum`::

    F(k) = sum_j w_j exp(-i k . x_j),   W_F = sum_j w_j
    P_l  = (2 l + 1) V / (W_F W_G)  <Re F(k) G(k)* L_l(mu)>      over the modes of a bin

Two catalogues without common points have no shot noise.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from galgen.arrays import ArrayLike
from galgen.errors import InputError
from galgen.statistics.fourier.amplitudes import (
    Painting,
    catalogue_amplitudes,
    mean_in_shells,
    product,
)
from galgen.statistics.fourier.mesh import TRIANGULAR_SHAPED_CLOUD, Resampler, check_mesh_size
from galgen.statistics.fourier.modes import FourierModes
from galgen.statistics.fourier.power_spectrum import (
    PowerSpectrum,
    WeightedPoints,
    modes_of,
    normalisation,
    sides_of,
    spectrum_of,
    weighted_points,
)

OtherPoints = tuple[Float[Array, "batch others 3"], Float[Array, "batch others"]]
"""Positions and weights of another number of points."""


def cross_power_spectrum(
    positions: ArrayLike,
    mask: ArrayLike | None,
    other_positions: ArrayLike,
    other_mask: ArrayLike | None,
    box: ArrayLike,
    mesh_size: int,
    k_edges: ArrayLike | None = None,
    multipoles: Sequence[int] = (0, 2, 4),
    line_of_sight: int = 2,
    resampler: Resampler = TRIANGULAR_SHAPED_CLOUD,
    interlaced: bool = True,
    weights: ArrayLike | None = None,
    other_weights: ArrayLike | None = None,
) -> PowerSpectrum:
    """P_l(k) between the catalogues of two batches in one box, pairwise; no shot noise is taken.

    Arguments, errors and warnings are those of :func:`power_spectrum`, twice. A point that is in
    both catalogues adds ``V w w' / (W W')`` of shot noise, which is left in.

    Raises:
        InputError: batches of different length.
    """
    first = weighted_points(positions, mask, weights, box)
    other = weighted_points(other_positions, other_mask, other_weights, box, "other_positions")
    if len(first[0]) != len(other[0]):
        raise InputError(
            f"expected as many catalogues in both batches, got {len(first[0])} and "
            f"{len(other[0])}; pair them, or repeat one"
        )
    painting = Painting(check_mesh_size(mesh_size), resampler, bool(interlaced))
    table = modes_of(first[0].dtype, box, painting, k_edges, multipoles, line_of_sight)
    raw = cross_power_of_modes(first, other, sides_of(first, box), table, painting)
    return spectrum_of(table, raw, jnp.zeros_like(raw[:, 0, 0]), multipoles)


@functools.partial(jax.jit, static_argnames="painting")
def cross_power_of_modes(
    first: WeightedPoints,
    other: OtherPoints,
    box: Float[Array, "3"],
    table: FourierModes,
    painting: Painting,
) -> Float[Array, "batch multipoles bins"]:
    """Raw cross power; the compiled part of :func:`cross_power_spectrum`."""

    def one(pair: tuple[tuple[Array, Array], ...]) -> Float[Array, "multipoles bins"]:
        return mean_in_shells(
            product(*(catalogue_amplitudes(*points, box, table, painting) for points in pair)),
            table,
        )

    return jax.lax.map(one, (first, other)) * normalisation(first[1], other[1], box)[:, None, None]
