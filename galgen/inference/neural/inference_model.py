"""Models that infer from data instead of drawing data, in the place of generative ones.

An :class:`~galgen.experiment.Experiment` trains them on the same batches, ``Batch(x, mask,
condition)``, by the same loop, into the same run folder. They have no sampler::

    network=PooledNetwork(ParticleMesh()),
    model=NeuralPosterior(),

The network is an encoder or a classifier, called as ``network(x, mask)``: one vector per example.
"""

from __future__ import annotations

import abc
import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from galgen.errors import InputError
from galgen.generative.models.model import Model
from galgen.types import Batch, Params


class PosteriorModel(Model):
    """A model of standardised parameters given data, whose posterior can be drawn."""

    def with_params(self, network: nn.Module, params: Params) -> Posterior:
        return Posterior(self, network, params)

    @abc.abstractmethod
    def sample(
        self, network: nn.Module, params: Params, key: jax.Array, data: Batch, number: int
    ) -> Float[Array, "batch number parameters"]:
        """Draws of the posterior of every example; see :meth:`Posterior.sample`."""

    @abc.abstractmethod
    def log_prob(
        self,
        network: nn.Module,
        params: Params,
        theta: Float[Array, "batch number parameters"],
        data: Batch,
    ) -> Float[Array, "batch number"]:
        """log p(theta | data); see :meth:`Posterior.log_prob`."""


@dataclasses.dataclass(frozen=True, eq=False)
class Posterior:
    """A posterior with its weights; parameters are standardised. Pure, for ``jax.jit``.

    Attributes:
        model: the family.
        network: the encoder, or the flow.
        params: weights of both.
    """

    model: PosteriorModel
    network: nn.Module
    params: Params = dataclasses.field(repr=False)

    def sample(
        self, key: jax.Array, data: Batch, number: int
    ) -> Float[Array, "batch number parameters"]:
        """Draws of the posterior of every example.

        Args:
            key: of the draws.
            data: as they were trained on; their condition is not read.
            number: draws of each.
        """
        return self.model.sample(self.network, self.params, key, data, number)

    def log_prob(
        self, theta: Float[Array, "batch number parameters"], data: Batch
    ) -> Float[Array, "batch number"]:
        """log p(theta | data) in nats of standardised parameters, -inf outside the prior.

        That of a likelihood or a ratio is up to a constant of each example.
        """
        return self.model.log_prob(self.network, self.params, theta, data)


def check_condition(batch: Batch) -> Float[Array, "batch condition"]:
    """The condition of a batch, which is what a model learns to infer.

    Raises:
        InputError: if there is none.
    """
    if batch.condition is None:
        raise InputError(
            "expected batches with a condition, whose values are inferred, got none; name the "
            "parameters by --data.condition"
        )
    return jnp.asarray(batch.condition)


def encode(network: nn.Module, params: Params, batch: Batch) -> Float[Array, "batch features"]:
    """``network(x, mask)`` with its weights."""
    return network.apply(params, batch.x, batch.mask)  # type: ignore[return-value]
