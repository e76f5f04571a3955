"""Haloes found before they form: peaks of the smoothed linear field.

After the peak-patch picture of Bond and Myers (1996, ApJS 103, 1; Stein et al. 2019). The linear
field, extrapolated to the wanted redshift, is smoothed with top-hats of falling radius R. A local
maximum that first exceeds the barrier of ellipsoidal collapse (Sheth, Mo and Tormen 2001, eq. 4)
at R holds the matter of one halo, a sphere of Lagrangian radius R::

    B(R) = delta_c (1 + 0.47 (sigma(R)^2 / delta_c^2)^0.615),        delta_c = 1.686

Radii fall in steps of 8% to 0.9 of a cell. Between two of them, the radius is where delta - B
crosses zero, linear in ln R; the place is refined by a parabola along each axis. A patch whose
centre lies within 0.85 of the radius of a larger one belongs to it, and is dropped.
"""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import scipy
from jaxtyping import Float, Float32, Int64

from galgen.cosmology.transfer import top_hat
from galgen.periodic import minimum_image, wrap
from galgen.simulation.initial_field import Filter, LinearField
from galgen.simulation.linear_power import LinearPower

COLLAPSE_THRESHOLD = 1.686
RADIUS_STEP = 1.08
SMALLEST_RADIUS_IN_CELLS = 0.9
EXCLUSION = 0.85
_LARGEST_RADIUS = 100.0  # Mpc/h; no halo gathers matter from so far
_RAREST_PEAK = 5.5  # largest smoothing: where the barrier is this many sigma

_NEIGHBORS = sorted(
    (offset for offset in itertools.product((-1, 0, 1), repeat=3) if any(offset)),
    key=lambda offset: sum(map(abs, offset)),
)


@dataclasses.dataclass(frozen=True)
class Patches:
    """Lagrangian patches, largest first.

    ========= ================ ==================================
    field     shape            meaning
    ========= ================ ==================================
    positions ``(patches, 3)`` centres in Mpc/h, in [0, box)
    radii     ``(patches,)``   Lagrangian radii in Mpc/h, falling
    ========= ================ ==================================
    """

    positions: Float[np.ndarray, "patches 3"]
    radii: Float[np.ndarray, "patches"]

    def __len__(self) -> int:
        return len(self.radii)


def barrier(sigma: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Linear overdensity at which an average ellipsoid of rms ``sigma`` collapses."""
    return np.asarray(COLLAPSE_THRESHOLD * (1.0 + 0.47 * (sigma / COLLAPSE_THRESHOLD) ** 1.23))


def smoothing_radii(power: LinearPower, cell: float) -> Float[np.ndarray, "smoothings"]:
    """Falling top-hat radii [Mpc/h], from the rarest peaks to 0.9 of a ``cell``."""
    smallest = SMALLEST_RADIUS_IN_CELLS * cell
    steps = int(math.log(_LARGEST_RADIUS / smallest) / math.log(RADIUS_STEP))
    radii = smallest * RADIUS_STEP ** np.arange(max(steps, 1))
    sigma = power.sigma(radii)
    return radii[barrier(sigma) < _RAREST_PEAK * sigma][::-1]


def find_patches(field: LinearField, power: LinearPower, wanted: int) -> Patches:
    """The ``wanted`` largest patches of ``field``, or all there are if fewer.

    Args:
        field: linear density contrast, extrapolated to the redshift of ``power``.
        power: its power spectrum, for the barrier.
        wanted: where to stop; smaller radii are then not searched.
    """
    found = Patches(np.zeros((0, 3)), np.zeros(0))
    radii = smoothing_radii(power, field.cell)
    previous: Float32[np.ndarray, "mesh mesh mesh"] | None = None
    larger = 0.0
    for radius, threshold in zip(radii, barrier(power.sigma(radii)), strict=True):
        if len(found) >= wanted:
            break
        excess = field.filtered(_sphere(radius))
        excess -= np.float32(threshold)
        peaks = local_maxima(excess)
        exact = np.full(len(peaks), radius)
        if previous is not None:
            exact *= _growth_to_crossing(excess, previous, peaks, larger / radius)
        positions = _refine(excess, peaks) * field.cell
        found = _merge(found, Patches(wrap(positions, field.box), exact), field.box)
        previous, larger = excess, radius
    return Patches(found.positions[:wanted], found.radii[:wanted])


def _sphere(radius: float) -> Filter:
    """The top-hat filter of that radius in Mpc/h."""
    return lambda k: top_hat(k * radius)


def local_maxima(excess: Float32[np.ndarray, "mesh mesh mesh"]) -> Int64[np.ndarray, "peaks"]:
    """Flat indices of the positive cells that are above their 26 periodic neighbours."""
    flat = excess.ravel()
    peaks = np.flatnonzero(flat > 0.0)
    for offset in _NEIGHBORS if len(peaks) else ():
        peaks = peaks[flat[peaks] > flat[_shifted(peaks, offset, excess.shape[0])]]
    return peaks


def _shifted(
    index: Int64[np.ndarray, "peaks"], offset: tuple[int, ...], mesh: int
) -> Int64[np.ndarray, "peaks"]:
    """Flat index of the periodic neighbour at ``offset``."""
    x, y, z = np.unravel_index(index, (mesh,) * 3)
    x, y, z = (x + offset[0]) % mesh, (y + offset[1]) % mesh, (z + offset[2]) % mesh
    return (x * mesh + y) * mesh + z


def _growth_to_crossing(
    excess: Float32[np.ndarray, "..."],
    previous: Float32[np.ndarray, "..."],
    peaks: Int64[np.ndarray, "peaks"],
    step: float,
) -> Float[np.ndarray, "peaks"]:
    """By how much the radius can grow, up to ``step``, until the excess at the peak is zero."""
    here = excess.ravel()[peaks].astype(np.float64)
    before = np.minimum(previous.ravel()[peaks].astype(np.float64), 0.0)
    return step ** (here / (here - before))


def _refine(
    excess: Float32[np.ndarray, "mesh mesh mesh"], peaks: Int64[np.ndarray, "peaks"]
) -> Float[np.ndarray, "peaks 3"]:
    """Peak positions in cells, each axis by the parabola through three cells."""
    mesh = excess.shape[0]
    flat = excess.ravel()
    middle = flat[peaks].astype(np.float64)
    positions = np.stack(np.unravel_index(peaks, excess.shape), axis=-1).astype(np.float64)
    for axis, unit in enumerate(np.eye(3, dtype=int)):
        below = flat[_shifted(peaks, tuple((-unit).tolist()), mesh)]
        above = flat[_shifted(peaks, tuple(unit.tolist()), mesh)]
        positions[:, axis] += 0.5 * (above - below) / (2.0 * middle - above - below)
    return positions


def _merge(found: Patches, new: Patches, box: float) -> Patches:
    """``found`` and those of ``new``, all smaller, that no larger patch swallows."""
    if len(new) == 0:
        return found
    order = np.argsort(-new.radii, kind="stable")
    positions = np.concatenate([found.positions, new.positions[order]])
    radii = np.concatenate([found.radii, new.radii[order]])
    kept = np.ones(len(radii), bool)
    tree = scipy.spatial.cKDTree(positions, boxsize=np.full(3, box))
    reach = min(EXCLUSION * radii.max(), 0.499 * box)
    pairs = tree.query_pairs(reach, output_type="ndarray")
    separation = minimum_image(positions[pairs[:, 0]] - positions[pairs[:, 1]], box)
    close = np.linalg.norm(separation, axis=1) < EXCLUSION * radii[pairs[:, 0]]
    close &= pairs[:, 1] >= len(found)
    pairs = pairs[close]
    for larger, smaller in pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]:
        if kept[larger]:
            kept[smaller] = False
    return Patches(positions[kept], radii[kept])
