"""The number of points, and the distribution of their marks.

A mark is a column that is not a position: masses as log10, and the three velocity components as
one. The two-sample Kolmogorov-Smirnov distance is the largest gap between the cumulative
distributions of all points of either set. Points of one box are not independent, so its null is not
the textbook one: it is the distance between two halves of held-out, mean over halvings.

A verdict rests on the mean, the width (standard deviation) and the fractions of points between
quantiles of held-out. The error of the mean is relative to the width of held-out; of masses it is
that of the geometric mean. The noise of all of them is from catalogue to catalogue.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from itertools import compress

import numpy as np
from jaxtyping import Float
from scipy import stats

from galgen.data.catalogue import POSITIONS, VELOCITIES, Catalogue
from galgen.errors import InputError
from galgen.measurements.ratio import Curve, Ratio
from galgen.resolution import SINGLE, spread
from galgen.statistics.binning import jackknife_ratio
from galgen.validation.checks.equivalence import Agreement, Shares, agree, agree_means
from galgen.validation.checks.response import Response
from galgen.validation.checks.spread import agree_std, pooled_variance
from galgen.validation.sets import Conditions, halves

LEVELS = (0.01, 0.05, 0.16, 0.50, 0.84, 0.95, 0.99)
PARTS = (0.2, 0.4, 0.6, 0.8, 0.95)
"""Quantiles of held-out between which fractions of points are judged."""
MASS = "log10 mass"
VELOCITY = "velocity component"


@dataclasses.dataclass(frozen=True)
class CountComparison:
    """Number of points per catalogue of every catalogue, and the ratio of the means.

    Attributes:
        held_out: points of each held-out catalogue.
        generated: points of each generated one.
        means, std: the mean and the standard deviation judged.
    """

    held_out: Float[np.ndarray, " held_out"]
    generated: Float[np.ndarray, " generated"]
    means: Agreement
    std: Agreement

    @property
    def ratio(self) -> float:
        """Mean number of generated over that of held-out."""
        return float(self.generated.mean() / self.held_out.mean())

    @property
    def std_ratio(self) -> float:
        """Standard deviation of generated over that of held-out; NaN where that is zero."""
        std = float(self.held_out.std(ddof=1))
        return float(self.generated.std(ddof=1)) / std if std else np.nan

    @property
    def ratio_error(self) -> float:
        """Standard error of the ratio, from the scatter of both."""
        return self.ratio * float(np.hypot(_relative(self.held_out), _relative(self.generated)))


@dataclasses.dataclass(frozen=True)
class Moments:
    """Mean and standard deviation of a mark over all points, with jackknife errors.

    Attributes:
        mean, std: in the unit of the mark.
        mean_error, std_error: their jackknife errors.
    """

    mean: float
    mean_error: float
    std: float
    std_error: float


@dataclasses.dataclass(frozen=True)
class MarkComparison:
    """The distribution of one mark.

    =================== ============= ==================================================
    field               shape         meaning
    =================== ============= ==================================================
    name, unit          str           of the mark
    edges               ``(bins+1,)`` of the histograms, spanning held-out
    held_out, generated Curve         fraction of points per bin
    held_out_moments    Moments       mean and standard deviation; so ``generated_moments``
    held_out_quantiles  ``(7,)``      at :data:`LEVELS`; so ``generated_quantiles``
    distance            float         Kolmogorov-Smirnov, generated against held-out
    null                float         of one half of held-out against the other, mean
    outside             float         fraction of generated beyond the range of held-out
    agreement           Agreement     of mean, width and fractions; None for a constant
    =================== ============= ==================================================
    """

    name: str
    unit: str
    edges: Float[np.ndarray, "edges"]
    held_out: Curve
    generated: Curve
    held_out_moments: Moments
    generated_moments: Moments
    held_out_quantiles: Float[np.ndarray, "levels"]
    generated_quantiles: Float[np.ndarray, "levels"]
    distance: float
    null: float
    outside: float
    agreement: Agreement | None

    @property
    def constant(self) -> bool:
        """The same in all points of both, but for rounding."""
        return self.agreement is None


def compare_counts(
    generated: Sequence[Catalogue], held_out: Sequence[Catalogue], known: Conditions
) -> CountComparison:
    """Numbers of points of both sets, whose conditions are known."""
    mock, truth = (np.array([len(c) for c in each], np.float64) for each in (generated, held_out))
    columns = [n[:, None] for n in (mock, truth)]
    ratios = [Ratio(n, np.ones_like(n)) for n in columns]
    groups = known.variance_groups[:2]
    variances = [pooled_variance(n, group) for n, group in zip(columns, groups, strict=True)]
    return CountComparison(
        truth,
        mock,
        agree_means(ratios[0], ratios[1], known, ("",), significance=0.0),
        agree_std(variances[0], variances[1], ("",)),
    )


def respond_counts(low: CountComparison, high: CountComparison, significance: float) -> Response:
    """Response of ln(mean number) to cosmology, as :class:`Response` of one bin."""
    curves = []
    for first, second in ((low.held_out, high.held_out), (low.generated, high.generated)):
        error = float(np.hypot(_relative(first), _relative(second)))
        curves.append(
            Curve(
                np.array([np.log(second.mean() / first.mean())]),
                np.array([error]),
                np.array([[error**2]]),
                np.array([np.hypot(*(n.std(ddof=1) / n.mean() for n in (first, second)))]),
            )
        )
    truth, other = curves
    number = min(len(n) for each in (low, high) for n in (each.held_out, each.generated))
    change = float(truth.mean[0])
    if change == 0:
        return Response("N", truth, other, np.nan, np.nan, 0.0, False, number, number - 1)
    slope = float(other.mean[0]) / change
    error = float(np.hypot(other.error[0], slope * truth.error[0])) / abs(change)
    signal = abs(change) / float(truth.error[0]) if truth.error[0] > 0 else np.inf
    judged = signal > significance
    return Response("N", truth, other, slope, error, signal, judged, number, number - 1)


def compare_marks(
    generated: Sequence[Catalogue], held_out: Sequence[Catalogue], bins: int, seed: int
) -> tuple[MarkComparison, ...]:
    """Every mark that all catalogues have.

    Raises:
        InputError: a mass that is not positive.
    """
    everything = [*held_out, *generated]
    columns = [n for n in everything[0].columns if all(n in c.columns for c in everything)]
    marks = [n for n in columns if n not in POSITIONS and n not in VELOCITIES]
    moving = all(n in columns for n in VELOCITIES)
    found = []
    for name in [*marks, *([VELOCITY] if moving else [])]:
        first = everything[0]
        label = MASS if name == "mass" else name
        unit = first.units[VELOCITIES[0]] if name == VELOCITY else first.units[name]
        values = [[_values(c, name) for c in each] for each in (held_out, generated)]
        found.append(_compare_mark(label, unit, values[0], values[1], bins, seed))
    return tuple(found)


def _relative(numbers: np.ndarray) -> float:
    """Relative standard error of a mean."""
    return float(stats.sem(numbers) / numbers.mean())


def _values(catalogue: Catalogue, name: str) -> Float[np.ndarray, " points"]:
    if name == VELOCITY:
        return catalogue.velocities.ravel()
    values = catalogue.columns[name].astype(np.float64)
    if name != "mass":
        return values
    if len(values) and values.min() <= 0:
        raise InputError(
            f"expected positive masses in Msun/h, got {values.min():g}; the mass column holds "
            "masses, not their logarithm: pass 10**log10_mass"
        )
    return np.log10(values)


def _compare_mark(
    name: str,
    unit: str,
    held_out: list[np.ndarray],
    generated: list[np.ndarray],
    bins: int,
    seed: int,
) -> MarkComparison:
    truth, mock = np.concatenate(held_out), np.concatenate(generated)
    constant = not spread(np.concatenate([truth, mock]), SINGLE) > 0
    if constant:  # but for last digits, which are no difference
        held_out, generated = (
            [np.full_like(v, truth[0]) for v in each] for each in (held_out, generated)
        )
        truth, mock = np.concatenate(held_out), np.concatenate(generated)
    low, high = float(truth.min()), float(truth.max())
    largest = max(abs(low), abs(high))
    margin = 1e-3 * ((high - low) if spread(truth, SINGLE) > 0 else largest) or 0.5
    edges = np.linspace(low - margin, high + margin, bins + 1)
    return MarkComparison(
        name=name,
        unit=unit,
        edges=edges,
        held_out=_histogram(held_out, edges),
        generated=_histogram(generated, edges),
        held_out_moments=_moments(held_out),
        generated_moments=_moments(generated),
        held_out_quantiles=np.quantile(truth, LEVELS),
        generated_quantiles=np.quantile(mock, LEVELS),
        distance=_distance(mock, truth),
        outside=float(np.mean((mock < low) | (mock > high))),
        agreement=None if constant else _agreement(name, unit, held_out, generated),
        null=_null(held_out, seed),
    )


def _null(held_out: list[np.ndarray], seed: int) -> float:
    """The mean distance of halves of held-out."""
    nulls = [
        _distance(*(np.concatenate(list(compress(held_out, rows))) for rows in (half, ~half)))
        for half in halves(len(held_out), seed, repeats=8)
    ]
    return float(np.mean(nulls))


def _agreement(
    name: str, unit: str, held_out: list[np.ndarray], generated: list[np.ndarray]
) -> Agreement:
    """Mean, width and fractions between quantiles; what is relative to what is said above."""
    truth = np.concatenate(held_out)
    edges = np.unique(np.quantile(truth, PARTS))
    width = float(truth.std())
    sets = [_shares(values, float(truth.mean()), edges) for values in (generated, held_out)]
    fractions = sets[1].mean[2:]
    unit_of_mean = 1 / np.log(10) if name == MASS else width if width > 0 else 1.0
    scale = np.concatenate([[unit_of_mean, 1.0], np.where(fractions > 0, fractions, 1.0)])
    named = [f"{edge:.4g}" for edge in edges]
    between = [f"{a} to {b}" for a, b in itertools.pairwise(named)]
    parts = [f"below {named[0]}", *between, f"above {named[-1]}"]
    bins = ["mean", "width", *(f"{part} {unit}".strip() for part in parts)]
    return agree(sets[0], sets[1], bins, scale, scale > 0, together=False)


def _shares(values: list[np.ndarray], centre: float, edges: np.ndarray) -> Shares:
    """The mean less ``centre``, ln of the width, and the fractions, with their pseudo-values."""
    number = np.array([[len(v)] for v in values], np.float64)
    moments = np.array([[np.sum(v - centre), np.sum((v - centre) ** 2)] for v in values])
    places = [np.searchsorted(edges, v, side="right") for v in values]
    counts = np.array([np.bincount(place, minlength=len(edges) + 1) for place in places])
    sums = np.column_stack([moments, counts]).astype(np.float64)

    def measured(total: np.ndarray, points: np.ndarray) -> np.ndarray:
        found = total / points
        variance = np.maximum(found[..., 1] - found[..., 0] ** 2, np.finfo(np.float64).tiny)
        found[..., 1] = np.log(variance) / 2
        return found

    whole, points = sums.sum(axis=0), number.sum(axis=0)
    rest = points - number
    without = measured(whole - sums, np.where(rest > 0, rest, np.nan))
    value, size = measured(whole, points), len(values)
    return Shares.of(value, size * value - (size - 1) * without)


def _distance(first: np.ndarray, second: np.ndarray) -> float:
    return float(stats.ks_2samp(first, second, method="asymp").statistic)


def _histogram(values: list[np.ndarray], edges: np.ndarray) -> Curve:
    """Fraction of points per bin; the jackknife error, not below that of Poisson counts."""
    counts = np.array([np.histogram(v, edges)[0] for v in values], np.float64)
    number = np.array([[len(v)] for v in values], np.float64) * np.ones_like(counts)
    curve = Ratio(counts, number).curve()
    poisson = np.sqrt(np.maximum(counts.sum(axis=0), 1)) / number[:, 0].sum()
    return dataclasses.replace(curve, error=np.maximum(curve.error, poisson))


def _moments(values: list[np.ndarray]) -> Moments:
    """About the pooled mean, where squares lose nothing to rounding."""
    number = np.array([len(v) for v in values], np.float64)
    centre = float(np.concatenate(values).mean())
    sums = np.array([[np.sum(v - centre), np.sum((v - centre) ** 2)] for v in values])
    result = jackknife_ratio(sums, number[:, None])
    variance = float(result.mean[1])
    std = np.sqrt(variance)
    error = float(result.error[1]) / (2 * std) if std > 0 else 0.0
    return Moments(centre, float(result.error[0]), float(std), error)
