"""What sums over pairs are made of: points with attributes, and quantities of a pair."""

from __future__ import annotations

import abc
import dataclasses
from typing import ClassVar

import flax.struct
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from galgen.errors import InputError
from galgen.statistics.pairs.bins import Components, PairBins


@flax.struct.dataclass
class Points:
    """A batch of catalogues.

    ========== =============================== =====================================
    field      shape                           meaning
    ========== =============================== =====================================
    positions  ``(batch, points, 3)``          Mpc/h, zero in the padding
    mask       ``(batch, points)``             True where real
    attributes ``(batch, points, attributes)`` numbers of each point, e.g. its weight
    ========== =============================== =====================================
    """

    positions: Float[Array | np.ndarray, "*batch points 3"]
    mask: Bool[Array | np.ndarray, "*batch points"]
    attributes: Float[Array | np.ndarray, "*batch points attributes"]


class PairQuantity(abc.ABC):
    """What is summed over pairs; frozen and hashable, for a program is compiled for it."""

    size: ClassVar[int] = 1
    """How many numbers each pair has."""

    @property
    def parts(self) -> int:
        """Into how many parts every bin is divided."""
        return 1

    @abc.abstractmethod
    def of(self, apart: Components, first: list[Array], second: list[Array]) -> list[Array]:
        """The numbers of each pair, the same when the points are exchanged.

        Args:
            apart: separations, second minus first, Mpc/h.
            first, second: the attributes of both points, one array for each.
        """

    def into(
        self, index: Int[Array, "*pairs"], first: list[Array], second: list[Array]
    ) -> list[Array]:
        """The places ``index * parts + part`` that each pair is added to, given its bin."""
        return [index]


@dataclasses.dataclass(frozen=True)
class Product(PairQuantity):
    """Weighted counts: the product of the first attribute of both points."""

    def of(self, apart, first, second):
        return [first[0] * second[0]]


@dataclasses.dataclass(frozen=True)
class RegionProduct(PairQuantity):
    """The product of weights, added to the regions that a pair touches and to the total.

    Attributes:
        regions: how many. The second attribute of a point is its region.
    """

    regions: int

    @property
    def parts(self) -> int:
        return self.regions + 1

    def of(self, apart, first, second):
        return [first[0] * second[0]]

    def into(self, index, first, second):
        one, other = (columns[1].astype(jnp.int32) for columns in (first, second))
        nowhere = jnp.iinfo(jnp.int32).max
        start = index * self.parts
        return [start + self.regions, start + one, jnp.where(one == other, nowhere, start + other)]


@dataclasses.dataclass(frozen=True)
class RadialVelocity(PairQuantity):
    """u and u² with u = (v_2 - v_1) . r_hat, zero for two points at one place."""

    size = 2

    def of(self, apart, first, second):
        squared = sum(a * a for a in apart)
        motion = sum((b - a) * r for a, b, r in zip(first, second, apart, strict=True))
        u = motion / jnp.sqrt(jnp.where(squared > 0, squared, 1.0))
        return [u, u * u]


def check_reach(bins: PairBins, box: Float[np.ndarray, "3"], periodic: bool) -> None:
    """Refuse separations whose nearest image is not unique.

    Raises:
        InputError: periodic, and the last edge is not below half the shortest side.
    """
    if periodic and bins.extent >= box.min() / 2:
        raise InputError(
            f"expected the last edge below half the shortest box side, {box.min() / 2:g} Mpc/h, "
            f"got {bins.extent:g}; lower the last edge, or pass periodic=False for an open box"
        )
