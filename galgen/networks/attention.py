"""Attention among the points of a cloud, in memory linear in their number.

Scaled dot-product attention (Vaswani et al. 2017, arXiv:1706.03762, eq. 1) over the real keys j::

    o_i = sum_j a_ij v_j,      a_ij = softmax_j(q_i . k_j / sqrt(channels))

The matrix a_ij is never kept. :func:`attend` takes one of two routes when it is traced:

flash      on a GPU, cuDNN's kernel (Dao et al. 2022, arXiv:2205.14135) in bfloat16. It takes no
           mask but the number of real keys, so the real keys are moved to the front. Only
           reverse-mode derivatives exist, and results agree with the other route to 1 in 100.
blockwise  elsewhere, one head and one block of queries at a time; a block is computed again in
           the backward pass instead of stored (Rabe and Staats 2021, arXiv:2112.05682).

Where devices share a cloud (:mod:`galgen.collectives`) the longer of queries and keys is split.
Each device then has some queries and gathers all keys and values, or it has some keys, whose sums
over j are added up.
"""

from __future__ import annotations

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from galgen.collectives import (
    CLOUD_SPEC,
    POINT_SPEC,
    all_gather,
    pmax,
    points_axis_size,
    psum,
    shard_map,
)
from galgen.masking import zero_padding

LARGEST_FLASH_HEAD = 128
"""Channels per head that cuDNN takes on every card with flash kernels."""


def attend(
    query: Float[Array, "batch queries heads channels"],
    key: Float[Array, "batch keys heads channels"],
    value: Float[Array, "batch keys heads channels"],
    mask: Bool[Array, "batch keys"] | None = None,
) -> Float[Array, "batch queries heads channels"]:
    """Every query's weighted mean of the values of the real keys; see the module's docstring.

    Args:
        query: not yet scaled.
        key: finite also where it is padding.
        value: likewise.
        mask: True where a key is real, at least once per cloud, in any order.
    """
    if points_axis_size() > 1 and key.shape[1] > query.shape[1]:

        def read_part(query, key, value, mask):
            return blockwise(query, key, value, mask, split_keys=True)

        split = (CLOUD_SPEC, POINT_SPEC, POINT_SPEC, POINT_SPEC)
        return shard_map(read_part, query, key, value, mask, in_specs=split, out_specs=CLOUD_SPEC)

    among_points = key.shape[1] == query.shape[1]

    def read(query, key, value, mask):
        if among_points:
            key, value, mask = jax.tree.map(all_gather, (key, value, mask))
        if has_flash_kernels() and query.shape[-1] <= LARGEST_FLASH_HEAD:
            return flash(query, key, value, mask)
        return blockwise(query, key, value, mask)

    split = (POINT_SPEC, *(POINT_SPEC if among_points else CLOUD_SPEC,) * 3)
    return shard_map(read, query, key, value, mask, in_specs=split, out_specs=POINT_SPEC)


def has_flash_kernels() -> bool:
    """Whether the default device is an NVIDIA GPU of compute capability 8.0 (Ampere) or later."""
    if jax.default_backend() != "gpu":
        return False
    capability = str(getattr(jax.local_devices()[0], "compute_capability", ""))
    return capability.replace(".", "").isdigit() and float(capability) >= 8.0


def blockwise(
    query: Float[Array, "batch queries heads channels"],
    key: Float[Array, "batch keys heads channels"],
    value: Float[Array, "batch keys heads channels"],
    mask: Bool[Array, "batch keys"] | None = None,
    block: int = 128,
    split_keys: bool = False,
) -> Float[Array, "batch queries heads channels"]:
    """Exact attention that holds ``batch * block * keys`` weights at once.

    Clouds stay one axis of every operation, so that they can be split over devices. So can the
    keys: with ``split_keys`` these are the keys of one device, and the sums run over all.
    """
    batch, queries, heads, channels = query.shape
    block = min(block, queries)
    blocks = -(-queries // block)
    query = jnp.pad(
        query / np.sqrt(channels), ((0, 0), (0, blocks * block - queries), (0, 0), (0, 0))
    )
    by_head = query.reshape(batch, blocks, block, heads, channels).transpose(3, 1, 0, 2, 4)

    def one_head(arguments):
        query_blocks, keys, values = arguments

        @jax.checkpoint
        def one_block(rows):
            logits = jnp.einsum("bqc,bkc->bqk", rows, keys)
            if mask is not None:
                logits = jnp.where(mask[:, None], logits, -1e30)
            peak = jax.lax.stop_gradient(jnp.max(logits, axis=-1, keepdims=True))
            weight = jnp.exp(logits - (pmax(peak) if split_keys else peak))
            total = jnp.sum(weight, axis=-1, keepdims=True)
            read = jnp.einsum("bqk,bkc->bqc", weight, values)
            return psum(read) / psum(total) if split_keys else read / total

        return jax.lax.map(one_block, query_blocks)

    out = jax.lax.map(one_head, (by_head, key.transpose(2, 0, 1, 3), value.transpose(2, 0, 1, 3)))
    return out.transpose(2, 1, 3, 0, 4).reshape(batch, -1, heads, channels)[:, :queries]


def flash(
    query: Float[Array, "batch queries heads channels"],
    key: Float[Array, "batch keys heads channels"],
    value: Float[Array, "batch keys heads channels"],
    mask: Bool[Array, "batch keys"] | None = None,
    implementation: Literal["cudnn", "xla"] = "cudnn",
) -> Float[Array, "batch queries heads channels"]:
    """Attention by ``jax.nn.dot_product_attention`` in bfloat16, told the number of real keys.

    cuDNN wants channels in multiples of 8, and JAX 0.10 even lengths: both are padded here.

    Args:
        query: not yet scaled.
        key: in any order: the result does not depend on the order of keys.
        value: in the order of ``key``.
        mask: True where a key is real.
        implementation: ``"xla"`` runs the same call anywhere, in quadratic memory, for tests.
    """
    queries, channels = query.shape[1], query.shape[-1]
    lengths = None
    if mask is None and key.shape[1] % 2:
        mask = jnp.ones(key.shape[:2], bool)
    if mask is not None:
        order = jnp.argsort(~mask, axis=-1, stable=True)
        lengths = jnp.maximum(jnp.sum(mask, axis=-1), 1).astype(jnp.int32)
        real = jnp.arange(mask.shape[-1]) < lengths[:, None]
        # Whatever gradient the kernel leaves in the padding stops here.
        key, value = (
            zero_padding(jnp.take_along_axis(a, order[..., None, None], axis=1), real)
            for a in (key, value)
        )
    low = (
        jnp.pad(a, ((0, 0), (0, a.shape[1] % 2), (0, 0), (0, -channels % 8))).astype(jnp.bfloat16)
        for a in (query, key, value)
    )
    out = jax.nn.dot_product_attention(
        *low,
        scale=1.0 / float(np.sqrt(channels)),
        key_value_seq_lengths=lengths,
        implementation=implementation,
    )
    return out[:, :queries, :, :channels].astype(query.dtype)
