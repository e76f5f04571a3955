r"""Encoders: one vector for each example, ``network(x, mask)``, for inference.

A cloud is encoded by any network of clouds, as it is. By the contract of all networks the output
has the shape of the input, so a network that is given blank columns besides the data writes
learned features of every point there, which are marks: scalars, whatever the network's symmetry.
Pooled over the real points they make, with the number of points, the vector::

    h_i = network([x_i, 0], t=0)_blank,     f = MLP([ mean_i h_i , ln N ])

Permutation and padding do not change f; translations on the torus and symmetries of the cube do
not where the network inside is equivariant under them. ln N enters as waves besides, so that
counts a few per cent apart are told apart.
"""

from __future__ import annotations

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from galgen.checked import Layers, Size, checked
from galgen.errors import InputError
from galgen.masking import masked_mean, number_of_points
from galgen.networks.layers import FeedForward, fourier_features

WAVES = 6
"""Of ln N."""


@checked
class PooledNetwork(nn.Module):
    """A network of clouds and a pool of its features; see the module's docstring.

    Attributes:
        network: called as ``network(x, t, mask, condition)``.
        width: features per point that are pooled.
        features: length of the vector.
        layers: residual blocks after the pool.
    """

    network: nn.Module
    width: Size = 32
    features: Size = 32
    layers: Layers = 2

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch *event"], mask: Bool[Array, "batch points"] | None
    ) -> Float[Array, "batch features"]:
        if x.ndim != 3:
            raise InputError(
                f"expected clouds (batch, points, columns), got shape {x.shape}; "
                "use VectorNetwork for vectors"
            )
        columns = x.shape[-1]
        blank = jnp.zeros((*x.shape[:2], self.width), x.dtype)
        time = jnp.zeros(len(x), x.dtype)
        written = self.network(jnp.concatenate([x, blank], axis=-1), time, mask, None)
        pooled = masked_mean(written[..., columns:], mask, axis=1)
        logarithm = jnp.log(number_of_points(x, mask))
        waves = fourier_features(logarithm / 8.0, WAVES)
        vector = jnp.concatenate([pooled, waves, logarithm[:, None] - 5.0], axis=-1)
        return Perceptron(self.features, self.layers, name="output")(vector)


@checked
class VectorNetwork(nn.Module):
    """Residual feed-forward blocks on plain vectors: summary statistics, or data of toys.

    Attributes:
        features: length of the vector that comes out, and width of the blocks.
        layers: residual blocks; 0 for the vector as it is, where a head is to see that.
    """

    features: Size = 64
    layers: Layers = 2

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch *event"], mask: Bool[Array, "batch points"] | None
    ) -> Float[Array, "batch features"]:
        if x.ndim != 2 or mask is not None:
            raise InputError(
                f"expected vectors (batch, columns) without a mask, got shape {x.shape}; "
                "use a PooledNetwork for clouds"
            )
        return Perceptron(self.features, self.layers, name="output")(x) if self.layers else x


class Perceptron(nn.Module):
    """A linear layer and residual blocks.

    Attributes:
        width: of the layers.
        layers: residual blocks.
    """

    width: int
    layers: int

    @nn.compact
    def __call__(self, x: Float[Array, "batch columns"]) -> Float[Array, "batch width"]:
        h = nn.Dense(self.width)(x)
        for _ in range(self.layers):
            h = h + FeedForward(self.width)(nn.LayerNorm()(h))
        return h
