r"""A set transformer for point clouds: every point attends to every other, or to a few summaries.

Attention without positional order is permutation-equivariant (Vaswani et al. 2017,
arXiv:1706.03762). Padded rows are masked as keys. Queries and keys are normalised before their
product, which bounds the logits (Henry et al. 2020, arXiv:2010.04245; here by root mean square with
a learned scale per channel). How attention is computed is told in ``attention.py``.

Queries, keys and values are turned by position (:mod:`galgen.networks.rotation`), so that attention
reads displacements. One vector b of channels, ones at first, is added to queries and keys alike:
its product with itself, b . R(x_j - x_i) b, is largest for near points, so a new network looks at
its neighbourhood. Without the rotation the network does not learn pairs at all in a time in which
with it they are learned (``benchmarks/RESULTS.md``). Two choices:

*Full or induced.* Full attention costs N^2 operations in memory linear in N. Induced attention
(Lee et al. 2019, arXiv:1810.00825, eq. 9-10) costs N m: m learned inducing points I, each with a
learned place in the box, read the cloud, and the cloud reads them::

    H = MAB(I, X),    ISAB(X) = attend(X, H, H)
    MAB(A, B) = A' + feed-forward(norm(A')),    A' = A + norm(attend(A, B, B))

What is read is normalised before it is added: a mean over many points fluctuates little.

*Absolute or relative.* Absolute: positions are also features of the points, periodic ones in a
periodic box, so the network is continuous across the faces; it does not claim translation
equivariance. Relative: they are not, and the network is exactly translation-equivariant on the
torus. Inducing points have absolute places, and an open box no translations: both refuse
``relative``.
"""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float
from scipy.stats import qmc

from galgen.checked import Layers, Octaves, Size, checked
from galgen.errors import InputError
from galgen.geometry import Geometry, PeriodicBox
from galgen.masking import number_of_points, zero_padding
from galgen.networks.attention import attend
from galgen.networks.layers import (
    Embedding,
    FeedForward,
    Output,
    ResidualBlock,
    place_features,
    read_columns,
    split_columns,
)
from galgen.networks.rotation import Rotation, rotation_at, wave_vectors


class Attention(nn.Module):
    """Multi-head attention of one set to another, or to itself, by displacement.

    Attributes:
        heads: that share the features.
    """

    heads: int

    @nn.compact
    def __call__(
        self,
        to: Float[Array, "batch queries width"],
        of: Float[Array, "batch keys width"],
        mask: Bool[Array, "batch keys"] | None,
        to_place: Rotation,
        of_place: Rotation,
    ) -> Float[Array, "batch queries width"]:
        """What each row of ``to`` reads from the real rows of ``of``."""
        width = to.shape[-1]
        query = nn.Dense(width, use_bias=False)(to)
        key, value = jnp.split(nn.Dense(2 * width, use_bias=False)(of), 2, axis=-1)
        query, key, value = (
            a.reshape(*a.shape[:2], self.heads, width // self.heads) for a in (query, key, value)
        )
        near = self.param("near", nn.initializers.ones_init(), query.shape[2:])
        query, key = nn.RMSNorm()(query) + near, nn.RMSNorm()(key) + near
        read = attend(to_place(query), of_place(key), of_place(value), mask)
        return nn.Dense(width)(to_place.inverse()(read).reshape(to.shape))


class InducedAttention(nn.Module):
    """Points attend to ``inducing`` learned points that have attended to them: ISAB.

    Attributes:
        heads: that share the features.
        inducing: learned points.
    """

    heads: int
    inducing: int

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "batch points width"],
        mask: Bool[Array, "batch points"] | None,
        x_place: Rotation,
        place: Rotation,
    ) -> Float[Array, "batch points width"]:
        width = x.shape[-1]
        points = self.param("inducing", nn.initializers.normal(1.0), (self.inducing, width))
        h = jnp.broadcast_to(points, (len(x), *points.shape))
        h = h + nn.LayerNorm()(Attention(self.heads)(h, x, mask, place, x_place))
        h = h + FeedForward(width)(nn.LayerNorm()(h))
        return Attention(self.heads)(x, h, None, x_place, place)


def even_places(
    key: jax.Array, shape: tuple[int, int], dtype: jnp.dtype = jnp.float32
) -> Float[Array, "inducing dim"]:
    """Places of inducing points before training: spread evenly over the box (Halton's sequence)."""
    del key
    number, dim = shape
    return jnp.asarray(qmc.Halton(dim, scramble=False).random(number), dtype)


@checked
class SetTransformer(nn.Module):
    """Transformer over the points of a cloud; see the module's docstring.

    The first ``dim`` columns are positions in the unit box, the others marks.

    Attributes:
        width: features per point, an even number for each of the ``heads``.
        layers: attention and feed-forward blocks.
        heads: attention heads.
        octaves: wavelengths of position from the box down by this many halvings.
        dim: number of position columns.
        geometry: ``PeriodicBox()``, or ``Euclidean()``, which adds the raw positions.
        inducing: inducing points per layer, or None for full attention.
        relative: positions enter through displacements only: exact translation equivariance on
            the torus. Full attention in a ``PeriodicBox``.

    Raises:
        InputError: at a call, for fields that contradict each other, or fewer columns than ``dim``.
    """

    width: Size = 96
    layers: Layers = 4
    heads: Size = 4
    octaves: Octaves = 5
    dim: Size = 3
    geometry: Geometry = PeriodicBox()
    inducing: Size | None = None
    relative: bool = False

    def __post_init__(self) -> None:
        if self.width % (2 * self.heads):
            raise InputError(
                f"expected an even number of channels for each head, got width={self.width}, "
                f"heads={self.heads}; change one of them"
            )
        if self.inducing is not None and self.relative:
            raise InputError(
                f"expected full attention where relative=True, got inducing={self.inducing}: "
                "inducing points have places in the box; set inducing=None or relative=False"
            )
        super().__post_init__()

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "batch points features"],
        t: Float[Array, " batch"],
        mask: Bool[Array, "batch points"] | None = None,
        condition: Float[Array, "batch condition"] | None = None,
    ) -> Float[Array, "batch points features"]:
        positions, marks = split_columns(zero_padding(x, mask), self.dim)
        embedding = Embedding(self.width)(t, condition, number_of_points(x, mask))
        vectors = wave_vectors(self.width // self.heads // 2, self.octaves, self.dim)
        place = rotation_at(positions, vectors, self.geometry)
        features = place_features(positions, marks, self.octaves, self.geometry, self.relative)
        inducing = self.inducing
        if inducing is None:

            def mix(normal):
                return Attention(self.heads)(normal, normal, mask, place, place)

        else:
            places = self.param("places", even_places, (inducing, self.dim))
            inducing_place = rotation_at(places[None], vectors, self.geometry)

            def mix(normal):
                attention = InducedAttention(self.heads, inducing)
                return attention(normal, mask, place, inducing_place)

        h = read_columns(self, nn.Dense(self.width, name="input"), features, x.shape[-1])
        h = h + nn.Dense(self.width)(embedding)[:, None]
        for _ in range(self.layers):
            h = ResidualBlock(mix)(h, embedding)
            h = ResidualBlock(FeedForward(self.width, 4))(h, embedding)
        return Output(x.shape[-1])(h, mask)
