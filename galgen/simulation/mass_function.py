"""How many haloes of each mass: Tinker et al. (2008, ApJ 688, 709), Delta = 200 times the mean.

Equations 2, 3 and 5-8 of the paper, with sigma = sigma(M, z) and rho the comoving mean density::

    dn/dlnM  = f(sigma) (rho / M) dln(1/sigma)/dlnM
    f(sigma) = A [(sigma / b)^-a + 1] exp(-c / sigma^2)

A, a and b evolve as powers of 1 + z. The calibration covers 10^11 to 10^15 Msun/h, z < 2.5; the
table goes beyond by the same formula.
"""

from __future__ import annotations

import dataclasses
import functools
import math

import numpy as np
import scipy
from jaxtyping import Float

from galgen.errors import InputError
from galgen.simulation.linear_power import LinearPower

_AMPLITUDE, _SLOPE, _PIVOT, _CUTOFF = 0.186, 1.47, 2.57, 1.19  # table 2, Delta = 200
_MASSES = (1e10, 3e16, 260)


@dataclasses.dataclass(frozen=True)
class TinkerMassFunction:
    """Cumulative number density of haloes and its inverse, at the redshift of ``power``.

    ===== =======================================
    field meaning
    ===== =======================================
    power linear power spectrum, with its redshift
    ===== =======================================
    """

    power: LinearPower

    def multiplicity(self, sigma: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """f(sigma), equation 3."""
        growth = 1.0 + self.power.redshift
        exponent = 10.0 ** -((0.75 / math.log10(200.0 / 75.0)) ** 1.2)  # eq. 8
        amplitude = _AMPLITUDE * growth**-0.14
        slope = _SLOPE * growth**-0.06
        pivot = _PIVOT * growth**-exponent
        factor = (sigma / pivot) ** -slope + 1.0
        return np.asarray(amplitude * factor * np.exp(-_CUTOFF / sigma**2))

    @functools.cached_property
    def table(self) -> tuple[Float[np.ndarray, "masses"], Float[np.ndarray, "masses"]]:
        """Masses [Msun/h], rising, and dn/dlnM [(h/Mpc)^3] there."""
        masses = np.geomspace(*_MASSES)
        density = self.power.cosmology.mean_matter_density
        radii = (3.0 * masses / (4.0 * math.pi * density)) ** (1.0 / 3.0)
        sigma = self.power.sigma(radii)
        steepness = -np.gradient(np.log(sigma), np.log(masses))
        return masses, self.multiplicity(sigma) * density / masses * steepness

    @functools.cached_property
    def _cumulative(self) -> tuple[Float[np.ndarray, "masses"], Float[np.ndarray, "masses"]]:
        """ln M and ln n(>M), without the last mass, where n vanishes."""
        masses, density = self.table
        step = math.log(masses[1] / masses[0])
        above = scipy.integrate.cumulative_trapezoid(density[::-1], dx=step)[::-1]
        return np.log(masses[:-1]), np.log(np.maximum(above, 1e-300))

    def number_above(self, mass: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """n(>M) in (h/Mpc)^3 for masses in Msun/h.

        Raises:
            InputError: a mass outside the table.
        """
        log_mass, log_number = self._cumulative
        mass = np.asarray(mass, np.float64)
        if np.any(mass < _MASSES[0]) or np.any(mass > 1e16):
            raise InputError(
                f"expected masses in [{_MASSES[0]:g}, 1e+16] Msun/h, got {mass.min():g} to "
                f"{mass.max():g}; give masses in Msun/h, not their logarithms"
            )
        return np.asarray(np.exp(np.interp(np.log(mass), log_mass, log_number)))

    def mass_at(self, number: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """The mass [Msun/h] above which there are ``number`` haloes per (Mpc/h)^3.

        Raises:
            InputError: more haloes than the table holds.
        """
        log_mass, log_number = self._cumulative
        number = np.asarray(number, np.float64)
        if np.any(number > math.exp(log_number[0])):
            raise InputError(
                f"expected at most {math.exp(log_number[0]):.3g} haloes per (Mpc/h)^3, got "
                f"{number.max():.3g}; ask for fewer haloes or a larger box"
            )
        return np.asarray(np.exp(np.interp(np.log(number), log_number[::-1], log_mass[::-1])))
