r"""Affine paths in Euclidean space: linear, trigonometric, variance preserving and exploding.

With data x_1 and base draw x_0, which a diffusion calls the noise::

    x_t = alpha(t) x_1 + sigma(t) x_0

    linear               alpha = t,  sigma = 1 - t  (Liu et al. 2022, arXiv:2209.03003)
    trigonometric        alpha = sin(pi t / 2),  sigma = cos(pi t / 2)
                         (Albergo and Vanden-Eijnden 2022, arXiv:2209.15571, eq. 5)
    variance preserving  alpha = sqrt(sigmoid(l)), sigma = sqrt(sigmoid(-l)),  l = log SNR(t)
                         (Kingma et al. 2021, arXiv:2107.00630, eq. 3, with their time reversed)
    variance exploding   alpha = 1,  sigma = sigma_max (sigma_min / sigma_max)^t
                         (Song et al. 2021, arXiv:2011.13456, eq. 30, likewise)

x_t and its velocity are two linear equations in the ends; either end, or the velocity, gives the
rest (arXiv:2107.00630, appendix; arXiv:2202.00512, section 4)::

    noise given:     data  = (x_t - sigma noise) / alpha
    data given:      noise = (x_t - alpha data) / sigma
    velocity given:  data  = (sigma' x_t - sigma velocity) / D,   D = alpha sigma' - alpha' sigma
                     noise = (alpha velocity - alpha' x_t) / D

The law of x_s for s < t, given x_t, is that of the noise alone (z fresh)::

    x_s = (alpha_s / alpha_t) x_t + sqrt(sigma_s^2 - (alpha_s sigma_t / alpha_t)^2) z
"""

from __future__ import annotations

import abc
import dataclasses
import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from galgen.checked import Positive, checked
from galgen.errors import InputError
from galgen.generative.paths.base import Base, Normal
from galgen.generative.paths.noise_schedule import LinearSchedule, NoiseSchedule
from galgen.generative.paths.path import SMALLEST_COEFFICIENT, Ends, ProbabilityPath, expand_time
from galgen.masking import masked_sum, zero_padding


class EuclideanPath(ProbabilityPath):
    """The part that all paths in Euclidean space share.

    Attributes:
        base: the distribution of x_0.
    """

    base: Base = Normal()

    def sample_base(self, key: jax.Array, shape: tuple[int, ...]) -> Float[Array, "batch *event"]:
        return self.base.sample(key, shape)

    def log_start(self, x, mask):
        rows = self.base.log_density(zero_padding(x, mask))
        return masked_sum(rows, mask, tuple(range(1, rows.ndim)))

    def move(self, x, step):
        return x + step

    def squared_distance(self, base, data):
        return jnp.sum((data[None] - base[:, None]) ** 2, axis=-1)


class AffinePath(EuclideanPath):
    """x_t = alpha(t) x_1 + sigma(t) x_0; see the module's docstring."""

    affine = True

    @property
    def gaussian(self) -> bool:  # type: ignore[override]
        """Whether the noise is normal: the base is."""
        return isinstance(self.base, Normal)

    @abc.abstractmethod
    def coefficients(
        self, t: Float[Array, "..."]
    ) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """``(alpha, sigma)`` at time ``t``."""

    def rates(self, t: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """The time derivatives of ``(alpha, sigma)``."""
        return jax.jvp(self.coefficients, (t,), (jnp.ones_like(t),))[1]

    def _at(self, t, x):
        """The coefficients, to broadcast against ``x``, in its precision."""
        return (c.astype(x.dtype) for c in self.coefficients(expand_time(t, x)))

    def _rates_at(self, t, x):
        return (rate.astype(x.dtype) for rate in self.rates(expand_time(t, x)))

    def interpolate(self, base, data, t):
        alpha, sigma = self._at(t, data)
        return alpha * data + sigma * base

    def velocity(self, noise, data, t):
        alpha_rate, sigma_rate = self._rates_at(t, data)
        return alpha_rate * data + sigma_rate * noise

    def ends_from_velocity(self, velocity, x, t):
        alpha, sigma = self._at(t, x)
        alpha_rate, sigma_rate = self._rates_at(t, x)
        # Negative: log-SNR rises with time.
        determinant = alpha * sigma_rate - alpha_rate * sigma
        determinant = jnp.minimum(determinant, -(SMALLEST_COEFFICIENT**2))
        data = (sigma_rate * x - sigma * velocity) / determinant
        return Ends(data, (alpha * velocity - alpha_rate * x) / determinant)

    def ends_from_noise(self, noise, x, t):
        alpha, sigma = self._at(t, x)
        return Ends((x - sigma * noise) / jnp.maximum(alpha, SMALLEST_COEFFICIENT), noise)

    def ends_from_data(self, data, x, t):
        alpha, sigma = self._at(t, x)
        return Ends(data, (x - alpha * data) / jnp.maximum(sigma, SMALLEST_COEFFICIENT))

    def _require_noise(self, purpose: str) -> None:
        if not self.gaussian:
            raise self._no_noise(purpose)

    def scales(self, t, x):
        self._require_noise("for a signal-to-noise ratio")
        return self.coefficients(expand_time(t, x))

    def log_transition(self, x, data, t):
        self._require_noise("for a transition density")
        return -0.5 * jnp.sum(self.ends_from_data(data, x, t).noise ** 2, axis=-1)

    def renoise(self, key, x, t, earlier):
        self._require_noise("for a stochastic sampler")
        (alpha, sigma), (alpha_before, sigma_before) = map(self.coefficients, (t, earlier))
        ratio = alpha_before / jnp.maximum(alpha, SMALLEST_COEFFICIENT)
        fresh = jnp.sqrt(jnp.maximum(sigma_before**2 - (ratio * sigma) ** 2, 0.0))
        moved = ratio * x + fresh * jax.random.normal(key, x.shape, x.dtype)
        return moved.astype(x.dtype)


@dataclasses.dataclass(frozen=True)
@checked
class LinearPath(AffinePath):
    """alpha = t, sigma = 1 - t.

    Attributes:
        base: the distribution of x_0; ``Uniform()`` for positions in an open box.
    """

    base: Base = Normal()

    def coefficients(self, t):
        return t, 1.0 - t


@dataclasses.dataclass(frozen=True)
@checked
class TrigonometricPath(AffinePath):
    """alpha = sin(pi t / 2), sigma = cos(pi t / 2): variance is kept where both ends have one.

    Attributes:
        base: the distribution of x_0.
    """

    base: Base = Normal()

    def coefficients(self, t):
        # A sine both times, for it ends in zero exactly.
        return jnp.sin(0.5 * math.pi * t), jnp.sin(0.5 * math.pi * (1.0 - t))


@dataclasses.dataclass(frozen=True)
@checked
class VariancePreserving(AffinePath):
    """A variance-preserving diffusion.

    Attributes:
        schedule: log-SNR as a rising function of time; ``lambda t: module.apply(params, t)`` for
            one that is learned. Sampling starts from a standard normal, so that log-SNR at t=0
            must be low.
    """

    schedule: NoiseSchedule = LinearSchedule()

    def coefficients(self, t):
        log_snr = self.schedule(t)
        return jnp.sqrt(jax.nn.sigmoid(log_snr)), jnp.sqrt(jax.nn.sigmoid(-log_snr))


@dataclasses.dataclass(frozen=True)
@checked
class VarianceExploding(AffinePath):
    """Noise whose width falls geometrically, added to data that are not shrunk.

    x_t is of order ``sigma_max``, so a network wants its input scaled: see
    :class:`~galgen.generative.objectives.preconditioning.PreconditionedPrediction`. The defaults
    are those of Karras et al. 2022, arXiv:2206.00364, table 1.

    Attributes:
        sigma_max: width at t=0, many times that of the data: sampling starts from noise alone.
        sigma_min: width at t=1, left as blur in the data.
    """

    sigma_max: Positive = 80.0
    sigma_min: Positive = 2e-3

    def __post_init__(self) -> None:
        if not 0 < self.sigma_min < self.sigma_max:
            raise InputError(
                f"expected 0 < sigma_min < sigma_max, got sigma_min={self.sigma_min} and "
                f"sigma_max={self.sigma_max}; noise falls from t=0 to t=1"
            )

    def coefficients(self, t):
        return jnp.ones_like(t), self.sigma_max * (self.sigma_min / self.sigma_max) ** t

    def sample_start(self, key: jax.Array, shape: tuple[int, ...]) -> Float[Array, "batch *event"]:
        return self.sigma_max * self.sample_base(key, shape)

    def log_start(self, x, mask):
        standardised = super().log_start(x / self.sigma_max, mask)
        columns = masked_sum(jnp.ones_like(x), mask, tuple(range(1, x.ndim)))
        return standardised - columns * math.log(self.sigma_max)
