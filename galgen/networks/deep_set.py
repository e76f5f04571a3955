r"""Deep sets: point-wise layers and a pooled summary of the cloud that is fed back to every point.

Zaheer et al. 2017, arXiv:1703.06114: a linear layer is permutation-equivariant exactly when it is
h_i -> Lambda h_i + Gamma pool_j h_j (their eq. 4). Here what is pooled is turned by position, and
turned back where it is read (:mod:`galgen.networks.rotation`)::

    c_n  = s_n mean_j [R(x_j) P h_j]_n
    h_i' = h_i + gate * W silu(Lambda h_i + Gamma R(-x_i) c)

so the pool of the pair of channels with wave vector n is a Fourier mode of a learned density, and a
point reads its phase there. The mean of a mode of unclustered points falls as N^(-1/2), hence
s_n = sqrt(N) for n other than 0, and 1 for n = 0. The number of points enters through the embedding
of time and condition.

Cost and memory are linear in the number of points. Points know each other only through c, a mean
field: pairs are not resolved below the shortest wavelength, about the box over
(9 width / 8 pi)^(1/3) in three dimensions. Positions are also features of the points, periodic ones
in a periodic box, so the network is continuous across the faces and does not claim translation
equivariance; with ``relative`` they are not, and it is exactly translation-equivariant on the
torus.
"""

from __future__ import annotations

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from galgen.checked import Layers, Octaves, Size, checked
from galgen.geometry import Geometry, PeriodicBox
from galgen.masking import masked_mean, number_of_points, zero_padding
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


class TurnedPool(nn.Module):
    """The mean of learned features over the cloud, turned by position: c, read at every point.

    Attributes:
        vectors: wave vectors, one for each pair of features.
    """

    vectors: Float[np.ndarray, "pairs dim"]

    @nn.compact
    def __call__(
        self,
        h: Float[Array, "batch points width"],
        mask: Bool[Array, "batch points"] | None,
        rotation: Rotation,
    ) -> Float[Array, "batch points channels"]:
        turned = rotation(nn.Dense(2 * len(self.vectors), use_bias=False)(h)[:, :, None])
        moving = np.tile(np.any(self.vectors, axis=-1), 2)
        root = jnp.sqrt(number_of_points(h, mask))[:, None, None]
        pooled = masked_mean(turned, mask, axis=1) * jnp.where(moving, root, 1.0)
        return rotation.inverse()(jnp.broadcast_to(pooled[:, None], turned.shape))[:, :, 0]


@checked
class DeepSet(nn.Module):
    """Point-wise layers with a pooled summary fed back; see the module's docstring.

    The first ``dim`` columns are positions in the unit box, the others marks.

    Attributes:
        width: features per point, and wave vectors of the pool.
        layers: rounds of pooling and feed-forward.
        octaves: periodic features of position cover wavelengths from the box down by this many
            halvings.
        dim: number of position columns.
        geometry: ``PeriodicBox()``, or ``Euclidean()``, which adds the raw positions.
        relative: positions enter through displacements only: exact translation equivariance on
            the torus.

    Raises:
        ValueError: at a call, for ``relative`` in an open box, or fewer columns than ``dim``.
    """

    width: Size = 128
    layers: Layers = 4
    octaves: Octaves = 5
    dim: Size = 3
    geometry: Geometry = PeriodicBox()
    relative: bool = False

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
        vectors = wave_vectors(self.width, 1, self.dim)
        rotation = rotation_at(positions, vectors, self.geometry)
        features = place_features(positions, marks, self.octaves, self.geometry, self.relative)
        h = read_columns(self, nn.Dense(self.width, name="input"), features, x.shape[-1])
        h = h + nn.Dense(self.width)(embedding)[:, None]

        def update(normal):
            read = TurnedPool(vectors)(normal, mask, rotation)
            return FeedForward(self.width)(jnp.concatenate([normal, read], axis=-1))

        for _ in range(self.layers):
            h = ResidualBlock(update)(h, embedding)
        return Output(x.shape[-1])(h, mask)
