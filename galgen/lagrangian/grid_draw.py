"""One draw of haloes from a linear field."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from galgen.data.encoding import Draw
from galgen.data.field import Field
from galgen.lagrangian.grid import GridUnits, LagrangianGrid
from galgen.lagrangian.layout import INPUTS
from galgen.simulation.cosmology import Cosmology
from galgen.simulation.phases import SeededField
from galgen.types import Batch


@dataclasses.dataclass(frozen=True)
class GridSource:
    """A field and how it is read, from which its grid is made when it is needed.

    Attributes:
        field: or how it is made.
        cosmology: that it is of.
        minimum_mass: least mass of a halo [Msun/h].
        units: scales of the grid.
        redshift: of the haloes.
    """

    field: Field | SeededField
    cosmology: Cosmology
    minimum_mass: float
    units: GridUnits
    redshift: float


@dataclasses.dataclass(frozen=True)
class GridDraw(Draw):
    """One catalogue to be drawn from a field.

    Attributes:
        source: of its grid; None for none yet.
        heaviest: how many haloes are kept; None for all above the least mass.
        extrapolate: whether it may be unlike training.
    """

    source: GridSource | None = None
    heaviest: int | None = None
    extrapolate: bool = False

    @property
    def grid(self) -> LagrangianGrid:
        """The Lagrangian grid of the field."""
        assert self.source is not None
        return _grid_of(self.source)

    @property
    def blank(self) -> Batch:
        x = np.zeros(self.shape, np.float32)
        if self.source is None:
            field, condition = np.zeros((1, 8, 8, 8, INPUTS + 24), np.float32), np.ones((1, 3))
            return Batch(x, None, condition.astype(np.float32), field=field)
        return Batch(x, None, self.condition, field=self.grid.inputs()[None])

    @property
    def field_digest(self) -> bytes:
        assert self.source is not None
        return self.source.field.digest


@functools.lru_cache(maxsize=1)
def _grid_of(source: GridSource) -> LagrangianGrid:
    given = source.field
    field = given.made() if isinstance(given, SeededField) else given
    return LagrangianGrid.of(
        field, source.cosmology, source.minimum_mass, source.units, source.redshift
    )
