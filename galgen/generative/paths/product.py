"""Paths side by side: one for each group of columns of the data.

Positions live on the torus, marks such as log mass are Euclidean; a ``ProductPath`` lets each take
its own way at the same time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from galgen.checked import Count, checked
from galgen.errors import InputError
from galgen.generative.paths.path import ProbabilityPath

Tree = TypeVar("Tree")


@dataclasses.dataclass(frozen=True)
@checked
class ProductPath(ProbabilityPath):
    """A path for each consecutive group of columns of the last axis.

    Attributes:
        paths: one per group.
        columns: how many columns each path takes; they add up to the width of the data.

    Couplings see the first group alone, the positions: its distances between rows, and its columns
    are those that travel the coupling's length.
    """

    paths: tuple[ProbabilityPath, ...]
    columns: tuple[Count, ...]

    def __post_init__(self) -> None:
        if len(self.paths) != len(self.columns) or not self.paths:
            raise InputError(
                f"expected one positive number of columns per path, got {len(self.paths)} paths "
                f"and columns={self.columns}; give as many of both"
            )

    def _split(self, x: Float[Array, "*lead features"]) -> list[Float[Array, "*lead group"]]:
        if x.shape[-1] != sum(self.columns):
            raise InputError(
                f"expected {sum(self.columns)} columns (groups of {self.columns}), got "
                f"{x.shape[-1]}; change the path's columns or the data's columns"
            )
        edges = [sum(self.columns[: i + 1]) for i in range(len(self.columns) - 1)]
        return jnp.split(x, edges, axis=-1)

    @property
    def parts(self) -> tuple[ProbabilityPath, ...]:
        return tuple(part for path in self.paths for part in path.parts)

    def _by_group(self, call: Callable[..., Tree], *arrays: Float[Array, "batch *event"]) -> Tree:
        """``call(path, *columns)`` of every group, its arrays side by side."""
        groups = zip(self.paths, *map(self._split, arrays), strict=True)
        results = [call(path, *columns) for path, *columns in groups]
        return jax.tree.map(lambda *parts: jnp.concatenate(parts, axis=-1), *results)

    def _drawn(
        self,
        draw: Callable[[ProbabilityPath, jax.Array, tuple[int, ...]], Float[Array, "..."]],
        key: jax.Array,
        shape: tuple[int, ...],
    ) -> Float[Array, "batch *event"]:
        """``draw(path, key, shape)`` of every group, with a key of its own, side by side."""
        keys = jax.random.split(key, len(self.paths))
        parts = zip(self.paths, self.columns, keys, strict=True)
        return jnp.concatenate([draw(p, k, (*shape[:-1], w)) for p, w, k in parts], axis=-1)

    def sample_base(self, key: jax.Array, shape: tuple[int, ...]) -> Float[Array, "batch *event"]:
        return self._drawn(lambda path, k, s: path.sample_base(k, s), key, shape)

    def sample_start(self, key: jax.Array, shape: tuple[int, ...]) -> Float[Array, "batch *event"]:
        return self._drawn(lambda path, k, s: path.sample_start(k, s), key, shape)

    def log_start(self, x, mask):
        groups = zip(self.paths, self._split(x), strict=True)
        return sum(path.log_start(y, mask) for path, y in groups)

    def displacement_scale(self, length, x):
        first = jnp.arange(x.shape[-1]) < self.columns[0]
        return jnp.where(first, super().displacement_scale(length, x), 1.0)

    def interpolate(self, base, data, t):
        return self._by_group(lambda p, b, d: p.interpolate(b, d, t), base, data)

    def velocity(self, noise, data, t):
        return self._by_group(lambda p, n, d: p.velocity(n, d, t), noise, data)

    def sample(self, key, base, data, t):
        keys = iter(jax.random.split(key, len(self.paths)))
        return self._by_group(lambda p, b, d: p.sample(next(keys), b, d, t), base, data)

    def ends_from_velocity(self, velocity, x, t):
        return self._by_group(lambda p, v, y: p.ends_from_velocity(v, y, t), velocity, x)

    def ends_from_noise(self, noise, x, t):
        return self._by_group(lambda p, n, y: p.ends_from_noise(n, y, t), noise, x)

    def ends_from_data(self, data, x, t):
        return self._by_group(lambda p, d, y: p.ends_from_data(d, y, t), data, x)

    def scales(self, t, x):
        def of_group(path, columns):
            width = columns.shape[-1]
            return [jnp.repeat(scale, width, axis=-1) for scale in path.scales(t, columns)]

        return tuple(self._by_group(of_group, x))

    def log_transition(self, x, data, t):
        groups = zip(self.paths, self._split(x), self._split(data), strict=True)
        return sum(path.log_transition(y, d, t) for path, y, d in groups)

    def renoise(self, key, x, t, earlier):
        keys = iter(jax.random.split(key, len(self.paths)))
        return self._by_group(lambda p, y: p.renoise(next(keys), y, t, earlier), x)

    def move(self, x, step):
        return self._by_group(lambda p, y, s: p.move(y, s), x, step)

    def squared_distance(self, base, data):
        return self.paths[0].squared_distance(self._split(base)[0], self._split(data)[0])
