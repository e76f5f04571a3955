"""A requirement on the numbers of a comparison, in a small language that is never executed.

::

    verdicts.bad == 0 and worst.xi.tolerance < 0.1
    all.P0.p > 0.01 and 0.9 < N.ratio < 1.1 and not (memorisation.p < 0.001 or pqmass.p < 0.01)

A name stands for that number of every split, and the requirement must hold in each of them: the
worst decides. ``all.`` or ``worst.`` before a name say so and change nothing; the name of a split,
``test.xi.tolerance``, means that one alone.

It has numbers, dotted names of :mod:`galgen.validation.verdict`, the comparisons ``< <= > >= ==
!=`` (chained as in mathematics), ``and``, ``or``, ``not`` and parentheses, and nothing else:
Python's parser reads it and only these nodes are accepted. A comparison with a number that was not
measured is unknown; unknown goes through ``and``, ``or`` and ``not`` by Kleene's logic, and a
requirement that is unknown is not met.
"""

from __future__ import annotations

import ast
import dataclasses
import difflib
import functools
import math
import operator
from collections.abc import Callable, Mapping, Sequence

from galgen.errors import InputError

COMPARE: Mapping[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
LONGEST = 1000
EVERYWHERE = ("all.", "worst.")
"""Before a name that stands for every split, as it does by itself."""


@dataclasses.dataclass(frozen=True)
class Requirement:
    """A requirement that can be read.

    Attributes:
        text: as given.

    Raises:
        InputError: an expression of another language.
    """

    text: str

    def __post_init__(self) -> None:
        self._tree  # noqa: B018, read now so that a mistake is found before anything is measured

    @functools.cached_property
    def _tree(self) -> ast.expr:
        if len(self.text) > LONGEST:
            raise self._refused(f"{len(self.text)} characters")
        try:
            tree = ast.parse(self.text.strip(), mode="eval").body
            self._check(tree)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            if isinstance(error, InputError):
                raise
            raise self._refused(repr(self.text)) from None
        return tree

    def _check(self, node: ast.expr) -> None:
        """Accept a truth value: comparisons joined by and, or, not."""
        if isinstance(node, ast.BoolOp):
            for part in node.values:
                self._check(part)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            self._check(node.operand)
        elif isinstance(node, ast.Compare) and all(type(op) in COMPARE for op in node.ops):
            for operand in (node.left, *node.comparators):
                if _number(operand) is None and _name(operand) is None:
                    raise self._refused(repr(ast.unparse(operand)))
        else:
            raise self._refused(repr(ast.unparse(node)))

    def _refused(self, got: str) -> InputError:
        return InputError(
            "expected comparisons of names and numbers joined by and, or, not, as in "
            f"'verdicts.bad == 0 and P0.p > 0.01', got {got}; galgen validate --help lists the "
            "names"
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Every dotted name asked about, once."""
        operands = [
            operand
            for node in ast.walk(self._tree)
            if isinstance(node, ast.Compare)
            for operand in (node.left, *node.comparators)
        ]
        return tuple(dict.fromkeys(n for n in map(_name, operands) if n is not None))

    def shortcoming(self, numbers: Mapping[str, float], splits: Sequence[str] = ()) -> str | None:
        """None if the requirement is met, else in one line why not.

        Args:
            numbers: of a comparison, by dotted name.
            splits: in each of which it must hold; if none is given, names are taken as they are.

        Raises:
            InputError: a name that the comparison has not.
        """
        for name in self.names:
            if name not in numbers:
                near = difflib.get_close_matches(name, numbers, 3, 0.4)
                hint = f"perhaps {', '.join(near)}" if near else "comparison.json lists them"
                raise InputError(f"expected a number of this comparison, got {name!r}; {hint}")
        for split in splits or ("",):
            there = {n: numbers.get(f"{split}.{n}", numbers[n]) for n in self.names}
            if not _truth(self._tree, there):
                where = f" in split {split}" if split else ""
                values = ", ".join(
                    f"{name} was not measured" if math.isnan(value) else f"{name} is {value:.4g}"
                    for name, value in there.items()
                )
                return f"requirement not met{where}: {self.text.strip()} ({values})"
        return None


def _number(node: ast.expr) -> float | None:
    """The value of a literal, with a sign or without."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        value = _number(node.operand)
        if value is None:
            return None
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return None if isinstance(node.value, bool) else float(node.value)
    return None


def _name(node: ast.expr) -> str | None:
    """The dotted name that a node spells, without what says that it stands for every split."""
    spelt = _spelt(node)
    for prefix in EVERYWHERE:
        if spelt is not None and spelt.startswith(prefix):
            return spelt.removeprefix(prefix)
    return spelt


def _spelt(node: ast.expr) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = _spelt(node.value)
        return None if before is None else f"{before}.{node.attr}"
    return None


def _value(node: ast.expr, numbers: Mapping[str, float]) -> float:
    value = _number(node)
    return value if value is not None else numbers[_name(node) or ""]


def _truth(node: ast.expr, numbers: Mapping[str, float]) -> bool | None:
    """True, False or, with a number that was not measured, None."""
    if isinstance(node, ast.BoolOp):
        parts = [_truth(part, numbers) for part in node.values]
        decisive = isinstance(node.op, ast.Or)
        if decisive in parts:
            return decisive
        return None if None in parts else not decisive
    if isinstance(node, ast.UnaryOp):
        inner = _truth(node.operand, numbers)
        return None if inner is None else not inner
    assert isinstance(node, ast.Compare)
    values = [_value(operand, numbers) for operand in (node.left, *node.comparators)]
    links = [
        None if math.isnan(a) or math.isnan(b) else COMPARE[type(op)](a, b)
        for a, op, b in zip(values, node.ops, values[1:], strict=False)
    ]
    return False if False in links else None if None in links else True
