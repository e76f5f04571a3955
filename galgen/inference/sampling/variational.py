r"""Variational inference: the normal distribution nearest to a posterior.

q(u) = N(mu, S) maximises E_q [log density(u) - log q(u)], the evidence lower bound, by stochastic
gradients (Kucukelbir et al. 2017, arXiv:1603.00788), with S diagonal (mean field, which cannot know
correlations and is too narrow where there are any) or free (full rank). How well q serves is told
by the Pareto shape k of the weights density / q of its draws: above 0.7 it does not (Yao et al.
2018, arXiv:1802.02538). Chains are fits of their own: R-hat tells whether they agree.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
from arviz_stats.base.array import array_stats
from jaxtyping import PRNGKeyArray

from galgen.checked import Count, Positive, checked
from galgen.inference.results.result_warning import ResultWarning
from galgen.inference.sampling.library import blackjax
from galgen.inference.sampling.sampler import Draws, PosteriorSampler
from galgen.inference.sampling.target import Target

LARGEST_SHAPE = 0.7


@dataclasses.dataclass(frozen=True)
@checked
class VariationalGaussian(PosteriorSampler):
    """The nearest normal in free coordinates; see the module's docstring.

    Attributes:
        warmup: steps of the fit.
        full_rank: learn correlations; else mean field.
        learning_rate: of Adam, falling to zero.
        samples: draws of q in each step.
    """

    warmup: Count = 1000
    full_rank: bool = True
    learning_rate: Positive = 0.05
    samples: Count = 8

    def chain(self, target: Target, key: PRNGKeyArray) -> Draws:
        key_start, key_fit, key_draw = jax.random.split(key, 3)
        start = target.starts(key_start, 1)[0]

        # blackjax starts at the origin with unit widths.
        def shifted(u):
            return target.log_density(u + start)

        # Gradients far from the peak are huge: a long memory of them would stop all that follow.
        rate = optax.cosine_decay_schedule(self.learning_rate, self.warmup)
        optimizer = optax.adam(rate, b2=0.95)
        family = blackjax().fullrank_vi if self.full_rank else blackjax().meanfield_vi
        algorithm = family(shifted, optimizer, self.samples)

        def step(state, key):
            return algorithm.step(key, state)

        state, _ = jax.lax.scan(
            step, algorithm.init(jnp.zeros_like(start)), jax.random.split(key_fit, self.warmup)
        )
        u = algorithm.sample(key_draw, state, self.draws)
        log_weight = jax.lax.map(shifted, u) - _log_normal(u)
        return Draws(u + start, quality=log_weight)

    def warnings(self, drawn: Draws) -> tuple[ResultWarning, ...]:
        worst = float(np.max([_shape(np.asarray(row, float)) for row in drawn.quality]))
        if worst <= LARGEST_SHAPE:
            return ()
        if np.isnan(worst):
            text = "the Pareto shape of its weights cannot be told: how well it fits is unknown"
            return (ResultWarning("variational", text),)
        text = f"Pareto shape {worst:.2f} of its weights, above 0.7: no normal fits; use NUTS"
        return (ResultWarning("variational", text),)


def _shape(log_weight: np.ndarray) -> float:
    """The Pareto shape k of weights; NaN where they have no tail to tell it from."""
    try:
        return float(array_stats.psislw(log_weight)[1])
    except ValueError:
        return float("nan")


def _log_normal(u):
    """log q(u) up to a constant, with the draws' own mean and covariance."""
    gap = u - jnp.mean(u, axis=0)
    covariance = jnp.cov(u, rowvar=False).reshape(u.shape[-1], u.shape[-1])
    return -0.5 * jnp.sum(gap * jnp.linalg.solve(covariance, gap.T).T, axis=-1)
