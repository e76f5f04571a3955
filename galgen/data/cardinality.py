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
Fitted with them, p(N) would be wrong for all. Up to five, and one in twenty, are left out where a
fit to the others makes them all but impossible; :attr:`Cardinality.left_out` lists their numbers.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import Annotated

import numpy as np
from jaxtyping import Bool, Float, Int, Real

from galgen.checked import NotNegative, Positive, Whole, between, checked
from galgen.data.count_regression import fit_mean, fit_overdispersion, leverage, tail
from galgen.errors import InputError

MOST_DEVIANT = 5
"""Catalogues that may be left out, and at most one in twenty."""
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

    coefficients: tuple[float, ...]
    order: Annotated[int, between(0, 2)]
    parameters: Annotated[int, between(0, 100)]
    overdispersion: NotNegative = 0.0
    underdispersion: NotNegative = 1.0
    largest: Positive = 1e12
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
    # Above zero also where it underflows.
    mean = np.exp(np.maximum(design @ coefficients, -300.0))
    pearson = float(np.sum((n - mean) ** 2 / mean))
    # The variance of a term is 2 + 1 / m: small numbers scatter more.
    slack = 2 * np.sqrt(np.mean(2 + 1 / mean) * freedom)
    if pearson < freedom - slack:
        return coefficients, 0.0, max(pearson / freedom, SMALLEST_RATIO)
    if pearson <= freedom + slack:
        return coefficients, 0.0, 1.0
    over = fit_overdispersion(design, n)
    return fit_mean(design, n, over), over, 1.0


def _deviant(design: np.ndarray, n: np.ndarray) -> Bool[np.ndarray, " catalogues"]:
    """The few catalogues that are all but impossible by a fit to the others."""
    removed, found = np.zeros((2, len(n)), bool)
    most = min(len(n) // 20, MOST_DEVIANT)
    for number in range(most + 1):
        rest = design[~removed], n[~removed]
        coefficients, over, _ = _fit(*rest)
        if not over and not number:
            break
        # Where the others tell little of the mean, it may be far off.
        unknown = leverage(*rest, coefficients, over, design)
        expected = len(n) * tail(n, np.exp(design @ coefficients), over + unknown)
        if number and np.all(expected[removed] < IMPOSSIBLE):
            found = removed.copy()
        removed[np.argmin(np.where(removed, np.inf, expected))] = number < most
    return found
