r"""Classifier-free guidance: a denoiser that exaggerates its condition.

A network trained with the condition dropped now and then (``Bridge(condition_dropout=0.1)``) knows
the output o(c) under a condition and o() under none. Guidance follows (Ho and Salimans 2022,
arXiv:2207.12598, eq. 6, with scale = 1 + w)::

    o() + scale (o(c) - o())

in any prediction that is linear in the score at fixed x_t: all of ours. A scale of 1 is the model;
above 1, draws agree more with the condition and differ less among themselves: good digits, but
*wrong* statistics, so mock catalogues want 1. Guidance may be confined to an interval of times
(Kynkaanniemi et al. 2024, arXiv:2404.07724). An unknown condition is NaN: that is what networks
are given in place of a dropped one.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from galgen.checked import RISING, Fraction, NotNegative, checked
from galgen.errors import InputError
from galgen.generative.models.model import Denoiser


def drop_condition(
    key: jax.Array, condition: Float[Array, "batch _"] | None, fraction: float
) -> Float[Array, "batch _"] | None:
    """The condition, NaN for a random ``fraction`` of the examples."""
    if condition is None or not fraction:
        return condition
    dropped = jax.random.bernoulli(key, fraction, (len(condition), 1))
    return jnp.where(dropped, jnp.nan, condition)


@dataclasses.dataclass(frozen=True)
@checked
class Guidance:
    """Wraps a denoiser; every evaluation costs two.

    Attributes:
        scale: 1 is the model itself, 0 the unconditional one.
        interval: times between which it acts; outside, the model itself.
    """

    scale: NotNegative
    interval: Annotated[tuple[Fraction, Fraction], RISING] = (0.0, 1.0)

    evaluations = 2

    def __call__(self, denoiser: Denoiser) -> Denoiser:
        """The guided denoiser.

        Raises:
            InputError: when called without a condition.
        """

        def guided(x, t, mask, condition):
            if condition is None:
                raise InputError(
                    "expected a condition to guide towards, got None; leave out the guidance"
                )
            x, t, mask = jax.tree.map(lambda a: jnp.concatenate([a, a]), (x, t, mask))
            unknown = jnp.full_like(condition, jnp.nan)
            both = denoiser(x, t, mask, jnp.concatenate([condition, unknown]))
            given, free = jnp.split(both, 2)
            low, high = self.interval
            t = t[: len(given)]
            scale = jnp.where((t >= low) & (t <= high), self.scale, 1.0).astype(x.dtype)
            return free + scale.reshape(-1, *(1,) * (x.ndim - 1)) * (given - free)

        return guided
