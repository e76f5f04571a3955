"""Which times a bridge is trained at.

The loss is an average over t, and any density over [0, 1] has the same minimiser; where it puts its
weight decides what is learned first. Draws are stratified: one in each of as many equal parts of
probability as there are examples, which leaves the density as it is and lowers the variance
(Kingma et al. 2021, arXiv:2107.00630, appendix I.1).

For n draws of a smooth function of t the variance of the mean is of order n^-3, against n^-1 of
independent draws. Antithetic pairs (u, 1 - u) cancel what is odd about the middle and keep n^-1;
strata cancel all that is longer than 1 / n, the odd part among it, so that there is nothing left
for antithetic times to do.
"""

from __future__ import annotations

import abc
import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from galgen.checked import Positive, checked


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
