r"""What a network's output means.

For an affine path x_t = alpha x_1 + sigma x_0 (x_1 data, x_0 base noise), any one of velocity,
noise or data, together with x_t, fixes the pair (data, noise), and with it the others
(arXiv:2107.00630, appendix; arXiv:2202.00512, section 4)::

    noise given:     data  = (x_t - sigma noise) / alpha
    data given:      noise = (x_t - alpha data) / sigma
    velocity         = alpha' data + sigma' noise

A path says itself what its noise is and which velocity it implies (``Path.noise``,
``Path.velocity_from_noise``); along geodesics of the torus there is none, and the velocity is
predicted directly.
"""

from __future__ import annotations

import abc
import dataclasses

import jax.numpy as jnp
from jaxtyping import Array, Float

from galgen.generative.path import SMALLEST_COEFFICIENT, AffinePath, Path, expand_time


class Prediction(abc.ABC):
    """The meaning of a network's output: its training target, and the velocity it implies.

    Outputs are of order one. ``unit`` is how far each column travels (``Bridge.unit``); only a
    velocity is measured in it.
    """

    @abc.abstractmethod
    def target(
        self,
        path: Path,
        base: Float[Array, "batch *event"],
        data: Float[Array, "batch *event"],
        t: Float[Array, " batch"],
        unit: Float[Array, "..."],
    ) -> Float[Array, "batch *event"]:
        """What the network should output at x_t."""

    @abc.abstractmethod
    def velocity(
        self,
        path: Path,
        output: Float[Array, "batch *event"],
        x: Float[Array, "batch *event"],
        t: Float[Array, " batch"],
        unit: Float[Array, "..."],
    ) -> Float[Array, "batch *event"]:
        """The velocity that ``output`` implies at ``x``."""


@dataclasses.dataclass(frozen=True)
class VelocityPrediction(Prediction):
    """The network outputs the velocity, in the unit of the distance to be travelled."""

    def target(self, path, base, data, t, unit):
        return path.velocity(base, data, t) / unit

    def velocity(self, path, output, x, t, unit):
        return output * unit


@dataclasses.dataclass(frozen=True)
class NoisePrediction(Prediction):
    """The network outputs the noise, as diffusion models do (arXiv:2006.11239)."""

    def target(self, path, base, data, t, unit):
        return path.noise(base, data, t)

    def velocity(self, path, output, x, t, unit):
        return path.velocity_from_noise(output, x, t)


def _affine(path: Path) -> AffinePath:
    if not isinstance(path, AffinePath):
        raise ValueError(
            f"expected an affine path for a data prediction, got {path!r}; use VelocityPrediction()"
        )
    return path


@dataclasses.dataclass(frozen=True)
class DataPrediction(Prediction):
    """The network outputs the clean data x_1."""

    def target(self, path, base, data, t, unit):
        _affine(path)
        return data

    def velocity(self, path, output, x, t, unit):
        affine, time = _affine(path), expand_time(t, x)
        alpha, sigma = affine.coefficients(time)
        alpha_rate, sigma_rate = affine.rates(time)
        noise = (x - alpha * output) / jnp.maximum(sigma, SMALLEST_COEFFICIENT)
        return alpha_rate * output + sigma_rate * noise
