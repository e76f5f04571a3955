r"""ParticleMesh: the particle-particle particle-mesh denoiser.

Gravity codes sum near neighbours directly and far ones on a mesh (Hockney and Eastwood 1988). This
network does the same with learned kernels, so that its cost is linear in the number of points:

short range   point i gathers messages from its k nearest neighbours j,
              m_i = sum_j w(r_ij) silu(A h_i + B h_j + C e_ij),  e_ij = features of x_j - x_i,
              with a weight w that falls smoothly to zero at the k-th neighbour, so that the
              velocity field is continuous where neighbours change;
long range    the density of learned features in the lowest Fourier modes of the box,
              S_n = N^(-1/2) sum_j a_j exp(-2 pi i n . x_j),  0 < |n| <= modes,
  XX
Positions enter only through displacements and through phase differences, so the network is exactly
translation-equivariant on the torus and permutation-equivariant. Lengths are measured in units of
the cloud's own mean separation s = N^(-1/3). In an open box (``Euclidean``) the modes and the walls
are given as absolute features instead, and translation equivariance is not claimed.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from galgen.geometry import Geometry, PeriodicBox
from galgen.masking import number_of_points, zero_padding
from galgen.neighbors import nearest_neighbors
from galgen.networks.layers import (
    ZERO,
    Edges,
    Embedding,
    FeedForward,
    ResidualBlock,
    describe_edges,
    mean_separation,
    periodic_features,
)


def half_modes(largest: int) -> Float[np.ndarray, "modes 3"]:
    """Integer wave vectors with 0 < |n| <= ``largest``, one of each pair (n, -n)."""
    axis = range(-largest, largest + 1)
    vectors = [n for n in itertools.product(axis, repeat=3) if n > (0, 0, 0)]
    inside = [n for n in vectors if sum(c * c for c in n) <= largest**2]
    return np.array(sorted(inside, key=lambda n: (sum(c * c for c in n), n)), np.float32)


class ShortRange(nn.Module):
    """Messages from near neighbours, summed under a smooth weight."""

    width: int

    @nn.compact
    def __call__(
        self, h: Float[Array, "batch points hidden"], edges: Edges
    ) -> Float[Array, "batch points width"]:
        here = nn.Dense(self.width)(h)
        there = nn.Dense(self.width, use_bias=False)(h)
        batch = jnp.arange(len(h))[:, None, None]
        message = here[:, :, None] + there[batch, edges.indices]
        message = nn.silu(message + nn.Dense(self.width, use_bias=False)(edges.features))
        summed = jnp.einsum("bnk,bnkw->bnw", edges.weight, message)
        return summed / np.sqrt(edges.weight.shape[-1])


class PairForce(nn.Module):
    """A central force between neighbours: a radial function of distance, time and condition."""

    @nn.compact
    def __call__(
        self, edges: Edges, embedding: Float[Array, "batch embedding"]
    ) -> Float[Array, "batch points 3"]:
        radial = edges.radial.shape[-1]
        profile = nn.Dense(radial, kernel_init=ZERO)(embedding)
        force = jnp.einsum("bnkr,br->bnk", edges.radial, profile) * edges.weight
        return jnp.einsum("bnk,bnka->bna", force, edges.direction)


class Modes(NamedTuple):
    """The lowest Fourier modes of the box, at the points of a batch.

    ======== ========================= ================================================
    field    shape                     meaning
    ======== ========================= ================================================
    waves    ``(batch, points, 2 m)``  cos(2 pi n.x) of every mode, then sin; 0 on padding
    unit     ``(m, 3)``                direction of each n
    shell    ``(m,)``                  index of |n| among the distinct ones
    points   ``(batch,)``              real points
    ======== ========================= ================================================
    """

    waves: Float[Array, "batch points waves"]
    unit: Float[np.ndarray, "modes 3"]
    shell: Int[np.ndarray, " modes"]
    points: Float[Array, " batch"]

    def density(
        self, sources: Float[Array, "batch points channels"]
    ) -> Float[Array, "batch 2 modes channels"]:
        """Real and imaginary parts of sum_j a_j exp(-2 pi i n.x_j) / sqrt(N).

        With the square root, a mode of an unclustered cloud has variance one half whatever N.
        """
        total = jnp.einsum("bnw,bnc->bwc", self.waves, sources)
        total = (
            total.reshape(len(total), 2, len(self.unit), -1) * jnp.array([1.0, -1.0])[:, None, None]
        )
        return total / jnp.sqrt(self.points)[:, None, None, None]

    def read(
        self, amplitude: Float[Array, "batch 2 modes channels"]
    ) -> Float[Array, "batch points channels"]:
        """Re[sum_n amplitude_n exp(2 pi i n.x)] / sqrt(m), at the points."""
        parts = jnp.concatenate([amplitude[:, 0], -amplitude[:, 1]], axis=1)
        return jnp.einsum("bnw,bwc->bnc", self.waves, parts) / np.sqrt(len(self.unit))

    def gradient(
        self, amplitude: Float[Array, "batch 2 modes channels"]
    ) -> Float[Array, "batch points channels 3"]:
        """The same sum with i n / |n| times each mode: a vector along each wave."""
        turned = jnp.stack([-amplitude[:, 1], amplitude[:, 0]], axis=1)
        vectors = turned[..., None] * self.unit[:, None]
        flat = vectors.reshape(*turned.shape[:3], -1)
        read = self.read(flat)
        return read.reshape(*read.shape[:2], -1, 3)


def fourier_modes(
    positions: Float[Array, "batch points 3"],
    mask: Bool[Array, "batch points"] | None,
    largest: int,
) -> Modes:
    """The modes 0 < |n| <= ``largest`` of the unit box at the points."""
    vectors = half_modes(largest)
    squared = np.sum(vectors**2, axis=-1)
    shell = np.unique(squared, return_inverse=True)[1]
    angle = 2.0 * jnp.pi * positions @ vectors.T
    waves = zero_padding(jnp.concatenate([jnp.cos(angle), jnp.sin(angle)], axis=-1), mask)
    unit = vectors / np.sqrt(squared)[:, None]
    return Modes(waves, unit, shell, number_of_points(positions, mask))


class Response(nn.Module):
    """A factor per mode and channel: a learned function of |n|, time and condition."""

    channels: int
    initializer: nn.initializers.Initializer = nn.initializers.lecun_normal()

    @nn.compact
    def __call__(
        self, modes: Modes, embedding: Float[Array, "batch embedding"]
    ) -> Float[Array, "batch 1 modes channels"]:
        shells = int(modes.shell.max()) + 1
        factor = nn.Dense(shells * self.channels, kernel_init=self.initializer)(embedding)
        return factor.reshape(-1, 1, shells, self.channels)[:, :, modes.shell]


class LongRange(nn.Module):
    """The response to the modes of learned densities, and its gradient, read at the points."""

    channels: int

    @nn.compact
    def __call__(
        self,
        h: Float[Array, "batch points width"],
        modes: Modes,
        embedding: Float[Array, "batch embedding"],
    ) -> Float[Array, "batch points features"]:
        density = modes.density(nn.Dense(self.channels)(h))
        scalar = modes.read(Response(self.channels)(modes, embedding) * density)
        vector = modes.gradient(Response(self.channels)(modes, embedding) * density)
        return jnp.concatenate([scalar, vector.reshape(*scalar.shape[:2], -1)], axis=-1)


class MeanField(nn.Module):
    """A force along the gradient of the long-range response to the density of points itself.

    With a response 1/|n| this is the Zel'dovich displacement of linear theory.
    """

    @nn.compact
    def __call__(
        self, modes: Modes, embedding: Float[Array, "batch embedding"]
    ) -> Float[Array, "batch points 3"]:
        density = modes.density(jnp.ones((*modes.waves.shape[:2], 1)))
        response = Response(1, ZERO)(modes, embedding)
        return modes.gradient(response * density)[:, :, 0]


class ParticleMesh(nn.Module):
    """Learned short-range messages and long-range modes; see the module's docstring.

    The first three columns are positions in the unit box, the others marks.

    Attributes:
        width: features per point.
        messages: features per message between neighbours.
        layers: rounds of short range, long range and feed-forward.
        k: neighbours per point.
        radial: radial functions per edge.
        largest_mode: |n| of the highest Fourier mode.
        channels: feature densities whose modes are taken.
        geometry: ``PeriodicBox()``, or ``Euclidean()`` for an open box.
    """

    width: int = 64
    messages: int = 64
    layers: int = 3
    k: int = 16
    radial: int = 12
    largest_mode: int = 4
    channels: int = 8
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
        positions, marks = x[..., :3], x[..., 3:]
        separation = mean_separation(x, mask, 3)
        embedding = Embedding(self.width)(t, condition, number_of_points(x, mask))
        neighbors = nearest_neighbors(positions, self.k, self.geometry, mask)
        edges = describe_edges(neighbors, separation, self.radial)
        modes = fourier_modes(positions, mask, self.largest_mode)

        node = jnp.concatenate([marks, jnp.ones((*x.shape[:2], 1))], axis=-1)
        if not self.geometry.periodic:
            node = jnp.concatenate([node, positions, periodic_features(positions, 3)], axis=-1)
        h = nn.Dense(self.width)(node) + nn.Dense(self.width)(embedding)[:, None]
        for _ in range(self.layers):

            def update(normal):
                short = ShortRange(self.messages)(normal, edges)
                long = LongRange(self.channels)(normal, modes, embedding)
                return FeedForward(self.width)(jnp.concatenate([normal, short, long], axis=-1))

            h = ResidualBlock(update)(h, embedding)
        out = nn.Dense(x.shape[-1], kernel_init=ZERO)(nn.LayerNorm()(h))
        force = PairForce()(edges, embedding) + MeanField()(modes, embedding)
        return zero_padding(out.at[..., :3].add(force), mask)
