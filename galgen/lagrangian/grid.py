r"""The Lagrangian grid: where matter was, and what a network sees of it.

Haloes form where the initial field is high, so a network reads the linear field on the initial
grid q, and second-order Lagrangian perturbation theory carries what it says to x = q + psi(q). All
is in units that make cosmologies alike: lengths in R, the Lagrangian radius of the least mass,
M = (4 pi / 3) rho_m R^3, and densities in sigma(R), the linear rms in spheres of R. Cells are a
fixed fraction of R, so a grid follows the mass limit and the cosmology, and no number depends on
the size of the box.

Cells come in blocks of 2^3, which the network reads together. Point (i, j, l) of the grid is the
middle of a cell, as of every mesh of galgen.
"""

from __future__ import annotations

import dataclasses
import functools
import math

import numpy as np
import scipy
from jaxtyping import Float, Float32, Int

from galgen.checked import Positive, checked
from galgen.cosmology.transfer import top_hat
from galgen.data.field import Field
from galgen.errors import InputError
from galgen.lagrangian.layout import CELL
from galgen.simulation.cosmology import Cosmology
from galgen.simulation.initial_field import (
    LinearField,
    first_displacement,
    interpolate,
    lagrangian_displacement,
)
from galgen.simulation.linear_power import LinearPower
from galgen.types import HostOrDevice

INVERSIONS = 40
"""Steps of the damped fixed point q <- q + (x - q - psi(q)) / 2."""


@dataclasses.dataclass(frozen=True)
@checked
class GridUnits:
    """Scales of the grid, in units of R.

    Attributes:
        cell: side of a cell, nearly: an even number of them fills the box.
        smoothing: standard deviation of the Gaussian that displacements are smoothed by.
        spheres: radii of the top-hats that the field is averaged in.
        waves: smoothings of further displacements, which the network sees relative to the first.
    """

    cell: Positive = CELL
    smoothing: Positive = 0.76
    spheres: tuple[Positive, ...] = (0.68, 1.0, 1.52, 3.04)
    waves: tuple[Positive, ...] = (0.3, 1.4, 3.0)

    def mesh(self, box: float, radius: float) -> int:
        """Cells per side, even.

        Args:
            box: side [Mpc/h].
            radius: R [Mpc/h].
        """
        return 2 * max(1, round(box / (2 * self.cell * radius)))


@dataclasses.dataclass(frozen=True, eq=False)
class LagrangianGrid:
    """What a network sees of one field, and what carries its answer to haloes.

    ============ ============================== ===================================================
    field        shape                          meaning
    ============ ============================== ===================================================
    density      ``(mesh, mesh, mesh)``         linear, in units of sigma(R)
    spheres      ``(4, half, half, half)``      the same in top-hats, means of blocks
    waves        ``(9, half, half, half)``      displacements smoothed otherwise less the first
                                                three, in R, means of blocks
    displacement ``(3, mesh, mesh, mesh)``      psi, smoothed, in R
    speed        ``(3, mesh, mesh, mesh)``      f_1 psi_1 + f_2 psi_2 over f_1, in R
    box          scalar                         side [Mpc/h]
    radius       scalar                         R [Mpc/h]
    shape        ``(2,)``                       ln sigma(R) and d ln sigma / d ln R
    ============ ============================== ===================================================
    """

    density: Float[np.ndarray, "mesh mesh mesh"]
    spheres: Float[np.ndarray, "spheres half half half"]
    waves: Float[np.ndarray, "waves half half half"]
    displacement: Float[np.ndarray, "3 mesh mesh mesh"]
    speed: Float[np.ndarray, "3 _ _ _"]
    box: float
    radius: float
    shape: tuple[float, float]

    @classmethod
    def of(
        cls,
        field: Field,
        cosmology: Cosmology,
        minimum_mass: float,
        units: GridUnits,
        redshift: float = 0.0,
    ) -> LagrangianGrid:
        """The grid of a linear field.

        Args:
            field: linear density contrast; it must hold waves as short as two cells.
            cosmology: that it is of.
            minimum_mass: least mass of a halo [Msun/h].
            units: scales.
            redshift: of the haloes; the field is scaled to it by linear growth.

        Raises:
            InputError: a field that is smoothed, or too coarse for the mass.
        """
        radius = cosmology.lagrangian_radius(minimum_mass)
        mesh = units.mesh(field.box, radius)
        if field.smoothing or field.mesh < 0.9 * mesh:
            raise InputError(
                f"expected a field without smoothing of {mesh} points per side or more, for haloes "
                f"of {minimum_mass:.3g} Msun/h in {field.box:g} Mpc/h, got {field.mesh} points and "
                f"a smoothing of {field.smoothing:g} Mpc/h; make a finer field, or choose a larger "
                "mass"
            )
        shape = shape_of(LinearPower(cosmology, redshift), radius)
        grown = cosmology.growth_factor(redshift) / cosmology.growth_factor(field.redshift)
        values = scipy.fft.rfftn(field.values, workers=1).astype(np.complex64)
        values *= np.float32(grown)
        linear = LinearField(values, field.box).resampled(mesh)
        density = linear.filtered(np.ones_like) / np.float32(math.exp(shape[0]))
        spheres = [
            block_mean(linear.filtered(functools.partial(sphere, scale * radius)))
            for scale in units.spheres
        ]
        growth = cosmology.growth_rate(redshift)
        growth_2 = cosmology.second_order_growth_rate(redshift)
        moved = lagrangian_displacement(linear, units.smoothing * radius)
        unit = np.float32(radius)
        first, second = moved.first, moved.second
        first /= unit
        second /= unit
        mean = block_mean(first)
        waves = [
            block_mean(first_displacement(linear, scale * radius)) / unit - mean
            for scale in units.waves
        ]
        return cls(
            density,
            np.stack(spheres) / np.float32(math.exp(shape[0])),
            np.concatenate(waves),
            first + second,
            first + np.float32(growth_2 / growth) * second,
            field.box,
            radius,
            shape,
        )

    @property
    def mesh(self) -> int:
        """Cells per side."""
        return len(self.density)

    @property
    def cell(self) -> float:
        """Side of a cell in units of R."""
        return self.box / self.mesh / self.radius

    def origins(self, x: Float[np.ndarray, "points 3"]) -> Int[np.ndarray, "points 3"]:
        """The cell q whose matter is carried to each position, nearly; x in Mpc/h."""
        psi, box = self.displacement * np.float32(self.radius), self.box
        q = x - interpolate(psi, box, x)
        for _ in range(INVERSIONS):
            miss = x - q - interpolate(psi, box, np.mod(q, box))
            q = q + 0.5 * (miss - box * np.round(miss / box))
        return np.rint(q * (self.mesh / box)).astype(np.int64) % self.mesh

    def carried(self, q: Int[np.ndarray, "points 3"]) -> Float[np.ndarray, "points 3"]:
        """Where the middle of each cell goes, in R; not wrapped."""
        return q * self.cell + self.displacement[(slice(None), *q.T)].T

    def inputs(self) -> Float32[np.ndarray, "half half half channels"]:
        """What the network sees: blocks of density, spheres and waves, then of displacement."""
        return as_inputs(self.density, self.spheres, self.waves, self.displacement)


def shape_of(power: LinearPower, radius: float) -> tuple[float, float]:
    """ln sigma(R) and its slope d ln sigma / d ln R."""
    low, here, high = np.log(power.sigma(radius * np.array([0.9, 1.0, 1.1])))
    return float(here), float((high - low) / math.log(1.1 / 0.9))


def as_inputs(
    density: Float[np.ndarray, "x y z"],
    spheres: Float[np.ndarray, "s hx hy hz"],
    waves: Float[np.ndarray, "w hx hy hz"],
    displacement: Float[np.ndarray, "3 x y z"],
) -> Float32[np.ndarray, "hx hy hz channels"]:
    """The parts of a grid, or of a piece of one, as channels of blocks."""
    blocks = [in_blocks(part) for part in (density, *displacement)]
    means = [np.moveaxis(part, 0, -1) for part in (spheres, waves)]
    found = np.concatenate([blocks[0], *means, *blocks[1:]], axis=-1)
    return np.ascontiguousarray(found, np.float32)


def in_blocks(values: Float[HostOrDevice, "x y z"]) -> Float[HostOrDevice, "hx hy hz 8"]:
    """Cells in blocks of 2^3."""
    a, b, c = (side // 2 for side in values.shape)
    return values.reshape(a, 2, b, 2, c, 2).transpose(0, 2, 4, 1, 3, 5).reshape(a, b, c, 8)


def block_mean(values: Float[HostOrDevice, "*n x y z"]) -> Float[HostOrDevice, "*n hx hy hz"]:
    """Means of blocks of 2^3."""
    pairs = values[..., ::2, :, :] + values[..., 1::2, :, :]
    pairs = pairs[..., ::2, :] + pairs[..., 1::2, :]
    return (pairs[..., ::2] + pairs[..., 1::2]) / 8


def sphere(radius: float, k: Float[np.ndarray, "modes"]) -> Float[np.ndarray, "modes"]:
    """The mean in spheres, of modes."""
    return top_hat(k * radius)
