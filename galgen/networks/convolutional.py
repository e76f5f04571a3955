"""A small U-Net for images such as digits (Ronneberger et al. 2015, arXiv:1505.04597)."""

from __future__ import annotations

from typing import Annotated

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from galgen.checked import FILLED, Layers, Size, checked
from galgen.errors import InputError
from galgen.networks.layers import ZERO, AdaptiveNorm, Embedding, read_columns


class ConvolutionBlock(nn.Module):
    """A residual pair of 3 x 3 convolutions under adaptive normalisation.

    Attributes:
        width: channels of the output.
    """

    width: int

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "batch height wide channels"],
        embedding: Float[Array, "batch embedding"],
    ) -> Float[Array, "batch height wide width"]:
        x = nn.Conv(self.width, (1, 1))(x) if x.shape[-1] != self.width else x
        normal, gate = AdaptiveNorm()(x, embedding)
        h = nn.silu(nn.Conv(self.width, (3, 3))(normal))
        return x + gate * nn.Conv(self.width, (3, 3))(h)


@checked
class ConvolutionalNetwork(nn.Module):
    """Down by strides of two, up by resizing, with skip connections.

    Attributes:
        widths: channels at each resolution, the finest first. Height and width of the image are
            divisible by ``2 ** (len(widths) - 1)``.
        blocks: convolution blocks per resolution and direction.
    """

    widths: Annotated[tuple[Size, ...], FILLED] = (32, 64, 96)
    blocks: Layers = 1

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "batch height wide channels"],
        t: Float[Array, " batch"],
        mask: Bool[Array, "batch points"] | None = None,
        condition: Float[Array, "batch condition"] | None = None,
    ) -> Float[Array, "batch height wide channels"]:
        factor = 2 ** (len(self.widths) - 1)
        if x.ndim != 4 or mask is not None or x.shape[1] % factor or x.shape[2] % factor:
            raise InputError(
                f"expected images (batch, height, width, channels) with sides divisible by "
                f"{factor} and no mask, got shape {x.shape}; change widths or pad the images"
            )
        embedding = Embedding(self.widths[-1])(t, condition)
        first = nn.Conv(self.widths[0], (3, 3), name="input")
        h = read_columns(self, first, x, x.shape[-1])
        skips = []
        for width in self.widths[:-1]:
            for _ in range(self.blocks):
                h = ConvolutionBlock(width)(h, embedding)
            skips.append(h)
            h = nn.Conv(width, (3, 3), strides=2)(h)
        for _ in range(self.blocks):
            h = ConvolutionBlock(self.widths[-1])(h, embedding)
        for width, skip in zip(self.widths[-2::-1], skips[::-1], strict=True):
            h = jax.image.resize(h, (*skip.shape[:3], h.shape[-1]), "nearest")
            h = jnp.concatenate([h, skip], axis=-1)
            for _ in range(self.blocks):
                h = ConvolutionBlock(width)(h, embedding)
        return nn.Conv(x.shape[-1], (3, 3), kernel_init=ZERO)(nn.silu(nn.LayerNorm()(h)))
