"""Masked reductions: padding never speaks.

A mask marks the real rows of a padded array. Every function takes ``mask=None`` for "all real",
and reads padded entries through ``jnp.where`` before any arithmetic, so that even a NaN in the
padding changes neither a value nor a gradient.
"""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def broadcast_mask(mask: Bool[Array, "*lead"], x: Float[Array, "*shape"]) -> Bool[Array, "..."]:
    """The mask with trailing axes added until it broadcasts against ``x``."""
    if mask.shape != x.shape[: mask.ndim]:
        raise ValueError(
            f"expected a mask whose shape {mask.shape} leads the shape of the data, "
            f"got data of shape {x.shape}; pass one mask entry per row"
        )
    return mask.reshape(mask.shape + (1,) * (x.ndim - mask.ndim))


def zero_padding(
    x: Float[Array, "*shape"], mask: Bool[Array, "*lead"] | None
) -> Float[Array, "*shape"]:
    """``x`` with padded rows set to zero."""
    return x if mask is None else jnp.where(broadcast_mask(mask, x), x, 0.0)


def masked_sum(
    x: Float[Array, "*shape"], mask: Bool[Array, "*lead"] | None, axis: int | tuple[int, ...]
) -> Float[Array, "..."]:
    """Sum over ``axis`` of the real entries."""
    return jnp.sum(zero_padding(x, mask), axis=axis)


def masked_mean(
    x: Float[Array, "*shape"], mask: Bool[Array, "*lead"] | None, axis: int | tuple[int, ...]
) -> Float[Array, "..."]:
    """Mean over ``axis`` of the real entries; zero where there is none."""
    if mask is None:
        return jnp.mean(x, axis=axis)
    count = jnp.sum(jnp.broadcast_to(broadcast_mask(mask, x), x.shape), axis=axis)
    return masked_sum(x, mask, axis) / jnp.maximum(count, 1)


def number_of_points(
    x: Float[Array, "*lead points features"], mask: Bool[Array, "*lead points"] | None
) -> Float[Array, "*lead"]:
    """Real points per cloud, at least one, as a float."""
    if mask is None:
        return jnp.full(x.shape[:-2], float(x.shape[-2]), x.dtype)
    return jnp.maximum(jnp.sum(mask, axis=-1), 1).astype(x.dtype)
