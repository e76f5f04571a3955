r"""Deep sets: point-wise layers and a pooled summary of the cloud that is fed back to every point.

Zaheer et al. 2017, arXiv:1703.06114: a linear layer is permutation-equivariant exactly when it is
h_i -> Lambda h_i + Gamma pool_j h_j (their eq. 4). One round here is::

    c = mean_j silu(P h_j)          h_i' = h_i + gate * W silu(Lambda h_i + Gamma c)

The pool is the mean over the real points, so that its size does not depend on how many there are;
their number enters through the embedding of time and condition. Cost and memory are linear in the
number of points. Points know each other only through c, a mean field: pairs are not resolved below
the shortest wavelength of the features of position. In a periodic box positions enter through
periodic features, so the network is continuous across the faces; it sees absolute positions and
does not claim translation equivariance.
"""

from __future__ import annotations

import flax.linen as nn
from jaxtyping import Array, Bool, Float

from galgen.geometry import Geometry, PeriodicBox
from galgen.masking import masked_mean, number_of_points, zero_padding
from galgen.networks.layers import (
    ZERO,
    Embedding,
    ResidualBlock,
    absolute_features,
    split_columns,
)


class PooledLayer(nn.Module):
    """A feed-forward layer that also reads the mean over the cloud; see the module's docstring."""

    width: int

    @nn.compact
    def __call__(
        self, h: Float[Array, "batch points width"], mask: Bool[Array, "batch points"] | None
    ) -> Float[Array, "batch points width"]:
        context = masked_mean(nn.silu(nn.Dense(self.width)(h)), mask, axis=1)
        shared = nn.Dense(2 * self.width, use_bias=False)(context)
        return nn.Dense(self.width)(nn.silu(nn.Dense(2 * self.width)(h) + shared[:, None]))


class DeepSet(nn.Module):
    """Point-wise layers with a pooled summary fed back; see the module's docstring.

    The first ``dim`` columns are positions in the unit box, the others marks.

    Attributes:
        width: features per point.
        layers: rounds of pooling and feed-forward.
        octaves: periodic features cover wavelengths from the box down by this many halvings.
        dim: number of position columns.
        geometry: ``PeriodicBox()``, or ``Euclidean()``, which adds the raw positions.
    """

    width: int = 128
    layers: int = 4
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
        positions, marks = split_columns(zero_padding(x, mask), self.dim)
        embedding = Embedding(self.width)(t, condition, number_of_points(x, mask))
        features = absolute_features(positions, marks, self.octaves, self.geometry)
        h = nn.Dense(self.width)(features) + nn.Dense(self.width)(embedding)[:, None]
        for _ in range(self.layers):
            h = ResidualBlock(lambda normal: PooledLayer(self.width)(normal, mask))(h, embedding)
        return zero_padding(nn.Dense(x.shape[-1], kernel_init=ZERO)(nn.LayerNorm()(h)), mask)
