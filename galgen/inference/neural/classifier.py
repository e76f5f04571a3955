"""Classification by cross-entropy: of digits by their images, or of clouds by a pooled network.

The loss of one example of class k with logits l is -log softmax(l)_k, in nats; for a loss of log K
nothing has been learned of K classes. The class is the condition, one-hot, as in generative
training of digits::

    data=DigitDataset(), network=ConvolutionalClassifier(10), model=Classification(),
    network=CloudClassifier(PooledNetwork(SetTransformer()), classes=2)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import flax.linen as nn
import jax
import optax
from jaxtyping import Array, Bool, Float

from galgen.checked import checked
from galgen.generative.models.model import Model
from galgen.inference.neural.inference_model import check_condition, encode
from galgen.losses import MeanLoss, example_weight, mean_over_examples
from galgen.networks.classifier import Classes
from galgen.networks.layers import ZERO
from galgen.types import Batch, Params

LogProbability = Callable[[Batch], Float[Array, "batch classes"]]
"""The logarithm of the probability of each class of every example, in nats."""


@checked
class CloudClassifier(nn.Module):
    """Logits from what an encoder makes of each example; zero at initialisation.

    Attributes:
        encoder: called as ``encoder(x, mask)``.
        classes: number of classes.
    """

    encoder: nn.Module
    classes: Classes = 2

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch *event"], mask: Bool[Array, "batch points"] | None = None
    ) -> Float[Array, "batch classes"]:
        features = nn.silu(self.encoder(x, mask))
        return nn.Dense(self.classes, kernel_init=ZERO)(features)


@dataclasses.dataclass(frozen=True)
@checked
class Classification(Model):
    """The probability of each class given the data; the condition is one-hot."""

    def initial_params(self, network: nn.Module, key: jax.Array, batch: Batch) -> Params:
        check_condition(batch)
        return network.init(key, batch.x, batch.mask)

    def mean_loss(
        self, network: nn.Module, params: Params, key: jax.Array, batch: Batch
    ) -> MeanLoss:
        logits = encode(network, params, batch)
        each = optax.softmax_cross_entropy(logits, check_condition(batch))
        return mean_over_examples(each, example_weight(batch))

    def with_params(self, network: nn.Module, params: Params) -> LogProbability:
        def log_probability(data):
            return jax.nn.log_softmax(encode(network, params, data))

        return log_probability
