r"""The meaning of a network's output.

At a given x_t and t any one of noise, data, score or velocity fixes the two ends of the path, data
and noise (:class:`~galgen.generative.paths.path.Ends`), and with them the others. A prediction says
which it is; the path supplies the algebra::

    noise     noise
    data      data                       affine paths only: see galgen.generative.paths.torus
    score     grad log p(x_t | data) = -noise / sigma
    velocity  d x_t / d t

The velocity follows from the ends in one place, ``ProbabilityPath.velocity``.
"""

from __future__ import annotations

import abc
import dataclasses

import jax.numpy as jnp
from jaxtyping import Array, Float

from galgen.checked import checked
from galgen.generative.paths.path import SMALLEST_COEFFICIENT, Ends, ProbabilityPath


class Prediction(abc.ABC):
    """The meaning of a network's output: its training target, and the ends that it implies.

    Outputs are of order one. ``unit`` is how far each column travels (``Bridge.unit``); only a
    velocity is measured in it.
    """

    @abc.abstractmethod
    def check(self, path: ProbabilityPath) -> None:
        """Raise ValueError for a path along which this cannot be predicted."""

    def scale_input(
        self, path: ProbabilityPath, x: Float[Array, "batch *event"], t: Float[Array, " batch"]
    ) -> Float[Array, "batch *event"]:
        """The input of the network: x_t itself, if not said otherwise."""
        return x

    @abc.abstractmethod
    def target(
        self,
        path: ProbabilityPath,
        ends: Ends,
        t: Float[Array, " batch"],
        unit: Float[Array, "..."],
    ) -> Float[Array, "batch *event"]:
        """The right output of the network at the x_t between ``ends``."""

    @abc.abstractmethod
    def solve(
        self,
        path: ProbabilityPath,
        output: Float[Array, "batch *event"],
        x: Float[Array, "batch *event"],
        t: Float[Array, " batch"],
        unit: Float[Array, "..."],
    ) -> Ends:
        """The ends that ``output`` implies at ``x``."""

    def velocity(
        self,
        path: ProbabilityPath,
        output: Float[Array, "batch *event"],
        x: Float[Array, "batch *event"],
        t: Float[Array, " batch"],
        unit: Float[Array, "..."],
    ) -> Float[Array, "batch *event"]:
        """The velocity that ``output`` implies at ``x``."""
        ends = self.solve(path, output, x, t, unit)
        return path.velocity(ends.noise, ends.data, t)


@dataclasses.dataclass(frozen=True)
@checked
class VelocityPrediction(Prediction):
    """The network outputs the velocity, in the unit of the distance to be travelled."""

    def check(self, path):
        """Every path has a velocity."""

    def target(self, path, ends, t, unit):
        return path.velocity(ends.noise, ends.data, t) / unit

    def solve(self, path, output, x, t, unit):
        return path.ends_from_velocity(output * unit, x, t)

    def velocity(self, path, output, x, t, unit):
        return output * unit


@dataclasses.dataclass(frozen=True)
@checked
class NoisePrediction(Prediction):
    """The network outputs the noise, as diffusion models do (arXiv:2006.11239).

    In Euclidean space an error of the noise is one of the data divided by alpha, so that where
    log-SNR starts low some draws go astray: of two moons from a small network, by the default
    schedule, a few in 1,000 (Wasserstein-2 0.50, against 0.15 by
    :class:`~galgen.generative.objectives.preconditioning.PreconditionedPrediction`), and by a
    cosine schedule from -15 nearly all.
    """

    def check(self, path):
        for part in path.parts:
            if not (part.affine or part.gaussian):
                raise part.unfit(
                    "a path with Gaussian noise", "for a noise prediction", "VelocityPrediction()"
                )

    def target(self, path, ends, t, unit):
        return ends.noise

    def solve(self, path, output, x, t, unit):
        return path.ends_from_noise(output, x, t)


@dataclasses.dataclass(frozen=True)
@checked
class DataPrediction(Prediction):
    """The network outputs the clean data x_1."""

    def check(self, path):
        require_affine(path, "for a data prediction")

    def target(self, path, ends, t, unit):
        return ends.data

    def solve(self, path, output, x, t, unit):
        return path.ends_from_data(output, x, t)


@dataclasses.dataclass(frozen=True)
@checked
class ScorePrediction(Prediction):
    """The network outputs the score of x_t, grad log p_t (arXiv:2011.13456, eq. 7).

    Scores are of order 1 / sigma, and late times rule their plain error: train with a weighting of
    the noise, ``Bridge(weighting=SNRWeighting())``.
    """

    def check(self, path):
        require_noise(path, "for a score")

    def target(self, path, ends, t, unit):
        return -ends.noise / self._width(path, t, ends.noise)

    def solve(self, path, output, x, t, unit):
        return path.ends_from_noise(-self._width(path, t, x) * output, x, t)

    def _width(self, path, t, x):
        sigma = path.scales(t, x)[1]
        return jnp.maximum(sigma, SMALLEST_COEFFICIENT).astype(x.dtype)


def require_affine(path: ProbabilityPath, purpose: str) -> None:
    """Raise ValueError unless x_t is linear in data and noise in every column."""
    for part in path.parts:
        if not part.affine:
            raise part.unfit("an affine path", purpose, "NoisePrediction() or VelocityPrediction()")


def require_noise(path: ProbabilityPath, purpose: str) -> None:
    """Raise ValueError unless x_t is data with Gaussian noise in every column."""
    for part in path.parts:
        if not part.gaussian:
            raise part.unfit("a path with Gaussian noise", purpose, "VelocityPrediction() as it is")
