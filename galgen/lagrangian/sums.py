"""Gaussian sums over haloes, of near ones on the initial grid and where matter is carried to.

A halo at cell q counts at cell c by exp(-d^2 / 2 s^2) for each width s, with d the distance of the
cells or of the places that they are carried to. Only haloes within ``REACH`` cells of the initial
grid count, and a halo never counts at its own cell.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from galgen.lagrangian.layout import NEAR_Q, NEAR_X, REACH
from galgen.types import HostOrDevice

WIDTHS = len(NEAR_Q) + len(NEAR_X)


def contributions(
    steps: Int[HostOrDevice, "*steps 3"],
    moved: Float[Array, "*lead 3"],
    cell: Float[Array, ""] | float,
) -> Float[Array, "*lead widths"]:
    """What haloes count at other cells.

    Args:
        steps: from one cell to the other, in cells; broadcast against the leading axes.
        moved: displacement of one less that of the other [R].
        cell: side of a cell [R].
    """
    squared = jnp.sum(steps**2, axis=-1)
    here = steps * cell
    lengths = jnp.sum(here**2, axis=-1), jnp.sum((here + moved) ** 2, axis=-1)
    counts = ((squared > 0) & (squared <= REACH**2))[..., None]
    found = [
        jnp.exp(-0.5 * length[..., None] / np.square(widths, dtype=np.float32))
        for length, widths in zip(lengths, (NEAR_Q, NEAR_X), strict=True)
    ]
    shape = found[1].shape[:-1]
    both = [jnp.broadcast_to(part, (*shape, part.shape[-1])) for part in found]
    return jnp.where(counts, jnp.concatenate(both, axis=-1), 0.0)


def offsets() -> Int[np.ndarray, "offsets 3"]:
    """The steps to all cells within reach."""
    axis = np.arange(-REACH, REACH + 1)
    steps = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    squared = np.sum(steps**2, axis=1)
    return steps[(squared > 0) & (squared <= REACH**2)].astype(np.int32)
