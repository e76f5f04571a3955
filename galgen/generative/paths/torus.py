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
the velocity of the probability flow is (d sigma / d t) E[noise | x_t]. The data that go with a
noise are x_t - sigma noise mod 1.

The mean of points on a torus is no mean of coordinates, which jump at the face of the box: a least
squares fit of the data, or of a base point, would be wrong there and not invariant to translation.
Displacements have no such place, so networks on the torus predict noise, score or velocity.
"""

from __future__ import annotations

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from galgen.checked import Positive, checked
from galgen.errors import InputError
from galgen.generative.paths.base import Base, Uniform
from galgen.generative.paths.path import Ends, ProbabilityPath, expand_time
from galgen.geometry import PeriodicBox, geodesic
from galgen.periodic import minimum_image, wrap

_BOX = PeriodicBox()


class _TorusPath(ProbabilityPath):
    """Geodesic motion, which all paths on the torus share."""

    def move(self, x, step):
        return _BOX.move(x, step)


@dataclasses.dataclass(frozen=True)
@checked
class TorusGeodesic(_TorusPath):
    """Geodesics of the flat torus [0, 1)^dim.

    Attributes:
        base: the distribution of x_0, wrapped into the box.
    """

    base: Base = Uniform()

    def sample_base(self, key: jax.Array, shape: tuple[int, ...]) -> Float[Array, "batch *event"]:
        return wrap(self.base.sample(key, shape))

    def log_start(self, x, mask):
        if not isinstance(self.base, Uniform):
            return super().log_start(x, mask)
        return jnp.zeros(len(x), x.dtype)

    def interpolate(self, base, data, t):
        return geodesic(_BOX, base, data, expand_time(t, data).astype(data.dtype))

    def velocity(self, noise, data, t):
        return _BOX.displacement(noise, data)

    def ends_from_velocity(self, velocity, x, t):
        time = expand_time(t, x).astype(x.dtype)
        return Ends(_BOX.move(x, (1 - time) * velocity), _BOX.move(x, -time * velocity))

    def squared_distance(self, base, data):
        return jnp.sum(_BOX.displacement(base[:, None], data[None]) ** 2, axis=-1)


@dataclasses.dataclass(frozen=True)
@checked
class TorusDiffusion(_TorusPath):
    """Wrapped Gaussian noise on the flat torus; see the module's docstring.

    Attributes:
        sigma_max: width at t=0, in sides of the box. At the default the density of a point is
            within 1.5% of uniform wherever the data are; sampling starts from uniform.
        sigma_min: width at t=1, in sides of the box: what is left as blur in the data.
    """

    sigma_max: Positive = 0.5
    sigma_min: Positive = 1e-3

    gaussian = True

    def __post_init__(self) -> None:
        if not 0 < self.sigma_min < self.sigma_max or self.sigma_max < 0.4:
            raise InputError(
                "expected 0 < sigma_min < sigma_max with sigma_max of at least 0.4, so that noise "
                f"fills the box, got sigma_min={self.sigma_min} and sigma_max={self.sigma_max}; "
                "leave sigma_max at its default"
            )

    @classmethod
    def for_points(cls, number: float, dim: int = 3, fraction: float = 0.02) -> TorusDiffusion:
        """The widths that suit clouds of ``number`` points on average.

        What there is to learn of a cloud's clustering is learned where noise is as wide as points
        are apart, number^(-1/dim): much wider, only long waves are left; much narrower, each point
        is alone with its noise. So the least width is a ``fraction`` of the mean separation, and
        it stays in the data as blur: a pair's separation is blurred by sqrt(2) of it along each
        axis. The default, the demo's, blurs it by 1/35 of the mean separation. The greatest width
        fills the box whatever the number, for sampling starts from uniform.

        Args:
            number: mean number of points in the box.
            dim: of the box.
            fraction: of the mean separation, at t=1; less for more strongly clustered points.
        """
        if not (number >= 1 and 0 < fraction < 0.5):
            raise InputError(
                "expected at least one point and a fraction between 0 and 0.5, got "
                f"number={number} and fraction={fraction}; 0.02 is usual"
            )
        return cls(sigma_min=fraction * number ** (-1.0 / dim))

    def sigma(self, t: Float[Array, "..."]) -> Float[Array, "..."]:
        """Width of the noise at time ``t``, in sides of the box."""
        return self.sigma_max * (self.sigma_min / self.sigma_max) ** t

    def _sigma_at(self, t, x):
        """The width, to broadcast against ``x``, in its precision."""
        return self.sigma(expand_time(t, x)).astype(x.dtype)

    def _rate_at(self, t, x):
        return math.log(self.sigma_min / self.sigma_max) * self._sigma_at(t, x)

    def sample_base(self, key: jax.Array, shape: tuple[int, ...]) -> Float[Array, "batch *event"]:
        return jax.random.normal(key, shape)

    def sample_start(self, key: jax.Array, shape: tuple[int, ...]) -> Float[Array, "batch *event"]:
        return jax.random.uniform(key, shape)

    def log_start(self, x, mask):
        return jnp.zeros(len(x), x.dtype)

    def interpolate(self, base, data, t):
        return _BOX.move(data, self._sigma_at(t, data) * base)

    def velocity(self, noise, data, t):
        return self._rate_at(t, noise) * noise

    def sample(self, key, base, data, t):
        """x_t, and the mean of the noise over windings, which is all that x_t tells of it."""
        images = self._images(self._sigma_at(t, data) * base, t)
        return self.interpolate(base, data, t), Ends(data, _mean_over(images).astype(data.dtype))

    def ends_from_velocity(self, velocity, x, t):
        return self.ends_from_noise(velocity / self._rate_at(t, x), x, t)

    def ends_from_noise(self, noise, x, t):
        return Ends(_BOX.move(x, -self._sigma_at(t, x) * noise), noise)

    def ends_from_data(self, data, x, t):
        images = self._images(_BOX.displacement(data, x), t)
        return Ends(data, _mean_over(images).astype(x.dtype))

    def scales(self, t, x):
        sigma = self.sigma(expand_time(t, x))
        return jnp.ones_like(sigma), sigma

    def log_transition(self, x, data, t):
        u = self._images(_BOX.displacement(data, x), t)
        return jnp.sum(jax.nn.logsumexp(-0.5 * u**2, axis=-1), axis=-1)

    def _images(
        self, displacement: Float[Array, "batch *event"], t: Float[Array, " batch"]
    ) -> Float[Array, "batch *event images"]:
        """(d + m) / sigma for every image m that matters: those left out weigh less than e^-12."""
        reach = math.ceil(math.sqrt(6.0 * self.sigma_max**2 + 0.25) + 0.5)
        images = np.arange(-reach, reach + 1, dtype=np.float32)
        displacement = minimum_image(displacement)
        return (displacement[..., None] + images) / self.sigma(expand_time(t, displacement))[
            ..., None
        ]

    def renoise(self, key, x, t, earlier):
        fresh = jnp.sqrt(jnp.maximum(self.sigma(earlier) ** 2 - self.sigma(t) ** 2, 0.0))
        return _BOX.move(x, fresh.astype(x.dtype) * jax.random.normal(key, x.shape, x.dtype))

    def squared_distance(self, base, data):
        raise InputError(
            "expected a path from base points to data points for a coupling, got a diffusion, "
            "whose noise belongs to each point; use Independent()"
        )


def _mean_over(u: Float[Array, "*event images"]) -> Float[Array, "*event"]:
    """The mean of the noise over windings."""
    return jnp.sum(jax.nn.softmax(-0.5 * u**2, axis=-1) * u, axis=-1)
