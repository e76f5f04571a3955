"""Which triangles of Fourier modes a bispectrum sums: made once, on the host, in float64.

The number of ordered triangles k_1 + k_2 + k_3 = 0 with k_i in the shell q_i comes from the same
transforms as the bispectrum, of ones (Watkinson et al. 2017, arXiv:1705.06284)::

    N_123 = <I_1 I_2 I_3>_x,     I_q(x) = sum_{k in q} exp(i k . x)

on a mesh of side M with k_1 + k_2 + k_3 <= 2 pi M / L, where no other sum of modes enters.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import scipy.fft
from jaxtyping import Array, Float, Int

from galgen.arrays import ArrayLike, as_array
from galgen.errors import InputError
from galgen.statistics.binning import check_box, check_edges
from galgen.statistics.fourier.modes import FourierModes, fourier_modes, whole_modes


@flax.struct.dataclass
class Triangles:
    """The triples of a bispectrum and the mesh that their products are taken on.

    ========= ================= =====================================================
    field     shape             meaning
    ========= ================= =====================================================
    triples   ``(triples, 3)``  bins of the three sides
    count     ``(triples,)``    ordered triangles, an integer as a float
    place     ``(rows, width)`` of each mode of the table in the flat rfftn of the mesh
    mesh_size int               cells along each side of the mesh
    ========= ================= =====================================================
    """

    triples: Int[np.ndarray | Array, "triples 3"]
    count: Float[np.ndarray | Array, "triples"]
    place: Int[np.ndarray | Array, "rows width"]
    mesh_size: int = flax.struct.field(pytree_node=False)


def equilateral(bins: int) -> tuple[tuple[int, int, int], ...]:
    """Triangles of three equal sides, one triple per bin."""
    return tuple((index, index, index) for index in range(bins))


def squeezed(bins: int, long: int = 0) -> tuple[tuple[int, int, int], ...]:
    """One side in the bin ``long`` of a long wave, two equal ones in each shorter bin."""
    return tuple((long, index, index) for index in range(long + 1, bins))


def closed_triples(k_edges: ArrayLike) -> tuple[tuple[int, int, int], ...]:
    """All i <= j <= l whose bins hold a triangle k_l <= k_i + k_j between their centres."""
    edges = check_edges(k_edges, "k_edges", unit="h/Mpc")
    centre = (edges[1:] + edges[:-1]) / 2
    return tuple(
        (i, j, last)
        for i in range(centre.size)
        for j in range(i, centre.size)
        for last in range(j, centre.size)
        if centre[last] <= (centre[i] + centre[j]) * (1 + 1e-9)
    )


def device_triangles(
    dtype: jax.typing.DTypeLike,
    box: ArrayLike,
    mesh_size: int,
    k_edges: ArrayLike,
    triples: Sequence[Sequence[int]],
) -> Triangles:
    """The triangles of the table of a box, mesh and binning, as JAX arrays; remembered.

    Raises:
        InputError: triples that are not three bins each, or that no triangle closes.
    """
    edges = check_edges(k_edges, "k_edges", unit="h/Mpc")
    chosen = as_array(triples, "triples")
    if chosen.ndim != 2 or chosen.shape[1] != 3 or not np.issubdtype(chosen.dtype, np.integer):
        raise InputError(
            f"expected triples of three whole numbers each, got shape {chosen.shape}; pass e.g. "
            "((0, 0, 0), (0, 1, 1))"
        )
    if chosen.min() < 0 or chosen.max() >= edges.size - 1:
        raise InputError(
            f"expected triples of bins 0 to {edges.size - 2}, got {chosen.min()} to "
            f"{chosen.max()}; name bins of k_edges"
        )
    return _device_triangles(
        tuple(check_box(box).tolist()), int(mesh_size), tuple(edges.tolist()),
        tuple(map(tuple, chosen.tolist())), jnp.dtype(dtype),
    )  # fmt: skip


@functools.lru_cache(maxsize=4)
def _device_triangles(
    box: tuple[float, ...],
    mesh_size: int,
    k_edges: tuple[float, ...],
    triples: tuple[tuple[int, ...], ...],
    dtype: np.dtype,
) -> Triangles:
    """Triangles on the device, as concrete arrays even where a caller is being traced."""
    table = fourier_modes(box, mesh_size, k_edges, (0,))
    edges, chosen = np.asarray(k_edges), np.asarray(triples)
    longest = max(edges[1:][chosen].sum(axis=1).max(), 2 * edges[-1])
    cells = int(np.ceil(longest * max(box) / (2 * np.pi) - 1e-9))
    size = scipy.fft.next_fast_len(cells + cells % 2, real=True)
    n = whole_modes(np.asarray(table.index), mesh_size)
    place = ((n[0] % size) * size + n[1] % size) * (size // 2 + 1) + n[2]
    count = _count(table, place, size, chosen)
    if np.any(count == 0):
        first = int(np.argmin(count))
        raise InputError(
            f"expected triples that a triangle closes, got {tuple(chosen[first].tolist())}; "
            "drop it, or take closed_triples(k_edges)"
        )
    with jax.ensure_compile_time_eval():
        return Triangles(
            triples=jnp.asarray(chosen, jnp.int32),
            count=jnp.asarray(count, dtype),
            place=jnp.asarray(place, jnp.int32),
            mesh_size=size,
        )


def _count(
    table: FourierModes,
    place: Int[np.ndarray, "rows width"],
    size: int,
    triples: Int[np.ndarray, "triples 3"],
) -> Float[np.ndarray, "triples"]:
    """Ordered triangles of each triple, rounded to the integers that they are."""
    half, real = size // 2 + 1, np.asarray(table.weight) > 0
    shells = {}
    for index in np.unique(triples):
        ones = np.zeros(size * size * half)
        chosen = (np.asarray(table.bin) == index)[:, None] & real
        ones[place[chosen]] = 1.0
        grid = ones.reshape(size, size, half)
        shells[int(index)] = scipy.fft.irfftn(grid, s=(size,) * 3) * size**3
    products = [np.mean(shells[i] * shells[j] * shells[last]) for i, j, last in triples.tolist()]
    return np.round(products)
