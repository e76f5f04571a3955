"""What every source does with its catalogues: place them in a box, and split them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from data_prep.header_checks import checked_side
from data_prep.options import CENTRE
from galgen.data.catalogue import POSITIONS, Catalogue
from galgen.data.cutting import shift, wrap
from galgen.errors import InputError
from galgen.randomness import Role, random_generator

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


def check_fractions(fractions: Mapping[str, float]) -> None:
    """Raise unless the fractions of splits are fractions of one whole.

    Raises:
        InputError: if there is none, or they are not positive or do not add up to one.
    """
    shares = np.array(list(fractions.values()))
    if not (len(shares) and np.all(shares > 0) and abs(shares.sum() - 1) <= 1e-6):
        raise InputError(
            f"expected positive split fractions that add up to 1, got {dict(fractions)}; "
            "pass e.g. --splits train=0.8,test=0.2"
        )


def random_splits(number: int, fractions: Mapping[str, float], seed: int) -> list[str]:
    """A split for each of ``number`` catalogues, at random by seed, in exact proportions.

    Raises:
        InputError: if the fractions are not positive or do not add up to one, or a split would be
            empty.
    """
    check_fractions(fractions)
    rising = np.cumsum([0.0, *fractions.values()])
    edges = np.rint(rising * number).astype(int)
    sizes = np.diff(edges)
    if np.any(sizes < 1):
        raise InputError(
            f"expected a catalogue or more in each split, got {number} catalogues for "
            f"{dict(fractions)}; cut into more boxes, or pass --splits train=1"
        )
    labels = itertools.chain.from_iterable(
        itertools.repeat(name, int(size)) for name, size in zip(fractions, sizes, strict=True)
    )
    return random_generator(Role.SPLITS, seed).permutation(list(labels)).tolist()


def parse_pairs(text: str) -> dict[str, str]:
    """``"a=1,b=2"`` as a dictionary of text.

    Raises:
        InputError: if it does not read so, or a name comes twice.
    """
    pairs = [item.split("=", 1) for item in text.split(",") if item]
    if any(len(pair) != 2 or not pair[0].strip() or not pair[1].strip() for pair in pairs):
        raise InputError(f"expected name=value pairs with commas, got {text!r}; write a=1,b=2")
    names = [name.strip() for name, _ in pairs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"expected each name once in {text!r}, got {twice} again; leave one out")
    return {name.strip(): value.strip() for name, value in pairs}


def parse_numbers(text: str) -> dict[str, float]:
    """``"a=1,b=2"`` as a dictionary of numbers.

    Raises:
        InputError: if a value is not a number.
    """
    try:
        return {name: float(value) for name, value in parse_pairs(text).items()}
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"expected numbers in {text!r}, got other text; {error}") from error
