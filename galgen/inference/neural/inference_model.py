"""Models that infer from data instead of drawing data, in the place of generative ones.

An :class:`~galgen.experiment.Experiment` trains them on the same batches, ``Batch(x, mask,
condition)``, by the same loop, into the same run folder::

    network=PooledNetwork(ParticleMesh()),
    model=NeuralPosterior(),
    sampler=NoDraws(),

The network is an encoder or a classifier, called as ``network(x, mask)``: one vector per example.
"""

from __future__ import annotations

import abc
import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from galgen.checked import checked
from galgen.errors import InputError
from galgen.generative.models.model import Model
from galgen.generative.sampling.sampler import Samples, SamplingMethod
from galgen.types import Batch, Params


class InferenceModel(Model):
    """A model of the condition given the data; nothing is drawn of it as data."""

    def drawn_from(self, params: Params) -> Model:
        return self

    @property
    def drawn_as(self) -> type[Model]:
        return InferenceModel


class BoundPosterior(abc.ABC):
    """A posterior with its weights; parameters are standardised. Pure, for ``jax.jit``."""

    @abc.abstractmethod
    def sample(
        self, key: jax.Array, observation: Batch, number: int
    ) -> Float[Array, "batch number parameters"]:
        """Draws of the posterior of every example.

        Args:
            key: of the draws.
            observation: data as they were trained on; its condition is not read.
            number: draws of each.
        """

    @abc.abstractmethod
    def log_prob(
        self, theta: Float[Array, "batch number parameters"], observation: Batch
    ) -> Float[Array, "batch number"]:
        """log p(theta | observation) in nats of standardised parameters, -inf outside the prior."""


class PosteriorModel(InferenceModel):
    """A model of parameters whose posterior can be drawn."""

    @abc.abstractmethod
    def bind(self, network: nn.Module, params: Params) -> BoundPosterior:
        """The posterior with its weights."""


@dataclasses.dataclass(frozen=True)
@checked
class NoDraws(SamplingMethod):
    """What an experiment has for a sampler where its model infers."""

    refuses = True

    @property
    def draws(self) -> type[Model]:
        return InferenceModel

    def __call__(
        self,
        model: Any,
        denoiser: Any,
        key: jax.Array,
        shape: tuple[int, ...],
        mask: Bool[Array, "batch points"] | None = None,
        condition: Float[Array, "batch condition"] | None = None,
        trajectory: bool = False,
    ) -> Samples:
        """Refuse.

        Raises:
            InputError: always.
        """
        raise InputError(
            f"expected a run of a generative model to draw from, got a {type(model).__name__}, "
            "which infers from data; give it catalogues by galgen infer"
        )


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
