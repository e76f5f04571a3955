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

Fits and draws are in NumPy, the density in JAX, for samplers follow its gradient. What the Gaussian
has below zero is counted at zero::

    Poisson             N log m - m - log N!
    negative binomial   sum over k < N of log(1 + k / r) - log N! + N log(m r / (r + m))
                        - r log(1 + m / r),   r = 1 / a
    rounded Gaussian    log [F((N + 1/2 - m) / s) - F((N - 1/2 - m) / s)],   s^2 = f m
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from jaxtyping import Float, Int, Real

from galgen.arrays import library_of
from galgen.checked import ABOVE_ZERO, NotNegative, Whole, at_most, between, checked
from galgen.data.count_regression import deviant, fit_counts
from galgen.errors import InputError

if TYPE_CHECKING:
    from jaxtyping import Array

EXCESS = 2.0
"""Over the largest number that was fitted; no mean is larger."""


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
        far = deviant(design, n)
        left_out = tuple(int(number) for number in n[far])
        design, n = design[~far], n[~far]
        coefficients, over, under = fit_counts(design, n)
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
        return np.asarray(np.exp(self._log_mean(c)))

    def _log_mean(self, c: Any) -> Any:
        library = library_of(c)
        logarithm = library.sum(_design(c, self.order) * np.array(self.coefficients), axis=-1)
        return library.minimum(logarithm, math.log(self.largest))

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

    def log_prob(
        self, number: Int[Array, ""], condition: Float[Array, "*lead condition"]
    ) -> Float[Array, "*lead"]:
        """log p(N | condition), in nats, but for :meth:`log_constant`; differentiable, in JAX.

        Args:
            number: N, from zero.
            condition: standardised.
        """
        import jax.numpy as jnp

        log_mean = self._log_mean(jnp.asarray(condition))
        mean = jnp.exp(log_mean)
        if self.underdispersion < 1:
            return _log_rounded(number, mean, self.underdispersion)
        if self.overdispersion > 0:
            shape = 1 / self.overdispersion
            excess = jnp.log1p(mean / shape)
            return number * (log_mean - excess) - shape * excess
        return number * log_mean - mean

    def log_constant(self, number: int) -> float:
        """The terms of log p(N | condition) that are the same at all conditions."""
        if self.underdispersion < 1:
            return 0.0
        spread = np.sum(np.log1p(self.overdispersion * np.arange(number)))
        return float(spread - math.lgamma(number + 1))


def polynomial_terms(parameters: int, order: int) -> list[tuple[int, ...]]:
    """Monomials up to ``order``, each as the parameters it multiplies: (), (0,), (1,), (0, 0)..."""
    return [
        term
        for degree in range(order + 1)
        for term in itertools.combinations_with_replacement(range(parameters), degree)
    ]


def _design(c: Any, order: int) -> Any:
    """The monomials of conditions, NumPy or JAX, as a last axis."""
    library, terms = library_of(c), polynomial_terms(c.shape[-1], order)
    return library.stack([library.prod(c[..., list(term)], axis=-1) for term in terms], axis=-1)


def _log_rounded(number: Any, mean: Any, variance_ratio: float) -> Any:
    """log of a normal's mass within half of ``number``; all below 1/2 at zero."""
    import jax.numpy as jnp
    from jax.scipy.special import log_ndtr

    width = jnp.sqrt(variance_ratio * mean)
    low = jnp.where(number == 0, -30.0, (number - 0.5 - mean) / width)
    high = (number + 0.5 - mean) / width
    flip = low > 0  # the far tail is known to more digits from its own side
    lower, upper = jnp.where(flip, -high, low), jnp.where(flip, -low, high)
    return log_ndtr(upper) + jnp.log1p(-jnp.exp(log_ndtr(lower) - log_ndtr(upper)))
