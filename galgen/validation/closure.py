"""How much of the way from no structure to the truth a generated set has gone.

With the mean statistic g of the generated set, t of held-out and b of the uniform base (as many
points per catalogue as held-out, placed at random), the **closure** of a bin is::

    c = 1 - |g - t| / |b - t|

1 is the truth, 0 no better than the base, negative worse. To first order its variance is::

    sigma_c² = [s_g² + (sign(g - t) - u)² s_t² + u² s_b²] / (b - t)²,   u = sign(b - t) (1 - c)

with s the standard errors of the three means, taken as independent. Noise in g and t lowers c even
for a perfect mock; what it does is measured by halving held-out and closing one half on the other
(the floor). A half is noisier than the whole by sqrt(2), so a perfect mock of as many catalogues
lies between the floor and 1.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Bool, Float

from galgen.validation.measurement import Curve, Ratio
from galgen.validation.sets import halves


@dataclasses.dataclass(frozen=True)
class CurveComparison:
    """One statistic of generated against held-out, per bin.

    ============== ============= ===============================================================
    field          shape         meaning
    ============== ============= ===============================================================
    name           str           ``xi``, ``P0``, ``P2``
    edges, centre  ``(bins,+1)`` bins, in ``unit``
    held_out       Curve         the truth
    generated      Curve         the mock
    base           Curve         uniform points, as many per catalogue as held-out; a measurement
    closure        ``(bins,)``   c above
    closure_error  ``(bins,)``   its standard error
    floor          ``(bins,)``   closure of one half of held-out on the other, mean over halvings
    judged         ``(bins,)``   held-out is significantly different from zero
    target         float         least closure that a judged bin must reach
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
        return self.generated.mean / self.held_out.mean

    @property
    def ratio_error(self) -> Float[np.ndarray, "bins"]:
        """Standard error of ``ratio``, to first order."""
        spread = np.hypot(self.generated.error, self.ratio * self.held_out.error)
        return spread / np.abs(self.held_out.mean)

    @property
    def shortfall(self) -> Float[np.ndarray, "bins"]:
        """How many errors each bin is below the target; negative above it."""
        return (self.target - self.closure) / self.closure_error

    @property
    def deviation(self) -> Float[np.ndarray, "bins"]:
        """Generated minus held-out in units of both errors in quadrature."""
        difference = self.generated.minus(self.held_out)
        return difference.mean / difference.error

    @property
    def reduced_chi_square(self) -> float:
        """Mean square of ``deviation``: chi-square per degree of freedom, diagonal errors."""
        return float(np.mean(self.deviation**2))

    def bin_name(self, index: int) -> str:
        """The range of a bin in words."""
        symbol = "r" if self.name == "xi" else "k"
        digits = 3 if symbol == "k" else 2 if self.edges[0] < 1 else 1
        low, high = self.edges[index], self.edges[index + 1]
        return f"{symbol} {low:.{digits}f}-{high:.{digits}f}"


def compare_curves(
    name: str,
    unit: str,
    edges: Float[np.ndarray, "edges"],
    ratios: tuple[Ratio, Ratio, Ratio],
    target: float,
    significance: float,
    seed: int,
) -> CurveComparison:
    """Compare one statistic; ``ratios`` are those of generated, held-out and the uniform base."""
    generated, held_out, base = (ratio.curve() for ratio in ratios)
    value, error = closure(generated, held_out, base)
    return CurveComparison(
        name=name,
        unit=unit,
        edges=edges,
        centre=(edges[1:] + edges[:-1]) / 2,
        held_out=held_out,
        generated=generated,
        base=base,
        closure=value,
        closure_error=error,
        floor=half_against_half(ratios[1], base, seed),
        judged=np.abs(held_out.mean) > significance * held_out.error,
        target=target,
    )


def closure(
    generated: Curve, held_out: Curve, base: Curve
) -> tuple[Float[np.ndarray, "bins"], Float[np.ndarray, "bins"]]:
    """Closure of each bin and its standard error."""
    missing, distance = generated.mean - held_out.mean, base.mean - held_out.mean
    value = 1 - np.abs(missing) / np.abs(distance)
    leverage = np.sign(distance) * (1 - value)
    variance = (
        generated.error**2
        + (np.sign(missing) - leverage) ** 2 * held_out.error**2
        + leverage**2 * base.error**2
    )
    return value, np.sqrt(variance) / np.abs(distance)


def half_against_half(held_out: Ratio, base: Curve, seed: int) -> Float[np.ndarray, "bins"]:
    """Closure of one half of held-out on the other, mean over halvings."""
    distance = np.abs(base.mean - held_out.mean())
    gaps = [
        np.abs(held_out.mean(half) - held_out.mean(~half))
        for half in halves(len(held_out.above), seed)
    ]
    return 1 - np.mean(gaps, axis=0) / distance
