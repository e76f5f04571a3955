"""Which fields of a raw file become which columns: ``x=GroupPos[0],mass=GroupMass``."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from data_prep.options import parse_pairs
from galgen.data.features import LOG_PREFIX, source_column
from galgen.errors import InputError

FIELD = re.compile(r"(?P<name>.+?)(?:\[(?P<component>\d+)\])?")


@dataclasses.dataclass(frozen=True)
class Field:
    """A field of a raw file, or one component of it.

    Attributes:
        name: as the file spells it.
        component: of a field of vectors, from 0; None for a field of numbers.
    """

    name: str
    component: int | None = None

    def of(self, values: np.ndarray) -> np.ndarray:
        """The column, as float64 unless it is of integers.

        Args:
            values: of the whole field, ``(points,)`` or ``(points, components)``.

        Raises:
            InputError: if the field has no such component, or more than one and none is chosen.
        """
        width = values.shape[1] if values.ndim > 1 else None
        if (width is None) != (self.component is None) or (width or 1) <= (self.component or 0):
            found = "numbers" if width is None else f"vectors of {width}"
            remedy = "write it without [ ]" if width is None else f"choose e.g. {self.name}[0]"
            raise InputError(f"expected field {str(self)!r}, got one of {found}; {remedy}")
        column = values if self.component is None else values[:, self.component]
        with np.errstate(invalid="ignore"):  # of a damaged NaN, which is refused as one
            return column.astype(np.float64) if column.dtype.kind == "f" else column

    def __str__(self) -> str:
        return self.name if self.component is None else f"{self.name}[{self.component}]"


def parse_fields(text: str) -> dict[str, Field]:
    """``"x=GroupPos[0],mass=GroupMass"`` as column name -> field.

    Raises:
        InputError: if it does not read so.
    """
    return {column: parse_field(field) for column, field in parse_pairs(text).items()}


def parse_field(text: str) -> Field:
    """``"GroupPos[0]"`` as a field."""
    match = FIELD.fullmatch(text)
    if match is None:
        raise InputError(f"expected the name of a field, got {text!r}; name one")
    return Field(match["name"], None if match["component"] is None else int(match["component"]))


class Unit(NamedTuple):
    """What a field becomes: ``factor`` times the stored value is in the unit ``name``."""

    factor: float
    name: str


def read_columns(
    fields: Mapping[str, Field], values: Callable[[str], np.ndarray], units: Mapping[str, Unit]
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Columns in galgen's units, and the units; fields without one stay as they are.

    Raises:
        InputError: if a field has no such component.
    """
    columns, names = {}, {}
    for column, field in fields.items():
        stored = field.of(values(field.name))
        unit = units.get(field.name)
        columns[column] = stored if unit is None else stored * unit.factor
        if unit is not None:
            names[column] = unit.name
    return columns, names


def without_logarithms(named: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Floats as float64, integers with every bit; ``log_<name>`` becomes ``<name>``."""
    columns = {}
    for name, values in named.items():
        if name.startswith(LOG_PREFIX):
            columns[source_column(name)] = 10.0 ** np.asarray(values, dtype=np.float64)
        else:
            columns[name] = Field(name).of(values)
    return columns


def require(fields: Mapping[str, Field], present: Mapping[str, object]) -> None:
    """Raise an InputError if a field is missing; it names the first, and those present."""
    for column, field in fields.items():
        if field.name not in present:
            raise InputError(
                f"expected a field {field.name!r} for column {column!r}, got {sorted(present)}; "
                "choose one of these with --columns"
            )
