"""Every example counts once, and every point of it alike."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from galgen.losses import (
    MeanLoss,
    as_sums,
    dimensions,
    mean_over_examples,
    mean_over_points,
    pooled,
    weight_of_clouds,
)
from galgen.types import Batch

RNG = np.random.default_rng(0)
ERROR, POWER = jnp.asarray(RNG.random((2, 5, 7, 3)), jnp.float32)
COUNTS = np.array([7, 1, 0, 3, 2])
MASK = jnp.arange(7) < COUNTS[:, None]
WEIGHT = jnp.array([1.0, 1.0, 1.0, 1.0, 0.0])
BATCH = Batch(ERROR, MASK, None, WEIGHT)
REAL = [0, 1, 3]  # the third has no point, the last only fills the batch


def loss_of(batch: Batch, power: jax.Array) -> MeanLoss:
    each, unit = (mean_over_points(a, batch.mask) for a in (batch.x, power))
    return mean_over_examples(each, weight_of_clouds(batch), unit)


def test_a_loss_is_the_mean_over_catalogues_of_the_mean_over_points() -> None:
    error, power = (
        np.mean([np.asarray(a[i, : COUNTS[i]]).mean(axis=0) for i in REAL], axis=0)
        for a in (ERROR, POWER)
    )
    assert float(loss_of(BATCH, POWER)) == pytest.approx(np.mean(error / power), rel=1e-5)


@pytest.mark.parametrize("cuts", [[1], [2, 3], [1, 2, 3, 4]])
def test_batches_pooled_are_one_batch(cuts: list[int]) -> None:
    """Whatever the parts: of one row, of rows without points, of rows without weight."""
    parts = zip(*(jnp.split(a, cuts) for a in (ERROR, MASK, WEIGHT, POWER)), strict=True)
    found = [loss_of(Batch(x, mask, None, weight), power) for x, mask, weight, power in parts]
    assert pooled(found) == pytest.approx(float(loss_of(BATCH, POWER)), rel=1e-6)


def test_what_fills_a_batch_never_speaks_and_what_is_real_does() -> None:
    expected = float(loss_of(BATCH, POWER))

    def value(x):
        return loss_of(Batch(x, MASK, None, WEIGHT), POWER).value

    for silent in (np.s_[4], np.s_[2], np.s_[1, 3:]):
        found, slope = jax.value_and_grad(value)(ERROR.at[silent].set(jnp.nan))
        assert float(found) == expected and np.all(np.isfinite(slope))
    assert np.isnan(value(ERROR.at[3, 1].set(jnp.nan)))
    nothing = loss_of(Batch(ERROR, MASK, None, 0 * WEIGHT), POWER)
    assert float(nothing) == 0.0 and pooled([nothing, loss_of(BATCH, POWER)]) == pytest.approx(
        expected
    )


def test_the_unit_is_a_constant() -> None:
    def value(scale):
        return mean_over_examples(scale * jnp.ones((4, 2)), jnp.ones(4), scale).value

    assert jax.grad(value)(3.0) == pytest.approx(1 / 3)


def test_a_number_counts_as_a_mean_over_real_points() -> None:
    assert as_sums(jnp.array(2.0), BATCH).weight == 7 + 1 + 3 + 2
    assert as_sums(jnp.array(2.0), Batch(ERROR, None, None, WEIGHT)).weight == 4
    assert as_sums(jnp.array(2.0), Batch(ERROR)).weight == 5
    assert float(as_sums(jnp.array(2.0), BATCH)) == 2.0
    assert np.array_equal(dimensions(BATCH), [21, 3, 1, 9, 6])
    assert np.array_equal(weight_of_clouds(BATCH), [1, 1, 0, 1, 0])
