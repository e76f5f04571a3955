"""Densities of training times.

The loss is an average over t, and any density over [0, 1] has the same minimiser; where it puts its
weight decides what is learned first. Draws are stratified: one in each of as many equal parts of
probability as there are examples, which leaves the density as it is and lowers the variance
(Kingma et al. 2021, arXiv:2107.00630, appendix I.1).

For n draws of a smooth function of t the variance of the mean is of order n^-3, against n^-1 of
independent draws. Antithetic pairs (u, 1 - u) cancel the part that is odd about the middle and keep
n^-1. Strata cancel that part too, with all else that varies slowly over 1 / n.
"""

from __future__ import annotations

import abc
import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from galgen.checked import Positive, checked
from galgen.errors import InputError
from galgen.generative.objectives.prediction import require_noise
from galgen.generative.paths.path import ProbabilityPath
from galgen.generative.paths.product import ProductPath


class Times(abc.ABC):
    """A density of training times."""

    @abc.abstractmethod
    def quantile(self, u: Float[Array, " number"]) -> Float[Array, " number"]:
        """The time below which the fraction ``u`` of all lies."""

    def sample(self, key: jax.Array, number: int) -> Float[Array, " number"]:
        """``number`` times, one in each of as many equal parts of probability, rising."""
        offset = jax.random.uniform(key, (number,))
        return self.quantile((jnp.arange(number) + offset) / number)


@dataclasses.dataclass(frozen=True)
@checked
class UniformTimes(Times):
    """Every time alike."""

    def quantile(self, u: Float[Array, " number"]) -> Float[Array, " number"]:
        return u


@dataclasses.dataclass(frozen=True)
@checked
class LogitNormalTimes(Times):
    """logit(t) is normal: most times in the middle, few at both ends.

    Esser et al. 2024, arXiv:2403.03206, eq. 19. For clouds under a diffusion there is nothing to
    learn at the ends: early the noise fills the box, late it is far below the separation of points.

    Attributes:
        mean: of logit(t); positive is later than the middle.
        std: of logit(t).
    """

    mean: float = 0.0
    std: Positive = 1.0

    def quantile(self, u: Float[Array, " number"]) -> Float[Array, " number"]:
        normal = jax.scipy.stats.norm.ppf(jnp.clip(u, 1e-6, 1.0 - 1e-6))
        return jax.nn.sigmoid(self.mean + self.std * normal)


def log_snr(
    path: ProbabilityPath, t: Float[Array, " number"], x: Float[Array, "batch *event"]
) -> Float[Array, "number ..."]:
    """log(alpha^2 / sigma^2) at each time, to broadcast against the columns of ``x``."""
    alpha, sigma = path.scales(t, x)
    return 2 * (jnp.log(alpha) - jnp.log(sigma))


@dataclasses.dataclass(frozen=True)
@checked
class LogSNRTimes(Times):
    """The times between two noise levels of a path, log-SNR rising evenly with the quantile.

    Attributes:
        path: one path; of a product, that of the columns that matter most.
        log_snr_min, log_snr_max: where times begin and end.

    Raises:
        InputError: for a product of paths, a path without Gaussian noise, or levels that it does
            not reach (not under jit).
    """

    path: ProbabilityPath
    log_snr_min: float = -8.0
    log_snr_max: float = 10.0

    def __post_init__(self) -> None:
        require_noise(self.path, "for times of given log-SNR")
        if isinstance(self.path, ProductPath):
            raise InputError(f"expected one path, got {self.path!r}; give one of its groups")
        ends = self._log_snr(jnp.array([0.0, 1.0]))
        wanted = (self.log_snr_min, self.log_snr_max)
        if not isinstance(ends, jax.core.Tracer):
            low, high = (float(end) for end in ends)
            if not low - 1e-3 <= self.log_snr_min < self.log_snr_max <= high + 1e-3:
                raise InputError(
                    f"expected log_snr_min to log_snr_max within the path's {low} to {high}, got "
                    f"{wanted}; "
                    "narrow them or widen the path"
                )

    def _log_snr(self, t: Float[Array, " number"]) -> Float[Array, " number"]:
        return log_snr(self.path, t, jnp.zeros((1, 1))).ravel()

    def quantile(self, u: Float[Array, " number"]) -> Float[Array, " number"]:
        wanted = self.log_snr_min + u * (self.log_snr_max - self.log_snr_min)

        def halve(_, ends):
            low, high = ends
            middle = 0.5 * (low + high)
            below = self._log_snr(middle) < wanted
            return jnp.where(below, middle, low), jnp.where(below, high, middle)

        ends = jax.lax.fori_loop(0, 30, halve, (jnp.zeros_like(u), jnp.ones_like(u)))
        t = jax.lax.stop_gradient(ends[0])
        # Bisection has no derivative. One of Newton's steps gives the first, two the second.
        for _ in range(2):
            level, rate = jax.jvp(self._log_snr, (t,), (jnp.ones_like(t),))
            t = t - (level - wanted) / rate
        return t
