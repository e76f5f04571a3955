"""The bispectrum of a periodic box, by filtered shells and fast Fourier transforms.

With F(k) = sum_j w_j exp(-i k . x_j), W = sum_j w_j, and shells q_1, q_2, q_3 of wavenumber
(Scoccimarro 2015, PRD 92, 083532; Watkinson et al. 2017, MNRAS 472, 2436, arXiv:1705.06284)::

    D_q(x)  = sum_{k in q} F(k) exp(i k . x),      I_q(x) = sum_{k in q} exp(i k . x)
    N_123   = <I_1 I_2 I_3>_x                       ordered triangles k_1 + k_2 + k_3 = 0
    raw_123 = V² / W³  <D_1 D_2 D_3>_x / N_123      in (Mpc/h)⁶

The mean over a mesh of side M also picks k_1 + k_2 + k_3 = 2 pi m M / L, so it is taken on a mesh
of its own, the smallest with k_1 + k_2 + k_3 <= 2 pi M / L for the upper edges of every triple: no
triangle is aliased, whatever ``mesh_size`` the points are painted on. That one must resolve each
wavenumber (believe 0.6 of its Nyquist wavenumber, see
:mod:`galgen.statistics.fourier.power_spectrum`).

Shot noise of Poisson sampling is what pairs and triples of one and the same point add. With
G(k) = sum_j w_j² exp(-i k . x_j) and the mean over each whole shell::

    shot_123 = V² / W³ { sum_i <Re F(k) G(k)*>_i - 2 sum_j w_j³ }
             = (P_1 + P_2 + P_3) / n + 1 / n²       for weights of one, n = N / V

where P_i has its own shot noise taken. Lines of sight are averaged over: this is the monopole.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Complex, Float, Int

from galgen.arrays import ArrayLike
from galgen.statistics.arguments import check_points, check_weights
from galgen.statistics.binning import EnsembleMean, check_box, ensemble_mean
from galgen.statistics.fourier.amplitudes import (
    Painting,
    catalogue_amplitudes,
    field_amplitudes,
    mean_in_shells,
    product,
)
from galgen.statistics.fourier.field_power_spectrum import check_field
from galgen.statistics.fourier.mesh import TRIANGULAR_SHAPED_CLOUD, Resampler, check_mesh_size
from galgen.statistics.fourier.modes import FourierModes, device_modes
from galgen.statistics.fourier.triangles import Triangles, device_triangles

Triples = Sequence[Sequence[int]]
"""Bins of |k| whose triangles are averaged together, e.g. ((0, 0, 0), (0, 3, 3))."""


@flax.struct.dataclass
class Bispectrum:
    """B(k_1, k_2, k_3) of each catalogue.

    ============== ==================== =================================================
    field          shape                meaning
    ============== ==================== =================================================
    k_edges        ``(bins + 1,)``      h/Mpc; bins are [low, high)
    k              ``(bins,)``          mean |k| of the modes, h/Mpc
    triples        ``(triples, 3)``     bins of the three sides
    triangles      ``(triples,)``       ordered triangles of modes, an integer as a float
    raw_bispectrum ``(batch, triples)`` with shot noise, (Mpc/h)⁶; NaN for no points
    shot_noise     ``(batch, triples)`` (Mpc/h)⁶; zero for a field
    power          ``(batch, bins)``    P(k) without its shot noise, (Mpc/h)³
    ============== ==================== =================================================
    """

    k_edges: Float[Array, "edges"]
    k: Float[Array, "bins"]
    triples: Int[Array, "triples 3"]
    triangles: Float[Array, "triples"]
    raw_bispectrum: Float[Array, "batch triples"]
    shot_noise: Float[Array, "batch triples"]
    power: Float[Array, "batch bins"]

    @property
    def bispectrum(self) -> Float[Array, "batch triples"]:
        """``raw_bispectrum`` without the shot noise, (Mpc/h)⁶."""
        return self.raw_bispectrum - self.shot_noise

    @property
    def reduced(self) -> Float[Array, "batch triples"]:
        """Q = B / (P_1 P_2 + P_2 P_3 + P_3 P_1), dimensionless."""
        first, second, third = (self.power[:, self.triples[:, side]] for side in range(3))
        return self.bispectrum / (first * second + second * third + third * first)

    def mean(self) -> EnsembleMean:
        """Mean of ``bispectrum`` over catalogues ``(triples,)``, its error and covariance.

        Raises:
            InputError: fewer than two catalogues.
        """
        return ensemble_mean(self.bispectrum)


def bispectrum(
    positions: ArrayLike,
    mask: ArrayLike | None,
    box: ArrayLike,
    mesh_size: int,
    k_edges: ArrayLike,
    triples: Triples,
    resampler: Resampler = TRIANGULAR_SHAPED_CLOUD,
    interlaced: bool = True,
    weights: ArrayLike | None = None,
) -> Bispectrum:
    """B(k_1, k_2, k_3) of every catalogue in a batch.

    Memory holds one mesh per bin of k_edges, for one catalogue at a time.

    Args:
        positions: ``(batch, points, 3)`` in Mpc/h; positions on or beyond a face wrap.
        mask: ``(batch, points)``, True where real; None for all.
        box: the three sides of the periodic box in Mpc/h, a host value.
        mesh_size: cells along each side of the mesh that the points are painted on.
        k_edges: ``(bins + 1,)`` in h/Mpc, up to Nyquist.
        triples: bins of the sides: :func:`equilateral`, :func:`squeezed`, :func:`closed_triples`
            or any list.
        resampler: mass assignment; its window is divided out.
        interlaced: a second, shifted mesh against aliasing.
        weights: ``(batch, points)``, of any sign; None for one each.

    Raises:
        InputError: bad shapes, edges beyond the Nyquist wavenumber, bins without modes, triples
            that name no bin or that no triangle closes.
    """
    limits = check_box(box)
    points, keep = check_points(positions, mask, box=limits)
    mass = check_weights(weights, keep, points)
    painting = Painting(check_mesh_size(mesh_size), resampler, bool(interlaced))
    table = device_modes(points.dtype, box, painting.mesh_size, k_edges, (0,), 2, resampler)
    triangles = device_triangles(points.dtype, box, painting.mesh_size, k_edges, triples)
    sides = jnp.asarray(limits, points.dtype)
    raw, noise, power = bispectrum_of_modes(
        points, mass, sides, table, triangles, painting, weighted=weights is not None
    )
    return _result(table, triangles, raw, noise, power)


def field_bispectrum(
    field: ArrayLike,
    box: ArrayLike,
    k_edges: ArrayLike,
    triples: Triples,
    resampler: Resampler | None = None,
) -> Bispectrum:
    """B of fields on a mesh, e.g. an overdensity; no shot noise is taken.

    Args:
        field: ``(batch, mesh, mesh, mesh)``, at ``n * side / mesh``.
        box: the three sides in Mpc/h.
        k_edges: ``(bins + 1,)`` in h/Mpc, up to Nyquist.
        triples: as in :func:`bispectrum`.
        resampler: whose window to divide by, for a field that :func:`paint` made; None for none.

    Raises:
        InputError: a field that is not a batch of cubes, or as :func:`bispectrum`.
    """
    values = check_field(field)
    size = values.shape[-1]
    table = device_modes(values.dtype, box, size, k_edges, (0,), 2, resampler)
    triangles = device_triangles(values.dtype, box, size, k_edges, triples)
    sides = jnp.asarray(check_box(box), values.dtype)
    raw, power = field_bispectrum_of_modes(values, sides, table, triangles)
    return _result(table, triangles, raw, jnp.zeros_like(raw), power)


@functools.partial(jax.jit, static_argnames=("painting", "weighted"))
def bispectrum_of_modes(
    positions: Float[Array, "batch points 3"],
    weights: Float[Array, "batch points"],
    box: Float[Array, "3"],
    table: FourierModes,
    triangles: Triangles,
    painting: Painting,
    weighted: bool,
) -> tuple[Array, Array, Array]:
    """Raw bispectrum, shot noise, power; the differentiable, compiled part of :func:`bispectrum`.

    Amplitudes are of the overdensity, F / W, so that numbers stay far from overflow.
    """
    volume = jnp.prod(box)

    def one(catalogue: tuple[Array, Array]) -> tuple[Array, Array, Array]:
        points, mass = catalogue
        total = jnp.sum(mass)
        share = mass / jnp.where(total != 0, total, 1.0)
        first = catalogue_amplitudes(points, share, box, table, painting)
        raw = volume**2 * _mean_of_products(first, table, triangles)
        power = mean_in_shells(product(first, first), table)[0]
        if weighted:
            squared = catalogue_amplitudes(points, share**2, box, table, painting)
            pairs = mean_in_shells(product(first, squared), table)[0]
        else:
            pairs = power * jnp.max(share)
        sides = jnp.sum(pairs[triangles.triples], axis=-1)
        noise = volume**2 * (sides - 2 * jnp.sum(share**3))
        result = raw, noise, volume * (power - jnp.sum(share**2))
        return jax.tree.map(lambda value: jnp.where(total != 0, value, jnp.nan), result)

    return lax.map(one, (positions, weights))


@jax.jit
def field_bispectrum_of_modes(
    field: Float[Array, "batch mesh mesh mesh"],
    box: Float[Array, "3"],
    table: FourierModes,
    triangles: Triangles,
) -> tuple[Array, Array]:
    """Bispectrum and power of fields; the compiled part of :func:`field_bispectrum`."""
    volume = jnp.prod(box)

    def one(values: Float[Array, "mesh mesh mesh"]) -> tuple[Array, Array]:
        amplitude = field_amplitudes(table, values) / values.size
        power = mean_in_shells(product(amplitude, amplitude), table)[0]
        return volume**2 * _mean_of_products(amplitude, table, triangles), volume * power

    return lax.map(one, field)


def _mean_of_products(
    amplitude: Complex[Array, "rows width"], table: FourierModes, triangles: Triangles
) -> Float[Array, "triples"]:
    """Mean of F(k_1) F(k_2) F(k_3) over the triangles of each triple."""
    size = triangles.mesh_size
    half = size // 2 + 1
    amplitude = jnp.where(table.weight > 0, amplitude, 0.0)
    modes = jnp.zeros((table.count.shape[0], size * size * half), amplitude.dtype)
    modes = modes.at[table.bin[:, None], triangles.place].add(amplitude)
    shells = jnp.fft.irfftn(modes.reshape(-1, size, size, half), s=(size,) * 3, axes=(1, 2, 3))
    shells = shells * size**3

    def one(triple: Int[Array, "3"]) -> Float[Array, ""]:
        return jnp.mean(shells[triple[0]] * shells[triple[1]] * shells[triple[2]])

    return lax.map(one, triangles.triples) / triangles.count


def _result(
    table: FourierModes, triangles: Triangles, raw: Array, noise: Array, power: Array
) -> Bispectrum:
    """The bispectrum with its bins."""
    bins: dict[str, Any] = {"k_edges": table.k_edges, "k": table.k}
    return Bispectrum(
        **bins,
        triples=jnp.asarray(triangles.triples),
        triangles=jnp.asarray(triangles.count),
        raw_bispectrum=raw,
        shot_noise=noise,
        power=power,
    )
