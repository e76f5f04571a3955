"""How many points a catalogue has, given its condition: p(N | condition).

The log of the mean is a polynomial of the standardised condition c, of order two where there are
enough catalogues::

    log m(c) = b_0 + sum_i b_i c_i + sum_{i <= j} b_ij c_i c_j

fitted by maximum likelihood with iteratively reweighted least squares (McCullagh and Nelder 1989,
section 2.5). Galaxies cluster, so counts vary more than Poisson's: where the Pearson statistic

    X^2 = sum (N - m)^2 / V(m)

with V = m exceeds its degrees of freedom by two standard deviations, counts are negative binomial
(a Poisson whose mean is gamma distributed), V(m) = m + a m^2, with a such that X^2 equals the
degrees of freedom. Where it falls short by as much (catalogues cut to a fixed number), counts are
a rounded Gaussian of variance V(m) = f m.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import brentq

from galgen.errors import InputError

RIDGE = 1e-3


@dataclasses.dataclass(frozen=True)
class Cardinality:
    """The distribution of the number of points, learned by :meth:`fit`.

    Attributes:
        coefficients: b of the polynomial, in the order of :func:`polynomial_terms`.
        order: of the polynomial, 0 to 2.
        parameters: number of conditioning parameters.
        overdispersion: a in V(m) = m + a m^2; zero for Poisson.
        underdispersion: f in V(m) = f m; one for Poisson.
    """

    coefficients: tuple[float, ...]
    order: int
    parameters: int
    overdispersion: float = 0.0
    underdispersion: float = 1.0

    @classmethod
    def fit(
        cls,
        counts: Sequence[int] | Int[np.ndarray, " catalogues"],
        condition: Float[np.ndarray, "catalogues condition"] | None = None,
    ) -> Cardinality:
        """Fit to the counts of catalogues under their standardised condition.

        Raises:
            InputError: if there are no counts, one is below one, or the condition has another
                number of rows.
        """
        n = np.asarray(counts, dtype=np.float64)
        if n.ndim != 1 or not len(n) or n.min() < 1:
            raise InputError(
                f"expected counts of at least one point each, got {counts}; drop empty catalogues"
            )
        c = np.zeros((len(n), 0)) if condition is None else np.asarray(condition, np.float64)
        if c.ndim != 2 or len(c) != len(n):
            raise InputError(
                f"expected a condition of shape ({len(n)}, parameters), got {c.shape}; "
                "pass one row per catalogue"
            )
        parameters = c.shape[1]
        order = 2 if parameters else 0
        while order and len(polynomial_terms(parameters, order)) >= len(n):
            order -= 1
        design = _design(c, order)
        coefficients, over, under = _fit(design, n)
        return cls(tuple(coefficients.tolist()), order, parameters, over, under)

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
        return np.asarray(np.exp(_design(c, self.order) @ np.array(self.coefficients)))

    def variance(
        self, condition: Float[np.ndarray, "*lead condition"] | None = None
    ) -> Float[np.ndarray, "*lead"]:
        """The variance of the number of points, before it is kept at one or more."""
        mean = self.mean(condition)
        return np.asarray(self.underdispersion * mean + self.overdispersion * mean**2)

    def sample(
        self,
        rng: np.random.Generator,
        condition: Float[np.ndarray, "*lead condition"] | None = None,
        number: int | None = None,
    ) -> Int[np.ndarray, "..."]:
        """Numbers of points, at least one.

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
        return np.asarray(np.maximum(drawn, 1), dtype=np.int64)


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
    freedom = len(n) - design.shape[1]
    coefficients = _reweighted(design, n, 0.0)
    if freedom < 1:
        return coefficients, 0.0, 1.0
    pearson = _pearson(design, n, coefficients, 0.0)
    slack = 2 * np.sqrt(2 * freedom)
    if pearson < freedom - slack:
        return coefficients, 0.0, float(pearson / freedom)
    if pearson <= freedom + slack:
        return coefficients, 0.0, 1.0
    over = 0.0
    for _ in range(20):
        previous = over
        over = _overdispersion(design, n, coefficients, freedom)
        coefficients = _reweighted(design, n, over)
        if abs(over - previous) < 1e-8:
            break
    return coefficients, over, 1.0


def _overdispersion(
    design: np.ndarray, n: np.ndarray, coefficients: np.ndarray, freedom: int
) -> float:
    def excess(over: float) -> float:
        return _pearson(design, n, coefficients, over) - freedom

    return float(brentq(excess, 0.0, 1e6)) if excess(0.0) > 0 else 0.0


def _pearson(design: np.ndarray, n: np.ndarray, coefficients: np.ndarray, over: float) -> float:
    mean = np.exp(design @ coefficients)
    return float(np.sum((n - mean) ** 2 / (mean + over * mean**2)))


def _reweighted(design: np.ndarray, n: np.ndarray, over: float) -> np.ndarray:
    """Iteratively reweighted least squares with a log link; a ridge on all but the constant."""
    ridge = RIDGE * np.eye(design.shape[1])
    ridge[0, 0] = 0.0
    log_mean = np.log(n)
    coefficients = np.zeros(design.shape[1])
    for _ in range(100):
        mean = np.exp(log_mean)
        weight = mean / (1 + over * mean)
        response = log_mean + (n - mean) / mean
        normal = design.T @ (weight[:, None] * design) / weight.mean() + ridge
        updated = np.linalg.solve(normal, design.T @ (weight * response) / weight.mean())
        change = np.max(np.abs(updated - coefficients))
        coefficients = updated
        log_mean = np.clip(design @ coefficients, -30, 30)
        if change < 1e-10:
            break
    return coefficients
