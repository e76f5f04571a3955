"""Counts in cells: how many points fall in the cells that tile the box, or in spheres.

With n the count of a cell, and averages over the cells of one catalogue (Peebles 1980, section 36;
Bernardeau et al. 2002, Phys. Rep. 367, 1)::

    P_N    = fraction of cells with n = N
    mu_p   = <(n - <n>)^p>
    xi_2   = (mu_2 - <n>) / <n>²                   volume-averaged two-point correlation
    xi_3   = (mu_3 - 3 mu_2 + 2 <n>) / <n>³        volume-averaged three-point correlation
    S_3    = xi_3 / xi_2²                          reduced skewness

The terms in <n> are the shot noise of Poisson sampling: Poisson points have xi_2 = xi_3 = 0. N
points thrown evenly into a box have xi_2 = -1/N, because their number does not fluctuate. Nor do
cells see fluctuations on the scale of their box. Every point counts one here: P_N has no weighted
form. The moments have: :mod:`galgen.statistics.counts.weighted_cells`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from galgen.arrays import ArrayLike, library_of
from galgen.errors import InputError
from galgen.periodic import wrap
from galgen.statistics.arguments import check_points, evaluate, is_traced
from galgen.statistics.binning import (
    EnsembleMean,
    check_box,
    check_whole,
    ensemble_mean,
    jackknife_ratio,
    rounding_of,
)
from galgen.statistics.counts.sphere_counts import check_spheres, sphere_counts

AT_WALL = 1e-9
"""Sides of a cell below a wall within which a point is on it."""
SphereCounter = Callable[..., Array | np.ndarray]
"""A function called as ``sphere_counts``: that one, or ``sphere_counts_by_tree``."""


@flax.struct.dataclass
class CountsInCells:
    """Counts in cells of one or several sizes of each catalogue.

    ============ =============================== ============================================
    field        shape                           meaning
    ============ =============================== ============================================
    volume       ``(sizes,)``                    of one cell, (Mpc/h)³
    number       ``(largest + 1,)``              N = 0, 1, ... of the histogram
    probability  ``(batch, sizes, largest + 1)`` P_N, summing to 1; the last bin is n >= largest
    average      ``(batch, sizes)``              <n>
    variance     ``(batch, sizes)``              mu_2
    third        ``(batch, sizes)``              mu_3
    ============ =============================== ============================================
    """

    volume: Float[Array | np.ndarray, "sizes"]
    number: Int[Array | np.ndarray, "numbers"]
    probability: Float[Array | np.ndarray, "batch sizes numbers"]
    average: Float[Array | np.ndarray, "batch sizes"]
    variance: Float[Array | np.ndarray, "batch sizes"]
    third: Float[Array | np.ndarray, "batch sizes"]

    @property
    def xi(self) -> Float[Array | np.ndarray, "batch sizes"]:
        """xi_2, the variance without shot noise over <n>²; NaN for no points."""
        return divided(self.variance - self.average, self.average**2)

    @property
    def skewness(self) -> Float[Array | np.ndarray, "batch sizes"]:
        """S_3; NaN for no points or no clustering. A ratio of noisy numbers where xi_2 is small."""
        third = self.third - 3 * self.variance + 2 * self.average
        return divided(divided(third, self.average**3), self.xi**2)

    def mean(self) -> EnsembleMean:
        """xi_2 of all catalogues ``(sizes,)``: the sum of mu_2 - <n> over the sum of <n>².

        Raises:
            InputError: fewer than two catalogues, or points in one alone.
        """
        average = np.asarray(self.average, np.float64)
        return jackknife_ratio(np.asarray(self.variance, np.float64) - average, average**2)

    def mean_probability(self) -> EnsembleMean:
        """Mean of ``probability`` over catalogues, with its error and covariance.

        Raises:
            InputError: fewer than two catalogues.
        """
        return ensemble_mean(self.probability)


def counts_in_cells(
    positions: ArrayLike,
    mask: ArrayLike | None,
    box: ArrayLike,
    cells_per_side: int,
    largest: int | None = None,
) -> CountsInCells:
    """Counts in the cells_per_side³ equal cells that tile a periodic box: cubes if it is one.

    Args:
        positions: ``(batch, points, 3)`` in Mpc/h; wrapped into the box.
        mask: ``(batch, points)``, True where real; None for all.
        box: the three sides in Mpc/h, a host value.
        cells_per_side: along each side.
        largest: last N of the histogram; None for the largest found, outside a jit only.

    Raises:
        InputError: bad shapes or box, fewer than one cell, or positions that are not finite.
    """
    counts = cell_counts(positions, mask, box, cells_per_side)
    volume = np.prod(check_box(box)) / cells_per_side**3
    return summarize_counts(counts[..., None], np.array([volume]), largest)


def counts_in_spheres(
    positions: ArrayLike,
    mask: ArrayLike | None,
    radii: ArrayLike,
    box: ArrayLike,
    centers: ArrayLike,
    periodic: bool = True,
    largest: int | None = None,
    counter: SphereCounter = sphere_counts,
) -> CountsInCells:
    """Counts in spheres of several radii around given centres; they may overlap.

    Args:
        positions, mask, radii, box, centers, periodic: as
            :func:`~galgen.statistics.counts.sphere_counts.sphere_counts`.
        largest: last N of the histogram; None for the largest found, outside a jit only.
        counter: :func:`~galgen.statistics.counts.sphere_counts.sphere_counts`, or
            ``sphere_counts_by_tree`` for large catalogues.

    Raises:
        InputError: as ``sphere_counts``.
    """
    counts = counter(positions, mask, radii, box, centers, periodic)
    volume = 4 * np.pi / 3 * check_spheres(radii, box, periodic)[0] ** 3
    return summarize_counts(counts, volume, largest)


def cell_counts(
    positions: ArrayLike, mask: ArrayLike | None, box: ArrayLike, cells_per_side: int
) -> Int[Array | np.ndarray, "batch cells"]:
    """Points in each of the ``cells_per_side³`` cells, the last axis of the box fastest.

    A point on a wall, to the rounding of its own precision, belongs to the cell above; one beyond a
    face of the box wraps.

    Raises:
        InputError: bad shapes or box, cells not between 1 and 1290 per side, or positions that are
            not finite.
    """
    sides, cells = check_box(box), check_cells(cells_per_side)
    exact = not is_traced(positions, mask)
    points, keep = check_points(positions, mask, exact, sides)
    rounding = rounding_of(positions)
    return evaluate(exact, _cell_counts, points, keep, sides.astype(points.dtype), cells, rounding)


def check_cells(cells_per_side: int) -> int:
    """Cells along each side.

    Raises:
        InputError: not a whole number from 1 to 1290.
    """
    wanted = "1 to 1290 cells per side (int32 cell index)"
    return check_whole(cells_per_side, 1, 1290, wanted, "pass e.g. 16")


@functools.partial(jax.jit, static_argnames=("cells", "rounding"))
def _cell_counts(
    positions: Float[Array, "batch points 3"],
    mask: Bool[Array, "batch points"],
    box: Float[Array, "3"],
    cells: int,
    rounding: float,
) -> Int[Array, "batch cells"]:
    return _count(cell_indices(positions, box, cells, rounding), mask, cells**3)


def cell_indices(
    positions: Float[Array, "batch points 3"],
    box: Float[Array, "3"],
    cells_per_side: int,
    rounding: float,
) -> Int[Array, "batch points"]:
    """The flat index of the cell of each point, as in :func:`cell_counts`.

    Args:
        positions: in Mpc/h.
        box: three sides in Mpc/h.
        cells_per_side: along each side.
        rounding: relative, of the positions; so close below a wall is on it.
    """
    place = wrap(positions, box) / box * cells_per_side
    cell = jnp.floor(place + max(AT_WALL, 4 * rounding * cells_per_side)).astype(jnp.int32)
    # The upper face, reached by rounding, is the lower one.
    x, y, z = (jnp.mod(cell[..., axis], cells_per_side) for axis in range(3))
    return (x * cells_per_side + y) * cells_per_side + z


def _count(
    index: Int[Array, "batch points"], mask: Bool[Array, "batch points"], cells: int
) -> Int[Array, "batch cells"]:
    """One scatter for the whole batch; padding adds zero to a cell."""

    def one(places: Int[Array, "points"], real: Bool[Array, "points"]) -> Int[Array, "cells"]:
        return jnp.zeros(cells, jnp.int32).at[places].add(real.astype(jnp.int32))

    return jax.vmap(one)(index, mask)


def summarize_counts(
    counts: Int[Array | np.ndarray, "batch cells sizes"],
    volume: Float[np.ndarray, "sizes"],
    largest: int | None,
) -> CountsInCells:
    """Histogram and moments of any counts, of cells of one or several sizes.

    Args:
        counts: points in each cell.
        volume: of one cell of each size, (Mpc/h)³.
        largest: last N of the histogram; None for the largest found, outside a jit only.

    Raises:
        InputError: no cells, a histogram without bins, or ``largest`` missing inside a jit.
    """
    if not counts.shape[1]:
        raise InputError("expected at least one cell, got none; ask for more cells")
    if largest is None:
        if isinstance(counts, jax.core.Tracer):
            raise InputError("expected largest inside a jit, got None; pass the last N to count")
        largest = int(np.max(np.asarray(counts), initial=0))
    if largest < 0:
        raise InputError(f"expected largest from 0, got {largest}; pass e.g. 50")
    exact = isinstance(counts, np.ndarray)
    probability, average, variance, third = evaluate(exact, _moments, counts, largest)
    return CountsInCells(
        volume=volume,
        number=np.arange(largest + 1),
        probability=probability,
        average=average,
        variance=variance,
        third=third,
    )


@functools.partial(jax.jit, static_argnames="largest")
def _moments(
    counts: Int[Array, "batch cells sizes"], largest: int
) -> tuple[Array, Array, Array, Array]:
    """P_N, <n>, mu_2 and mu_3 over the cells."""
    dtype = jnp.result_type(float)

    def histogram(column: Int[Array, "cells"]) -> Int[Array, "numbers"]:
        return jnp.zeros(largest + 1, jnp.int32).at[jnp.minimum(column, largest)].add(1)

    columns = jnp.moveaxis(counts, 1, 2)
    probability = jax.vmap(jax.vmap(histogram))(columns).astype(dtype) / counts.shape[1]
    average = jnp.mean(columns.astype(dtype), axis=-1)
    difference = columns - average[..., None]
    variance, third = jnp.mean(difference**2, axis=-1), jnp.mean(difference**3, axis=-1)
    return probability, average, variance, third


def divided(
    above: Float[Array | np.ndarray, "*shape"], below: Float[Array | np.ndarray, "*shape"]
) -> Float[Array | np.ndarray, "*shape"]:
    """The quotient; NaN where the denominator is zero."""
    return above / library_of(below).where(below != 0, below, np.nan)
