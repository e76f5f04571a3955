"""Moments of weighted counts in cells, with the shot noise of their weights taken.

With W = sum w_j, Q = sum w_j², T = sum w_j³ over the points of a cell, and averages over the cells
of one catalogue, all points not the same in the moments of pairs and triples (Peebles 1980, section
36, with w_j per point; for weights of one it is :mod:`galgen.statistics.counts.counts_in_cells`)::

    mu_2 = <(W - <W>)²>,  mu_3 = <(W - <W>)³>
    xi_2 = (mu_2 - <Q>) / <W>²
    xi_3 = (mu_3 - 3 <(W - <W>)(Q - <Q>)> + 2 <T>) / <W>³
    S_3  = xi_3 / xi_2²

Poisson points, their weights drawn independently of place, have xi_2 = xi_3 = 0. Weights are
those of completeness, or masses, for the clustering of mass. Their scale is free: those of each
catalogue are divided by their mean over its points.
"""

from __future__ import annotations

import functools

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from galgen.arrays import ArrayLike
from galgen.masking import masked_mean
from galgen.statistics.arguments import check_points, check_weights, evaluate, is_traced
from galgen.statistics.binning import EnsembleMean, check_box, jackknife_ratio, rounding_of
from galgen.statistics.counts.counts_in_cells import cell_indices, check_cells, divided


@flax.struct.dataclass
class WeightedCells:
    """Moments of the weight per cell, in powers of the mean weight of each catalogue.

    =========== ============ ============================================
    field       shape        meaning
    =========== ============ ============================================
    volume      ``()``       of one cell, (Mpc/h)³
    average     ``(batch,)`` <W>
    variance    ``(batch,)`` mu_2
    third       ``(batch,)`` mu_3
    noise       ``(batch,)`` <Q>, the shot noise of mu_2
    third_noise ``(batch,)`` 3 <(W - <W>)(Q - <Q>)> - 2 <T>, that of mu_3
    =========== ============ ============================================
    """

    volume: float | Float[Array, ""]
    average: Float[Array | np.ndarray, "batch"]
    variance: Float[Array | np.ndarray, "batch"]
    third: Float[Array | np.ndarray, "batch"]
    noise: Float[Array | np.ndarray, "batch"]
    third_noise: Float[Array | np.ndarray, "batch"]

    @property
    def xi(self) -> Float[Array | np.ndarray, "batch"]:
        """xi_2; NaN for no points."""
        return divided(self.variance - self.noise, self.average**2)

    @property
    def skewness(self) -> Float[Array | np.ndarray, "batch"]:
        """S_3; NaN for no points or no clustering. A ratio of noisy numbers where xi_2 is small."""
        third = divided(self.third - self.third_noise, self.average**3)
        return divided(third, self.xi**2)

    def mean(self) -> EnsembleMean:
        """xi_2 of all catalogues ``(1,)``: the sum of mu_2 - <Q> over the sum of <W>².

        Raises:
            InputError: fewer than two catalogues, or points in one alone.
        """
        above = np.asarray(self.variance, np.float64) - np.asarray(self.noise, np.float64)
        below = np.asarray(self.average, np.float64) ** 2
        return jackknife_ratio(above[:, None], below[:, None])


def weighted_counts_in_cells(
    positions: ArrayLike,
    mask: ArrayLike | None,
    weights: ArrayLike,
    box: ArrayLike,
    cells_per_side: int,
) -> WeightedCells:
    """Moments of the weight in the cells_per_side³ equal cells that tile a periodic box.

    Args:
        positions: ``(batch, points, 3)`` in Mpc/h; wrapped into the box.
        mask: ``(batch, points)``, True where real; None for all.
        weights: ``(batch, points)``, of any sign; NaN where they sum to zero.
        box: the three sides in Mpc/h, a host value.
        cells_per_side: along each side.

    Raises:
        InputError: bad shapes or box, cells not between 1 and 1290 per side, or positions that are
            not finite.
    """
    sides, cells = check_box(box), check_cells(cells_per_side)
    exact = not is_traced(positions, mask, weights)
    points, keep = check_points(positions, mask, exact, sides)
    mass = check_weights(weights, keep, points)
    moments = evaluate(
        exact, _moments, points, mass, keep, sides.astype(points.dtype), cells,
        rounding_of(positions),
    )  # fmt: skip
    return WeightedCells(np.prod(sides) / cells**3, *moments)


@functools.partial(jax.jit, static_argnames=("cells_per_side", "rounding"))
def _moments(
    positions: Float[Array, "batch points 3"],
    weights: Float[Array, "batch points"],
    mask: Bool[Array, "batch points"],
    box: Float[Array, "3"],
    cells_per_side: int,
    rounding: float,
) -> tuple[Array, ...]:
    """<W>, mu_2, mu_3 and their shot noises; padding has weight zero."""
    index, cells = cell_indices(positions, box, cells_per_side, rounding), cells_per_side**3
    scale = masked_mean(weights, mask, 1)[:, None]
    # Divided first, so that cubes of masses near 1e15 do not overflow float32.
    weights = weights / jnp.where(scale != 0, scale, 1.0)

    def one(places: Int[Array, "points"], mass: Float[Array, "points"]) -> tuple[Array, ...]:
        first, second, third = (
            jnp.zeros(cells, mass.dtype).at[places].add(mass**p) for p in (1, 2, 3)
        )
        apart = first - jnp.mean(first)
        mixed = jnp.mean(apart * (second - jnp.mean(second)))
        return (
            jnp.mean(first),
            jnp.mean(apart**2),
            jnp.mean(apart**3),
            jnp.mean(second),
            3 * mixed - 2 * jnp.mean(third),
        )

    return jax.vmap(one)(index, weights)
