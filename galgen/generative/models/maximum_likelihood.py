"""A normalizing flow as a model: the flow is the network, and its likelihood what is trained.

A configuration with ``network=coupling_flow(RationalQuadraticSpline())`` and
``model=MaximumLikelihood()`` draws by ``sampler=FlowSampler()``.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from galgen.checked import checked
from galgen.errors import InputError
from galgen.generative.models.model import Model
from galgen.generative.normalizing_flow import NormalizingFlow
from galgen.generative.sampling.method import Samples, SamplingMethod
from galgen.losses import MeanLoss
from galgen.types import Batch, Params


@dataclasses.dataclass(frozen=True)
@checked
class MaximumLikelihood(Model):
    """A normalizing flow trained by likelihood; its loss is in nats per example."""

    def initial_params(self, network: nn.Module, key: jax.Array, batch: Batch) -> Params:
        return _checked(network, batch).init(key, batch.x, batch.condition)

    def mean_loss(
        self, network: nn.Module, params: Params, key: jax.Array, batch: Batch
    ) -> MeanLoss:
        return _checked(network, batch).negative_log_likelihood(params, key, batch)

    def with_params(self, network: nn.Module, params: Params) -> NormalizingFlow:
        """The flow, whose methods ``log_prob``, ``sample`` and ``stages`` use the weights."""
        assert isinstance(network, NormalizingFlow)
        return network.bind(params)

    @property
    def default_sampler(self) -> SamplingMethod:
        return FlowSampler()


@dataclasses.dataclass(frozen=True)
@checked
class FlowSampler(SamplingMethod):
    """Draws of a normalizing flow; the trajectory has the state after every layer."""

    draws = NormalizingFlow

    def __call__(
        self,
        model: NormalizingFlow,
        key: jax.Array,
        shape: tuple[int, ...],
        mask: Any = None,
        condition: Float[Array, "batch condition"] | None = None,
        trajectory: bool = False,
    ) -> Samples:
        """Draw ``shape[0]`` examples of a normalizing flow.

        Raises:
            InputError: for a mask.
        """
        if mask is not None:
            raise InputError(
                f"expected no mask, got one of shape {mask.shape}; flows draw vectors of one length"
            )
        stages = model.stages(key, shape, condition)
        return Samples(stages[-1], 1, stages if trajectory else None)


def _checked(network: nn.Module, batch: Batch) -> NormalizingFlow:
    if not isinstance(network, NormalizingFlow) or jnp.ndim(batch.x) != 2:
        raise InputError(
            f"expected a NormalizingFlow of vectors (batch, features), got {type(network).__name__}"
            f" and data {jnp.shape(batch.x)}; choose coupling_flow(...) on such data, or a Bridge"
        )
    return network
