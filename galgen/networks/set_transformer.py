"""A set transformer for point clouds: every point attends to every other, or to a few summaries.

Attention without positional order is permutation-equivariant (Vaswani et al. 2017,
arXiv:1706.03762). Padded rows are masked as keys. Queries and keys are normalised before their
product, which bounds the logits (Henry et al. 2020, arXiv:2010.04245; here by root mean square with
a learned scale per channel). How attention is computed is told in ``attention.py``. Two choices:

*Full or induced.* Full attention costs N^2 operations in memory linear in N. Induced attention
(Lee et al. 2019, arXiv:1810.00825, eq. 9-10) costs N m: m learned inducing points I read the
cloud, and the cloud reads them::

    H = MAB(I, X),    ISAB(X) = MAB(X, H),    MAB(A, B) = A + attend(A, B, B), and a feed-forward

*Absolute or relative.* Absolute: positions are features of the points, periodic ones in a periodic
box, so the network is continuous across the faces; it does not claim translation equivariance.
Relative: positions enter only by rotating queries, keys and values on the torus, so that attention
knows displacements alone and the network is exactly translation-equivariant. An inducing point has
no position, and an open box no translations: both refuse ``relative``.
"""

from __future__ import annotations

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from galgen.geometry import Geometry, PeriodicBox
from galgen.masking import number_of_points, zero_padding
from galgen.networks.attention import Rotation, attend, torus_rotation
from galgen.networks.layers import (
    ZERO,
    Embedding,
    FeedForward,
    ResidualBlock,
    absolute_features,
    split_columns,
)


class Attention(nn.Module):
    """Multi-head attention of one set to another, or to itself."""

    heads: int

    @nn.compact
    def __call__(
        self,
        to: Float[Array, "batch queries width"],
        of: Float[Array, "batch keys width"],
        mask: Bool[Array, "batch keys"] | None,
        rotation: Rotation | None = None,
    ) -> Float[Array, "batch queries width"]:
        """What each row of ``to`` reads from the real rows of ``of``.

        With a ``rotation``, ``to`` and ``of`` are the same points, and only displacements are read.
        """
        width = to.shape[-1]
        query = nn.Dense(width, use_bias=False)(to)
        key, value = jnp.split(nn.Dense(2 * width, use_bias=False)(of), 2, axis=-1)
        query, key, value = (
            a.reshape(*a.shape[:2], self.heads, width // self.heads) for a in (query, key, value)
        )
        query, key = nn.RMSNorm()(query), nn.RMSNorm()(key)
        if rotation is None:
            attended = attend(query, key, value, mask)
        else:
            attended = attend(rotation(query), rotation(key), rotation(value), mask)
            attended = rotation.inverse()(attended)
        return nn.Dense(width)(attended.reshape(to.shape))


class InducedAttention(nn.Module):
    """Points attend to ``inducing`` learned points that have attended to them: ISAB."""

    heads: int
    inducing: int

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch points width"], mask: Bool[Array, "batch points"] | None
    ) -> Float[Array, "batch points width"]:
        width = x.shape[-1]
        points = self.param("inducing", nn.initializers.normal(1.0), (self.inducing, width))
        h = jnp.broadcast_to(points, (len(x), *points.shape))
        h = nn.LayerNorm()(h + Attention(self.heads)(h, x, mask))
        h = nn.LayerNorm()(h + FeedForward(width)(h))
        return Attention(self.heads)(x, h, None)


class SetTransformer(nn.Module):
    """Transformer over the points of a cloud; see the module's docstring.

    The first ``dim`` columns are positions in the unit box, the others marks.

    Attributes:
        width: features per point, a multiple of ``heads``.
        layers: attention and feed-forward blocks.
        heads: attention heads.
        octaves: wavelengths of position from the box down by this many halvings.
        dim: number of position columns.
        geometry: ``PeriodicBox()``, or ``Euclidean()``, which adds the raw positions.
        inducing: inducing points per layer, or None for full attention.
        relative: positions enter through displacements only: exact translation equivariance on
            the torus. Full attention in a ``PeriodicBox``, with an even number of channels per
            head.
    """

    width: int = 96
    layers: int = 4
    heads: int = 4
    octaves: int = 5
    dim: int = 3
    geometry: Geometry = PeriodicBox()
    inducing: int | None = None
    relative: bool = False

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "batch points features"],
        t: Float[Array, " batch"],
        mask: Bool[Array, "batch points"] | None = None,
        condition: Float[Array, "batch condition"] | None = None,
    ) -> Float[Array, "batch points features"]:
        self._check()
        positions, marks = split_columns(zero_padding(x, mask), self.dim)
        embedding = Embedding(self.width)(t, condition, number_of_points(x, mask))
        rotation = None
        if self.relative:
            rotation = torus_rotation(positions, self.width // self.heads // 2, self.octaves)
            features = jnp.concatenate([marks, jnp.ones((*x.shape[:2], 1), x.dtype)], axis=-1)
        else:
            features = absolute_features(positions, marks, self.octaves, self.geometry)

        def mix(normal):
            if self.inducing is None:
                return Attention(self.heads)(normal, normal, mask, rotation)
            return InducedAttention(self.heads, self.inducing)(normal, mask)

        h = nn.Dense(self.width)(features) + nn.Dense(self.width)(embedding)[:, None]
        for _ in range(self.layers):
            h = ResidualBlock(mix)(h, embedding)
            h = ResidualBlock(FeedForward(self.width, 4))(h, embedding)
        return zero_padding(nn.Dense(x.shape[-1], kernel_init=ZERO)(nn.LayerNorm()(h)), mask)

    def _check(self) -> None:
        """Fields that contradict each other."""
        if self.heads < 1 or self.width % self.heads:
            raise ValueError(
                f"expected a width divisible by the number of heads, got width={self.width}, "
                f"heads={self.heads}; change one of them"
            )
        if self.inducing is not None and self.inducing < 1:
            raise ValueError(
                f"expected at least one inducing point, got inducing={self.inducing}; "
                "use None for full attention"
            )
        if not self.relative:
            return
        if self.inducing is not None:
            raise ValueError(
                f"expected full attention where relative=True, got inducing={self.inducing}: "
                "inducing points have no position; set inducing=None or relative=False"
            )
        if not self.geometry.periodic:
            raise ValueError(
                f"expected PeriodicBox() where relative=True, got {self.geometry}: rotations are "
                "periodic; set relative=False in an open box"
            )
        if self.width // self.heads % 2:
            raise ValueError(
                f"expected an even number of channels per head where relative=True, got "
                f"{self.width} / {self.heads}; change width or heads"
            )
