"""Flat Lambda cold dark matter: the parameters that the simulator follows.

E(z) and D(z) are those of :mod:`galgen.cosmology.background`; the growth rates are::

    f      = dlnD/dlna  ~ Omega_m(z)^0.55                (Linder 2005)
    f_2    = dlnD_2/dlna ~ 2 Omega_m(z)^(6/11)           (Bouchet et al. 1995)

Peculiar velocities follow from comoving displacements psi [Mpc/h] as v = a H f psi [km/s], with
a H = 100 E(z) / (1+z) [km/s per Mpc/h].
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

from galgen.checked import checked
from galgen.cosmology import (
    CRITICAL_DENSITY,
    RANGES,
    canonical_parameters,
    flat_expansion_squared,
    flat_growth_factor,
)
from galgen.errors import InputError

_FIVE = ("omega_m", "omega_b", "h", "n_s", "sigma_8")
_RANGES = {name: RANGES[name] for name in _FIVE} | {"omega_m": (0.01, 1.0)}

_UNFOLLOWED = {"w0": -1.0, "wa": 0.0, "omega_k": 0.0, "m_nu": 0.0}


@dataclasses.dataclass(frozen=True)
@checked
class Cosmology:
    """The five parameters of flat Lambda CDM; the defaults are the Quijote fiducial ones.

    ======== ====================================================== ==============
    field    meaning                                                accepted range
    ======== ====================================================== ==============
    omega_m  matter today, in critical densities                    0.01 to 1
    omega_b  baryons today, in critical densities, below omega_m    0.0001 to 0.5
    h        Hubble constant in 100 km/s/Mpc                        0.2 to 2
    n_s      slope of the primordial power spectrum                 0.2 to 2
    sigma_8  linear rms in spheres of 8 Mpc/h today                 0.05 to 3
    ======== ====================================================== ==============

    Raises:
        InputError: a parameter outside its range.
    """

    omega_m: float = 0.3175
    omega_b: float = 0.049
    h: float = 0.6711
    n_s: float = 0.9624
    sigma_8: float = 0.834

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise InputError(
                    f"expected {name} in [{low:g}, {high:g}], got {value!r}; check the units and "
                    "the order of the parameters"
                )
        if self.omega_b >= self.omega_m:
            raise InputError(
                f"expected omega_b below omega_m, got {self.omega_b:g} and {self.omega_m:g}; "
                "baryons are a part of the matter"
            )

    def expansion(self, redshift: float) -> float:
        """E(z) = H(z) / H(0)."""
        return math.sqrt(flat_expansion_squared(self.omega_m, redshift))

    def matter_fraction(self, redshift: float) -> float:
        """Omega_m(z), the matter in critical densities of that redshift."""
        return self.omega_m * (1.0 + redshift) ** 3 / self.expansion(redshift) ** 2

    def growth_factor(self, redshift: float) -> float:
        """D(z), the linear growth, one today."""
        return flat_growth_factor(self.omega_m, redshift)

    def growth_rate(self, redshift: float) -> float:
        """f = dlnD/dlna."""
        return self.matter_fraction(redshift) ** 0.55

    def second_order_growth_rate(self, redshift: float) -> float:
        """f_2 = dlnD_2/dlna of second-order Lagrangian perturbation theory."""
        return 2.0 * self.matter_fraction(redshift) ** (6.0 / 11.0)

    def comoving_hubble(self, redshift: float) -> float:
        """a H in km/s per Mpc/h: what turns f psi into a peculiar velocity."""
        return 100.0 * self.expansion(redshift) / (1.0 + redshift)

    @classmethod
    def of(cls, parameters: Mapping[str, float]) -> Cosmology:
        """The cosmology of a catalogue or a table, by any names that codes give its parameters.

        Raises:
            InputError: dark energy, curvature or neutrinos, which are not followed here, one of
                the five that is missing, or what
                :func:`~galgen.cosmology.canonical_parameters` refuses.
        """
        known = canonical_parameters(parameters)
        refuse_unfollowed(known)
        missing = [name for name in _RANGES if name not in known]
        if missing:
            raise InputError(
                f"expected {', '.join(_RANGES)}, got none of {', '.join(missing)}; add them"
            )
        return cls(**{name: known[name] for name in _RANGES})

    @property
    def mean_matter_density(self) -> float:
        """Comoving matter density in (Msun/h) / (Mpc/h)^3, the same at every redshift."""
        return CRITICAL_DENSITY * self.omega_m

    def lagrangian_radius(self, mass: float) -> float:
        """Comoving radius in Mpc/h of the sphere that holds ``mass`` [Msun/h] at mean density."""
        return (3.0 * mass / (4.0 * math.pi * self.mean_matter_density)) ** (1.0 / 3.0)

    def lagrangian_mass(self, radius: float) -> float:
        """Mass [Msun/h] in a sphere of comoving ``radius`` [Mpc/h] at mean density."""
        return 4.0 / 3.0 * math.pi * self.mean_matter_density * radius**3

    def as_mapping(self) -> dict[str, float]:
        """The parameters by name, as a catalogue carries them."""
        return {name: float(value) for name, value in dataclasses.asdict(self).items()}


def refuse_unfollowed(parameters: Mapping[str, float]) -> None:
    """Refuse a cosmology that is not flat Lambda CDM without massive neutrinos.

    Args:
        parameters: by the library's names.

    Raises:
        InputError: naming the parameter.
    """
    for name, followed in _UNFOLLOWED.items():
        if abs(parameters.get(name, followed) - followed) > 1e-6:
            raise InputError(
                f"expected flat Lambda CDM, which is what the simulator follows, got {name} = "
                f"{parameters[name]:g}; read boxes of that cosmology from another code (data_prep)"
            )
