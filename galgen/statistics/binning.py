"""Edges, boxes, and the mean over an ensemble with its jackknife error.

Bins are half open, ``[edge_i, edge_{i+1})``, as in Corrfunc. Edges and boxes are host values: they
set the shape of a compiled program, so they are checked once, in float64, before it is entered. A
separation within 1e-11 of an edge is at the edge, and so in the bin above it, whatever its
rounding: points on a lattice are counted by integers.

The ratio of ensemble sums and its delete-one jackknife (Norberg et al. 2009, MNRAS 396, 19, eq. 3),
for ``n`` catalogues with numerators ``a_i`` and denominators ``b_i``::

    R = sum_i a_i / sum_i b_i,   R_(j) = sum_{i != j} a_i / sum_{i != j} b_i
    C = (n - 1)/n  sum_j (R_(j) - <R_(j)>) (R_(j) - <R_(j)>)^T

With equal denominators C is the sample covariance divided by n, so it is the covariance **of the
mean**; that of one catalogue is n times larger. The catalogues must be independent.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from galgen.arrays import ArrayLike, as_array
from galgen.errors import InputError
from galgen.statistics.arguments import short


@flax.struct.dataclass
class EnsembleMean:
    """A statistic of an ensemble of catalogues, on the host in float64.

    ========== ================ =====================================================
    field      shape            meaning
    ========== ================ =====================================================
    mean       ``(*shape)``     the statistic, in its own unit
    error      ``(*shape)``     standard error of the mean
    covariance ``(size, size)`` covariance of the mean, over ``mean`` flattened
    number     int              catalogues that entered
    ========== ================ =====================================================
    """

    mean: Float[np.ndarray, "*shape"]
    error: Float[np.ndarray, "*shape"]
    covariance: Float[np.ndarray, "size size"]
    number: int = flax.struct.field(pytree_node=False)


def jackknife_ratio(numerators: ArrayLike, denominators: ArrayLike) -> EnsembleMean:
    """Ratio of the sums over catalogues (the leading axis), with its delete-one jackknife.

    Args:
        numerators: ``(catalogues, *shape)``.
        denominators: the same shape, or one that broadcasts to it.

    Raises:
        InputError: fewer than two catalogues, or a bin that one catalogue alone fills.
    """
    above = as_array(numerators, "numerators").astype(np.float64)
    below = as_array(denominators, "denominators").astype(np.float64)
    below = np.broadcast_to(below, above.shape)
    number = above.shape[0]
    if number < 2:
        raise InputError(
            f"expected at least 2 catalogues for a jackknife error, got {number}; add catalogues"
        )
    below_without = below.sum(axis=0) - below
    if np.any(below_without <= 0):
        raise InputError(
            "expected every bin filled by at least 2 catalogues, got a zero denominator; "
            "widen the bins or drop the empty catalogues"
        )
    without = (above.sum(axis=0) - above) / below_without
    difference = (without - without.mean(axis=0)).reshape(number, -1)
    covariance = (number - 1) / number * difference.T @ difference
    error = np.sqrt(np.diag(covariance)).reshape(above.shape[1:])
    return EnsembleMean(
        mean=above.sum(axis=0) / below.sum(axis=0),
        error=error,
        covariance=covariance,
        number=number,
    )


def ensemble_mean(values: ArrayLike) -> EnsembleMean:
    """Mean over catalogues (the leading axis) with the error and covariance of the mean."""
    values = as_array(values, "values").astype(np.float64)
    return jackknife_ratio(values, np.ones_like(values))


def check_edges(
    edges: ArrayLike, name: str = "edges", lowest: float | None = 0.0, unit: str | None = None
) -> Float[np.ndarray, "edges"]:
    """The edges in float64.

    Raises:
        InputError: not one-dimensional, fewer than two, not finite, not strictly increasing, or
            below ``lowest``.
    """
    limits = as_array(edges, name, unit).astype(np.float64)
    if limits.ndim != 1 or limits.size < 2:
        raise InputError(
            f"expected {name} of shape (bins + 1,) with at least one bin, got {limits.shape}; "
            "pass an increasing list such as numpy.linspace(1, 30, 16)"
        )
    if not np.all(np.isfinite(limits)) or np.any(np.diff(limits) <= 0):
        raise InputError(
            f"expected {name} finite and strictly increasing, got {short(limits)}; sort them and "
            "remove repeats"
        )
    if lowest is not None and limits[0] < lowest:
        raise InputError(
            f"expected {name} not below {lowest:g}, got {limits[0]:g}; start them at {lowest:g}"
        )
    return limits


def edges_like(edges: Float[np.ndarray, "edges"], values: ArrayLike) -> Float[np.ndarray, "edges"]:
    """Edges in the precision of the values that they divide, as float64.

    A float32 value that was written as 12.7 is at an edge of 12.7, and not below it.
    """
    dtype = getattr(values, "dtype", None)
    if dtype is None or dtype.kind != "f" or dtype.itemsize >= 8:
        return edges
    return edges.astype(dtype.newbyteorder("=")).astype(np.float64)


def rounding_of(values: ArrayLike) -> float:
    """The relative rounding of values as they were given."""
    dtype = getattr(values, "dtype", np.dtype(np.float64))
    return float(jnp.finfo(dtype if dtype.kind == "f" else np.float64).eps)


def check_multipoles(multipoles: Sequence[int]) -> tuple[int, ...]:
    """The multipoles of a power spectrum as a tuple.

    Raises:
        InputError: others than 0, 2, 4, one twice, or none.
    """
    chosen = tuple(multipoles)
    if not chosen or len(set(chosen)) != len(chosen) or not set(chosen) <= {0, 2, 4}:
        raise InputError(f"expected multipoles among 0, 2, 4, each once, got {chosen}; pass (0, 2)")
    return chosen


def check_whole(number: Any, low: int, high: int, wanted: str, remedy: str) -> int:
    """A whole number as an int; ``wanted`` says in an error what it should be.

    Raises:
        InputError: not whole, or not from ``low`` to ``high``.
    """
    try:
        whole = operator.index(number)
    except TypeError:
        whole = int(number) if isinstance(number, float) and number == round(number) else low - 1
    if not low <= whole <= high:
        raise InputError(f"expected {wanted}, got {number}; {remedy}")
    return whole


def check_box(box: ArrayLike) -> Float[np.ndarray, "3"]:
    """The three sides in float64; one number means a cube.

    Raises:
        InputError: not one or three sides, or a side that is not positive.
    """
    sides = as_array(box, "box", "Mpc/h").astype(np.float64)
    if sides.shape not in ((), (1,), (3,)):
        raise InputError(
            f"expected a box of 3 sides in Mpc/h, got shape {sides.shape}; measure catalogues of "
            "different boxes in separate calls"
        )
    if not np.all(np.isfinite(sides)) or np.any(sides <= 0):
        raise InputError(
            f"expected positive box sides in Mpc/h, got {short(np.atleast_1d(sides))}; "
            "pass e.g. (100, 100, 100)"
        )
    return np.array(np.broadcast_to(sides, (3,)))


AT_EDGE = 1e-11
"""A separation this close below an edge, relative to it, is at the edge."""


def reached_from(edges: ArrayLike) -> Float[np.ndarray, "..."]:
    """From where on a number is at an edge or above it."""
    return np.asarray(np.asarray(edges, np.float64) * (1 - AT_EDGE))


def count_real(mask: Bool[Array, "batch points"], dtype: jax.typing.DTypeLike) -> Array:
    """Real points per catalogue ``(batch,)``, as a float that is exact below 1.6e7."""
    return jnp.sum(mask, axis=-1).astype(dtype)
