"""Columns in the library's units: what a file states is converted, what it does not is assumed.

An option may state the unit of a column of which the file says nothing, or nothing that can be
understood; it may not contradict the file. The unit of a column that is not standard is kept as a
label.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from data_prep.options import parse_pairs
from galgen.data.catalogue import POSITIONS, STANDARD_UNITS, VELOCITIES
from galgen.data.features import LOG_PREFIX, source_column
from galgen.errors import InputError
from galgen.units import converted, parsed

GROUPS = {"positions": POSITIONS, "velocities": VELOCITIES}
"""Words of ``--units`` that stand for three columns."""


def parse_units(text: str, columns: Mapping[str, str]) -> dict[str, str]:
    """``"positions=kpc/h,mass=1e10 Msun/h"`` as the unit of each column.

    Raises:
        InputError: for a column that is not asked for, or a unit that is not known.
    """
    units: dict[str, str] = {}
    for word, unit in parse_pairs(text).items():
        if parsed(unit, word) is None:
            raise InputError(f"expected a unit of {word!r} in --units, got {unit!r}; leave it out")
        for name in GROUPS.get(word, (source_column(word),)):
            if name not in map(source_column, columns):
                raise InputError(
                    f"expected columns {list(columns)}, positions or velocities in --units, got "
                    f"{word!r}; mend it"
                )
            units[name] = unit
    return units


def in_ours(
    name: str, values: np.ndarray, stated: str, option: str | None, h: float | None
) -> tuple[np.ndarray, str, bool]:
    """A column in the library's unit, the unit, and whether it had to be assumed.

    Args:
        name: that it gets; ``log_<name>`` for a logarithm to base ten, which is undone.
        values: as stored.
        stated: unit in the file; empty if it states none.
        option: unit that the user states; empty if none, None if there is no such option.
        h: Hubble constant in 100 km/s/Mpc, if it is known.

    Raises:
        InputError: if the two units contradict, or one cannot be converted.
    """
    column, logarithm = source_column(name), name.startswith(LOG_PREFIX)
    unit = _agreed(name, stated, option)
    physical = _physical(unit)
    if physical is not None:  # a logarithm, dex(...), which converted() undoes
        wanted = STANDARD_UNITS.get(column) or str(physical)
        return converted(values, unit, wanted, f"column {name!r}", h), wanted, False
    if logarithm:
        values = 10.0 ** np.asarray(values, dtype=np.float64)
    if column not in STANDARD_UNITS:
        return values, unit, False
    wanted = STANDARD_UNITS[column]
    if not unit:
        return values, wanted, bool(wanted)
    return converted(values, unit, wanted, f"column {name!r}", h), wanted, False


def _physical(unit: str) -> object | None:
    """What a logarithm is of, by its unit; None if it is the unit of no logarithm."""
    try:
        return getattr(parsed(unit), "physical_unit", None)
    except InputError:
        return None  # a label


def _agreed(name: str, stated: str, option: str | None) -> str:
    """The unit that the file or the option states."""
    try:
        known = parsed(stated, f"column {name!r}")
    except InputError as error:
        if option:
            return option
        if source_column(name) not in STANDARD_UNITS:
            return stated  # a label
        if option is None:
            raise
        raise InputError(f"{error} with --units {source_column(name)}=...") from error
    if not option:
        return "" if known is None else stated
    if known is not None and known != parsed(option, name):
        raise InputError(
            f"expected {name!r} in {stated}, as the file states, got --units {name}={option}; "
            "leave it out, or mend the file"
        )
    return option
