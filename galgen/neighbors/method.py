"""What every way of searching answers."""

from __future__ import annotations

import abc

from jaxtyping import Array, Bool, Float, Int

from galgen.geometry import Geometry


class Method(abc.ABC):
    """A search for nearest neighbours; a frozen dataclass, so that it can be a static argument."""

    @abc.abstractmethod
    def search(
        self,
        positions: Float[Array, "batch points dim"],
        real: Bool[Array, "batch points"],
        k: int,
        geometry: Geometry,
        asking: Int[Array, " some"] | None = None,
    ) -> Int[Array, "batch some k"]:
        """Rows of the ``k`` nearest real points, ``NOBODY`` where there are too few.

        Args:
            positions: of all points.
            real: True where a row is real.
            k: how many.
            geometry: supplies the distance.
            asking: the rows whose neighbours are wanted; None for all.
        """
