"""A set transformer for point clouds: every point attends to every other.

Attention without positional order is permutation-equivariant (Lee et al. 2019, arXiv:1810.00825;
Vaswani et al. 2017, arXiv:1706.03762, eq. 1). In a periodic box positions enter only through
periodic features, so the network is continuous across the faces; it sees absolute positions and
does not claim translation equivariance. Padded rows are masked as keys.
"""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from galgen.geometry import Geometry, PeriodicBox
from galgen.masking import number_of_points, zero_padding
from galgen.networks.layers import (
    ZERO,
    Embedding,
    FeedForward,
    ResidualBlock,
    mean_separation,
    periodic_features,
)


class SelfAttention(nn.Module):
    """Multi-head scaled dot-product attention among the real points of each cloud."""

    heads: int

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch points width"], mask: Bool[Array, "batch points"] | None
    ) -> Float[Array, "batch points width"]:
        width = x.shape[-1]
        if width % self.heads:
            raise ValueError(f"expected a width divisible by {self.heads} heads, got {width}")
        projected = nn.Dense(3 * width, use_bias=False)(x)
        shape = (*x.shape[:2], self.heads, width // self.heads)
        query, key, value = (part.reshape(shape) for part in jnp.split(projected, 3, axis=-1))
        keys = None if mask is None else mask[:, None, None, :]
        attended = jax.nn.dot_product_attention(query, key, value, mask=keys)
        return nn.Dense(width)(attended.reshape(x.shape))


class SetTransformer(nn.Module):
    """Full-attention transformer over the points of a cloud.

    The first ``dim`` columns are positions in the unit box, the others marks.

    Attributes:
        width: features per point.
        layers: attention and feed-forward blocks.
        heads: attention heads.
        octaves: periodic features cover wavelengths from the box down by this many halvings.
        dim: number of position columns.
        geometry: ``PeriodicBox()``, or ``Euclidean()``, which adds the raw positions.
    """

    width: int = 96
    layers: int = 4
    heads: int = 4
    octaves: int = 5
    dim: int = 3
    geometry: Geometry = PeriodicBox()

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "batch points features"],
        t: Float[Array, " batch"],
        mask: Bool[Array, "batch points"] | None = None,
        condition: Float[Array, "batch condition"] | None = None,
    ) -> Float[Array, "batch points features"]:
        x = zero_padding(x, mask)
        positions, marks = x[..., : self.dim], x[..., self.dim :]
        embedding = Embedding(self.width)(t, condition, number_of_points(x, mask))
        parts = [periodic_features(positions, self.octaves), marks]
        if not self.geometry.periodic:
            parts.append(positions)
        h = nn.Dense(self.width)(jnp.concatenate(parts, axis=-1))
        h = h + nn.Dense(self.width)(embedding)[:, None]
        for _ in range(self.layers):

            def attend(normal):
                return SelfAttention(self.heads)(normal, mask)

            h = ResidualBlock(attend)(h, embedding)
            h = ResidualBlock(FeedForward(self.width, 4))(h, embedding)
        out = nn.Dense(x.shape[-1], kernel_init=ZERO)(nn.LayerNorm()(h))
        separation = mean_separation(x, mask, self.dim)[:, None]
        scale = jnp.where(jnp.arange(x.shape[-1]) < self.dim, separation, 1.0)
        return zero_padding(out * scale[:, None], mask)
