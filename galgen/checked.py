"""Frozen dataclasses whose fields are checked, and brought to one form, when an object is made.

A configuration is written by hand, on a command line or in a JSON file, and comes back equal from
the last only if its values have one form. ``@checked`` gives them it, by the type hint of a field:
lists and arrays become tuples, NumPy's and JAX's scalars Python's, whole numbers floats where a
float is wanted, text paths. A value of another type, NaN, an empty text or a number outside the
range that the hint states is refused, in one line that names the field::

    @dataclasses.dataclass(frozen=True)
    @checked
    class Trainer:
        steps: Count = 1000
        learning_rate: Positive = 2e-3

Flax Linen modules need ``@checked`` alone. A ``__post_init__`` of the class comes after and looks
at what concerns several fields at once.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from galgen.errors import InputError

Kind = TypeVar("Kind", bound=type)
HIDDEN = ("parent", "name")
"""Fields that Flax Linen adds to every module; a dataclass of galgen's own keeps a ``name``."""


@dataclasses.dataclass(frozen=True)
class Bound:
    """What a value must be besides of its type.

    Attributes:
        words: of an error, after those of the type.
        holds: whether a value is so; False for NaN.
    """

    words: str
    holds: Callable[[Any], bool]


def at_least(low: float) -> Bound:
    """``low`` or more."""
    return Bound(f"of {low} or more", lambda value: value >= low)


def at_most(high: float) -> Bound:
    """``high`` or less."""
    return Bound(f"of {high} or less", lambda value: value <= high)


def between(low: float, high: float) -> Bound:
    """From ``low`` to ``high``, both included."""
    return Bound(f"from {low} to {high}", lambda value: low <= value <= high)


INFINITE = Bound("or infinity", lambda value: True)
"""Lets a float be infinite, which it may not be otherwise."""
EMPTY = Bound("that may be empty", lambda value: True)
"""Lets a text be empty, which it may not be otherwise."""
FILLED = Bound("not empty", lambda values: len(values) > 0)
DISTINCT = Bound("all different", lambda values: len(set(values)) == len(values))
RISING = Bound("rising", lambda values: all(a < b for a, b in itertools.pairwise(values)))
ABOVE_ZERO = Bound("above 0", lambda value: value > 0)
BELOW_ONE = Bound("from 0 to below 1", lambda value: 0 <= value < 1)

Count = Annotated[int, at_least(1)]
"""How many, one or more."""
Whole = Annotated[int, at_least(0)]
"""How many, zero or more."""
Size = Annotated[int, between(1, 2**20)]
"""A size of arrays: a larger one is a mistake."""
Layers = Annotated[int, between(0, 1000)]
"""How often a program is repeated when it is written out: more would never be compiled."""
Octaves = Annotated[int, between(0, 20)]
"""Of waves, each twice as short as the one before."""
PairedDraws = Annotated[int, at_least(2), Bound("that is even", lambda value: value % 2 == 0)]
"""How many draws, in pairs of which the error is told."""
Seed = Annotated[int, at_least(0)]
Positive = Annotated[float, ABOVE_ZERO]
NotNegative = Annotated[float, at_least(0)]
Fraction = Annotated[float, between(0, 1)]
ProperFraction = Annotated[float, BELOW_ONE]
Range = Annotated[tuple[float, float], RISING]
"""(low, high)."""
Edges = Annotated[tuple[float, ...], RISING, Bound("two or more", lambda edges: len(edges) > 1)]
"""Of bins, one more than there are bins."""
Names = Annotated[tuple[str, ...], DISTINCT]


class _Unfit(Exception):
    """A value that a hint does not take."""


def checked(kind: Kind) -> Kind:
    """Have the fields of a frozen dataclass, or of a Flax Linen module, checked; see the module."""
    inherited = getattr(kind, "__post_init__", None)
    after = getattr(inherited, "after", inherited)

    def __post_init__(self: Any) -> None:
        for field, hint in _hints(type(self)):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            found = _settled(type(self), field, hint, value)
            if found is not value:
                object.__setattr__(self, field.name, found)
        if after is not None:
            after(self)

    __post_init__.after = after  # type: ignore[attr-defined]
    kind.__post_init__ = __post_init__  # type: ignore[attr-defined]
    kind.is_checked = True  # type: ignore[attr-defined]
    return kind


def check_lengths(settings: Any, first: str, *others: str) -> None:
    """Refuse, with an InputError, tuples of an object that differ in length from its first."""
    wanted = len(getattr(settings, first))
    for name in others:
        found = len(getattr(settings, name))
        if found != wanted:
            raise InputError(
                f"expected one of {name} of {type(settings).__name__} for each of {wanted} "
                f"{first}, got {found}; give as many"
            )


def visible_fields(kind: Any) -> list[dataclasses.Field[Any]]:
    """The fields of a dataclass, or of an object of it, that its constructor takes.

    Those that Flax Linen adds to a module are left out.
    """
    hidden = HIDDEN if hasattr(kind, "parent") else ()
    return [f for f in dataclasses.fields(kind) if f.init and f.name not in hidden]


@functools.cache
def _hints(kind: Any) -> list[tuple[dataclasses.Field[Any], Any]]:
    hints = get_type_hints(kind, include_extras=True)
    return [(field, hints[field.name]) for field in visible_fields(kind)]


def _settled(kind: type, field: dataclasses.Field[Any], hint: Any, value: Any) -> Any:
    """A value of a field in the form that its hint asks for.

    Raises:
        InputError: if it cannot have it.
    """
    try:
        return _fitted(value, hint)
    except _Unfit:
        usual = "" if field.default is dataclasses.MISSING else _shown(field.default)
        remedy = f"leave it out for {usual}" if 0 < len(usual) < 60 else "change it"
        raise InputError(
            f"expected {field.name} of {kind.__name__} to be {_words(hint)}, got {_shown(value)}; "
            f"{remedy}"
        ) from None


def _shown(value: Any) -> str:
    """A value in one short line."""
    text = " ".join(repr(value)[:1000].split())
    return text if len(text) <= 100 else f"{text[:97]}..."


def _fitted(value: Any, hint: Any) -> Any:
    """A value in the form of a hint.

    Raises:
        _Unfit: if it cannot have it.
    """
    if hint is Any or isinstance(hint, TypeVar) or _is_traced(value):
        return value
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        bounds = [mark for mark in hint.__metadata__ if isinstance(mark, Bound)]
        if parts[0] in WIDENED and WIDENED[parts[0]][0] in bounds:
            found = WIDENED[parts[0]][1](value)
        else:
            found = _fitted(value, parts[0])
        _require(all(bound.holds(found) for bound in bounds))
        return found
    if origin in (Union, UnionType):
        return _of_union(value, parts)
    if origin is tuple:
        return _tuple(value, parts)
    if origin is Literal:
        found = _scalar(value)
        _require(any(type(found) is type(part) and found == part for part in parts))
        return found
    if isinstance(origin, type) and issubclass(origin, Mapping):
        _require(isinstance(value, Mapping))
        return {_fitted(k, parts[0]): _fitted(v, parts[1]) for k, v in value.items()}
    if hint in PLAIN:
        return PLAIN[hint](value)
    kind = origin or hint
    if isinstance(kind, type):
        _require(isinstance(value, kind) and not isinstance(value, type))
    return value


def _of_union(value: Any, hints: Sequence[Any]) -> Any:
    """In the form of the hint that takes the value as it is, else of the first that takes it."""
    if NoneType in hints and value is None:
        return None
    found = []
    for hint in hints:
        try:
            fitted = _fitted(value, hint)
        except _Unfit:
            continue
        if type(fitted) is type(value):
            return fitted
        found.append(fitted)
    _require(bool(found))
    return found[0]


def _tuple(value: Any, parts: Sequence[Any]) -> tuple[Any, ...]:
    if hasattr(value, "shape") and hasattr(value, "tolist"):
        value = value.tolist()
    _require(isinstance(value, Sequence) and not isinstance(value, str | bytes))
    if len(parts) == 2 and parts[1] is Ellipsis:
        parts = [parts[0]] * len(value)
    _require(len(value) == len(parts))
    found = tuple(_fitted(item, part) for item, part in zip(value, parts, strict=True))
    same = type(value) is tuple and all(a is b for a, b in zip(found, value, strict=True))
    return value if same else found


def _scalar(value: Any) -> Any:
    """Python's scalar for one of NumPy or JAX, or an array without axes."""
    return value.item() if getattr(value, "shape", None) == () else value


def _number(value: Any) -> float:
    found = _number_or_infinity(value)
    _require(math.isfinite(found))
    return found


def _number_or_infinity(value: Any) -> float:
    found = _scalar(value)
    _require(isinstance(found, int | float) and not isinstance(found, bool))
    try:
        number = float(found)
    except OverflowError:
        raise _Unfit from None
    _require(not math.isnan(number))
    return value if type(value) is float else number


def _whole(value: Any) -> int:
    found = _scalar(value)
    whole = isinstance(found, float) and found.is_integer()
    _require(whole or (isinstance(found, int) and not isinstance(found, bool)))
    _require(-(2**63) <= found < 2**63)
    return value if type(value) is int else int(found)


def _flag(value: Any) -> bool:
    found = _scalar(value)
    _require(isinstance(found, bool))
    return bool(found)


def _text(value: Any) -> str:
    found = _text_or_nothing(value)
    _require(found != "")
    return found


def _text_or_nothing(value: Any) -> str:
    found = _scalar(value)
    _require(isinstance(found, str))
    return value if type(value) is str else str(found)


def _path(value: Any) -> Path:
    if not isinstance(value, Path):
        _require(isinstance(value, str | os.PathLike))
        value = os.fspath(value)
        _require(isinstance(value, str) and value != "")
    _require("\0" not in str(value))
    return value if isinstance(value, Path) else Path(value)


PLAIN: Mapping[Any, Callable[[Any], Any]] = {
    float: _number,
    int: _whole,
    bool: _flag,
    str: _text,
    Path: _path,
}


WIDENED = {float: (INFINITE, _number_or_infinity), str: (EMPTY, _text_or_nothing)}
"""What else a type takes under a bound."""


def _require(condition: bool) -> None:
    if not condition:
        raise _Unfit


def _is_traced(value: Any) -> bool:
    """Whether JAX is tracing it, so that it has no value yet."""
    jax = sys.modules.get("jax")
    return jax is not None and isinstance(value, jax.core.Tracer)


def _words(hint: Any) -> str:
    """What a hint takes, for an error."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        bounds = [mark.words for mark in hint.__metadata__ if isinstance(mark, Bound)]
        return (", " if get_origin(parts[0]) is tuple else " ").join([_words(parts[0]), *bounds])
    if origin in (Union, UnionType):
        return " or ".join(map(_words, parts))
    if origin is tuple and len(parts) == 2 and parts[1] is Ellipsis:
        return f"a tuple of {_plural(_words(parts[0]))}"
    if origin is tuple:
        return f"a tuple ({', '.join(map(_words, parts))})"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"a mapping of {_plural(_words(parts[0]))} to {_plural(_words(parts[1]))}"
    if origin is Literal:
        return f"one of {', '.join(map(repr, parts))}"
    return WORDS.get(hint, f"a {getattr(origin or hint, '__name__', hint)}")


def _plural(words: str) -> str:
    for one, many in PLURALS.items():
        if words.startswith(one):
            return many + words.removeprefix(one)
    return words.removeprefix("a ")


WORDS = {
    float: "a number",
    int: "a whole number",
    bool: "True or False",
    str: "a text",
    Path: "a path",
    NoneType: "None",
    Any: "a value",
}
PLURALS = {
    "a number": "numbers",
    "a whole number": "whole numbers",
    "a text": "texts",
    "a tuple": "tuples",
}
