"""The table of Fourier modes that spectra sum: made once, on the host, in float64.

A box of sides L holds the modes k = 2 pi n / L, n integer. ``rfftn`` keeps n_z >= 0; a mode with
0 < n_z < M/2 stands for itself and its complex conjugate at -k, so it counts twice. Each bin
[k_i, k_{i+1}) is laid out in rows of :data:`WIDTH` modes, padded with weight zero: sums run along
rows first, then over the rows of a bin, which is fast (no scatter of single modes) and keeps
float32 rounding near 1e-7.

Edges may lie on modes, at multiples of the fundamental one above all. A mode within 1e-9 of an edge
is at that edge, and so in the bin above it, whatever the rounding of either.

Legendre polynomials: L_0 = 1, L_2 = (3 mu² - 1)/2, L_4 = (35 mu⁴ - 30 mu² + 3)/8, mu = k_los / |k|.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, Int

from galgen.arrays import ArrayLike
from galgen.errors import InputError
from galgen.statistics.binning import check_box, check_edges, check_multipoles
from galgen.statistics.fourier.mesh import TRIANGULAR_SHAPED_CLOUD, Resampler, check_mesh_size
from galgen.statistics.redshift_space import check_axis

WIDTH = 64
"""Modes per row of the table."""
AT_EDGE = 1e-9
"""A mode this close to an edge, relative to it, is at the edge."""


@flax.struct.dataclass
class FourierModes:
    """Which modes enter which bin, and with what weight. Pass it to jit as an argument.

    ============ ============================= ============================================
    field        shape                         meaning
    ============ ============================= ============================================
    index        ``(rows, width)``             place of the mode in the flat rfftn output
    phase        ``(rows, width)``             exp(i k.H/2), which undoes the interlaced shift
    weight       ``(rows, width)``             1 or 2 (Hermitian); 0 for padding
    compensation ``(rows, width)``             1 / W(k) of the mesh; 0 for padding
    legendre     ``(multipoles, rows, width)`` (2 l + 1) L_l(mu)
    bin          ``(rows,)``                   bin of each row
    count        ``(bins,)``                   modes of the full sphere per bin, integers
    k            ``(bins,)``                   mean |k| of those modes, h/Mpc
    k_edges      ``(bins + 1,)``               h/Mpc
    ============ ============================= ============================================
    """

    index: Int[np.ndarray | Array, "rows width"]
    phase: Complex[np.ndarray | Array, "rows width"]
    weight: Float[np.ndarray | Array, "rows width"]
    compensation: Float[np.ndarray | Array, "rows width"]
    legendre: Float[np.ndarray | Array, "multipoles rows width"]
    bin: Int[np.ndarray | Array, "rows"]
    count: Int[np.ndarray | Array, "bins"]
    k: Float[np.ndarray | Array, "bins"]
    k_edges: Float[np.ndarray | Array, "edges"]


def nyquist(box: ArrayLike, mesh_size: int) -> float:
    """The smallest Nyquist wavenumber of the three axes, pi mesh_size / side, in h/Mpc."""
    return float(np.pi * mesh_size / check_box(box).max())


def default_k_edges(box: ArrayLike, mesh_size: int) -> Float[np.ndarray, "edges"]:
    """Bins one fundamental mode wide, from half of it up to the Nyquist wavenumber, in h/Mpc.

    The fundamental mode is that of the shortest side, so that no bin is empty.
    """
    width = 2 * np.pi / check_box(box).min()
    last = int(np.floor(nyquist(box, mesh_size) / width - 0.5 + 1e-9))
    if last < 1:
        raise InputError(
            "expected a mesh that resolves the fundamental mode of the shortest side, got "
            f"{mesh_size} cells for the box; enlarge mesh_size"
        )
    return width * (np.arange(last + 1) + 0.5)


def fourier_modes(
    box: ArrayLike,
    mesh_size: int,
    k_edges: ArrayLike | None = None,
    multipoles: Sequence[int] = (0, 2, 4),
    line_of_sight: int = 2,
    resampler: Resampler | None = TRIANGULAR_SHAPED_CLOUD,
) -> FourierModes:
    """The table for one box, mesh and binning; the last few are remembered.

    The mode k = 0 is never counted. No resampler means a field without a window.

    Raises:
        InputError: edges beyond the Nyquist wavenumber, a bin without modes, multipoles other
            than 0, 2, 4, or a bad box, mesh size or axis.
    """
    return _table(_checked(box, mesh_size, k_edges, multipoles, line_of_sight, resampler))


def device_modes(
    dtype: jax.typing.DTypeLike,
    box: ArrayLike,
    mesh_size: int,
    k_edges: ArrayLike | None = None,
    multipoles: Sequence[int] = (0, 2, 4),
    line_of_sight: int = 2,
    resampler: Resampler | None = TRIANGULAR_SHAPED_CLOUD,
) -> FourierModes:
    """:func:`fourier_modes` as JAX arrays of the precision of ``dtype``, remembered there."""
    key = _checked(box, mesh_size, k_edges, multipoles, line_of_sight, resampler)
    return _device_table(key, jnp.dtype(dtype))


def whole_modes(
    index: Int[np.ndarray | Array, "*shape"], mesh_size: int
) -> tuple[Int[np.ndarray | Array, "*shape"], ...]:
    """(n_x, n_y, n_z) of k = 2 pi n / L for places in the flat rfftn output."""
    half = mesh_size // 2
    row, n_z = index // (half + 1), index % (half + 1)
    n_x, n_y = ((n + half) % mesh_size - half for n in (row // mesh_size, row % mesh_size))
    return n_x, n_y, n_z


class _Key(NamedTuple):
    """What a table depends on, checked and hashable."""

    box: tuple[float, ...]
    mesh_size: int
    k_edges: tuple[float, ...]
    multipoles: tuple[int, ...]
    line_of_sight: int
    resampler: Resampler | None


def _checked(
    box: ArrayLike,
    mesh_size: int,
    k_edges: ArrayLike | None,
    multipoles: Sequence[int],
    line_of_sight: int,
    resampler: Resampler | None,
) -> _Key:
    """The key, or the InputError of :func:`fourier_modes`."""
    size = check_mesh_size(mesh_size)
    check_axis(line_of_sight)
    sides = check_box(box)
    edges = check_edges(
        default_k_edges(sides, mesh_size) if k_edges is None else k_edges, "k_edges", unit="h/Mpc"
    )
    limit = nyquist(sides, mesh_size)
    if edges[-1] > limit * (1 + 1e-12):
        raise InputError(
            f"expected k_edges up to the Nyquist wavenumber {limit:.6g} h/Mpc, "
            f"got {edges[-1]:.6g}; lower the last edge, or use mesh_size >= "
            f"{int(np.ceil(edges[-1] * sides.max() / np.pi - 1e-9))}"
        )
    return _Key(
        tuple(sides.tolist()), size, tuple(edges.tolist()), check_multipoles(multipoles),
        line_of_sight, resampler,
    )  # fmt: skip


@functools.lru_cache(maxsize=4)
def _device_table(key: _Key, dtype: np.dtype) -> FourierModes:
    """The table on the device, as concrete arrays even where a caller is being traced."""
    table = _table(key)
    real, imaginary = dtype, jnp.result_type(dtype, jnp.complex64)
    with jax.ensure_compile_time_eval():
        return FourierModes(
            index=jnp.asarray(table.index),
            phase=jnp.asarray(table.phase, imaginary),
            weight=jnp.asarray(table.weight, real),
            compensation=jnp.asarray(table.compensation, real),
            legendre=jnp.asarray(table.legendre, real),
            bin=jnp.asarray(table.bin),
            count=jnp.asarray(table.count, jnp.int32),
            k=jnp.asarray(table.k, real),
            k_edges=jnp.asarray(table.k_edges, real),
        )


@functools.lru_cache(maxsize=8)
def _table(key: _Key) -> FourierModes:
    """The table itself."""
    box, mesh_size, k_edges, multipoles, line_of_sight, resampler = key
    edges = np.asarray(k_edges)
    half = mesh_size // 2
    whole = (np.arange(mesh_size) + half) % mesh_size - half
    axes = np.meshgrid(whole, whole, np.arange(half + 1), indexing="ij", sparse=True)
    wavevector = [2 * np.pi * n / side for n, side in zip(axes, box, strict=True)]
    size = np.sqrt(wavevector[0] ** 2 + wavevector[1] ** 2 + wavevector[2] ** 2)
    place = np.digitize(size * (1 + AT_EDGE), edges) - 1
    place[0, 0, 0] = -1
    inside = np.flatnonzero((place >= 0) & (place < edges.size - 1))
    inside = inside[np.argsort(place.ravel()[inside], kind="stable")]
    bins = place.ravel()[inside]
    nx, ny, nz = np.broadcast_arrays(*axes)
    integers = np.stack([n.ravel()[inside] for n in (nx, ny, nz)])
    k = size.ravel()[inside]
    twice = np.where((integers[2] > 0) & (2 * integers[2] != mesh_size), 2, 1)
    count = np.bincount(bins, twice, edges.size - 1).astype(np.int64)
    _check_filled(count, edges)
    mu = 2 * np.pi * integers[line_of_sight] / box[line_of_sight] / k
    window = np.prod(resampler.window(integers / mesh_size), axis=0) if resampler else 1.0 + 0 * k
    rows, row_bins = _rows(bins, edges.size - 1)
    pad = rows < 0
    return FourierModes(
        index=np.where(pad, 0, inside[rows]).astype(np.int32),
        phase=np.exp(1j * np.pi * integers.sum(axis=0) / mesh_size)[rows],
        weight=np.where(pad, 0.0, twice[rows]),
        compensation=np.where(pad, 0.0, (1 / window)[rows]),
        legendre=np.stack([_legendre(ell, mu)[rows] for ell in multipoles]),
        bin=row_bins,
        count=count,
        k=np.bincount(bins, twice * k, edges.size - 1) / count,
        k_edges=edges,
    )


def _rows(bins: Int[np.ndarray, "modes"], number: int) -> tuple[Any, Any]:
    """Modes sorted by bin, cut in rows that never cross a bin; -1 marks the padding."""
    sizes = np.bincount(bins, minlength=number)
    row_counts = -(-sizes // WIDTH)
    row_bins = np.repeat(np.arange(number), row_counts).astype(np.int32)
    first_row = np.cumsum(row_counts) - row_counts
    first_mode = np.cumsum(sizes) - sizes
    within = (np.arange(row_bins.size) - first_row[row_bins])[:, None] * WIDTH + np.arange(WIDTH)
    rows = first_mode[row_bins][:, None] + within
    return np.where(within < sizes[row_bins][:, None], rows, -1), row_bins


def _legendre(ell: int, mu: Float[np.ndarray, "modes"]) -> Float[np.ndarray, "modes"]:
    """(2 l + 1) L_l(mu)."""
    return (2 * ell + 1) * np.polynomial.legendre.legval(mu, [0.0] * ell + [1.0])


def _check_filled(count: Int[np.ndarray, "bins"], edges: Float[np.ndarray, "edges"]) -> None:
    """Refuse bins without a mode."""
    if np.any(count == 0):
        first = int(np.argmin(count))
        raise InputError(
            f"expected at least one mode in every bin, got none in [{edges[first]:.6g}, "
            f"{edges[first + 1]:.6g}) h/Mpc; widen the bins, or use default_k_edges"
        )
