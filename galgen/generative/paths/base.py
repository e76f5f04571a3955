r"""Base distributions: where the points of a bridge come from at t=0.

A diffusion starts from noise; a flow-matching path or a stochastic interpolant may start from any
distribution that can be drawn from (Tong et al. 2024, arXiv:2302.00482; Albergo, Boffi and
Vanden-Eijnden 2023, arXiv:2303.08797). Rows are drawn independently; a row is the last axis.
"""

from __future__ import annotations

import abc
import dataclasses
import math
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from galgen.checked import FILLED, Positive, checked
from galgen.errors import InputError


class Base(abc.ABC):
    """A distribution of rows."""

    @abc.abstractmethod
    def sample(self, key: jax.Array, shape: tuple[int, ...]) -> Float[Array, "*rows features"]:
        """Draw rows: ``shape[:-1]`` of them, ``shape[-1]`` wide."""

    def log_density(self, x: Float[Array, "*rows features"]) -> Float[Array, "*rows"]:
        """Log density of every row.

        Raises:
            InputError: for a base that can be drawn from but has no density.
        """
        raise InputError(
            "expected a base with a density for a likelihood, got an empirical one; "
            "use Normal(), Uniform() or a GaussianMixture"
        )


@dataclasses.dataclass(frozen=True)
@checked
class Normal(Base):
    """The standard normal distribution."""

    def sample(self, key: jax.Array, shape: tuple[int, ...]) -> Float[Array, "*rows features"]:
        return jax.random.normal(key, shape)

    def log_density(self, x: Float[Array, "*rows features"]) -> Float[Array, "*rows"]:
        return jnp.sum(-0.5 * (x**2 + math.log(2 * math.pi)), axis=-1)


@dataclasses.dataclass(frozen=True)
@checked
class Uniform(Base):
    """The uniform distribution in the unit box."""

    def sample(self, key: jax.Array, shape: tuple[int, ...]) -> Float[Array, "*rows features"]:
        return jax.random.uniform(key, shape)

    def log_density(self, x: Float[Array, "*rows features"]) -> Float[Array, "*rows"]:
        return jnp.where(jnp.all((x >= 0) & (x <= 1), axis=-1), 0.0, -jnp.inf)


def _check_width(width: int, shape: tuple[int, ...]) -> None:
    if shape[-1:] != (width,):
        raise InputError(
            f"expected data of {width} columns, as the base has, got the shape {shape}; "
            "change the columns of the base or of the data"
        )


def _check_one_width(name: str, rows: tuple[tuple[float, ...], ...]) -> None:
    widths = sorted({len(row) for row in rows})
    if len(widths) != 1 or not widths[0]:
        raise InputError(
            f"expected {name} of one width, got widths {widths}; give each as many columns as the "
            "data have"
        )


@dataclasses.dataclass(frozen=True)
@checked
class GaussianMixture(Base):
    """Equal round Gaussians.

    Attributes:
        means: one tuple per Gaussian, all of one width.
        std: standard deviation of each Gaussian along each axis.
    """

    means: Annotated[tuple[tuple[float, ...], ...], FILLED]
    std: Positive

    def __post_init__(self) -> None:
        _check_one_width("means", self.means)

    @classmethod
    def circle(
        cls, number: int = 8, radius: float = 5.0, std: float = 0.1**0.25
    ) -> GaussianMixture:
        """``number`` Gaussians on a circle in the plane; by default the eight Gaussians."""
        angles = 2 * np.pi * np.arange(number) / number
        means = radius * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
        return cls(tuple(map(tuple, means.tolist())), std)

    def sample(self, key: jax.Array, shape: tuple[int, ...]) -> Float[Array, "*rows features"]:
        _check_width(len(self.means[0]), shape)
        label_key, noise_key = jax.random.split(key)
        label = jax.random.randint(label_key, shape[:-1], 0, len(self.means))
        return jnp.asarray(self.means)[label] + self.std * jax.random.normal(noise_key, shape)

    def log_density(self, x: Float[Array, "*rows features"]) -> Float[Array, "*rows"]:
        standardised = (x[..., None, :] - jnp.asarray(self.means, x.dtype)) / self.std
        logs = Normal().log_density(standardised) - x.shape[-1] * math.log(self.std)
        return jax.nn.logsumexp(logs, axis=-1) - math.log(len(self.means))


@dataclasses.dataclass(frozen=True)
@checked
class Empirical(Base):
    """Rows of a sample, drawn with replacement.

    Attributes:
        points: the sample, one tuple per row, so that it can be written to a configuration; make
            one from an array by :meth:`of`.
    """

    points: Annotated[tuple[tuple[float, ...], ...], FILLED]

    def __post_init__(self) -> None:
        _check_one_width("points", self.points)

    @classmethod
    def of(cls, points: Float[np.ndarray, "number features"]) -> Empirical:
        """The empirical distribution of the rows of an array."""
        return cls(tuple(map(tuple, np.asarray(points).tolist())))

    def sample(self, key: jax.Array, shape: tuple[int, ...]) -> Float[Array, "*rows features"]:
        _check_width(len(self.points[0]), shape)
        return jax.random.choice(key, jnp.asarray(self.points), shape[:-1])
