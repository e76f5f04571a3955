r"""Neural likelihood estimation on vectors: p(x | theta) learned, the posterior sampled.

A normalizing flow of the data, conditioned on the parameters, is trained by likelihood on pairs of
the simulator (Papamakarios, Sterratt and Murray 2019, arXiv:1805.07226)::

    loss = - < log q(x | theta) >,     p(theta | x) ~ q(x | theta) p(theta)

It does not depend on the prior that parameters were drawn from; the posterior of an observation
costs a sampler (:mod:`galgen.inference.sampling`). Data are vectors: summary statistics, for which
see :mod:`galgen.inference.neural.summaries`; for whole clouds see
:mod:`galgen.inference.likelihood.field_level`::

    network=masked_autoregressive_flow(RationalQuadraticSpline()), model=NeuralLikelihood()
"""

from __future__ import annotations

import abc
import dataclasses
from typing import cast

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from galgen.checked import checked
from galgen.generative.models.maximum_likelihood import MaximumLikelihood
from galgen.inference.neural.inference_model import PosteriorModel, check_condition
from galgen.inference.priors.support import Bounded, Support
from galgen.inference.sampling.sampler import PosteriorSampler
from galgen.inference.sampling.target import Target
from galgen.inference.sampling.tempered import TemperedSMC
from galgen.losses import MeanLoss
from galgen.types import Batch, Params


@dataclasses.dataclass(frozen=True)
@checked
class SampledPosterior(PosteriorModel):
    """A posterior that is known by a likelihood, or by what takes its place.

    Attributes:
        support: of the parameters, and their prior in standardised units.
        sampler: of the posterior; of its chains one is run, with the number of draws asked for.
    """

    support: Support = Bounded()
    sampler: PosteriorSampler = TemperedSMC()

    @abc.abstractmethod
    def encoded(
        self, network: nn.Module, params: Params, data: Batch
    ) -> Float[Array, "batch columns"]:
        """The input of the likelihood: each example itself, or its features."""

    @abc.abstractmethod
    def log_likelihood(
        self,
        network: nn.Module,
        params: Params,
        theta: Float[Array, "rows parameters"],
        encoded: Float[Array, "rows columns"],
    ) -> Float[Array, " rows"]:
        """log p(x | theta) of rows of pairs, up to a function of x."""

    def sample(self, network, params, key, data, number):
        prior = self.support.prior(len(params["parameters"]))
        sampler = dataclasses.replace(self.sampler, draws=number)

        def one(arguments):
            key, row = arguments

            def log_likelihood(theta):
                return self.log_likelihood(network, params, theta[None], row[None])[0]

            return prior.constrain(sampler.chain(Target(prior, log_likelihood), key).free)[0]

        encoded = self.encoded(network, params, data)
        return jax.lax.map(one, (jax.random.split(key, len(encoded)), encoded))

    def log_prob(self, network, params, theta, data):
        batch, number, parameters = theta.shape
        rows = theta.reshape(-1, parameters)
        prior = self.support.prior(parameters).log_prob(rows)
        encoded = jnp.repeat(self.encoded(network, params, data), number, axis=0)
        likelihood = self.log_likelihood(network, params, rows, encoded)
        return (prior + likelihood).reshape(batch, number)


@dataclasses.dataclass(frozen=True)
@checked
class NeuralLikelihood(SampledPosterior):
    """The likelihood of vectors, and the posterior that it makes with the prior."""

    def initial_params(self, network: nn.Module, key: jax.Array, batch: Batch) -> Params:
        u = check_condition(batch)[0]
        flow = MaximumLikelihood().initial_params(network, key, batch)
        # Never trained: its length tells how many parameters there are to draw.
        return {"flow": flow, "parameters": jnp.zeros_like(u)}

    def mean_loss(
        self, network: nn.Module, params: Params, key: jax.Array, batch: Batch
    ) -> MeanLoss:
        check_condition(batch)
        return MaximumLikelihood().mean_loss(network, params["flow"], key, batch)

    def encoded(self, network, params, data):
        return jnp.asarray(data.x)

    def log_likelihood(self, network, params, theta, encoded):
        return cast(Array, network.apply(params["flow"], encoded, theta))
