r"""Where parameters live, and the way from there to the real line.

Densities are learned of free numbers u, on all of R^n. Draws are mapped back, and none leaves the
prior. Bounded parameters are standardised to theta in [-1, 1]
(``CatalogueDataset(bounds=...)``) and freed by the normal distribution function Phi::

    theta = 2 Phi(u) - 1 = erf(u / sqrt 2),   log |du/dtheta| = u^2 / 2 + log(pi / 2) / 2

which carries a uniform prior to a standard normal exactly: a flow that has learned nothing yet is
the prior. Parameters without bounds are standardised by their mean and deviation, and u = theta; a
normal prior is a standard normal too. So in both spaces the prior of u is standard normal.
"""

from __future__ import annotations

import abc
import dataclasses
import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from galgen.checked import checked
from galgen.inference.priors.prior import Gaussian, Prior, ProductPrior, Uniform

LARGEST = 1.0 - 1e-6
"""Largest |theta|: a parameter on a bound is taken as this near it, 4.9 deviations of u."""


class Support(abc.ABC):
    """The set of standardised parameters, and its map to free numbers."""

    @abc.abstractmethod
    def unconstrain(
        self, theta: Float[Array, "*lead parameters"]
    ) -> tuple[Float[Array, "*lead parameters"], Float[Array, "*lead"]]:
        """u and log |du/dtheta|; NaN and -inf outside the support."""

    @abc.abstractmethod
    def constrain(self, u: Float[Array, "*lead parameters"]) -> Float[Array, "*lead parameters"]:
        """theta, inside the support whatever u."""

    @abc.abstractmethod
    def prior(self, parameters: int) -> Prior:
        """The prior of this many standardised parameters."""


@dataclasses.dataclass(frozen=True)
@checked
class Bounded(Support):
    """[-1, 1] in every parameter; the prior is uniform."""

    def unconstrain(self, theta):
        inside = jnp.abs(theta) <= 1.0
        # Clipped before it is mapped: an infinite branch would have gradients that are not numbers.
        safe = jnp.clip(theta, -LARGEST, LARGEST)
        u = math.sqrt(2.0) * jax.scipy.special.erfinv(safe)
        log_slope = jnp.sum(0.5 * u**2 + 0.5 * math.log(math.pi / 2), axis=-1)
        return jnp.where(inside, u, jnp.nan), jnp.where(inside.all(axis=-1), log_slope, -jnp.inf)

    def constrain(self, u):
        return jax.scipy.special.erf(u / math.sqrt(2.0))

    def prior(self, parameters):
        return ProductPrior(tuple(Uniform(name, -1.0, 1.0) for name in _names(parameters)))


@dataclasses.dataclass(frozen=True)
@checked
class Unbounded(Support):
    """All real numbers, standardised; a prior, where one is needed, is standard normal."""

    def unconstrain(self, theta):
        return theta, jnp.zeros(theta.shape[:-1], theta.dtype)

    def constrain(self, u):
        return u

    def prior(self, parameters):
        return ProductPrior(tuple(Gaussian(name, 0.0, 1.0) for name in _names(parameters)))


def _names(parameters: int) -> list[str]:
    return [f"theta_{i + 1}" for i in range(parameters)]
