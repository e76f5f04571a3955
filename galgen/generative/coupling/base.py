"""The interface of couplings, the one that does nothing, and a base for those of clouds."""

from __future__ import annotations

import abc
import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from galgen.checked import checked
from galgen.errors import InputError
from galgen.generative.paths.path import ProbabilityPath
from galgen.masking import number_of_points


class Coupling(abc.ABC):
    """Pairs a base draw with data."""

    @abc.abstractmethod
    def __call__(
        self,
        key: jax.Array,
        path: ProbabilityPath,
        base: Float[Array, "batch *event"],
        data: Float[Array, "batch *event"],
        mask: Bool[Array, "batch points"] | None,
        condition: Float[Array, "batch condition"] | None = None,
    ) -> Float[Array, "batch *event"]:
        """The base draw, rearranged so that row i travels to row i of the data."""

    def length(
        self, x: Float[Array, "batch *event"], mask: Bool[Array, "batch points"] | None
    ) -> Float[Array, " batch"]:
        """How far a row travels, to order of magnitude, in model space; one per example."""
        return jnp.ones(len(x), x.dtype)

    def unit(
        self,
        path: ProbabilityPath,
        x: Float[Array, "batch *event"],
        mask: Bool[Array, "batch points"] | None,
    ) -> Float[Array, "..."]:
        """How far each column of each example travels along ``path``, to order of magnitude."""
        return path.displacement_scale(self.length(x, mask), x)


@dataclasses.dataclass(frozen=True)
@checked
class Independent(Coupling):
    """Base and data paired as they come."""

    def __call__(self, key, path, base, data, mask, condition=None):
        return base


class CloudCoupling(Coupling):
    """Permutes the base rows of each cloud; padded rows stay where they are.

    A condition belongs to a whole cloud, and base rows do not depend on it: it changes nothing.
    """

    def __call__(self, key, path, base, data, mask, condition=None):
        if data.ndim != 3:
            raise InputError(
                f"expected clouds of shape (batch, points, features), got {data.shape}; use "
                "Independent() or MinibatchTransport() for data that are not clouds"
            )
        precise = jnp.promote_types(data.dtype, jnp.float32)
        seen, target = base.astype(precise), data.astype(precise)
        # A diffusion refuses here, also where no distance is needed: its noise has no place.
        path.squared_distance(seen[0, :1], target[0, :1])
        real = jnp.ones(data.shape[:2], bool) if mask is None else mask
        order = self.order(key, path, seen, target, real)
        return jnp.take_along_axis(base, order[..., None], axis=1)

    @abc.abstractmethod
    def order(
        self,
        key: jax.Array,
        path: ProbabilityPath,
        base: Float[Array, "batch points features"],
        data: Float[Array, "batch points features"],
        real: Bool[Array, "batch points"],
    ) -> Int[Array, "batch points"]:
        """For each data row, the base row that travels to it: a permutation of the real rows."""

    def length(self, x, mask):
        """The mean separation of points."""
        return number_of_points(x, mask) ** (-1.0 / 3.0)
