"""Halo catalogues from dynamics: particles in their own gravity, and the groups they form.

The steps, each in its own module::

    P(k, z)  ->  Gaussian field  ->  second-order displacement at an early time
    kick-drift-kick steps of FastPM on a mesh finer than the particles   (particle_mesh)
    groups of particles by friends of friends                            (friends_of_friends)
    x, v: means over the particles of a group;  M: their number times the particle mass

docs/simulators.md says what agrees with what, and what such haloes cannot do.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Annotated

import numpy as np
from jaxtyping import Float

from galgen.checked import Positive, at_least, between, checked
from galgen.data.catalogue import Catalogue
from galgen.errors import InputError
from galgen.periodic import wrap
from galgen.simulation.cosmology import Cosmology
from galgen.simulation.engine import Simulator, check_mass
from galgen.simulation.friends_of_friends import friends_of_friends, group_means
from galgen.simulation.initial_field import LinearField, lagrangian_displacement

LARGEST_MESH = 1290
"""Cells per side whose number fits into 32 bits."""
WIDEST = 8.0
"""Mean separation in Mpc/h at which 20 particles are the heaviest haloes there are."""


@dataclasses.dataclass(frozen=True)
@checked
class ParticleMeshSimulator(Simulator):
    """Halo catalogues from a particle-mesh run and friends of friends.

    Attributes:
        box: side in Mpc/h.
        particles: per side, a multiple of 4; their initial field has as many points.
        mass_min: keep all haloes from this mass in Msun/h on; None for all that have enough
            particles, whose mass goes as Omega_m.
        particles_min: of a halo, at least.
        redshift: of the snapshot.
        mesh_factor: cells of the force mesh for each particle, along each axis.
        steps: of equal length in the scale factor.
        start: scale factor at which second-order theory hands over to the steps.
        linking_length: in mean separations of particles.

    Raises:
        InputError: a field out of range.
    """

    box: float
    particles: int
    mass_min: Positive | None = None
    particles_min: Annotated[int, at_least(10)] = 20
    redshift: float = 0.0
    mesh_factor: Annotated[int, between(2, 4)] = 2
    steps: Annotated[int, between(5, 1000)] = 15
    start: Annotated[float, between(0.01, 0.5)] = 0.1
    linking_length: Annotated[float, between(0.05, 0.5)] = 0.2

    def __post_init__(self) -> None:
        self._check_snapshot()
        largest = LARGEST_MESH // self.mesh_factor // 4 * 4
        if self.particles % 4 or not 16 <= self.particles <= largest:
            nearest = min(max(4 * math.ceil(self.particles / 4), 16), largest)
            raise InputError(
                f"expected particles per side that are a multiple of 4 from 16 to {largest}, got "
                f"{self.particles}; try {nearest}"
            )
        if self.box / self.particles > WIDEST:
            needed = 4 * math.ceil(self.box / WIDEST / 4)
            raise InputError(
                f"expected particles at most {WIDEST:g} Mpc/h apart, got {self.particles} in "
                f"{self.box:g} Mpc/h, which form hardly a halo; use {needed} or more particles"
            )
        if self.mass_min is not None:
            check_mass(self.mass_min)
        if not 2.0 * self.start <= self._end:
            raise InputError(
                f"expected a start at half the scale factor of the snapshot or before, got "
                f"{self.start:g} and {self._end:.3g} (redshift {self.redshift:g}); lower start"
            )

    @property
    def field_points(self) -> int:
        """One for each particle."""
        return self.particles

    @property
    def _end(self) -> float:
        return 1.0 / (1.0 + self.redshift)

    def particle_mass(self, cosmology: Cosmology) -> float:
        """In Msun/h."""
        return cosmology.mean_matter_density * (self.box / self.particles) ** 3

    def check_resolution(self, cosmology: Cosmology) -> None:
        """Refuses particles too heavy for the lightest halo.

        Raises:
            InputError: says how many particles are needed.
        """
        lightest = self.particles_min * self.particle_mass(cosmology)
        if self.mass_min is not None and lightest > self.mass_min:
            needed = self.particles * (lightest / self.mass_min) ** (1.0 / 3.0)
            raise InputError(
                f"expected {4 * math.ceil(needed / 4.0)} or more particles per side, so that a "
                f"halo of {self.mass_min:.2g} Msun/h has {self.particles_min} of them in a box of "
                f"{self.box:g} Mpc/h, got {self.particles}; raise particles or mass_min"
            )

    def haloes_of(self, field: LinearField, cosmology: Cosmology) -> Catalogue:
        """The haloes of a given field, as of the phases of another run.

        Args:
            field: linear density contrast at the redshift, of this box, one point a particle.
            cosmology: the one of its power spectrum.

        Raises:
            InputError: too few particles, or a field of another box or mesh.
        """
        self._check_field(field)
        self.check_resolution(cosmology)
        positions, velocities = self.particles_of(field, cosmology)
        groups = friends_of_friends(
            positions, self.box, self.linking_length * self.box / self.particles
        )
        mass = self.particle_mass(cosmology)
        smallest = max(self.particles_min, math.ceil((self.mass_min or 0.0) / mass))
        sizes, x, v = group_means(groups, smallest, positions, velocities, self.box)
        return self._catalogue(x, v, sizes * mass, cosmology, "galgen particle-mesh simulator")

    def particles_of(
        self, field: LinearField, cosmology: Cosmology
    ) -> tuple[Float[np.ndarray, "particles 3"], Float[np.ndarray, "particles 3"]]:
        """Positions [Mpc/h] and peculiar velocities [km/s] of all particles of a field.

        Args:
            field: linear density contrast at the redshift, of this box, one point a particle.
            cosmology: the one of its power spectrum.
        """
        from galgen.simulation.particle_mesh import evolve  # JAX, which settings do without

        moved, velocities = evolve(
            lagrangian_displacement(field),
            cosmology,
            self.mesh_factor,
            self.steps,
            self.start,
            self._end,
        )
        lattice = np.indices(moved.shape[1:]) * (self.box / self.particles)
        positions = wrap(lattice + moved, self.box)
        return (
            np.ascontiguousarray(positions.reshape(3, -1).T),
            np.ascontiguousarray(velocities.reshape(3, -1).T),
        )

    def _haloes(self, field: LinearField, cosmology: Cosmology, seed: int) -> Catalogue:
        return self.haloes_of(field, cosmology)
