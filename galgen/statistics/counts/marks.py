"""One-point statistics of a column: how many points, and how a mark is distributed.

A mark is any per-point number: log10 mass, a velocity, a colour. Histogram bins are [low, high).
The mass function of N_i haloes in a bin of width w_i dex, in the volume V, with its Poisson error::

    dn/dlog10 M = N_i / (V w_i) +- sqrt(N_i) / (V w_i)      in h³ Mpc^-3 dex^-1

The error is of the Poisson process alone; haloes cluster, and the error of the mean over boxes has
both. An empty bin has no error; N < 1.84 there at 84% (Gehrels 1986, ApJ 303, 336). Where haloes
have weights w_j, the inverse of their completeness or of the volume in which they would be seen
(Schmidt 1968, ApJ 151, 393), N_i is sum w_j and its variance sum w_j².
"""

from __future__ import annotations

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from galgen.errors import InputError
from galgen.masking import masked_mean, masked_sum
from galgen.statistics.binning import (
    ArrayLike,
    EnsembleMean,
    check_box,
    check_edges,
    check_mask,
    check_weights,
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

    edges: Float[Array, "edges"]
    counts: Int[Array, "batch bins"]
    number: Int[Array, "batch"]
    mean: Float[Array, "batch"]
    standard_deviation: Float[Array, "batch"]

    def mean_counts(self) -> EnsembleMean:
        """Mean counts per catalogue, with the error and covariance of the mean."""
        return ensemble_mean(self.counts)


def mark_distribution(
    values: ArrayLike,
    mask: ArrayLike | None,
    edges: ArrayLike,
) -> MarkDistribution:
    """Histogram, mean, spread and number of one column of every catalogue.

    Args:
        values: ``(batch, points)``.
        mask: ``(batch, points)``, True where real; None for all.
        edges: ``(bins + 1,)`` common edges, a host value, in the unit of the column.

    Raises:
        InputError: values that are not ``(batch, points)``, or bad edges or mask.
    """
    marks, keep = _check_marks(values, mask)
    limits = jnp.asarray(check_edges(edges, lowest=None), marks.dtype)
    counts, mean, deviation = _distribution(marks, keep, limits)
    number = jnp.sum(keep, axis=-1, dtype=jnp.int32)
    return MarkDistribution(limits, counts, number, mean, deviation)


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
    volume   ``()``            (Mpc/h)³
    ======== ================= ===========================================================
    """

    edges: Float[Array, "edges"]
    mass: Float[Array, "bins"]
    density: Float[Array, "batch bins"]
    error: Float[Array, "batch bins"]
    counts: Int[Array, "batch bins"]
    volume: Float[Array, ""]

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
        weights: ``(batch, points)``; None for one each.

    Raises:
        InputError: bad shapes, edges or box, masses that are not logarithms, or not finite (not
            seen inside a jit).
    """
    marks, keep = _check_marks(log10_mass, mask)
    if not isinstance(marks, jax.core.Tracer):
        values = np.asarray(marks)
        strange = ~(np.abs(values) <= 30)
        if np.any(strange):
            raise InputError(
                f"expected log10 masses in Msun/h, finite and up to 30, got "
                f"{values[strange][0]:g}; take log10 of masses above zero"
            )
    distribution = mark_distribution(log10_mass, mask, edges)
    limits, volume = check_edges(edges, lowest=None), np.prod(check_box(box))
    cell = jnp.asarray(volume * np.diff(limits), marks.dtype)
    total = squares = distribution.counts.astype(marks.dtype)
    if weights is not None:
        each = check_weights(weights, keep, marks.dtype)
        total = _sum_in_bins(marks, each, keep, distribution.edges)
        squares = _sum_in_bins(marks, each**2, keep, distribution.edges)
    return MassFunction(
        edges=distribution.edges,
        mass=jnp.asarray((limits[1:] + limits[:-1]) / 2, marks.dtype),
        density=total / cell,
        error=jnp.sqrt(squares) / cell,
        counts=distribution.counts,
        volume=jnp.asarray(volume, marks.dtype),
    )


def mean_in_bins(
    values: ArrayLike,
    of: ArrayLike,
    mask: ArrayLike | None,
    edges: ArrayLike,
) -> Float[Array, "batch bins"]:
    """Mean of the column ``of`` in bins of ``values``, e.g. speed against mass; NaN where empty.

    Args:
        values: ``(batch, points)``.
        of: ``(batch, points)``, in the unit of the mean.
        mask: ``(batch, points)``, True where real; None for all.
        edges: ``(bins + 1,)`` common edges, a host value, in the unit of ``values``.

    Raises:
        InputError: columns of different shapes, or bad edges or mask.
    """
    marks, keep = _check_marks(values, mask)
    other, _ = _check_marks(of, mask)
    if other.shape != marks.shape:
        raise InputError(
            f"expected two columns of one shape, got {marks.shape} and {other.shape}; "
            "take both from the same catalogues"
        )
    limits = jnp.asarray(check_edges(edges, lowest=None), marks.dtype)
    return _mean_in_bins(marks, other, keep, limits)


def _check_marks(
    values: ArrayLike, mask: ArrayLike | None
) -> tuple[Float[Array, "batch points"], Bool[Array, "batch points"]]:
    """The column with zeros in the padding, and a mask that is always there."""
    marks = jnp.asarray(values)
    if marks.ndim != 2:
        raise InputError(
            f"expected a column of shape (batch, points), got {marks.shape}; "
            "pass one column of the padded batch"
        )
    keep = check_mask(mask, marks.shape)
    return jnp.where(keep, marks, 0.0), keep


def _members(
    marks: Float[Array, "batch points"],
    mask: Bool[Array, "batch points"],
    edges: Float[Array, "edges"],
) -> Bool[Array, "batch points bins"]:
    """True where a real point lies in a bin."""
    inside = (marks[..., None] >= edges[:-1]) & (marks[..., None] < edges[1:])
    return inside & mask[..., None]


@jax.jit
def _distribution(
    marks: Float[Array, "batch points"],
    mask: Bool[Array, "batch points"],
    edges: Float[Array, "edges"],
) -> tuple[Array, Array, Array]:
    """Counts, mean and population standard deviation."""
    counts = jnp.sum(_members(marks, mask, edges), axis=1, dtype=jnp.int32)
    mean = masked_mean(marks, mask, 1)
    variance = masked_mean(jnp.square(marks - mean[:, None]), mask, 1)
    return counts, mean, jnp.sqrt(variance)


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
