"""Which bin a number is in, and how many numbers are in each, without a search.

No root is taken: squares of separations are compared with squared edges. The leading bits of a
positive float grow with it, so they are an address in a table of how many edges lie below such
numbers. Cells of the table are fine enough that none holds two edges, and one comparison with the
next edge does the rest. The result is exactly that of a comparison with every edge. Where only
counts are asked for, of few edges, comparing with all of them is faster still: :func:`count_above`.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int


def digitize(values: Float[Array, "*shape"], edges: Float[np.ndarray, "edges"]) -> Array:
    """How many of the increasing ``edges`` are at or below each of the ``values``, none negative.

    Edges are taken in the precision of the values, as a comparison would.
    """
    limits = edges.astype(values.dtype)
    coarse = limits.astype(np.float32).astype(np.float64)
    first = int(np.argmax(coarse > 0))
    if coarse[first] <= 0:
        return jnp.sum(values[..., None] >= limits, axis=-1, dtype=jnp.int32)
    shift = _widest_shift(coarse[first:])
    low, high = (int(pattern) >> shift for pattern in _bits(coarse)[[first, -1]])
    low = max(low - 1, 0)  # its own cell for what is below the first edge
    starts = (np.arange(low, high + 2, dtype=np.int64) << shift).astype(np.int32)
    table = np.searchsorted(limits, starts.view(np.float32).astype(limits.dtype), side="right")
    pattern = jax.lax.bitcast_convert_type(values.astype(jnp.float32), jnp.int32)
    cell = jnp.clip((pattern >> shift) - low, 0, len(table) - 1)
    guess = jnp.asarray(table.astype(np.int32))[cell]
    above = jnp.asarray(np.append(limits, np.inf).astype(limits.dtype))[guess]
    guess = guess + (values >= above)
    if values.dtype == jnp.float32:
        return guess
    # The address of a float64 is that of the nearest float32, which may lie beyond an edge.
    below = jnp.asarray(np.append(-np.inf, limits).astype(limits.dtype))[guess]
    return guess - (values < below)


def count_above(
    values: Float[Array, "*lead rows columns"], edges: Float[np.ndarray, "edges"]
) -> Int[Array, " edges"]:
    """How many of the ``values`` are at or above each of the ``edges``.

    Counts of several edges share one word, a few bits each, so that one sum over the rows adds them
    all: a third of the time of adding every value to its bin, and no two additions collide.
    """
    rows = values.shape[-2]
    if rows >= 2**16:
        raise ValueError(f"expected fewer than {2**16} rows, got {rows}; use smaller tiles")
    bits = 8 if rows < 2**8 else 16
    limits = edges.astype(values.dtype)
    groups = [limits[start : start + 32 // bits] for start in range(0, len(limits), 32 // bits)]
    words = tuple(
        sum(
            jnp.where(values >= limit, jnp.uint32(1 << (bits * place)), jnp.uint32(0))
            for place, limit in enumerate(group)
        )
        for group in groups
    )
    add = functools.partial(jax.tree.map, jnp.add)
    sums = jax.lax.reduce(words, (jnp.uint32(0),) * len(words), add, (values.ndim - 2,))
    low = jnp.uint32(2**bits - 1)
    counts = [
        jnp.sum((word >> jnp.uint32(bits * place)) & low, dtype=jnp.uint32)
        for word, group in zip(sums, groups, strict=True)
        for place in range(len(group))
    ]
    return jnp.stack(counts).astype(jnp.int32)


def _bits(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32).view(np.int32)


def _widest_shift(edges: Float[np.ndarray, "edges"]) -> int:
    """The most bits that can be dropped with no two edges at one address."""
    for shift in range(20, 0, -2):
        address = _bits(edges) >> shift
        if np.all(np.diff(address) > 1):
            return shift
    return 0
