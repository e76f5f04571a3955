"""Counts and powers of every catalogue of a set, in batches, and the curves of their means.

Every statistic is kept as the numerator and the denominator of each catalogue, so that the mean of
the set, of one half of it, or of all but one, is a ratio of sums
(:mod:`galgen.statistics.binning`). For xi these are DD and RR; for P(k) the power and 1. No
catalogue weighs more than its pairs.

The jackknife knows nothing of pairs that no catalogue has: where DD = 0 it returns an error of
zero. The error of xi is therefore never taken below that of Poisson pairs, sqrt(max(DD, 1)) / RR.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from galgen.statistics.binning import jackknife_ratio
from galgen.statistics.correlation import two_point_correlation
from galgen.statistics.pair_counts import counts_by_tree, pair_counts
from galgen.statistics.power_spectrum import power_spectrum

LARGE = 4096
"""Catalogues of more points are counted by tree on the host."""


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

    def minus(self, other: Curve) -> Curve:
        """The difference of two independent curves."""
        return Curve(
            mean=self.mean - other.mean,
            error=np.hypot(self.error, other.error),
            covariance=self.covariance + other.covariance,
            scatter=np.hypot(self.scatter, other.scatter),
        )


@dataclasses.dataclass(frozen=True)
class Ratio:
    """Numerators and denominators ``(catalogues, bins)``; the mean is their sums' ratio + offset.

    ``pairs`` says that numerators are ordered pair counts, whose Poisson error is known.
    """

    above: Float[np.ndarray, "catalogues bins"]
    below: Float[np.ndarray, "catalogues bins"]
    offset: float = 0.0
    pairs: bool = False

    def mean(self, rows: Bool[np.ndarray, " catalogues"] | slice = slice(None)) -> np.ndarray:
        """The mean over some catalogues ``(bins,)``; NaN where they have nothing."""
        above, below = self.above[rows].sum(axis=0), self.below[rows].sum(axis=0)
        return np.where(below > 0, above / np.where(below > 0, below, 1.0), np.nan) + self.offset

    def curve(self) -> Curve:
        """Mean, error and covariance over all catalogues."""
        result = jackknife_ratio(self.above, self.below)
        error, covariance = result.error, result.covariance
        if self.pairs:
            distinct = np.maximum(self.above.sum(axis=0) / 2, 1.0)
            poisson = np.sqrt(distinct) / (self.below.sum(axis=0) / 2)
            raised = np.maximum(error, poisson)
            covariance = covariance + np.diag(raised**2 - error**2)
            error = raised
        scatter = error * np.sqrt(result.number)
        return Curve(self.mean(), error, covariance, scatter)


@dataclasses.dataclass(frozen=True)
class Measurement:
    """What was measured of a set: xi, and P of every multipole."""

    correlation: Ratio
    power: tuple[Ratio, ...]


@dataclasses.dataclass(frozen=True)
class Instrument:
    """Measures any set of clouds on fixed bins; one compiled program for all sets.

    Attributes:
        box: three sides [Mpc/h].
        periodic: False for an open box. Its P(k) is that of the box as if it were periodic: it is
            convolved with the window, alike for every set.
        separation_edges: [Mpc/h].
        wavenumber_edges: [h/Mpc].
        mesh_size: cells along each side.
        multipoles: of P(k).
        batch_size: catalogues at a time.
        rows: points that every cloud is padded to.
    """

    box: tuple[float, float, float]
    periodic: bool
    separation_edges: Float[np.ndarray, "edges"]
    wavenumber_edges: Float[np.ndarray, "wavenumber_edges"]
    mesh_size: int
    multipoles: tuple[int, ...]
    batch_size: int
    rows: int

    def measure(self, clouds: Sequence[Float[np.ndarray, "_ 3"]]) -> Measurement:
        """xi and P of clouds of any sizes up to ``rows``, in Mpc/h."""
        pairs, random_pairs, power, real = [], [], [], []
        for start in range(0, len(clouds), self.batch_size):
            some = clouds[start : start + self.batch_size]
            x, mask = self._padded(some)
            counter = counts_by_tree if self.rows > LARGE else pair_counts
            xi = two_point_correlation(
                x, mask, self.separation_edges, self.box, self.periodic, counter
            )
            spectrum = power_spectrum(
                x, mask, self.box, self.mesh_size, self.wavenumber_edges, self.multipoles
            )
            pairs.append(np.asarray(xi.pairs, np.float64)[: len(some)])
            random_pairs.append(np.asarray(xi.random_pairs, np.float64)[: len(some)])
            power.append(np.asarray(spectrum.power, np.float64)[: len(some)])
            real.append(np.array([len(cloud) > 0 for cloud in some]))
        powers = np.concatenate(power)
        weight = np.concatenate(real)[:, None, None]
        powers = np.where(weight, powers, 0.0)
        ones = np.where(weight, np.ones_like(powers), 0.0)
        return Measurement(
            Ratio(np.concatenate(pairs), np.concatenate(random_pairs), -1.0, pairs=True),
            tuple(Ratio(powers[:, i], ones[:, i]) for i in range(len(self.multipoles))),
        )

    def _padded(self, clouds: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """A full batch: clouds padded with zeros, and empty ones after the last."""
        x = np.zeros((self.batch_size, self.rows, 3), np.float32)
        mask = np.zeros((self.batch_size, self.rows), bool)
        for index, cloud in enumerate(clouds):
            x[index, : len(cloud)] = cloud
            mask[index, : len(cloud)] = True
        return x, mask
