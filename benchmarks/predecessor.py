"""What the predecessor does (code of arXiv:2311.17141), written here anew to be compared with.

A six-layer, 256-wide transformer whose softmax attention holds every N x N weight; a graph network
whose neighbours come from sorting every row of an N x N table of distances and whose edge layers
act on all edges; a variational diffusion in R^3 with a learned linear log-SNR, pairs of opposite
times, and ancestral steps.
"""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from galgen.networks.layers import Embedding, FeedForward, periodic_features

LOG_SNR = (14.0, -8.0)
"""At data and at noise."""
STEPS = 500
"""Ancestral steps of a catalogue; 1,000 in its first version."""
DRAWS = 400
"""Of time and noise per likelihood, 50 times 8."""


class NaiveTransformer(nn.Module):
    """Softmax over an N x N table in every one of six layers, 256 wide, four heads."""

    width: int = 256
    layers: int = 6
    heads: int = 4

    @nn.compact
    def __call__(self, x, t, mask=None, condition=None):
        h = nn.Dense(self.width)(periodic_features(x[..., :3], 5))
        h = h + nn.Dense(self.width)(Embedding(self.width)(t, condition))[:, None]
        for _ in range(self.layers):
            normal = nn.LayerNorm()(h)
            shape = (*h.shape[:2], self.heads, -1)
            q, k, v = (nn.Dense(self.width)(normal).reshape(shape) for _ in range(3))
            logits = jnp.einsum("bqhc,bkhc->bhqk", q, k) / np.sqrt(q.shape[-1])
            mixed = jnp.einsum("bhqk,bkhc->bqhc", jax.nn.softmax(logits), v)
            h = h + nn.Dense(self.width)(mixed.reshape(h.shape))
            h = h + FeedForward(self.width, 4)(nn.LayerNorm()(h))
        return nn.Dense(x.shape[-1])(h)


class NaiveGraphNetwork(nn.Module):
    """Neighbours by sorting N x N distances; four rounds of wide layers on every edge."""

    latent: int = 16
    hidden: int = 128
    layers: int = 4
    k: int = 20

    @nn.compact
    def __call__(self, x, t, mask=None, condition=None):
        apart = x[:, None, :, :3] - x[:, :, None, :3]
        apart = apart - jnp.round(apart)
        nearest = jnp.argsort(jnp.sum(apart**2, axis=-1), axis=-1)[..., : self.k]
        edges = jnp.take_along_axis(apart, nearest[..., None], axis=2)
        h = nn.Dense(self.latent)(jnp.concatenate([x, jnp.zeros_like(x)], axis=-1))
        h = h + nn.Dense(self.latent)(Embedding(self.latent)(t, condition))[:, None]
        rows = jnp.arange(len(x))[:, None, None]
        for _ in range(self.layers):
            here = jnp.broadcast_to(h[:, :, None], (*nearest.shape, self.latent))
            m = jnp.concatenate([here, h[rows, nearest], edges], axis=-1)
            for width in (self.hidden, self.hidden, self.hidden, self.latent):
                m = nn.gelu(nn.Dense(width)(m))
            edges = m
            update = jnp.concatenate([h, jnp.sum(m, axis=2)], axis=-1)
            for width in (self.hidden, self.hidden, self.hidden, self.latent):
                update = nn.gelu(nn.Dense(width)(update))
            h = h + update
        return nn.Dense(x.shape[-1])(h)


def elbo_loss(network: nn.Module, params, key: jax.Array, x: jax.Array) -> jax.Array:
    """The diffusion term at one time per cloud, its time and that of its neighbour opposite."""
    key_time, key_noise = jax.random.split(key)
    first, last = LOG_SNR
    t = (jax.random.uniform(key_time) + jnp.arange(len(x)) / len(x)) % 1.0
    log_snr = last + (first - last) * t
    alpha, sigma = jnp.sqrt(jax.nn.sigmoid(log_snr)), jnp.sqrt(jax.nn.sigmoid(-log_snr))
    noise = jax.random.normal(key_noise, x.shape)
    condition = jnp.zeros((len(x), 2))
    found = network.apply(
        params, alpha[:, None, None] * x + sigma[:, None, None] * noise, t, None, condition
    )
    return 0.5 * (first - last) * jnp.mean(jnp.sum((noise - found) ** 2, axis=(1, 2)))
