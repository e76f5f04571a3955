"""Pairing by rank along a space-filling curve: N log N.

A Hilbert curve visits the cells of the box one after another, each beside the last. The k-th base
point along it travels to the k-th data point. Between the two counts up to a place there is a
difference of order N^(1/2), so partners are that many points apart along the curve and, since a
stretch of m points is m^(1/3) separations across, N^(1/6) separations in space: rows travel
N^(-1/6) of the box, farther than the N^(-1/3) of an optimal assignment, and farther still where the
data are clustered. :class:`~galgen.generative.coupling.bisection.BisectionAssignment` reaches
N^(-1/3) and is not much dearer.

Each draw lays the curve anew. On the torus both clouds are first moved by one uniform shift, so the
law of the pairs is exactly invariant under translations. Then the cube around both clouds is put at
a random place in a curve of twice its side, with its axes permuted and reflected; in an open box,
where a shift has no meaning, that alone keeps the cuts between cells from lying always in one
place.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt32

from galgen.checked import between, checked
from galgen.errors import InputError
from galgen.generative.coupling.base import CloudCoupling
from galgen.generative.paths.path import ProbabilityPath
from galgen.geometry import hilbert_code
from galgen.masking import number_of_points

BITS = 30
"""Of a place along the curve: codes of real rows stay below ``LAST``."""

LAST = np.uint32(2**32 - 1)
"""The place of padded rows."""


@dataclasses.dataclass(frozen=True)
@checked
class SpaceFillingCurve(CloudCoupling):
    """Base and data rows of each cloud paired by rank along a Hilbert curve laid at random.

    Attributes:
        columns: the leading columns that are positions, one to three.
    """

    columns: Annotated[int, between(1, 3)] = 3

    def order(self, key, path, base, data, real):
        check_columns(self.columns, data)

        def solve(key, base, data, real):
            both, both_real = jnp.concatenate([base, data]), jnp.concatenate([real, real])
            places = places_along_curve(key, path, both, both_real, self.columns)
            base_order, data_order = jnp.argsort(places.reshape(2, -1), axis=-1)
            return pair_by_rank(base_order, data_order)

        return jax.vmap(solve)(jax.random.split(key, len(data)), base, data, real)

    def length(self, x, mask):
        """N^(-1/6) of the box."""
        return number_of_points(x, mask) ** (-1.0 / 6.0)


def check_columns(columns: int, data: Float[Array, "batch points features"]) -> None:
    """Raise ValueError if the data have fewer than ``columns`` columns."""
    if data.shape[-1] < columns:
        raise InputError(
            f"expected at least {columns} columns of positions, got data of shape {data.shape}; "
            f"set columns={data.shape[-1]}"
        )


def pair_by_rank(
    base_order: Int[Array, " points"], data_order: Int[Array, " points"]
) -> Int[Array, " points"]:
    """For each data row the base row of the same rank."""
    return jnp.zeros_like(base_order).at[data_order].set(base_order)


def shifted(
    key: jax.Array, path: ProbabilityPath, x: Float[Array, "points features"], columns: int
) -> Float[Array, "points columns"]:
    """The positions, all moved by one uniform shift: another origin of the torus."""
    shift = jnp.zeros(x.shape[-1]).at[:columns].set(jax.random.uniform(key, (columns,)))
    return path.move(x, jnp.broadcast_to(shift, x.shape))[:, :columns]


def places_along_curve(
    key: jax.Array,
    path: ProbabilityPath,
    x: Float[Array, "points features"],
    real: Bool[Array, " points"],
    columns: int,
) -> UInt32[Array, " points"]:
    """Where each row lies along a curve laid at random; padded rows lie at the end."""
    shift_key, place_key, axes_key, sign_key = jax.random.split(key, 4)
    position = shifted(shift_key, path, x, columns)
    lowest = jnp.min(position, axis=0, where=real[:, None], initial=jnp.inf)
    highest = jnp.max(position, axis=0, where=real[:, None], initial=-jnp.inf)
    side = jnp.maximum(jnp.max(highest - lowest), jnp.finfo(x.dtype).tiny)
    unit = 0.5 * ((position - lowest) / side + jax.random.uniform(place_key, (columns,)))
    unit = jnp.where(jax.random.bernoulli(sign_key, 0.5, (columns,)), 1.0 - unit, unit)
    unit = jax.random.permutation(axes_key, unit, axis=1)
    return jnp.where(real, hilbert_code(unit, BITS // columns), LAST)
