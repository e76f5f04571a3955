"""From physical catalogues to the standardised features of models, and back.

Model space:

- positions ``x y z`` are divided by the sides of the box: the unit box [0, 1)^3;
- the three velocity components are divided by one common root mean square, without a mean:
  rotating and standardising commute;
- any other column is ``(value - mean) / standard deviation``; ``log_<name>`` is log10 of column
  ``<name>``, e.g. ``log_mass``;
- each condition is ``(value - mean) / standard deviation`` over the catalogues;
- a column or condition that is the same in all catalogues, but for rounding
  (:mod:`galgen.resolution`), has the scale 0: models see 0, and draws have the mean.

A standardizer also has the box, the redshifts and the ranges of the condition and of the number of
points of its training data. Sampling needs no training data, and refuses to extrapolate.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

import numpy as np
from jaxtyping import Float

from galgen.checked import (
    EMPTY,
    FILLED,
    Names,
    NotNegative,
    Positive,
    Whole,
    check_lengths,
    checked,
)
from galgen.data.catalogue import POSITIONS, VELOCITIES, Catalogue
from galgen.data.conditions import check_bounds, check_trained, in_order, standardised
from galgen.data.features import (
    Summary,
    check_order,
    condition_value,
    drawn_column,
    physical_column,
    source_column,
    summarize,
)
from galgen.errors import InputError
from galgen.periodic import into_unit_box
from galgen.resolution import SINGLE, spread


@dataclasses.dataclass(frozen=True)
@checked
class Standardizer:
    """The map between a :class:`Catalogue` and model space, learned by :meth:`fit`.

    ================== ====================== ============================================
    field              type                   meaning
    ================== ====================== ============================================
    columns            names                  features in order; ``x y z`` first if present
    means, scales      one float per column   0 and 1 for positions, 0 for velocities
    condition          names                  of the conditioning parameters; may be empty
    condition_means    one float each         over the catalogues
    condition_scales   one float each         over the catalogues; 0 where constant, as for scales
    condition_ranges   (low, high) each       trained range, physical values
    points_range       (fewest, most)         points per catalogue
    box                three floats           side lengths [Mpc/h]
    redshifts          floats, rising         of the catalogues
    periodic           bool                   whether the box is a torus
    units              name -> str            of the physical columns
    fixed_cosmology    name -> float          parameters that all catalogues share
    ================== ====================== ============================================
    """

    columns: Annotated[Names, FILLED]
    means: tuple[float, ...]
    scales: tuple[NotNegative, ...]
    condition: Names
    condition_means: tuple[float, ...]
    condition_scales: tuple[NotNegative, ...]
    condition_ranges: tuple[tuple[float, float], ...]
    points_range: tuple[Whole, Whole]
    box: tuple[Positive, Positive, Positive]
    redshifts: tuple[float, ...]
    periodic: bool
    units: Mapping[str, Annotated[str, EMPTY]]
    fixed_cosmology: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        check_order(self.columns)
        check_lengths(self, "columns", "means", "scales")
        check_lengths(self, "condition", "condition_means", "condition_scales", "condition_ranges")
        if any(low > high for low, high in (*self.condition_ranges, self.points_range)):
            raise InputError(
                "expected condition_ranges and points_range from low to high, got "
                f"{self.condition_ranges} and {self.points_range}; fit the standardizer again"
            )

    @classmethod
    def fit(
        cls,
        catalogues: Iterable[Catalogue],
        columns: Sequence[str] = ("x", "y", "z", "log_mass"),
        condition: Sequence[str] = ("omega_m", "sigma_8"),
    ) -> Standardizer:
        """Learn means, scales and ranges.

        Args:
            catalogues: of one box size, all periodic or all open; some may be empty, but not all.
            columns: the features; ``log_<name>`` takes log10 of column ``<name>``.
            condition: names among the cosmology, or ``"redshift"``; empty for unconditional.

        Raises:
            InputError: if boxes differ, a column or parameter is missing, or all are empty.
        """
        columns = tuple(columns)
        check_order(columns)
        return cls.of(summarize(catalogues, columns, tuple(condition)), columns, condition)

    @classmethod
    def of(cls, summary: Summary, columns: Sequence[str], condition: Sequence[str]) -> Standardizer:
        """The standardizer of catalogues that were gone through already."""
        table = summary.condition
        made = cls(
            columns=tuple(columns),
            means=summary.means,
            scales=summary.scales,
            condition=tuple(condition),
            condition_means=tuple(table.mean(axis=0).tolist()),
            condition_scales=tuple(spread(table, SINGLE).tolist()),
            condition_ranges=tuple(
                (float(column.min()), float(column.max())) for column in table.T
            ),
            points_range=(int(summary.counts.min()), int(summary.counts.max())),
            box=summary.box,
            redshifts=summary.redshifts,
            periodic=summary.periodic,
            units=summary.units,
            fixed_cosmology=summary.cosmology,
        )
        if made.constant:
            each = ", ".join(f"{name} ({value:g})" for name, value in made.constant.items())
            warnings.warn(
                f"the same in all catalogues but for rounding, and left out: {each}; no model can "
                "learn what they do",
                stacklevel=2,
            )
        return made

    @property
    def constant(self) -> dict[str, float]:
        """The columns and conditions that are left out, and the value they have."""
        names, scales = self.columns + self.condition, self.scales + self.condition_scales
        means = self.means + self.condition_means
        return {n: m for n, m, s in zip(names, means, scales, strict=True) if s == 0}

    def bounded(self, bounds: Sequence[tuple[float, float]]) -> Standardizer:
        """The same, with each condition -1 at its lower bound and 1 at its upper one.

        Args:
            bounds: (low, high) of each condition, that of the prior it was drawn from.

        Raises:
            InputError: for another number of bounds, one that does not hold the trained range, or
                a condition that is constant.
        """
        constant = [name for name in self.condition if name in self.constant]
        if constant:
            raise InputError(
                f"expected conditions that vary within their bounds, got {', '.join(constant)} the "
                "same in all catalogues; leave it out of the condition"
            )
        check_bounds(bounds, self.condition, self.condition_ranges)
        return dataclasses.replace(
            self,
            condition_means=tuple((low + high) / 2 for low, high in bounds),
            condition_scales=tuple((high - low) / 2 for low, high in bounds),
            condition_ranges=tuple((float(low), float(high)) for low, high in bounds),
        )

    @property
    def positions(self) -> bool:
        """Whether the first three features are positions."""
        return self.columns[:3] == POSITIONS

    @property
    def velocity_columns(self) -> tuple[int, int, int] | None:
        """Indices of vx, vy, vz among the features, or None if not all three are there."""
        if not set(VELOCITIES) <= set(self.columns):
            return None
        x, y, z = (self.columns.index(name) for name in VELOCITIES)
        return (x, y, z)

    @property
    def cubic(self) -> bool:
        """Whether the sides of the box are equal, as the symmetries of the cube need."""
        return bool(np.allclose(self.box, self.box[0], rtol=1e-6))

    def encode(self, catalogue: Catalogue) -> Float[np.ndarray, "points features"]:
        """The features of a catalogue in model space, float32.

        Raises:
            InputError: if a column is missing, or the box differs from the trained one.
        """
        if not np.allclose(catalogue.box, self.box, rtol=1e-6):
            raise InputError(
                f"expected the trained box {self.box} Mpc/h, got {catalogue.box}; "
                "cut the catalogue into boxes of that size"
            )
        features = np.empty((len(catalogue), len(self.columns)), np.float64)
        for i, name in enumerate(self.columns):
            features[:, i] = physical_column(catalogue, name)
            if name in POSITIONS:
                features[:, i] /= catalogue.box[POSITIONS.index(name)]
        encoded = standardised(features, self.means, self.scales)
        if self.positions:
            encoded[:, :3] = into_unit_box(encoded[:, :3], self.periodic)
        return encoded

    def condition_values(self, catalogue: Catalogue) -> dict[str, float]:
        """The physical values of a catalogue's condition, by name.

        Raises:
            InputError: if a parameter is missing.
        """
        return {name: condition_value(catalogue, name) for name in self.condition}

    def encode_condition(
        self, values: Mapping[str, float] | Sequence[float] | np.ndarray, extrapolate: bool = False
    ) -> Float[np.ndarray, " condition"]:
        """The condition in model space, float32.

        Args:
            values: physical values by name (other names are ignored) or in order.
            extrapolate: allow values outside the trained range.

        Raises:
            InputError: if a value is missing, not finite, or outside the trained range.
        """
        given = in_order(values, self.condition)
        check_trained(given, self.condition, self.condition_ranges, extrapolate)
        return standardised(given, self.condition_means, self.condition_scales)

    def decode(
        self,
        x: Float[np.ndarray, "points features"],
        condition: Mapping[str, float] | None = None,
        provenance: Mapping[str, str] | None = None,
    ) -> Catalogue:
        """The physical catalogue of features in model space.

        Positions are wrapped into a periodic box and clipped to an open one; how many points lay
        outside an open box by more than rounding is noted in the provenance.

        Args:
            x: real rows only, no padding.
            condition: physical values by name, which become the catalogue's cosmology.
            provenance: where the catalogue came from.

        Raises:
            InputError: if the number of features differs or a value is not finite.
        """
        x = np.asarray(x, dtype=np.float64)
        if x.ndim != 2 or x.shape[1] != len(self.columns):
            raise InputError(
                f"expected features of shape (points, {len(self.columns)}), got {x.shape}; "
                "decode one cloud at a time, as encode gives it"
            )
        refuse_diverged(x)
        notes = dict(provenance or {})
        columns = {}
        for i, name in enumerate(self.columns):
            if name in POSITIONS:
                side = self.box[POSITIONS.index(name)]
                columns[name] = _scaled(into_unit_box(x[:, i], self.periodic), side)
            else:
                values = x[:, i] * self.scales[i] + self.means[i]
                columns[source_column(name)] = drawn_column(values, name)
        if self.positions and not self.periodic:
            outside = int(np.sum(np.any((x[:, :3] < -1e-5) | (x[:, :3] > 1 + 1e-5), axis=1)))
            notes["points clipped to the open box"] = str(outside)
        cosmology = {**self.fixed_cosmology, **(condition or {})}
        redshift = float(cosmology.pop("redshift", np.mean(self.redshifts)))
        return Catalogue(columns, self.box, redshift, cosmology, self.periodic, self.units, notes)


def refuse_diverged(x: Float[np.ndarray, "..."]) -> None:
    """Raise an InputError for draws of a model that are not finite; they would be saved as data."""
    wrong = int(np.sum(~np.isfinite(x)))
    if wrong:
        raise InputError(
            f"expected finite features, got {wrong} NaN or infinite; "
            "the model has diverged: sample with more steps or train again"
        )


def _scaled(unit: np.ndarray, side: float) -> np.ndarray:
    """Positions ``unit * side`` as float32, below ``side`` even after rounding."""
    edge = np.float32(side)
    below = np.nextafter(edge, np.float32(0))
    return np.minimum((unit * side).astype(np.float32), below)
