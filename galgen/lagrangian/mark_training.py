"""Marks trained further, when the encoder stays as it is.

Of a step of training, most goes into the encoder, for marks of a few hundred haloes. Once it is
trained, what it knows of all haloes of a box is computed once, and a step is one of the graph
network alone, for thousands of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int
from tqdm import tqdm

from galgen.geometry import PeriodicBox
from galgen.lagrangian.sampler import LagrangianSampler, likeliest
from galgen.lagrangian.trained import TrainedHaloes, known_of
from galgen.randomness import Role, random_key
from galgen.types import Batch

if TYPE_CHECKING:
    from galgen.lagrangian.dataset import PieceSource

RATE, WARMUP, DECAY = 2e-3, 50, 0.99
"""Of AdamW, and of the averaged weights."""
ROWS = 1024
"""Rows of a box are a multiple of it."""


@flax.struct.dataclass
class KnownHaloes:
    """The haloes of one box, and what is known of them before their marks.

    ========= ==================== ==================================
    field     shape                meaning
    ========= ==================== ==================================
    known     ``(rows, features)`` of :func:`known_of`
    positions ``(rows, 3)``        in the unit box
    marks     ``(rows, columns)``  of the data
    mask      ``(rows,)``          real rows
    side      scalar               of the box [R]
    condition ``(3,)``             of the box
    ========= ==================== ==================================
    """

    known: Float[Array, "rows features"]
    positions: Float[Array, "rows 3"]
    marks: Float[Array, "rows columns"]
    mask: Bool[Array, " rows"]
    side: Float[Array, ""]
    condition: Float[Array, "3"]


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

    @jax.jit
    def haloes_of(
        x: Float[Array, "rows columns"],
        number: Int[Array, ""],
        condition: Float[Array, "1 3"],
        field: Float[Array, "1 bx by bz channels"],
    ) -> KnownHaloes:
        of_box = model.given_field(field).example(0, condition)
        found, inputs = likeliest(of_box, sampler.cells), of_box.field
        true, sums = found.of_data(x, number, of_box.cell)
        at = jnp.minimum(true, len(found.cells) - 1)
        cells, side = found.cells[at], 2 * len(inputs) * of_box.cell
        of_cells = found.known.features[at], found.known.log_rate[at], sums[true]
        known = known_of(*of_cells, inputs, cells, model.network.waves_at)
        positions = (cells * of_box.cell + found.moved[at]) / side % 1.0
        mask = true < len(found.cells)
        return KnownHaloes(known, positions, x[:, 3:], mask, side, of_box.condition)

    def loss(weights, key, box):
        params = {"params": {**model.params["params"], "denoiser": weights}}
        of_box = dataclasses.replace(model, params=params, condition=box.condition)
        denoiser = of_box.denoiser(box.positions, box.mask, box.known, box.side, PeriodicBox())
        task = model.marks.regression(key, Batch(box.marks[None], box.mask[None]))
        error = model.marks.answer(denoiser, task) - task.target
        return jnp.mean(error[0] ** 2, axis=1) @ box.mask / jnp.sum(box.mask)

    rate = optax.warmup_cosine_decay_schedule(0.0, RATE, min(WARMUP, steps // 2), steps)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(rate))

    @jax.jit
    def step(state, key, box):
        weights, average, memory = state
        gradient = jax.grad(loss)(weights, key, box)
        change, memory = optimizer.update(gradient, memory, weights)
        weights = optax.apply_updates(weights, change)
        average = optax.incremental_update(weights, average, 1.0 - DECAY)
        return weights, average, memory

    boxes = []
    for number in tqdm(range(len(source)), desc="encode", unit="box"):
        x, condition, field = source.whole(number)
        padded = np.pad(x, ((0, -len(x) % ROWS), (0, 0)))
        boxes.append(haloes_of(padded, len(x), condition[None], field[None]))
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
