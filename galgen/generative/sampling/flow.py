"""A bridge with its weights: the motion that samplers and likelihoods follow."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from galgen.errors import InputError
from galgen.generative.coupling import Coupling
from galgen.generative.models.model import Denoiser
from galgen.generative.objectives.prediction import Prediction
from galgen.generative.paths.path import Ends, ProbabilityPath, check_time
from galgen.masking import zero_padding


@dataclasses.dataclass(frozen=True, eq=False)
class Flow:
    """The generating motion dx/dt = v(x, t) from the base at t=0 to the data at t=1.

    Attributes:
        path: joins base and data.
        coupling: of training; it sets the unit of the network's output.
        prediction: what the network's output means.
        denoiser: the network with its weights.
        mask: True where a row is real; None if all are.
        condition: standardised parameters, one row per example.
        bound: the :class:`~galgen.generative.models.variational.VariationalDiffusion` that was
            trained; None for a model that was not trained by a bound.
        likelihood: the :class:`~galgen.generative.sampling.likelihood.Likelihood` that was trained;
            None for a model that was not trained by likelihood.
    """

    path: ProbabilityPath
    coupling: Coupling
    prediction: Prediction
    denoiser: Denoiser
    mask: Bool[Array, "batch points"] | None = None
    condition: Float[Array, "batch condition"] | None = None
    bound: Any = None
    likelihood: Any = None

    def given(
        self,
        mask: Bool[Array, "batch points"] | None,
        condition: Float[Array, "batch condition"] | None,
    ) -> Flow:
        """The flow of examples with this mask and this condition."""
        return dataclasses.replace(self, mask=mask, condition=condition)

    def ends(self, x: Float[Array, "batch *event"], t: Float[Array, ""]) -> Ends:
        """The data and noise that the network sees in ``x`` at time ``t``; zero on padded rows.

        Raises:
            InputError: for a path whose ends the prediction does not determine, a mask of the wrong
                shape, or a time outside [0, 1] (not under jit).
        """
        times, output, unit = self._evaluate(x, t)
        ends = self.prediction.solve(self.path, output, x, times, unit)
        return Ends(zero_padding(ends.data, self.mask), zero_padding(ends.noise, self.mask))

    def velocity(
        self, x: Float[Array, "batch *event"], t: Float[Array, ""]
    ) -> Float[Array, "batch *event"]:
        """dx/dt at ``x``; zero on padded rows.

        Raises:
            InputError: for a mask of the wrong shape, or a time outside [0, 1] (not under jit).
        """
        times, output, unit = self._evaluate(x, t)
        return zero_padding(self.prediction.velocity(self.path, output, x, times, unit), self.mask)

    def _evaluate(self, x, t):
        """The time of every example, the output in the precision of ``x``, and its unit."""
        check_mask(x, self.mask)
        check_time(t)
        times = jnp.full((len(x),), t)
        scaled = self.prediction.scale_input(self.path, x, times)
        output = self.denoiser(scaled, times, self.mask, self.condition).astype(x.dtype)
        return times, output, self.coupling.unit(self.path, x, self.mask)


def check_mask(x: Float[Array, "..."], mask: Bool[Array, "..."] | None) -> None:
    """Refuse, with an InputError, a mask that has not one entry per row of ``x``."""
    if mask is not None and mask.shape != x.shape[:2]:
        raise InputError(
            f"expected a mask of shape {x.shape[:2]}, one entry per row of data {x.shape}, got "
            f"{mask.shape}; pass mask=None if all rows are real"
        )
