"""A residual multilayer perceptron for data that are plain vectors, such as 2-D toys."""

from __future__ import annotations

import flax.linen as nn
from jaxtyping import Array, Bool, Float

from galgen.checked import Layers, Size, checked
from galgen.errors import InputError
from galgen.networks.layers import Embedding, FeedForward, Output, ResidualBlock, read_columns


@checked
class MLP(nn.Module):
    """Residual feed-forward blocks under adaptive normalisation.

    Attributes:
        width: features of the hidden state.
        layers: residual blocks.
    """

    width: Size = 128
    layers: Layers = 3

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "batch features"],
        t: Float[Array, " batch"],
        mask: Bool[Array, "batch points"] | None = None,
        condition: Float[Array, "batch condition"] | None = None,
    ) -> Float[Array, "batch features"]:
        if x.ndim != 2 or mask is not None:
            raise InputError(
                f"expected vectors (batch, features) without a mask, got shape {x.shape} and "
                f"mask {'present' if mask is not None else 'None'}; use a point-cloud network"
            )
        embedding = Embedding(self.width)(t, condition)
        h = read_columns(self, nn.Dense(self.width, name="input"), x, x.shape[-1])
        h = h + nn.Dense(self.width)(embedding)
        for _ in range(self.layers):
            h = ResidualBlock(FeedForward(self.width))(h, embedding)
        return Output(x.shape[-1])(h)
