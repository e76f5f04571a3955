"""Does the mock follow cosmology: the change from one cosmology to another, against the truth's.

Of a statistic S, Delta S = S(high) - S(low) is measured in held-out (t) and in generated (g). The
response is the slope s of g = s t through the origin. Both have errors, so that plain least squares
would find s too small by noise over signal; the line of least effective variance does not (Orear
1982, Am. J. Phys. 50, 912)::

    chi²(s) = sum_i (g_i - s t_i)² / (sigma_g,i² + s² sigma_t,i²)

written with s = tan(theta) so that every slope is in reach. The error of s comes from the full
jackknife covariances of g and t through ds/dg and ds/dt, because bins of one box move together.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float

from galgen.measurements.ratio import Curve


@dataclasses.dataclass(frozen=True)
class Response:
    """Response of one statistic to cosmology.

    Attributes:
        name: of the statistic.
        held_out, generated: Delta S per bin; for the number of points, one bin.
        slope, slope_error: generated against held-out; 1 is right, 0 none, negative backwards.
        signal: how many errors the change in held-out is from none, over all bins.
        judged: whether that is enough to judge.
        target: how far from 1 the slope may be.
    """

    name: str
    held_out: Curve
    generated: Curve
    slope: float
    slope_error: float
    signal: float
    judged: bool
    target: float

    @property
    def right_direction(self) -> bool:
        """Whether generated changes the way held-out does."""
        return self.slope > 0

    @property
    def met(self) -> bool:
        """The right direction, and within the target of 1."""
        return self.judged and self.right_direction and abs(self.slope - 1) <= self.target


def respond(
    name: str, held_out: Curve, generated: Curve, significance: float, target: float
) -> Response:
    """The response of generated against that of held-out, from their differences.

    Bins in which one of them never varies have no error, and are left out.
    """
    kept = (held_out.error > 0) & (generated.error > 0)
    if not kept.any():
        return Response(name, held_out, generated, np.nan, np.nan, 0.0, False, target)
    truth, other = (curve.of(kept) for curve in (held_out, generated))
    slope, error = slope_through_origin(truth, other)
    excess = float(np.sum((truth.mean / truth.error) ** 2)) - len(truth.mean)
    signal = float(np.sqrt(np.maximum(excess, 0.0)))
    return Response(name, held_out, generated, slope, error, signal, signal > significance, target)


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
