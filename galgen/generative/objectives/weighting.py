r"""How much each noise level weighs in the loss, whatever the network predicts.

A weighting w(l) of log-SNR l multiplies the squared error of the *noise*::

    loss = E_t[ w(l) |noise - noise_hat|^2 ] / E_t[ w(l) ]

An error e of an output that is another linear function of (x_t, noise) is an error
(d noise / d output) e of the noise, so noise, data, score and velocity predictions of one denoiser
have one loss. Noise has unit variance: a network that predicts zero noise has the loss 1. E_t[w] is
a constant of the path and of the density of times, found by a quadrature. So the minimiser is
exactly the conditional mean, and times drawn together do not change one another's weights.

Weights of the data's error in the papers are those below times SNR = e^l::

    SNR      1                           data SNR (Salimans and Ho 2022, arXiv:2202.00512)
    min-SNR  min(1, gamma e^-l)          data min(SNR, gamma) (Hang et al. 2023, arXiv:2303.09556)
    sigmoid  sigmoid(bias - l)           Kingma and Gao 2023, arXiv:2303.00848, section 4.1

The density of training times counts too. Kingma and Gao's integral is over l, so their weighting is
w where l is uniform: ``VariancePreserving()`` with ``UniformTimes()``, where ``SNRWeighting`` is
the evidence lower bound (Kingma et al. 2021, arXiv:2107.00630, eq. 17). With other times it is w
times the density of l.
"""

from __future__ import annotations

import abc
import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from galgen.checked import Positive, checked
from galgen.generative.objectives.prediction import Prediction
from galgen.generative.objectives.times import Times, log_snr
from galgen.generative.paths.path import ProbabilityPath

LEVELS = 256
"""Times of equal probability in the quadrature of the mean weight."""


class Weighting(abc.ABC):
    """A positive function of log-SNR."""

    @abc.abstractmethod
    def __call__(self, log_snr: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """The weight of the squared error of the noise; finite where log-SNR is infinite."""


@dataclasses.dataclass(frozen=True)
@checked
class SNRWeighting(Weighting):
    """The noise's plain error, which is the data's times SNR."""

    def __call__(self, log_snr: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        return jnp.ones_like(log_snr)


@dataclasses.dataclass(frozen=True)
@checked
class MinSNRWeighting(Weighting):
    """The data's error times SNR, or ``gamma`` where that is less: late times count less."""

    gamma: Positive = 5.0

    def __call__(self, log_snr: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        return jnp.minimum(1.0, self.gamma * jnp.exp(-log_snr))


@dataclasses.dataclass(frozen=True)
@checked
class SigmoidWeighting(Weighting):
    """sigmoid(bias - log-SNR): all levels noisier than ``bias`` alike, later ones as 1 / SNR."""

    bias: float = 2.0

    def __call__(self, log_snr: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        return jax.nn.sigmoid(self.bias - log_snr)


def mean_weight(
    weighting: Weighting, path: ProbabilityPath, times: Times, x: Float[Array, "batch *event"]
) -> Float[Array, "..."]:
    """E_t[w] of the columns of ``x``, or one number for all of them."""
    middle = times.quantile((jnp.arange(LEVELS) + 0.5) / LEVELS)
    weight = weighting(log_snr(path, middle, x))
    return jnp.mean(weight, axis=tuple(range(weight.ndim - 1)))


def noise_error(
    prediction: Prediction,
    path: ProbabilityPath,
    error: Float[Array, "batch *event"],
    x: Float[Array, "batch *event"],
    t: Float[Array, " batch"],
    unit: Float[Array, "..."],
) -> Float[Array, "batch *event"]:
    """The error of the noise that an ``error`` of the output at ``x`` amounts to."""

    def noise(output):
        return prediction.solve(path, output, x.astype(error.dtype), t, unit).noise

    return jax.jvp(noise, (jnp.zeros_like(error),), (error,))[1]
