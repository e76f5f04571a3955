r"""How many objects a survey has at each redshift: n(z).

n is a comoving number density in (h/Mpc)³ at nodes of redshift, linear between them and zero
beyond. A box of density n_box is thinned by the probability n(z) / n_box, and the expected number
on an area Omega is

    N = Omega  integral n(z) d²  (dd/dz) dz

Redshifts of random points are drawn from that integrand, by its cumulative sum over steps so fine
that n(z) and d² (dd/dz) are straight in them. d is the distance along the line of sight: the volume
is that of the box, which is flat, in a curved cosmology too.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from jaxtyping import Float

from galgen.arrays import ArrayLike, as_finite
from galgen.checked import checked
from galgen.cosmology.background import Cosmology
from galgen.cosmology.coordinates import SKY_AREA
from galgen.cosmology.distances import MAXIMUM_REDSHIFT, comoving_distance
from galgen.errors import InputError

STEPS = 4000
"""Of the cumulative number in redshift, besides the nodes."""


@dataclasses.dataclass(frozen=True)
@checked
class RadialSelection:
    """n(z) at nodes.

    Attributes:
        redshift: nodes, rising.
        density: comoving number density there, (h/Mpc)³.

    Raises:
        InputError: fewer than two nodes, redshifts that do not rise, or densities that are
            negative, not finite or all zero.
    """

    redshift: tuple[float, ...]
    density: tuple[float, ...]

    def __post_init__(self) -> None:
        nodes, values = np.asarray(self.redshift, float), np.asarray(self.density, float)
        if nodes.ndim != 1 or nodes.shape != values.shape or len(nodes) < 2:
            raise InputError(
                f"expected n(z) at two redshifts or more, one density each, got {nodes.shape} and "
                f"{values.shape}; pass RadialSelection((0.4, 0.6), (3e-4, 3e-4))"
            )
        if not (np.all(np.diff(nodes) > 0) and nodes[0] >= 0 and nodes[-1] <= MAXIMUM_REDSHIFT):
            raise InputError(
                f"expected redshifts that rise from 0 or more, got {nodes.tolist()}; sort them"
            )
        if not (np.all(np.isfinite(values)) and np.all(values >= 0) and values.max() > 0):
            raise InputError(
                f"expected densities of 0 or more in (h/Mpc)^3, some above 0, got "
                f"{values.tolist()}; mend the table"
            )

    def at(self, redshift: ArrayLike) -> Float[np.ndarray, "*shape"]:
        """n in (h/Mpc)³, zero beyond the nodes."""
        places = as_finite(redshift, "redshift", "").astype(np.float64)
        return np.asarray(np.interp(places, self.redshift, self.density, left=0.0, right=0.0))

    def highest(self, low: float, high: float) -> float:
        """The largest n between two redshifts."""
        inner = [z for z in self.redshift if low < z < high]
        return float(self.at(np.array([low, high, *inner])).max())

    def expected(self, cosmology: Cosmology, area: float, low: float, high: float) -> float:
        """Mean number of objects on ``area`` square degrees between two redshifts."""
        return float(self._cumulative(cosmology, low, high)[1][-1] * 4 * np.pi * area / SKY_AREA)

    def draw(
        self,
        number: int,
        cosmology: Cosmology,
        low: float,
        high: float,
        generator: np.random.Generator,
    ) -> Float[np.ndarray, " number"]:
        """Redshifts between two, as many per redshift as n(z) and the volume give.

        Raises:
            InputError: no object between them.
        """
        redshift, rising = self._cumulative(cosmology, low, high)
        if not rising[-1] > 0:
            raise InputError(
                f"expected n(z) above 0 between z = {low:g} and {high:g}, got 0; its nodes reach "
                f"from {self.redshift[0]:g} to {self.redshift[-1]:g}"
            )
        drawn = np.interp(generator.random(number) * rising[-1], rising, redshift)
        # The end of the range is open, and rounding may reach it.
        return np.minimum(drawn, np.nextafter(high, low))

    def _cumulative(
        self, cosmology: Cosmology, low: float, high: float
    ) -> tuple[Float[np.ndarray, "steps"], Float[np.ndarray, "steps"]]:
        """Redshifts, and the number per steradian between the first and each."""
        grid = np.union1d(np.linspace(low, high, STEPS), np.asarray(self.redshift))
        grid = grid[(grid >= low) & (grid <= high)]
        middle = (grid[1:] + grid[:-1]) / 2
        shells = np.diff(comoving_distance(grid, cosmology) ** 3) / 3
        return grid, np.concatenate([[0.0], np.cumsum(self.at(middle) * shells)])


def read_radial_selection(path: Path) -> RadialSelection:
    """n(z) from a text file of two columns, redshift and (h/Mpc)³; # begins a comment.

    Raises:
        InputError: no such file, or not two columns of numbers.
    """
    if not path.is_file():
        raise InputError(f"expected a table of n(z) at {path}, got no such file; check the path")
    try:
        table = np.loadtxt(path, ndmin=2)
    except ValueError as error:
        raise InputError(
            f"expected two columns of numbers in {path}, got {error}; correct it, or begin other "
            "lines with #"
        ) from error
    if table.shape[1] != 2:
        raise InputError(
            f"expected two columns in {path}, redshift and density in (h/Mpc)^3, got "
            f"{table.shape[1]}; cut the others"
        )
    try:
        return RadialSelection(tuple(table[:, 0].tolist()), tuple(table[:, 1].tolist()))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
