r"""Posterior predictive checks: would the model, at its own posterior, make what was seen?

A statistic S (a vector) of the observed catalogue is set against those of catalogues drawn from the
model at conditions drawn from the posterior (Gelman, Meng and Stern 1996). Each component has the
two-sided p-value of its rank among the draws; all of them together the p-value of

    chi^2 = (S - <S>)^T C^-1 (S - <S>)

with mean and covariance of the draws. It is ranked among the same quantity of each draw against all
others. So it is right for any distribution of S and any number of draws. The posterior has seen the
data, and p-values lean towards 1/2: small ones are the more serious.

A rank among n draws is no smaller than 1 / (n + 1). Where S is near a Gaussian, of p components,
chi^2 has a law of its own with any tail (Hotelling 1931, Ann. Math. Statist. 2, 360)::

    n (n - p) / ((n + 1) (n - 1) p)  chi^2   ~   F(p, n - p)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float
from scipy import stats

from galgen.data.catalogue import Catalogue
from galgen.errors import InputError
from galgen.measurements.counts import Joint, LogNumber
from galgen.measurements.pairs import Correlation
from galgen.measurements.statistic import Statistic
from galgen.resolution import SINGLE, spread


@dataclasses.dataclass(frozen=True, eq=False)
class PredictiveCheck:
    """An observed statistic among those of the model.

    ======== ======================= ===================================
    field    shape                   meaning
    ======== ======================= ===================================
    observed ``(components,)``       of the catalogue
    drawn    ``(draws, components)`` of catalogues drawn at the posterior
    ======== ======================= ===================================
    """

    observed: Float[np.ndarray, " components"]
    drawn: Float[np.ndarray, "draws components"]

    def __post_init__(self) -> None:
        if not (np.all(np.isfinite(self.drawn)) and np.all(np.isfinite(self.observed))):
            raise InputError("expected finite statistics, got some that are not; take wider bins")

    @property
    def p_values(self) -> Float[np.ndarray, " components"]:
        """Two-sided, of each component."""
        above = np.sum(self.drawn >= self.observed, axis=0) + 1
        below = np.sum(self.drawn <= self.observed, axis=0) + 1
        return np.minimum(1.0, 2 * np.minimum(above, below) / (len(self.drawn) + 1))

    @property
    def p_value(self) -> float:
        """The p-value of all components together, without those that are equal up to rounding.

        NaN where none is left.
        """
        everything = self._standard
        if not everything.shape[1]:
            return float("nan")
        distances = np.array(
            [
                _distance(row, np.delete(everything, i, axis=0))[0]
                for i, row in enumerate(everything)
            ]
        )
        return float(np.mean(distances >= distances[0]))

    @property
    def gaussian_p_value(self) -> float:
        """The same by the law of a Gaussian; 0 where what is equal in all draws is another.

        NaN where nothing differs.
        """
        everything, n = self._standard, len(self.drawn)
        if not everything.shape[1]:
            return float("nan")
        squared, components = _distance(everything[0], everything[1:])
        p = max(components, 1)  # of none the distance is infinite
        return float(stats.f.sf(squared * n * (n - p) / ((n + 1) * (n - 1) * p), p, n - p))

    @property
    def _standard(self) -> Float[np.ndarray, "more components"]:
        """The observed and the drawn, without what is equal in all, in units of its spread."""
        everything = np.concatenate([self.observed[None], self.drawn])
        scale = spread(everything)
        return everything[:, scale > 0] / scale[scale > 0]


def predictive_check(
    catalogue: Catalogue,
    drawn: Sequence[Catalogue],
    statistic: Callable[[Catalogue], Float[np.ndarray, " components"]],
) -> PredictiveCheck:
    """The check of a catalogue by a statistic of whole catalogues.

    Args:
        catalogue: what was observed.
        drawn: from the model, each at another draw of the posterior.
        statistic: a :class:`~galgen.measurements.statistic.Statistic` with edges, as that of
            :func:`correlation`, or another function from a catalogue to a vector.

    Raises:
        InputError: for too few draws for the number of components, or values that are not finite.
    """
    observed = np.asarray(statistic(catalogue), np.float64)
    values = np.array([statistic(one) for one in drawn], np.float64).reshape(len(drawn), -1)
    if len(drawn) < observed.size + 5:
        raise InputError(
            f"expected at least {observed.size + 5} drawn catalogues for {observed.size} numbers "
            f"each, got {len(drawn)}; draw more, or take fewer bins"
        )
    return PredictiveCheck(observed, values)


def correlation(edges: Float[np.ndarray, " edges"]) -> Statistic:
    """ln N and xi(r) in bins of separation [Mpc/h]."""
    return Joint((LogNumber(), Correlation(tuple(np.asarray(edges, np.float64).tolist()))))


def _distance(value, others):
    """chi^2 above, infinite off a plane that holds all the others, and components of the plane."""
    size, directions = np.linalg.eigh(np.atleast_2d(np.cov(others, rowvar=False)))
    gap = directions.T @ (value - others.mean(axis=0))
    wide = size > SINGLE**2  # columns have a deviation of 1
    if np.any(np.abs(gap[~wide]) > SINGLE):
        return np.inf, int(wide.sum())
    return float(np.sum(gap[wide] ** 2 / size[wide])), int(wide.sum())
