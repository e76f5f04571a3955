r"""What a network's output means.

For an affine path x_t = alpha x_1 + sigma x_0 (x_1 data, x_0 base noise), any one of velocity,
noise or data, together with x_t, fixes the pair (data, noise), and with it the others
(arXiv:2107.00630, appendix; arXiv:2202.00512, section 4)::

    noise given:     data  = (x_t - sigma noise) / alpha
    data given:      noise = (x_t - alpha data) / sigma
    velocity         = alpha' data + sigma' noise

On the torus there is no such line through x_t, and the velocity is predicted directly.
"""

from __future__ import annotations

import abc
import dataclasses

import jax.numpy as jnp
from jaxtyping import Array, Float

from galgen.generative.path import AffinePath, Path, expand_time

SMALLEST_COEFFICIENT = 1e-4
"""Divisions by alpha or sigma stop here: at the ends of a path they would amplify rounding."""


class Prediction(abc.ABC):
    """The meaning of a network's output: its training target, and the velocity it implies."""

    @abc.abstractmethod
    def target(
        self,
        path: Path,
        base: Float[Array, "batch *event"],
        data: Float[Array, "batch *event"],
        t: Float[Array, " batch"],
    ) -> Float[Array, "batch *event"]:
        """What the network should output at x_t."""

    @abc.abstractmethod
    def velocity(
        self,
        path: Path,
        output: Float[Array, "batch *event"],
        x: Float[Array, "batch *event"],
        t: Float[Array, " batch"],
    ) -> Float[Array, "batch *event"]:
        """The velocity that ``output`` implies at ``x``."""


def _affine(path: Path) -> AffinePath:
    if not isinstance(path, AffinePath):
        raise ValueError(
            f"expected an affine path for a noise or data prediction, got {path!r}; "
            "use VelocityPrediction()"
        )
    return path


@dataclasses.dataclass(frozen=True)
class VelocityPrediction(Prediction):
    """The network outputs the velocity."""

    def target(self, path, base, data, t):
        return path.velocity(base, data, t)

    def velocity(self, path, output, x, t):
        return output


@dataclasses.dataclass(frozen=True)
class NoisePrediction(Prediction):
    """The network outputs the base noise x_0, as diffusion models do (arXiv:2006.11239)."""

    def target(self, path, base, data, t):
        _affine(path)
        return base

    def velocity(self, path, output, x, t):
        affine, time = _affine(path), expand_time(t, x)
        alpha, sigma = affine.coefficients(time)
        alpha_rate, sigma_rate = affine.rates(time)
        data = (x - sigma * output) / jnp.maximum(alpha, SMALLEST_COEFFICIENT)
        return alpha_rate * data + sigma_rate * output


@dataclasses.dataclass(frozen=True)
class DataPrediction(Prediction):
    """The network outputs the clean data x_1."""

    def target(self, path, base, data, t):
        _affine(path)
        return data

    def velocity(self, path, output, x, t):
        affine, time = _affine(path), expand_time(t, x)
        alpha, sigma = affine.coefficients(time)
        alpha_rate, sigma_rate = affine.rates(time)
        noise = (x - alpha * output) / jnp.maximum(sigma, SMALLEST_COEFFICIENT)
        return alpha_rate * output + sigma_rate * noise
