"""The bins that statistics choose for catalogues of one volume where none are given.

- **Separations**: geometric, from 0.16 mean separations of the points to a fifth of the shortest
  side. There are few pairs closer than that, and farther out the box itself is felt. Bins are few
  and wide, because the noise of a narrow bin exceeds the target of a comparison.
- **Wavenumbers**: multiples of the fundamental mode 2 pi / L, half a mode to either side, up to
  half the Nyquist wavenumber. There, interlaced triangular-shaped clouds are right to 0.03%. More
  than fifteen bins are widened geometrically to fifteen.
- **Triangles**: as wavenumbers, two fundamental modes wide.
- **Cells**: as many along a side as give a cell about the mean numbers of points asked for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from galgen.errors import InputError
from galgen.measurements.statistic import Volume
from galgen.statistics.fourier.modes import nyquist

MAXIMUM_WAVENUMBER_BINS = 15


def separation_edges(
    volume: Volume, edges: Sequence[float] | None, bins: int
) -> Float[np.ndarray, "edges"]:
    """Edges of separation as given, or chosen [Mpc/h]."""
    if edges is not None:
        return np.asarray(edges, np.float64)
    last = 0.2 * min(volume.box)
    return np.geomspace(min(0.16 * volume.mean_separation, last / 4), last, bins + 1)


def wavenumber_edges(
    volume: Volume, edges: Sequence[float] | None, mesh_size: int
) -> Float[np.ndarray, "edges"]:
    """Edges of wavenumber as given, or chosen [h/Mpc].

    Raises:
        InputError: a mesh too coarse for one bin.
    """
    if edges is not None:
        return np.asarray(edges, np.float64)
    fundamental = 2 * np.pi / min(volume.box)
    last = int(np.floor(0.5 * nyquist(volume.box, mesh_size) / fundamental - 0.5 + 1e-9))
    if last < 1:
        raise InputError(
            "expected a mesh that resolves the box to half its Nyquist wavenumber, got "
            f"mesh_size={mesh_size} for a box of {volume.box}; enlarge mesh_size"
        )
    index = np.arange(last + 1)
    if last > MAXIMUM_WAVENUMBER_BINS:
        steps = np.geomspace(1, last + 1, MAXIMUM_WAVENUMBER_BINS + 1)
        index = np.unique(np.round(steps).astype(int)) - 1
    return fundamental * (index + 0.5)


def triangle_edges(
    volume: Volume, edges: Sequence[float] | None, mesh_size: int, bins: int
) -> Float[np.ndarray, "edges"]:
    """Edges of wavenumber for triangles as given, or chosen [h/Mpc].

    Raises:
        InputError: fewer than two bins, or a mesh too coarse for two.
    """
    if edges is not None:
        if len(edges) < 3:
            raise InputError(
                f"expected at least 2 bins for squeezed triangles, got edges {edges}; add one"
            )
        return np.asarray(edges, np.float64)
    fundamental = 2 * np.pi / min(volume.box)
    room = int((0.5 * nyquist(volume.box, mesh_size) / fundamental - 0.5) / 2 + 1e-9)
    if min(room, bins) < 2:
        raise InputError(
            "expected a mesh with room for 2 bins below half its Nyquist wavenumber, got "
            f"mesh_size={mesh_size} and bins={bins} for a box of {volume.box}; enlarge mesh_size"
        )
    return fundamental * (0.5 + 2 * np.arange(min(room, bins) + 1))


def cells_per_side(volume: Volume, mean_numbers: Sequence[float]) -> tuple[int, ...]:
    """Cells along each side for mean numbers of points per cell, the smallest cells first."""
    count = volume.known_count
    chosen = {max(2, round((count / number) ** (1 / 3))) for number in mean_numbers}
    return tuple(sorted(chosen, reverse=True))
