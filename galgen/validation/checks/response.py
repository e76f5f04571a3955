"""Dependence on cosmology: between two splits, and on each parameter within one.

**Response.** Of a statistic S, Delta S = S(high) - S(low) is measured in held-out (t) and in
generated (g). The response is the slope s of g = s t through the origin: 1 is right, 0 a mock that
ignores cosmology. Both have errors, and plain least squares would find s too small by noise over
signal. The line of least effective variance does not (Orear 1982, Am. J. Phys. 50, 912)::

    chi²(s) = sum_i (g_i - s t_i)² / (sigma_g,i² + s² sigma_t,i²)

It is written with s = tan(theta), which reaches every slope. The error of s comes from the full
jackknife covariances of g and t through ds/dg and ds/dt, because bins of one box move together.

**Gradient.** For single catalogues S_i = above_i / below_i + offset with weights below_i, the
straight line of least squares over the catalogues of a split whose cosmologies vary is::

    S_i = a + sum_p b_p (theta_ip - <theta_p>),      d ln S / d theta_p = b_p / a

<theta_p> is the weighted mean: a is the mean of the split, a ratio of sums. The fit is linear in S
and not in ln S, because a single noisy catalogue may have S < 0. Errors and covariances are those
of leaving out one catalogue, in closed form: with design X, weights W and leverage h_i = w_i x_i^T
(X^T W X)^-1 x_i, the coefficients without i are those of all less (X^T W X)^-1 x_i w_i e_i /
(1 - h_i), e_i the residual (Miller 1974, Ann. Statist. 2, 880). Generated is compared with held-out
by the slope above. It is a mean over the range of parameters of the split and, where these were
drawn together, over their degenerate directions.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Bool, Float

from galgen.measurements.ratio import Curve, Ratio
from galgen.resolution import SINGLE, spread
from galgen.validation.checks.equivalence import Agreement, agree_number
from galgen.validation.sets import Conditions

LEAST_PER_COEFFICIENT = 4


@dataclasses.dataclass(frozen=True)
class Response:
    """Response of one statistic to cosmology.

    Attributes:
        name: of the statistic.
        held_out, generated: Delta S per bin; for the number of points, one bin.
        slope, slope_error: generated against held-out; 1 is right, 0 none, negative backwards.
        signal: how many errors the change in held-out is from none, over all bins.
        judged: whether that is enough to judge.
        catalogues: of the smallest of the sets.
        freedom: degrees of freedom of the error, at least.
    """

    name: str
    held_out: Curve
    generated: Curve
    slope: float
    slope_error: float
    signal: float
    judged: bool
    catalogues: int
    freedom: int

    @property
    def agreement(self) -> Agreement:
        """The slope against 1; of one that is not judged, nothing is known."""
        error = self.slope - 1 if self.judged else np.nan
        return agree_number(error, self.slope_error, self.freedom, self.catalogues)


def respond(
    name: str,
    held_out: Curve,
    generated: Curve,
    significance: float,
    catalogues: int,
    coefficients: int = 1,
) -> Response:
    """The response of generated against that of held-out, from their differences.

    Bins in which one of them never varies have no error, and are left out.

    Args:
        name: of the statistic.
        held_out, generated: its change in both.
        significance: errors by which held-out must change to be judged.
        catalogues: of the smallest of the sets that the curves come from.
        coefficients: that were fitted to each.
    """
    freedom = max(catalogues - coefficients, 1)
    kept = (held_out.error > 0) & (generated.error > 0)
    if not kept.any():
        return Response(name, held_out, generated, np.nan, np.nan, 0.0, False, catalogues, freedom)
    truth, other = (curve.of(kept) for curve in (held_out, generated))
    slope, error = slope_through_origin(truth, other)
    excess = float(np.sum((truth.mean / truth.error) ** 2)) - len(truth.mean)
    signal = float(np.sqrt(np.maximum(excess, 0.0)))
    judged = signal > significance
    return Response(name, held_out, generated, slope, error, signal, judged, catalogues, freedom)


def slope_through_origin(truth: Curve, other: Curve) -> tuple[float, float]:
    """The slope of least effective variance of ``other`` against ``truth``, and its error."""
    slope = _slope(truth.mean, other.mean, truth.error, other.error)
    gradients = []
    for which, curve in enumerate((truth, other)):
        gradient = np.zeros(len(curve.mean))
        for index, error in enumerate(curve.error):
            step = np.zeros(len(curve.mean))
            step[index] = 0.1 * error
            ends = []
            for sign in (1, -1):
                first = truth.mean + sign * step * (which == 0)
                second = other.mean + sign * step * (which == 1)
                ends.append(_slope(first, second, truth.error, other.error))
            gradient[index] = (ends[0] - ends[1]) / (0.2 * error)
        gradients.append(gradient)
    variance = sum(
        gradient @ curve.covariance @ gradient
        for gradient, curve in zip(gradients, (truth, other), strict=True)
    )
    return slope, float(np.sqrt(variance))


def _slope(
    truth: Float[np.ndarray, "bins"],
    other: Float[np.ndarray, "bins"],
    truth_error: Float[np.ndarray, "bins"],
    other_error: Float[np.ndarray, "bins"],
) -> float:
    """tan(theta) at the least chi-square: a grid over all directions, refined four times."""
    centre, reach = 0.0, np.pi / 2
    for _ in range(5):
        theta = np.linspace(centre - reach, centre + reach, 181)
        sine, cosine = np.sin(theta)[:, None], np.cos(theta)[:, None]
        variance = (other_error * cosine) ** 2 + (truth_error * sine) ** 2
        chi_square = np.sum((other * cosine - truth * sine) ** 2 / variance, axis=-1)
        centre, reach = float(theta[np.argmin(chi_square)]), reach / 60
    return float(np.tan(centre))


@dataclasses.dataclass(frozen=True)
class Gradient:
    """d ln S / d theta of generated against held-out.

    Attributes:
        parameter: theta.
        bins: those where S of held-out is significant; in others b / a says nothing.
        response: its curves are the gradients in these bins, its slope generated against held-out.
    """

    parameter: str
    bins: Bool[np.ndarray, " all_bins"]
    response: Response


def gradients(
    name: str,
    generated: Ratio,
    held_out: Ratio,
    conditions: Conditions,
    significance: float,
) -> tuple[Gradient, ...]:
    """The gradient of one statistic for every parameter that varies in both sets.

    Empty where the cosmologies do not vary, vary together, or are too few for a straight line, and
    where no bin is significant.
    """
    values = (conditions.generated_parameters, conditions.held_out_parameters)
    if not conditions.names or not all(_enough(each) for each in values):
        return ()
    mean = held_out.curve()
    bins = np.abs(mean.mean) > significance * mean.error
    if not bins.any():
        return ()
    mock, truth = (
        log_gradients(ratio.of(bins=bins), each)
        for ratio, each in zip((generated, held_out), values, strict=True)
    )
    rules = (significance, min(map(len, values)), len(conditions.names) + 1)
    return tuple(
        Gradient(parameter, bins, respond(name, truth[index], mock[index], *rules))
        for index, parameter in enumerate(conditions.names)
    )


def _enough(parameters: Float[np.ndarray, "catalogues names"]) -> bool:
    number, names = parameters.shape
    if number < LEAST_PER_COEFFICIENT * (names + 1):
        return False
    std = spread(parameters, SINGLE)
    if not np.all(std > 0):
        return False
    scaled = (parameters - parameters.mean(axis=0)) / std
    return bool(np.linalg.eigvalsh(scaled.T @ scaled / number)[0] > 1e-3)


def log_gradients(
    ratio: Ratio, parameters: Float[np.ndarray, "catalogues names"]
) -> tuple[Curve, ...]:
    """d ln S / d theta of every parameter, each a curve over the bins."""
    number, names = parameters.shape
    bins = ratio.above.shape[1]
    found = np.empty((names, bins))
    without = np.empty((names, number, bins))
    for index in range(bins):
        value, others = _one_bin(ratio, index, parameters)
        found[:, index], without[:, :, index] = value, others.T
    return tuple(
        Curve.of_jackknife(value, each) for value, each in zip(found, without, strict=True)
    )


def _one_bin(
    ratio: Ratio, index: int, parameters: np.ndarray
) -> tuple[Float[np.ndarray, " names"], Float[np.ndarray, "catalogues names"]]:
    """b / a of one bin, with all catalogues and without each."""
    weight = ratio.below[:, index]
    value = np.nan_to_num(ratio.single()[:, index])
    scale = parameters.std(axis=0)
    centred = (parameters - np.average(parameters, axis=0, weights=weight)) / scale
    design = np.column_stack([np.ones(len(value)), centred])
    inverse = np.linalg.inv(design.T @ (weight[:, None] * design))
    coefficients = inverse @ (design.T @ (weight * value))
    rest = value - design @ coefficients
    leverage = weight * np.einsum("ij,jk,ik->i", design, inverse, design)
    step = (design @ inverse) * (weight * rest / np.maximum(1 - leverage, 1e-9))[:, None]
    others = coefficients - step
    return coefficients[1:] / coefficients[0] / scale, others[:, 1:] / others[:, :1] / scale
