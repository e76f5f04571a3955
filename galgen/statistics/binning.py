"""Bins, argument checks, and the mean over an ensemble with its jackknife error.

Bins are half open, ``[edge_i, edge_{i+1})``, as in Corrfunc. Edges and boxes are host values: they
set the shape of a compiled program, so they are checked once, in float64, before it is entered.

The ratio of ensemble sums and its delete-one jackknife (Norberg et al. 2009, MNRAS 396, 19, eq. 3),
for ``n`` catalogues with numerators ``a_i`` and denominators ``b_i``::

    R = sum_i a_i / sum_i b_i,   R_(j) = sum_{i != j} a_i / sum_{i != j} b_i
    C = (n - 1)/n  sum_j (R_(j) - <R_(j)>) (R_(j) - <R_(j)>)^T

With equal denominators C is the sample covariance divided by n, so it is the covariance **of the
mean**; that of one catalogue is n times larger. The catalogues must be independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from galgen.errors import InputError

ArrayLike = jax.typing.ArrayLike | Sequence[Any]
"""Numbers, nested lists of them, or arrays of NumPy or JAX: whatever is checked and converted."""


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
    above = np.asarray(numerators, np.float64)
    below = np.broadcast_to(np.asarray(denominators, np.float64), above.shape)
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
    values = np.asarray(values, np.float64)
    return jackknife_ratio(values, np.ones_like(values))


def check_edges(
    edges: ArrayLike, name: str = "edges", lowest: float | None = 0.0
) -> Float[np.ndarray, "edges"]:
    """The edges in float64.

    Raises:
        InputError: not one-dimensional, fewer than two, not finite, not strictly increasing, or
            below ``lowest``.
    """
    edges = np.asarray(edges, np.float64)
    if edges.ndim != 1 or edges.size < 2:
        raise InputError(
            f"expected {name} of shape (bins + 1,) with at least one bin, got {edges.shape}; "
            "pass an increasing list such as numpy.linspace(1, 30, 16)"
        )
    if not np.all(np.isfinite(edges)) or np.any(np.diff(edges) <= 0):
        raise InputError(
            f"expected {name} finite and strictly increasing, got {_short(edges)}; sort them and "
            "remove repeats"
        )
    if lowest is not None and edges[0] < lowest:
        raise InputError(
            f"expected {name} not below {lowest:g}, got {edges[0]:g}; start them at {lowest:g}"
        )
    return edges


def check_multipoles(multipoles: Sequence[int]) -> tuple[int, ...]:
    """The multipoles of a power spectrum as a tuple.

    Raises:
        InputError: others than 0, 2, 4, one twice, or none.
    """
    chosen = tuple(multipoles)
    if not chosen or len(set(chosen)) != len(chosen) or not set(chosen) <= {0, 2, 4}:
        raise InputError(f"expected multipoles among 0, 2, 4, each once, got {chosen}; pass (0, 2)")
    return chosen


def check_box(box: ArrayLike) -> Float[np.ndarray, "3"]:
    """The three sides in float64; one number means a cube.

    Raises:
        InputError: not one or three sides, or a side that is not positive.
    """
    sides = np.asarray(box, np.float64)
    if sides.shape not in ((), (1,), (3,)):
        raise InputError(
            f"expected a box of 3 sides in Mpc/h, got shape {sides.shape}; measure catalogues of "
            "different boxes in separate calls"
        )
    if not np.all(np.isfinite(sides)) or np.any(sides <= 0):
        raise InputError(
            f"expected positive box sides in Mpc/h, got {_short(np.atleast_1d(sides))}; "
            "pass e.g. (100, 100, 100)"
        )
    return np.array(np.broadcast_to(sides, (3,)))


def check_points(
    positions: ArrayLike, mask: ArrayLike | None
) -> tuple[Float[Array, "batch points 3"], Bool[Array, "batch points"]]:
    """Floating-point positions with zeros in the padding, and a mask that is always there.

    Raises:
        InputError: positions that are not ``(batch, points, 3)``, or a mask of another shape.
    """
    points = jnp.asarray(positions)
    if points.ndim != 3 or points.shape[-1] != 3:
        raise InputError(
            f"expected positions of shape (batch, points, 3), got {points.shape}; "
            "add a leading axis with positions[None] for one catalogue"
        )
    if not jnp.issubdtype(points.dtype, jnp.floating):
        points = points.astype(jnp.result_type(float))
    keep = check_mask(mask, points.shape[:2])
    return jnp.where(keep[..., None], points, 0.0), keep


def check_mask(mask: ArrayLike | None, shape: Sequence[int]) -> Bool[Array, "batch points"]:
    """The mask as booleans, all True for None.

    Raises:
        InputError: a mask of another shape.
    """
    if mask is None:
        return jnp.ones(tuple(shape), bool)
    keep = jnp.asarray(mask, bool)
    if keep.shape != tuple(shape):
        raise InputError(
            f"expected a mask of shape {tuple(shape)}, got {keep.shape}; "
            "pass one entry per row, or None when every row is real"
        )
    return keep


def check_weights(
    weights: ArrayLike | None, mask: Bool[Array, "batch points"], dtype: jax.typing.DTypeLike
) -> Float[Array, "batch points"]:
    """The weights, zero in the padding; ones for None.

    Raises:
        InputError: weights of another shape than the mask.
    """
    if weights is None:
        return mask.astype(dtype)
    given = jnp.asarray(weights, dtype)
    if given.shape != mask.shape:
        raise InputError(
            f"expected weights of shape {mask.shape}, got {given.shape}; "
            "pass one per row, or None for one each"
        )
    return jnp.where(mask, given, 0.0)


def check_finite(values: Array | np.ndarray, name: str) -> None:
    """Refuse NaN and infinity, where the value is known: not inside a jit.

    Raises:
        InputError: a value that is not finite.
    """
    if not isinstance(values, jax.core.Tracer) and not np.all(np.isfinite(np.asarray(values))):
        raise InputError(
            f"expected {name} finite, got NaN or infinity; mask those rows out or mend them"
        )


def wrap_into_box(
    positions: Float[Array, "*shape 3"], box: Float[Array, "3"]
) -> Float[Array, "*shape 3"]:
    """Positions modulo the box, in [0, side]; a position already inside keeps every bit."""
    return positions - box * jnp.floor(positions / box)


def count_real(mask: Bool[Array, "batch points"], dtype: jax.typing.DTypeLike) -> Array:
    """Real points per catalogue ``(batch,)``, as a float that is exact below 1.6e7."""
    return jnp.sum(mask, axis=-1).astype(dtype)


def _short(values: np.ndarray) -> str:
    """At most six values, for a one-line message."""
    shown = ", ".join(f"{value:g}" for value in values.ravel()[:6])
    return f"[{shown}{', ...' if values.size > 6 else ''}]"
