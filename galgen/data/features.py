"""The features of a model by name: which column each is, and its moments over catalogues."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable

import numpy as np
from jaxtyping import Float, Int

from galgen.data.catalogue import POSITIONS, VELOCITIES, Catalogue
from galgen.errors import InputError
from galgen.resolution import precision_of, resolved

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


def drawn_column(values: Float[np.ndarray, " points"], name: str) -> Float[np.ndarray, " points"]:
    """The way back from :func:`physical_column` for values that a model drew, float32.

    Raises:
        InputError: if a value is not finite in float32.
    """
    with np.errstate(over="ignore"):
        physical = 10.0**values if name.startswith(LOG_PREFIX) else values
        column = np.asarray(physical).astype(np.float32)
    if not np.all(np.isfinite(column)):
        raise InputError(
            f"expected {name} that a float32 can hold, got up to {np.max(values):.4g}; "
            "the model has hardly learned: train longer, or sample with more steps"
        )
    return column


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


def check_order(columns: tuple[str, ...]) -> None:
    """Refuse, with an InputError, features that repeat or do not begin with the positions."""
    positions = [name for name in columns if name in POSITIONS]
    if (positions and columns[:3] != POSITIONS) or len(set(columns)) < len(columns) or not columns:
        raise InputError(
            f"expected distinct columns with x, y, z first or absent, got {list(columns)}; "
            "reorder them"
        )


@dataclasses.dataclass(frozen=True)
class Summary:
    """What one pass over catalogues learns of them.

    ==================== ============================ =========================================
    field                shape                        meaning
    ==================== ============================ =========================================
    means                one per feature              0 for positions and velocities
    scales               one per feature              1 for positions, one scale for velocities,
                                                      0 for a feature that is constant
    condition            ``(catalogues, parameters)`` physical values
    counts               ``(catalogues,)``            points
    redshifts            rising                       those there are
    cosmology            name -> value                shared by all and not in the condition
    box, periodic, units                              shared by all
    ==================== ============================ =========================================
    """

    means: tuple[float, ...]
    scales: tuple[float, ...]
    condition: Float[np.ndarray, "catalogues parameters"]
    counts: Int[np.ndarray, " catalogues"]
    redshifts: tuple[float, ...]
    cosmology: dict[str, float]
    box: tuple[float, float, float]
    periodic: bool
    units: dict[str, str]


def summarize(
    catalogues: Iterable[Catalogue], columns: tuple[str, ...], condition: tuple[str, ...]
) -> Summary:
    """Learn in one pass, so that catalogues may come from a file larger than memory.

    Raises:
        InputError: if they do not make one training set: none, none with a point, boxes that
            differ, or a column or parameter that is missing.
    """
    first: Catalogue | None = None
    shared: dict[str, float] = {}
    redshifts: set[float] = set()
    counts, table = [], []
    moments = {name: _Moments(name) for name in columns if name not in POSITIONS}
    for i, catalogue in enumerate(catalogues):
        if first is None:
            first, shared = catalogue, dict(catalogue.cosmology)
        _check_alike(catalogue, first, i)
        for name in columns:
            values = physical_column(catalogue, name)
            if name in moments:
                exact = catalogue.column(source_column(name))
                moments[name].add(values, float(precision_of(exact)))
        table.append([condition_value(catalogue, name) for name in condition])
        cosmology = catalogue.cosmology
        shared = {n: v for n, v in shared.items() if cosmology.get(n) == v}
        redshifts.add(catalogue.redshift)
        counts.append(len(catalogue))
    if first is None:
        raise InputError("expected at least one catalogue to standardise, got none; pass some")
    if not any(counts):
        raise InputError(
            f"expected a point or more to standardise, got none in {len(counts)} catalogues; "
            "check how they were made or cut"
        )
    means, scales = _standard(moments, columns)
    return Summary(
        means=means,
        scales=scales,
        condition=np.array(table).reshape(len(table), len(condition)),
        counts=np.array(counts),
        redshifts=tuple(sorted(redshifts)),
        cosmology={name: value for name, value in shared.items() if name not in condition},
        box=first.box,
        periodic=first.periodic,
        units={name: first.units[name] for name in map(source_column, columns)},
    )


def _check_alike(catalogue: Catalogue, first: Catalogue, number: int) -> None:
    if not np.allclose(catalogue.box, first.box, rtol=1e-6):
        raise InputError(
            f"expected one box size, got {first.box} and, in catalogue {number}, {catalogue.box} "
            "Mpc/h; cut into equal boxes"
        )
    if catalogue.periodic != first.periodic:
        raise InputError(
            f"expected all boxes periodic or all open, got periodic={catalogue.periodic} in "
            f"catalogue {number} and {first.periodic} in the first; train on one kind"
        )


class _Moments:
    """Mean and variance of values that come in parts (Chan, Golub and LeVeque 1983, eq. 2.1)."""

    def __init__(self, name: str) -> None:
        self.number, self.mean, self.squares = 0, 0.0, 0.0
        self.low, self.high, self.precision = math.inf, -math.inf, 0.0
        # A relative error of e is one of e / ln 10 in log10, however small the logarithm.
        self.magnitude = 1 / math.log(10) if name.startswith(LOG_PREFIX) else 0.0

    def add(self, values: Float[np.ndarray, " points"], precision: float) -> None:
        """Take in some more, known to a precision (:mod:`galgen.resolution`)."""
        if not len(values):
            return
        self.low, self.high = min(self.low, values.min()), max(self.high, values.max())
        self.magnitude = max(self.magnitude, -self.low, self.high)
        self.precision = max(self.precision, precision)
        number, mean = len(values), float(values.mean())
        total, step = self.number + number, mean - self.mean
        self.squares += float(np.sum((values - mean) ** 2))
        self.squares += step**2 * self.number * number / total
        self.mean += step * number / total
        self.number = total

    @property
    def scale(self) -> float:
        """The standard deviation; 0 where it is no more than rounding."""
        std = float(np.sqrt(self.squares / self.number))
        differs = self.high > self.low and resolved(std, self.magnitude, self.precision)
        return std if differs else 0.0


def _standard(
    moments: dict[str, _Moments], columns: tuple[str, ...]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and scale of every feature: (0, 1) for positions, one scale for the velocities.

    A scale of 0 is that of a feature which is constant but for rounding.
    """
    found = {name: (m.mean, m.scale) for name, m in moments.items()}
    found |= {name: (0.0, 1.0) for name in columns if name in POSITIONS}
    if set(VELOCITIES) <= set(columns):
        squares = [mean**2 + scale**2 for mean, scale in (found[n] for n in VELOCITIES)]
        found |= dict.fromkeys(VELOCITIES, (0.0, float(np.sqrt(np.mean(squares)))))
    means = tuple(found[name][0] for name in columns)
    scales = tuple(found[name][1] for name in columns)
    return means, scales
