"""What a training run carries from step to step, and how one step changes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Shaped

from galgen.losses import LossValue, MeanLoss, as_sums, points_of
from galgen.types import Batch, Params

Loss = Callable[[Params, jax.Array, Batch], LossValue]
"""``loss(params, key, batch)``: what is to be made small.

Its sums, as all models of galgen give it; or a number, which counts as a mean over the real points
of the batch, or over its examples where it has no mask.
"""
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
        loss: its sums, or a mean over the points of a batch.
        optimizer: what makes an update of a gradient.
        ema_decay: of ``state.ema``.
        further_decays: of ``state.further_ema``.
        accumulate: parts of a batch that are gone through one after the other; the gradient is that
            of the whole.
    """
    gradients = gradients_of(loss, accumulate)

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


def gradients_of(loss: Loss, parts: int = 1) -> Gradients:
    """Loss and gradient of a batch, over equal parts of it in the memory of one.

    Parts of unlike weight are no obstacle: what the whole is divided by is found first, which needs
    no network, and each part gives its share of the sum.
    """

    def value(params: Params, key: jax.Array, batch: Batch) -> Float[Array, ""]:
        found = loss(params, key, batch)
        return found.value if isinstance(found, MeanLoss) else found

    def pooled(params: Params, key: jax.Array, batch: Batch) -> tuple[Float[Array, ""], Params]:
        if not isinstance(jax.eval_shape(loss, params, key, batch), MeanLoss):
            return accumulated(jax.value_and_grad(value), parts)(params, key, batch)

        def sums(params: Params, key: jax.Array, part: Batch) -> MeanLoss:
            return as_sums(loss(params, key, part), part)

        weight = _summed(lambda key, part: sums(params, key, part).weight, parts, key, batch)

        def share(params: Params, key: jax.Array, part: Batch) -> Float[Array, ""]:
            return MeanLoss(sums(params, key, part).total, weight).value

        gradients = jax.value_and_grad(share)
        return _summed(lambda key, part: gradients(params, key, part), parts, key, batch)

    return jax.value_and_grad(value) if parts == 1 else pooled


def accumulated(gradients: Gradients, parts: int) -> Gradients:
    """Loss and gradient of a mean over points, from those of equal parts of a batch."""
    if parts == 1:
        return gradients

    def mean(params: Params, key: jax.Array, batch: Batch) -> tuple[Float[Array, ""], Params]:
        def weighed(key: jax.Array, part: Batch) -> tuple[Any, Float[Array, ""]]:
            points = points_of(part)
            return jax.tree.map(lambda a: points * a, gradients(params, key, part)), points

        total, points = _summed(weighed, parts, key, batch)
        return jax.tree.map(lambda a: a / jnp.maximum(points, 1.0), total)

    return mean


def _summed(
    function: Callable[[jax.Array, Batch], Any], parts: int, key: jax.Array, batch: Batch
) -> Any:
    """The sum of ``function(key, part)`` over equal parts of a batch, one after the other."""

    def dealt(array: Shaped[Array, "batch *rest"]) -> Shaped[Array, "parts some *rest"]:
        # Like cards, so that a batch split over devices stays where it is.
        return jnp.swapaxes(array.reshape(-1, parts, *array.shape[1:]), 0, 1)

    leaves, tree = jax.tree.flatten(batch)

    def of_part(part: tuple[jax.Array, list[jax.Array]]) -> Any:
        return function(part[0], jax.tree.unflatten(tree, part[1]))

    def add(total: Any, part: tuple[jax.Array, list[jax.Array]]) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, total, of_part(part)), None

    each = (jax.random.split(key, parts), [dealt(leaf) for leaf in leaves])
    like = jax.eval_shape(of_part, jax.tree.map(lambda a: a[0], each))
    start = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), like)
    return jax.lax.scan(add, start, each)[0]
