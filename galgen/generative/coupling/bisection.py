"""Pairing by halves: near-optimal transport within a cloud for N log^2 N.

Both clouds are cut at their medians across the first axis, each half across the second, and so on
until a single base point and a single data point are left in each part: those are a pair. Halves
hold equally many points, not equal volumes, so the map follows the density of the data, and a part
of n points is out of place by n^(-1/2) of its own side only. Summed over the cuts this is of order
N^(-1/3), a mean separation, as for the optimal assignment, where a single space-filling curve
reaches N^(-1/6).

What is left is mended by swaps. Pairs are sorted along a space-filling curve laid anew by the
middle of their way, where crossing ways meet, and neighbours along it swap partners if that makes
the sum of their squared displacements less (two-opt). The mean squared displacement is about 2.6 of
the least without sweeps, 1.7 with 16 and 1.55 with 64, for 500 to 5,000 uniform points.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Annotated

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from galgen.checked import Whole, between, checked
from galgen.generative.coupling.base import CloudCoupling
from galgen.generative.coupling.curve import (
    check_columns,
    pair_by_rank,
    places_along_curve,
    shifted,
)
from galgen.generative.paths.path import ProbabilityPath


@dataclasses.dataclass(frozen=True)
@checked
class BisectionAssignment(CloudCoupling):
    """Base and data rows of each cloud paired by halving both, then by swaps of neighbours.

    On the device and without an N x N table. On the cores of a host it takes 4/5 of the time of the
    exact assignment for 128 points, 1/4 for 512, 1/10 for 1,000 and 1/70 or less for 5,000. On the
    torus each draw has its own origin, and so the law of the pairs is exactly invariant under
    translations; in an open box only the order of the axes is drawn.

    Attributes:
        columns: the leading columns that are positions, one to three.
        sweeps: of swaps, each a sort.
    """

    columns: Annotated[int, between(1, 3)] = 3
    sweeps: Whole = 16

    def order(self, key, path, base, data, real):
        check_columns(self.columns, data)

        def solve(key, base, data, real):
            shift_key, axes_key, swap_key = jax.random.split(key, 3)
            both = shifted(shift_key, path, jnp.concatenate([base, data]), self.columns)
            both = jax.random.permutation(axes_key, both, axis=1)
            halves = jax.vmap(by_halves, (0, None))(both.reshape(2, len(base), -1), real)
            order = pair_by_rank(*halves)

            def sweep(order, key):
                return swap_neighbours(key, path, base, data, real, order, self.columns), None

            return jax.lax.scan(sweep, order, jax.random.split(swap_key, self.sweeps))[0]

        return jax.vmap(solve)(jax.random.split(key, len(data)), base, data, real)


def by_halves(
    position: Float[Array, "points columns"], real: Bool[Array, " points"]
) -> Int[Array, " points"]:
    """Rows in the order of their parts after halving down to one row; padded rows at the end.

    The sizes of the parts depend on the number of real rows alone.
    """
    points, columns = position.shape
    place = jnp.arange(points)
    number = jnp.sum(real)
    start = jnp.where(place < number, 0, place)
    size = jnp.where(place < number, number, 1)

    def halve(carry, axis):
        order, start, size = carry
        coordinate = position[order, axis]
        _, _, order = jax.lax.sort((start, coordinate, order), num_keys=2)
        left = size // 2
        in_right = place - start >= left
        start = jnp.where(in_right, start + left, start)
        return (order, start, jnp.where(in_right, size - left, left)), None

    axes = jnp.arange(math.ceil(math.log2(max(points, 2)))) % columns
    (order, _, _), _ = jax.lax.scan(halve, (jnp.argsort(~real), start, size), axes)
    return order


def swap_neighbours(
    key: jax.Array,
    path: ProbabilityPath,
    base: Float[Array, "points features"],
    data: Float[Array, "points features"],
    real: Bool[Array, " points"],
    order: Int[Array, " points"],
    columns: int,
) -> Int[Array, " points"]:
    """``order`` after one sweep of swaps that shorten the way; see the module's docstring."""
    curve_key, parity_key = jax.random.split(key)
    middle = path.interpolate(base[order], data, jnp.full(len(data), 0.5))
    along = jnp.argsort(places_along_curve(curve_key, path, middle, real, columns))
    along = jnp.roll(along, jax.random.randint(parity_key, (), 0, 2))
    one, other = along[: len(along) // 2 * 2].reshape(-1, 2).T

    def cost(base_row, data_row):
        def apart(start, end):
            return path.squared_distance(start[None], end[None])[0, 0]

        return jax.vmap(apart)(base[base_row], data[data_row])

    now = cost(order[one], one) + cost(order[other], other)
    swapped = cost(order[other], one) + cost(order[one], other)
    better = real[one] & real[other] & (swapped < now)
    first, second = order[one], order[other]
    order = order.at[one].set(jnp.where(better, second, first))
    return order.at[other].set(jnp.where(better, first, second))
