"""The door of every statistic: arguments are checked here, once, and nowhere behind it.

Values that are known are checked on the host: numbers and not text, missing values, units, shape,
finite in every real row, within reach of the box. A row of padding, where the mask is False, may
hold anything. Traced values, inside ``jit``, ``vmap`` or ``grad``, are not known and pass. Edges
and boxes are checked in :mod:`galgen.statistics.binning`.

**Precision.** What counts, by a comparison that one bit can turn, is *exact* outside a jit: of
whatever type the positions are, separations and cells are those of float64, and the results are
NumPy arrays of 64 bits; they do not depend on the size of a catalogue or on the method. Inside a
jit, and for spectra everywhere, the precision is that of JAX: float32, unless ``jax_enable_x64``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from galgen.arrays import ArrayLike, as_array, library_of
from galgen.errors import InputError

FARTHEST = 100.0
"""Sides of a periodic box beyond which no position is wrapped: it has another unit."""


def is_traced(*values: Any) -> bool:
    """Whether one of the values is known to a transformation of JAX only."""
    return any(isinstance(value, jax.core.Tracer) for value in values)


def evaluate(exact: bool, function: Callable[..., Any], *arguments: Any) -> Any:
    """``function(*arguments)``; if exact, in 64 bits and with NumPy arrays as the result."""
    if not exact:
        return function(*arguments)
    with jax.ensure_compile_time_eval(), jax.enable_x64(True):
        found = jax.tree.map(np.asarray, function(*arguments))
    return jax.tree.map(lambda x: x.astype(np.int64) if x.dtype == np.int32 else x, found)


def shape_of(values: ArrayLike, name: str) -> tuple[int, ...]:
    """The shape of values of any kind."""
    if hasattr(values, "shape"):
        return tuple(values.shape)
    return as_array(values, name).shape


def check_points(
    positions: ArrayLike,
    mask: ArrayLike | None,
    exact: bool = False,
    box: Float[np.ndarray, "3"] | None = None,
    periodic: bool = True,
    name: str = "positions",
) -> tuple[Float[Any, "batch points 3"], Bool[Any, "batch points"]]:
    """Positions with zeros in the padding, and a mask that is always there.

    Args:
        positions: ``(batch, points, 3)`` in Mpc/h.
        mask: ``(batch, points)``; None for all.
        exact: float64 of NumPy; else floats of JAX. Not for traced values.
        box: that positions must be in, where it is open, or near, where it is periodic.
        periodic: whether positions wrap.
        name: of the argument, for errors.

    Raises:
        InputError: positions of another shape or type, missing, not finite or out of reach; a mask
            of another shape or that is not of True and False.
    """
    shape = shape_of(positions, name)
    if len(shape) != 3 or shape[2] != 3:
        raise InputError(
            f"expected {name} of shape (batch, points, 3), got {shape}; add a leading axis with "
            f"{name}[None] for one catalogue"
        )
    keep = check_mask(mask, shape[:2], exact)
    like = np.zeros(0) if exact else None
    points = check_column(positions, keep, name, like, "Mpc/h", vectors=True)
    if box is not None and not is_traced(points):
        _check_reach(points, box, periodic, name)
    return points, keep


def check_column(
    values: ArrayLike,
    mask: Bool[Array | np.ndarray, "batch points"],
    name: str,
    like: Float[Array | np.ndarray, "..."] | None = None,
    unit: str | None = None,
    vectors: bool = False,
) -> Float[Any, "batch points ..."]:
    """A column of floats, finite where real and zero in the padding.

    Args:
        values: of the shape of the mask, and three each for ``vectors``.
        mask: that is always there.
        name: of the argument, for errors.
        like: an array whose library and precision it gets; None for JAX and its own precision.
        unit: that it is wanted in.
        vectors: three numbers each.

    Raises:
        InputError: values of another shape or type, missing, or not finite in a real row.
    """
    shape = shape_of(values, name)
    wanted = (*mask.shape, *((3,) if vectors else ()))
    if shape != wanted:
        raise InputError(
            f"expected {name} of shape {wanted}, got {shape}; "
            + ("take both from the same catalogues" if vectors else "pass one per row")
        )
    label = f"{name} of real points"
    dtype = None if like is None else like.dtype
    if isinstance(values, jax.Array) and not isinstance(like, np.ndarray):
        with _evaluated(values, mask):
            rows = mask[..., None] if vectors else mask
            column = jnp.where(rows, values, 0).astype(dtype or precision_of(values))
        check_finite(column, label)
        return column
    if is_traced(mask):
        rows = mask[..., None] if vectors else mask
        return jnp.where(rows, jnp.asarray(as_array(values, name, unit), dtype), 0.0)
    where = np.asarray(mask)[..., None] if vectors else np.asarray(mask)
    array = as_array(_on_host(values), name, unit, where)
    if array.dtype != np.float32 or isinstance(like, np.ndarray):
        array = array.astype(np.float64, copy=False)
    array = array if where.all() else np.where(where, array, 0.0)
    check_finite(array, label)
    if isinstance(like, np.ndarray):
        return array
    with _evaluated(like):
        return jnp.asarray(array, dtype)


def check_mask(
    mask: ArrayLike | None, shape: Sequence[int], exact: bool = False
) -> Bool[Any, "batch points"]:
    """The mask as booleans, all True for None; of NumPy if exact.

    Raises:
        InputError: a mask of another shape, or of other numbers than 0 and 1.
    """
    library = np if exact else jnp
    if mask is None:
        with _evaluated():
            return library.ones(tuple(shape), bool)
    keep = mask if is_traced(mask) else as_array(_on_host(mask), "mask")
    if tuple(keep.shape) != tuple(shape):
        raise InputError(
            f"expected a mask of shape {tuple(shape)}, got {tuple(keep.shape)}; "
            "pass one entry per row, or None when every row is real"
        )
    known = isinstance(keep, np.ndarray) and keep.dtype != bool
    if known and not np.all((keep == 0) | (keep == 1)):
        raise InputError(
            "expected a mask of True where a row is real and False where not, got other numbers; "
            "were the weights meant? pass weights=..."
        )
    with _evaluated(keep):
        return library.asarray(keep, bool)


def check_weights(
    weights: ArrayLike | None,
    mask: Bool[Array | np.ndarray, "batch points"],
    like: Float[Array | np.ndarray, "..."],
    name: str = "weights",
    negative: bool = True,
) -> Float[Any, "batch points"]:
    """The weights, zero in the padding; ones for None.

    Raises:
        InputError: weights of another shape, missing, not finite, or below zero where the estimator
            has no meaning for that.
    """
    if weights is None:
        return mask.astype(like.dtype)
    column = check_column(weights, mask, name, like)
    if not negative and not is_traced(column) and (lowest := _extremes(column)[0]) < 0:
        raise InputError(
            f"expected {name} of 0 or more, got {lowest:g}; does it mark missing values? drop "
            "those rows"
        )
    return column


def check_finite(values: Array | np.ndarray, name: str) -> None:
    """Refuse NaN and infinity of real rows, where they are known.

    Raises:
        InputError: saying how many there are.
    """
    if is_traced(values) or np.all(np.isfinite(_extremes(values))):
        return
    wrong = int(np.sum(~np.isfinite(np.asarray(values))))
    raise InputError(
        f"expected {name} finite, got NaN or infinity in {wrong} of {values.size}; mask those rows "
        "out, or drop them"
    )


def _evaluated(*values: Any) -> contextlib.AbstractContextManager[Any]:
    """Where values are known, what is made of them is known too: inside a jit as well."""
    return contextlib.nullcontext() if is_traced(*values) else jax.ensure_compile_time_eval()


def _on_host(values: ArrayLike) -> ArrayLike:
    """Arrays of JAX as NumPy's, of a precision that NumPy has."""
    if not isinstance(values, jax.Array):
        return values
    return np.asarray(values.astype(jnp.float32) if values.dtype == jnp.bfloat16 else values)


def precision_of(values: Array | np.ndarray) -> jax.typing.DTypeLike:
    """float32 or float64, for values in any precision."""
    floats = jnp.issubdtype(values.dtype, jnp.floating) and values.dtype.itemsize >= 4
    return values.dtype if floats else jnp.result_type(float)


def _extremes(values: Array | np.ndarray) -> tuple[float, float]:
    """The least and the greatest value; NaN if one is."""
    if not values.size:
        return 0.0, 0.0
    if isinstance(values, jax.Array) and {d.platform for d in values.devices()} == {"cpu"}:
        values = np.asarray(values)  # no copy
    library = library_of(values)
    with _evaluated(values):
        return float(library.min(values)), float(library.max(values))


def _check_reach(
    points: Array | np.ndarray, box: Float[np.ndarray, "3"], periodic: bool, name: str
) -> None:
    """Refuse positions outside an open box, or far from a periodic one: in another unit."""
    low, high = _extremes(points)
    if periodic:
        if max(-low, high) > FARTHEST * box.max():
            raise InputError(
                f"expected {name} within {FARTHEST:g} sides of the box of {short(box)} Mpc/h, got "
                f"{low:g} to {high:g}; check the units (kpc/h?)"
            )
        return
    rounding = float(jnp.finfo(points.dtype).eps)
    if low >= 0 and high <= box.min():
        return
    values = np.asarray(points)
    outside = np.any((values < -rounding * box) | (values > box * (1 + rounding)), axis=-1)
    if np.any(outside):
        raise InputError(
            f"expected {name} in [0, side] of the open box of {short(box)} Mpc/h, got "
            f"{np.count_nonzero(outside)} points outside, from {low:g} to {high:g}; shift them "
            "into it, or drop them"
        )


def short(values: np.ndarray) -> str:
    """At most six values, for a one-line message."""
    shown = ", ".join(f"{value:g}" for value in values.ravel()[:6])
    return f"[{shown}{', ...' if values.size > 6 else ''}]"
