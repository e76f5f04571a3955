r"""Tasks with known posteriors: two moons, Gaussian linear, SLCP (Lueckmann et al. 2021).

The benchmark of simulation-based inference, arXiv:2101.04653, appendix T. Parameters theta, data x,
noise n::

    two moons        theta uniform in [-1, 1]^2,  n = r (cos a, sin a) + (1/4, 0),
    (T.8)            r ~ N(0.1, 0.01^2),  a uniform in [-pi/2, pi/2],
                     x = n + (-|theta_1 + theta_2|, theta_2 - theta_1) / sqrt 2
    Gaussian linear  theta ~ N(0, 0.1 I) in 10 dimensions,  x ~ N(theta, 0.1 I)
    (T.1)
    SLCP             theta uniform in [-3, 3]^5,  x = four draws of N(m, S) in the plane,
    (T.3)            m = (theta_1, theta_2),  s_i = theta_(2+i)^2,  rho = tanh theta_5,
                     S = [[s_1^2, rho s_1 s_2], [rho s_1 s_2, s_2^2]]

Posteriors are drawn exactly, of the first two in closed form: noise that is drawn leaves two theta,
either sign of theta_1 + theta_2, and x / 2 has the variance 0.05. Of SLCP, m is a normal given S
and the data, of mean <x> and covariance S / 4, cut to the prior; the three other parameters have
the density |S|^(-3/2) exp(-tr(S^-1 W) / 2), W the scatter of the data, which is resampled from
uniform draws.
"""

from __future__ import annotations

import abc
import dataclasses
import math

import numpy as np
from jaxtyping import Float

from galgen.checked import Count, Positive, ProperFraction, Seed, Size, checked
from galgen.data.batching import ArraySource
from galgen.data.dataset import Dataset, Prepared
from galgen.errors import InputError
from galgen.inference.neural.vectors import Parameters, VectorEncoding
from galgen.randomness import Role, random_generator

Rows = Float[np.ndarray, "rows parameters"]


class Task(abc.ABC):
    """A prior, a simulator and a posterior that is known."""

    @property
    @abc.abstractmethod
    def parameters(self) -> Parameters:
        """The parameters: in [-1, 1] for a uniform prior, standardised for a normal one."""

    @abc.abstractmethod
    def simulate(self, rng: np.random.Generator, theta: Rows) -> Float[np.ndarray, "rows columns"]:
        """One vector of data for each row of parameters."""

    @abc.abstractmethod
    def posterior(
        self, rng: np.random.Generator, observation: Float[np.ndarray, " columns"], number: int
    ) -> Rows:
        """Independent draws of the posterior of one vector of data."""

    def prior(self, rng: np.random.Generator, number: int) -> Rows:
        """Independent draws of the prior, uniform if not said otherwise."""
        low, high = np.array(self.parameters.ranges).T
        return rng.uniform(low, high, (number, len(low)))


def _uniform(number: int, bound: float) -> Parameters:
    names = tuple(f"theta_{i + 1}" for i in range(number))
    ranges = ((-bound, bound),) * number
    return Parameters(names, (0.0,) * number, (bound,) * number, ranges)


@dataclasses.dataclass(frozen=True)
@checked
class TwoMoonsTask(Task):
    """Two crescents; see the module's docstring."""

    @property
    def parameters(self) -> Parameters:
        return _uniform(2, 1.0)

    def simulate(self, rng, theta):
        first, second = theta.T
        ways = np.stack([-np.abs(first + second), second - first], axis=-1) / math.sqrt(2)
        return self._noise(rng, len(theta)) + ways

    def posterior(self, rng, observation, number):
        kept = np.empty((0, 2))
        while len(kept) < number:
            noise = self._noise(rng, 4 * number)
            length, along = noise[:, 0] - observation[0], observation[1] - noise[:, 1]
            across = length * rng.choice([-1.0, 1.0], len(length))
            theta = np.stack([across - along, across + along], axis=-1) / math.sqrt(2)
            possible = (length >= 0) & np.all(np.abs(theta) <= 1, axis=-1)
            kept = np.concatenate([kept, theta[possible]])
        return kept[:number]

    def _noise(self, rng: np.random.Generator, number: int) -> Float[np.ndarray, "number 2"]:
        radius = rng.normal(0.1, 0.01, number)
        angle = rng.uniform(-math.pi / 2, math.pi / 2, number)
        return np.stack([radius * np.cos(angle) + 0.25, radius * np.sin(angle)], axis=-1)


@dataclasses.dataclass(frozen=True)
@checked
class GaussianLinearTask(Task):
    """A mean under a normal prior; see the module's docstring.

    Attributes:
        dimensions: of parameters and data.
        variance: of the prior and of the noise.
    """

    dimensions: Size = 10
    variance: Positive = 0.1

    @property
    def parameters(self) -> Parameters:
        names = tuple(f"theta_{i + 1}" for i in range(self.dimensions))
        std = math.sqrt(self.variance)
        # The prior has no bounds: where it has all of its mass but for a part in a million.
        ranges = ((-5 * std, 5 * std),) * self.dimensions
        means, scales = (0.0,) * self.dimensions, (std,) * self.dimensions
        return Parameters(names, means, scales, ranges)

    def prior(self, rng, number):
        return rng.normal(0.0, math.sqrt(self.variance), (number, self.dimensions))

    def simulate(self, rng, theta):
        return rng.normal(theta, math.sqrt(self.variance))

    def posterior(self, rng, observation, number):
        shape = (number, self.dimensions)
        return rng.normal(observation / 2, math.sqrt(self.variance / 2), shape)


@dataclasses.dataclass(frozen=True)
@checked
class SLCPTask(Task):
    """Simple likelihood, complex posterior; see the module's docstring.

    Attributes:
        proposals: uniform draws that a posterior is resampled from.
    """

    proposals: Count = 4_000_000

    @property
    def parameters(self) -> Parameters:
        return _uniform(5, 3.0)

    def simulate(self, rng, theta):
        first, second, rho = self._covariance(theta[:, 2:])
        normal = rng.standard_normal((len(theta), 4, 2))
        across = rho * normal[..., 0] + np.sqrt(1 - rho**2) * normal[..., 1]
        points = np.stack([first * normal[..., 0], second * across], axis=-1)
        return (theta[:, None, :2] + points).reshape(len(theta), 8)

    def posterior(self, rng, observation, number):
        """As the base class says.

        Raises:
            InputError: if too few of the proposals have any weight.
        """
        points = observation.reshape(4, 2)
        mean = points.mean(axis=0)
        scatter = (points - mean).T @ (points - mean)
        shape = rng.uniform(-3.0, 3.0, (self.proposals, 3))
        weight = self._weight(shape, scatter)
        effective = weight.sum() ** 2 / np.sum(weight**2)
        if not effective >= 2 * number:
            raise InputError(
                f"expected an effective number of proposals above {2 * number}, got "
                f"{effective:.0f} of {self.proposals}; raise proposals, or take an observation "
                "with a wider posterior"
            )
        cumulative = np.cumsum(weight)
        kept = np.empty((0, 5))
        while len(kept) < number:
            chosen = np.searchsorted(cumulative, rng.uniform(0, cumulative[-1], 2 * number))
            # The mean has half the deviation of one point.
            first, second, rho = self._covariance(shape[chosen])
            one, two = rng.standard_normal((2, 2 * number))
            other = rho[:, 0] * one + np.sqrt(1 - rho[:, 0] ** 2) * two
            m = mean + 0.5 * np.stack([first[:, 0] * one, second[:, 0] * other], axis=-1)
            theta = np.concatenate([m, shape[chosen]], axis=-1)
            kept = np.concatenate([kept, theta[np.all(np.abs(m) <= 3.0, axis=-1)]])
        return kept[:number]

    def _covariance(
        self, shape: Float[np.ndarray, "rows 3"]
    ) -> tuple[Float[np.ndarray, "rows 1"], ...]:
        """(s_1, s_2, rho) as columns; s is kept from zero as the benchmark's is."""
        first, second = (np.sqrt(shape[:, i : i + 1] ** 4 + 1e-6) for i in (0, 1))
        return first, second, np.tanh(shape[:, 2:])

    def _weight(
        self, shape: Float[np.ndarray, "rows 3"], scatter: Float[np.ndarray, "2 2"]
    ) -> Float[np.ndarray, " rows"]:
        """|S|^(-3/2) exp(-tr(S^-1 W) / 2), over its largest."""
        first, second, rho = (column[:, 0] for column in self._covariance(shape))
        free = 1 - rho**2
        trace = scatter[0, 0] / first**2 + scatter[1, 1] / second**2
        trace = (trace - 2 * rho * scatter[0, 1] / (first * second)) / free
        logarithm = -1.5 * np.log(first**2 * second**2 * free) - 0.5 * trace
        return np.exp(logarithm - logarithm.max())


@dataclasses.dataclass(frozen=True)
@checked
class TaskDataset(Dataset):
    """Simulations of a task: data of it, conditioned on its parameters.

    Attributes:
        task: the prior and the simulator.
        number: of simulations.
        seed: of these.
        aside: the fraction of them that is not trained on, for held-out losses.

    Raises:
        InputError: if there is none to train on.
    """

    task: Task
    number: Count = 10_000
    seed: Seed = 0
    aside: ProperFraction = 0.1

    def prepare(self, batch_size, seed, shard=(0, 1), origin=None):
        x, theta = (rows[self._aside :] for rows in self._simulations())
        if origin is None:
            encoding = VectorEncoding.fit(x, self.task.parameters)
        else:
            encoding = origin.encoding
        condition = encoding.parameters.encode(theta)
        source = ArraySource(encoding.encode(x), condition, batch_size, seed, shard)
        return Prepared(source, encoding)

    def held_out_source(self, encoding, batch_size, split, shard=(0, 1)):
        x, theta = (rows[: self._aside] for rows in self._simulations())
        condition = encoding.parameters.encode(theta)
        return ArraySource(encoding.encode(x), condition, batch_size, 0, shard)

    @property
    def _aside(self) -> int:
        return round(self.aside * self.number)

    def _simulations(self) -> tuple[Float[np.ndarray, "number columns"], Rows]:
        rng = random_generator(Role.TASK, self.seed)
        theta = self.task.prior(rng, self.number)
        return self.task.simulate(rng, theta), theta
