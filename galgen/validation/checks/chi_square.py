"""Chi-square of the mean of generated against held-out, with the whole covariance of held-out.

With d the difference of the two means and C the covariance of **one** held-out catalogue, estimated
with nu degrees of freedom from n catalogues (n - 1 about their mean), both means have the
covariance C (1/n_g + 1/n_t) if the mock is right::

    T² = d^T C^-1 d / (1/n_g + 1/n_t),     chi² = h T²,    h = (nu - p - 1) / nu

h, for p bins, makes the inverse of C unbiased (Hartlap et al. 2007, A&A 464, 399: h = (n - p - 2) /
(n - 1)). The p-value needs no h: for Gaussian C, T² (nu - p + 1) / (nu p) follows Fisher's
F(p, nu - p + 1) (Hotelling 1931); compare the t-likelihood of Sellentin & Heavens
(2016, MNRAS 456, L132). With n <= p + 2 there is no inverse, and bins are taken as independent.

**What scatters.** When both sets hold the same cosmologies in the same proportions, differences
between cosmologies are no noise in d. C is then taken about the mean of every condition where
catalogues are repeated there, about a straight line in the varying parameters otherwise, and about
the mean of the split where the sets do not match. C is made of pseudo-values
(:mod:`galgen.measurements.ratio`): about the mean it is n times the jackknife covariance.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy import stats

from galgen.measurements.ratio import Ratio
from galgen.resolution import resolved
from galgen.validation.sets import Conditions

LEAST_EIGENVALUE = 1e-8
"""Of a correlation matrix, below which it is taken as singular."""


class CovarianceKind(enum.StrEnum):
    """What the covariance of held-out gave."""

    FULL = "full"
    TOO_FEW = "too few catalogues"
    SINGULAR = "singular"
    NOTHING_VARIES = "nothing varies"


class About(enum.StrEnum):
    """What a covariance is taken about."""

    MEAN = "mean"
    CONDITION = "condition"
    LINE = "line"


@dataclasses.dataclass(frozen=True)
class ChiSquare:
    """Chi-square of the means.

    Attributes:
        value: chi² above, or the sum of squared deviations where bins are taken as independent.
        degrees: bins p that are kept.
        p_value: probability of more, if the mock is right.
        catalogues: of held-out.
        factor: h; 1 where bins are taken as independent.
        kind: bins are taken as independent unless it is full.
        about: what the covariance is taken about; a line is one in ``parameters``.
        parameters: that vary in held-out.
        constant: names of the bins that are the same in all of held-out, and left out.
    """

    value: float
    degrees: int
    p_value: float
    catalogues: int
    factor: float
    kind: CovarianceKind
    about: About
    parameters: tuple[str, ...]
    constant: tuple[str, ...]

    @property
    def full(self) -> bool:
        """Whether the whole covariance was used."""
        return self.kind is CovarianceKind.FULL

    @property
    def reduced(self) -> float:
        """Per degree of freedom; NaN for none."""
        return self.value / self.degrees if self.degrees else np.nan


def chi_square(
    generated: Ratio, held_out: Ratio, conditions: Conditions, names: Sequence[str] | None = None
) -> ChiSquare:
    """Chi-square of the mean of ``generated`` against that of ``held_out``.

    Bins that are the same in every catalogue of held-out, but for rounding, are left out.

    Args:
        generated, held_out: the statistic of both sets.
        conditions: of the same catalogues.
        names: of the bins.
    """
    difference = generated.mean() - held_out.mean()
    number = len(held_out.above)
    covariance, freedom, about = one_catalogue_covariance(held_out, conditions)
    share = 1 / len(generated.above) + 1 / number
    error = np.sqrt(np.diag(covariance))
    kept = ~np.isfinite(error) | (error > 0)
    constant = tuple(names[i] if names else f"bin {i}" for i in np.flatnonzero(~kept).tolist())

    def made(value: float, p_value: float, factor: float, kind: CovarianceKind) -> ChiSquare:
        origin = (kind, about, tuple(conditions.names), constant)
        return ChiSquare(value, int(kept.sum()), p_value, number, factor, *origin)

    if not kept.any():
        return made(np.nan, np.nan, 1.0, CovarianceKind.NOTHING_VARIES)
    difference, error = difference[kept], error[kept]
    covariance = covariance[np.ix_(kept, kept)]
    bins = len(difference)
    kind = CovarianceKind.FULL
    if freedom <= bins + 1:
        kind = CovarianceKind.TOO_FEW
    elif not np.all(error > 0) or _least_eigenvalue(covariance, error) < LEAST_EIGENVALUE:
        kind = CovarianceKind.SINGULAR
    if kind is not CovarianceKind.FULL:
        value = float(np.sum(difference**2 / (error**2 * share)))
        return made(value, float(stats.chi2.sf(value, bins)), 1.0, kind)
    scaled = difference / error
    correlation = covariance / np.outer(error, error)
    square = float(scaled @ np.linalg.solve(correlation, scaled)) / share
    p_value = float(
        stats.f.sf(square * (freedom - bins + 1) / (freedom * bins), bins, freedom - bins + 1)
    )
    factor = (freedom - bins - 1) / freedom
    return made(factor * square, p_value, factor, kind)


def one_catalogue_covariance(
    held_out: Ratio, conditions: Conditions
) -> tuple[Float[np.ndarray, "bins bins"], int, About]:
    """C, its degrees of freedom, and what it was taken about; 0 where C is rounding."""
    values = held_out.pseudo_values()
    number = len(values)
    design, about = np.ones((number, 1)), About.MEAN
    if conditions.matched and conditions.repeated and conditions.varied:
        design = (conditions.held_out[:, None] == np.unique(conditions.held_out)).astype(float)
        about = About.CONDITION
    elif conditions.matched and conditions.names and number > 2 * (len(conditions.names) + 1):
        parameters = conditions.held_out_parameters
        design = np.column_stack([design, parameters - parameters.mean(axis=0)])
        about = About.LINE
    solution, _, rank, _ = np.linalg.lstsq(design, values, rcond=None)
    rest = values - design @ solution
    freedom = number - int(rank)
    covariance = rest.T @ rest / freedom
    std = np.sqrt(np.diag(covariance))
    differs = np.isnan(std) | resolved(std, np.abs(values).max(axis=0))
    covariance = np.where(np.outer(differs, differs), covariance, 0.0)
    floor = held_out.poisson_error() ** 2 * number
    covariance += np.diag(np.maximum(floor - np.diag(covariance), 0.0))
    return covariance, freedom, about


def _least_eigenvalue(covariance: np.ndarray, error: np.ndarray) -> float:
    return float(np.linalg.eigvalsh(covariance / np.outer(error, error))[0])
