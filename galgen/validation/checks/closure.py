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

import numpy as np
from jaxtyping import Float

from galgen.measurements.ratio import Curve, Ratio, divided
from galgen.resolution import resolved
from galgen.validation.sets import halves


def closure(
    generated: Curve, held_out: Curve, base: Curve
) -> tuple[Float[np.ndarray, "bins"], Float[np.ndarray, "bins"]]:
    """Closure of each bin and its standard error; NaN where held-out is as the base.

    As the base is what differs from it by no more than rounding.
    """
    missing, distance = generated.mean - held_out.mean, base.mean - held_out.mean
    largest = np.maximum(np.abs(base.mean), np.abs(held_out.mean))
    distance = np.where(resolved(np.abs(distance), largest), distance, 0.0)
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
    distance = np.abs(base.mean - held_out.mean())
    largest = np.maximum(np.abs(base.mean), np.abs(held_out.mean()))
    distance = np.where(resolved(distance, largest), distance, 0.0)
    gaps = [
        np.abs(held_out.mean(half) - held_out.mean(~half))
        for half in halves(len(held_out.above), seed)
    ]
    return 1 - divided(np.mean(gaps, axis=0), distance)
