"""Options of one number or three: the sides of a box, where it begins."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

from tyro.constructors import PrimitiveConstructorSpec

from galgen.errors import InputError

CENTRE = "centre"
"""Where a box begins whose middle is the origin."""
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?,?")
_TRIPLES = ("--box", "--shift")


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


def joined(words: Sequence[str]) -> list[str]:
    """Words of a command line, the numbers after ``--box`` and ``--shift`` as one word.

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
