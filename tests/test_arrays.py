"""Numbers come in by one door: missing values and foreign units are heard, every bit is kept."""

from typing import Any

import astropy.units as u
import jax.numpy as jnp
import numpy as np
import pytest
from astropy.table import Column, MaskedColumn
from astropy.utils.masked import Masked

from galgen.arrays import as_array, as_finite
from galgen.errors import InputError

MASKED = np.ma.MaskedArray([1, 999999, 3], mask=[False, True, False])


class Nullable:
    """As a column of Arrow or pandas shows itself to NumPy."""

    null_count = 1

    def __len__(self) -> int:
        return 3

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.array([1.0, np.nan, 3.0])


@pytest.mark.parametrize(
    ("values", "missing"),
    [
        (MASKED, "1 masked or missing of 3"),
        (MaskedColumn([1, 2], mask=[True, True]), "2 masked or missing of 2"),
        (Masked(np.arange(3.0), mask=[True, False, False]), "1 masked or missing of 3"),
        ([MASKED, MASKED], "2 masked or missing of 6"),
        ([np.ma.masked, 2.0], "1 masked or missing"),
        (Nullable(), "1 masked or missing of 3"),
        (np.array([1, None, 2], object), "1 masked or missing of 3"),
        ([1.0, None], "1 masked or missing"),
    ],
)
def test_missing_values_never_become_numbers(values: Any, missing: str) -> None:
    with pytest.raises(InputError, match=f"value in every row of weights, got {missing}"):
        as_array(values, "weights")


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (["a", "b"], "text"),
        (np.array([b"a"]), "text"),
        (np.array([1j]), "complex numbers"),
        (np.array(["2020-01-01"], "M8[D]"), "dates"),
        ([[1.0], [1.0, 2.0]], "list"),
        (np.zeros(2, [("x", float)]), "records"),
    ],
)
def test_what_is_no_number_is_refused(values: Any, found: str) -> None:
    with pytest.raises(InputError, match=f"numbers in weights, got .*{found}"):
        as_array(values, "weights")


@pytest.mark.parametrize(
    ("values", "right"),
    [
        (np.array([1.5, 2.5], ">f8"), np.array([1.5, 2.5])),
        (np.array([2**62 + 1], ">i8"), np.array([2**62 + 1])),
        (np.array([1, 2], object), np.array([1, 2])),
        (np.array([1.5], np.longdouble), np.array([1.5])),
        ([1, 2], np.array([1, 2])),
        (jnp.array([1.0], jnp.float32), np.array([1.0], np.float32)),
        (MaskedColumn([1, 2], mask=False), np.array([1, 2])),
        (np.ma.MaskedArray([1.0]), np.array([1.0])),
        (Masked([2.0] * u.Mpc, mask=[False]), np.array([2.0])),
        (np.array([True]), np.array([True])),
        ((), np.zeros(0)),
    ],
)
def test_numbers_keep_every_bit(values: Any, right: np.ndarray) -> None:
    array = as_array(values, "weights")
    assert array.dtype == right.dtype
    assert array.dtype.isnative
    assert type(array) is np.ndarray
    np.testing.assert_array_equal(array, right)


def test_stated_units_are_converted_or_refused() -> None:
    column = Column([1.0, 2.0], unit=u.m / u.s)
    np.testing.assert_allclose(as_array(column, "vx", "km/s"), [1e-3, 2e-3])
    np.testing.assert_allclose(as_array([180.0] * u.deg, "ra", "rad"), [np.pi])
    with pytest.raises(InputError, match="differs by a power of h, and h is not known"):
        as_array([1.0] * u.Mpc, "positions", "Mpc/h")
    with pytest.raises(InputError, match="positions in a unit that converts to Mpc/h, got km / s"):
        as_array([1.0] * (u.km / u.s), "positions", "Mpc/h")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_finite_numbers_are_asked_for_by_name(bad: float) -> None:
    with pytest.raises(InputError, match=r"finite values in positions, got 1 NaN .* of 3"):
        as_finite([1.0, bad, 2.0], "positions")
