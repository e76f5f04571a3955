"""A model but its network: what all families have in common.

Training and drawing know a family by four things: fresh weights, a loss, the model with its
weights, and how draws are made of it where nothing else is said. So a configuration goes from one
family to another in the line that names the model::

    model=Bridge(LinearPath())                          flow matching
    model=MeanFlow(LinearPath())                        few steps
    model=LearnedDiffusion()                            a learned noise schedule, by the ELBO
    model=ContinuousFlow(Bridge(LinearPath()))          a continuous flow, by likelihood
    model=MaximumLikelihood()                           a normalizing flow, which is the network

The families of :mod:`galgen.inference.neural` infer from data. No data are drawn of them, and they
have no sampler.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from galgen.errors import InputError
from galgen.generative.sampling.method import SamplingMethod
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
"""``denoiser(x, t, mask, condition)``: a network with its weights."""


class Model(abc.ABC):
    """Everything that defines a model but its network.

    Attributes:
        reads_field: whether it reads the field that its data come from; with weights it has a
            method ``given_field`` then.
    """

    reads_field = False

    @abc.abstractmethod
    def initial_params(self, network: nn.Module, key: jax.Array, batch: Batch) -> Params:
        """Fresh weights of ``network``, and of what else is learned, for data like ``batch``."""

    @abc.abstractmethod
    def mean_loss(
        self, network: nn.Module, params: Params, key: jax.Array, batch: Batch
    ) -> MeanLoss:
        """The training loss of one batch, as the two sums of which it is the ratio."""

    def training_loss(
        self, network: nn.Module, params: Params, key: jax.Array, batch: Batch
    ) -> Float[Array, ""]:
        """The training loss of one batch; every example counts once."""
        return self.mean_loss(network, params, key, batch).value

    @abc.abstractmethod
    def with_params(self, network: nn.Module, params: Params) -> Any:
        """The model with its weights. Pure: weights may be arguments of ``jax.jit``.

        Returns:
            What is used of a trained model. Of a generative one, what its sampling methods draw
            from: a :class:`~galgen.generative.sampling.flow.Flow` of all bridges, which has a log
            density too, a ``NormalizingFlow`` or a ``TrainedMeanFlow``. Of one that infers, a
            :class:`~galgen.inference.neural.inference_model.Posterior`, or a function of a batch.
        """

    @property
    def default_sampler(self) -> SamplingMethod | None:
        """How data are drawn where nothing else is said; None for a model that infers."""
        return None

    def calibration(
        self, network: nn.Module, params: Params, source: Any, sampler: Any, seed: int
    ) -> Mapping[str, Float[np.ndarray, "..."]]:
        """Weights, by their path, that are learned from draws of the trained model; mostly none.

        Args:
            network: that was trained.
            params: averaged weights.
            source: of the training examples.
            sampler: how draws are made.
            seed: of the draws.
        """
        return {}

    def sampler_or_default(self, chosen: SamplingMethod | None) -> SamplingMethod | None:
        """The sampler that was chosen, or the default.

        Raises:
            InputError: for one that does not draw from this family; the message names the remedy.
        """
        usual = self.default_sampler
        if chosen is None or (usual is not None and chosen.draws is usual.draws):
            return chosen or usual
        fit = "no sampler, for it infers" if usual is None else type(usual).__name__
        raise InputError(
            f"expected a sampler that draws from {type(self).__name__}, got "
            f"{type(chosen).__name__}; it goes with {fit}: leave the sampler out"
        )


class DenoisingModel(Model):
    """A model whose network is a denoiser."""

    @abc.abstractmethod
    def flow(self, denoiser: Denoiser) -> Any:
        """The model with a denoiser: :meth:`with_params` of a network with its weights."""

    def with_params(self, network: nn.Module, params: Params) -> Any:
        return self.flow(denoiser_of(network, params))

    @property
    @abc.abstractmethod
    def default_sampler(self) -> SamplingMethod:
        """How data are drawn where nothing else is said."""

    @abc.abstractmethod
    def sums(self, denoiser: Denoiser, key: jax.Array, batch: Batch) -> MeanLoss:
        """The training loss of one batch, as the two sums of which it is the ratio."""

    def loss(self, denoiser: Denoiser, key: jax.Array, batch: Batch) -> Float[Array, ""]:
        """The training loss of one batch; every example counts once."""
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
        return self.sums(denoiser_of(network, params), key, batch)


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


def denoiser_of(network: nn.Module, params: Params) -> Denoiser:
    """``network`` with ``params`` as a denoiser."""

    def denoise(x, t, mask, condition):
        return network.apply(params, x, t, mask, condition)

    return denoise


def with_weights(params: Params, weights: Mapping[str, Sequence[float] | np.ndarray]) -> Params:
    """Weights with others, flat, in the places that paths such as ``params/births/tilt`` name."""

    def of(place: Any, leaf: Any) -> Any:
        found = weights.get(jax.tree_util.keystr(place, simple=True, separator="/"))
        return leaf if found is None else jnp.asarray(found, leaf.dtype).reshape(leaf.shape)

    return jax.tree_util.tree_map_with_path(of, params)
