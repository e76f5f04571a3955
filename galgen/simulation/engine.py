"""What every simulator is: from a cosmology and a seed to a halo catalogue."""

from __future__ import annotations

import abc
import dataclasses

import numpy as np
from jaxtyping import Float

from galgen.data.catalogue import POSITIONS, VELOCITIES, Catalogue
from galgen.errors import InputError
from galgen.randomness import Role, random_generator
from galgen.simulation.cosmology import Cosmology
from galgen.simulation.initial_field import LinearField, gaussian_field
from galgen.simulation.linear_power import LinearPower


class Simulator(abc.ABC):
    """Makes halo catalogues in a periodic box from the linear field of a seed.

    Two simulators of one box, redshift and number of field points share their phases.

    Attributes:
        box: side in Mpc/h.
        redshift: of the snapshot.
    """

    box: float
    redshift: float

    @property
    @abc.abstractmethod
    def field_points(self) -> int:
        """Points per side of the linear field."""

    @abc.abstractmethod
    def check_resolution(self, cosmology: Cosmology) -> None:
        """Refuse what does not resolve the lightest halo.

        Raises:
            InputError: says what is needed.
        """

    @abc.abstractmethod
    def _haloes(self, field: LinearField, cosmology: Cosmology, seed: int) -> Catalogue:
        """The catalogue of a field of this box; ``seed`` is of what the field leaves open."""

    def linear_field(self, cosmology: Cosmology, seed: int) -> LinearField:
        """The field that the catalogue of a seed comes from, extrapolated to the redshift.

        A catalogue says its cosmology, and its seed in ``provenance["seed"]``: with the simulator
        of its recipe they make its field again.

        Raises:
            InputError: a seed below zero.
        """
        power = LinearPower(cosmology, self.redshift)
        phases = random_generator(Role.PHASES, seed)
        return gaussian_field(power, self.box, self.field_points, phases)

    def simulate(self, cosmology: Cosmology, seed: int) -> Catalogue:
        """One catalogue: columns x, y, z [Mpc/h], vx, vy, vz [km/s], mass [Msun/h], falling.

        The same cosmology and seed give the same catalogue; two cosmologies with one seed share
        the phases of their initial field.

        Raises:
            InputError: what does not resolve the lightest halo, or a seed below zero.
        """
        self.check_resolution(cosmology)
        catalogue = self._haloes(self.linear_field(cosmology, seed), cosmology, seed)
        return dataclasses.replace(
            catalogue, provenance=dict(catalogue.provenance) | {"seed": str(seed)}
        )

    def _catalogue(
        self,
        positions: Float[np.ndarray, "haloes 3"],
        velocities: Float[np.ndarray, "haloes 3"],
        masses: Float[np.ndarray, "haloes"],
        cosmology: Cosmology,
        source: str,
    ) -> Catalogue:
        """Haloes in the form that is handed over."""
        columns = dict(zip(POSITIONS, positions.T, strict=True))
        columns |= dict(zip(VELOCITIES, velocities.T, strict=True))
        return Catalogue(
            columns=columns | {"mass": masses},
            box=(self.box,) * 3,
            redshift=self.redshift,
            cosmology=cosmology.as_mapping(),
            provenance={"source": source},
        )

    def _check_snapshot(self) -> None:
        """Refuse a box or redshift that makes no sense."""
        if not 10.0 <= self.box <= 1e5:
            raise InputError(f"expected a box of 10 to 1e5 Mpc/h, got {self.box}; check its units")
        if not 0.0 <= self.redshift <= 20.0:
            raise InputError(f"expected a redshift in [0, 20], got {self.redshift}; check its sign")

    def _check_field(self, field: LinearField) -> None:
        """Refuse a field of another box or mesh."""
        if (field.box, field.mesh) != (self.box, self.field_points):
            raise InputError(
                f"expected a field of {self.field_points} points in {self.box:g} Mpc/h, got "
                f"{field.mesh} in {field.box:g}; give the simulator the box and mesh of the field"
            )


def check_mass(mass_min: float) -> None:
    """Refuse a lightest mass [Msun/h] that looks like a logarithm or another unit.

    Raises:
        InputError: outside [1e10, 1e16].
    """
    if not 1e10 <= mass_min <= 1e16:
        raise InputError(
            f"expected mass_min in [1e+10, 1e+16] Msun/h, got {mass_min:g}; give the "
            "mass, not its logarithm"
        )
