r"""Neural posterior estimation: p(theta | data) learned from pairs of parameters and data.

Pairs (theta, x) of the prior and the simulator are trained on by (Papamakarios and Murray 2016,
arXiv:1605.06376)::

    loss = - < log q(theta | x) >,    q(theta | x) = q(u | f(x)) |du/dtheta|

whose least value, over all q, is that of the posterior under that prior: no likelihood is written
down. f is the network, an encoder of clouds or of vectors; q of the free parameters u is a head
(:mod:`galgen.inference.neural.posterior_head`); the map to u keeps every draw inside the prior
(:mod:`galgen.inference.priors.support`). In a configuration the data, their batches and the trainer
stay as they are for a generative model::

    data=CatalogueDataset(path, bounds=((0.1, 0.5), (0.6, 1.0))),
    network=PooledNetwork(ParticleMesh()),
    model=NeuralPosterior(),

With a :class:`~galgen.inference.neural.posterior_head.MatchingHead` the loss is that of flow
matching.
"""

from __future__ import annotations

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp

from galgen.checked import checked
from galgen.inference.neural.inference_model import PosteriorModel, check_condition, encode
from galgen.inference.neural.posterior_head import FlowHead, PosteriorHead
from galgen.inference.priors.support import Bounded, Support
from galgen.losses import MeanLoss, example_weight, mean_over_examples
from galgen.types import Batch, Params


@dataclasses.dataclass(frozen=True)
@checked
class NeuralPosterior(PosteriorModel):
    """The posterior of the condition given the data.

    Attributes:
        head: the density of the free parameters.
        support: ``Bounded()`` for data with ``bounds``, ``Unbounded()`` for data without, whose
            parameters would leave [-1, 1] and make the loss NaN.
    """

    head: PosteriorHead = FlowHead()
    support: Support = Bounded()

    def initial_params(self, network: nn.Module, key: jax.Array, batch: Batch) -> Params:
        key_encoder, key_head = jax.random.split(key)
        encoder = network.init(key_encoder, batch.x, batch.mask)
        u = jnp.zeros_like(check_condition(batch))
        features = encode(network, encoder, batch)
        head = self.head.initial_params(key_head, u, features)
        # Never trained: its length tells how many parameters there are to draw.
        return {"encoder": encoder, "head": head, "parameters": u[0]}

    def mean_loss(
        self, network: nn.Module, params: Params, key: jax.Array, batch: Batch
    ) -> MeanLoss:
        u, log_slope = self.support.unconstrain(check_condition(batch))
        features = encode(network, params["encoder"], batch)
        weight = example_weight(batch)
        loss = self.head.loss(params["head"], key, u, features, weight)
        if not self.head.nats:
            return loss
        # Where a parameter lies outside the prior the loss is NaN, and training stops.
        slope = mean_over_examples(log_slope, weight)
        return MeanLoss(loss.total - slope.total, loss.weight)

    def sample(self, network, params, key, data, number):
        parameters = len(params["parameters"])
        rows = jnp.repeat(encode(network, params["encoder"], data), number, axis=0)
        u = self.head.sample(params["head"], key, parameters, rows)
        return self.support.constrain(u).reshape(-1, number, parameters)

    def log_prob(self, network, params, theta, data):
        batch, number, parameters = theta.shape
        rows = jnp.repeat(encode(network, params["encoder"], data), number, axis=0)
        u, log_slope = self.support.unconstrain(theta.reshape(-1, parameters))
        inside = jnp.isfinite(log_slope)
        safe = jnp.where(inside[:, None], u, 0.0)
        density = self.head.log_prob(params["head"], safe, rows)
        return jnp.where(inside, density + log_slope, -jnp.inf).reshape(batch, number)
