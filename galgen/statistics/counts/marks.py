"""One-point statistics of a column: how many points, and how a mark is distributed.

A mark is any per-point number: log10 mass, a velocity, a colour. Histogram bins are [low, high);
edges are taken in the precision of the marks: a float32 of 12.7 is at an edge of 12.7.
The mass function of N_i haloes in a bin of width w_i dex, in the volume V, with its Poisson error::

    dn/dlog10 M = N_i / (V w_i) +- sqrt(N_i) / (V w_i)      in h³ Mpc^-3 dex^-1

The error is of the Poisson process alone; haloes cluster, and the error of the mean over boxes has
both. An empty bin has no error; N < 1.84 there at 84% (Gehrels 1986, ApJ 303, 336). Where haloes
have weights w_j, the inverse of their completeness or of the volume in which they would be seen
(Schmidt 1968, ApJ 151, 393), N_i is sum w_j and its variance sum w_j².
"""

from __future__ import annotations

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from galgen.arrays import ArrayLike
from galgen.errors import InputError
from galgen.masking import masked_mean, masked_sum
from galgen.statistics.arguments import (
    check_column,
    check_mask,
    check_weights,
    evaluate,
    is_traced,
    shape_of,
)
from galgen.statistics.binning import (
    EnsembleMean,
    check_box,
    check_edges,
    edges_like,
    ensemble_mean,
)


@flax.struct.dataclass
class MarkDistribution:
    """The distribution of one column in each catalogue, in the unit of that column.

    ================== ================= =================================================
    field              shape             meaning
    ================== ================= =================================================
    edges              ``(bins + 1,)``   bins are [low, high)
    counts             ``(batch, bins)`` points per bin, integers
    number             ``(batch,)``      real points, inside the edges or not
    mean               ``(batch,)``      mean over all real points, zero for none
    standard_deviation ``(batch,)``      population standard deviation, likewise
    ================== ================= =================================================
    """

    edges: Float[Array | np.ndarray, "edges"]
    counts: Int[Array | np.ndarray, "batch bins"]
    number: Int[Array | np.ndarray, "batch"]
    mean: Float[Array | np.ndarray, "batch"]
    standard_deviation: Float[Array | np.ndarray, "batch"]


def mark_distribution(
    values: ArrayLike, mask: ArrayLike | None, edges: ArrayLike
) -> MarkDistribution:
    """Histogram, mean, spread and number of one column of every catalogue.

    Args:
        values: ``(batch, points)``.
        mask: ``(batch, points)``, True where real; None for all.
        edges: ``(bins + 1,)`` common edges, a host value, in the unit of the column.

    Raises:
        InputError: values that are not ``(batch, points)``, or bad edges or mask.
    """
    exact = not is_traced(values, mask)
    marks, keep = _check_marks(values, mask, exact)
    limits = check_edges(edges, lowest=None)
    return _distribution_of(marks, keep, limits, edges_like(limits, values))


def _distribution_of(
    marks: Float[Array | np.ndarray, "batch points"],
    mask: Bool[Array | np.ndarray, "batch points"],
    limits: Float[np.ndarray, "edges"],
    edges: Float[np.ndarray, "edges"],
) -> MarkDistribution:
    """Of marks that were checked, in bins of the edges."""
    exact = isinstance(marks, np.ndarray)
    found = evaluate(exact, _distribution, marks, mask, edges.astype(marks.dtype))
    return MarkDistribution(limits, *found)


@flax.struct.dataclass
class MassFunction:
    """The halo mass function of each catalogue.

    ======== ================= ===========================================================
    field    shape             meaning
    ======== ================= ===========================================================
    edges    ``(bins + 1,)``   log10 of the mass in Msun/h; bins are [low, high)
    mass     ``(bins,)``       log10 of the mass in Msun/h at the middle of each bin
    density  ``(batch, bins)`` dn/dlog10 M, h³ Mpc^-3 dex^-1
    error    ``(batch, bins)`` its Poisson error; zero for an empty bin
    counts   ``(batch, bins)`` haloes per bin, integers whatever their weights
    volume   float             (Mpc/h)³
    ======== ================= ===========================================================
    """

    edges: Float[Array | np.ndarray, "edges"]
    mass: Float[Array | np.ndarray, "bins"]
    density: Float[Array | np.ndarray, "batch bins"]
    error: Float[Array | np.ndarray, "batch bins"]
    counts: Int[Array | np.ndarray, "batch bins"]
    volume: float

    def mean(self) -> EnsembleMean:
        """Mean of ``density`` over catalogues, its error (scatter of the boxes) and covariance.

        Raises:
            InputError: fewer than two catalogues.
        """
        return ensemble_mean(self.density)


def mass_function(
    log10_mass: ArrayLike,
    mask: ArrayLike | None,
    edges: ArrayLike,
    box: ArrayLike,
    weights: ArrayLike | None = None,
) -> MassFunction:
    """dn/dlog10 M of every catalogue in a batch.

    Args:
        log10_mass: ``(batch, points)``, log10 of the mass in Msun/h.
        mask: ``(batch, points)``, True where real; None for all.
        edges: ``(bins + 1,)`` in log10 of the mass in Msun/h, a host value.
        box: the three sides in Mpc/h, a host value.
        weights: ``(batch, points)``, not negative; None for one each.

    Raises:
        InputError: bad shapes, edges, box or weights, masses that are not logarithms, or not finite
            (not seen inside a jit).
    """
    exact = not is_traced(log10_mass, mask, weights)
    marks, keep = _check_marks(log10_mass, mask, exact, "log10_mass")
    if exact and np.any(np.abs(marks) > 30):
        raise InputError(
            f"expected log10_mass as log10 masses in Msun/h, finite and up to 30, got "
            f"{marks[np.abs(marks) > 30][0]:g}; take log10 of masses above zero"
        )
    limits, volume = check_edges(edges, lowest=None), np.prod(check_box(box))
    inside = edges_like(limits, log10_mass)
    counts = _distribution_of(marks, keep, limits, inside).counts
    total = squares = counts.astype(marks.dtype)
    if weights is not None:
        each = check_weights(weights, keep, marks, negative=False)
        at = inside.astype(marks.dtype)
        total, squares = (evaluate(exact, _sum_in_bins, marks, each**p, keep, at) for p in (1, 2))
    cell = (volume * np.diff(limits)).astype(marks.dtype)
    return MassFunction(
        edges=limits,
        mass=(limits[1:] + limits[:-1]) / 2,
        density=total / cell,
        error=squares**0.5 / cell,
        counts=counts,
        volume=float(volume),
    )


def mean_in_bins(
    values: ArrayLike, of: ArrayLike, mask: ArrayLike | None, edges: ArrayLike
) -> Float[Array | np.ndarray, "batch bins"]:
    """Mean of the column ``of`` in bins of ``values``, e.g. speed against mass; NaN where empty.

    Args:
        values: ``(batch, points)``.
        of: ``(batch, points)``, in the unit of the mean.
        mask: ``(batch, points)``, True where real; None for all.
        edges: ``(bins + 1,)`` common edges, a host value, in the unit of ``values``.

    Raises:
        InputError: columns of different shapes, or bad edges or mask.
    """
    exact = not is_traced(values, of, mask)
    marks, keep = _check_marks(values, mask, exact)
    other = check_column(of, keep, "column 'of'", marks)
    limits = edges_like(check_edges(edges, lowest=None), values).astype(marks.dtype)
    return evaluate(exact, _mean_in_bins, marks, other, keep, limits)


def _check_marks(
    values: ArrayLike, mask: ArrayLike | None, exact: bool, name: str = "values"
) -> tuple[Float[Any, "batch points"], Bool[Any, "batch points"]]:
    """The column with zeros in the padding, and a mask that is always there."""
    shape = shape_of(values, name)
    if len(shape) != 2:
        raise InputError(
            f"expected {name} of shape (batch, points), got {shape}; pass one column of the padded "
            "batch"
        )
    keep = check_mask(mask, shape, exact)
    return check_column(values, keep, name, np.zeros(0) if exact else None), keep


def _members(
    marks: Float[Array, "batch points"],
    mask: Bool[Array, "batch points"],
    edges: Float[Array | np.ndarray, "edges"],
) -> Bool[Array, "batch points bins"]:
    """True where a real point lies in a bin."""
    inside = (marks[..., None] >= edges[:-1]) & (marks[..., None] < edges[1:])
    return inside & mask[..., None]


@jax.jit
def _distribution(
    marks: Float[Array, "batch points"],
    mask: Bool[Array, "batch points"],
    edges: Float[Array, "edges"],
) -> tuple[Array, Array, Array, Array]:
    """Counts, number, mean and population standard deviation."""
    counts = jnp.sum(_members(marks, mask, edges), axis=1, dtype=jnp.int32)
    mean = masked_mean(marks, mask, 1)
    variance = masked_mean(jnp.square(marks - mean[:, None]), mask, 1)
    return counts, jnp.sum(mask, axis=-1, dtype=jnp.int32), mean, jnp.sqrt(variance)


@jax.jit
def _sum_in_bins(
    marks: Float[Array, "batch points"],
    other: Float[Array, "batch points"],
    mask: Bool[Array, "batch points"],
    edges: Float[Array, "edges"],
) -> Float[Array, "batch bins"]:
    """Sums of ``other`` over the points of each bin."""
    members = _members(marks, mask, edges)
    return masked_sum(jnp.where(members, other[..., None], 0.0), None, 1)


@jax.jit
def _mean_in_bins(
    marks: Float[Array, "batch points"],
    other: Float[Array, "batch points"],
    mask: Bool[Array, "batch points"],
    edges: Float[Array, "edges"],
) -> Float[Array, "batch bins"]:
    """Bin sums of ``other`` over bin counts."""
    counts = jnp.sum(_members(marks, mask, edges), axis=1)
    sums = _sum_in_bins(marks, other, mask, edges)
    return jnp.where(counts > 0, sums / jnp.maximum(counts, 1), jnp.nan)
