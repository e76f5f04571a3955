r"""EGNN: an E(3)-equivariant graph network of scalars and vectors, without spherical harmonics.

Messages are functions of invariants, and vectors are sums of directions times functions of messages
(Satorras, Hoogeboom and Welling 2021, arXiv:2102.09844, equations 3 to 7)::

    m_ij = w(r_ij) phi_e(h_i, h_j, |r_ij|, v_i . e_ij, v_j . e_ij)
    v_i' = phi_v(h_i) v_i + sum_j e_ij phi_x(m_ij)
    h_i' = phi_h(h_i, sum_j m_ij, v_i . v_i)

where r_ij = |r_ij| e_ij is the way from i to its neighbour j, w falls smoothly to zero at the k-th
neighbour, h are scalars and v a few vectors, velocities among them. The paper moves the points
along v after each layer and measures distances anew; here points stay, and messages see v_j . e_ij
and v_i . e_ij, which say how fast each distance would change. The cloud's means of h and v are also
heard.

Positions enter through displacements only: exactly equivariant under E(3) in open space, and under
translations and the cube's 48 symmetries in the periodic box. Lengths are in units of the cloud's
mean separation.
"""

from __future__ import annotations

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from galgen.checked import Layers, Size, checked
from galgen.errors import InputError
from galgen.geometry import Geometry, PeriodicBox
from galgen.masking import masked_mean, number_of_points, zero_padding
from galgen.neighbors import in_domains
from galgen.networks.layers import (
    ZERO,
    AdaptiveNorm,
    Edges,
    Embedding,
    FeedForward,
    nearest_edges,
    read_columns,
)

VectorColumns = tuple[int, int, int] | None
Scalars = Float[Array, "batch points width"]
Vectors = Float[Array, "batch points vectors 3"]


def column_order(features: int, vector_columns: VectorColumns) -> list[int]:
    """The columns of x as positions, then velocities if there are any, then scalars.

    Raises:
        InputError: if there are no positions, or the velocities are not three distinct marks.
    """
    if features < 3:
        raise InputError(
            f"expected points with at least 3 columns, the positions, got {features}; "
            "use another network for points that are not in space"
        )
    vectors = list(vector_columns or ())
    if vector_columns is not None and (
        len(set(vectors)) != 3 or not all(3 <= column < features for column in vectors)
    ):
        raise InputError(
            f"expected vector_columns to be three distinct columns from 3 to {features - 1}, got "
            f"{vector_columns}; give the places of vx, vy, vz among the features, or None"
        )
    return [0, 1, 2, *vectors, *(c for c in range(3, features) if c not in vectors)]


def split_vectors(
    x: Float[Array, "batch points features"],
    mask: Bool[Array, "batch points"] | None,
    geometry: Geometry,
    vector_columns: VectorColumns,
) -> tuple[Float[Array, "batch points vectors 3"], Float[Array, "batch points scalars"]]:
    """What a point carries: vectors and scalars.

    Velocities are vectors. In open space the way to the cloud's centre is another, equivariant as
    they are, which tells a point where it is.
    """
    x = x[..., np.array(column_order(x.shape[-1], vector_columns))]
    split = 3 if vector_columns is None else 6
    vectors = x[..., 3:split]
    if not geometry.periodic:
        centre = masked_mean(x[..., :3], mask, axis=1)[:, None]
        vectors = jnp.concatenate([vectors, centre - x[..., :3]], axis=-1)
    return vectors.reshape(*x.shape[:2], -1, 3), x[..., split:]


def join_vectors(
    vectors: Float[Array, "batch points vectors 3"],
    scalars: Float[Array, "batch points scalars"],
    vector_columns: VectorColumns,
) -> Float[Array, "batch points features"]:
    """The vectors of positions and velocities, and the scalars, in the columns of x."""
    columns = jnp.concatenate([vectors.reshape(*vectors.shape[:2], -1), scalars], axis=-1)
    return columns[..., np.argsort(column_order(columns.shape[-1], vector_columns))]


class PairFunction(nn.Module):
    """silu(A s_i + B s_j + C features_ij), under the weight that ends at the k-th neighbour.

    Attributes:
        width: features of a pair.
    """

    width: int

    @nn.compact
    def __call__(
        self,
        scalars: Float[Array, "batch points scalars"],
        features: Float[Array, "batch points k features"],
        edges: Edges,
    ) -> Float[Array, "batch points k width"]:
        here = nn.Dense(self.width)(scalars)[:, :, None]
        there = edges.read(nn.Dense(self.width, use_bias=False)(scalars))
        pair = nn.Dense(self.width, use_bias=False)(features)
        return nn.silu(here + there + pair) * edges.weight[..., None]


def bounded(v: Vectors) -> Vectors:
    """Vectors divided by the root of one plus their mean square: small ones stay small."""
    return v / jnp.sqrt(1.0 + jnp.mean(v**2, axis=(-2, -1), keepdims=True))


class DirectedMessages(nn.Module):
    """Sums over neighbours of the messages, and of directions times functions of them.

    Attributes:
        width: scalars of a point.
        vectors: vectors of a point.
    """

    width: int
    vectors: int

    @nn.compact
    def __call__(
        self, h: Scalars, v: Vectors, edges: Edges
    ) -> tuple[Scalars, Float[Array, "batch points pushed 3"]]:
        there = jnp.sum(edges.read(v) * edges.direction[..., None, :], axis=-1)
        here = jnp.einsum("bnva,bnka->bnkv", v, edges.direction)
        invariants = jnp.concatenate([edges.radial, here, there], axis=-1)
        message = PairFunction(self.width)(h, invariants, edges)
        message = message / np.sqrt(edges.weight.shape[-1])
        # phi_x is linear, so that neighbours can be summed before it acts.
        pushed = jnp.einsum("bnkw,bnka->bnwa", message, edges.direction)
        return message.sum(axis=2), mix(self.vectors, pushed)


class DirectedBlock(nn.Module):
    """One round of messages and an update of scalars and vectors, under zero-initialised gates."""

    @nn.compact
    def __call__(
        self,
        h: Scalars,
        v: Vectors,
        edges: Edges,
        embedding: Float[Array, "batch embedding"],
        mask: Bool[Array, "batch points"] | None,
    ) -> tuple[Scalars, Vectors]:
        width, vectors = h.shape[-1], v.shape[-2]
        normal, gate = AdaptiveNorm()(h, embedding)
        v_gate = 1.0 + nn.Dense(vectors, kernel_init=ZERO)(embedding)[:, None, :, None]
        own = bounded(v)
        summed, pushed = DirectedMessages(width, vectors)(normal, own, edges)

        upper = np.triu_indices(vectors)
        products = jnp.einsum("bnva,bnwa->bnvw", own, own)[..., upper[0], upper[1]]
        mean = jnp.broadcast_to(masked_mean(normal, mask, axis=1)[:, None], h.shape)
        mean_v = jnp.broadcast_to(masked_mean(own, mask, axis=1)[:, None], v.shape)
        heard = jnp.concatenate([normal, summed, products, mean], axis=-1)
        update = FeedForward(width)(heard)
        mixed = mix(vectors, jnp.concatenate([own, mean_v], axis=-2))
        mixed = mixed * nn.Dense(vectors)(nn.silu(update))[..., None]
        return h + gate * update, v + v_gate * (pushed + mixed)


def mix(vectors: int, v: Vectors) -> Float[Array, "batch points mixed 3"]:
    """``vectors`` linear combinations of vectors, the same at every point."""
    return nn.Dense(vectors, use_bias=False)(v.swapaxes(-1, -2)).swapaxes(-1, -2)


@checked
class EGNN(nn.Module):
    """Scalars and vectors over the ``k`` nearest neighbours; see the module's docstring.

    The first three columns are positions in the unit box, the others marks. Of the output, the
    columns of positions and of velocities are vectors, the others scalars.

    Attributes:
        width: scalars per point and message.
        vectors: vectors per point.
        layers: rounds of messages after the first.
        k: neighbours per point.
        radial: radial functions per edge.
        vector_columns: places of vx, vy, vz among the features, or None if all marks are scalars.
        geometry: ``PeriodicBox()`` or ``Euclidean()``.
    """

    width: Size = 48
    vectors: Size = 8
    layers: Layers = 3
    k: Size = 16
    radial: Size = 12
    vector_columns: VectorColumns = None
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
        carried, marks = split_vectors(x, mask, self.geometry, self.vector_columns)
        embedding = Embedding(self.width)(t, condition, number_of_points(x, mask))
        edges = nearest_edges(x, mask, self.k, self.radial, self.geometry)

        spread = jnp.broadcast_to(embedding[:, None], (*x.shape[:2], self.width))
        node = jnp.concatenate([marks, spread], axis=-1)
        h = read_columns(self, nn.Dense(self.width, name="input"), node, x.shape[-1])
        summed, v = DirectedMessages(self.width, self.vectors)(h, carried, edges)
        if carried.shape[-2] > 0:
            v = v + mix(self.vectors, carried)
        h = h + nn.Dense(self.width)(summed)
        for _ in range(self.layers):
            h, v = DirectedBlock()(h, v, edges, embedding, mask)

        h = nn.LayerNorm()(h)
        outputs = 1 if self.vector_columns is None else 2
        mixing = nn.Dense(outputs * self.vectors, kernel_init=ZERO)(h)
        vectors = mixing.reshape(*x.shape[:2], outputs, self.vectors) @ bounded(v)
        scalars = nn.Dense(marks.shape[-1], kernel_init=ZERO)(h)
        columns = join_vectors(vectors, scalars, self.vector_columns)
        return back(zero_padding(columns, mask))
