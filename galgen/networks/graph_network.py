"""A graph network on jraph: attention along the edges of a periodic nearest-neighbour graph.

One round is a graph-network block (Battaglia et al. 2018, arXiv:1806.01261, algorithm 1) whose
messages are weighed by attention over the neighbours of a point (graph attention, Velickovic et al.
2018, arXiv:1710.10903, eq. 3, with the logits of Brody et al. 2022, arXiv:2105.14491, eq. 7) and
whose global token u is read from the mean of the nodes::

    m_ij = silu(A h_i + B h_j + C e_ij)           alpha_ij = softmax_j(a . m_ij + log w_ij)
    h_i' = h_i + gate * phi(h_i, sum_j alpha_ij m_ij, u)

The weight w falls smoothly to zero at the k-th neighbour, so that the output is continuous where
neighbours change. The graph is rebuilt from the positions at every call. Edges carry displacements
only, minimum-image in a periodic box, so the network is exactly translation-equivariant on the
torus.

The round is written once, and runs in two layouts of equal result and, on CPU, equal cost:
gathered, where edges are arrays ``(batch, points, k)``, and ``jraph.GraphsTuple``, where the clouds
of a batch are one flat graph and sums are scattered, for graphs that users bring to jraph's tools.
"""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
import jraph
import numpy as np
from jaxtyping import Array, Bool, Float

from galgen.checked import Layers, Size, checked
from galgen.errors import InputError
from galgen.geometry import Geometry, PeriodicBox
from galgen.masking import masked_mean, number_of_points, zero_padding
from galgen.neighbors import in_domains
from galgen.networks.layers import (
    Edges,
    Embedding,
    FeedForward,
    Output,
    ResidualBlock,
    absolute_features,
    nearest_edges,
    read_columns,
    split_columns,
)

_NEVER = -1e9
"""Logit of an edge that is not there."""


@checked
class GraphNetwork(nn.Module):
    """Message passing over the ``k`` nearest neighbours; see the module's docstring.

    The first three columns are positions in the unit box, the others marks.

    Attributes:
        width: features per node and edge.
        layers: rounds of messages.
        k: neighbours per point.
        radial: radial features per edge.
        heads: attention heads; they divide ``width``.
        gathered: edges as ``(batch, points, k)``; False for a flat ``jraph.GraphsTuple``.
        geometry: ``PeriodicBox()``, or ``Euclidean()``, which adds absolute positions to the nodes.

    Raises:
        InputError: at a call, for a width that the heads do not divide, or a cloud of fewer than
            three columns.
    """

    width: Size = 64
    layers: Layers = 4
    k: Size = 16
    radial: Size = 12
    heads: Size = 4
    gathered: bool = True
    geometry: Geometry = PeriodicBox()

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise InputError(
                f"expected a width divisible by {self.heads} heads, got {self.width}; "
                "change width or heads"
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
        x, mask, back = in_domains(zero_padding(x, mask), mask, self.geometry)
        positions, marks = split_columns(x, 3)
        embedding = Embedding(self.width)(t, condition, number_of_points(x, mask))
        edges = nearest_edges(x, mask, self.k, self.radial, self.geometry)

        node = jnp.concatenate([marks, jnp.zeros((*x.shape[:2], 1))], axis=-1)
        if not self.geometry.periodic:
            node = absolute_features(positions, node, 3, self.geometry)
        h = read_columns(self, nn.Dense(self.width, name="input"), node, x.shape[-1])
        h = h + nn.Dense(self.width)(embedding)[:, None]
        for _ in range(self.layers):

            def update(normal):
                token = FeedForward(self.width)(masked_mean(normal, mask, 1))
                return MessagePassing(self.heads, self.gathered)(edges, normal, token)

            h = ResidualBlock(update)(h, embedding)
        return back(Output(x.shape[-1])(h, mask))


class MessagePassing(nn.Module):
    """One round; see the module's docstring.

    Attributes:
        heads: of the attention over neighbours.
        gathered: edges as ``(batch, points, k)``; False for a flat ``jraph.GraphsTuple``.
    """

    heads: int
    gathered: bool

    @nn.compact
    def __call__(
        self,
        edges: Edges,
        h: Float[Array, "batch points width"],
        token: Float[Array, "batch width"],
    ) -> Float[Array, "batch points width"]:
        width = h.shape[-1]
        # The first layer of a message acts on nodes before they are gathered to the edges.
        receiver = nn.Dense(width)(h)
        sender = nn.Dense(width, use_bias=False)(h)
        edge_layer = nn.Dense(width, use_bias=False)
        logit_layer = nn.Dense(self.heads)
        node_layer = FeedForward(width)
        log_weight = jnp.where(edges.weight > 0, jnp.log(jnp.maximum(edges.weight, 1e-12)), _NEVER)

        def message(features, sent, received):
            return nn.silu(received + sent + edge_layer(features))

        def split(m):
            return m.reshape(*m.shape[:-1], self.heads, -1)

        if self.gathered:
            m = message(edges.features, edges.read(sender), receiver[:, :, None])
            logits = logit_layer(m) + log_weight[..., None]
            attention = jax.nn.softmax(logits, axis=2) * (edges.weight > 0)[..., None]
            summed = jnp.einsum("bnkh,bnkhc->bnhc", attention, split(m)).reshape(h.shape)
            tokens = jnp.broadcast_to(token[:, None], h.shape)
            return node_layer(jnp.concatenate([h, summed, tokens], axis=-1))

        def update_edge(edge, sent, received, _):
            features, log_weight = edge
            return message(features, sent[:, 2], received[:, 1]), log_weight

        def attention_logit(edge, *_):
            m, log_weight = edge
            return logit_layer(m) + log_weight

        def attention_reduce(edge, attention):
            m, log_weight = edge
            kept = jnp.where(log_weight > _NEVER, attention, 0.0)
            return (kept[..., None] * split(m)).reshape(m.shape)

        def update_node(node, _, received, token):
            return node_layer(jnp.concatenate([node[:, 0], received, token], axis=-1))

        graph = as_graph(edges, jnp.stack([h, receiver, sender], axis=-2), token, log_weight)
        round_ = jraph.GraphNetwork(
            update_edge_fn=update_edge,
            update_node_fn=update_node,
            attention_logit_fn=attention_logit,
            attention_reduce_fn=attention_reduce,
        )
        return round_(graph).nodes.reshape(h.shape)


def as_graph(
    edges: Edges,
    nodes: Float[Array, "batch points *node"],
    token: Float[Array, "batch width"],
    log_weight: Float[Array, "batch points k"],
) -> jraph.GraphsTuple:
    """The clouds of a batch as one flat graph; every point, padding too, receives k edges."""
    batch, points, k = edges.indices.shape
    offset = (jnp.arange(batch) * points)[:, None, None]
    return jraph.GraphsTuple(
        nodes=nodes.reshape(batch * points, *nodes.shape[2:]),
        edges=(edges.features.reshape(-1, edges.features.shape[-1]), log_weight.reshape(-1, 1)),
        senders=(edges.indices + offset).reshape(-1),
        receivers=jnp.repeat(jnp.arange(batch * points), k),
        globals=token,
        n_node=np.full(batch, points),
        n_edge=np.full(batch, points * k),
    )
