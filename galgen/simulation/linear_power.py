"""The linear matter power spectrum, after Eisenstein and Hu (1998, ApJ 496, 605; "EH98").

P(k, z) = A k^n_s T(k)^2 D(z)^2, with the transfer function T of :mod:`galgen.cosmology.transfer`
and A such that the rms in spheres of 8 Mpc/h today is sigma_8::

    sigma(R)^2 = int dlnk / (2 pi^2) k^3 P(k) W(kR)^2,    W(x) = 3 (sin x - x cos x) / x^3

Wavenumbers are in h/Mpc. No massive neutrinos.
"""

from __future__ import annotations

import dataclasses
import functools
import math

import numpy as np
import scipy
from jaxtyping import Float

from galgen.checked import NotNegative, checked
from galgen.cosmology.transfer import top_hat, transfer_function
from galgen.errors import InputError
from galgen.simulation.cosmology import Cosmology

_WAVENUMBERS = np.geomspace(1e-5, 1e2, 1400)  # h/Mpc
_RADII = np.geomspace(0.05, 300.0, 97)  # Mpc/h


@dataclasses.dataclass(frozen=True)
@checked
class LinearPower:
    """P(k) and sigma(R) of one cosmology, extrapolated linearly to ``redshift``.

    ========= ===================================
    field     meaning
    ========= ===================================
    cosmology flat Lambda CDM parameters
    redshift  of the amplitude, D(z)^2
    ========= ===================================
    """

    cosmology: Cosmology
    redshift: NotNegative = 0.0

    def __call__(self, wavenumber: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """P(k) in (Mpc/h)^3 for k in h/Mpc; zero at k = 0."""
        k = np.asarray(wavenumber, np.float64)
        positive = np.where(k > 0.0, k, 1.0)
        return np.where(k > 0.0, self._amplitude * self._shape(positive), 0.0)

    def sigma(self, radius: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """Linear rms in spheres of ``radius`` Mpc/h, by a spline over 0.05 to 300 Mpc/h.

        Raises:
            InputError: a radius outside the table.
        """
        radius = np.asarray(radius, np.float64)
        if np.any(radius < _RADII[0]) or np.any(radius > _RADII[-1]):
            raise InputError(
                f"expected radii in [{_RADII[0]:g}, {_RADII[-1]:g}] Mpc/h, got {radius.min():g} "
                f"to {radius.max():g}; choose a mesh or masses inside it"
            )
        return np.asarray(math.sqrt(self._amplitude) * np.exp(self._spline(np.log(radius))))

    @functools.cached_property
    def _amplitude(self) -> float:
        growth = self.cosmology.growth_factor(self.redshift)
        unit = math.exp(float(self._spline(math.log(8.0))))
        return (growth * self.cosmology.sigma_8 / unit) ** 2

    def _shape(self, k: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        known = self.cosmology
        transfer = transfer_function(k, known.omega_m, known.omega_b, known.h)
        return np.asarray(k**known.n_s * transfer**2)

    @functools.cached_property
    def _spline(self) -> scipy.interpolate.CubicSpline:
        """ln sigma against ln R, before normalisation."""
        weight = _WAVENUMBERS**3 * self._shape(_WAVENUMBERS)
        variance = np.sum(_windows() * weight, axis=-1)
        return scipy.interpolate.CubicSpline(np.log(_RADII), 0.5 * np.log(variance))


@functools.cache
def _windows() -> Float[np.ndarray, "radii modes"]:
    """W(kR)^2 / (2 pi^2) times the step in ln k, the same for every cosmology."""
    step = math.log(_WAVENUMBERS[1] / _WAVENUMBERS[0])
    return top_hat(_RADII[:, None] * _WAVENUMBERS) ** 2 * step / (2.0 * math.pi**2)
