"""Whether a measure of two sets of catalogues agrees: a test of equality and one of equivalence.

A measure of a set is a vector m of p bins. Every catalogue has a *share* in it: its own value where
m is a mean, its jackknife pseudo-value otherwise (:mod:`galgen.measurements.ratio`). With S_s the
covariance of the n_s shares of set s about what explains them, f_s its degrees of freedom, and d
the difference of the two measures, V = sum_s S_s / n_s is the covariance of d.

**Is there a difference?** One bin: Welch's t. All together: Hotelling's T² for unequal covariances
(Krishnamoorthy & Yu 2004, Stat. Probab. Lett. 66, 161), with V_s = S_s / n_s::

    T² = d^T V^-1 d,    T² (nu - p + 1) / (nu p) ~ F(p, nu - p + 1)
    nu = (p + p²) / sum_s { tr[(V^-1 V_s)²] + tr[V^-1 V_s]² } / f_s

for p = 1 that is Welch's. It is used for nu > 5 p. The p-value of a measure is twice the smaller
one of T² and of p times that of the bin that differs most (Bonferroni), or the latter alone.

**Is it larger than a tolerance?** The error of a bin is e = d / scale. The scale is |m_t|, or the
scatter of one catalogue where that is larger: a bin in which held-out lies within a few errors of
zero (*weak*) has no percentage. It can show a fault, and need not be good. Two one-sided t-tests at
5% (Schuirmann 1987, J. Pharmacokinet. Biopharm. 15, 657) show a bin within a tolerance if the 90%
interval of e is. A measure is shown good if all its strong bins are: such a claim is wrong at most
once in twenty times, whatever the number of bins (Berger 1982, Technometrics 24, 295).

**What scatters.** Where both sets hold the same cosmologies in the same proportions, differences
between cosmologies are no noise in d. S is then taken about the mean of every condition where
catalogues are repeated there, and about a straight line in the varying parameters otherwise.
Where every generated catalogue was drawn on the field of a held-out one, what the field decides is
no noise in d either: the shares of each are taken less those of its partner, S_t = 0, and T² is
that of one set.
"""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

from galgen.measurements.ratio import Ratio, divided
from galgen.resolution import resolved
from galgen.validation.sets import Conditions

LEAST_EIGENVALUE = 1e-8
"""Of a correlation matrix, below which it is taken as singular."""
FREEDOM_PER_BIN = 5
"""Degrees of freedom per bin below which a covariance is not inverted."""
LEVEL = 0.05
"""Of a whole report to find a fault in truth; of a single claim that something is good."""
POWER = 0.8
"""Probability with which the error that a verdict names would be found."""


class CovarianceKind(enum.StrEnum):
    """What the covariance of a difference gave."""

    FULL = "full"
    TOO_FEW = "too few catalogues"
    SINGULAR = "singular"
    NOTHING_VARIES = "nothing varies"


class About(enum.StrEnum):
    """What a covariance is taken about."""

    MEAN = "mean"
    CONDITION = "condition"
    LINE = "line"
    PAIR = "pair"


@dataclasses.dataclass(frozen=True)
class Shares:
    """A measure of one set, and what is left of the share of every catalogue.

    ========== ====================== =========================================================
    field      shape                  meaning
    ========== ====================== =========================================================
    mean       ``(bins,)``            the measure
    rest       ``(catalogues, bins)`` shares less what explains them
    freedom    int                    by which their squares are divided
    floor      ``(bins,)``            least variance of the measure
    effective  float                  degrees of freedom of their covariance, fewer than ``freedom``
                                      where shares have longer tails than a Gaussian
    ========== ====================== =========================================================
    """

    mean: Float[np.ndarray, "bins"]
    rest: Float[np.ndarray, "catalogues bins"]
    freedom: int
    floor: Float[np.ndarray, "bins"]
    effective: float

    @classmethod
    def of(
        cls,
        mean: Float[np.ndarray, "bins"],
        shares: Float[np.ndarray, "catalogues bins"],
        design: Float[np.ndarray, "catalogues terms"] | None = None,
        floor: Float[np.ndarray, "bins"] | float = 0.0,
    ) -> Shares:
        """About a mean or a design of least squares; what rounding alone tells apart is equal."""
        design = np.ones((len(shares), 1)) if design is None else design
        known = np.isfinite(shares)
        filled = np.where(known, shares, 0.0)
        solution, _, rank, _ = np.linalg.lstsq(design, filled, rcond=None)
        rest = filled - design @ solution
        differs = resolved(rest.std(axis=0), np.abs(filled).max(axis=0))
        rest = np.where(known.all(axis=0), np.where(differs, rest, 0.0), np.nan)
        low = np.broadcast_to(np.asarray(floor, np.float64), mean.shape)
        freedom = len(shares) - int(rank)
        return cls(np.asarray(mean, np.float64), rest, freedom, low, float(freedom))

    @property
    def covariance(self) -> Float[np.ndarray, "bins bins"]:
        """Of the measure; NaN without a degree of freedom."""
        bins = len(self.mean)
        if self.freedom < 1:
            return np.full((bins, bins), np.nan)
        found = self.rest.T @ self.rest / (self.freedom * len(self.rest))
        return found + np.diag(np.maximum(self.floor - np.diag(found), 0.0))


@dataclasses.dataclass(frozen=True)
class Agreement:
    """A measure of generated against held-out.

    ============ =========== ==================================================================
    field        shape       meaning
    ============ =========== ==================================================================
    bins         tuple       names of the bins
    error        ``(bins,)`` e above; NaN where held-out has nothing
    noise        ``(bins,)`` its standard error
    freedom      ``(bins,)`` degrees of freedom of the noise
    strong       ``(bins,)`` whether a percentage of held-out has a meaning
    catalogues   int         of the smaller set
    kind         enum        whether bins are taken together, or why not
    about        enum        what the covariance is taken about; a line is one in ``parameters``
    parameters   tuple       that vary in held-out
    chi_square   float       T² (nu - p - 1) / (nu p), 1 on average for truth; the mean of t² where
                             bins are taken one by one
    degrees      int         bins p in it
    p_value      float       of no difference at all
    ============ =========== ==================================================================
    """

    bins: tuple[str, ...]
    error: Float[np.ndarray, "bins"]
    noise: Float[np.ndarray, "bins"]
    freedom: Float[np.ndarray, "bins"]
    strong: Bool[np.ndarray, "bins"]
    catalogues: int
    kind: CovarianceKind
    about: About
    parameters: tuple[str, ...]
    chi_square: float
    degrees: int
    p_value: float

    @property
    def full(self) -> bool:
        """Whether the whole covariance was used."""
        return self.kind is CovarianceKind.FULL

    @property
    def within(self) -> Float[np.ndarray, "bins"]:
        """The least tolerance to which every bin is shown good: infinite where it is no number."""
        reach = np.abs(self.error) + _quantile(1 - LEVEL, self.freedom) * self.noise
        return np.where(np.isnan(reach), np.inf, reach)

    @property
    def tolerance(self) -> float:
        """The least tolerance to which all strong bins are shown good; NaN for none."""
        return float(np.max(self.within[self.strong])) if self.strong.any() else math.nan

    def good(self, tolerance: float) -> Bool[np.ndarray, "bins"]:
        """Strong bins that are shown good to a tolerance."""
        return self.strong & (self.within <= tolerance)

    def bad(self, tolerance: float) -> Bool[np.ndarray, "bins"]:
        """Bins beyond the tolerance that differ at 5% by themselves, or are no number.

        They are shown bad if the measure is found to differ.
        """
        away = np.abs(self.error) > _quantile(1 - LEVEL / 2, self.freedom) * self.noise
        return (away & (np.abs(self.error) > tolerance)) | np.isinf(self.error)

    def worst(self, tolerance: float) -> int:
        """The bin whose error is surely the largest: of the bad ones, else of all."""
        reach = np.where(np.isinf(self.error), 0.0, _quantile(1 - LEVEL, self.freedom) * self.noise)
        surely = np.abs(self.error) - reach
        bad = self.bad(tolerance)
        shown = bad if bad.any() else self.strong if self.strong.any() else np.isfinite(surely)
        return int(np.argmax(np.where(shown, np.nan_to_num(surely, nan=-np.inf), -np.inf)))

    def detectable(self, tests: int, tolerance: float) -> float:
        """The least error, alike in all strong bins, that a report of so many tests finds with 80%.

        It is that of the most precise bin at the level of Bonferroni, which other bins and the
        covariance can only lower. An excess multiplies the noise of its own set too: of noise n
        and z standard errors, e = z n sqrt((1 + (1 + e)^2) / 2), half of it being of either set.
        Infinite for none.
        """
        kept = self.strong & (self.noise > 0)
        if not kept.any():
            return math.inf
        freedom, noise = self.freedom[kept], self.noise[kept]
        share = LEVEL / max(tests, 1) / max(len(self.bins), 1) / (2 if self.full else 1)
        chance = _quantile(POWER, freedom)
        square = np.square((_quantile(1 - share / 2, freedom) + chance) * noise)
        with np.errstate(invalid="ignore", divide="ignore"):
            found = (square + np.sqrt(square * (4 - square))) / (2 - square)
        found = np.where(square < 2, found, np.inf)
        return float(np.min(np.maximum(found, tolerance + chance * noise)))

    def enough(self, tolerance: float) -> float:
        """About how many catalogues of each set would show good, with 80%, what is right."""
        if not self.strong.any():
            return math.nan
        reach = stats.norm.ppf(1 - LEVEL) + stats.norm.ppf((1 + POWER) / 2)
        return float(
            np.ceil(self.catalogues * np.max(reach * self.noise[self.strong] / tolerance) ** 2)
        )


def agree(
    generated: Shares,
    held_out: Shares,
    names: Sequence[str],
    scale: Float[np.ndarray, "bins"],
    strong: Bool[np.ndarray, "bins"],
    about: About = About.MEAN,
    parameters: Sequence[str] = (),
    together: bool = True,
) -> Agreement:
    """Compare a measure of two sets.

    Args:
        generated, held_out: of both.
        names: of the bins.
        scale: what an error is relative to; positive.
        strong: where a percentage of held-out has a meaning.
        about, parameters: what the shares were taken about.
        together: whether the bins may be taken together.

    Returns:
        The agreement. A bin where held-out has nothing, or whose noise is not known, takes no part;
        one where generated alone is no number is infinitely wrong.
    """
    difference = generated.mean - held_out.mean
    larger = np.maximum(np.abs(generated.mean), np.abs(held_out.mean))
    difference = np.where(
        resolved(np.abs(difference), larger) | np.isnan(difference), difference, 0.0
    )
    parts = [each.covariance for each in (generated, held_out)]
    free = np.maximum([generated.effective, held_out.effective], 1.0)
    variances = np.array([np.diag(part) for part in parts])
    variance = variances.sum(axis=0)
    freedom = divided(variance**2, np.sum(variances**2 / free[:, None], axis=0))
    freedom = np.where(np.isnan(freedom), free.sum(), freedom)
    noise = np.sqrt(variance)
    lost = np.isfinite(held_out.mean) & ~np.isfinite(generated.mean)
    deviation = np.where(
        noise > 0, divided(difference, noise), np.where(difference == 0, 0.0, np.inf)
    )
    deviation = np.where(np.isnan(difference + noise), np.nan, deviation)
    singly = np.where(lost, 0.0, 2 * stats.t.sf(np.abs(deviation), freedom))
    kept = np.isfinite(deviation) & (noise > 0)
    kind, chi_square, p_value = CovarianceKind.NOTHING_VARIES, math.nan, math.nan
    if kept.any():
        square = deviation[kept] ** 2
        kind, chi_square = CovarianceKind.TOO_FEW, float(np.mean(square))
    if kept.any() and together:
        chosen = [part[np.ix_(kept, kept)] for part in parts]
        kind, square, nu = _hotelling(difference[kept], chosen, free)
        if kind is CovarianceKind.FULL:
            bins = int(kept.sum())
            chi_square = square * (nu - bins - 1) / (nu * bins)
            p_value = float(stats.f.sf(square * (nu - bins + 1) / (nu * bins), bins, nu - bins + 1))
    if known := int(np.isfinite(singly).sum()):
        least = min(1.0, known * float(np.nanmin(singly)))
        p_value = least if known == 1 or math.isnan(p_value) else min(1.0, 2 * min(p_value, least))
    return Agreement(
        bins=tuple(names),
        error=np.where(lost, np.inf, difference / scale),
        noise=noise / scale,
        freedom=freedom,
        strong=strong & (~np.isnan(deviation) | lost),
        catalogues=min(len(generated.rest), len(held_out.rest)),
        kind=kind,
        about=about,
        parameters=tuple(parameters),
        chi_square=chi_square,
        degrees=int(kept.sum()),
        p_value=p_value,
    )


def agree_number(error: float, noise: float, freedom: float, catalogues: int) -> Agreement:
    """Of one number whose error and noise are known; NaN for one that cannot be judged."""
    known = math.isfinite(error) and noise > 0
    deviation = abs(error) / noise if known else math.nan
    return Agreement(
        ("",), np.array([error]), np.array([noise]), np.array([float(freedom)]), np.array([known]),
        catalogues, CovarianceKind.FULL, About.MEAN, (), deviation**2, int(known),
        float(2 * stats.t.sf(deviation, freedom)),
    )  # fmt: skip


def agree_means(
    generated: Ratio,
    held_out: Ratio,
    conditions: Conditions,
    names: Sequence[str],
    significance: float,
) -> Agreement:
    """Compare the means of a statistic.

    Args:
        generated, held_out: the statistic of both sets.
        conditions: of the same catalogues.
        names: of the bins.
        significance: a bin is strong where held-out is more than so many errors from zero.
    """
    designs, about = _designs(conditions)
    shares = [ratio.pseudo_values() for ratio in (generated, held_out)]
    floors = [ratio.poisson_error() ** 2 for ratio in (generated, held_out)]
    mock, truth = (
        Shares.of(ratio.mean(), *each)
        for ratio, *each in zip((generated, held_out), shares, designs, floors, strict=True)
    )
    scatter = np.sqrt(np.nan_to_num(np.diag(truth.covariance)) * len(truth.rest))
    size = np.abs(truth.mean)
    strong = size > significance * scatter / math.sqrt(len(truth.rest))
    scale = np.where(strong, size, np.maximum(np.nan_to_num(size), scatter))
    scale = np.where(scale > 0, scale, 1.0)
    if conditions.partners is not None:
        difference = shares[0] - shares[1][conditions.partners]
        # Poisson errors are those of independent pairs: they count where no difference scatters.
        still = np.all(difference == difference[0], axis=0)
        mock = Shares.of(mock.mean, difference, floor=np.where(still, sum(floors), 0.0))
        truth = Shares.of(truth.mean, np.zeros_like(difference))
        about = About.PAIR
    return agree(mock, truth, names, scale, strong, about, conditions.names)


def _designs(conditions: Conditions) -> tuple[list[np.ndarray], About]:
    """What explains the shares of generated and of held-out."""
    groups = (conditions.generated, conditions.held_out)
    parameters = (conditions.generated_parameters, conditions.held_out_parameters)
    least = 2 * (len(conditions.names) + 1)
    if conditions.matched and conditions.repeated and conditions.varied:
        return [(g[:, None] == np.unique(g)).astype(float) for g in groups], About.CONDITION
    if conditions.matched and conditions.names and min(map(len, groups)) > least:
        return [
            np.column_stack([np.ones(len(values)), values - values.mean(axis=0)])
            for values in parameters
        ], About.LINE
    return [np.ones((len(g), 1)) for g in groups], About.MEAN


def _hotelling(
    difference: np.ndarray, parts: Sequence[np.ndarray], freedom: np.ndarray
) -> tuple[CovarianceKind, float, float]:
    """Whether T² can be had; it, and nu."""
    bins, whole = len(difference), np.sum(parts, axis=0)
    error = np.sqrt(np.diag(whole))
    if np.linalg.eigvalsh(whole / np.outer(error, error))[0] < LEAST_EIGENVALUE:
        few = freedom.sum() <= FREEDOM_PER_BIN * bins
        return CovarianceKind.TOO_FEW if few else CovarianceKind.SINGULAR, math.nan, math.nan
    inverse = np.linalg.inv(whole / np.outer(error, error)) / np.outer(error, error)
    spent = 0.0
    for part, f in zip(parts, freedom.tolist(), strict=True):
        product = inverse @ part
        spent += (float(np.sum(product * product.T)) + float(np.trace(product)) ** 2) / f
    nu = (bins + bins**2) / spent
    if bins > 1 and nu <= FREEDOM_PER_BIN * bins:
        return CovarianceKind.TOO_FEW, math.nan, math.nan
    return CovarianceKind.FULL, float(difference @ inverse @ difference), nu


def holm(p_values: Sequence[float], level: float = LEVEL) -> list[bool]:
    """Which hypotheses fall if at most ``level`` of all reports may drop a true one (Holm 1979).

    NaN is no test, and is kept.
    """
    known = sorted((p, i) for i, p in enumerate(p_values) if not math.isnan(p))
    dropped = [False] * len(p_values)
    for rank, (p, i) in enumerate(known):
        if p > level / (len(known) - rank):
            break
        dropped[i] = True
    return dropped


def _quantile(level: float, freedom: np.ndarray) -> np.ndarray:
    """Of Student's t."""
    return np.asarray(stats.t.ppf(level, np.maximum(freedom, 1.0)))
