"""The haloes of a catalogue on the Lagrangian grid of its field."""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float32, Int

from galgen.data.catalogue import POSITIONS, VELOCITIES, Catalogue
from galgen.data.field import Field
from galgen.errors import InputError
from galgen.lagrangian.grid import GridUnits, LagrangianGrid
from galgen.lagrangian.layout import REACH
from galgen.simulation.cosmology import Cosmology

COLUMNS_READ = (*POSITIONS, *VELOCITIES, "mass")
"""What a catalogue must have."""


@dataclasses.dataclass(frozen=True, eq=False)
class HaloTable:
    """The haloes of one catalogue on the grid of its field.

    ============ =============== ============================================================
    field        shape           meaning
    ============ =============== ============================================================
    grid                         of the field
    cells        ``(points, 3)`` that haloes come from; no two from one
    offset       ``(points, 3)`` x less where the middle of the cell is carried to [R]
    log_mass     ``(points,)``   ln(M / least mass)
    speed        ``(points, 3)`` v / (f a H) less that of second-order theory [R]
    cosmology                    of the catalogue
    minimum_mass scalar          [Msun/h]
    redshift     scalar          of the haloes
    dropped      int             haloes of a cell that has a heavier one
    ============ =============== ============================================================
    """

    grid: LagrangianGrid
    cells: Int[np.ndarray, "points 3"]
    offset: Float32[np.ndarray, "points 3"]
    log_mass: Float32[np.ndarray, " points"]
    speed: Float32[np.ndarray, "points 3"]
    cosmology: Cosmology
    minimum_mass: float
    redshift: float
    dropped: int

    @classmethod
    def of(
        cls, catalogue: Catalogue, field: Field, minimum_mass: float, units: GridUnits
    ) -> HaloTable:
        """Haloes above a mass, 0 for all of them.

        Raises:
            InputError: an open box or one that is no cube, columns that are missing, no halo, or
                a box that is too small.
        """
        lacking = [name for name in COLUMNS_READ if name not in catalogue.columns]
        if lacking or not catalogue.periodic or len(set(catalogue.box)) > 1:
            raise InputError(
                "expected haloes with velocities and masses in a periodic cube, got "
                f"{'no ' + ', '.join(lacking) if lacking else f'a box of {catalogue.box}'}; write "
                "the suite with them"
            )
        mass = catalogue.columns["mass"].astype(np.float64)
        if not minimum_mass and len(mass):
            minimum_mass = float(mass.min())
        order = np.argsort(-mass, kind="stable")
        order = order[mass[order] >= minimum_mass]
        if not len(order):
            raise InputError(
                f"expected haloes above {minimum_mass:.3g} Msun/h, got none of {len(mass)}; lower "
                "--data.minimum-masses"
            )
        cosmology = Cosmology.of(catalogue.cosmology)
        grid = LagrangianGrid.of(field, cosmology, minimum_mass, units, catalogue.redshift)
        if grid.mesh < 2 * REACH + 8:
            raise InputError(
                f"expected boxes of {(2 * REACH + 8) * grid.cell * grid.radius:.0f} Mpc/h or more "
                f"for haloes above {minimum_mass:.3g} Msun/h, got {grid.box:g}; take larger boxes"
            )
        x = catalogue.positions[order].astype(np.float64)
        cells = grid.origins(x)
        flat = np.ravel_multi_index(tuple(cells.T), (grid.mesh,) * 3)
        alone = np.sort(np.unique(flat, return_index=True)[1])
        dropped = len(order) - len(alone)
        order, cells, x = order[alone], cells[alone], x[alone]
        size = grid.box / grid.radius
        offset = x / grid.radius - grid.carried(cells)
        offset -= size * np.round(offset / size)
        unit = cosmology.growth_rate(catalogue.redshift)
        unit *= cosmology.comoving_hubble(catalogue.redshift)
        speed = catalogue.velocities[order] / (unit * grid.radius)
        return cls(
            grid,
            cells,
            offset.astype(np.float32),
            np.log(mass[order] / minimum_mass).astype(np.float32),
            (speed - grid.speed[(slice(None), *cells.T)].T).astype(np.float32),
            cosmology,
            minimum_mass,
            catalogue.redshift,
            dropped,
        )

    def small(self) -> HaloTable:
        """The same with a grid of half the precision, and without its speeds."""
        kept = {
            name: getattr(self.grid, name).astype(np.float16)
            for name in ("density", "spheres", "waves", "displacement")
        }
        none = np.zeros((3, 0, 0, 0), np.float32)
        return dataclasses.replace(self, grid=dataclasses.replace(self.grid, **kept, speed=none))
