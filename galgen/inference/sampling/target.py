r"""A posterior in the free coordinates of its prior, which samplers draw from.

    log density(u) = log L(theta(u)) + log prior(theta(u)) + log |d theta / d u|

The likelihood of a field is an estimate. Its noise is drawn once and kept: one key, or several that
are averaged. So every sampler sees one smooth density and its gradient. The effect of that noise on
the posterior is not in the spread of the draws. Other seeds tell it, or the jackknife of
:mod:`galgen.inference.likelihood.profile`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array, Bool, Float, Key

from galgen.data.catalogue import Catalogue
from galgen.errors import InputError
from galgen.inference.likelihood.field_level import FieldLevel, likelihood_noises
from galgen.inference.priors.prior import Prior
from galgen.inference.results.result_warning import ResultWarning
from galgen.types import Params

LogLikelihood = Callable[[Float[Array, " parameters"]], Float[Array, ""]]
"""``log_likelihood(theta)`` of physical parameters, up to a constant, differentiable."""


@dataclasses.dataclass(frozen=True)
class Target:
    """A posterior up to a constant.

    Attributes:
        prior: of the parameters.
        log_likelihood: of the data given physical parameters, for one point. As a
            ``jax.tree_util.Partial`` of the data, samplers compile once for all data of a shape.
        warnings: about the data, which go with every result.
    """

    prior: Prior
    log_likelihood: LogLikelihood
    warnings: tuple[ResultWarning, ...] = ()

    def log_density(self, free: Float[Array, " parameters"]) -> Float[Array, ""]:
        """The log posterior density of free coordinates."""
        theta, slope = self.prior.constrain(free)
        return self.log_posterior(theta) + slope

    def log_posterior(self, theta: Float[Array, " parameters"]) -> Float[Array, ""]:
        """The log posterior density of physical parameters."""
        return self.log_likelihood(theta) + self.prior.log_prob(theta)

    def log_free_prior(self, free: Float[Array, " parameters"]) -> Float[Array, ""]:
        """The log prior density of free coordinates."""
        theta, slope = self.prior.constrain(free)
        return self.prior.log_prob(theta) + slope

    def log_free_likelihood(self, free: Float[Array, " parameters"]) -> Float[Array, ""]:
        """The log likelihood at free coordinates."""
        return self.log_likelihood(self.prior.constrain(free)[0])

    def starts(self, key: jax.Array, number: int) -> Float[Array, "number parameters"]:
        """Free coordinates of draws from the prior."""
        return self.prior.unconstrain(self.prior.sample(key, number))


@dataclasses.dataclass(frozen=True)
class _Averaged:
    """The mean log density of an encoded catalogue over several noises."""

    field: FieldLevel

    def __call__(
        self,
        params: Params,
        x: Float[Array, "points features"],
        mask: Bool[Array, " points"],
        noises: Key[Array, " replicas"],
        theta: Float[Array, " parameters"],
    ) -> Float[Array, ""]:
        def at(noise):
            return self.field.log_prob_of(params, noise, x, mask, theta[None])[0]

        return jnp.mean(jax.lax.map(at, noises))


def field_target(
    field: FieldLevel, catalogue: Catalogue, prior: Prior, seed: int = 0, replicas: int = 1
) -> Target:
    """The field-level posterior of a catalogue, with noise that is drawn once.

    A grid of the same seed and replicas (:mod:`galgen.inference.likelihood.profile`) has the same.

    Args:
        field: the likelihood.
        catalogue: what was observed.
        prior: within the trained range.
        seed: of the noise.
        replicas: noises that are averaged at every evaluation.

    Raises:
        InputError: for a prior or a catalogue that the model was not trained for.
    """
    if replicas < 1:
        raise InputError(f"expected 1 replica or more of the noise, got {replicas}; 8 are usual")
    field.check_prior(prior)
    encoded = field.encode(catalogue)

    x, mask = jnp.asarray(encoded.x), jnp.asarray(encoded.mask)
    noises = jnp.stack(likelihood_noises(seed, replicas))
    averaged = Partial(_Averaged(field), field.params, x, mask, noises)
    return Target(prior, averaged, encoded.warnings)
