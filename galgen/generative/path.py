r"""Bridges between a base distribution and the data: where a point is at time t.

Time runs from t=0 (base) to t=1 (data). A path joins a base draw x_0 to a data point x_1 and gives
the interpolant x_t and its velocity d x_t / dt. A network regresses that velocity (flow matching,
Lipman et al. 2022, arXiv:2210.02747, eq. 14; stochastic interpolants, Albergo and Vanden-Eijnden
2022, arXiv:2209.15571), and following the learned velocity from t=0 carries base to data.

Affine paths::

    x_t = alpha(t) x_1 + sigma(t) x_0

    linear               alpha = t,  sigma = 1 - t  (Liu et al. 2022, arXiv:2209.03003)
    variance preserving  alpha = sqrt(sigmoid(l)), sigma = sqrt(sigmoid(-l)),  l = log SNR(t)
                         (Kingma et al. 2021, arXiv:2107.00630, eq. 3, with their time reversed)

Paths of the flat torus are in :mod:`galgen.generative.torus`; a
:class:`~galgen.generative.product_path.ProductPath` gives each group of columns a path of its own.

A sampler needs, besides the velocity, the state at t=0 (``sample_start``) and, if it is to be
stochastic, the way back: x_s for s < t has, given x_t, an exact law that adds fresh noise
(``renoise``)::

    x_s = (alpha_s / alpha_t) x_t + sqrt(sigma_s^2 - (alpha_s sigma_t / alpha_t)^2) z
"""

from __future__ import annotations

import abc
import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

SMALLEST_COEFFICIENT = 1e-4
"""Divisions by alpha or sigma stop here: at the ends of a path they would amplify rounding."""


def expand_time(t: Float[Array, " batch"], x: Float[Array, "batch *event"]) -> Float[Array, "..."]:
    """``t`` with trailing axes, to broadcast against ``x``."""
    return t.reshape(t.shape + (1,) * (x.ndim - t.ndim))


class Path(abc.ABC):
    """A bridge between base and data; see the module's docstring."""

    @abc.abstractmethod
    def sample_base(self, key: jax.Array, shape: tuple[int, ...]) -> Float[Array, "batch *event"]:
        """Draw what is joined to the data: x_0, or the noise of a diffusion."""

    def sample_start(self, key: jax.Array, shape: tuple[int, ...]) -> Float[Array, "batch *event"]:
        """Draw the state that sampling starts from at t=0; the base draw, if not said otherwise."""
        return self.sample_base(key, shape)

    @abc.abstractmethod
    def interpolate(
        self,
        base: Float[Array, "batch *event"],
        data: Float[Array, "batch *event"],
        t: Float[Array, " batch"],
    ) -> Float[Array, "batch *event"]:
        """The interpolant x_t."""

    @abc.abstractmethod
    def velocity(
        self,
        base: Float[Array, "batch *event"],
        data: Float[Array, "batch *event"],
        t: Float[Array, " batch"],
    ) -> Float[Array, "batch *event"]:
        """Its time derivative at fixed ends."""

    def travelled(
        self, length: Float[Array, " batch"], x: Float[Array, "batch *event"]
    ) -> Float[Array, "..."]:
        """The distance ``length`` of each example, to broadcast against the columns of ``x``."""
        return expand_time(length, x)

    def noise(
        self,
        base: Float[Array, "batch *event"],
        data: Float[Array, "batch *event"],
        t: Float[Array, " batch"],
    ) -> Float[Array, "batch *event"]:
        """The target of a network that predicts noise.

        Raises:
            ValueError: for a path along which noise does not determine the velocity.
        """
        raise ValueError(
            f"expected a path with Gaussian noise for a noise prediction, got {self!r}; "
            "use VelocityPrediction()"
        )

    def velocity_from_noise(
        self,
        noise: Float[Array, "batch *event"],
        x: Float[Array, "batch *event"],
        t: Float[Array, " batch"],
    ) -> Float[Array, "batch *event"]:
        """The velocity at ``x`` that a prediction of the noise implies."""
        raise NotImplementedError  # wherever noise() does not raise, this is defined

    def base_between(
        self,
        x: Float[Array, "batch *event"],
        data: Float[Array, "batch *event"],
        t: Float[Array, " batch"],
    ) -> Float[Array, "batch *event"]:
        """The base draw that leads from ``data`` to ``x`` at ``t``: inverse of ``interpolate``."""
        raise self._no_noise("to find the base between data and x_t")

    def log_transition(
        self,
        x: Float[Array, "batch points features"],
        data: Float[Array, "batch points features"],
        t: Float[Array, " batch"],
    ) -> Float[Array, "batch points"]:
        """log K_t(x | data) of every row, up to a constant of ``t``.

        Raises:
            ValueError: for a path without Gaussian noise.
        """
        raise self._no_noise("for a transition density")

    def _no_noise(self, purpose: str) -> ValueError:
        return ValueError(
            f"expected a path with Gaussian noise {purpose}, got {self!r}; "
            "use a diffusion, or leave out the exchange and the churn"
        )

    def renoise(
        self,
        key: jax.Array,
        x: Float[Array, "batch *event"],
        t: Float[Array, ""],
        earlier: Float[Array, ""],
    ) -> Float[Array, "batch *event"]:
        """A draw of the state at time ``earlier`` <= ``t``, given ``x`` at ``t``.

        Raises:
            ValueError: for a path without Gaussian noise.
        """
        raise self._no_noise("for a stochastic sampler")

    @abc.abstractmethod
    def move(
        self, x: Float[Array, "batch *event"], step: Float[Array, "batch *event"]
    ) -> Float[Array, "batch *event"]:
        """The point reached from ``x`` along ``step``: a sum, or a geodesic on the torus."""

    @abc.abstractmethod
    def squared_distance(
        self, base: Float[Array, "points features"], data: Float[Array, "points features"]
    ) -> Float[Array, "points points"]:
        """Squared distance between every base row and every data row, for couplings."""


class AffinePath(Path):
    """x_t = alpha(t) x_1 + sigma(t) x_0 in Euclidean space, with a standard normal base."""

    @abc.abstractmethod
    def coefficients(
        self, t: Float[Array, "..."]
    ) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """``(alpha, sigma)`` at time ``t``."""

    def rates(self, t: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """The time derivatives of ``(alpha, sigma)``."""
        return jax.jvp(self.coefficients, (t,), (jnp.ones_like(t),))[1]

    def sample_base(self, key: jax.Array, shape: tuple[int, ...]) -> Float[Array, "batch *event"]:
        return jax.random.normal(key, shape)

    def interpolate(self, base, data, t):
        alpha, sigma = self.coefficients(expand_time(t, data))
        return alpha * data + sigma * base

    def velocity(self, base, data, t):
        alpha_rate, sigma_rate = self.rates(expand_time(t, data))
        return alpha_rate * data + sigma_rate * base

    def noise(self, base, data, t):
        return base

    def velocity_from_noise(self, noise, x, t):
        time = expand_time(t, x)
        alpha, sigma = self.coefficients(time)
        alpha_rate, sigma_rate = self.rates(time)
        data = (x - sigma * noise) / jnp.maximum(alpha, SMALLEST_COEFFICIENT)
        return alpha_rate * data + sigma_rate * noise

    def base_between(self, x, data, t):
        alpha, sigma = self.coefficients(expand_time(t, x))
        return (x - alpha * data) / jnp.maximum(sigma, SMALLEST_COEFFICIENT)

    def log_transition(self, x, data, t):
        return -0.5 * jnp.sum(self.base_between(x, data, t) ** 2, axis=-1)

    def renoise(self, key, x, t, earlier):
        (alpha, sigma), (alpha_before, sigma_before) = map(self.coefficients, (t, earlier))
        ratio = alpha_before / jnp.maximum(alpha, SMALLEST_COEFFICIENT)
        fresh = jnp.sqrt(jnp.maximum(sigma_before**2 - (ratio * sigma) ** 2, 0.0))
        return ratio * x + fresh * jax.random.normal(key, x.shape, x.dtype)

    def move(self, x, step):
        return x + step

    def squared_distance(self, base, data):
        return jnp.sum((data[None] - base[:, None]) ** 2, axis=-1)


@dataclasses.dataclass(frozen=True)
class LinearPath(AffinePath):
    """alpha = t, sigma = 1 - t. ``uniform`` draws the base from the unit box (open boxes)."""

    uniform: bool = False

    def coefficients(self, t):
        return t, 1.0 - t

    def sample_base(self, key: jax.Array, shape: tuple[int, ...]) -> Float[Array, "batch *event"]:
        draw = jax.random.uniform if self.uniform else jax.random.normal
        return draw(key, shape)

    def log_transition(self, x, data, t):
        if self.uniform:
            raise self._no_noise("for a transition density")
        return super().log_transition(x, data, t)

    def renoise(self, key, x, t, earlier):
        if self.uniform:
            raise self._no_noise("for a stochastic sampler")
        return super().renoise(key, x, t, earlier)


@dataclasses.dataclass(frozen=True)
class VariancePreserving(AffinePath):
    """A variance-preserving diffusion whose log-SNR rises linearly in time.

    The defaults keep the base within 2e-2 of a standard normal at t=0 and the data within 7e-3
    (standardised units) at t=1.
    """

    log_snr_min: float = -8.0
    log_snr_max: float = 10.0

    def __post_init__(self) -> None:
        if not self.log_snr_min < self.log_snr_max:
            raise ValueError(
                f"expected log_snr_min < log_snr_max, got {self.log_snr_min} and "
                f"{self.log_snr_max}; time runs from noise to data, so log-SNR rises"
            )

    def log_snr(self, t: Float[Array, "..."]) -> Float[Array, "..."]:
        """log(alpha^2 / sigma^2)."""
        return self.log_snr_min + t * (self.log_snr_max - self.log_snr_min)

    def coefficients(self, t):
        log_snr = self.log_snr(t)
        return jnp.sqrt(jax.nn.sigmoid(log_snr)), jnp.sqrt(jax.nn.sigmoid(-log_snr))
