r"""Paths on the flat torus [0, 1)^dim, the space of positions in a periodic box.

Flow matching (Chen and Lipman 2023, arXiv:2302.03660, eq. 13): the base is uniform and x_t runs
along the shortest geodesic::

    x_t = x_0 + t * minimum_image(x_1 - x_0)   mod 1

Diffusion (De Bortoli et al. 2022, arXiv:2202.02763; Jing et al. 2022, arXiv:2206.01729, section
3.2): wrapped Gaussian noise whose width falls geometrically from a width that fills the box::

    x_t = x_1 + sigma(t) z   mod 1,      sigma(t) = sigma_max (sigma_min / sigma_max)^t

Its transition density is a product over axes of K(d; sigma) = sum_m exp(-(d + m)^2 / 2 sigma^2),
d the displacement from x_1 to x_t, m over the integers (a theta function). Only the wrapped
displacement can be known from x_t and x_1, so the noise to be predicted is its mean over windings::

    noise(d; sigma) = -sigma d/dd log K = sum_m w_m (d + m) / sigma,
    w_m = exp(-(d + m)^2 / 2 sigma^2) / K

which has the same expectation given x_t as z itself, with less variance: it tends to z for small
sigma and to zero where the noise fills the box. The score of x_t is -E[noise | x_t] / sigma, and
the velocity of the probability flow is (d sigma / d t) E[noise | x_t].
"""

from __future__ import annotations

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from galgen.generative.path import Path, expand_time
from galgen.geometry import PeriodicBox, geodesic

_BOX = PeriodicBox()


class _TorusPath(Path):
    """What all paths on the torus share: a uniform start, geodesic motion."""

    def sample_start(self, key: jax.Array, shape: tuple[int, ...]) -> Float[Array, "batch *event"]:
        return jax.random.uniform(key, shape)

    def move(self, x, step):
        return _BOX.move(x, step)


@dataclasses.dataclass(frozen=True)
class TorusGeodesic(_TorusPath):
    """Geodesics of the flat torus [0, 1)^dim from a uniform base."""

    def sample_base(self, key: jax.Array, shape: tuple[int, ...]) -> Float[Array, "batch *event"]:
        return jax.random.uniform(key, shape)

    def interpolate(self, base, data, t):
        return geodesic(_BOX, base, data, expand_time(t, data))

    def velocity(self, base, data, t):
        return _BOX.displacement(base, data)

    def squared_distance(self, base, data):
        return jnp.sum(_BOX.displacement(base[:, None], data[None]) ** 2, axis=-1)


@dataclasses.dataclass(frozen=True)
class TorusDiffusion(_TorusPath):
    """Wrapped Gaussian noise on the flat torus; see the module's docstring.

    Attributes:
        sigma_max: width at t=0, in sides of the box. At the default the density of a point is
            within 1.5% of uniform wherever the data are; sampling starts from uniform.
        sigma_min: width at t=1, in sides of the box: what is left as blur in the data.
    """

    sigma_max: float = 0.5
    sigma_min: float = 1e-3

    def __post_init__(self) -> None:
        if not 0 < self.sigma_min < self.sigma_max or self.sigma_max < 0.4:
            raise ValueError(
                "expected 0 < sigma_min < sigma_max with sigma_max of at least 0.4, so that noise "
                f"fills the box, got sigma_min={self.sigma_min} and sigma_max={self.sigma_max}"
            )

    def sigma(self, t: Float[Array, "..."]) -> Float[Array, "..."]:
        """Width of the noise at time ``t``, in sides of the box."""
        return self.sigma_max * (self.sigma_min / self.sigma_max) ** t

    def sample_base(self, key: jax.Array, shape: tuple[int, ...]) -> Float[Array, "batch *event"]:
        return jax.random.normal(key, shape)

    def interpolate(self, base, data, t):
        return _BOX.move(data, self.sigma(expand_time(t, data)) * base)

    def velocity(self, base, data, t):
        return self.velocity_from_noise(base, data, t)

    def noise(self, base, data, t):
        u = self._images(base, self.sigma(expand_time(t, data)))
        return jnp.sum(jax.nn.softmax(-0.5 * u**2, axis=-1) * u, axis=-1)

    def base_between(self, x, data, t):
        return _BOX.displacement(data, x) / self.sigma(expand_time(t, x))

    def log_transition(self, x, data, t):
        u = self._images(self.base_between(x, data, t), self.sigma(expand_time(t, x)))
        return jnp.sum(jax.nn.logsumexp(-0.5 * u**2, axis=-1), axis=-1)

    def _images(
        self, base: Float[Array, "batch *event"], sigma: Float[Array, "..."]
    ) -> Float[Array, "batch *event images"]:
        """(d + m) / sigma for every image m that matters: those left out weigh less than e^-12."""
        reach = math.ceil(math.sqrt(6.0 * self.sigma_max**2 + 0.25) + 0.5)
        images = np.arange(-reach, reach + 1, dtype=np.float32)
        displacement = sigma * base
        displacement = displacement - jnp.round(displacement)
        return (displacement[..., None] + images) / sigma[..., None]

    def velocity_from_noise(self, noise, x, t):
        rate = math.log(self.sigma_min / self.sigma_max) * self.sigma(expand_time(t, x))
        return rate * noise

    def renoise(self, key, x, t, earlier):
        fresh = jnp.sqrt(jnp.maximum(self.sigma(earlier) ** 2 - self.sigma(t) ** 2, 0.0))
        return _BOX.move(x, fresh * jax.random.normal(key, x.shape, x.dtype))

    def squared_distance(self, base, data):
        raise ValueError(
            "expected a path from base points to data points for a coupling, got a diffusion, "
            "whose noise belongs to each point; use Independent()"
        )
