r"""Noise schedules: how the log signal-to-noise ratio rises with time.

A variance-preserving diffusion is fixed by l(t) = log alpha(t)^2 / sigma(t)^2. Time runs from noise
(t=0) to data (t=1), against that of the papers, so l rises::

    linear   l(t) = l_min + t (l_max - l_min)
    cosine   l(t) = 2 log tan(a(t)) + shift,   a running linearly within (0, pi / 2)

Cosine (Nichol and Dhariwal 2021, arXiv:2102.09672, eq. 17, without its offset) is alpha = sin(a),
sigma = cos(a); a stops short of both ends where l reaches l_min and l_max (Hoogeboom et al. 2023,
arXiv:2301.11093, appendix). The shift is theirs too (ibid., eq. 4): averaged over many correlated
columns noise cancels, so that data of more resolution need more of it, ``shift = 2 log(64 / d)``
for images of d by d.

Schedules can be learned with the network (Kingma et al. 2021, arXiv:2107.00630, appendix H). With
positive weights w and any centres c::

    f(t) = w_1 t + mean_k w_3k (sigmoid(w_2k (t - c_k)) - sigmoid(-w_2k c_k)),
    l(t) = l_min + (l_max - l_min) f(t) / f(1)

rises whatever the weights, from l_min to l_max, which are learned too.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Protocol, runtime_checkable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from galgen.checked import Size, checked
from galgen.errors import InputError


@runtime_checkable
class NoiseSchedule(Protocol):
    """A log-SNR that rises with time: one of the classes below, or any such function."""

    def __call__(self, t: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """log(alpha^2 / sigma^2) at time ``t``."""


def _check_range(log_snr_min: float, log_snr_max: float) -> None:
    if not log_snr_min < log_snr_max:
        raise InputError(
            f"expected log_snr_min < log_snr_max, got {log_snr_min} and {log_snr_max}; time runs "
            "from noise to data, so log-SNR rises"
        )


@dataclasses.dataclass(frozen=True)
@checked
class LinearSchedule(NoiseSchedule):
    """Log-SNR linear in time.

    The defaults keep the base within 2e-2 of a standard normal at t=0 and the data within 7e-3
    (standardised units) at t=1.

    Attributes:
        log_snr_min: log-SNR at t=0.
        log_snr_max: log-SNR at t=1.
    """

    log_snr_min: float = -8.0
    log_snr_max: float = 10.0

    def __post_init__(self) -> None:
        _check_range(self.log_snr_min, self.log_snr_max)

    def __call__(self, t: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        return self.log_snr_min + t * (self.log_snr_max - self.log_snr_min)


@dataclasses.dataclass(frozen=True)
@checked
class CosineSchedule(NoiseSchedule):
    """The cosine schedule, shifted and stopped short of its infinite ends.

    Log-SNR runs fast at both ends, where a noise or a data prediction is sampled with large errors;
    predict by :class:`~galgen.generative.objectives.preconditioning.PreconditionedPrediction`, or
    narrow it.

    Attributes:
        shift: added to log-SNR; negative for data of high resolution.
        log_snr_min, log_snr_max: at t=0 and t=1, the shift included.
    """

    shift: float = 0.0
    log_snr_min: float = -15.0
    log_snr_max: float = 15.0

    def __post_init__(self) -> None:
        _check_range(self.log_snr_min, self.log_snr_max)

    def __call__(self, t: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        low, high = ((end - self.shift) / 2 for end in (self.log_snr_min, self.log_snr_max))
        # The angle and its complement apart: their difference would round away either end.
        angle = (1 - t) * math.atan(math.exp(low)) + t * math.atan(math.exp(high))
        complement = (1 - t) * math.atan(math.exp(-low)) + t * math.atan(math.exp(-high))
        return 2 * (jnp.log(jnp.sin(angle)) - jnp.log(jnp.sin(complement))) + self.shift


def _inverse_softplus(value: float) -> float:
    return value + math.log(-math.expm1(-value))


@checked
class _LearnedSchedule(nn.Module):
    """The end points of learned schedules.

    Used as ``VariancePreserving(lambda t: schedule.apply(params, t))``.

    Attributes:
        log_snr_min, log_snr_max: at both ends before training.
    """

    log_snr_min: float = -8.0
    log_snr_max: float = 10.0

    def between_ends(self, fraction: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Log-SNR at a fraction of the way from the lower end to the upper."""
        _check_range(self.log_snr_min, self.log_snr_max)
        low = self.param("log_snr_min", nn.initializers.constant(self.log_snr_min), ())
        span = _inverse_softplus(self.log_snr_max - self.log_snr_min)
        raw_span = self.param("raw_span", nn.initializers.constant(span), ())
        return low + jax.nn.softplus(raw_span) * fraction


class LearnedLinearSchedule(_LearnedSchedule):
    """Log-SNR linear in time between learned end points."""

    @nn.compact
    def __call__(self, t: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        return self.between_ends(t)


@checked
class MonotoneSchedule(_LearnedSchedule):
    """A monotone network between learned end points; see the module's docstring.

    Attributes:
        width: sigmoids.
    """

    width: Size = 64

    @nn.compact
    def __call__(self, t: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        def positive(name: str, start: float, shape: tuple[int, ...]) -> Float[Array, "..."]:
            initial = nn.initializers.constant(_inverse_softplus(start))
            # The floor keeps f rising where a softplus underflows.
            return jax.nn.softplus(self.param(name, initial, shape)) + 1e-6

        slope = positive("slope", 1.0, ())
        weights = positive("weights", 0.5, (self.width,))
        rates = positive("rates", 10.0, (self.width,))
        centres = self.param("centres", nn.initializers.uniform(1.0), (self.width,))

        def rise(time: Float[Array, "..."]) -> Float[Array, "..."]:
            argument = rates * (time[..., None] - centres)
            steps = jax.nn.sigmoid(argument) - jax.nn.sigmoid(-rates * centres)
            return slope * time + jnp.mean(weights * steps, axis=-1)

        return self.between_ends(rise(t) / rise(jnp.ones((), t.dtype)))
