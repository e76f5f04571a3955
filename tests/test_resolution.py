"""Rounding is no spread: constants of every size and type, through the one helper."""

import numpy as np
import pytest
from constants import CASES, constant

from galgen.resolution import divisors, resolved, spread

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("magnitude", "dtype"), CASES)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_constant_but_for_rounding_has_no_spread(magnitude, dtype, sign) -> None:
    values = sign * constant(magnitude, dtype)
    assert len(np.unique(values)) == 3
    assert spread(values) == 0.0 and spread(values.astype(np.float64)) == 0.0
    assert spread(np.full(80, 0.1 * magnitude)) == 0.0, "whose deviation is often not zero"


@pytest.mark.parametrize(("magnitude", "dtype"), CASES)
def test_a_spread_that_the_numbers_hold_is_kept(magnitude, dtype) -> None:
    relative = 1e-5 if dtype is np.float32 else 1e-10
    values = (0.3 * magnitude * (1 + relative * RNG.normal(size=400))).astype(dtype)
    expected = values.astype(np.float64).std()
    assert spread(values) == expected == pytest.approx(0.3 * magnitude * relative, rel=0.2)


def test_columns_are_judged_one_by_one() -> None:
    exact = RNG.normal(size=80) / 3
    table = np.column_stack([constant(1.0, np.float32).astype(float), exact, np.full(80, 1 / 3)])
    assert (spread(table) > 0).tolist() == [False, True, False]
    assert (spread(table.astype(np.float32)) > 0).tolist() == [False, True, False]


def test_integers_are_exact() -> None:
    assert spread(np.array([10**15, 10**15 + 1])) == 0.5
    assert spread(np.array([7, 7, 7])) == 0.0 and spread(np.zeros((0, 2))).tolist() == [0, 0]


def test_nan_is_never_resolved() -> None:
    assert not resolved(np.nan, 1.0) and not resolved(1.0, np.nan)
    assert resolved(np.array([1.0, 1e-7]), 1.0).tolist() == [True, False]


def test_what_is_left_out_becomes_zero() -> None:
    assert ((np.array([3.0, 1e30]) - 1.0) / divisors([2.0, 0.0])).tolist() == [1.0, 0.0]
