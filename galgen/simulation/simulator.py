"""Halo catalogues for any cosmology and redshift: field, peak patches, displacement, masses.

The steps, each in its own module::

    P(k, z)  ->  Gaussian field  ->  peak patches (Lagrangian positions, ranked by radius)
    x = q + psi_1(q) + psi_2(q)              second-order displacement, smoothed
    v = a H (f psi_1 + f_2 psi_2 + f u)      km/s; u is the infall beyond second order
    M_j = n^-1(G_j / V),  G_j = e_1 + ... + e_j,  e ~ Exponential(1)

The masses are the arrivals of a Poisson process whose rate is Tinker's mass function, given to
the patches in order of radius: their number above a mass is Poisson with the right mean, and the
list of masses is no noise-free function of cosmology. It carries no sample variance: it does not
know the large-scale density of its own box. u (:mod:`galgen.simulation.infall`) moves no halo.

What agrees, and to what figure (mesh 192 for 1 Gpc/h, 2 CPU-seconds a catalogue).

With an N-body run of the same phases, 5,000 heaviest haloes, z = 0 (tests/simulation/
test_n_body.py): 70% of haloes within 4 Mpc/h; xi from 7 to 45 Mpc/h within 10%; P(k) below 0.1
h/Mpc within 6%, its Kaiser ratios in redshift space within 1% and 0.02; velocity dispersion 290
against 291 km/s per axis; pairwise infall at 8 to 15 Mpc/h -532 against -576 km/s, and between 8
and 40 Mpc/h within 17% in every bin, its dispersion within 13%. 15,000 haloes: -455 against -451.
Eight other boxes: infall -519 with a scatter of 11, dispersion 294 with one of 6 km/s.

With particle-mesh runs of other cosmologies, whose patches were followed by their particles
(ours, in brackets theirs, km/s; only the third is in the tests, test_simulator.py)::

    Omega_m  sigma_8  box   haloes  z    infall         dispersion
    0.22     0.72     500    2000   0    -372 (-365)    285 (296)
    0.22     0.72     500    2000   1    -343 (-372)    261 (283)
    0.3175   0.834    192     700   0    -311 (-295)    262 (266)
    0.3175   0.834    192     700   1    -278 (-296)    225 (252)
    0.4      0.95     500    2000   0    -534 (-512)    338 (339)
    0.4      0.95     500    2000   1    -495 (-447)    288 (311)

With theory (test_linear_theory.py, at z = 0 and 1 and sigma_8 of 0.83 and 0.7): xi is bias
squared times linear xi from 20 to 65 Mpc/h; the bias follows Tinker et al. (2010) from one sigma_8
to another within 4%, is itself 10% below it above 1e14 Msun/h at z = 0, as the N-body haloes are,
and 3% above it at z = 1; monopole and quadrupole in redshift space are Kaiser's for k < 0.08
h/Mpc; counts are Tinker et al. (2008); long waves move haloes at a H f psi, to z = 2.

Limits. Of the 5,000 heaviest, pairs closer than 8 Mpc/h fall 30% too slowly. Random motions from
inside the haloes' own surroundings are missing: between k = 0.1 and 0.2 h/Mpc the quadrupole over
the real-space power is 9 to 15% too large (5,000 haloes), 14 to 27% for 30,000. xi below twice the
Lagrangian radius depends on the mesh. Above 3e13 Msun/h the bias is 1 to 4% below Tinker's with
cells below half the Lagrangian radius, 11% with cells of 0.6 of it. No substructure. At z = 1
haloes are 7 to 11% too cold. The mass function was calibrated below z = 2.5; nothing was compared
with N-body beyond z = 1.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float

from galgen.checked import Count, Positive, checked
from galgen.data.catalogue import Catalogue
from galgen.errors import InputError
from galgen.periodic import wrap
from galgen.randomness import Role, random_generator
from galgen.simulation.cosmology import Cosmology
from galgen.simulation.engine import Simulator, check_mass
from galgen.simulation.infall import infall_displacement
from galgen.simulation.initial_field import (
    LinearField,
    interpolate,
    lagrangian_displacement,
)
from galgen.simulation.linear_power import LinearPower
from galgen.simulation.mass_function import TinkerMassFunction
from galgen.simulation.peak_patch import SMALLEST_RADIUS_IN_CELLS, Patches, find_patches

RESOLUTION = 0.62
"""Largest allowed ratio of the smallest top-hat to the Lagrangian radius of the lightest halo.

At 0.52 the large-scale bias was 11% low; 0.45 or less is better.
"""


@dataclasses.dataclass(frozen=True)
@checked
class HaloSimulator(Simulator):
    """Halo catalogues from peaks of the linear field. Give one of ``mass_min`` and ``number_max``.

    Attributes:
        box: side in Mpc/h.
        mesh: points per side of the initial field, a multiple of 4.
        mass_min: keep all haloes above this mass in Msun/h; their number varies.
        number_max: keep this many of the heaviest.
        redshift: of the snapshot.
        smoothing: Gaussian smoothing of the displacement in Mpc/h.

    Raises:
        InputError: a field out of range, or both or neither selection.
    """

    box: float
    mesh: int
    mass_min: Positive | None = None
    number_max: Count | None = None
    redshift: float = 0.0
    smoothing: float = 5.0

    def __post_init__(self) -> None:
        self._check_snapshot()
        if self.mesh % 4 or not 16 <= self.mesh <= 2048:
            raise InputError(
                f"expected a mesh that is a multiple of 4 from 16 to 2048, got {self.mesh}; "
                f"try {min(max(_multiple_of_four(self.mesh), 16), 2048)}"
            )
        if not 0.0 <= self.smoothing <= 50.0:
            raise InputError(
                f"expected smoothing of 0 to 50 Mpc/h, got {self.smoothing}; 5 is usual"
            )
        self._check_selection()

    @property
    def field_points(self) -> int:
        """The mesh."""
        return self.mesh

    def _haloes(self, field: LinearField, cosmology: Cosmology, seed: int) -> Catalogue:
        return self.haloes_of(field, cosmology, random_generator(Role.MASSES, seed))

    def haloes_of(
        self, field: LinearField, cosmology: Cosmology, generator: np.random.Generator
    ) -> Catalogue:
        """The haloes of a given field, as of the phases of an N-body run.

        Args:
            field: linear density contrast at the redshift, of this box and mesh.
            cosmology: the one of its power spectrum.
            generator: of the masses.

        Raises:
            InputError: a mesh too coarse for the lightest halo, or a field of another box or mesh.
        """
        self._check_field(field)
        self.check_resolution(cosmology)
        power = LinearPower(cosmology, self.redshift)
        masses = self._masses(TinkerMassFunction(power), generator)
        patches = find_patches(field, power, len(masses))
        if len(patches) < len(masses):
            raise InputError(
                f"expected {len(masses)} haloes, found only {len(patches)} peaks on a mesh of "
                f"{self.mesh}; use a mesh of {_multiple_of_four(1.25 * self.mesh)} or fewer haloes"
            )
        positions, velocities = self._move(field, patches, cosmology)
        source = "galgen peak-patch simulator"
        return self._catalogue(positions, velocities, masses, cosmology, source)

    def check_resolution(self, cosmology: Cosmology) -> None:
        """Refuses a mesh that does not resolve the Lagrangian patch of the lightest halo.

        Raises:
            InputError: says which mesh is needed.
        """
        lightest = self._lightest(cosmology)
        radius = cosmology.lagrangian_radius(lightest)
        needed = SMALLEST_RADIUS_IN_CELLS * self.box / (RESOLUTION * radius)
        if self.mesh < needed:
            raise InputError(
                f"expected a mesh of {_multiple_of_four(needed)} or more to resolve haloes of "
                f"{lightest:.2g} Msun/h (Lagrangian radius {radius:.2g} Mpc/h) in a box of "
                f"{self.box:g} Mpc/h, got {self.mesh}; raise mesh or the mass"
            )

    def _move(
        self, field: LinearField, patches: Patches, cosmology: Cosmology
    ) -> tuple[Float[np.ndarray, "haloes 3"], Float[np.ndarray, "haloes 3"]]:
        """Positions [Mpc/h] and velocities [km/s] of the patches at the redshift."""
        coarse = field.resampled(self.mesh // 2)
        first, second = lagrangian_displacement(coarse, self.smoothing).at(patches.positions)
        faster = infall_displacement(coarse, cosmology.lagrangian_radius(self._lightest(cosmology)))
        infall = interpolate(faster, self.box, patches.positions)
        positions = wrap(patches.positions + first + second, self.box)
        velocities = cosmology.comoving_hubble(self.redshift) * (
            cosmology.growth_rate(self.redshift) * (first + infall)
            + cosmology.second_order_growth_rate(self.redshift) * second
        )
        return positions, velocities

    def _lightest(self, cosmology: Cosmology) -> float:
        """Expected mass of the lightest halo, in Msun/h."""
        if self.mass_min is not None:
            return self.mass_min
        assert self.number_max is not None
        table = TinkerMassFunction(LinearPower(cosmology, self.redshift))
        return float(table.mass_at(np.asarray(self.number_max / self.box**3)))

    def _check_selection(self) -> None:
        if (self.mass_min is None) == (self.number_max is None):
            raise InputError(
                f"expected one of mass_min and number_max, got {self.mass_min} and "
                f"{self.number_max}; set one and leave the other None"
            )
        if self.mass_min is not None:
            check_mass(self.mass_min)

    def _masses(
        self, mass_function: TinkerMassFunction, generator: np.random.Generator
    ) -> Float[np.ndarray, "haloes"]:
        """Falling masses [Msun/h]: Poisson arrivals at the rate of the mass function."""
        volume = self.box**3
        if self.number_max is not None:
            arrivals = np.cumsum(generator.exponential(size=self.number_max))
            return mass_function.mass_at(arrivals / volume)
        assert self.mass_min is not None
        expected = volume * float(mass_function.number_above(np.asarray(self.mass_min)))
        number = int(generator.poisson(expected))
        arrivals = np.sort(generator.uniform(0.0, expected, number))
        return mass_function.mass_at(arrivals / volume)


def _multiple_of_four(mesh: float) -> int:
    return 4 * int(np.ceil(mesh / 4.0))
