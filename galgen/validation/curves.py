"""One curve compared: its means, closure and spread.

The **closure** of a bin is how much of the way from no structure to the truth a generated set has
gone. With the mean statistic g of the generated set, t of held-out and b of the uniform base (as
many points per catalogue as held-out, placed at random)::

    c = 1 - |g - t| / |b - t|

1 is the truth, 0 no better than the base, negative worse. To first order its variance is::

    sigma_c² = [s_g² + (sign(g - t) - u)² s_t² + u² s_b²] / (b - t)²,   u = sign(b - t) (1 - c)

with s the standard errors of the three means, taken as independent. Noise in g and t lowers c even
for a perfect mock. What it does is measured by halving held-out and closing one half on the other
(the floor). A half is noisier than the whole by sqrt(2): a perfect mock of as many catalogues lies
between the floor and 1.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Bool, Float

from galgen.measurements.ratio import Curve, Ratio, divided
from galgen.measurements.statistic import Axis
from galgen.resolution import resolved
from galgen.validation.checks.equivalence import Agreement, agree_means
from galgen.validation.checks.spread import Spread, measure_spread
from galgen.validation.sets import Conditions, halves
from galgen.validation.settings import ValidationSettings


@dataclasses.dataclass(frozen=True)
class CurveComparison:
    """One statistic of generated against held-out, per bin.

    ============== ============= ===============================================================
    field          shape         meaning
    ============== ============= ===============================================================
    axis           Axis          its name and bins
    held_out       Curve         the truth
    generated      Curve         the mock
    base           Curve         uniform points, as many per catalogue as held-out; a measurement
    closure        ``(bins,)``   c above
    closure_error  ``(bins,)``   its standard error
    floor          ``(bins,)``   closure of one half of held-out on the other, mean over halvings
    judged         ``(bins,)``   held-out is significantly different from zero
    means          Agreement     of the means
    spread         Spread        of single catalogues
    ============== ============= ===============================================================
    """

    axis: Axis
    held_out: Curve
    generated: Curve
    base: Curve
    closure: Float[np.ndarray, "bins"]
    closure_error: Float[np.ndarray, "bins"]
    floor: Float[np.ndarray, "bins"]
    judged: Bool[np.ndarray, "bins"]
    means: Agreement
    spread: Spread

    @property
    def name(self) -> str:
        """Of the curve."""
        return self.axis.name

    @property
    def centre(self) -> Float[np.ndarray, "bins"]:
        """The middle of every bin."""
        return self.axis.centre

    @property
    def worst(self) -> int | None:
        """The judged bin of least closure; None where no bin is judged."""
        if not self.judged.any():
            return None
        return int(np.argmin(np.where(self.judged, self.closure, np.inf)))

    @property
    def median(self) -> float:
        """Median closure of the judged bins; NaN for none."""
        return float(np.median(self.closure[self.judged])) if self.judged.any() else np.nan

    @property
    def ratio(self) -> Float[np.ndarray, "bins"]:
        """Generated over held-out."""
        return divided(self.generated.mean, self.held_out.mean)

    @property
    def ratio_error(self) -> Float[np.ndarray, "bins"]:
        """Standard error of ``ratio``, to first order."""
        spread = np.hypot(self.generated.error, self.ratio * self.held_out.error)
        return divided(spread, np.abs(self.held_out.mean))

    @property
    def std(self) -> Float[np.ndarray, "bins"]:
        """Generated minus held-out in units of both errors in quadrature."""
        difference = self.generated.minus(self.held_out)
        return divided(difference.mean, difference.error)

    @property
    def bias(self) -> Float[np.ndarray, "bins"]:
        """Generated minus held-out in units of cosmic variance, the scatter of one held-out box."""
        return divided(self.generated.mean - self.held_out.mean, self.held_out.scatter)

    @property
    def reduced_chi_square(self) -> float:
        """Mean square of ``std``: chi-square per degree of freedom, diagonal errors."""
        return float(np.nanmean(self.std**2)) if np.isfinite(self.std).any() else np.nan


def compare_curves(
    axis: Axis,
    ratios: tuple[Ratio, Ratio, Ratio],
    conditions: Conditions,
    labels: Bool[np.ndarray, "labellings both"],
    settings: ValidationSettings,
) -> CurveComparison:
    """Compare one curve.

    Args:
        axis: its name and bins.
        ratios: of generated, held-out and the uniform base.
        conditions: of generated and held-out.
        labels: from ``conditions.relabelled``.
        settings: significance, ranks and the seed.
    """
    generated, held_out, base = (ratio.curve() for ratio in ratios)
    value, error = closure(generated, held_out, base)
    return CurveComparison(
        axis=axis,
        held_out=held_out,
        generated=generated,
        base=base,
        closure=value,
        closure_error=error,
        floor=half_against_half(ratios[1], base, settings.seed),
        judged=np.isfinite(value)
        & (np.abs(held_out.mean) > settings.significance * held_out.error),
        means=agree_means(ratios[0], ratios[1], conditions, axis.bin_names, settings.significance),
        spread=measure_spread(
            ratios[0].single(),
            ratios[1].single(),
            conditions,
            labels,
            settings.rank_bins,
            settings.seed,
            axis.bin_names,
        ),
    )


def closure(
    generated: Curve, held_out: Curve, base: Curve
) -> tuple[Float[np.ndarray, "bins"], Float[np.ndarray, "bins"]]:
    """Closure of each bin and its standard error; NaN where held-out is as the base.

    As the base is what differs from it by no more than rounding.
    """
    missing, distance = generated.mean - held_out.mean, _from_base(held_out.mean, base)
    value = 1 - divided(np.abs(missing), np.abs(distance))
    leverage = np.sign(distance) * (1 - value)
    variance = (
        generated.error**2
        + (np.sign(missing) - leverage) ** 2 * held_out.error**2
        + leverage**2 * base.error**2
    )
    return value, divided(np.sqrt(variance), np.abs(distance))


def half_against_half(held_out: Ratio, base: Curve, seed: int) -> Float[np.ndarray, "bins"]:
    """Closure of one half of held-out on the other, mean over halvings."""
    gaps = [
        np.abs(held_out.mean(half) - held_out.mean(~half))
        for half in halves(len(held_out.above), seed)
    ]
    return 1 - divided(np.mean(gaps, axis=0), np.abs(_from_base(held_out.mean(), base)))


def _from_base(held_out: np.ndarray, base: Curve) -> np.ndarray:
    """The base less held-out; 0 where that is rounding."""
    largest = np.maximum(np.abs(base.mean), np.abs(held_out))
    distance = base.mean - held_out
    return np.where(resolved(np.abs(distance), largest), distance, 0.0)
