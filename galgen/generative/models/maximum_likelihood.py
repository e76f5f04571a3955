"""A normalizing flow as a model: the flow is the network, and its likelihood what is trained.

A configuration with ``network=coupling_flow(RationalQuadraticSpline())`` and
``model=MaximumLikelihood()`` draws by ``sampler=FlowSampler()``.
"""

from __future__ import annotations

import dataclasses
from typing import Any, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from galgen.checked import checked
from galgen.errors import InputError
from galgen.generative.models.model import Model
from galgen.generative.normalizing_flow import NormalizingFlow
from galgen.generative.sampling.sampler import Samples, SamplingMethod
from galgen.losses import MeanLoss
from galgen.types import Batch, Params


@dataclasses.dataclass(frozen=True)
class BoundFlow:
    """A normalizing flow with its weights.

    Attributes:
        flow: the flow.
        params: its weights.
    """

    flow: NormalizingFlow
    params: Params

    def log_prob(
        self, x: Float[Array, "*lead features"], condition: Float[Array, "*lead _"] | None = None
    ) -> Float[Array, "*lead"]:
        """log p(x | condition), in nats."""
        return cast(Array, self.flow.apply(self.params, x, condition))

    def stages(
        self,
        key: jax.Array,
        shape: tuple[int, ...],
        condition: Float[Array, "*lead _"] | None = None,
    ) -> Float[Array, "stages *lead features"]:
        """Draws of the base, and where each layer carries them; the last are draws of p(x)."""
        found = self.flow.apply(self.params, key, shape, condition, method="stages")
        return cast(Array, found)


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

    def bind(self, network: nn.Module, params: Params) -> BoundFlow:
        assert isinstance(network, NormalizingFlow)
        return BoundFlow(network, params)

    def drawn_from(self, params: Params) -> Model:
        return self

    @property
    def drawn_as(self) -> type[Model]:
        return MaximumLikelihood


@dataclasses.dataclass(frozen=True)
@checked
class FlowSampler(SamplingMethod):
    """Draws of a normalizing flow; the trajectory has the state after every layer."""

    @property
    def draws(self) -> type[Model]:
        return MaximumLikelihood

    def __call__(
        self,
        model: Any,
        denoiser: Any,
        key: jax.Array,
        shape: tuple[int, ...],
        mask: Any = None,
        condition: Float[Array, "batch condition"] | None = None,
        trajectory: bool = False,
    ) -> Samples:
        """Draw ``shape[0]`` examples of a :class:`BoundFlow`, which stands for the denoiser.

        Raises:
            InputError: for a mask.
        """
        if mask is not None:
            raise InputError(
                f"expected no mask, got one of shape {mask.shape}; flows draw vectors of one length"
            )
        stages = denoiser.stages(key, shape, condition)
        return Samples(stages[-1], 1, stages if trajectory else None)


def _checked(network: nn.Module, batch: Batch) -> NormalizingFlow:
    if not isinstance(network, NormalizingFlow) or jnp.ndim(batch.x) != 2:
        raise InputError(
            f"expected a NormalizingFlow of vectors (batch, features), got {type(network).__name__}"
            f" and data {jnp.shape(batch.x)}; choose coupling_flow(...) on such data, or a Bridge"
        )
    return network
