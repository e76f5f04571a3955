"""Brute force: the distances of a block of rows to all, reduced to the k smallest, then the next.

With N points and a block of B rows, time N^2 and memory B N.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp

from galgen.checked import Count, checked
from galgen.neighbors.method import Method
from galgen.neighbors.pairs import nearest_of_all


@dataclasses.dataclass(frozen=True)
@checked
class BruteForce(Method):
    """Every pair, by blocks of rows.

    Attributes:
        block: rows, counted over the whole batch, whose distances are held at once.
    """

    block: Count = 512

    def search(self, positions, real, k, geometry, asking=None):
        batch = len(positions)
        asking = jnp.arange(positions.shape[1]) if asking is None else asking
        points = len(asking)
        size = min(points, max(1, self.block // batch))
        blocks = -(-points // size)
        rows = jnp.minimum(jnp.arange(blocks * size), points - 1)
        rows = asking[rows].reshape(blocks, size)

        def search_block(rows):
            return nearest_of_all(positions, real, jnp.tile(rows, (batch, 1)), k, geometry)

        found = jnp.moveaxis(jax.lax.map(search_block, rows), 0, 1)
        return found.reshape(batch, blocks * size, k)[:, :points]
