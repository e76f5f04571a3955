r"""Losses as means over examples, which know what they were divided by.

Every example counts once, whatever its number of points, and every point of an example alike: a
loss is the mean over examples b of the mean over their points. For weights w_b, one for an example
and zero for a row that only fills up a batch::

    loss = mean over terms c of  sum_b w_b error_bc / sum_b w_b unit_bc

with one term for each column, or one in all, and a unit that is 1 or the power of what is
predicted. Both sums are kept: means of means are wrong where their weights differ, so what takes a
batch in parts, or several batches together, adds the sums and divides once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from galgen.masking import masked_mean, masked_sum
from galgen.types import Batch

LEAST = 1e-12
"""Of a mean unit; below it a term is divided by this."""


@flax.struct.dataclass
class MeanLoss:
    """A loss as two sums over the examples of a batch.

    ====== ============ =====================================================
    field  shape        meaning
    ====== ============ =====================================================
    total  ``(*terms)`` sum of weighted errors
    weight ``(*terms)`` what it is divided by; a constant to differentiation
    ====== ============ =====================================================
    """

    total: Any  # not annotated as arrays: jax.eval_shape builds this with placeholders
    weight: Any

    @property
    def value(self) -> Float[Array, ""]:
        """The loss: the mean over terms; a term without any weight is zero."""
        # Not "above zero", which a NaN is not: it must show.
        none = self.weight == 0
        ratio = jnp.where(none, 0.0, self.total / jnp.where(none, 1.0, self.weight))
        return jnp.mean(ratio)

    def __float__(self) -> float:
        return float(self.value)


LossValue = MeanLoss | Float[Array, ""]
"""What a loss gives: its sums or, of a user's own, a mean over the points of a batch."""


def as_sums(loss: LossValue, batch: Batch) -> MeanLoss:
    """The sums of a loss; a number counts as a mean over real points, or examples without mask."""
    if isinstance(loss, MeanLoss):
        return loss
    points = points_of(batch)
    return MeanLoss(loss * points, points)


def pooled(losses: Sequence[MeanLoss]) -> float:
    """The loss of several batches as of one, on the host."""
    total, weight = (
        np.sum([np.asarray(sums, np.float64) for sums in each], axis=0)
        for each in zip(*((loss.total, loss.weight) for loss in losses), strict=True)
    )
    return float(np.mean(np.divide(total, weight, out=np.zeros_like(total), where=weight != 0)))


def mean_over_examples(
    error: Float[Array, "batch *terms"],
    weight: Float[Array, " batch"],
    unit: Float[Array, "..."] | float = 1.0,
) -> MeanLoss:
    """The mean of what each example has, by its weight, in units of the mean of ``unit``."""
    unit = jax.lax.stop_gradient(jnp.broadcast_to(jnp.asarray(unit, error.dtype), error.shape))
    each = weight.astype(error.dtype).reshape(-1, *(1,) * (error.ndim - 1))
    # Whatever an example without weight holds, it must not speak.
    error, unit = (jnp.sum(each * jnp.where(each > 0, a, 0.0), axis=0) for a in (error, unit))
    return MeanLoss(error, jnp.maximum(unit, LEAST * jnp.sum(each)))


def mean_over_points(
    x: Float[Array, "batch *event"], mask: Bool[Array, "batch points"] | None
) -> Float[Array, "batch features"]:
    """What each example has on average over its points (its pixels), column by column."""
    return masked_mean(x, mask, tuple(range(1, x.ndim - 1)))


def dimensions(batch: Batch) -> Float[Array, " batch"]:
    """Numbers that each example is made of, at least one."""
    ones = masked_sum(jnp.ones(batch.x.shape), batch.mask, tuple(range(1, batch.x.ndim)))
    return jnp.maximum(ones, 1.0)


def example_weight(batch: Batch) -> Float[Array, " batch"]:
    """How often each example counts: once, or as the batch says."""
    if batch.weight is None:
        return jnp.ones(len(batch.x))
    return jnp.asarray(batch.weight)


def points_of(batch: Batch) -> Float[Array, ""]:
    """Real points of a batch, or the weight of its examples where it has no mask."""
    return jnp.sum(example_weight(batch) if batch.mask is None else batch.mask, dtype=float)


def weight_of_clouds(batch: Batch) -> Float[Array, " batch"]:
    """The same, but zero for a cloud without a point, of which there is nothing to predict."""
    weight = example_weight(batch)
    return weight if batch.mask is None else jnp.where(jnp.any(batch.mask, axis=-1), weight, 0.0)
