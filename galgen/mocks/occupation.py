r"""How many galaxies a halo hosts: the halo occupation distribution of Zheng et al. (2007).

With M the mass of the halo (Zheng, Coil & Zehavi 2007, ApJ 667, 760, astro-ph/0703457)::

    <N_cen> = 1/2 [1 + erf((log M - log M_min) / sigma_logM)]
    <N_sat> = <N_cen> ((M - M_0) / M_1)^alpha        for M > M_0, else 0

log is to base 10. A halo has one central galaxy or none. Only haloes with a central have
satellites, a Poisson number of mean <N_sat> / <N_cen>, so that the mean over haloes is as above.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated

import numpy as np
import scipy
from jaxtyping import Float

from galgen.arrays import ArrayLike, as_finite
from galgen.checked import Bound, NotNegative, Positive, checked
from galgen.errors import InputError

LogMass = Annotated[
    float, Bound("from 0 to 18, log10 of Msun/h", lambda value: 0.0 <= value <= 18.0)
]


@dataclasses.dataclass(frozen=True)
@checked
class HaloOccupation:
    """The five numbers of Zheng et al. (2007), and how galaxies move in their haloes.

    The defaults are those of Molino (Hahn & Villaescusa-Navarro 2021, JCAP 04, 029), bright
    galaxies of SDSS set to the haloes that Quijote resolves.

    Attributes:
        log_mass_min: log10 of the mass in Msun/h at which half of the haloes have a central.
        sigma_log_mass: width of that step in dex.
        log_mass_0: log10 of the mass in Msun/h below which no halo has satellites.
        log_mass_1: log10 of the mass in Msun/h, above that, of one satellite.
        alpha: slope of the number of satellites with mass.
        central_velocity_bias: rms velocity of a central in its halo, per axis, in units of the
            dispersion of the halo; 0 for at rest.
        satellite_velocity_bias: velocity of a satellite in its halo, in units of that of the
            matter.

    Raises:
        InputError: a mass that is no logarithm, or a negative width, slope or bias.
    """

    log_mass_min: LogMass = 13.65
    sigma_log_mass: Positive = 0.2
    log_mass_0: LogMass = 14.0
    log_mass_1: LogMass = 14.0
    alpha: NotNegative = 1.1
    central_velocity_bias: NotNegative = 0.0
    satellite_velocity_bias: NotNegative = 1.0

    def mean_centrals(self, mass: ArrayLike) -> Float[np.ndarray, "*shape"]:
        """<N_cen> of haloes of a mass in Msun/h, all above zero."""
        step = (np.log10(_masses(mass)) - self.log_mass_min) / self.sigma_log_mass
        return np.asarray(0.5 * (1.0 + scipy.special.erf(step)))

    def mean_satellites(self, mass: ArrayLike) -> Float[np.ndarray, "*shape"]:
        """<N_sat> of haloes of a mass in Msun/h, those without a central included."""
        return np.asarray(self.mean_centrals(mass) * self.satellites_per_central(mass))

    def satellites_per_central(self, mass: ArrayLike) -> Float[np.ndarray, "*shape"]:
        """<N_sat> / <N_cen>, the mean of a halo that has a central."""
        above = np.maximum(_masses(mass) - 10.0**self.log_mass_0, 0.0) / 10.0**self.log_mass_1
        return np.where(above > 0, above**self.alpha, 0.0)


def _masses(mass: ArrayLike) -> Float[np.ndarray, "*shape"]:
    """Masses in Msun/h.

    Raises:
        InputError: one that is missing, not finite, or not positive.
    """
    values = as_finite(mass, "mass", "Msun/h").astype(np.float64)
    if np.any(values <= 0):
        raise InputError(
            f"expected a positive mass in Msun/h, got {values.min():g}; drop those haloes"
        )
    return values
