"""Parameters and vectors between physical and standardised values, for inference from vectors."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import numpy as np
from jaxtyping import Float

from galgen.checked import FILLED, Names, Positive, Range, check_lengths, checked
from galgen.data.encoding import Condition, Draw, Encoding, chunks, labels_of, save_arrays
from galgen.data.normalization import Standardizer
from galgen.errors import InputError


@dataclasses.dataclass(frozen=True)
@checked
class Parameters:
    """Named parameters, standardised by ``(value - mean) / scale``.

    Attributes:
        names: in order.
        means, scales: one each; between bounds, their middle and half their distance.
        ranges: (low, high) each, physical: bounds of the prior, or the trained range.
    """

    names: Annotated[Names, FILLED]
    means: tuple[float, ...]
    scales: tuple[Positive, ...]
    ranges: tuple[Range, ...]

    def __post_init__(self) -> None:
        check_lengths(self, "names", "means", "scales", "ranges")

    @classmethod
    def of(cls, standardizer: Standardizer) -> Parameters:
        """What a standardizer knows of its condition."""
        return cls(
            standardizer.condition,
            standardizer.condition_means,
            standardizer.condition_scales,
            standardizer.condition_ranges,
        )

    def encode(
        self, values: Float[np.ndarray, "*lead parameters"]
    ) -> Float[np.ndarray, "*lead parameters"]:
        """Standardised, float32."""
        return ((values - np.array(self.means)) / np.array(self.scales)).astype(np.float32)

    def decode(
        self, standard: Float[np.ndarray, "*lead parameters"]
    ) -> Float[np.ndarray, "*lead parameters"]:
        """Physical, float64."""
        return np.asarray(standard, np.float64) * np.array(self.scales) + np.array(self.means)

    @property
    def log_volume(self) -> float:
        """log |d physical / d standardised|: to be taken from a log density of the latter."""
        return float(np.sum(np.log(self.scales)))


@dataclasses.dataclass(frozen=True)
@checked
class VectorEncoding(Encoding[np.ndarray]):
    """Vectors of one length, each column standardised, conditioned on parameters.

    Attributes:
        means, scales: of the columns.
        parameters: what the vectors are conditioned on, or tell of.
    """

    means: Annotated[tuple[float, ...], FILLED]
    scales: tuple[Positive, ...]
    parameters: Parameters

    suffix = ".npz"

    def __post_init__(self) -> None:
        check_lengths(self, "means", "scales")

    @classmethod
    def fit(
        cls, x: Float[np.ndarray, "examples columns"], parameters: Parameters
    ) -> VectorEncoding:
        """By the mean and deviation of every column."""
        deviation = x.std(axis=0)
        scales = np.where(deviation > 0, deviation, 1.0)
        return cls(tuple(x.mean(axis=0).tolist()), tuple(scales.tolist()), parameters)

    def encode(self, x: Float[np.ndarray, "*lead columns"]) -> Float[np.ndarray, "*lead columns"]:
        """Standardised, float32.

        Raises:
            InputError: for another number of columns.
        """
        if x.shape[-1] != len(self.means):
            raise InputError(
                f"expected vectors of {len(self.means)} columns, as were trained on, got shape "
                f"{x.shape}; measure them alike"
            )
        return ((x - np.array(self.means)) / np.array(self.scales)).astype(np.float32)

    @property
    def condition_ranges(self) -> dict[str, tuple[float, float]]:
        return dict(zip(self.parameters.names, self.parameters.ranges, strict=True))

    def plan(self, conditions, batch, seed, points=None, extrapolate=False):
        if points is not None:
            raise InputError(
                f"expected no number of points for vectors, got {points}; leave it out"
            )
        names = self.parameters.names
        for condition in conditions:
            _check_inside(condition, self.condition_ranges, extrapolate)
        draws = []
        for rows in chunks(np.arange(len(conditions)), batch):
            labels, chosen = labels_of(rows, conditions)
            values = np.array([[c[name] for name in names] for c in chosen], np.float64)
            standard = self.parameters.encode(values)
            draws.append(Draw((len(rows), len(self.means)), None, standard, labels, chosen))
        return draws

    def decode(self, draw, x, provenance):
        real = np.array(draw.rows) >= 0
        return list(x[real] * np.array(self.scales) + np.array(self.means))

    def save(self, path, examples, splits):
        save_arrays(path, examples, splits)


def _check_inside(
    condition: Condition, ranges: dict[str, tuple[float, float]], extrapolate: bool
) -> None:
    """Refuse, with an InputError, a condition that is missing or outside its range."""
    for name, (low, high) in ranges.items():
        value = condition.get(name, np.nan)
        if not np.isfinite(value) or not (extrapolate or low <= value <= high):
            raise InputError(
                f"expected {name} in [{low:.6g}, {high:.6g}], got {value:.6g}; choose a value "
                "inside it, or pass extrapolate=True"
            )
