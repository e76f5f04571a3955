"""What a training run carries from step to step, and how one step changes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Shaped

from galgen.types import Batch, Params

Loss = Callable[[Params, jax.Array, Batch], Float[Array, ""]]
"""``loss(params, key, batch)``: a scalar to be made small."""
Metrics = dict[str, Float[Array, ""]]


@flax.struct.dataclass
class TrainState:
    """Weights, their running averages and the optimiser's memory.

    =========== ============ ========================================================
    field       kind         meaning
    =========== ============ ========================================================
    step        int scalar   updates made
    params      pytree       network weights
    ema         pytree       exponential moving average of the weights, for sampling
    optimizer   pytree       optax state
    further_ema tuple        averages of other lengths, to compare
    =========== ============ ========================================================
    """

    step: Any  # not annotated as an array: a checkpoint rebuilds this tree with placeholders
    params: Params
    ema: Params
    optimizer: Any
    further_ema: Any = ()


def initial_state(
    params: Params, optimizer: optax.GradientTransformation, further: int = 0
) -> TrainState:
    """Step zero, on copies: steps give up their input's memory, but not the caller's."""
    weights, average, *others = (jax.tree.map(jnp.copy, params) for _ in range(2 + further))
    memory = optimizer.init(weights)
    return TrainState(jnp.zeros((), jnp.int32), weights, average, memory, tuple(others))


def make_step(
    loss: Loss,
    optimizer: optax.GradientTransformation,
    ema_decay: float,
    further_decays: tuple[float, ...] = (),
    accumulate: int = 1,
) -> Callable[[TrainState, jax.Array, Batch], tuple[TrainState, Metrics]]:
    """One update, to be jitted: ``step(state, key, batch) -> (state, metrics)``.

    The key of a step is ``fold_in(key, state.step)``, so a resumed run draws what an uninterrupted
    one would have drawn. An average starts as a plain mean: its decay at step n is at most
    (1 + n) / (10 + n).

    Args:
        loss: a mean over the examples of a batch.
        optimizer: what makes an update of a gradient.
        ema_decay: of ``state.ema``.
        further_decays: of ``state.further_ema``.
        accumulate: parts of a batch whose gradients are taken one after the other and averaged.
    """
    gradients = accumulated(jax.value_and_grad(loss), accumulate)

    def step(state: TrainState, key: jax.Array, batch: Batch) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(key, state.step)
        value, gradient = gradients(state.params, key, batch)
        updates, memory = optimizer.update(gradient, state.optimizer, state.params)
        params = optax.apply_updates(state.params, updates)

        def average(old: Params, decay: float) -> Params:
            rate = jnp.minimum(decay, (1.0 + state.step) / (10.0 + state.step))
            return jax.tree.map(lambda old, new: rate * old + (1.0 - rate) * new, old, params)

        pairs = zip(state.further_ema, further_decays, strict=True)
        others = tuple(average(old, decay) for old, decay in pairs)
        metrics = {"loss": value, "gradient_norm": optax.tree.norm(gradient)}
        ema = average(state.ema, ema_decay)
        return TrainState(state.step + 1, params, ema, memory, others), metrics

    return step


Gradients = Callable[[Params, jax.Array, Batch], tuple[Float[Array, ""], Params]]


def accumulated(gradients: Gradients, parts: int) -> Gradients:
    """The mean of loss and gradient over equal parts of a batch, in the memory of one."""
    if parts == 1:
        return gradients

    def dealt(array: Shaped[Array, "batch *rest"]) -> Shaped[Array, "parts some *rest"]:
        # Like cards, so that a batch split over devices stays where it is.
        return jnp.swapaxes(array.reshape(-1, parts, *array.shape[1:]), 0, 1)

    def mean(params: Params, key: jax.Array, batch: Batch) -> tuple[Float[Array, ""], Params]:
        def add(total: Any, part: tuple[jax.Array, Batch]) -> tuple[Any, None]:
            return jax.tree.map(jnp.add, total, gradients(params, *part)), None

        start = (jnp.zeros(()), jax.tree.map(jnp.zeros_like, params))
        each = (jax.random.split(key, parts), jax.tree.map(dealt, batch))
        total, _ = jax.lax.scan(add, start, each)
        return jax.tree.map(lambda a: a / parts, total)

    return mean
