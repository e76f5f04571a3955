"""Births with a network and its weights: their rate in cells, and a bound on log p of a catalogue.

The process is told in :mod:`galgen.generative.models.births`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from galgen.periodic import minimum_image
from galgen.types import HostOrDevice

LATEST = 1e-6
"""Least 1 - t: float32 may round t to 1, where nothing is missing."""
LogRate = Callable[..., Float[Array, "batch *cells"]]
"""``log_rate(x, t, mask, condition)``: log r in every cell of a mesh, given the points so far; with
the field that they come from as a fifth, where there is one."""


@dataclasses.dataclass(frozen=True, eq=False)
class TrainedBirths:
    """Births with a network and its weights.

    Attributes:
        log_rate: log r in every cell.
        exclusion: as of :class:`~galgen.generative.Births`.
    """

    log_rate: LogRate
    exclusion: float

    def given_field(
        self, field: Float[HostOrDevice, "batch *cells channels"] | None
    ) -> TrainedBirths:
        """The births of examples that come from this field."""
        if field is None:
            return self

        def log_rate(*inputs):
            return self.log_rate(*inputs, jnp.asarray(field))

        return dataclasses.replace(self, log_rate=log_rate)

    def integrand(
        self,
        key: jax.Array,
        t: Float[Array, " batch"],
        x: Float[Array, "batch points axes"],
        mask: Bool[Array, "batch points"],
        condition: Float[Array, "batch condition"] | None,
    ) -> Float[Array, " batch"]:
        """What is averaged over t in the bound, at one t of each example; its noise is that of
        which points are there, and of one place in every cell where something is excluded."""
        key_there, key_place = jax.random.split(key)
        there = mask & (jax.random.uniform(key_there, mask.shape) < t[:, None])
        missing = mask & ~there
        log_rate = self.log_rate(jnp.where(there[..., None], x, 0.0), t, there, condition)
        shape = log_rate.shape[1:]
        flat = log_rate.reshape(len(x), -1)
        born = jnp.take_along_axis(flat, cells_of(x, shape), axis=1)
        gained = jnp.sum(jnp.where(missing, born, 0.0), axis=1) / jnp.maximum(1.0 - t, LATEST)
        rate = jnp.exp(flat)
        if self.exclusion:
            inside = jax.random.uniform(key_place, (*rate.shape, len(shape)))
            places = (jnp.asarray(corners(shape)) + inside) / shape[0]
            rate = rate * free(places, x, there, self.exclusion)
        return gained - jnp.mean(rate, axis=1)

    def log_density(
        self,
        key: jax.Array,
        x: Float[Array, "batch points axes"],
        mask: Bool[Array, "batch points"] | None = None,
        condition: Float[Array, "batch condition"] | None = None,
        draws: int = 32,
    ) -> LogDensityBound:
        """The bound on log p of whole catalogues, their numbers of points included.

        Args:
            key: of the times and of which points are there.
            x: positions in [0, 1).
            mask: real points; None if all are.
            condition: standardised parameters.
            draws: times, one in each of as many equal parts of [0, 1].
        """
        mask = jnp.ones(x.shape[:2], bool) if mask is None else mask

        def one(pair):
            key, start = pair
            key_time, key_rest = jax.random.split(key)
            t = (start + jax.random.uniform(key_time, (len(x),))) / draws
            return self.integrand(key_rest, t, x, mask, condition)

        keys = jax.random.split(key, draws)
        every = 1.0 + jax.lax.map(one, (keys, jnp.arange(draws)))
        return LogDensityBound(jnp.mean(every, axis=0), jnp.std(every, axis=0) / np.sqrt(draws))


@flax.struct.dataclass
class LogDensityBound:
    """A lower bound on log p, relative to a Poisson process of intensity one in the unit box.

    ===== ============ ==============================================
    field shape        meaning
    ===== ============ ==============================================
    value ``(batch,)`` estimate of the bound, nats
    error ``(batch,)`` its standard error, from above: times are dealt
    ===== ============ ==============================================
    """

    value: Float[Array, " batch"]
    error: Float[Array, " batch"]


def cells_of(
    x: Float[Array, "batch points axes"], shape: tuple[int, ...]
) -> Int[Array, "batch points"]:
    """The flat number of the cell that each point of the unit box lies in."""
    places = jnp.clip(jnp.floor(x * shape[0]).astype(jnp.int32), 0, shape[0] - 1)
    return jnp.ravel_multi_index(tuple(jnp.moveaxis(places, -1, 0)), shape, mode="clip")


def corners(shape: tuple[int, ...]) -> Float[np.ndarray, "cells axes"]:
    """The lowest corner of every cell, in cells."""
    axes = np.meshgrid(*map(np.arange, shape), indexing="ij")
    return np.stack(axes, axis=-1).reshape(-1, len(shape)).astype(np.float32)


def free(
    places: Float[Array, "batch places axes"],
    x: Float[Array, "batch points axes"],
    mask: Bool[Array, "batch points"],
    exclusion: float,
) -> Bool[Array, "batch places"]:
    """Whether no point is nearer to a place than the exclusion, in the periodic unit box."""

    def one(near, point):
        position, real = point
        apart = minimum_image(places - position[:, None])
        return near | (real[:, None] & (jnp.sum(apart**2, axis=-1) < exclusion**2)), None

    start = jnp.zeros(places.shape[:2], bool)
    near, _ = jax.lax.scan(one, start, (jnp.moveaxis(x, 1, 0), mask.T))
    return ~near
