r"""Regression of counts by penalised likelihood, for any counts that there may be.

Counts n_i of mean m_i = exp(eta_i), eta = X b, have for a given overdispersion a the negative log
likelihood, but for what does not depend on b (McCullagh and Nelder 1989, sections 6.2 and 11.2)::

    f(b) = sum_i (n_i + 1 / a) log(1 + a m_i) - n_i log m_i        negative binomial
    f(b) = sum_i m_i - n_i log m_i                                 Poisson, a = 0

It is convex in b, but need not have a minimum: of all zeros it falls for ever. So the log of the
mean has a wide normal prior: each column of X may contribute a standard deviation of ``WIDTH``
around zero, the constant around the log of the mean count. What is minimised is strictly convex, so
Newton's method with a line search finds the one minimum whatever the counts and the columns are:
collinear, constant or with far outliers. Of a coefficient with the sampling error e the prior moves
b by the fraction (e / WIDTH)^2, which is little wherever counts tell anything.

The overdispersion maximises the likelihood in which b is integrated out by Laplace's method (near
the adjusted profile likelihood of Cox and Reid 1987, J. R. Stat. Soc. B 49, 1)::

    l(a) = log L(a, b) + log prior(b) - 1/2 log det(Hessian of f) + const    at the best b for a

One deviant count among many widens it less than a moment would, which squares the deviation.
"""

from __future__ import annotations

import math

import numpy as np
import scipy
from jaxtyping import Bool, Float

WIDTH = 3.0
"""Prior deviation of what each column contributes to the log of the mean."""
STEPS = 200
"""Of Newton's method at most; a dozen are usual."""
LARGEST = 1e6
"""Overdispersion: of one huge count among zeros."""
MOST_DEVIANT = 5
"""Catalogues that may be left out, and at most one in twenty."""
FEW = 10
"""Catalogues of which one may be; fewer do not tell which of them is of another kind."""
IMPOSSIBLE = 1e-9
"""Expected number of catalogues as far out as one that is left out."""
SMALLEST_RATIO = 1e-9
"""Of variance to mean, of numbers that are all equal."""

Design = Float[np.ndarray, "counts columns"]
Counts = Float[np.ndarray, " counts"]
Coefficients = Float[np.ndarray, " columns"]


def fit_counts(design: Design, n: Counts) -> tuple[Coefficients, float, float]:
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


def _mean(design: np.ndarray, coefficients: Coefficients) -> Counts:
    """Above zero also where it underflows."""
    return np.asarray(np.exp(np.clip(design @ coefficients, -300.0, 300.0)))


def _slack(mean: Counts, freedom: int) -> float:
    """Two standard deviations of X^2 of Poisson counts, of which a term has 2 + 1 / m."""
    return float(2 * np.sqrt(np.mean(2 + 1 / mean) * freedom))


def deviant(design: Design, n: Counts) -> Bool[np.ndarray, " catalogues"]:
    """The few catalogues that are all but impossible by a fit to the others."""
    none = found = np.zeros(len(n), bool)
    if not fit_counts(design, n)[1]:
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
    design: Design, n: Counts, removed: Bool[np.ndarray, " catalogues"]
) -> Float[np.ndarray, " catalogues"]:
    """Catalogues as far out as each that are expected among all, by a fit to those not removed."""
    rest = design[~removed], n[~removed]
    coefficients, over, _ = fit_counts(*rest)
    # Both the mean and the scatter may be off by as much as the others leave open.
    mean = _mean(design, coefficients)
    freedom = max(len(rest[1]) - design.shape[1], 1)
    hidden = 2 * _slack(mean[~removed], freedom) / np.sum(mean[~removed])
    wider = max(over, hidden) * (1 + 4 / np.sqrt(freedom))
    reach = 4 * np.sqrt(leverage(*rest, coefficients, over, design))
    nearer = mean * np.exp(np.clip(np.log((n + 0.5) / mean), -reach, reach))
    return np.asarray(len(n) * tail(n, nearer, wider))


def fit_mean(design: Design, n: Counts, over: float) -> Coefficients:
    """Coefficients b of the log of the mean, whose first column is the constant."""
    scale = _scale(design)
    return _minimum(design / scale, n, over) / scale


def fit_overdispersion(design: Design, n: Counts) -> float:
    """The overdispersion a > 0 where l(a) is largest, by golden section in its logarithm."""
    scaled = design / _scale(design)

    def lack(logarithm: float) -> float:
        return -_integrated(scaled, n, math.exp(logarithm))

    least = math.log(1e-4 / max(float(n.mean()), 1.0))
    grid = np.linspace(least, math.log(LARGEST), 25)
    best = int(np.argmin([lack(x) for x in grid]))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    golden = (math.sqrt(5) - 1) / 2
    left, right = high - golden * (high - low), low + golden * (high - low)
    at_left, at_right = lack(left), lack(right)
    while high - low > 1e-4:
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - golden * (high - low)
            at_left = lack(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + golden * (high - low)
            at_right = lack(right)
    return math.exp((low + high) / 2)


def leverage(
    design: Design,
    n: Counts,
    b: Coefficients,
    over: float,
    asked: Float[np.ndarray, "asked columns"],
) -> Float[np.ndarray, " asked"]:
    """Variance of the fitted log of the mean at the rows of another design."""
    scale = _scale(design)
    curvature = objective(b * scale, design / scale, n, over)[2]
    rows = asked / scale
    return np.asarray(np.sum(rows * np.linalg.solve(curvature, rows.T).T, axis=-1))


def tail(n: Counts, mean: Counts, over: float) -> Counts:
    """The probability of a count as far out as each or farther, on its side of the mean."""
    size = 1 / over
    odds = mean / (size + mean)
    above, below = (
        scipy.special.betainc(np.maximum(n, 1e-300), size, odds),
        scipy.special.betainc(size, n + 1, 1 - odds),
    )
    return np.asarray(np.where(n > mean, above, below))


def objective(
    b: Coefficients, design: Design, n: Counts, over: float
) -> tuple[float, Coefficients, Float[np.ndarray, "columns columns"]]:
    """f(b) and the prior's share, with gradient and Hessian.

    Args:
        b: coefficients.
        design: columns whose mean square is one.
        n: counts.
        over: the overdispersion a.
    """
    away = (b - _prior_mean(design, n)) / WIDTH
    eta = design @ b
    with np.errstate(over="ignore", invalid="ignore"):
        mean = np.exp(eta)
        spread = 1 + over * mean
        each = (n + 1 / over) * np.log1p(over * mean) if over else mean
        value = np.sum(each - n * eta) + 0.5 * away @ away
        slope = design.T @ ((mean - n) / spread) + away / WIDTH
        weight = mean * (1 + over * n) / spread**2
        curvature = design.T @ (weight[:, None] * design)
    return float(value), slope, curvature + np.eye(len(b)) / WIDTH**2


def _minimum(design: Design, n: Counts, over: float) -> Coefficients:
    """Where :func:`objective` is least, by Newton's method with a line search."""
    found = _prior_mean(design, n)
    value, slope, curvature = objective(found, design, n, over)
    for _ in range(STEPS):
        step = np.linalg.solve(curvature, slope)
        decrease = slope @ step
        # Written so that what is not finite ends the search, and is never stepped to.
        if not decrease > 1e-14 * (1 + abs(value)):
            return found
        for length in 0.5 ** np.arange(40):
            tried = objective(found - length * step, design, n, over)
            if tried[0] <= value - 0.25 * length * decrease:
                break
        else:
            return found
        found, (value, slope, curvature) = found - length * step, tried
    return found


def _integrated(design: Design, n: Counts, over: float) -> float:
    """l(a) of the module's docstring, but for log n!."""
    b, size = _minimum(design, n, over), 1 / over
    value, _, curvature = objective(b, design, n, over)
    likelihood = np.sum(_log_rising(n, size) + n * math.log(over)) - value
    return float(likelihood - 0.5 * np.linalg.slogdet(curvature * WIDTH**2)[1])


def _scale(design: Design) -> Coefficients:
    """Root mean square of each column; one for zeros."""
    scale = np.sqrt(np.mean(design**2, axis=0))
    return np.where(scale > 0, scale, 1.0)


def _prior_mean(design: Design, n: Counts) -> Coefficients:
    """The log of the mean count, of half a count in all if there is none; no slopes."""
    centre = np.zeros(design.shape[1])
    centre[0] = math.log(max(float(n.mean()), 0.5 / len(n)))
    return centre


def _log_rising(n: Counts, size: float) -> Counts:
    """log of Gamma(n + size) / Gamma(size), to all digits also where size is large."""
    if size < 1e3:
        return np.asarray(scipy.special.gammaln(n + size) - scipy.special.gammaln(size))
    # Stirling's series; the next term is below 1e-11.
    tail = (1 / (n + size) - 1 / size) / 12
    return np.asarray((size - 0.5) * np.log1p(n / size) + n * np.log(n + size) - n + tail)
