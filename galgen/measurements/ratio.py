"""A statistic of every catalogue as numerator and denominator, and the curve of its mean.

The mean of a set, of one half of it, or of all but one, is a ratio of sums
(:mod:`galgen.statistics.binning`): for xi these are DD and RR, for P(k) the power and 1. No
catalogue weighs more than its pairs.

Where no catalogue has a pair, DD = 0, the jackknife returns an error of zero. The error of xi is
therefore never taken below that of Poisson pairs, sqrt(max(DD, 1)) / RR.

The **pseudo-value** of catalogue i (Tukey 1958) is its own share in the mean R of n::

    y_i = n R - (n - 1) R_(i),   R_(i) = the mean without i

Their sample covariance over n is the jackknife covariance of R, exactly.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from galgen.resolution import resolved
from galgen.statistics.binning import jackknife_ratio

Rows = Bool[np.ndarray, " rows"] | slice


@dataclasses.dataclass(frozen=True)
class Curve:
    """The mean of a statistic over a set of catalogues.

    ========== ================ ============================================
    field      shape            meaning
    ========== ================ ============================================
    mean       ``(bins,)``      ratio of sums over the set
    error      ``(bins,)``      its standard error, jackknife
    covariance ``(bins, bins)`` of the mean
    scatter    ``(bins,)``      standard deviation of one catalogue
    ========== ================ ============================================
    """

    mean: Float[np.ndarray, "bins"]
    error: Float[np.ndarray, "bins"]
    covariance: Float[np.ndarray, "bins bins"]
    scatter: Float[np.ndarray, "bins"]

    @classmethod
    def of_jackknife(
        cls, mean: Float[np.ndarray, "bins"], without: Float[np.ndarray, "catalogues bins"]
    ) -> Curve:
        """From the mean of all catalogues and those without each."""
        number = len(without)
        difference = without - without.mean(axis=0)
        covariance = (number - 1) / number * difference.T @ difference
        error = np.sqrt(np.diag(covariance))
        return cls(mean, error, covariance, error * np.sqrt(number))

    def of(self, bins: Bool[np.ndarray, "bins"]) -> Curve:
        """That of some bins."""
        covariance = self.covariance[np.ix_(bins, bins)]
        return Curve(self.mean[bins], self.error[bins], covariance, self.scatter[bins])

    def minus(self, other: Curve) -> Curve:
        """The difference of two independent curves."""
        return Curve(
            mean=self.mean - other.mean,
            error=np.hypot(self.error, other.error),
            covariance=self.covariance + other.covariance,
            scatter=np.hypot(self.scatter, other.scatter),
        )

    @property
    def correlation_matrix(self) -> Float[np.ndarray, "bins bins"]:
        """The covariance in units of the errors; zero where an error is zero."""
        safe = np.where(self.error > 0, self.error, np.inf)
        return self.covariance / np.outer(safe, safe)


@dataclasses.dataclass(frozen=True)
class Ratio:
    """Numerators and denominators ``(catalogues, bins)``; the mean is their sums' ratio + offset.

    ``pairs`` says that numerators are ordered pair counts, whose Poisson error is known.

    Attributes:
        above, below: numerators and denominators.
        offset: added to the ratio.
        pairs: whether numerators are ordered pair counts.
    """

    above: Float[np.ndarray, "catalogues bins"]
    below: Float[np.ndarray, "catalogues bins"]
    offset: float = 0.0
    pairs: bool = False

    @classmethod
    def of_values(
        cls, values: Float[np.ndarray, "catalogues bins"], filled: Bool[np.ndarray, "catalogues 1"]
    ) -> Ratio:
        """Values over 1; nothing for a catalogue that is not ``filled``."""
        above = np.where(filled, values, 0.0).astype(np.float64)
        return cls(above, np.where(filled, np.ones_like(above), 0.0))

    def of(self, rows: Rows = slice(None), bins: Rows = slice(None)) -> Ratio:
        """That of some catalogues and some bins."""
        return dataclasses.replace(
            self, above=self.above[rows][:, bins], below=self.below[rows][:, bins]
        )

    def mean(self, rows: Rows = slice(None)) -> np.ndarray:
        """The mean over some catalogues ``(bins,)``; NaN where they have nothing."""
        return self._divided(self.above[rows].sum(axis=0), self.below[rows].sum(axis=0))

    def single(self) -> Float[np.ndarray, "catalogues bins"]:
        """The statistic of every catalogue on its own; NaN where it has nothing."""
        return self._divided(self.above, self.below)

    def pseudo_values(self) -> Float[np.ndarray, "catalogues bins"]:
        """y above; NaN where one catalogue alone fills a bin."""
        number = len(self.above)
        without = self._divided(
            self.above.sum(axis=0) - self.above, self.below.sum(axis=0) - self.below
        )
        return number * self.mean() - (number - 1) * without

    def curve(self) -> Curve:
        """Mean, error and covariance over all catalogues.

        The error of a bin that is the same in all catalogues but for rounding is 0.
        """
        result = jackknife_ratio(self.above, self.below)
        differs = resolved(result.error * np.sqrt(result.number), np.abs(result.mean))
        error = np.where(differs, result.error, 0.0)
        covariance = np.where(np.outer(differs, differs), result.covariance, 0.0)
        if self.pairs:
            raised = np.maximum(error, self.poisson_error())
            covariance = covariance + np.diag(raised**2 - error**2)
            error = raised
        scatter = error * np.sqrt(result.number)
        return Curve(self.mean(), error, covariance, scatter)

    def poisson_error(self) -> Float[np.ndarray, "bins"]:
        """Error of the mean of pair counts from Poisson alone; zero for another statistic."""
        if not self.pairs:
            return np.zeros(self.above.shape[1])
        distinct = np.maximum(self.above.sum(axis=0) / 2, 1.0)
        return np.sqrt(distinct) / (self.below.sum(axis=0) / 2)

    def _divided(self, above: np.ndarray, below: np.ndarray) -> np.ndarray:
        return np.where(below > 0, above / np.where(below > 0, below, 1.0), np.nan) + self.offset


def divided(
    numerator: Float[np.ndarray, "*bins"], denominator: Float[np.ndarray, "*bins"]
) -> Float[np.ndarray, "*bins"]:
    """The quotient; NaN where the denominator is zero."""
    return numerator / np.where(denominator != 0, denominator, np.nan)


def joined(parts: Sequence[Ratio]) -> Ratio:
    """One ratio of several batches of catalogues."""
    return dataclasses.replace(
        parts[0],
        above=np.concatenate([part.above for part in parts]),
        below=np.concatenate([part.below for part in parts]),
    )
