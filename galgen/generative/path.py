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

On the flat torus (Chen and Lipman 2023, arXiv:2302.03660, eq. 13) the base is uniform and x_t runs
along the shortest geodesic::

    x_t = x_0 + t * minimum_image(x_1 - x_0)   mod 1

A ``ProductPath`` gives each group of columns a path of its own: positions live on the torus, marks
such as log mass are Euclidean.
"""

from __future__ import annotations

import abc
import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from galgen.geometry import PeriodicBox, geodesic


def expand_time(t: Float[Array, " batch"], x: Float[Array, "batch *event"]) -> Float[Array, "..."]:
    """``t`` with trailing axes, to broadcast against ``x``."""
    return t.reshape(t.shape + (1,) * (x.ndim - t.ndim))


class Path(abc.ABC):
    """A bridge between base and data; see the module's docstring."""

    @abc.abstractmethod
    def sample_base(self, key: jax.Array, shape: tuple[int, ...]) -> Float[Array, "batch *event"]:
        """Draw x_0 of the given shape."""

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


@dataclasses.dataclass(frozen=True)
class TorusGeodesic(Path):
    """Geodesics of the flat torus [0, 1)^dim from a uniform base."""

    def sample_base(self, key: jax.Array, shape: tuple[int, ...]) -> Float[Array, "batch *event"]:
        return jax.random.uniform(key, shape)

    def interpolate(self, base, data, t):
        return geodesic(PeriodicBox(), base, data, expand_time(t, data))

    def velocity(self, base, data, t):
        return PeriodicBox().displacement(base, data)

    def move(self, x, step):
        return PeriodicBox().move(x, step)

    def squared_distance(self, base, data):
        return jnp.sum(PeriodicBox().displacement(base[:, None], data[None]) ** 2, axis=-1)


@dataclasses.dataclass(frozen=True)
class ProductPath(Path):
    """A path for each consecutive group of columns of the last axis.

    Attributes:
        paths: one per group.
        columns: how many columns each path takes; they add up to the width of the data.

    Distances between rows (for couplings) are those of the first group alone: the positions.
    """

    paths: tuple[Path, ...]
    columns: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.paths) != len(self.columns) or min(self.columns, default=0) < 1:
            raise ValueError(
                f"expected one positive number of columns per path, got {len(self.paths)} paths "
                f"and columns={self.columns}"
            )

    def _split(self, x: Float[Array, "*lead features"]) -> list[Float[Array, "*lead group"]]:
        if x.shape[-1] != sum(self.columns):
            raise ValueError(
                f"expected {sum(self.columns)} columns (groups of {self.columns}), got "
                f"{x.shape[-1]}; change the path's columns or the data's columns"
            )
        edges = [sum(self.columns[: i + 1]) for i in range(len(self.columns) - 1)]
        return jnp.split(x, edges, axis=-1)

    def sample_base(self, key: jax.Array, shape: tuple[int, ...]) -> Float[Array, "batch *event"]:
        keys = jax.random.split(key, len(self.paths))
        parts = zip(self.paths, self.columns, keys, strict=True)
        draws = [path.sample_base(k, (*shape[:-1], width)) for path, width, k in parts]
        return jnp.concatenate(draws, axis=-1)

    def interpolate(self, base, data, t):
        groups = zip(self.paths, self._split(base), self._split(data), strict=True)
        return jnp.concatenate([p.interpolate(b, d, t) for p, b, d in groups], axis=-1)

    def velocity(self, base, data, t):
        groups = zip(self.paths, self._split(base), self._split(data), strict=True)
        return jnp.concatenate([p.velocity(b, d, t) for p, b, d in groups], axis=-1)

    def move(self, x, step):
        groups = zip(self.paths, self._split(x), self._split(step), strict=True)
        return jnp.concatenate([p.move(b, d) for p, b, d in groups], axis=-1)

    def squared_distance(self, base, data):
        return self.paths[0].squared_distance(self._split(base)[0], self._split(data)[0])
