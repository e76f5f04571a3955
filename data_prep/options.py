"""Values of options: one number or three, such as the sides of a box, and pairs with ``=``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

from tyro.constructors import PrimitiveConstructorSpec

from galgen.errors import InputError

CENTRE = "centre"
"""Where a box begins whose middle is the origin."""
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?,?")
_TRIPLES = ("--box", "--shift", "--field-shift")


def parse_sides(text: str) -> tuple[float, float, float]:
    """``"100"`` or ``"100,80,120"`` as three numbers.

    Raises:
        InputError: if it is neither.
    """
    words = text.split(",")
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 3):
        raise InputError(f"expected one number or three, got {text!r}; write 100 or 100 80 120")
    a, b, c = numbers * 3 if len(numbers) == 1 else numbers
    return (a, b, c)


def _spec(parse: object, metavar: str) -> PrimitiveConstructorSpec:
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar=metavar,
        instance_from_str=lambda words: parse(words[0]),  # type: ignore[operator]
        is_instance=lambda value: isinstance(value, tuple | str),
        str_from_instance=lambda value: [_shown(value)],
    )


def _parse_corner(text: str) -> tuple[float, float, float] | str:
    return CENTRE if text.lower() in (CENTRE, "center") else parse_sides(text)


def _shown(value: str | Sequence[float]) -> str:
    """How an option is written whose value this is."""
    return value if isinstance(value, str) else ",".join(f"{side:g}" for side in value)


Sides = Annotated[tuple[float, float, float], _spec(parse_sides, "SIDE [SIDE SIDE]")]
"""The sides of a box [Mpc/h]; one number is all three of them."""
Corner = Annotated[
    tuple[float, float, float] | str, _spec(_parse_corner, "CORNER [CORNER CORNER]|centre")
]
"""Where a box begins [Mpc/h], or ``centre``."""
Cells = Annotated[tuple[float, float, float], _spec(parse_sides, "CELLS [CELLS CELLS]")]
"""A shift along the three axes; one number is all three of them."""


def joined(words: Sequence[str]) -> list[str]:
    """Words of a command line, the numbers after ``--box``, ``--shift`` and the like as one word.

    Else an input file after ``--box 100`` would be taken for a side.
    """
    found: list[str] = []
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        name, equals, value = word.partition("=")
        numbers = [value] if equals else []
        if name in _TRIPLES:
            while len(numbers) < 3 and waiting and _NUMBER.fullmatch(waiting[0]):
                numbers.append(waiting.pop(0))
            text = ",".join(number.rstrip(",") for number in numbers)
            word = f"{name}={text}" if numbers else name
        found.append(word)
    return found


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
    pairs = parse_pairs(text)
    try:
        return {name: float(value) for name, value in pairs.items()}
    except ValueError as error:
        raise InputError(f"expected numbers in {text!r}, got other text; {error}") from error
