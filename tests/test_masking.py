import jax
import jax.numpy as jnp
import numpy as np
import pytest

from galgen.masking import broadcast_mask, masked_mean, masked_sum, number_of_points, zero_padding

MASK = jnp.array([[True, True, False], [False, False, False]])
X = jnp.array([[[1.0, 2.0], [3.0, 4.0], [jnp.nan, 9.0]], [[7.0, 7.0]] * 3])


def test_padding_does_not_reach_the_mean_nor_its_gradient() -> None:
    assert np.allclose(masked_mean(X, MASK, (0, 1)), [2.0, 3.0])
    gradient = jax.grad(lambda x: masked_mean(x, MASK, (0, 1)).sum())(X)
    assert np.allclose(gradient[0, :2], 0.5)
    assert np.all(np.asarray(gradient[~MASK]) == 0)


def test_empty_rows_have_mean_zero() -> None:
    assert np.allclose(masked_mean(X, MASK, 1), [[2.0, 3.0], [0.0, 0.0]])
    assert np.allclose(masked_sum(X, MASK, 1), [[4.0, 6.0], [0.0, 0.0]])


def test_no_mask_is_the_plain_mean() -> None:
    x = jnp.arange(6.0).reshape(1, 3, 2)
    assert np.allclose(masked_mean(x, None, 1), x.mean(1))
    assert np.allclose(number_of_points(x, None), 3)


def test_counts_and_zeroing() -> None:
    assert np.allclose(number_of_points(X, MASK), [2.0, 1.0])
    assert np.all(np.asarray(zero_padding(X, MASK))[~np.asarray(MASK)] == 0)


def test_mask_of_the_wrong_shape_is_named() -> None:
    with pytest.raises(ValueError, match=r"expected a mask whose shape \(2, 3\)"):
        broadcast_mask(MASK, jnp.zeros((3, 2, 1)))
