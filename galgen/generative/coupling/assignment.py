"""Exact optimal transport between equal numbers of rows: the linear assignment problem.

The permutation pi that makes sum_i C[pi(i), i] least, C the squared geodesic distances. Any
optimal transport plan between two sets of n rows of weight 1/n is a mixture of such permutations
(Birkhoff), so nothing is lost by asking for one. Solved by a shortest augmenting path (Crouse 2016,
IEEE Trans. Aerospace and Electronic Systems 52, 1679), cubic in n.
"""

from __future__ import annotations

import dataclasses
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment

from galgen.checked import NotNegative, between, checked
from galgen.generative.coupling.base import CloudCoupling
from galgen.masking import number_of_points

COST, POWER = 0.084, 2.3
"""Seconds for a cloud of 1,000 points on one core, and the power of their number."""
SLOW = 1.0
"""Seconds a step from which on it is told."""


def assign(
    cost: Float[Array, "batch points points"], real: Bool[Array, "batch points"], threads: int
) -> Int[Array, "batch points"]:
    """For each column of each ``cost``, its row in the assignment of least sum, by the host.

    Rows and columns that are not ``real`` are not looked at, and assigned to each other.
    """

    def solve_all(cost: ArrayLike, real: ArrayLike) -> np.ndarray:
        cost, real = np.asarray(cost), np.asarray(real)
        order = np.tile(np.arange(cost.shape[-1], dtype=np.int32), (len(cost), 1))

        def solve(cloud: int) -> None:
            index = np.flatnonzero(real[cloud])
            row, column = linear_sum_assignment(cost[cloud][np.ix_(index, index)])
            order[cloud, index[column]] = index[row]

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(solve, range(len(cost))))
        return order

    shape = jax.ShapeDtypeStruct(cost.shape[:2], jnp.int32)
    return jax.pure_callback(solve_all, shape, cost, real)


@dataclasses.dataclass(frozen=True)
@checked
class OptimalAssignment(CloudCoupling):
    """Exact optimal transport between the base and data rows of each cloud.

    Solved on the host by ``scipy.optimize.linear_sum_assignment`` (about 16 ms per cloud of 500,
    0.1 s per cloud of 1,000 and 3 to 9 s per cloud of 5,000 on one core), ``threads`` at once.

    Attributes:
        blur: standard deviation, in mean separations, of normal noise added to the base points
            while distances are measured, and only then: 0 is optimal transport, infinity is the
            independent coupling. Blurred, fewer pairs of points are kept apart on the way, and
            small scales are decided later.
        threads: clouds solved at once.
    """

    blur: NotNegative = 0.0
    threads: Annotated[int, between(1, 1024)] = 2

    def order(self, key, path, base, data, real):
        clouds, points = data.shape[:2]
        seconds = COST * (points / 1000) ** POWER * clouds / min(self.threads, clouds)
        if seconds > SLOW:
            warnings.warn(
                f"optimal assignment of {clouds} clouds of {points} points takes about "
                f"{seconds:.2g} s a step; BisectionAssignment() takes a quarter of it or less",
                stacklevel=2,
            )
        seen = base
        if self.blur:
            separation = number_of_points(data, real) ** (-1.0 / 3.0)
            noise = self.blur * separation[:, None, None] * jax.random.normal(key, base.shape)
            seen = path.move(base, noise)
        return assign(jax.vmap(path.squared_distance)(seen, data), real, self.threads)
