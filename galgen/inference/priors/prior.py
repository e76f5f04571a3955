r"""Priors of named parameters, and the way to a space without bounds.

Samplers that follow gradients want a density on all of R^n. Each parameter theta with bounds
(low, high) is a monotone function of a free one u (Stan reference manual, "Transforms")::

    both bounds     theta = low + (high - low) s(u),   s(u) = 1 / (1 + exp(-u))
    lower bound     theta = low + scale exp(u)
    upper bound     theta = high - scale exp(-u)
    no bound        theta = center + scale u

so that a density p(theta) becomes p(theta(u)) |d theta / d u|. ``center`` and ``scale`` make u of
order one; for a normal prior they are its mean and standard deviation.

Parameters are a last axis in the order of ``names``; all functions take any leading axes.
"""

from __future__ import annotations

import abc
import dataclasses
import math
from collections.abc import Mapping
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from galgen.checked import INFINITE, Positive, checked
from galgen.errors import InputError
from galgen.inference.priors.truncated_normal import log_between, truncated_normal
from galgen.resolution import resolved

Bounds = tuple[float, float]


class Prior(abc.ABC):
    """A density of named parameters in physical units."""

    @property
    @abc.abstractmethod
    def names(self) -> tuple[str, ...]:
        """Names of the parameters, in order."""

    @property
    @abc.abstractmethod
    def bounds(self) -> tuple[Bounds, ...]:
        """(low, high) of each, infinite where there is none; the density is zero outside."""

    @property
    def places(self) -> tuple[tuple[float, float], ...]:
        """(center, scale) of each parameter, for those without bounds on both sides."""
        return ((0.0, 1.0),) * len(self.names)

    @abc.abstractmethod
    def sample(self, key: jax.Array, number: int) -> Float[Array, "number parameters"]:
        """Independent draws.

        Raises:
            InputError: for a prior that is known by its density alone.
        """

    @abc.abstractmethod
    def log_prob(self, theta: Float[Array, "*lead parameters"]) -> Float[Array, "*lead"]:
        """Log density, -inf outside the bounds."""

    def constrain(
        self, free: Float[Array, "*lead parameters"]
    ) -> tuple[Float[Array, "*lead parameters"], Float[Array, "*lead"]]:
        """Parameters at free coordinates, and log |d theta / d u| summed over them."""
        pairs = [
            _constrain(free[..., i], *bounds, *place)
            for i, (bounds, place) in enumerate(zip(self.bounds, self.places, strict=True))
        ]
        theta = jnp.stack([theta for theta, _ in pairs], axis=-1)
        return theta, jnp.sum(jnp.stack([slope for _, slope in pairs], axis=-1), axis=-1)

    def unconstrain(
        self, theta: Float[Array, "*lead parameters"]
    ) -> Float[Array, "*lead parameters"]:
        """The inverse; parameters on a bound are moved inside by rounding, not to infinity."""
        places = zip(self.bounds, self.places, strict=True)
        columns = [_unconstrain(theta[..., i], *b, *p) for i, (b, p) in enumerate(places)]
        return jnp.stack(columns, axis=-1)


def _constrain(u, low, high, center, scale):
    if math.isfinite(low) and math.isfinite(high):
        theta = low + (high - low) * jax.nn.sigmoid(u)
        slope = math.log(high - low) + jax.nn.log_sigmoid(u) + jax.nn.log_sigmoid(-u)
        return theta, slope
    if math.isfinite(low):
        return low + scale * jnp.exp(u), math.log(scale) + u
    if math.isfinite(high):
        return high - scale * jnp.exp(-u), math.log(scale) - u
    return center + scale * u, jnp.full_like(u, math.log(scale))


def _unconstrain(theta, low, high, center, scale):
    tiny = jnp.finfo(theta.dtype).eps
    if math.isfinite(low) and math.isfinite(high):
        return jax.scipy.special.logit(jnp.clip((theta - low) / (high - low), tiny, 1 - tiny))
    if math.isfinite(low):
        return jnp.log(jnp.maximum((theta - low) / scale, tiny))
    if math.isfinite(high):
        return -jnp.log(jnp.maximum((high - theta) / scale, tiny))
    return (theta - center) / scale


class OneParameter(Prior):
    """A prior of one parameter between bounds.

    Attributes:
        name: of the parameter.
        low, high: the bounds, in its unit.
    """

    name: str
    low: float
    high: float

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    @property
    def bounds(self) -> tuple[Bounds, ...]:
        return ((self.low, self.high),)


@dataclasses.dataclass(frozen=True)
@checked
class Uniform(OneParameter):
    """One parameter, every value between two bounds alike.

    Attributes:
        name: of the parameter.
        low, high: the bounds, in its unit.

    Raises:
        InputError: for bounds that are not finite or do not rise.
    """

    name: str
    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise InputError(
                f"expected low below high in the prior of {self.name}, got {self.low} and "
                f"{self.high}; swap them, or fix the parameter instead"
            )
        if not resolved(self.high - self.low, max(abs(self.low), abs(self.high))):
            raise InputError(
                f"expected bounds of {self.name} that float32 tells apart, got {self.low} to "
                f"{self.high}; widen them, or fix the parameter instead"
            )

    def sample(self, key: jax.Array, number: int) -> Float[Array, "number parameters"]:
        return jax.random.uniform(key, (number, 1), minval=self.low, maxval=self.high)

    def log_prob(self, theta: Float[Array, "*lead parameters"]) -> Float[Array, "*lead"]:
        return within(theta, self.bounds, jnp.full_like(theta, -math.log(self.high - self.low)))


@dataclasses.dataclass(frozen=True)
@checked
class Gaussian(OneParameter):
    """One parameter, normal, cut at bounds where they are given; normalised between them.

    Attributes:
        name: of the parameter.
        mean, std: before the cut, in its unit.
        low, high: the bounds, infinite for none.

    Raises:
        InputError: for a deviation that is not positive, or bounds that do not rise.
    """

    name: str
    mean: float
    std: Positive
    low: Annotated[float, INFINITE] = -math.inf
    high: Annotated[float, INFINITE] = math.inf

    def __post_init__(self) -> None:
        if not self.low < self.high or not math.exp(self._log_mass) > 0:
            raise InputError(
                f"expected low below high in the prior of {self.name}, and some of the normal "
                f"between them, got {self.low} and {self.high} about the mean {self.mean} with the "
                f"std {self.std}; widen them"
            )

    @property
    def places(self) -> tuple[tuple[float, float], ...]:
        return ((self.mean, self.std),)

    @property
    def _ends(self) -> tuple[float, float]:
        return (self.low - self.mean) / self.std, (self.high - self.mean) / self.std

    @property
    def _log_mass(self) -> float:
        return log_between(*self._ends)

    def sample(self, key: jax.Array, number: int) -> Float[Array, "number parameters"]:
        drawn = truncated_normal(key, *self._ends, (number, 1))
        return jnp.clip(self.mean + self.std * drawn, self.low, self.high)

    def log_prob(self, theta: Float[Array, "*lead parameters"]) -> Float[Array, "*lead"]:
        constant = math.log(self.std) + 0.5 * math.log(2 * math.pi) + self._log_mass
        squared = ((theta - self.mean) / self.std) ** 2
        return within(theta, self.bounds, -0.5 * squared - constant)


@dataclasses.dataclass(frozen=True)
@checked
class ProductPrior(Prior):
    """Independent priors side by side.

    Raises:
        InputError: for none, or a name that repeats.
    """

    priors: tuple[Prior, ...]

    def __post_init__(self) -> None:
        if not self.priors or len(set(self.names)) < len(self.names):
            raise InputError(
                f"expected priors of distinct parameters, got {list(self.names)}; name each once"
            )

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for prior in self.priors for name in prior.names)

    @property
    def bounds(self) -> tuple[Bounds, ...]:
        return tuple(bounds for prior in self.priors for bounds in prior.bounds)

    @property
    def places(self) -> tuple[tuple[float, float], ...]:
        return tuple(place for prior in self.priors for place in prior.places)

    def sample(self, key: jax.Array, number: int) -> Float[Array, "number parameters"]:
        keys = jax.random.split(key, len(self.priors))
        drawn = [prior.sample(key, number) for key, prior in zip(keys, self.priors, strict=True)]
        return jnp.concatenate(drawn, axis=-1)

    def log_prob(self, theta: Float[Array, "*lead parameters"]) -> Float[Array, "*lead"]:
        ends = np.cumsum([len(prior.names) for prior in self.priors])[:-1]
        parts = zip(self.priors, jnp.split(theta, ends, axis=-1), strict=True)
        return jnp.sum(jnp.stack([prior.log_prob(part) for prior, part in parts], -1), axis=-1)


def uniform_prior(ranges: Mapping[str, Bounds]) -> ProductPrior:
    """Uniform in each of some ranges by name, for instance those that a run was trained on."""
    return ProductPrior(tuple(Uniform(name, *bounds) for name, bounds in ranges.items()))


def within(theta, bounds, each):
    """The sum over parameters of ``each``, -inf where one is outside its bounds."""
    low, high = (jnp.asarray(side, theta.dtype) for side in zip(*bounds, strict=True))
    inside = jnp.all((theta >= low) & (theta <= high), axis=-1)
    return jnp.where(inside, jnp.sum(each, axis=-1), -jnp.inf)
