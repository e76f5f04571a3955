r"""Draws of a standard normal between two ends, exact in the tails in float32.

The usual way inverts the distribution function, which float32 takes for 1 beyond 5.4: every draw
lies on the end. Here the survival function Q is followed in its logarithm. Mirrored where needed,
so that the lower end a is the nearer to 0, a draw is x = a + d with::

    log Q(a) - log Q(a + d) = E,    E = -log(1 - v (1 - exp(-D))),    D = log Q(a) - log Q(b)

and v uniform on [0, 1): E is exponential, cut at D. The left side rises with d, which is found by
bisection; far in the tail d is near E / a, and keeps all its digits.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax.scipy.special import log_ndtr
from jaxtyping import Array, Float
from scipy import stats

HALVINGS = 32
"""More than the digits of float32."""
FARTHEST = 6.0
"""No draw of a normal in float32 is farther from its mode: v reaches 1 - 2^-24."""


def truncated_normal(
    key: jax.Array, low: float, high: float, shape: tuple[int, ...]
) -> Float[Array, "*shape"]:
    """Independent draws of a standard normal between ``low`` and ``high``.

    Args:
        key: of the draws.
        low: the lower end, or -inf.
        high: the upper end, above it, or inf.
        shape: of the draws.
    """
    if low == -math.inf and high == math.inf:
        return jax.random.normal(key, shape)
    return quantile(jax.random.uniform(key, shape), low, high)


def quantile(v: Float[Array, "*shape"], low: float, high: float) -> Float[Array, "*shape"]:
    """The inverse distribution function at v in [0, 1), between ends of which one is finite.

    Counted from the end that is nearer to 0: from ``high``, downwards, if that one is.
    """
    if abs(low) > abs(high):
        return -quantile(v, -high, -low)
    start = max(low, -FARTHEST - 3.0)
    reach = min(high - start, FARTHEST - min(start, 0.0))
    mass = math.exp(log_between(start, high) - float(stats.norm.logsf(start)))
    found = _followed(v, start, reach, mass)
    return jnp.clip(found, low, high)


@jax.jit
def _followed(v, start, reach, mass):
    """x with log Q(start) - log Q(x) = E, by bisection; compiled once for all ends."""
    risen = -jnp.log1p(-v * mass)
    top = log_ndtr(-start)

    def halve(_, ends):
        near, far = ends
        middle = 0.5 * (near + far)
        below = top - log_ndtr(-(start + middle)) < risen
        return jnp.where(below, middle, near), jnp.where(below, far, middle)

    ends = (jnp.zeros_like(v), jnp.full_like(v, reach))
    near, far = jax.lax.fori_loop(0, HALVINGS, halve, ends)
    return start + 0.5 * (near + far)


def log_between(low: float, high: float) -> float:
    """log of the probability of a standard normal between two ends; -inf for none."""
    if low > 0:  # the far tail is known to more digits from its own side
        low, high = -high, -low
    upper, lower = float(stats.norm.logcdf(high)), float(stats.norm.logcdf(low))
    if not lower < upper:
        return -math.inf
    return upper + math.log(-math.expm1(lower - upper))
