r"""ParticleMesh: the particle-particle particle-mesh denoiser.

Gravity codes sum near neighbours directly and far ones on a mesh (Hockney and Eastwood 1988). This
network does the same with learned kernels, so that its cost is linear in the number of points::

    short range   point i gathers moments of its k nearest neighbours' learned sources,
                  T_i,rc = sum_j w(r_ij) f_r(x_j - x_i) a_jc,
                  f_r radial functions, alone and times the unit vector, and a weight w that falls
                  smoothly to zero at the k-th neighbour, so that the output is continuous where
                  neighbours change (the atomic density of Drautz 2019, Phys. Rev. B 99,
                  014104, eq. 3);
    long range    a learned response to the Fourier modes of learned densities, and its gradient,
                  read at the points (galgen.networks.fourier);
    both          join the point's own features in a feed-forward update, round after round.

Two terms go straight to the output: a central force between neighbours, and the gradient of the
response to the density of points itself, which with a response 1 / |n| is the Zel'dovich
displacement of linear theory.

Positions enter only through displacements and through phase differences, so the network is exactly
translation-equivariant on the torus (to the resolution of the mesh, if one is painted) and
permutation-equivariant. Lengths are measured in units of the cloud's own mean separation
s = N^(-1/3). In an open box (``Euclidean``) the modes and the walls are given as absolute features
instead, and translation equivariance is not claimed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from galgen.checked import Layers, Size, checked
from galgen.collectives import CLOUD_SPEC, POINT_SPEC, all_gather, shard_map
from galgen.errors import InputError
from galgen.geometry import Geometry, PeriodicBox
from galgen.masking import number_of_points, zero_padding
from galgen.neighbors import Neighbors, in_domains, nearest_neighbors
from galgen.neighbors.cells import gather
from galgen.networks.fourier import DirectModes, Modes, Response
from galgen.networks.layers import (
    ZERO,
    Edges,
    Embedding,
    FeedForward,
    Output,
    ResidualBlock,
    absolute_features,
    describe_edges,
    mean_separation,
    read_columns,
    split_columns,
)
from galgen.networks.painted_mesh import PaintedMesh

BLOCK = 8192
"""Points whose edges are held in memory at once."""


class ShortRange(NamedTuple):
    """Moments of the sources of near neighbours, and central forces among them.

    Edges are described anew for each block of points, so that memory does not hold them all.

    Attributes:
        neighbors: of every point.
        separation: mean separation of the points of each cloud.
        radial: radial functions.
    """

    neighbors: Neighbors
    separation: Float[Array, " batch"]
    radial: int

    def moments(
        self, sources: Float[Array, "batch points channels"]
    ) -> Float[Array, "batch points moments"]:
        """T of every point, flat."""

        def contract(edges: Edges, near: Float[Array, "..."]) -> Float[Array, "..."]:
            weighted = edges.features * edges.weight[..., None]
            moments = jnp.einsum("bnkr,bnkc->bnrc", weighted, near)
            return moments.reshape(*moments.shape[:2], -1)

        return self._by_block(contract, sources)

    def force(self, profile: Float[Array, "batch radial"]) -> Float[Array, "batch points 3"]:
        """sum_j w(r_ij) [profile . radial functions of r_ij] r_ij / |r_ij|."""

        def contract(edges: Edges, _: Array, profile: Array) -> Float[Array, "..."]:
            size = jnp.einsum("bnkr,br->bnk", edges.radial, profile) * edges.weight
            return jnp.einsum("bnk,bnka->bna", size, edges.direction)

        nothing = jnp.zeros((*self.neighbors.valid.shape[:2], 0))
        return self._by_block(contract, nothing, profile)

    def _by_block(
        self,
        contract: Callable[..., Float[Array, "..."]],
        sources: Float[Array, "batch points channels"],
        *of_clouds: Float[Array, "batch ..."],
    ) -> Float[Array, "batch points features"]:
        """``contract(edges, sources of neighbours, *of_clouds)``, a block of points at a time."""

        def on_device(neighbors, separation, sources, *of_clouds):
            sources = all_gather(sources)

            def one(neighbors: Neighbors) -> Float[Array, "..."]:
                edges = describe_edges(neighbors, separation, self.radial)
                return contract(edges, gather(sources, neighbors.indices), *of_clouds)

            points = neighbors.valid.shape[1]
            if points <= BLOCK:
                return one(neighbors)
            blocks = -(-points // BLOCK)
            split = jax.tree.map(lambda a: _split(a, blocks, blocks * BLOCK - points), neighbors)
            joined = jnp.moveaxis(jax.lax.map(jax.checkpoint(one), split), 0, 1)
            return joined.reshape(len(sources), -1, joined.shape[-1])[:, :points]

        # The few sources of a point are gathered: the halo would save little.
        neighbors = dataclasses.replace(self.neighbors, halo=None)
        arrays = neighbors, self.separation, sources, *of_clouds
        split = (POINT_SPEC, CLOUD_SPEC, POINT_SPEC, *(CLOUD_SPEC,) * len(of_clouds))
        return shard_map(on_device, *arrays, in_specs=split, out_specs=POINT_SPEC)


def _split(a: Array, blocks: int, padding: int) -> Array:
    """``(batch, points, ...)`` padded and split into ``(blocks, batch, points / blocks, ...)``."""
    a = jnp.pad(a, ((0, 0), (0, padding), *((0, 0),) * (a.ndim - 2)))
    return jnp.moveaxis(a.reshape(len(a), blocks, -1, *a.shape[2:]), 1, 0)


class LongRange(nn.Module):
    """The response to the modes of learned densities, and its gradient, read at the points.

    Attributes:
        channels: learned densities.
    """

    channels: int

    @nn.compact
    def __call__(
        self,
        h: Float[Array, "batch points width"],
        modes: Modes,
        embedding: Float[Array, "batch embedding"],
    ) -> Float[Array, "batch points features"]:
        density = modes.density(nn.Dense(self.channels)(h))
        potential, field = (Response(self.channels)(modes.shells, embedding) for _ in range(2))
        scalar = modes.read(modes.respond(density, potential))
        vector = modes.gradient(modes.respond(density, field))
        return jnp.concatenate([scalar, vector.reshape(*scalar.shape[:2], -1)], axis=-1)


class MeanField(nn.Module):
    """The gradient of a response to the density of the points themselves."""

    @nn.compact
    def __call__(
        self,
        ones: Float[Array, "batch points 1"],
        modes: Modes,
        embedding: Float[Array, "batch embedding"],
    ) -> Float[Array, "batch points 3"]:
        response = Response(1, ZERO)(modes.shells, embedding)
        return modes.gradient(modes.respond(modes.density(ones), response))[:, :, 0]


@checked
class ParticleMesh(nn.Module):
    """Learned short-range moments and long-range modes; see the module's docstring.

    The first three columns are positions in the unit box, the others marks.

    Attributes:
        width: features per point.
        sources: learned sources per point of the short-range moments.
        layers: rounds of short range, long range and feed-forward.
        k: neighbours per point.
        radial: radial functions per edge.
        largest_mode: |n| of the highest Fourier mode that is summed directly.
        channels: feature densities whose modes are taken.
        mesh: points per side of a mesh for the modes from there to a quarter of it, or None. About
            2 N^(1/3) reaches down to two mean separations.
        geometry: ``PeriodicBox()``, or ``Euclidean()`` for an open box.

    Raises:
        InputError: at a call, for a mesh that is too coarse or in an open box, or a cloud of fewer
            than three columns.
    """

    width: Size = 64
    sources: Size = 8
    layers: Layers = 3
    k: Size = 16
    radial: Size = 12
    largest_mode: Size = 4
    channels: Size = 8
    mesh: Size | None = None
    geometry: Geometry = PeriodicBox()

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "batch points features"],
        t: Float[Array, " batch"],
        mask: Bool[Array, "batch points"] | None = None,
        condition: Float[Array, "batch condition"] | None = None,
    ) -> Float[Array, "batch points features"]:
        x, mask, back = in_domains(zero_padding(x, mask), mask, self.geometry)
        positions, marks = split_columns(x, 3)
        separation = mean_separation(x, mask, 3)
        embedding = Embedding(self.width)(t, condition, number_of_points(x, mask))
        neighbors = nearest_neighbors(positions, self.k, self.geometry, mask)
        short = ShortRange(neighbors, separation, self.radial)
        modes = self._modes(positions, mask)

        ones = zero_padding(jnp.ones((*x.shape[:2], 1)), mask)
        node = jnp.concatenate([marks, ones], axis=-1)
        if not self.geometry.periodic:
            node = absolute_features(positions, node, 3, self.geometry)
        h = read_columns(self, nn.Dense(self.width, name="input"), node, x.shape[-1])
        h = h + nn.Dense(self.width)(embedding)[:, None]
        for _ in range(self.layers):

            def update(normal):
                sources = nn.Dense(self.sources)(normal)
                parts = [normal, short.moments(sources) / np.sqrt(self.k)]
                parts += [LongRange(self.channels)(normal, m, embedding) for m in modes]
                return FeedForward(self.width)(jnp.concatenate(parts, axis=-1))

            h = ResidualBlock(update)(h, embedding)
        out = Output(x.shape[-1])(h, mask)
        force = short.force(nn.Dense(self.radial, kernel_init=ZERO)(embedding))
        for m in modes:
            force = force + MeanField()(ones, m, embedding)
        return back(zero_padding(out.at[..., :3].add(force), mask))

    def _modes(
        self, positions: Float[Array, "batch points 3"], mask: Bool[Array, "batch points"] | None
    ) -> list[Modes]:
        """The ranges of Fourier modes that are asked for."""
        modes: list[Modes] = [DirectModes.of(positions, mask, self.largest_mode)]
        if self.mesh is not None:
            if not self.geometry.periodic:
                raise InputError(
                    f"expected a periodic box for a mesh, got {self.geometry} and "
                    f"mesh={self.mesh}; use mesh=None in an open box"
                )
            modes.append(PaintedMesh.of(positions, mask, self.mesh, self.largest_mode))
        return modes
