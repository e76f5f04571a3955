"""Small distributions to learn on: five in the plane, and a clustered point process with known xi.

The planar toys follow the shapes and scales in common use: eight Gaussians on a circle of radius 5
and two moons scaled by three as in Tong et al. 2024 (conditional flow matching), where the
Gaussians have *covariance* sqrt(0.1) and so standard deviation 0.1^(1/4) = 0.562; checkerboard,
spirals and pinwheel as in Grathwohl et al. 2019 (FFJORD). Each draws ``(n, 2)`` points and the
class of each: its Gaussian, moon, square, arm or blade.

The Thomas process (Thomas 1949) is the simplest clustered point process. Parents are a Poisson
process of density kappa; each has a Poisson number of children, mean mu, displaced by an isotropic
Gaussian sigma. Children are the points. Two children of one parent are separated by a Gaussian of
variance 2 sigma^2 a side, so that in three dimensions the two-point correlation is::

    xi(r) = exp(-r^2 / (4 sigma^2)) / (kappa (4 pi sigma^2)^(3/2))
"""

from __future__ import annotations

import abc
import dataclasses
from typing import Annotated

import numpy as np
from jaxtyping import Float, Int

from galgen.checked import ABOVE_ZERO, Count, NotNegative, Positive, at_most, checked
from galgen.periodic import wrap

Labelled = tuple[Float[np.ndarray, "number 2"], Int[np.ndarray, " number"]]
"""Points and the class of each."""


class Toy(abc.ABC):
    """A distribution in the plane that can be sampled with its classes."""

    @abc.abstractmethod
    def sample_with_labels(self, rng: np.random.Generator, number: int) -> Labelled:
        """Points ``(number, 2)``, float32, and the class of each."""

    def sample(self, rng: np.random.Generator, number: int) -> Float[np.ndarray, "number 2"]:
        """Points ``(number, 2)``, float32."""
        return self.sample_with_labels(rng, number)[0]


@dataclasses.dataclass(frozen=True)
@checked
class EightGaussians(Toy):
    """Eight equal Gaussians on a circle.

    Attributes:
        radius: of the circle.
        std: standard deviation of each Gaussian along each axis.
    """

    radius: NotNegative = 5.0
    std: Positive = 0.1**0.25

    @property
    def centres(self) -> Float[np.ndarray, "8 2"]:
        """The eight means, anticlockwise from the x axis."""
        angle = np.arange(8) * np.pi / 4
        return self.radius * np.stack([np.cos(angle), np.sin(angle)], axis=-1)

    def sample_with_labels(self, rng: np.random.Generator, number: int) -> Labelled:
        """Points and which Gaussian each came from."""
        labels = rng.integers(8, size=number)
        x = self.centres[labels] + self.std * rng.standard_normal((number, 2))
        return x.astype(np.float32), labels

    def log_density(self, x: Float[np.ndarray, "*lead 2"]) -> Float[np.ndarray, "*lead"]:
        """The exact log density."""
        squared = np.sum((np.asarray(x)[..., None, :] - self.centres) ** 2, axis=-1)
        logs = -squared / (2 * self.std**2) - np.log(16 * np.pi * self.std**2)
        return np.logaddexp.reduce(logs, axis=-1)


@dataclasses.dataclass(frozen=True)
@checked
class TwoMoons(Toy):
    """Two interleaved half circles.

    Attributes:
        std: of the Gaussian noise, before scaling.
        scale, shift: applied last, ``scale * x + shift``.
    """

    std: NotNegative = 0.1
    scale: Positive = 3.0
    shift: float = -1.0

    def sample_with_labels(self, rng: np.random.Generator, number: int) -> Labelled:
        """Points and which moon each is on."""
        labels = rng.integers(2, size=number)
        angle = np.pi * rng.random(number)
        outer = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        inner = np.stack([1 - np.cos(angle), 0.5 - np.sin(angle)], axis=-1)
        x = np.where(labels[:, None] == 0, outer, inner)
        x = x + self.std * rng.standard_normal((number, 2))
        return (self.scale * x + self.shift).astype(np.float32), labels


@dataclasses.dataclass(frozen=True)
@checked
class Checkerboard(Toy):
    """The eight dark squares of a four by four board, uniform.

    Attributes:
        half_width: the board is [-half_width, half_width]^2.
    """

    half_width: Positive = 4.0

    def sample_with_labels(self, rng: np.random.Generator, number: int) -> Labelled:
        """Points and which dark square each is in."""
        labels = rng.integers(8, size=number)
        column, pair = labels // 2, labels % 2
        row = 2 * pair + column % 2
        corner = np.stack([column, row], axis=-1)
        x = (corner + rng.random((number, 2))) / 2 - 1
        return (self.half_width * x).astype(np.float32), labels


@dataclasses.dataclass(frozen=True)
@checked
class TwoSpirals(Toy):
    """Two spiral arms of one and a half turns.

    Attributes:
        std: of the Gaussian noise.
    """

    std: NotNegative = 0.1

    def sample_with_labels(self, rng: np.random.Generator, number: int) -> Labelled:
        """Points and which arm each is on."""
        labels = rng.integers(2, size=number)
        angle = 3 * np.pi * np.sqrt(rng.random(number))
        arm = np.stack([-np.cos(angle), np.sin(angle)], axis=-1) * angle[:, None]
        arm = (arm + 0.5 * rng.random((number, 2))) / 3
        x = np.where(labels[:, None] == 0, arm, -arm)
        x = x + self.std * rng.standard_normal((number, 2))
        return x.astype(np.float32), labels


@dataclasses.dataclass(frozen=True)
@checked
class Pinwheel(Toy):
    """Curved blades about the origin.

    Attributes:
        blades: how many.
        radial_std, tangential_std: of each blade before it is bent.
        rate: of the bending.
    """

    blades: Count = 5
    radial_std: NotNegative = 0.3
    tangential_std: NotNegative = 0.1
    rate: float = 0.25

    def sample_with_labels(self, rng: np.random.Generator, number: int) -> Labelled:
        """Points and which blade each is on."""
        labels = rng.integers(self.blades, size=number)
        deviations = np.array([self.radial_std, self.tangential_std])
        blade = rng.standard_normal((number, 2)) * deviations + np.array([1.0, 0.0])
        angle = 2 * np.pi * labels / self.blades + self.rate * np.exp(blade[:, 0])
        turned = (blade[:, 0] + 1j * blade[:, 1]) * np.exp(-1j * angle)
        return 2 * np.stack([turned.real, turned.imag], axis=-1).astype(np.float32), labels


@dataclasses.dataclass(frozen=True)
@checked
class ThomasProcess:
    """A Thomas process on the unit torus in three dimensions.

    Attributes:
        parents: kappa, mean number of parents in the unit box.
        children: mu, mean number of children of a parent.
        sigma: displacement of a child along each axis, in units of the box side.

    Raises:
        InputError: if a value is not positive, or sigma is so large that images overlap.
    """

    parents: Positive = 30.0
    children: Positive = 8.0
    sigma: Annotated[float, ABOVE_ZERO, at_most(0.1)] = 0.03

    @property
    def mean_count(self) -> float:
        """Mean number of points, kappa mu."""
        return self.parents * self.children

    def correlation(self, separation: Float[np.ndarray, "*lead"]) -> Float[np.ndarray, "*lead"]:
        """The exact xi at a separation in units of the box side."""
        squared = 4 * self.sigma**2
        amplitude = 1 / (self.parents * (np.pi * squared) ** 1.5)
        return amplitude * np.exp(-(np.asarray(separation) ** 2) / squared)

    def sample(self, rng: np.random.Generator, number: int) -> list[Float[np.ndarray, "_ 3"]]:
        """Clouds of float32 points in [0, 1)^3; their sizes vary and may be zero."""
        return [self._one(rng) for _ in range(number)]

    def _one(self, rng: np.random.Generator) -> Float[np.ndarray, "_ 3"]:
        parents = rng.random((rng.poisson(self.parents), 3))
        children = rng.poisson(self.children, len(parents))
        x = np.repeat(parents, children, axis=0)
        return wrap(wrap(x + self.sigma * rng.standard_normal(x.shape)).astype(np.float32))
