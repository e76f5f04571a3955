"""A graph network on jraph: messages along the edges of a periodic nearest-neighbour graph.

One round is a graph-network block (Battaglia et al. 2018, arXiv:1806.01261, algorithm 1) without
global update::

    e_ij' = w(r_ij) phi_e(h_i, h_j, e_ij)        h_i' = h_i + gate * phi_h(h_i, sum_j e_ij')

The graph is rebuilt from the positions at every call. Edges carry displacements only, minimum-image
in a periodic box, so the network is exactly translation-equivariant on the torus. The clouds of a
batch are one ``jraph.GraphsTuple``.
"""

from __future__ import annotations

import flax.linen as nn
import jax.numpy as jnp
import jraph
import numpy as np
from jaxtyping import Array, Bool, Float

from galgen.geometry import Geometry, PeriodicBox
from galgen.masking import number_of_points, zero_padding
from galgen.neighbors import nearest_neighbors
from galgen.networks.layers import (
    ZERO,
    Embedding,
    FeedForward,
    ResidualBlock,
    describe_edges,
    mean_separation,
    periodic_features,
)


class GraphNetwork(nn.Module):
    """Message passing over the ``k`` nearest neighbours; see the module's docstring.

    The first three columns are positions in the unit box, the others marks.

    Attributes:
        width: features per node and edge.
        layers: rounds of messages.
        k: neighbours per point.
        radial: radial features per edge.
        geometry: ``PeriodicBox()``, or ``Euclidean()``, which adds absolute positions to the nodes.
    """

    width: int = 64
    layers: int = 4
    k: int = 16
    radial: int = 12
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
        batch, points, features = x.shape
        positions, marks = x[..., :3], x[..., 3:]
        separation = mean_separation(x, mask, 3)
        embedding = Embedding(self.width)(t, condition, number_of_points(x, mask))
        neighbors = nearest_neighbors(positions, self.k, self.geometry, mask)
        edges = describe_edges(neighbors, separation, self.radial)

        offset = (jnp.arange(batch) * points)[:, None, None]
        graph = jraph.GraphsTuple(
            nodes=None,
            edges=(
                edges.features.reshape(-1, edges.features.shape[-1]),
                edges.weight.reshape(-1, 1),
            ),
            senders=(edges.indices + offset).reshape(-1),
            receivers=jnp.repeat(jnp.arange(batch * points), self.k),
            globals=None,
            n_node=jnp.full(batch, points),
            n_edge=jnp.full(batch, points * self.k),
        )
        node = jnp.concatenate([marks, jnp.zeros((batch, points, 1))], axis=-1)
        if not self.geometry.periodic:
            node = jnp.concatenate([node, positions, periodic_features(positions, 3)], axis=-1)
        h = nn.Dense(self.width)(node) + nn.Dense(self.width)(embedding)[:, None]
        for _ in range(self.layers):
            h = ResidualBlock(lambda normal: MessagePassing(self.width)(graph, normal))(
                h, embedding
            )
        return zero_padding(nn.Dense(features, kernel_init=ZERO)(nn.LayerNorm()(h)), mask)


class MessagePassing(nn.Module):
    """One jraph round: messages on edges, their sum at the receiver, an update of the node."""

    width: int

    @nn.compact
    def __call__(
        self, graph: jraph.GraphsTuple, h: Float[Array, "batch points width"]
    ) -> Float[Array, "batch points width"]:
        neighbors_per_point = graph.receivers.shape[0] // (h.shape[0] * h.shape[1])
        # The first layer of phi_e acts on nodes before they are gathered to the edges.
        receiver = nn.Dense(self.width)(h)
        sender = nn.Dense(self.width, use_bias=False)(h)
        nodes = jnp.stack([h, receiver, sender], axis=-2).reshape(-1, 3, self.width)

        def update_edge(edge, sent, received, _):
            features, weight = edge
            message = received[:, 1] + sent[:, 2] + nn.Dense(self.width, use_bias=False)(features)
            return weight * nn.Dense(self.width)(nn.silu(message))

        def update_node(node, _, received, __):
            summed = received / np.sqrt(neighbors_per_point)
            return FeedForward(self.width)(jnp.concatenate([node[:, 0], summed], axis=-1))

        round_ = jraph.GraphNetwork(update_edge_fn=update_edge, update_node_fn=update_node)
        return round_(graph._replace(nodes=nodes)).nodes.reshape(h.shape)
