r"""Normalizing flows: a base density and a bijection, with densities, draws and a loss.

Trained by likelihood (Papamakarios et al. 2021, arXiv:1912.02762, section 2.3.1): the loss is the
mean of ``-log p(x | condition)``, in nats per example. Its least value is the entropy of the data,
and its excess over that the Kullback-Leibler divergence from data to model. Standardise the data
first: a flow starts as its base.
"""

from __future__ import annotations

from typing import cast

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from galgen.checked import checked
from galgen.errors import InputError
from galgen.generative.normalizing_flow.bijection import (
    Bijection,
    Chain,
    Condition,
    Orthogonal,
    Reversal,
    Rotation,
    Rows,
)
from galgen.generative.normalizing_flow.coupling_layer import CouplingLayer
from galgen.generative.normalizing_flow.masked_autoregressive import MaskedAutoregressive
from galgen.generative.normalizing_flow.transforms import ScalarTransform
from galgen.generative.paths.base import Base, Normal
from galgen.losses import MeanLoss, example_weight, mean_over_examples
from galgen.types import Batch, Params


@checked
class NormalizingFlow(nn.Module):
    """A base density carried by a bijection.

    ``flow.init(key, x, condition)`` gives weights, ``flow.apply(params, x, condition)`` log
    densities, and ``flow.apply(params, key, shape, condition, method="sample")`` draws.

    Attributes:
        bijection: from base to data.
        base: the density at the start.
    """

    bijection: Bijection
    base: Base = Normal()

    def __call__(self, x: Rows, condition: Condition = None) -> Float[Array, "*lead"]:
        """The same as :meth:`log_prob`."""
        return self.log_prob(x, condition)

    def log_prob(self, x: Rows, condition: Condition = None) -> Float[Array, "*lead"]:
        """log p(x | condition), in nats."""
        z, log_det = self.bijection.inverse(x, condition)
        return self.base.log_density(z) + log_det

    def sample(self, key: jax.Array, shape: tuple[int, ...], condition: Condition = None) -> Rows:
        """Draws of p(x | condition), of a shape that ends in the number of columns."""
        x, _ = self.bijection.forward(self.base.sample(key, shape), condition)
        return x

    def stages(
        self, key: jax.Array, shape: tuple[int, ...], condition: Condition = None
    ) -> Float[Array, "stages *shape"]:
        """Draws of the base, and where each bijection of a chain carries them."""
        bijection = self.bijection
        chain = bijection.bijections if isinstance(bijection, Chain) else (bijection,)
        states = [self.base.sample(key, shape)]
        for part in chain:
            states.append(part.forward(states[-1], condition)[0])
        return jnp.stack(states)

    def negative_log_likelihood(self, params: Params, key: jax.Array, batch: Batch) -> MeanLoss:
        """The loss for a :class:`~galgen.training.Trainer`; it draws nothing from the key.

        Raises:
            InputError: if the batch is padded.
        """
        if batch.mask is not None:
            raise InputError(
                f"expected vectors without a mask, got a padded batch of shape {batch.x.shape}; "
                "flows give densities of examples of one length"
            )
        log_prob = cast(Array, self.apply(params, batch.x, batch.condition))
        return mean_over_examples(-log_prob, example_weight(batch))


def coupling_flow(
    transform: ScalarTransform,
    layers: int = 6,
    width: int = 64,
    depth: int = 2,
    rotate: bool = False,
) -> NormalizingFlow:
    """Coupling layers: RealNVP with ``Affine()``, a neural spline flow with a spline.

    Args:
        transform: of each layer.
        layers: coupling layers, at least two: each carries half of the columns.
        width: of each network's hidden layers.
        depth: hidden layers of each network.
        rotate: mix columns by random rotations between layers, rather than by reversing them.
    """
    return _stack([CouplingLayer(transform, width, depth) for _ in range(layers)], rotate)


def masked_autoregressive_flow(
    transform: ScalarTransform,
    layers: int = 5,
    width: int = 64,
    depth: int = 2,
    rotate: bool = False,
) -> NormalizingFlow:
    """Masked autoregressive layers, with the arguments of :func:`coupling_flow`."""
    return _stack([MaskedAutoregressive(transform, width, depth) for _ in range(layers)], rotate)


def _stack(layers: list[Bijection], rotate: bool) -> NormalizingFlow:
    bijections = layers[:1]
    for seed, layer in enumerate(layers[1:]):
        mixing: Orthogonal = Rotation(seed) if rotate else Reversal()
        bijections += [mixing, layer]
    return NormalizingFlow(Chain(tuple(bijections)))
