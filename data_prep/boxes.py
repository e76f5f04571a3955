"""Catalogues of a source, placed in their box."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from data_prep.checks import checked_side
from data_prep.options import CENTRE
from galgen.data.catalogue import POSITIONS, Catalogue
from galgen.data.cutting import shift, wrap
from galgen.errors import InputError

_EDGE = 1e-6


def place_in_box(
    columns: Mapping[str, np.ndarray],
    side: float | tuple[float, float, float],
    corner: float | tuple[float, float, float] | str | None = None,
    wrapped: bool = False,
    **fields: Any,
) -> Catalogue:
    """A catalogue in a box, with positions that rounding left on its edge wrapped.

    Args:
        columns: those of the catalogue; positions in Mpc/h.
        side: of the box [Mpc/h], or its three sides.
        corner: where the box begins [Mpc/h]; ``centre`` if the origin is its middle.
        wrapped: whether positions beyond the box are on its other side.
        fields: others of the catalogue.

    Raises:
        InputError: if positions are outside the box, or within a hundredth of it along each axis.
    """
    a, b, c = (checked_side(float(length)) for length in np.broadcast_to(side, 3))
    sides = (a, b, c)
    for name in POSITIONS:
        if name not in columns:
            raise InputError(
                f"expected a column {name!r}, got {list(columns)}; map it with --columns"
            )
    if corner is not None:
        begins = tuple(-length / 2 for length in sides) if isinstance(corner, str) else corner
        columns = shift(columns, begins)
    if wrapped:
        columns = wrap(columns, sides)
    placed = dict(columns)
    for name, length in zip(POSITIONS, sides, strict=True):
        with np.errstate(invalid="ignore"):  # of a damaged NaN, which is refused as one
            values = np.asarray(columns[name], dtype=np.float64)
        on_edge = (values >= length) & (values <= length * (1 + _EDGE))
        values = np.where(on_edge | ((values < 0) & (values >= -length * _EDGE)), 0.0, values)
        placed[name] = values
    if len(placed["x"]) > 10:
        spans = [float(np.ptp(placed[name])) for name in POSITIONS]
        if all(span < 0.01 * length for span, length in zip(spans, sides, strict=True)):
            raise InputError(
                f"expected positions that fill a box of {shown(sides)} Mpc/h, got all within "
                f"{max(spans):.3g}; check the units (Gpc/h?) or pass the true --box"
            )
    _check_inside(placed, sides)
    return Catalogue(placed, sides, **fields)


def _check_inside(columns: Mapping[str, np.ndarray], sides: tuple[float, float, float]) -> None:
    """Refuse positions outside the box, with the options that may help."""
    ranges = {}
    for name, side in zip(POSITIONS, sides, strict=True):
        values = columns[name]
        outside = int(np.sum(~((values >= 0) & (values < side))))
        if outside and np.all(np.isfinite(values)):
            ranges[name] = (float(values.min()), float(values.max()), outside, len(values))
    if not ranges:
        return
    name, (low, high, outside, number) = next(iter(ranges.items()))
    side = sides[POSITIONS.index(name)]
    options = [
        "--wrap if the box is periodic and these are beyond its edge",
        f"--shift {CENTRE} if the origin is its middle"
        if -0.51 * side < low < -0.4 * side and high < 0.51 * side
        else "--shift CORNER if it begins elsewhere than at 0",
        "--box X Y Z if it is no cube",
    ]
    raise InputError(
        f"expected column {name!r} in [0, {side:g}) Mpc/h, got [{low:.6g}, {high:.6g}], {outside} "
        f"of {number} outside; check the units (kpc/h?), or pass {', '.join(options)}"
    )


def shown(sides: tuple[float, float, float]) -> str:
    """The sides of a box as text: one number for a cube."""
    if len(set(sides)) == 1:
        return f"{sides[0]:g}"
    return " x ".join(f"{side:g}" for side in sides)
