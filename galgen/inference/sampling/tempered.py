r"""Tempered sequential Monte Carlo, for posteriors with several peaks.

Draws of the prior are carried to the posterior by prior(u) L(u)^b with b from 0 to 1, each step of
b as long as an effective fraction of the draws allows; they are resampled by their weights and
moved by a random walk of their own covariance (Del Moral, Doucet and Jasra 2006; Chopin 2002).
Chains are populations of their own.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from galgen.checked import ABOVE_ZERO, BELOW_ONE, Count, checked
from galgen.inference.results.result_warning import ResultWarning
from galgen.inference.sampling.library import blackjax
from galgen.inference.sampling.sampler import Draws, PosteriorSampler
from galgen.inference.sampling.target import Target

COLD = 1 - 1e-6
"""Tempering that counts as 1."""
MOST_TEMPERATURES = 500


@dataclasses.dataclass(frozen=True)
@checked
class TemperedSMC(PosteriorSampler):
    """Tempered sequential Monte Carlo; see the module's docstring.

    Attributes:
        warmup: steps of the random walk at every temperature.
        effective: the fraction of draws that stays effective from one temperature to the next.
    """

    warmup: Count = 20
    effective: Annotated[float, ABOVE_ZERO, BELOW_ONE] = 0.5

    def chain(self, target: Target, key: PRNGKeyArray) -> Draws:
        key_start, key_move = jax.random.split(key)
        particles = target.starts(key_start, self.draws)
        dimension = particles.shape[-1]
        random_walk, tempered = blackjax("mcmc.random_walk"), blackjax("smc.tempered")
        resample = blackjax("smc.resampling").systematic
        walk = random_walk.build_additive_step()

        def move(key, state, log_density, factor):
            return walk(key, state, log_density, random_walk.normal(factor))

        parts = (target.log_free_prior, target.log_free_likelihood, move, random_walk.init)
        cool = blackjax("smc.adaptive_tempered").build_kernel(*parts, resample, self.effective)
        last = tempered.build_kernel(*parts, resample)

        def factor(state):
            covariance = jnp.cov(state.particles, rowvar=False, aweights=state.weights)
            covariance = covariance.reshape(dimension, dimension) + 1e-12 * jnp.eye(dimension)
            return {"factor": 2.38 / jnp.sqrt(dimension) * jnp.linalg.cholesky(covariance)[None]}

        def step(carry):
            key, state, number = carry
            key, key_step = jax.random.split(key)
            return key, cool(key_step, state, self.warmup, factor(state))[0], number + 1

        def cooling(carry):
            _, state, number = carry
            # A likelihood that is zero everywhere would have no last temperature.
            return (state.tempering_param < COLD) & (number < MOST_TEMPERATURES)

        first = (key_move, tempered.init(particles), 0)
        key, state, _ = jax.lax.while_loop(cooling, step, first)
        reached = state.tempering_param
        # Until now draws moved at the temperature before, and their weights lead to the last one.
        state, info = last(key, state, self.warmup, jnp.ones(()), factor(state))
        accepted = jnp.mean(info.update_info.acceptance_rate)
        return Draws(state.particles, accepted, quality=reached)

    def warnings(self, drawn: Draws) -> tuple[ResultWarning, ...]:
        least = float(np.min(drawn.quality))
        if least >= COLD:
            return ()
        text = f"{MOST_TEMPERATURES} temperatures reached {least:.2g} of 1: the draws are not cold"
        return (ResultWarning("tempering", f"{text}; raise draws, or narrow the prior"),)
