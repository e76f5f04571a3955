"""What a training run carries from step to step, and how one step changes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from galgen.types import Batch, Params

Loss = Callable[[Params, jax.Array, Batch], Float[Array, ""]]
"""``loss(params, key, batch)``: a scalar to be made small."""


@flax.struct.dataclass
class TrainState:
    """Weights, their running average and the optimiser's memory.

    ========= ============ ========================================================
    field     kind         meaning
    ========= ============ ========================================================
    step      int scalar   updates made
    params    pytree       network weights
    ema       pytree       exponential moving average of the weights, for sampling
    optimizer pytree       optax state
    ========= ============ ========================================================
    """

    step: Any  # not annotated as an array: a checkpoint rebuilds this tree with placeholders
    params: Params
    ema: Params
    optimizer: Any


def initial_state(params: Params, optimizer: optax.GradientTransformation) -> TrainState:
    """Step zero, on copies: steps give up their input's memory, but not the caller's."""
    weights, average = (jax.tree.map(jnp.copy, params) for _ in range(2))
    return TrainState(jnp.zeros((), jnp.int32), weights, average, optimizer.init(weights))


def make_step(
    loss: Loss, optimizer: optax.GradientTransformation, ema_decay: float
) -> Callable[[TrainState, jax.Array, Batch], tuple[TrainState, dict[str, Float[Array, ""]]]]:
    """One update, to be jitted: ``step(state, key, batch) -> (state, metrics)``.

    The key of a step is ``fold_in(key, state.step)``, so a resumed run draws what an uninterrupted
    one would have drawn. The average starts as a plain mean: its decay at step n is at most
    (1 + n) / (10 + n).
    """

    def step(
        state: TrainState, key: jax.Array, batch: Batch
    ) -> tuple[TrainState, dict[str, Float[Array, ""]]]:
        key = jax.random.fold_in(key, state.step)
        value, gradient = jax.value_and_grad(loss)(state.params, key, batch)
        updates, memory = optimizer.update(gradient, state.optimizer, state.params)
        params = optax.apply_updates(state.params, updates)
        decay = jnp.minimum(ema_decay, (1.0 + state.step) / (10.0 + state.step))
        ema = jax.tree.map(lambda old, new: decay * old + (1.0 - decay) * new, state.ema, params)
        metrics = {"loss": value, "gradient_norm": optax.tree.norm(gradient)}
        return TrainState(state.step + 1, params, ema, memory), metrics

    return step
