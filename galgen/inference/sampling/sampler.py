"""The interface of samplers of posteriors."""

from __future__ import annotations

import abc
import dataclasses
import functools
from typing import Annotated, Any, NamedTuple

import jax
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Float, Int, PRNGKeyArray

from galgen.checked import Count, at_least, checked
from galgen.inference.priors.prior import Prior
from galgen.inference.results.result_warning import ResultWarning
from galgen.inference.sampling.result import PosteriorSamples
from galgen.inference.sampling.target import Target
from galgen.randomness import Role, random_key


class Draws(NamedTuple):
    """The result of one chain.

    Attributes:
        free: free coordinates.
        acceptance: mean acceptance of its transitions, or None.
        divergences: diverging transitions, or None.
        quality: one number that the sampler judges itself by, or None.
    """

    free: Float[Array, "draws parameters"]
    acceptance: Float[Array, ""] | None = None
    divergences: Int[Array, ""] | None = None
    quality: Any = None


@dataclasses.dataclass(frozen=True)
@checked
class PosteriorSampler(abc.ABC):
    """Draws several chains side by side, each from its own draws of the prior.

    Attributes:
        chains: that run side by side, from which R-hat is told.
        draws: kept of each chain.
        warmup: steps before them, which adapt the sampler and are dropped.
    """

    chains: Count = 4
    draws: Annotated[int, at_least(4)] = 1000
    warmup: Count = 500

    @abc.abstractmethod
    def chain(self, target: Target, key: PRNGKeyArray) -> Draws:
        """One chain; pure, for ``jax.vmap``."""

    def __call__(self, target: Target, seed: int = 0) -> PosteriorSamples:
        """Draws of a posterior, with the warnings of their diagnostics.

        Args:
            target: the posterior.
            seed: of the chains.

        Raises:
            FloatingPointError: if a chain leaves the finite numbers.
        """

        likelihood = target.log_likelihood
        if not isinstance(likelihood, Partial):
            likelihood = Partial(likelihood)
        keys = jax.random.split(random_key(Role.CHAINS, seed), self.chains)
        drawn, theta, log_density = self._run(target.prior, likelihood, keys)
        samples = np.asarray(theta, np.float64)
        if not np.all(np.isfinite(samples)) or not np.all(np.isfinite(log_density)):
            raise FloatingPointError(
                f"expected finite draws of {list(target.prior.names)}, got some that are not: the "
                "likelihood is not finite inside the prior; narrow it"
            )
        return PosteriorSamples(
            names=target.prior.names,
            samples=samples,
            log_density=np.asarray(log_density, np.float64),
            acceptance=_host(drawn.acceptance),
            divergences=_host(drawn.divergences),
            warnings=target.warnings + self.warnings(drawn),
        ).judged()

    @functools.partial(jax.jit, static_argnums=(0, 1))
    def _run(
        self, prior: Prior, log_likelihood: Partial, keys: jax.Array
    ) -> tuple[Draws, Float[Array, "chains draws parameters"], Float[Array, "chains draws"]]:
        """All chains; compiled once for data of one shape, which the likelihood carries."""
        target = Target(prior, log_likelihood)
        drawn = jax.vmap(lambda key: self.chain(target, key))(keys)
        theta = prior.constrain(drawn.free)[0]
        return drawn, theta, jax.lax.map(jax.vmap(target.log_posterior), theta)

    def warnings(self, drawn: Draws) -> tuple[ResultWarning, ...]:
        """Warnings of the sampler itself."""
        return ()


def _host(values: Array | None) -> np.ndarray | None:
    return None if values is None else np.asarray(values)
