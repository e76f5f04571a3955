"""Training times spread evenly in log-SNR, whatever the path."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from galgen.checked import checked
from galgen.errors import InputError
from galgen.generative.objectives.prediction import require_noise
from galgen.generative.objectives.times import Times
from galgen.generative.objectives.weighting import log_snr
from galgen.generative.paths.path import ProbabilityPath
from galgen.generative.paths.product import ProductPath


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
