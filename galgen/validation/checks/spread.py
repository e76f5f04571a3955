"""The spread of single catalogues: variance, ranks and CRPS, generated against held-out.

A mock may have the right mean and the wrong scatter. For a statistic S of single catalogues, in
every bin:

- **Variance ratio** s_g² / s_t², pooled over groups, each about its own mean. Its error comes from
  leaving out one catalogue at a time.
- **Rank histogram.** A held-out value above j of m generated ones has u = (j + U) / (m + 1) with U
  uniform; u is uniform on [0, 1) if the mock is right (Talagrand et al. 1997; Hamill 2001, Mon.
  Wea. Rev. 129, 550). Its flatness is chi² = sum_i (o_i - e)² / e over equal intervals,
  e = n / ranks. A U shape is a mock too narrow, a dome one too wide, a slope one that is shifted.
- **CRPS** of held-out against generated, over that of held-out against held-out
  (:mod:`galgen.validation.checks.crps`): 1 for a perfect mock and greater for any other.

A group is a condition where there are enough draws at each, and the whole split otherwise; the
result says which. Draws are shared between held-out values and bins move together: the flatness
follows no textbook law. Its null comes of relabelling (:mod:`galgen.validation.sets`), which is
exact.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from galgen.measurements.ratio import divided
from galgen.randomness import Role, random_generator
from galgen.resolution import SINGLE, resolved, spread
from galgen.validation.checks.crps import grouped_crps, half_crps, relabelled_crps_ratio
from galgen.validation.checks.equivalence import Agreement, Shares, agree
from galgen.validation.sets import Conditions, Groups, p_value


@dataclasses.dataclass(frozen=True)
class Spread:
    """The spread of single catalogues, generated against held-out.

    ==================== ================= =================================================
    field                shape             meaning
    ==================== ================= =================================================
    variance_ratio       ``(bins,)``       s_g² / s_t²
    variance_ratio_error ``(bins,)``       its standard error
    histogram            ``(bins, ranks)`` held-out catalogues per interval of u
    flatness             ``(bins,)``       chi² of each histogram
    flatness_null        ``(bins,)``       its mean over relabellings
    flatness_p_value     float             of the flatness summed over bins, by relabelling
    crps, crps_null      ``(bins,)``       against generated; half of held-out against half
    crps_ratio           ``(bins,)``       crps / crps_null; NaN where there is no null
    crps_ratio_error     ``(bins,)``       its standard deviation if the mock is right
    crps_p_value         float             of the ratio summed over bins, by relabelling
    std                  Agreement         of ln s; an error is that of the standard deviation
    variance_groups      Groups            what the variance was pooled over
    rank_groups          Groups            what ranks and CRPS were taken over
    ==================== ================= =================================================
    """

    variance_ratio: Float[np.ndarray, "bins"]
    variance_ratio_error: Float[np.ndarray, "bins"]
    histogram: Int[np.ndarray, "bins ranks"]
    flatness: Float[np.ndarray, "bins"]
    flatness_null: Float[np.ndarray, "bins"]
    flatness_p_value: float
    crps: Float[np.ndarray, "bins"]
    crps_null: Float[np.ndarray, "bins"]
    crps_ratio: Float[np.ndarray, "bins"]
    crps_ratio_error: Float[np.ndarray, "bins"]
    crps_p_value: float
    std: Agreement
    variance_groups: Groups
    rank_groups: Groups


def measure_spread(
    generated: Float[np.ndarray, "generated bins"],
    held_out: Float[np.ndarray, "held_out bins"],
    conditions: Conditions,
    labels: Bool[np.ndarray, "labellings both"],
    ranks: int,
    seed: int,
    names: Sequence[str] | None = None,
) -> Spread:
    """Spread of single values; a catalogue with a NaN in any bin is left out.

    Args:
        generated, held_out: the statistic of every catalogue. A bin that is the same in all of
            held-out, but for rounding, has no ratios, and is left out of the p-value of the CRPS.
        conditions: of the same catalogues.
        labels: from ``conditions.relabelled``.
        ranks: intervals of u.
        seed: of ties and halves.
        names: of the bins.
    """
    keep = np.isfinite(generated).all(axis=1), np.isfinite(held_out).all(axis=1)
    mock, truth = generated[keep[0]], held_out[keep[1]]
    # What differs by rounding alone is equal: its ranks would be those of last digits.
    constant = spread(np.concatenate([mock, truth]), SINGLE) == 0
    mock, truth = np.where(constant, 0.0, mock), np.where(constant, 0.0, truth)
    varied = spread(truth, SINGLE) > 0
    *pooled, variance_groups = conditions.variance_groups
    *grouped, rank_groups = conditions.rank_groups
    variances = [
        pooled_variance(values, group[rows])
        for values, group, rows in zip((mock, truth), pooled, keep, strict=True)
    ]
    ratio, ratio_error = _variance_ratio(variances[0], variances[1])
    groups = grouped[0][keep[0]], grouped[1][keep[1]]
    counts = rank_histograms(
        np.concatenate([mock, truth]),
        np.concatenate(groups),
        labels[:, np.concatenate(keep)],
        ranks,
        seed,
    )
    expected = counts.sum(axis=-1, keepdims=True) / ranks
    flatness = np.sum((counts - expected) ** 2 / np.maximum(expected, 1e-9), axis=-1)
    crps = _mean(grouped_crps(mock, truth, *groups))
    crps_null = _mean(half_crps(truth, groups[1], conditions.held_out[keep[1]], seed))
    ratios = relabelled_crps_ratio(
        np.concatenate([mock, truth]), np.concatenate(groups), labels[:, np.concatenate(keep)]
    )
    return Spread(
        variance_ratio=ratio,
        variance_ratio_error=ratio_error,
        histogram=counts[0],
        flatness=flatness[0],
        flatness_null=flatness[1:].mean(axis=0),
        flatness_p_value=p_value(flatness.sum(axis=-1)) if counts[0].any() else np.nan,
        crps=crps,
        crps_null=crps_null,
        crps_ratio=np.where(varied, divided(crps, crps_null), np.nan),
        crps_ratio_error=ratios[1:].std(axis=0),
        crps_p_value=p_value(ratios[:, varied].sum(axis=-1)) if varied.any() else np.nan,
        std=agree_std(variances[0], variances[1], names),
        variance_groups=variance_groups,
        rank_groups=rank_groups,
    )


@dataclasses.dataclass(frozen=True)
class Variance:
    """The variance about the means of groups.

    Attributes:
        value: of every bin; 0 where there is none but rounding, NaN where no group has two.
        without: the same without one catalogue at a time.
        freedom: degrees of freedom.
    """

    value: Float[np.ndarray, "bins"]
    without: Float[np.ndarray, "catalogues bins"]
    freedom: int

    @property
    def relative_error(self) -> Float[np.ndarray, "bins"]:
        """Of the value, by the jackknife."""
        number = len(self.without)
        spread = np.sum((self.without - self.without.mean(axis=0)) ** 2, axis=0)
        spread *= (number - 1) / number
        return np.sqrt(spread) / np.where(self.value > 0, self.value, np.nan)

    @property
    def log_std(self) -> Shares:
        """ln s, with the jackknife pseudo-values of every catalogue.

        Its variance is at least that of Gaussian values, 1 / 2f. The squares of f Gaussian values
        have a kurtosis of 15, so that their own variance has 2f / 14 degrees of freedom.
        """
        number, positive = len(self.without), np.where(self.value > 0, self.value, np.nan)
        least = self.without > 1e-12 * positive
        without = np.log(np.where(least, self.without, np.nan)) / 2
        value = np.log(positive) / 2
        least_variance = 1 / (2 * max(self.freedom, 1))
        found = Shares.of(value, number * value - (number - 1) * without, floor=least_variance)
        effective = self.freedom / 7
        return dataclasses.replace(found, freedom=self.freedom, effective=effective)


def pooled_variance(
    values: Float[np.ndarray, "catalogues bins"], group: Int[np.ndarray, " catalogues"]
) -> Variance:
    """Variance about the means of the groups; catalogues that are alone in theirs are left out."""
    total, freedom, losses = np.zeros(values.shape[1]), 0, [np.zeros((0, values.shape[1]))]
    for each in np.unique(group):
        rows = group == each
        size = int(rows.sum())
        if size > 1:
            squares = (values[rows] - values[rows].mean(axis=0)) ** 2
            total += squares.sum(axis=0)
            freedom += size - 1
            # Without one member, the sum of squares is less by size / (size - 1) times its own.
            losses.append(squares * size / (size - 1))
    if freedom == 0:
        return Variance(np.full(values.shape[1], np.nan), np.full((1, values.shape[1]), np.nan), 0)
    variance = total / freedom
    differs = resolved(np.sqrt(variance), np.abs(values).max(axis=0))
    without = (total - np.concatenate(losses)) / max(freedom - 1, 1)
    return Variance(np.where(differs, variance, 0.0), np.where(differs, without, 0.0), freedom)


def _variance_ratio(mock: Variance, truth: Variance) -> tuple[np.ndarray, np.ndarray]:
    ratio = mock.value / np.where(truth.value > 0, truth.value, np.nan)
    return ratio, ratio * np.hypot(mock.relative_error, truth.relative_error)


def agree_std(mock: Variance, truth: Variance, names: Sequence[str] | None = None) -> Agreement:
    """Compare standard deviations; a bin that does not vary in one of them takes no part."""
    bins = len(mock.value)
    names = [f"bin {i}" for i in range(bins)] if names is None else names
    ones = np.ones(bins)
    return agree(mock.log_std, truth.log_std, names, ones, ones > 0, together=False)


def rank_histograms(
    values: Float[np.ndarray, "both bins"],
    group: Int[np.ndarray, " both"],
    labels: Bool[np.ndarray, "labellings both"],
    ranks: int,
    seed: int,
) -> Int[np.ndarray, "labellings bins ranks"]:
    """Histograms of u of those called held-out, for every labelling; ties are broken by lot."""
    rng = random_generator(Role.RANK_HISTOGRAMS, seed)
    counts = np.zeros((len(labels), values.shape[1], ranks), np.int64)
    for each in np.unique(group):
        rows = np.flatnonzero(group == each)
        for column in range(values.shape[1]):
            order = rows[np.lexsort((rng.random(len(rows)), values[rows, column]))]
            held_out = labels[:, order]
            below = np.cumsum(~held_out, axis=1)
            fraction = (below + rng.random(len(rows))) / (below[:, -1:] + 1)
            interval = np.minimum((fraction * ranks).astype(np.int64), ranks - 1)
            for index in range(ranks):
                counts[:, column, index] += np.sum(held_out & (interval == index), axis=1)
    return counts


def _mean(scores: np.ndarray) -> np.ndarray:
    rows = np.isfinite(scores).all(axis=1)
    return scores[rows].mean(axis=0) if rows.any() else np.full(scores.shape[1], np.nan)
