"""The linear density field on a periodic mesh, and its Lagrangian displacement.

A Gaussian field with power P(k) in a box of side L on a mesh of n^3 points is white noise of
unit variance, transformed and multiplied::

    delta_k = noise_k sqrt(P(k) n^3 / L^3)            (numpy's unnormalised forward transform)

Second-order Lagrangian perturbation theory (Bouchet et al. 1995; Scoccimarro 1998, appendix D)
moves matter from q to q + psi_1(q) + psi_2(q), with phi the potential of delta = laplacian phi::

    psi_1,k = i k delta_k / k^2                       so that div psi_1 = -delta
    psi_2,k = (3/7) i k S_k / k^2,    S = sum_(a<b) phi_aa phi_bb - phi_ab^2

(3/7 is exact for Omega_m = 1 and within 1% for every Omega_m(z) here.) Mesh point (i, j, l) lies
at (i, j, l) L/n. Isotropic filters are tables over the integer |n|^2, a hundred times cheaper than
evaluating them on the mesh.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable

import numpy as np
import scipy
from jaxtyping import Bool, Complex64, Float, Float32, Int32

from galgen.data.field import resampled_modes
from galgen.mass_assignment import shares

Filter = Callable[[Float[np.ndarray, "modes"]], Float[np.ndarray, "modes"]]


@functools.lru_cache(maxsize=4)
def squared_modes(mesh: int) -> Int32[np.ndarray, "mesh mesh half"]:
    """The integer |n|^2 of every mode of a real transform; k = (2 pi / box) |n|."""
    full = np.rint(np.fft.fftfreq(mesh, 1.0 / mesh)).astype(np.int32) ** 2
    half = np.arange(mesh // 2 + 1, dtype=np.int32) ** 2
    return full[:, None, None] + full[None, :, None] + half[None, None, :]


def isotropic(function: Filter, box: float, mesh: int) -> Float32[np.ndarray, "mesh mesh half"]:
    """``function(k)``, k in h/Mpc, at every mode of the mesh."""
    wavenumber = 2.0 * math.pi / box * np.sqrt(np.arange(3 * (mesh // 2) ** 2 + 1))
    return function(wavenumber).astype(np.float32)[squared_modes(mesh)]


@dataclasses.dataclass(frozen=True)
class LinearField:
    """A linear density contrast in Fourier space.

    ===== ================================ ==========================================
    field shape                            meaning
    ===== ================================ ==========================================
    modes ``(mesh, mesh, mesh // 2 + 1)``  real transform of delta, unnormalised
    box   scalar                           side in Mpc/h
    ===== ================================ ==========================================
    """

    modes: Complex64[np.ndarray, "mesh mesh half"]
    box: float

    @property
    def mesh(self) -> int:
        """Mesh points per side."""
        return self.modes.shape[0]

    @property
    def cell(self) -> float:
        """Distance between mesh points in Mpc/h."""
        return self.box / self.mesh

    def filtered(self, function: Filter) -> Float32[np.ndarray, "mesh mesh mesh"]:
        """The field in real space after multiplication by ``function(k)``."""
        modes = self.modes * isotropic(function, self.box, self.mesh)
        return _to_real(modes)

    def resampled(self, mesh: int) -> LinearField:
        """The same field on another mesh, with the modes below the Nyquist frequency of both."""
        return LinearField(resampled_modes(self.modes, mesh), self.box)


def gaussian_field(
    power: Filter, box: float, mesh: int, generator: np.random.Generator
) -> LinearField:
    """A Gaussian random field with power spectrum ``power(k)`` and zero mean."""
    noise = generator.standard_normal((mesh, mesh, mesh), dtype=np.float32)
    return field_of_noise(power, box, noise)


def field_of_noise(
    power: Filter, box: float, noise: Float32[np.ndarray, "mesh mesh mesh"]
) -> LinearField:
    """The field with power spectrum ``power(k)`` whose phases are those of ``noise``.

    Args:
        power: in (Mpc/h)^3, of k in h/Mpc.
        box: side in Mpc/h.
        noise: white, of unit variance, on the mesh.
    """
    mesh = len(noise)
    modes = scipy.fft.rfftn(noise, workers=1)
    modes *= isotropic(lambda k: np.sqrt(power(k) * (mesh / box) ** 3), box, mesh)
    return LinearField(modes, box)


@dataclasses.dataclass(frozen=True)
class Displacement:
    """First- and second-order displacements on a mesh.

    ====== ============================ ===========================
    field  shape                        meaning
    ====== ============================ ===========================
    first  ``(3, mesh, mesh, mesh)``    psi_1 in Mpc/h
    second ``(3, mesh, mesh, mesh)``    psi_2 in Mpc/h
    box    scalar                       side in Mpc/h
    ====== ============================ ===========================
    """

    first: Float32[np.ndarray, "3 mesh mesh mesh"]
    second: Float32[np.ndarray, "3 mesh mesh mesh"]
    box: float

    def at(
        self, positions: Float[np.ndarray, "points 3"]
    ) -> tuple[Float[np.ndarray, "points 3"], Float[np.ndarray, "points 3"]]:
        """psi_1 and psi_2 at ``positions`` [Mpc/h], by trilinear interpolation."""
        return (
            interpolate(self.first, self.box, positions),
            interpolate(self.second, self.box, positions),
        )


def lagrangian_displacement(field: LinearField, smoothing: float = 0.0) -> Displacement:
    """Second-order displacement of ``field``, smoothed by a Gaussian of ``smoothing`` Mpc/h.

    Modes on the Nyquist planes, whose derivative has no sign, are left out.
    """
    mesh, box = field.mesh, field.box
    vectors, keep = wave_vectors(mesh, box)
    potential = field.modes * isotropic(inverse_laplacian(smoothing), box, mesh)
    potential *= keep
    diagonal = [_to_real(-(v * v) * potential) for v in vectors]
    source = diagonal[0] * (diagonal[1] + diagonal[2]) + diagonal[1] * diagonal[2]
    for a, b in ((0, 1), (0, 2), (1, 2)):
        source -= _to_real(-(vectors[a] * vectors[b]) * potential) ** 2
    second_potential = scipy.fft.rfftn(source, workers=1, overwrite_x=True)
    second_potential *= isotropic(inverse_laplacian(0.0), box, mesh) * np.float32(-3.0 / 7.0)
    first = gradient(np.negative(potential, out=potential), box)
    return Displacement(first, gradient(second_potential, box), box)


def first_displacement(
    field: LinearField, smoothing: float = 0.0
) -> Float32[np.ndarray, "3 mesh mesh mesh"]:
    """psi_1 alone [Mpc/h]."""
    potential = isotropic(inverse_laplacian(smoothing), field.box, field.mesh)
    return gradient(field.modes * np.negative(potential, out=potential), field.box)


def interpolate(
    values: Float32[np.ndarray, "fields mesh mesh mesh"],
    box: float,
    positions: Float[np.ndarray, "points 3"],
) -> Float[np.ndarray, "points fields"]:
    """Fields on a periodic mesh at ``positions`` [Mpc/h], trilinear between the mesh points."""
    mesh = values.shape[-1]
    scaled = positions / (box / mesh)
    base = np.floor(scaled).astype(np.int64)
    below, above = shares(scaled - base, 2)
    result = np.zeros((len(positions), len(values)))
    for corner in np.ndindex(2, 2, 2):
        index = tuple(((base + corner) % mesh).T)
        weight = np.where(np.array(corner) == 1, above, below).prod(axis=1)
        result += (weight * values[(slice(None), *index)]).T
    return result


def gradient(
    modes: Complex64[np.ndarray, "mesh mesh half"], box: float
) -> Float32[np.ndarray, "3 mesh mesh mesh"]:
    """The gradient, per Mpc/h, of the field with these modes, without the Nyquist planes."""
    mesh = modes.shape[0]
    vectors, keep = wave_vectors(mesh, box)
    kept = modes * (keep * np.complex64(1j))
    along = np.empty((3, *modes.shape), np.complex64)
    for component, v in zip(along, vectors, strict=True):
        np.multiply(kept, v, out=component)
    return _to_real(along)


def inverse_laplacian(smoothing: float) -> Filter:
    """-1/k^2 times a Gaussian, zero at k = 0."""

    def function(k: Float[np.ndarray, "modes"]) -> Float[np.ndarray, "modes"]:
        positive = np.where(k > 0.0, k, 1.0)
        return np.where(k > 0.0, -np.exp(-0.5 * (k * smoothing) ** 2) / positive**2, 0.0)

    return function


def wave_vectors(
    mesh: int, box: float
) -> tuple[list[Float32[np.ndarray, "..."]], Bool[np.ndarray, "mesh mesh half"]]:
    """The three components of k [h/Mpc], shaped to broadcast over the modes, and which modes lie on
    no Nyquist plane."""
    full = (2.0 * math.pi / box * np.fft.fftfreq(mesh, 1.0 / mesh)).astype(np.float32)
    half = (2.0 * math.pi / box * np.arange(mesh // 2 + 1)).astype(np.float32)
    vectors = [full[:, None, None], full[None, :, None], half[None, None, :]]
    keep = [np.abs(v) < (mesh // 2) * 2.0 * math.pi / box * 0.999 for v in vectors]
    return vectors, keep[0] & keep[1] & keep[2]


def _to_real(modes: Complex64[np.ndarray, "*lead mesh mesh half"]) -> Float32[np.ndarray, "..."]:
    sides, axes = (modes.shape[-2],) * 3, (-3, -2, -1)
    return scipy.fft.irfftn(modes, s=sides, axes=axes, workers=1, overwrite_x=True)
