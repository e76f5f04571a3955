r"""Neural ratio estimation: p(x | theta) / p(x) by telling true pairs from chance ones.

A classifier sees pairs (theta, x) of the simulator, and pairs whose theta is that of another
simulation (Hermans, Begy and Louppe 2020, arXiv:1903.04057). The logit l of the best classifier is
the log ratio of the two densities::

    loss = < softplus(-l(theta, x)) > + < softplus(l(theta', x)) >
    l(theta, x) = log p(theta, x) / (p(theta) p(x)) = log p(theta | x) / p(theta)

Then log posterior = l + log prior, normalised as well as the classifier is good. In chance pairs
theta' are the parameters of the batch, shifted by a few rows. The encoder may be one of clouds.
"""

from __future__ import annotations

import dataclasses
from typing import cast

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from galgen.checked import Count, Layers, Size, checked
from galgen.errors import InputError
from galgen.inference.neural.inference_model import check_condition, encode
from galgen.inference.neural.neural_likelihood import SampledPosterior
from galgen.losses import MeanLoss, example_weight, mean_over_examples
from galgen.networks.encoder import VectorNetwork
from galgen.types import Batch, Params


class RatioHead(nn.Module):
    """One logit from parameters and features.

    Attributes:
        width: of the layers.
        layers: residual blocks.
    """

    width: int
    layers: int

    @nn.compact
    def __call__(
        self, theta: Float[Array, "rows parameters"], features: Float[Array, "rows features"]
    ) -> Float[Array, " rows"]:
        pair = jnp.concatenate([theta, features], axis=-1)
        h = VectorNetwork(self.width, self.layers)(pair, None)
        return nn.Dense(1, kernel_init=nn.initializers.zeros_init())(nn.silu(h))[:, 0]


@dataclasses.dataclass(frozen=True)
@checked
class NeuralRatio(SampledPosterior):
    """The ratio of posterior to prior.

    Attributes:
        width, layers: of the classifier after the encoder.
        chance: pairs by chance for every true one, which weigh as much together.
    """

    width: Size = 64
    layers: Layers = 3
    chance: Count = 4

    @property
    def head(self) -> RatioHead:
        """The classifier of pairs."""
        return RatioHead(self.width, self.layers)

    def initial_params(self, network: nn.Module, key: jax.Array, batch: Batch) -> Params:
        key_encoder, key_head = jax.random.split(key)
        theta = check_condition(batch)
        encoder = network.init(key_encoder, batch.x, batch.mask)
        head = self.head.init(key_head, theta, encode(network, encoder, batch))
        # Never trained: its length tells how many parameters there are to draw.
        return {"encoder": encoder, "head": head, "parameters": jnp.zeros_like(theta[0])}

    def mean_loss(
        self, network: nn.Module, params: Params, key: jax.Array, batch: Batch
    ) -> MeanLoss:
        theta = check_condition(batch)
        if len(theta) <= self.chance:
            raise InputError(
                f"expected batches of more than {self.chance} examples, so that there are pairs "
                f"by chance, got {len(theta)}; raise --trainer.batch-size"
            )
        features = encode(network, params["encoder"], batch)
        true = self.logit(params, theta, features)
        # No two of the places are equal, and none is zero.
        places = 1 + jax.random.choice(key, len(theta) - 1, (self.chance,), replace=False)
        others = jax.vmap(lambda place: jnp.roll(theta, place, axis=0))(places)
        found = jax.vmap(lambda other: self.logit(params, other, features))(others)
        each = jax.nn.softplus(-true) + jnp.mean(jax.nn.softplus(found), axis=0)
        return mean_over_examples(each, example_weight(batch))

    def logit(
        self,
        params: Params,
        theta: Float[Array, "rows parameters"],
        features: Float[Array, "rows features"],
    ) -> Float[Array, " rows"]:
        """l of each pair of parameters and features."""
        return cast(Array, self.head.apply(params["head"], theta, features))

    def encoded(self, network, params, data):
        return encode(network, params["encoder"], data)

    def log_likelihood(self, network, params, theta, encoded):
        return self.logit(params, theta, encoded)
