"""The features of a model by name: which column each is, and its moments over catalogues."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from galgen.data.catalogue import POSITIONS, VELOCITIES, Catalogue
from galgen.errors import InputError

LOG_PREFIX = "log_"


def physical_column(catalogue: Catalogue, name: str) -> Float[np.ndarray, " points"]:
    """A column by its model name, float64: ``log_<name>`` is log10 of column ``<name>``.

    Raises:
        InputError: if the column is missing, or its logarithm does not exist.
    """
    values = catalogue.column(source_column(name)).astype(np.float64)
    if not name.startswith(LOG_PREFIX):
        return values
    if np.any(values <= 0):
        raise InputError(
            f"expected positive values of {source_column(name)!r} for {name!r}, got "
            f"{np.sum(values <= 0)} at zero or below; cut them or drop the column"
        )
    return np.log10(values)


def condition_value(catalogue: Catalogue, name: str) -> float:
    """A conditioning parameter of a catalogue: of its cosmology, or its redshift.

    Raises:
        InputError: if there is none of that name; the message lists those present.
    """
    present: dict[str, float] = {"redshift": catalogue.redshift, **catalogue.cosmology}
    if name not in present:
        raise InputError(
            f"expected a parameter {name!r} to condition on, got {list(present)}; choose among "
            "these, or condition=() for an unconditional model"
        )
    return present[name]


def source_column(name: str) -> str:
    """The catalogue's column behind a model's feature."""
    return name.removeprefix(LOG_PREFIX)


def check_catalogues(catalogues: Sequence[Catalogue]) -> None:
    """Refuse, with an InputError, catalogues that do not make one training set."""
    if not catalogues:
        raise InputError("expected at least one catalogue to standardise, got none; pass some")
    first = catalogues[0]
    for i, catalogue in enumerate(catalogues):
        if not np.allclose(catalogue.box, first.box, rtol=1e-6):
            raise InputError(
                f"expected one box size, got {first.box} and, in catalogue {i}, {catalogue.box} "
                "Mpc/h; cut into equal boxes"
            )
        if catalogue.periodic != first.periodic:
            raise InputError(
                f"expected all boxes periodic or all open, got periodic={catalogue.periodic} in "
                f"catalogue {i} and {first.periodic} in the first; train on one kind"
            )
        if not len(catalogue):
            raise InputError(f"expected a point or more, got none in catalogue {i}; drop it")


def check_order(columns: tuple[str, ...]) -> None:
    """Refuse, with an InputError, features that repeat or do not begin with the positions."""
    positions = [name for name in columns if name in POSITIONS]
    if (positions and columns[:3] != POSITIONS) or len(set(columns)) < len(columns) or not columns:
        raise InputError(
            f"expected distinct columns with x, y, z first or absent, got {list(columns)}; "
            "reorder them"
        )


def column_moments(
    catalogues: Sequence[Catalogue], columns: tuple[str, ...]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and scale of every feature: (0, 1) for positions, one scale for the velocities."""
    moments: dict[str, tuple[float, float]] = {}
    for name in columns:
        if name in POSITIONS:
            moments[name] = (0.0, 1.0)
            continue
        values = np.concatenate([physical_column(c, name) for c in catalogues])
        moments[name] = (float(values.mean()), float(values.std()))
    if set(VELOCITIES) <= set(columns):
        squares = [mean**2 + scale**2 for mean, scale in (moments[n] for n in VELOCITIES)]
        moments |= dict.fromkeys(VELOCITIES, (0.0, float(np.sqrt(np.mean(squares)))))
    means = tuple(moments[name][0] for name in columns)
    scales = tuple(moments[name][1] or 1.0 for name in columns)
    return means, scales


def shared_cosmology(
    catalogues: Sequence[Catalogue], condition: tuple[str, ...]
) -> dict[str, float]:
    """Parameters that are the same in all catalogues and not conditioned on."""
    first = catalogues[0].cosmology
    return {
        name: value
        for name, value in first.items()
        if name not in condition and all(c.cosmology.get(name) == value for c in catalogues)
    }
