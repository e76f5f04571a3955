"""A generative model but its network: what all families have in common.

Training and sampling know a family by four things: fresh weights, a loss of the network with given
weights, the network as its sampling methods call it, and what these methods take beside it. So a
configuration goes from one family to another in the line that names the model::

    model=Bridge(LinearPath())                          flow matching
    model=MeanFlow(LinearPath())                        few steps
    model=LearnedDiffusion()                            a learned noise schedule, by the ELBO
    model=ContinuousFlow(Bridge(LinearPath()))          a continuous flow, by likelihood
    model=MaximumLikelihood()                           a normalizing flow, which is the network
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from galgen.losses import MeanLoss
from galgen.types import Batch, Params

Denoiser = Callable[
    [
        Float[Array, "batch *event"],
        Float[Array, " batch"],
        Bool[Array, "batch points"] | None,
        Float[Array, "batch condition"] | None,
    ],
    Float[Array, "batch *event"],
]
"""``denoiser(x, t, mask, condition)``: a network with its weights bound."""


class Model(abc.ABC):
    """Everything that defines a generative model but its network."""

    @abc.abstractmethod
    def initial_params(self, network: nn.Module, key: jax.Array, batch: Batch) -> Params:
        """Fresh weights of ``network``, and of what else is learned, for data like ``batch``."""

    @abc.abstractmethod
    def mean_loss(
        self, network: nn.Module, params: Params, key: jax.Array, batch: Batch
    ) -> MeanLoss:
        """What training minimises, on one batch, as the sums that it is a ratio of."""

    def training_loss(
        self, network: nn.Module, params: Params, key: jax.Array, batch: Batch
    ) -> Float[Array, ""]:
        """What training minimises, on one batch: every example counts once."""
        return self.mean_loss(network, params, key, batch).value

    @abc.abstractmethod
    def bind(self, network: nn.Module, params: Params) -> Any:
        """The network with its weights, as the sampling methods of the model call it."""

    @abc.abstractmethod
    def drawn_from(self, params: Params) -> Model:
        """The model that sampling methods take: itself, or what the weights make of it."""

    @property
    @abc.abstractmethod
    def drawn_as(self) -> type[Model]:
        """The class of ``drawn_from``."""


class DenoisingModel(Model):
    """A model whose network is a denoiser."""

    @abc.abstractmethod
    def sums(self, denoiser: Denoiser, key: jax.Array, batch: Batch) -> MeanLoss:
        """What training minimises, on one batch, as the sums that it is a ratio of."""

    def loss(self, denoiser: Denoiser, key: jax.Array, batch: Batch) -> Float[Array, ""]:
        """What training minimises, on one batch: every example counts once."""
        return self.sums(denoiser, key, batch).value

    def network_condition(
        self, condition: Float[Array, "batch _"] | None, number: int
    ) -> Float[Array, "batch _"] | None:
        """The condition as the network sees it, for fresh weights: the shape is what counts."""
        return condition

    def initial_params(self, network: nn.Module, key: jax.Array, batch: Batch) -> Params:
        return initial_denoiser(network, key, batch, self.network_condition)

    def mean_loss(
        self, network: nn.Module, params: Params, key: jax.Array, batch: Batch
    ) -> MeanLoss:
        return self.sums(self.bind(network, params), key, batch)

    def bind(self, network: nn.Module, params: Params) -> Denoiser:
        return bind_denoiser(network, params)

    def drawn_from(self, params: Params) -> Model:
        return self

    @property
    def drawn_as(self) -> type[Model]:
        return type(self)


def initial_denoiser(
    network: nn.Module,
    key: jax.Array,
    batch: Batch,
    network_condition: Callable[..., Any] = lambda condition, number: condition,
) -> Params:
    """Fresh weights of a network that is called ``network(x, t, mask, condition)``."""
    number = len(batch.x)
    condition = network_condition(batch.condition, number)
    return network.init(key, batch.x, jnp.zeros(number), batch.mask, condition)


def bind_denoiser(network: nn.Module, params: Params) -> Denoiser:
    """``network`` with ``params`` as a denoiser."""

    def denoise(x, t, mask, condition):
        return network.apply(params, x, t, mask, condition)

    return denoise
