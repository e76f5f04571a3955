"""How many points a catalogue has, given its condition: p(N | condition).

The log of the mean is a polynomial of the standardised condition c, of order two where there are
enough catalogues::

    log m(c) = b_0 + sum_i b_i c_i + sum_{i <= j} b_ij c_i c_j

fitted by likelihood under a wide prior (:mod:`galgen.data.count_regression`). Galaxies cluster, so
counts vary more than Poisson's: where the Pearson statistic

    X^2 = sum (N - m)^2 / m

exceeds its degrees of freedom by two standard deviations, counts are negative binomial (a Poisson
whose mean is gamma distributed), V(m) = m + a m^2, with a fitted by likelihood too. Where it falls
short by as much (catalogues cut to a fixed number), counts are a rounded Gaussian of variance
V(m) = f m. Counts may be anything from zero: an empty catalogue is one of zero points.

A few catalogues may be of another kind than all others, such as one of 3000 points among thirties.
Fitted with them, p(N) would be wrong for all. Up to five, and one in twenty (one, of ten or more),
are left out where a fit to the others makes them all but impossible; their numbers are in
:attr:`Cardinality.left_out`.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import Annotated

import numpy as np
from jaxtyping import Bool, Float, Int, Real

from galgen.checked import ABOVE_ZERO, NotNegative, Whole, at_most, between, checked
from galgen.data.count_regression import fit_mean, fit_overdispersion, leverage, tail
from galgen.errors import InputError

MOST_DEVIANT = 5
"""Catalogues that may be left out, and at most one in twenty."""
FEW = 10
"""Catalogues of which one may be; fewer do not tell which of them is of another kind."""
IMPOSSIBLE = 1e-9
"""Expected number of catalogues as far out as one that is left out."""
EXCESS = 2.0
"""Over the largest number that was fitted; no mean is larger."""
SMALLEST_RATIO = 1e-9
"""Of variance to mean, of numbers that are all equal."""


@dataclasses.dataclass(frozen=True)
@checked
class Cardinality:
    """The distribution of the number of points, learned by :meth:`fit`.

    Attributes:
        coefficients: b of the polynomial, in the order of :func:`polynomial_terms`.
        order: of the polynomial, 0 to 2.
        parameters: number of conditioning parameters.
        overdispersion: a in V(m) = m + a m^2; zero for Poisson.
        underdispersion: f in V(m) = f m; one for Poisson.
        largest: mean number that the polynomial is held to; far from where it was fitted it may
            rise without bound.
        left_out: numbers of points of the catalogues that were left out of the fit.
    """

    coefficients: tuple[Annotated[float, between(-1e6, 1e6)], ...]
    order: Annotated[int, between(0, 2)]
    parameters: Annotated[int, between(0, 100)]
    overdispersion: NotNegative = 0.0
    underdispersion: NotNegative = 1.0
    largest: Annotated[float, ABOVE_ZERO, at_most(1e15)] = 1e12
    left_out: tuple[Whole, ...] = ()

    def __post_init__(self) -> None:
        wanted = math.comb(self.parameters + self.order, self.order)
        if len(self.coefficients) != wanted:
            raise InputError(
                f"expected {wanted} coefficients of a polynomial of order {self.order} in "
                f"{self.parameters} parameters, got {len(self.coefficients)}; fit it again"
            )

    @classmethod
    def fit(
        cls,
        counts: Sequence[float] | Real[np.ndarray, " catalogues"],
        condition: Float[np.ndarray, "catalogues condition"] | None = None,
    ) -> Cardinality:
        """Fit to the counts of catalogues under their standardised condition.

        Raises:
            InputError: if there are no counts, one is negative or no number, or the condition has
                another number of rows or values that are not finite.
        """
        n = np.asarray(counts, dtype=np.float64)
        if n.ndim != 1 or not len(n) or not np.all((n >= 0) & np.isfinite(n)):
            raise InputError(
                f"expected a number of points of 0 or more of every catalogue, got {counts}; "
                "pass one count per catalogue"
            )
        c = np.zeros((len(n), 0)) if condition is None else np.asarray(condition, np.float64)
        if c.ndim != 2 or len(c) != len(n):
            raise InputError(
                f"expected a condition of shape ({len(n)}, parameters), got {c.shape}; "
                "pass one row per catalogue"
            )
        if not np.all(np.isfinite(c)):
            raise InputError(
                f"expected finite conditions, got {int(np.sum(~np.isfinite(c)))} values that are "
                "not; leave out these catalogues, or the parameter by --data.condition"
            )
        parameters = c.shape[1]
        order = 2 if parameters else 0
        while order and len(polynomial_terms(parameters, order)) >= len(n):
            order -= 1
        design = _design(c, order)
        far = _deviant(design, n)
        left_out = tuple(int(number) for number in n[far])
        design, n = design[~far], n[~far]
        coefficients, over, under = _fit(design, n)
        largest = EXCESS * max(float(n.max()), 1.0)
        return cls(tuple(coefficients.tolist()), order, parameters, over, under, largest, left_out)

    def mean(
        self, condition: Float[np.ndarray, "*lead condition"] | None = None
    ) -> Float[np.ndarray, "*lead"]:
        """The mean number of points at a standardised condition.

        Raises:
            InputError: if the condition has another number of parameters than was fitted.
        """
        c = np.zeros(self.parameters) if condition is None else np.asarray(condition, np.float64)
        if c.shape[-1:] != (self.parameters,) or (condition is None and self.parameters):
            raise InputError(
                f"expected {self.parameters} conditioning parameters, got "
                f"{None if condition is None else c.shape}; pass the condition it was fitted with"
            )
        logarithm = _design(c, self.order) @ np.array(self.coefficients)
        return np.asarray(np.exp(np.minimum(logarithm, np.log(self.largest))))

    def variance(
        self, condition: Float[np.ndarray, "*lead condition"] | None = None
    ) -> Float[np.ndarray, "*lead"]:
        """The variance of the number of points."""
        mean = self.mean(condition)
        return np.asarray(self.underdispersion * mean + self.overdispersion * mean**2)

    def sample(
        self,
        rng: np.random.Generator,
        condition: Float[np.ndarray, "*lead condition"] | None = None,
        number: int | None = None,
    ) -> Int[np.ndarray, "..."]:
        """Numbers of points; zero where catalogues may be empty.

        Args:
            rng: the random generator.
            condition: standardised; the draws have its leading shape.
            number: draw this many, at one condition.
        """
        mean = self.mean(condition)
        if number is not None:
            mean = np.broadcast_to(mean, (number,))
        if self.overdispersion > 0:
            shape = 1 / self.overdispersion
            drawn = rng.poisson(mean * rng.gamma(shape, 1 / shape, mean.shape))
        elif self.underdispersion < 1:
            drawn = np.rint(rng.normal(mean, np.sqrt(self.underdispersion * mean)))
        else:
            drawn = rng.poisson(mean)
        return np.asarray(np.maximum(drawn, 0), dtype=np.int64)


def polynomial_terms(parameters: int, order: int) -> list[tuple[int, ...]]:
    """Monomials up to ``order``, each as the parameters it multiplies: (), (0,), (1,), (0, 0)..."""
    return [
        term
        for degree in range(order + 1)
        for term in itertools.combinations_with_replacement(range(parameters), degree)
    ]


def _design(c: np.ndarray, order: int) -> np.ndarray:
    terms = polynomial_terms(c.shape[-1], order)
    return np.stack([np.prod(c[..., list(term)], axis=-1) for term in terms], axis=-1)


def _fit(design: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Coefficients, overdispersion and underdispersion."""
    freedom = len(n) - design.shape[1]
    coefficients = fit_mean(design, n, 0.0)
    if freedom < 1:
        return coefficients, 0.0, 1.0
    mean = _mean(design, coefficients)
    pearson, slack = float(np.sum((n - mean) ** 2 / mean)), _slack(mean, freedom)
    if pearson < freedom - slack:
        return coefficients, 0.0, max(pearson / freedom, SMALLEST_RATIO)
    if pearson <= freedom + slack:
        return coefficients, 0.0, 1.0
    over = fit_overdispersion(design, n)
    return fit_mean(design, n, over), over, 1.0


def _mean(design: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Above zero also where it underflows."""
    return np.asarray(np.exp(np.clip(design @ coefficients, -300.0, 300.0)))


def _slack(mean: np.ndarray, freedom: int) -> float:
    """Two standard deviations of X^2 of Poisson counts, of which a term has 2 + 1 / m."""
    return float(2 * np.sqrt(np.mean(2 + 1 / mean) * freedom))


def _deviant(design: np.ndarray, n: np.ndarray) -> Bool[np.ndarray, " catalogues"]:
    """The few catalogues that are all but impossible by a fit to the others."""
    none = found = np.zeros(len(n), bool)
    if not _fit(design, n)[1]:
        return none
    most = min(max(len(n) // 20, len(n) >= FEW), MOST_DEVIANT)
    # Those farthest from the median first; then those that are least expected, one by one.
    farthest = np.argsort(-np.abs(np.log((n + 0.5) / (np.median(n) + 0.5))), kind="stable")
    one_by_one = none
    for number in range(1, most + 1):
        expected = np.where(one_by_one, np.inf, _expected(design, n, one_by_one))
        one_by_one = one_by_one | (np.arange(len(n)) == np.argmin(expected))
        for removed in (np.isin(np.arange(len(n)), farthest[:number]), one_by_one):
            if np.all(_expected(design, n, removed)[removed] < IMPOSSIBLE):
                found = removed
    return found


def _expected(
    design: np.ndarray, n: np.ndarray, removed: Bool[np.ndarray, " catalogues"]
) -> Float[np.ndarray, " catalogues"]:
    """Catalogues as far out as each that are expected among all, by a fit to those not removed."""
    rest = design[~removed], n[~removed]
    coefficients, over, _ = _fit(*rest)
    # Both the mean and the scatter may be off by as much as the others leave open.
    mean = _mean(design, coefficients)
    freedom = max(len(rest[1]) - design.shape[1], 1)
    hidden = 2 * _slack(mean[~removed], freedom) / np.sum(mean[~removed])
    wider = max(over, hidden) * (1 + 4 / np.sqrt(freedom))
    reach = 4 * np.sqrt(leverage(*rest, coefficients, over, design))
    nearer = mean * np.exp(np.clip(np.log((n + 0.5) / mean), -reach, reach))
    return np.asarray(len(n) * tail(n, nearer, wider))
