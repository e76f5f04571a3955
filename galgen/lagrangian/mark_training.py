"""Marks trained further, when the encoder stays as it is.

Of a step of training, most goes into the encoder, for marks of a few hundred haloes. Once it is
trained, what it knows of all haloes of a box is computed once, and a step is one of the graph
network alone, for thousands of them.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float
from tqdm import tqdm

from galgen.lagrangian.candidates import KnownHaloes, likeliest
from galgen.lagrangian.sampler import LagrangianSampler
from galgen.lagrangian.trained import TrainedHaloes
from galgen.randomness import Role, random_key
from galgen.types import Params

if TYPE_CHECKING:
    from galgen.lagrangian.dataset import PieceSource

RATE, WARMUP, DECAY = 2e-3, 50, 0.99
"""Of AdamW, and of the averaged weights."""
ROWS = 1024
"""Rows of a box are a multiple of it."""


Box = tuple[KnownHaloes, Array, Array]
"""Haloes of one box, their marks, and its condition."""


def further_marks(
    model: TrainedHaloes, source: PieceSource, sampler: LagrangianSampler, seed: int, steps: int
) -> Mapping[str, np.ndarray]:
    """Weights of the network of marks, by their path.

    Args:
        model: with its weights.
        source: of the training data.
        sampler: whose likely cells haloes are looked for in; others are left out.
        seed: of the order of boxes, and of noise.
        steps: each over all haloes of one box; 0 for none.
    """
    if not steps:
        return {}
    rate = optax.warmup_cosine_decay_schedule(0.0, RATE, min(WARMUP, steps // 2), steps)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(rate))

    @jax.jit
    def step(state, key, box):
        weights, average, memory = state
        gradient = jax.grad(functools.partial(loss, model))(weights, key, box)
        change, memory = optimizer.update(gradient, memory, weights)
        weights = optax.apply_updates(weights, change)
        average = optax.incremental_update(weights, average, 1.0 - DECAY)
        return weights, average, memory

    boxes = boxes_of(model, source, sampler)
    start = model.params["params"]["denoiser"]
    state = start, start, optimizer.init(start)
    key_order, *keys = jax.random.split(random_key(Role.MARKS, seed), steps + 1)
    order = jax.random.randint(key_order, (steps,), 0, len(boxes)).tolist()
    for key, number in zip(tqdm(keys, desc="marks", unit="step"), order, strict=True):
        state = step(state, key, boxes[number])
    found = jax.tree_util.tree_leaves_with_path({"params": {"denoiser": state[1]}})
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf).ravel()
        for path, leaf in found
    }


def boxes_of(model: TrainedHaloes, source: PieceSource, sampler: LagrangianSampler) -> list[Box]:
    """What the encoder knows of the haloes of every box; compiled once for each mesh."""

    @jax.jit
    def haloes_of(x, number, condition, field):
        of_box = model.given_field(field).example(0, condition)
        found = likeliest(of_box, sampler.cells)
        return found.haloes(of_box, *found.of_data(x, number, of_box.cell))

    boxes = []
    for place in tqdm(range(len(source)), desc="encode", unit="box"):
        x, condition, field = source.whole(place)
        padded = np.pad(x, ((0, -len(x) % ROWS), (0, 0)))
        haloes = haloes_of(padded, len(x), condition[None], field[None])
        boxes.append((haloes, jnp.asarray(padded[:, 3:]), jnp.asarray(condition)))
    return boxes


def loss(model: TrainedHaloes, weights: Params, key: jax.Array, box: Box) -> Float[Array, ""]:
    """Mean square error of marks of one box, by weights of their network."""
    haloes, marks, condition = box
    params = {"params": {**model.params["params"], "denoiser": weights}}
    of_box = dataclasses.replace(model, params=params, condition=condition)
    return of_box.mark_error(haloes.denoiser(of_box), key, marks, haloes.mask, haloes.mask)
