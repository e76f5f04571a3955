"""Compiled sums over the modes of a table: amplitudes of a catalogue or a field, means in bins.

With points x_j of weights w_j, painted on a mesh of window W
(:mod:`galgen.statistics.fourier.mesh`)::

    F(k) = sum_j w_j exp(-i k . x_j) = (transform of the mesh)(k) / W(k),   up to aliases

and of a field f on M³ cells, F(k) = sum_n f_n exp(-i k . x_n). Interlaced, F is the mean of the
transforms of two meshes, the second painted with the points half a cell further on, times
exp(i k . H / 2).
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from galgen.statistics.fourier.mesh import TRIANGULAR_SHAPED_CLOUD, Resampler, paint_one
from galgen.statistics.fourier.modes import FourierModes


@dataclasses.dataclass(frozen=True)
class Painting:
    """How points become a mesh; hashable, so that jit takes it as static.

    Attributes:
        mesh_size: cells along each side.
        resampler: mass assignment.
        interlaced: a second, shifted mesh against aliasing; twice the time.
    """

    mesh_size: int
    resampler: Resampler = TRIANGULAR_SHAPED_CLOUD
    interlaced: bool = True


def catalogue_amplitudes(
    positions: Float[Array, "points 3"],
    weights: Float[Array, "points"],
    box: Float[Array, "3"],
    table: FourierModes,
    painting: Painting,
) -> Complex[Array, "rows width"]:
    """F(k) of one catalogue at the modes of the table, which must be of the same painting."""
    size, resampler = painting.mesh_size, painting.resampler
    shifts = (0.0, 0.5) if painting.interlaced else (0.0,)
    meshes = [paint_one(positions, weights, box, size, resampler, shift) for shift in shifts]
    return field_amplitudes(table, *meshes)


def field_amplitudes(
    table: FourierModes,
    field: Float[Array, "mesh mesh mesh"],
    shifted: Float[Array, "mesh mesh mesh"] | None = None,
) -> Complex[Array, "rows width"]:
    """F(k) of one field, over the window of the table; interlaced where the second is given."""
    amplitude = jnp.fft.rfftn(field).ravel()[table.index]
    if shifted is not None:
        other = jnp.fft.rfftn(shifted).ravel()[table.index]
        amplitude = 0.5 * (amplitude + other * table.phase)
    return amplitude * table.compensation


def mean_in_shells(
    values: Float[Array, "rows width"], table: FourierModes
) -> Float[Array, "multipoles bins"]:
    """Mean over the modes of each bin, k and -k alike, of ``values`` times (2 l + 1) L_l(mu)."""
    rows = jnp.sum(table.weight * values * table.legendre, axis=-1).T
    sums = jax.ops.segment_sum(
        rows, table.bin, num_segments=table.count.shape[0], indices_are_sorted=True
    )
    return sums.T / table.count


def product(
    first: Complex[Array, "rows width"], other: Complex[Array, "rows width"]
) -> Float[Array, "rows width"]:
    """Re[F(k) G(k)*]: the mean of F G* over k and -k."""
    return first.real * other.real + first.imag * other.imag
