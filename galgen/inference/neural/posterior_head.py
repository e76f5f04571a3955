r"""Conditional densities of free parameters: the last part of a neural posterior.

Given the features f that an encoder makes of the data, a head is a density q(u | f) of the free
parameters u (:mod:`galgen.inference.priors.support`) that can be drawn from and evaluated:

flow      a conditional normalizing flow, trained by likelihood: -log q(u | f) (Papamakarios and
          Murray 2016, arXiv:1605.06376; with splines, Durkan et al. 2019, arXiv:1906.04032)
matching  flow matching with x = u (Wildberger et al. 2023, arXiv:2305.17161): the velocity
          of a bridge from a standard normal, whose density follows by the change of variables
"""

from __future__ import annotations

import abc
import dataclasses
from typing import cast

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from galgen.checked import Count, checked
from galgen.generative.models.bridge import Bridge
from galgen.generative.models.model import denoiser_of, initial_denoiser
from galgen.generative.normalizing_flow import (
    Affine,
    Bijection,
    Chain,
    MaskedAutoregressive,
    NormalizingFlow,
    RationalQuadraticSpline,
    Reversal,
)
from galgen.generative.paths.affine import LinearPath
from galgen.generative.sampling.likelihood import ExactDivergence, Likelihood
from galgen.generative.sampling.ode import FixedSteps
from galgen.generative.sampling.sampler import Sampler
from galgen.losses import MeanLoss, mean_over_examples
from galgen.networks.mlp import MLP
from galgen.types import Batch, Params

Rows = Float[Array, "rows parameters"]
Features = Float[Array, "rows features"]


class PosteriorHead(abc.ABC):
    """A density q(u | features), one row each.

    Attributes:
        nats: whether the loss is -log q.
    """

    nats: bool

    @abc.abstractmethod
    def initial_params(self, key: jax.Array, u: Rows, features: Features) -> Params:
        """Fresh weights."""

    @abc.abstractmethod
    def loss(
        self,
        params: Params,
        key: jax.Array,
        u: Rows,
        features: Features,
        weight: Float[Array, " rows"],
    ) -> MeanLoss:
        """The training loss of the rows of a batch, each by its weight."""

    @abc.abstractmethod
    def log_prob(self, params: Params, u: Rows, features: Features) -> Float[Array, " rows"]:
        """log q(u | features), in nats."""

    @abc.abstractmethod
    def sample(self, params: Params, key: jax.Array, parameters: int, features: Features) -> Rows:
        """One draw of q for each row of ``features``."""


def posterior_flow(layers: int = 3, width: int = 64, bins: int = 8) -> NormalizingFlow:
    """Autoregressive splines that shape a standard normal, and an affine layer that places it.

    Posteriors are narrow and anywhere, which a spline on a fixed interval alone learns slowly.

    Args:
        layers: of splines.
        width: of each network's two hidden layers.
        bins: of each spline.
    """
    bijections: list[Bijection] = []
    for _ in range(layers):
        bijections += [MaskedAutoregressive(RationalQuadraticSpline(bins), width), Reversal()]
    return NormalizingFlow(Chain((*bijections, MaskedAutoregressive(Affine(), width))))


@dataclasses.dataclass(frozen=True)
@checked
class FlowHead(PosteriorHead):
    """A conditional normalizing flow.

    Attributes:
        flow: its condition are the features.
    """

    flow: NormalizingFlow = posterior_flow()

    nats = True

    def initial_params(self, key, u, features):
        return self.flow.init(key, u, features)

    def loss(self, params, key, u, features, weight):
        return mean_over_examples(-self.log_prob(params, u, features), weight)

    def log_prob(self, params, u, features):
        return cast(Array, self.flow.apply(params, u, features))

    def sample(self, params, key, parameters, features):
        shape = (len(features), parameters)
        return cast(Array, self.flow.apply(params, key, shape, features, method="sample"))


@dataclasses.dataclass(frozen=True)
@checked
class MatchingHead(PosteriorHead):
    """Flow matching of the parameters.

    Attributes:
        network: velocity, called as ``network(u, t, None, features)``.
        bridge: from a standard normal to the free parameters.
        sampler: of the bridge.
        likelihood: of the bridge.
        draws: times and starts per example and step: the encoder, which costs most, is run once.
    """

    network: nn.Module = MLP(width=96, layers=3)
    bridge: Bridge = Bridge(LinearPath())
    sampler: Sampler = Sampler(steps=32)
    likelihood: Likelihood = Likelihood(ExactDivergence(), FixedSteps(24))
    draws: Count = 8

    nats = False

    def initial_params(self, key, u, features):
        return initial_denoiser(self.network, key, Batch(u, None, features))

    def loss(self, params, key, u, features, weight):
        rows = (jnp.repeat(each, self.draws, axis=0) for each in (u, features, weight))
        u, features, weight = rows
        denoiser = denoiser_of(self.network, params)
        return self.bridge.sums(denoiser, key, Batch(u, None, features, weight))

    def log_prob(self, params, u, features):
        flow = self.bridge.with_params(self.network, params)
        # An exact divergence draws nothing, so any key will do.
        return self.likelihood(flow, jax.random.key(0), u, None, features).value

    def sample(self, params, key, parameters, features):
        flow = self.bridge.with_params(self.network, params)
        return self.sampler(flow, key, (len(features), parameters), None, features).x
