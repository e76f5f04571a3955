r"""Random-walk Metropolis, for likelihoods without a gradient.

Steps are normal with covariance (2.38^2 / d) C, with C that of the target in d dimensions (Gelman,
Roberts and Gilks 1996). Warm-up goes in rounds. After each, C is that of the chain's last half,
blended with a small part of the one before, which keeps a stuck chain moving. The whole step is
scaled towards an acceptance of 0.3.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from galgen.checked import Count, checked
from galgen.inference.sampling.library import blackjax
from galgen.inference.sampling.sampler import Draws, PosteriorSampler
from galgen.inference.sampling.target import Target

ROUNDS = 8
ACCEPTANCE = 0.3
KEPT = 0.05


@dataclasses.dataclass(frozen=True)
@checked
class RandomWalk(PosteriorSampler):
    """Random-walk Metropolis; see the module's docstring.

    Attributes:
        thin: steps for every draw kept.
    """

    warmup: Count = 2000
    thin: Count = 10

    def chain(self, target: Target, key: PRNGKeyArray) -> Draws:
        key_start, key_warmup, key_chain = jax.random.split(key, 3)
        start = target.starts(key_start, 1)[0]
        dimension = start.shape[-1]

        def walk(state, factor, keys):
            sampler = blackjax().normal_random_walk(target.log_density, factor)

            def step(state, key):
                state, info = sampler.step(key, state)
                return state, (state.position, info.acceptance_rate)

            return jax.lax.scan(step, state, keys)

        def adapt(carry, keys):
            state, covariance, log_scale = carry
            factor = jnp.exp(log_scale) * jnp.linalg.cholesky(covariance)
            state, (path, accepted) = walk(state, factor, keys)
            found = jnp.cov(path[len(path) // 2 :], rowvar=False).reshape(dimension, dimension)
            covariance = (1 - KEPT) * found + KEPT * covariance
            log_scale += 2 * (jnp.mean(accepted) - ACCEPTANCE)
            return (state, covariance, log_scale), None

        state = blackjax().normal_random_walk(target.log_density, jnp.ones(dimension)).init(start)
        log_scale = jnp.log(2.38 / jnp.sqrt(dimension))
        keys = jax.random.split(key_warmup, (ROUNDS, -(-self.warmup // ROUNDS)))
        first = (state, jnp.eye(dimension), log_scale)
        (state, covariance, log_scale), _ = jax.lax.scan(adapt, first, keys)
        factor = jnp.exp(log_scale) * jnp.linalg.cholesky(covariance)

        def thinned(state, keys):
            state, (_, accepted) = walk(state, factor, keys)
            return state, (state.position, jnp.mean(accepted))

        keys = jax.random.split(key_chain, (self.draws, self.thin))
        _, (free, accepted) = jax.lax.scan(thinned, state, keys)
        return Draws(free, jnp.mean(accepted))
