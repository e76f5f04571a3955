"""The door for numbers: what a user hands over becomes a plain NumPy array, or is refused by name.

Lists, NumPy and JAX arrays, columns of astropy tables, quantities, pandas and Arrow columns are
taken. A missing value (a mask, an Arrow null, pandas' NA) is refused and never becomes a number. A
stated unit is converted to the one that is wanted (:mod:`galgen.units`). Integers keep every bit,
and byte order becomes the machine's. Behind this door nobody checks again.
"""

from __future__ import annotations

import sys
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float

from galgen.errors import InputError

ArrayLike: TypeAlias = Any
"""Numbers: lists, arrays of NumPy or JAX, quantities, columns, whatever is taken here."""
NUMBERS = "biuf"
"""Kinds of NumPy data types that are numbers: booleans, integers, floats."""


def as_array(
    values: Any, name: str, unit: str | None = None, where: np.ndarray | None = None
) -> np.ndarray:
    """Numbers as a NumPy array in the byte order of the machine.

    Args:
        values: numbers of any shape.
        name: of the argument or column, for errors.
        unit: that is wanted; values that state another are converted. None leaves units aside.
        where: True for values that matter, of a shape that broadcasts; of a masked array, others
            may be missing, and are zero. None for all.

    Returns:
        Booleans, integers or floats in the type they have; wider floats than 64 bits become 64.

    Raises:
        InputError: if values are missing, are no numbers, or state a unit that cannot be converted.
    """
    array = _plain(_filled(values, where), name)
    if array.dtype.kind not in NUMBERS:
        raise InputError(
            f"expected numbers in {name}, got {_described(array)}; convert it, or choose another"
        )
    array = native_order(array)
    if array.dtype.itemsize > 8:
        array = array.astype(np.float64)
    stated = unit_of(values)
    if unit is None or stated is None:
        return array
    from galgen.units import converted

    return converted(array.reshape(-1), stated, unit, name).reshape(array.shape)


def as_finite(values: Any, name: str, unit: str | None = None) -> np.ndarray:
    """:func:`as_array` of finite numbers only.

    Raises:
        InputError: as there, and for NaN and infinity, which it counts.
    """
    array = as_array(values, name, unit)
    wrong = 0 if array.dtype.kind != "f" else int(np.sum(~np.isfinite(array)))
    if wrong:
        raise InputError(
            f"expected finite values in {name}, got {wrong} NaN or infinite of {array.size}; drop "
            "those rows first"
        )
    return array


def as_floats(values: Any, name: str, unit: str | None = None) -> Float[np.ndarray, "*shape"]:
    """Numbers in float64, in the wanted unit; missing ones are refused.

    Raises:
        InputError: what is missing, no number, or of another unit.
    """
    return as_array(values, name, unit).astype(np.float64)


def check_range(
    name: str, values: Float[np.ndarray, "*shape"], low: float, high: float, remedy: str
) -> None:
    """Refuse values outside [low, high], NaN and infinity.

    Raises:
        InputError: naming the first such value.
    """
    strange = ~((values >= low) & (values <= high))
    if np.any(strange):
        raise InputError(
            f"expected {name} in [{low:g}, {high:g}], got {values[strange].ravel()[0]:g} in "
            f"{np.count_nonzero(strange)} of {values.size}; {remedy}"
        )


def refuse_missing(values: Any, name: str) -> None:
    """Refuse masked values, Arrow nulls and None: also those within a list of columns.

    Raises:
        InputError: if a value is missing; it says how many.
    """
    missing, number = _missing(values)
    if missing:
        raise InputError(
            f"expected a value in every row of {name}, got {missing} masked or missing of "
            f"{number}; fill or drop those rows first"
        )


def _filled(values: Any, where: np.ndarray | None) -> Any:
    """A masked array without its mask where values do not matter."""
    if where is None or where.all() or not _is_of(values, "numpy.ma", "MaskedArray"):
        return values
    matters = np.broadcast_to(where, values.shape)
    mask = np.ma.getmaskarray(values)
    data = np.where(mask & ~matters, np.zeros((), values.dtype), np.asarray(values.data))
    return np.ma.MaskedArray(data, mask & matters)


def native_order(values: np.ndarray) -> np.ndarray:
    """The same numbers in this machine's order of bytes."""
    return values if values.dtype.isnative else values.astype(values.dtype.newbyteorder("="))


def library_of(values: Any) -> Any:
    """``numpy`` for what is known and exact, else ``jax.numpy``."""
    if isinstance(values, np.ndarray | np.generic | float):
        return np
    import jax.numpy

    return jax.numpy


def unit_of(values: Any) -> Any | None:
    """The unit that a quantity or a table's column states; None if it states none."""
    unit = getattr(values, "unit", None)
    return unit if unit is not None and str(unit) else None


def _missing(values: Any) -> tuple[int, int]:
    """How many values are missing, and of how many."""
    if isinstance(values, list | tuple):
        found = [_missing(item) for item in values if not isinstance(item, int | float | str)]
        return sum(missing for missing, _ in found), sum(number for _, number in found)
    if _is_none(values):
        return 1, 1
    nulls = getattr(values, "null_count", None)  # Arrow
    if isinstance(nulls, int):
        return nulls, len(values)
    if _is_masked(values):
        of_numpy = _is_of(values, "numpy.ma", "MaskedArray")
        mask = np.asarray(np.ma.getmaskarray(values) if of_numpy else values.mask)
        return int(np.sum(mask)), mask.size
    if str(getattr(values, "dtype", "")) == "object" and np.ndim(values):
        flat = np.asarray(values, object).ravel().tolist()
        return sum(_is_none(item) for item in flat), len(flat)
    return 0, int(np.size(values))


def _is_masked(values: Any) -> bool:
    """Whether it is a masked array of NumPy or of astropy."""
    return _is_of(values, "numpy.ma", "MaskedArray") or _is_of(
        values, "astropy.utils.masked", "Masked"
    )


def _is_of(values: Any, module: str, kind: str) -> bool:
    """Whether it is of a class of a module, which is not imported for that."""
    found = sys.modules.get(module)
    return found is not None and isinstance(values, getattr(found, kind))


def _is_none(item: Any) -> bool:
    """None, or pandas' NA and NaT."""
    return item is None or type(item).__name__ in ("NAType", "NaTType", "MaskedConstant")


def _plain(values: Any, name: str) -> np.ndarray:
    refuse_missing(values, name)
    try:
        unmasked = getattr(values, "unmasked", values)  # astropy's Masked
        array = np.asarray(
            getattr(unmasked, "value", unmasked) if _is_quantity(values) else unmasked
        )
        if array.dtype == object:
            array = np.asarray(array.tolist())
    except Exception as error:
        raise InputError(
            f"expected an array of numbers in {name}, got {type(values).__name__} "
            f"({' '.join(str(error).split())}); give it equal rows of numbers"
        ) from error
    return array


def _is_quantity(values: Any) -> bool:
    return hasattr(values, "unit") and hasattr(values, "to_value")


def _described(array: np.ndarray) -> str:
    kinds = {
        "U": "text",
        "S": "text",
        "O": "objects",
        "c": "complex numbers",
        "M": "dates",
        "V": "records",
    }
    kind = kinds.get(array.dtype.kind, str(array.dtype))
    example = f", e.g. {array.ravel()[0]!r}" if array.size and array.dtype.kind in "USO" else ""
    return f"{kind}{example[:60]}"
