r"""The normal density wrapped round a circle of length one, and its cross-entropy.

The density is a theta function, a sum over windings or, by Poisson's formula, over waves::

    K(d; width) = sum_m N(d + m; 0, width^2) = 1 + 2 sum_n exp(-2 (pi n width)^2) cos(2 pi n d)

of which the first converges fast where it is narrow and the second where it is wide.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from galgen.periodic import minimum_image

NODES, NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(64)
"""Quadrature over a standard normal."""
SWITCH = 0.3
"""The width at which windings give way to waves."""


def gaussian_cross_entropy(
    wrapped: Bool[np.ndarray, " features"],
    sigma: Float[Array, " features"],
    width: Float[Array, "_"] | Float[Array, ""],
) -> Float[Array, " features"]:
    """-E log N(z; 0, width^2) over z ~ N(0, sigma^2), both wrapped or neither."""
    plain = jnp.log(width) + 0.5 * (jnp.log(2 * jnp.pi) + (sigma / width) ** 2)
    log_density = log_wrapped_normal(sigma * NODES[:, None].astype(sigma.dtype), width)
    weights = NODE_WEIGHTS.astype(sigma.dtype) / NODE_WEIGHTS.sum().astype(sigma.dtype)
    return jnp.where(wrapped, -weights @ log_density, plain)


def log_wrapped_normal(
    displacement: Float[Array, "nodes features"], width: Float[Array, "..."]
) -> Float[Array, "nodes features"]:
    """Log density of the wrapped normal: its images where narrow, its waves where wide."""
    narrow, wide = jnp.minimum(width, SWITCH), jnp.maximum(width, SWITCH)
    displacement = minimum_image(displacement)
    images = (displacement[..., None] + np.arange(-2.0, 3.0)) / narrow[..., None]
    of_images = jax.nn.logsumexp(-0.5 * images**2, axis=-1) - 0.5 * jnp.log(2 * jnp.pi * narrow**2)
    number = np.arange(1.0, 5.0)
    wave = jnp.exp(-2 * (jnp.pi * number * wide[..., None]) ** 2)
    angle = 2 * jnp.pi * number * displacement[..., None]
    of_waves = jnp.log1p(2 * jnp.sum(wave * jnp.cos(angle), axis=-1))
    return jnp.where(width < SWITCH, of_images, of_waves)
