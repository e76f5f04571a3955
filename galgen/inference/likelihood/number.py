r"""log p(N | condition) of a catalogue's number of points, differentiable in the condition.

The distributions are those of :mod:`galgen.data.cardinality`. What the Gaussian has below zero is
counted at zero. With m(c) the mean, in the same order::

    Poisson             N log m - m - log N!
    negative binomial   sum over k < N of log(1 + k / r) - log N! + N log(m r / (r + m))
                        - r log(1 + m / r),   r = 1 / overdispersion
    rounded Gaussian    log [F((N + 1/2 - m) / s) - F((N - 1/2 - m) / s)],   s^2 = f m

Sums of large numbers that do not depend on the condition are left to :func:`number_constant`, in
double precision. Fits and draws are in NumPy, there; densities are in JAX, here, since samplers
follow their gradients.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import log_ndtr
from jaxtyping import Array, Float, Int
from scipy.special import gammaln

from galgen.data.cardinality import Cardinality, polynomial_terms


def log_mean(
    cardinality: Cardinality, condition: Float[Array, "*lead condition"]
) -> Float[Array, "*lead"]:
    """Log of the mean number of points at a standardised condition."""
    terms = polynomial_terms(cardinality.parameters, cardinality.order)
    powers = [jnp.prod(condition[..., list(term)], axis=-1) for term in terms]
    parts = zip(cardinality.coefficients, powers, strict=True)
    logarithm = jnp.sum(jnp.stack([b * power for b, power in parts]), axis=0)
    return jnp.minimum(logarithm, np.log(cardinality.largest))


def log_number(
    cardinality: Cardinality,
    number: Int[Array, ""],
    condition: Float[Array, "*lead condition"],
) -> Float[Array, "*lead"]:
    """log p(N | condition), in nats, but for :func:`number_constant`.

    Args:
        cardinality: the fitted distribution.
        number: N, from zero.
        condition: standardised.
    """
    mean_log = log_mean(cardinality, condition)
    if cardinality.underdispersion < 1:
        return _log_rounded(number, jnp.exp(mean_log), cardinality.underdispersion)
    if cardinality.overdispersion > 0:
        shape = 1 / cardinality.overdispersion
        excess = jnp.log1p(jnp.exp(mean_log) / shape)
        return number * (mean_log - excess) - shape * excess
    return number * mean_log - jnp.exp(mean_log)


def number_constant(cardinality: Cardinality, number: int) -> float:
    """The terms of log p(N | condition) that are the same at all conditions."""
    if cardinality.underdispersion < 1:
        return 0.0
    spread = np.sum(np.log1p(cardinality.overdispersion * np.arange(number)))
    return float(spread - gammaln(number + 1))


def _log_rounded(number, mean, variance_ratio):
    """log of a normal's mass within half of ``number``; all below 1/2 at zero."""
    width = jnp.sqrt(variance_ratio * mean)
    low = jnp.where(number == 0, -30.0, (number - 0.5 - mean) / width)
    high = (number + 0.5 - mean) / width
    flip = low > 0  # the far tail is known to more digits from its own side
    lower, upper = jnp.where(flip, -high, low), jnp.where(flip, -low, high)
    return log_ndtr(upper) + jnp.log1p(-jnp.exp(log_ndtr(lower) - log_ndtr(upper)))
