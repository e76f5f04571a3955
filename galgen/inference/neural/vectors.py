"""Parameters and vectors between physical and standardised values, for inference from vectors."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from typing import Annotated

import numpy as np
from jaxtyping import Bool, Float

from galgen.checked import FILLED, Names, NotNegative, Positive, Range, check_lengths, checked
from galgen.data.conditions import check_trained, in_order, standardised
from galgen.data.encoding import Draw, Encoding, chunks, labels_of, save_arrays
from galgen.data.normalization import Standardizer, refuse_diverged
from galgen.errors import InputError
from galgen.resolution import resolved, spread


@dataclasses.dataclass(frozen=True)
@checked
class Parameters:
    """Named parameters, standardised by ``(value - mean) / scale``.

    All of them vary: one that is the same in all training is no parameter to infer.

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
        """The parameters that a standardizer has as its condition.

        Raises:
            InputError: for a condition that was the same in all training.
        """
        constant = [name for name in standardizer.condition if name in standardizer.constant]
        if constant:
            raise InputError(
                f"expected parameters that vary in training, got {', '.join(constant)} the same in "
                "all catalogues but for rounding; leave it out of the condition"
            )
        return cls(
            standardizer.condition,
            standardizer.condition_means,
            standardizer.condition_scales,
            standardizer.condition_ranges,
        )

    def encode(
        self, values: Float[np.ndarray, "*lead parameters"]
    ) -> Float[np.ndarray, "*lead parameters"]:
        """Standardised values, float32."""
        return standardised(values, self.means, self.scales)

    def decode(
        self, standard: Float[np.ndarray, "*lead parameters"]
    ) -> Float[np.ndarray, "*lead parameters"]:
        """Physical values, float64."""
        return np.asarray(standard, np.float64) * np.array(self.scales) + np.array(self.means)


@dataclasses.dataclass(frozen=True)
@checked
class VectorEncoding(Encoding[np.ndarray]):
    """Vectors of one length, each column standardised, conditioned on parameters.

    A column that is constant in training, but for rounding, has the scale 0: it is left out of
    what networks see, and put back as it was.

    Attributes:
        means, scales: of the columns.
        parameters: what the vectors are conditioned on, or tell of.
    """

    means: Annotated[tuple[float, ...], FILLED]
    scales: tuple[NotNegative, ...]
    parameters: Parameters

    suffix = ".npz"

    def __post_init__(self) -> None:
        check_lengths(self, "means", "scales")

    @classmethod
    def fit(
        cls,
        x: Float[np.ndarray, "examples columns"],
        parameters: Parameters,
        names: Sequence[str] | None = None,
    ) -> VectorEncoding:
        """The encoding by mean and standard deviation of every column.

        Args:
            x: one row for each example.
            parameters: of the examples.
            names: of the columns, for what is said of those that are left out.

        Raises:
            InputError: for a value that is not finite, or columns none of which varies.
        """
        names = [f"column {i}" for i in range(x.shape[1])] if names is None else names
        wrong = [name for name, column in zip(names, x.T, strict=True) if not _finite(column)]
        if wrong:
            raise InputError(
                f"expected finite vectors, got NaN or infinite values of {', '.join(wrong)}; mend "
                "or leave out that column"
            )
        scales = spread(x)
        constant = [name for name, scale in zip(names, scales, strict=True) if not scale > 0]
        if len(constant) == len(scales):
            raise InputError(
                f"expected columns that vary, got {', '.join(constant)}, each the same in all "
                f"{len(x)} examples but for rounding; measure something else"
            )
        if constant:
            warnings.warn(
                f"the same in all {len(x)} examples but for rounding, and left out: "
                f"{', '.join(constant)}",
                stacklevel=2,
            )
        return cls(tuple(x.mean(axis=0).tolist()), tuple(scales.tolist()), parameters)

    @property
    def kept(self) -> Bool[np.ndarray, " columns"]:
        """True for the columns that networks see."""
        return np.array(self.scales) > 0

    def encode(self, x: Float[np.ndarray, "*lead columns"]) -> Float[np.ndarray, "*lead kept"]:
        """The columns that are kept, standardised, float32.

        Raises:
            InputError: for another number of columns.
        """
        if x.shape[-1] != len(self.means):
            raise InputError(
                f"expected vectors of {len(self.means)} columns, as were trained on, got shape "
                f"{x.shape}; measure them alike"
            )
        return standardised(x, self.means, self.scales)[..., self.kept]

    def differing(self, x: Float[np.ndarray, " columns"]) -> dict[int, float]:
        """How far a vector is from the constant of each column that is left out, by number.

        Only what differs by more than rounding.
        """
        gaps = np.abs(x - np.array(self.means))
        differs = ~self.kept & resolved(gaps, np.abs(self.means))
        return {int(i): float(gaps[i]) for i in np.flatnonzero(differs)}

    @property
    def condition_ranges(self) -> dict[str, tuple[float, float]]:
        return dict(zip(self.parameters.names, self.parameters.ranges, strict=True))

    def plan(self, conditions, batch, seed, points=None, extrapolate=False):
        if points is not None:
            raise InputError(
                f"expected no number of points for vectors, got {points}; leave it out"
            )
        names = self.parameters.names
        values = np.stack([in_order(condition, names) for condition in conditions])
        for row in values:
            check_trained(row, names, self.parameters.ranges, extrapolate)
        draws = []
        for rows in chunks(np.arange(len(conditions)), batch):
            labels, chosen = labels_of(rows, conditions)
            standard = self.parameters.encode(values[rows])
            shape = (len(rows), int(self.kept.sum()))
            draws.append(Draw(shape, None, standard, labels, chosen))
        return draws

    def decode(self, draw, x, provenance):
        real, kept = np.array(draw.rows) >= 0, self.kept
        refuse_diverged(x[real])
        whole = np.tile(np.array(self.means), (int(real.sum()), 1))
        whole[:, kept] += x[real] * np.array(self.scales)[kept]
        return list(whole)

    def save(self, path, examples, splits):
        save_arrays(path, examples, splits)


def _finite(values: np.ndarray) -> bool:
    return bool(np.all(np.isfinite(values)))
