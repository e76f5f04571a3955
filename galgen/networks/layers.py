"""Layers that networks share: time and condition, adaptive normalisation, features of edges.

Time and condition enter every network in one way: they are embedded together, and each block reads
from the embedding a shift, a scale and a gate (adaptive layer normalisation, Peebles and Xie 2023,
arXiv:2212.09748, section 3.2). Gates start at one, not at zero as there: the output of a network
starts at zero already, and with both at zero the first gradients vanish (benchmarks/RESULTS.md).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from galgen.errors import InputError
from galgen.geometry import Geometry
from galgen.masking import number_of_points, zero_padding
from galgen.neighbors import Halo, Neighbors, nearest_neighbors, read_neighbors

ZERO = nn.initializers.zeros_init()


def fourier_features(t: Float[Array, " batch"], number: int = 16) -> Float[Array, "batch features"]:
    """cos and sin of ``t`` at ``number`` frequencies spaced geometrically from 1/2 to 32 cycles."""
    frequencies = 2.0 * np.pi * np.geomspace(0.5, 32.0, number)
    phase = t[:, None] * jnp.asarray(frequencies, t.dtype)
    return jnp.concatenate([jnp.cos(phase), jnp.sin(phase)], axis=-1)


class Embedding(nn.Module):
    """Time, condition and (for clouds) the number of points, as one vector per example.

    A parameter of the condition that is NaN is unknown: the network is told so, and not its value.

    Attributes:
        width: of the vector.
    """

    width: int

    @nn.compact
    def __call__(
        self,
        t: Float[Array, " batch"],
        condition: Float[Array, "batch condition"] | None,
        count: Float[Array, " batch"] | None = None,
    ) -> Float[Array, "batch width"]:
        parts = [fourier_features(t)]
        if condition is not None:
            unknown = jnp.isnan(condition)
            parts += [jnp.where(unknown, 0.0, condition), unknown.astype(condition.dtype)]
        if count is not None:
            parts.append(jnp.log(count)[:, None] / 4.0)
        hidden = nn.silu(nn.Dense(self.width)(jnp.concatenate(parts, axis=-1)))
        return nn.silu(nn.Dense(self.width)(hidden))


class AdaptiveNorm(nn.Module):
    """Layer normalisation whose shift and scale are read from the embedding; also gives a gate.

    A new one does not shift, scales by one, and gates by one.
    """

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch *rest width"], embedding: Float[Array, "batch embedding"]
    ) -> tuple[Float[Array, "batch *rest width"], Float[Array, "batch *ones width"]]:
        width = x.shape[-1]
        modulation = nn.Dense(3 * width, kernel_init=ZERO)(embedding)
        modulation = modulation.reshape(len(x), *(1,) * (x.ndim - 2), 3 * width)
        shift, scale, gate = jnp.split(modulation, 3, axis=-1)
        normal = nn.LayerNorm(use_bias=False, use_scale=False)(x)
        return normal * (1.0 + scale) + shift, 1.0 + gate


class ResidualBlock(nn.Module):
    """``x + gate * update(normalised x)``: any update under adaptive normalisation."""

    update: Callable[[Float[Array, "..."]], Float[Array, "..."]]

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch *rest width"], embedding: Float[Array, "batch embedding"]
    ) -> Float[Array, "batch *rest width"]:
        normal, gate = AdaptiveNorm()(x, embedding)
        return x + gate * self.update(normal)


class FeedForward(nn.Module):
    """Two layers, acting on the last axis.

    Attributes:
        width: of the output.
        expansion: hidden features for each of the output.
    """

    width: int
    expansion: int = 2

    @nn.compact
    def __call__(self, x: Float[Array, "*lead width"]) -> Float[Array, "*lead out"]:
        return nn.Dense(self.width)(nn.silu(nn.Dense(self.expansion * self.width)(x)))


class Output(nn.Module):
    """The last layer: normalisation and one linear map that starts at zero.

    Attributes:
        columns: of the output.
    """

    columns: int

    @nn.compact
    def __call__(
        self,
        h: Float[Array, "batch *rest width"],
        mask: Bool[Array, "batch points"] | None = None,
    ) -> Float[Array, "batch *rest columns"]:
        out = nn.Dense(self.columns, kernel_init=ZERO)(nn.LayerNorm()(h))
        return zero_padding(out, mask)


def read_columns(
    network: nn.Module, first: nn.Module, features: Float[Array, "*lead features"], columns: int
) -> Float[Array, "*lead width"]:
    """``first(features)``; weights made for other data are refused in our words, not Flax's.

    Args:
        network: whose call it is.
        first: its first layer, called "input".
        features: made of the ``columns`` of the data.
        columns: of the data.

    Raises:
        InputError: if there are weights already, made for another number of columns.
    """
    known = network.variables.get("params", {}).get("input")
    if known is not None and (more := known["kernel"].shape[-2] - features.shape[-1]):
        raise InputError(
            f"expected {columns + more} columns, for which the weights of this "
            f"{type(network).__name__} were made, got {columns}; pass those columns, or "
            "initialise new weights"
        )
    return first(features)


def split_columns(
    x: Float[Array, "batch points features"], dim: int
) -> tuple[Float[Array, "batch points dim"], Float[Array, "batch points marks"]]:
    """Positions and marks.

    Raises:
        InputError: if ``x`` has no room for ``dim`` position columns.
    """
    if x.ndim != 3 or not 1 <= dim <= x.shape[-1]:
        raise InputError(
            f"expected clouds (batch, points, features) with at least {dim} columns of position, "
            f"got shape {x.shape}; add position columns, or change the network's dim"
        )
    return x[..., :dim], x[..., dim:]


def periodic_features(
    positions: Float[Array, "*lead dim"], octaves: int
) -> Float[Array, "*lead features"]:
    """cos and sin of 2 pi 2^j x for j < ``octaves``: smooth and exactly periodic on [0, 1)."""
    phase = 2.0 * jnp.pi * positions[..., None] * (2.0 ** jnp.arange(octaves))
    phase = phase.reshape(*positions.shape[:-1], -1)
    return jnp.concatenate([jnp.cos(phase), jnp.sin(phase)], axis=-1)


def absolute_features(
    positions: Float[Array, "batch points dim"],
    marks: Float[Array, "batch points marks"],
    octaves: int,
    geometry: Geometry,
) -> Float[Array, "batch points features"]:
    """Marks and periodic features of position; in open space also the positions themselves."""
    parts = [periodic_features(positions, octaves), marks]
    if not geometry.periodic:
        parts.append(positions)
    return jnp.concatenate(parts, axis=-1)


def place_features(
    positions: Float[Array, "batch points dim"],
    marks: Float[Array, "batch points marks"],
    octaves: int,
    geometry: Geometry,
    relative: bool,
) -> Float[Array, "batch points features"]:
    """What a point says of itself: its marks and, unless ``relative``, where it is.

    Raises:
        InputError: for ``relative`` in an open box, which has walls and no translations.
    """
    if not relative:
        return absolute_features(positions, marks, octaves, geometry)
    if not geometry.periodic:
        raise InputError(
            f"expected PeriodicBox() where relative=True, got {geometry}: an open box has walls; "
            "set relative=False"
        )
    return jnp.concatenate([marks, jnp.ones((*marks.shape[:2], 1), marks.dtype)], axis=-1)


def mean_separation(
    x: Float[Array, "batch points features"], mask: Bool[Array, "batch points"] | None, dim: int
) -> Float[Array, " batch"]:
    """Mean point separation in the unit box, ``count ** (-1 / dim)``: the local unit of length."""
    return number_of_points(x, mask) ** (-1.0 / dim)


class Edges(NamedTuple):
    """What networks know of a neighbour graph.

    ========= ============================ =====================================================
    field     shape                        meaning
    ========= ============================ =====================================================
    indices   ``(batch, points, k)``       row of each neighbour
    direction ``(batch, points, k, 3)``    unit vector to it
    radial    ``(batch, points, k, r)``    Gaussians in the logarithm of its distance
    features  ``(batch, points, k, f)``    radial functions, directional ones, displacement
    weight    ``(batch, points, k)``       1 to 0 at the farthest; 1 if fewer than k; 0 if invalid
    halo      :class:`Halo` or None        what devices that share clouds exchange
    ========= ============================ =====================================================
    """

    indices: Int[Array, "batch points k"]
    direction: Float[Array, "batch points k 3"]
    radial: Float[Array, "batch points k radial"]
    features: Float[Array, "batch points k features"]
    weight: Float[Array, "batch points k"]
    halo: Halo | None = None

    def read(
        self, values: Float[Array, "batch points *item"]
    ) -> Float[Array, "batch points k *item"]:
        """What every point reads of its neighbours."""
        return read_neighbors(values, self.indices, self.halo)


def nearest_edges(
    x: Float[Array, "batch points features"],
    mask: Bool[Array, "batch points"] | None,
    k: int,
    radial: int,
    geometry: Geometry,
) -> Edges:
    """The edges to the ``k`` nearest neighbours by the first three columns, described."""
    neighbors = nearest_neighbors(x[..., :3], k, geometry, mask)
    return describe_edges(neighbors, mean_separation(x, mask, 3), radial)


def describe_edges(neighbors: Neighbors, separation: Float[Array, " batch"], radial: int) -> Edges:
    """Features of every edge, lengths in units of the mean separation.

    ``radial`` Gaussians in log distance cover 0.08 to 3 mean separations; half as many wider ones
    multiply the unit vector. The weight makes the output continuous where neighbours change. In a
    cloud of k points or fewer they never change, and all weigh 1.
    """
    u = neighbors.displacement / separation[:, None, None, None]
    squared = jnp.sum(u**2, axis=-1)
    r = jnp.sqrt(squared + 1e-8)
    logarithm = jnp.log(r + 0.05)[..., None]

    def gaussians(number):
        centres = jnp.linspace(np.log(0.08), np.log(3.0), number)
        width = (np.log(3.0) - np.log(0.08)) / (number - 1)
        return jnp.exp(-0.5 * ((logarithm - centres) / width) ** 2)

    direction = u / r[..., None]
    narrow, wide = gaussians(radial), gaussians(radial // 2)
    vectors = (direction[..., None, :] * wide[..., None]).reshape(*r.shape, -1)
    farthest = jnp.max(jnp.where(neighbors.valid, squared, 0.0), axis=-1, keepdims=True)
    farthest = jnp.where(neighbors.valid[..., -1:], farthest, jnp.inf)
    weight = jnp.where(neighbors.valid, 1.0 - squared / jnp.maximum(farthest, 1e-12), 0.0)
    features = jnp.concatenate([narrow, vectors, u], axis=-1)
    return Edges(neighbors.indices, direction, narrow, features, weight, neighbors.halo)
