"""Everything that is asked of one statistic: its means, closure, chi-square and spread."""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Bool, Float

from galgen.validation.checks.chi_square import ChiSquare, chi_square
from galgen.validation.checks.closure import closure, half_against_half
from galgen.validation.checks.conditions import Conditions
from galgen.validation.checks.spread import Spread, measure_spread
from galgen.validation.measures.ratio import Curve, Ratio, divided
from galgen.validation.measures.statistic import Axis, bin_name
from galgen.validation.settings import ValidationSettings


@dataclasses.dataclass(frozen=True)
class CurveComparison:
    """One statistic of generated against held-out, per bin.

    ============== ============= ===============================================================
    field          shape         meaning
    ============== ============= ===============================================================
    name           str           ``xi``, ``P0``, ``P2``
    symbol         str           of the abscissa, ``r`` or ``k``
    edges, centre  ``(bins,+1)`` bins, in ``unit``
    held_out       Curve         the truth
    generated      Curve         the mock
    base           Curve         uniform points, as many per catalogue as held-out; a measurement
    closure        ``(bins,)``   c above
    closure_error  ``(bins,)``   its standard error
    floor          ``(bins,)``   closure of one half of held-out on the other, mean over halvings
    judged         ``(bins,)``   held-out is significantly different from zero
    target         float         least closure that a judged bin must reach
    targeted       bool          whether a verdict holds it to that
    weight_power   int           drawn as abscissa**weight_power times the curve
    logarithmic    bool          whether the abscissa is drawn so
    chi_square     ChiSquare     of the means, with the whole covariance of held-out
    spread         Spread        of single catalogues
    ============== ============= ===============================================================
    """

    name: str
    unit: str
    edges: Float[np.ndarray, "edges"]
    centre: Float[np.ndarray, "bins"]
    held_out: Curve
    generated: Curve
    base: Curve
    closure: Float[np.ndarray, "bins"]
    closure_error: Float[np.ndarray, "bins"]
    floor: Float[np.ndarray, "bins"]
    judged: Bool[np.ndarray, "bins"]
    target: float
    chi_square: ChiSquare
    spread: Spread
    symbol: str
    targeted: bool
    weight_power: int
    logarithmic: bool

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
    def missed(self) -> Bool[np.ndarray, "bins"]:
        """Judged bins below the target."""
        return self.judged & ~(self.closure >= self.target)

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
    def shortfall(self) -> Float[np.ndarray, "bins"]:
        """How many errors each bin is below the target; negative above it."""
        return divided(self.target - self.closure, self.closure_error)

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

    def bin_name(self, index: int) -> str:
        """The range of a bin in words."""
        return bin_name(self.symbol, self.edges, index)


def compare_curves(
    axis: Axis,
    ratios: tuple[Ratio, Ratio, Ratio],
    conditions: Conditions,
    settings: ValidationSettings,
) -> CurveComparison:
    """Compare one statistic; ``ratios`` are those of generated, held-out and the uniform base."""
    generated, held_out, base = (ratio.curve() for ratio in ratios)
    value, error = closure(generated, held_out, base)
    labels = conditions.relabelled(settings.relabellings, settings.seed)
    return CurveComparison(
        name=axis.name,
        unit=axis.unit,
        edges=axis.edges,
        centre=(axis.edges[1:] + axis.edges[:-1]) / 2,
        held_out=held_out,
        generated=generated,
        base=base,
        closure=value,
        closure_error=error,
        floor=half_against_half(ratios[1], base, settings.seed),
        # A mock that is no number is judged, and misses.
        judged=(np.isfinite(value) | ~np.isfinite(generated.mean))
        & (np.abs(held_out.mean) > settings.significance * held_out.error),
        target=settings.closure_target,
        chi_square=chi_square(ratios[0], ratios[1], conditions, axis.bin_names),
        spread=measure_spread(
            ratios[0].single(),
            ratios[1].single(),
            conditions,
            labels,
            settings.rank_bins,
            settings.seed,
        ),
        symbol=axis.symbol,
        targeted=axis.targeted,
        weight_power=axis.weight_power,
        logarithmic=axis.logarithmic,
    )
