"""What a comparison measures and which figures it asks for; the bins it chooses when not told.

Separations default to geometric bins from 0.16 mean separations of the held-out points to a fifth
of the shortest side: closer there are few pairs, farther the box itself is felt. The bins are few
and wide: one just above the threshold of significance has noise of its own beyond the target.
Wavenumbers default to bins of the fundamental mode 2 pi / L up to half the Nyquist wavenumber,
where interlaced triangular-shaped clouds are right to 0.03%, widened geometrically to at most
fifteen bins.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float

from galgen.errors import InputError
from galgen.statistics.fourier_modes import nyquist

MAXIMUM_WAVENUMBER_BINS = 15


@dataclasses.dataclass(frozen=True)
class ValidationSettings:
    """Bins, targets and the seed of a comparison.

    Attributes:
        separation_edges: edges of xi(r) in Mpc/h; None for the default of ``separation_bins`` bins.
        separation_bins: how many, where the edges are not given.
        wavenumber_edges: edges of P(k) in h/Mpc; None for the default.
        mesh_size: cells along each side for P(k).
        multipoles: of P(k), 0 among them; along the z axis.
        mark_bins: bins of every histogram.
        significance: a bin is judged where held-out is more than this many errors from zero.
        closure_target: the least closure that every judged bin must reach.
        response_target: how far the slope of the response to cosmology may be from 1.
        seed: of the uniform base and of the halves of held-out.
        batch_size: catalogues measured at a time; memory grows with it.

    Raises:
        InputError: a value that cannot be used.
    """

    separation_edges: tuple[float, ...] | None = None
    separation_bins: int = 7
    wavenumber_edges: tuple[float, ...] | None = None
    mesh_size: int = 64
    multipoles: tuple[int, ...] = (0, 2)
    mark_bins: int = 20
    significance: float = 5.0
    closure_target: float = 0.85
    response_target: float = 0.30
    seed: int = 0
    batch_size: int = 32

    def __post_init__(self) -> None:
        for name in ("separation_bins", "mesh_size", "mark_bins", "batch_size"):
            if getattr(self, name) < 1:
                raise InputError(
                    f"expected {name} of at least 1, got {getattr(self, name)}; leave it out for "
                    "the default"
                )
        for name in ("significance", "closure_target", "response_target"):
            if not getattr(self, name) > 0:
                raise InputError(
                    f"expected a positive {name}, got {getattr(self, name)}; leave it out for the "
                    "default"
                )
        if 0 not in self.multipoles:
            raise InputError(
                f"expected multipoles with the monopole 0 among them, got {self.multipoles}; add 0"
            )


def separation_edges(
    settings: ValidationSettings, box: tuple[float, float, float], mean_count: float
) -> Float[np.ndarray, "edges"]:
    """Edges of xi(r) in Mpc/h, as set or chosen for a box with ``mean_count`` points."""
    if settings.separation_edges is not None:
        return np.asarray(settings.separation_edges, np.float64)
    last = 0.2 * min(box)
    first = 0.16 * float(np.prod(box) / mean_count) ** (1 / 3)
    return np.geomspace(min(first, last / 4), last, settings.separation_bins + 1)


def wavenumber_edges(
    settings: ValidationSettings, box: tuple[float, float, float]
) -> Float[np.ndarray, "edges"]:
    """Edges of P(k) in h/Mpc, as set or chosen for a box.

    Raises:
        InputError: a mesh too coarse for one bin.
    """
    if settings.wavenumber_edges is not None:
        return np.asarray(settings.wavenumber_edges, np.float64)
    fundamental = 2 * np.pi / min(box)
    last = int(np.floor(0.5 * nyquist(box, settings.mesh_size) / fundamental - 0.5 + 1e-9))
    if last < 1:
        raise InputError(
            f"expected a mesh that resolves the box to half its Nyquist wavenumber, got mesh_size="
            f"{settings.mesh_size} for a box of {box}; enlarge mesh_size"
        )
    index = np.arange(last + 1)
    if last > MAXIMUM_WAVENUMBER_BINS:
        steps = np.geomspace(1, last + 1, MAXIMUM_WAVENUMBER_BINS + 1)
        index = np.unique(np.round(steps).astype(int)) - 1
    return fundamental * (index + 0.5)
