r"""Posterior predictive checks: would the model, at its own posterior, make what was seen?

A statistic S (a vector) of the observed catalogue is set against those of catalogues drawn from the
model at conditions drawn from the posterior (Gelman, Meng and Stern 1996). Each component has the
two-sided p-value of its rank among the draws; all of them together the p-value of

    chi^2 = (S - <S>)^T C^-1 (S - <S>)

with mean and covariance of the draws. It is ranked among the same quantity of each draw against all
others. So it is right for any distribution of S and any number of draws. The posterior has seen the
data, and p-values lean towards 1/2: small ones are the more serious.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

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
        everything = np.concatenate([self.observed[None], self.drawn])
        scale = spread(everything)
        if not np.any(scale > 0):
            return float("nan")
        everything = everything[:, scale > 0] / scale[scale > 0]
        distances = np.array(
            [_distance(row, np.delete(everything, i, axis=0)) for i, row in enumerate(everything)]
        )
        return float(np.mean(distances >= distances[0]))


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
    """chi^2 above; infinite off a plane that holds all the others."""
    size, directions = np.linalg.eigh(np.atleast_2d(np.cov(others, rowvar=False)))
    gap = directions.T @ (value - others.mean(axis=0))
    wide = size > SINGLE**2  # columns have a deviation of 1
    if np.any(np.abs(gap[~wide]) > SINGLE):
        return np.inf
    return float(np.sum(gap[wide] ** 2 / size[wide]))
