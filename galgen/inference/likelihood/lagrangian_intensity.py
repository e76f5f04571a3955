r"""The intensity of haloes as a differentiable function of the initial conditions.

A linear field is white noise of unit variance, filtered. All that the encoder reads is linear in
it, so log lambda, the log of the expected number of haloes in every cell, comes with its gradient,
and so does the posterior of the noise given the cells that haloes come from. Births are taken as
independent here (an inhomogeneous Poisson process)::

    log p(noise | cells) = sum_i log lambda(cell_i) - sum lambda - |noise|^2 / 2 + constant
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, Int

from galgen.errors import InputError
from galgen.inference.trained_run import TrainedRun
from galgen.lagrangian.encoding import LagrangianEncoding
from galgen.lagrangian.grid import block_mean, in_blocks, shape_of, sphere
from galgen.lagrangian.layout import PAD
from galgen.lagrangian.trained import TrainedHaloes
from galgen.simulation.initial_field import inverse_laplacian, isotropic, wave_vectors
from galgen.simulation.linear_power import LinearPower


@dataclasses.dataclass(frozen=True, eq=False)
class LagrangianIntensity:
    """log lambda of white noise, of a trained model at one cosmology and least mass.

    =========== ============================== =================================================
    field       shape                          meaning
    =========== ============================== =================================================
    model                                      with its weights and condition
    filters     ``(14, mesh, mesh, mesh/2+1)`` from modes of the noise to what the encoder reads
    box         scalar                         side [Mpc/h]
    =========== ============================== =================================================
    """

    model: TrainedHaloes
    filters: Complex[Array, "channels mesh mesh half"]
    box: float

    @classmethod
    def of(cls, run: TrainedRun, condition: Mapping[str, float], box: float) -> LagrangianIntensity:
        """Of a run.

        Args:
            run: of haloes on a Lagrangian grid.
            condition: the five cosmological parameters, and ``minimum_mass`` [Msun/h] if not that
                of the least R of training.
            box: side [Mpc/h].

        Raises:
            InputError: a run of another family, or a cosmology and mass unlike training.
        """
        encoding = run.encoding
        if not isinstance(encoding, LagrangianEncoding):
            raise InputError(
                f"expected a run of haloes on a Lagrangian grid, got one of {encoding}; train "
                "configs/haloes_field.py, or load haloes-nbody"
            )
        cosmology, mass = encoding.asked(condition)
        encoding.require_trained(cosmology, mass)
        radius, units = cosmology.lagrangian_radius(mass), encoding.units
        mesh, power = units.mesh(box, radius), LinearPower(cosmology, encoding.redshift)
        if mesh < 2 * PAD:
            raise InputError(
                f"expected a box of {2 * PAD} cells or more, {2 * PAD * units.cell * radius:.3g} "
                f"Mpc/h, got {box:g}; take a larger one"
            )
        shape = shape_of(power, radius)
        sigma, table = float(np.exp(shape[0])), functools.partial(isotropic, box=box, mesh=mesh)
        vectors, keep = wave_vectors(mesh, box)
        amplitude = table(lambda k: np.sqrt(power(k) * (mesh / box) ** 3)) * keep
        spheres = [table(functools.partial(sphere, s * radius)) / sigma for s in units.spheres]
        first = table(inverse_laplacian(units.smoothing * radius))
        waves = [
            -1j * vector * (table(inverse_laplacian(scale * radius)) - first) / radius
            for scale in units.waves
            for vector in vectors
        ]
        filters = np.stack([np.ones_like(amplitude) / sigma, *spheres, *waves]) * amplitude
        told = jnp.asarray(encoding.condition_at(shape, box / mesh / radius))
        model = run.experiment.model.with_params(run.experiment.network, run.params)
        model = dataclasses.replace(model, condition=told)
        return cls(model, jnp.asarray(filters, jnp.complex64), box)

    @property
    def mesh(self) -> int:
        """Cells per side; the noise has one number for each."""
        return self.filters.shape[1]

    def __call__(self, noise: Float[Array, "mesh mesh mesh"]) -> Float[Array, "mesh mesh mesh"]:
        """The log of the expected number of haloes in every cell."""
        maps = jnp.fft.irfftn(jnp.fft.rfftn(noise) * self.filters, noise.shape, axes=(1, 2, 3))
        blocks = jnp.concatenate(
            [in_blocks(maps[0]), jnp.moveaxis(block_mean(maps[1:]), 0, -1)], -1
        )
        padded = jnp.pad(blocks, (*((PAD, PAD),) * 3, (0, 0)), mode="wrap")
        return self.model.encode(padded)[0]

    def log_likelihood(
        self, noise: Float[Array, "mesh mesh mesh"], cells: Int[Array, "points 3"]
    ) -> Float[Array, ""]:
        """log p(cells | noise) of an inhomogeneous Poisson process.

        Args:
            noise: white, of unit variance.
            cells: of the Lagrangian grid that haloes come from.
        """
        log_rate = self(noise)
        return jnp.sum(log_rate[tuple(cells.T)]) - jnp.sum(jnp.exp(log_rate))

    def log_posterior(
        self, noise: Float[Array, "mesh mesh mesh"], cells: Int[Array, "points 3"]
    ) -> Float[Array, ""]:
        """log p(noise | cells), up to a constant."""
        return self.log_likelihood(noise, cells) - 0.5 * jnp.sum(noise**2)
