r"""The network of haloes on the Lagrangian grid: an encoder of the field, a rate, and marks.

**Encoder.** Two convolutions of 3^3 blocks and layers of single blocks, the condition (ln sigma(R)
and its slope) by shifts and scales (FiLM, Perez et al. 2018, arXiv:1709.07871, eq. 2). It reads the
field within two blocks, or 2.4 R, and in spheres of up to 3 R, and gives log lambda, the expected
number of haloes, and learned features in every cell.

**Rate of births.** lambda e^g, with g of each cell from its features, lambda smoothed on several
scales, and Gaussian sums over the haloes so far, at their distance on the initial grid and at that
where matter is carried to.

**Marks.** What the cell leaves open, place, mass and velocity, is drawn for all haloes together: a
graph network among neighbours, at their features, denoises them.
"""

from __future__ import annotations

from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from galgen.checked import Layers, Size, checked
from galgen.geometry import Geometry
from galgen.lagrangian.layout import (
    COLUMNS,
    FEW,
    HIGHEST,
    LOWEST,
    MASS_KNOTS,
    NEAR_Q,
    NEAR_X,
    SEPARATION,
    START,
)
from galgen.neighbors import nearest_neighbors
from galgen.networks.graph_network import MessagePassing
from galgen.networks.layers import (
    Edges,
    Embedding,
    FeedForward,
    Output,
    ResidualBlock,
    describe_edges,
)

RADIAL = 12
"""Gaussians in the distance of neighbours."""
Tilt = Literal["crowding", "pairs"]
TILT = 3, 1 + len(NEAR_Q) + len(NEAR_X)
"""Shape of the tilt: of one and the condition, and of :func:`tilted_by`."""


@checked
class LagrangianNetwork(nn.Module):
    """See the module's docstring.

    Attributes:
        width: channels of the encoder.
        features: learned numbers in every cell.
        hidden: width of the layers of the rate.
        marks: width of the graph network.
        layers: its rounds of messages.
        k: its neighbours per halo.
        tilt: what the rate is tilted by, so that draws have as much of it as the data: ``pairs``,
            sums over haloes; ``crowding``, their logs.
        waves_at: where the graph network reads displacements: in ``cells``, linear between blocks,
            or in ``blocks``.
    """

    width: Size = 32
    features: Size = 8
    hidden: Size = 48
    marks: Size = 64
    layers: Layers = 2
    k: Size = 12
    tilt: Tilt = "crowding"
    waves_at: Literal["blocks", "cells"] = "blocks"

    def setup(self) -> None:
        self.encoder = _Encoder(self.width, self.features)
        self.births = _BirthRate(self.hidden, self.tilt)
        self.denoiser = _MarkDenoiser(self.marks, self.layers)
        self.mass_scale = self.param("mass_scale", lambda key: jnp.asarray(MASS_KNOTS))

    def encode(
        self,
        field: Float[Array, "batch bx by bz channels"],
        condition: Float[Array, "batch condition"],
    ) -> tuple[Float[Array, "batch x y z"], Float[Array, "batch x y z features"]]:
        """log lambda and features of the cells, but for those of two blocks at each end."""
        return self.encoder(field, condition)

    def excess(self, *inputs: Array) -> Float[Array, "*lead"]:
        """g of cells: the log of the rate of births over lambda."""
        return self.births(*inputs)

    def edges(
        self,
        positions: Float[Array, "batch points 3"],
        mask: Bool[Array, "batch points"] | None,
        unit: Float[Array, " batch"],
        geometry: Geometry,
    ) -> Edges:
        """Between haloes and their neighbours, in the unit box of side ``unit`` [R]."""
        neighbors = nearest_neighbors(positions, self.k, geometry, mask)
        return describe_edges(neighbors, SEPARATION / unit, RADIAL)

    def denoise(self, *inputs: Any) -> Float[Array, "batch points columns"]:
        """The prediction of marks."""
        return self.denoiser(*inputs)

    def mass(self, drawn: Float[Array, "*lead"]) -> Float[Array, "*lead"]:
        """Masses as they are in the data, of masses as they are drawn; both standardised."""
        return jnp.interp(drawn, MASS_KNOTS, jax.lax.stop_gradient(self.mass_scale))

    def __call__(self, field: Any, condition: Any, rate: Any, marks: Any) -> Any:
        """All three, for fresh weights."""
        return self.encode(field, condition), self.excess(*rate), self.denoise(*marks)


class _Encoder(nn.Module):
    width: int
    features: int

    @nn.compact
    def __call__(self, field, condition):
        width = self.width
        told = jnp.concatenate([condition, nn.silu(nn.Dense(16)(condition))], axis=-1)

        def film(h):
            both = nn.Dense(2 * h.shape[-1], kernel_init=nn.initializers.zeros)(told)
            scale, shift = jnp.split(both[:, None, None, None], 2, axis=-1)
            return h * (1.0 + scale) + shift

        h = nn.silu(film(_Convolution(width, name="Conv_0")(field)))
        h = h + nn.Dense(width)(nn.silu(nn.Dense(2 * width)(h)))
        near = _Convolution(width, name="Conv_1")(nn.silu(h))
        h = jnp.concatenate([_inner(h, 1), near, _inner(field, 2)], axis=-1)
        h = nn.silu(film(nn.Dense(2 * width)(h)))
        h = nn.silu(nn.Dense(2 * width)(h))
        small = nn.initializers.variance_scaling(0.1, "fan_in", "normal")
        rate = nn.Dense(8, kernel_init=small, bias_init=nn.initializers.constant(START))(h)
        rate = rate + nn.Dense(1, kernel_init=nn.initializers.zeros)(told)[:, None, None, None]
        log_rate = in_cells(jnp.clip(rate, -20.0, 2.0)[..., None])[..., 0]
        features = nn.Dense(8 * self.features)(h)
        return log_rate, in_cells(features.reshape(*h.shape[:-1], 8, self.features))


class _Convolution(nn.Module):
    """Of 3^3 blocks, without those at the ends; with the weights of ``flax.linen.Conv``."""

    width: int

    @nn.compact
    def __call__(self, h):
        shape = (3, 3, 3, h.shape[-1], self.width)
        kernel = self.param("kernel", nn.initializers.lecun_normal(), shape)
        bias = self.param("bias", nn.initializers.zeros, (self.width,))
        return _convolved(h, kernel) + bias


@jax.custom_vjp
def _convolved(h, kernel):
    return _on_each_platform(_as_products, _as_convolution, h, kernel)


def _gradient(inputs, cotangent):
    return _on_each_platform(_products_gradient, _convolution_gradient, *inputs, cotangent)


_convolved.defvjp(lambda h, kernel: (_convolved(h, kernel), (h, kernel)), _gradient)


def _on_each_platform(products, convolution, *inputs):
    """Products of matrices on a CPU, where they take half the time of a convolution."""
    return jax.lax.platform_dependent(*inputs, cpu=products, default=convolution)


def _as_convolution(h, kernel):
    axes = ("NXYZC", "XYZIO", "NXYZC")
    return jax.lax.conv_general_dilated(h, kernel, (1, 1, 1), "VALID", dimension_numbers=axes)


def _convolution_gradient(h, kernel, cotangent):
    return jax.vjp(_as_convolution, h, kernel)[1](cotangent)


def _as_products(h, kernel):
    x, y = (side - 2 for side in h.shape[1:3])
    along_z, parts = _along_z(h), []
    for i in range(3):
        columns = kernel[i].transpose(1, 2, 0, 3).reshape(along_z.shape[-1], -1)
        each = jnp.split(along_z[:, i : i + x] @ columns, 3, axis=-1)
        parts += [part[:, :, j : j + y] for j, part in enumerate(each)]
    return sum(parts)


def _products_gradient(h, kernel, cotangent):
    _, x, y, _, width = cotangent.shape
    around = jnp.pad(cotangent, ((0, 0), (2, 2), (2, 2), (2, 2), (0, 0)))
    of_h = _as_products(around, kernel[::-1, ::-1, ::-1].swapaxes(3, 4))
    along_z, flat = _along_z(h), cotangent.reshape(-1, width)
    rows = [along_z[:, i : i + x, j : j + y] for i, j in np.ndindex(3, 3)]
    of_kernel = jnp.stack([row.reshape(-1, row.shape[-1]).T @ flat for row in rows])
    return of_h, of_kernel.reshape(kernel.shape)


def _along_z(h):
    """Each with the two after it along z, as channels."""
    inner = h.shape[3] - 2
    return jnp.concatenate([h[:, :, :, k : k + inner] for k in range(3)], axis=-1)


class _BirthRate(nn.Module):
    hidden: int
    tilt: Tilt

    @nn.compact
    def __call__(self, log_rate, maps, features, near_q, near_x, t, condition):
        """g of cells ``(*lead)``: ``maps`` are logs of smoothed lambda, ``near_q`` and ``near_x``
        sums over haloes, ``t`` and ``condition`` broadcast against them."""
        level = jnp.stack([(log_rate + 5.0) * 0.4, log_rate - maps[..., 0] + 3.0], axis=-1)
        expected = jnp.log(near_q + t[..., None] * jnp.exp(maps) + 0.02) * 0.5
        parts = [
            level,
            maps * 0.5,
            features,
            near_q * np.array([2.0, 1.5, 1.0, 0.7, 0.4], np.float32),
            near_x * 2.0,
            expected,
            jnp.log(near_x + 0.02) * 0.4,
            (2.0 * t - 1.0)[..., None],
            condition,
        ]
        lead = log_rate.shape
        h = jnp.concatenate([jnp.broadcast_to(p, (*lead, p.shape[-1])) for p in parts], axis=-1)
        for _ in range(2):
            h = nn.silu(nn.Dense(self.hidden)(h))
        small = nn.initializers.variance_scaling(1e-4, "fan_in", "normal")
        g = nn.Dense(1, kernel_init=small)(h)[..., 0]
        tilt = self.param("tilt", nn.initializers.zeros, TILT)
        # Learned from draws of the model itself, not here.
        tilt = condition_and_one(condition) @ jax.lax.stop_gradient(tilt)
        tilted = jnp.sum(tilted_by(self.tilt, near_q, near_x, maps, t) * tilt, axis=-1)
        return jnp.clip(g + tilted, LOWEST, HIGHEST)


def condition_and_one(condition: Float[Array, "*lead two"]) -> Float[Array, "*lead three"]:
    """What the tilt is linear in."""
    return jnp.concatenate([jnp.ones_like(condition[..., :1]), condition], axis=-1)


def tilted_by(
    tilt: Tilt,
    near_q: Float[Array, "*lead q"],
    near_x: Float[Array, "*lead x"],
    maps: Float[Array, "*cells q"],
    t: Float[Array, "*times"],
) -> Float[Array, "*lead f"]:
    """One, and the sums over haloes, or their logs, on the initial grid in units of what is
    expected."""
    if tilt == "crowding":
        expected = t[..., None] * jnp.exp(maps)
        near_q = jnp.log((near_q + FEW) / (expected + FEW))
        near_x = jnp.log((near_x + FEW) / FEW)
    return jnp.concatenate([jnp.ones_like(near_q[..., :1]), near_q, near_x], axis=-1)


class _MarkDenoiser(nn.Module):
    width: int
    layers: int

    @nn.compact
    def __call__(self, noisy, t, mask, condition, features, edges):
        """The prediction for noisy marks of haloes, with features of their cells."""
        embedding = Embedding(self.width)(t, condition)
        h = nn.Dense(self.width)(jnp.concatenate([noisy, features], axis=-1))
        token = FeedForward(self.width)(embedding)
        for _ in range(self.layers):

            def update(normal):
                return MessagePassing(4, True)(edges, normal, token)

            h = ResidualBlock(update)(h, embedding)
        return Output(COLUMNS)(h, mask)


def _inner(h: Float[Array, "batch x y z c"], cut: int) -> Float[Array, "batch _ _ _ c"]:
    return h[:, cut:-cut, cut:-cut, cut:-cut]


def in_cells(h: Float[Array, "batch x y z 8 c"]) -> Float[Array, "batch _ _ _ c"]:
    """Blocks of 2^3 as cells."""
    number, a, b, c, _, channels = h.shape
    h = h.reshape(number, a, b, c, 2, 2, 2, channels).transpose(0, 1, 4, 2, 5, 3, 6, 7)
    return h.reshape(number, 2 * a, 2 * b, 2 * c, channels)
