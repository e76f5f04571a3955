r"""Bridges between a base distribution and the data: where a point is at time t.

Time runs from t=0 (base) to t=1 (data). A path joins a base draw x_0 to a data point x_1 and gives
the interpolant x_t and its velocity d x_t / dt. A network regresses that velocity (flow matching,
Lipman et al. 2022, arXiv:2210.02747, eq. 14; stochastic interpolants, Albergo and Vanden-Eijnden
2022, arXiv:2209.15571), and following the learned velocity from t=0 carries base to data.

At a given x_t and t, whatever a network predicts is solved to the same two :class:`Ends`, data and
noise (x_0, where the path starts from something else), and the velocity follows from them::

    (output, x_t, t) -> Ends(data, noise) -> velocity

Paths in Euclidean space are in :mod:`galgen.generative.paths.affine` and
:mod:`galgen.generative.paths.interpolant`, those of the flat torus in
:mod:`galgen.generative.paths.torus`; a :class:`~galgen.generative.paths.product.ProductPath` gives
each group of columns a path of its own.

A sampler needs, besides the velocity, the state at t=0 (``sample_start``) and, if it is to be
stochastic, the way back: x_s for s < t has, given x_t, an exact law that adds fresh noise
(``renoise``).
"""

from __future__ import annotations

import abc
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Bool, Float

from galgen.errors import InputError

SMALLEST_COEFFICIENT = 1e-4
"""Divisions by alpha or sigma stop here: at the ends of a path they would amplify rounding."""


class Ends(NamedTuple):
    """The data and the noise in x_t.

    Attributes:
        data: x_1.
        noise: x_0, or the noise of a diffusion, as far as it can be known from x_t and x_1.
    """

    data: Float[Array, "batch *event"]
    noise: Float[Array, "batch *event"]


def expand_time(t: Float[Array, " number"], x: Float[Array, "batch *event"]) -> Float[Array, "..."]:
    """``t`` with trailing axes, to broadcast against ``x``.

    Raises:
        InputError: for a time outside [0, 1]; under ``jit`` values are not seen.
    """
    check_time(t)
    return t.reshape(t.shape + (1,) * (x.ndim - t.ndim))


def check_time(t: Float[Array, "..."]) -> None:
    """Raise ValueError for a time outside [0, 1], but for rounding; traced times pass."""
    if isinstance(t, jax.core.Tracer):
        return
    times = np.asarray(t)
    if not np.all((times >= -1e-6) & (times <= 1 + 1e-6)):
        raise InputError(
            f"expected times from 0 (base) to 1 (data), got {times.min()} to {times.max()}; "
            "rescale them"
        )


class ProbabilityPath(abc.ABC):
    """A bridge between base and data; see the module's docstring.

    Attributes:
        affine: x_t is linear in data and noise, in Euclidean space.
        gaussian: x_t is data with Gaussian noise, wrapped or not: it has a score and a log-SNR.
    """

    affine: bool = False
    gaussian: bool = False

    @property
    def parts(self) -> tuple[ProbabilityPath, ...]:
        """The paths of all groups of columns."""
        return (self,)

    @abc.abstractmethod
    def sample_base(self, key: jax.Array, shape: tuple[int, ...]) -> Float[Array, "batch *event"]:
        """Draw what is joined to the data: x_0, or the noise of a diffusion."""

    def sample_start(self, key: jax.Array, shape: tuple[int, ...]) -> Float[Array, "batch *event"]:
        """Draw the state that sampling starts from at t=0; the base draw, if not said otherwise."""
        return self.sample_base(key, shape)

    def log_start(
        self, x: Float[Array, "batch *event"], mask: Bool[Array, "batch points"] | None
    ) -> Float[Array, " batch"]:
        """Log density of the state ``x`` at t=0 (``sample_start``); padded rows count nothing.

        Raises:
            InputError: for a path whose start has no density that is known.
        """
        raise InputError(
            f"expected a path whose start has a known density for a likelihood, got {self!r}; "
            "use one from a normal or a uniform base"
        )

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
        noise: Float[Array, "batch *event"],
        data: Float[Array, "batch *event"],
        t: Float[Array, " batch"],
    ) -> Float[Array, "batch *event"]:
        """Its time derivative at fixed ends."""

    def sample(
        self,
        key: jax.Array,
        base: Float[Array, "batch *event"],
        data: Float[Array, "batch *event"],
        t: Float[Array, " batch"],
    ) -> tuple[Float[Array, "batch *event"], Ends]:
        """x_t, and the ends that a network is taught to see in it.

        The velocity of the flow at x_t is the mean of ``velocity`` of these ends over all that lead
        there. ``key`` feeds what is random on the way.
        """
        return self.interpolate(base, data, t), Ends(data, base)

    def displacement_scale(
        self, length: Float[Array, " batch"], x: Float[Array, "batch *event"]
    ) -> Float[Array, "..."]:
        """The distance ``length`` of each example, to broadcast against the columns of ``x``."""
        return length.reshape(length.shape + (1,) * (x.ndim - 1))

    def ends_from_velocity(
        self,
        velocity: Float[Array, "batch *event"],
        x: Float[Array, "batch *event"],
        t: Float[Array, " batch"],
    ) -> Ends:
        """The ends of the path that passes ``x`` with this velocity.

        Raises:
            InputError: for a path whose ends the velocity does not determine.
        """
        raise self.unfit(
            "a path that its velocity determines", "to find its ends", "an ODE sampler"
        )

    def ends_from_noise(
        self,
        noise: Float[Array, "batch *event"],
        x: Float[Array, "batch *event"],
        t: Float[Array, " batch"],
    ) -> Ends:
        """The ends of the path that passes ``x`` from this noise.

        Raises:
            InputError: for a path whose ends the noise does not determine.
        """
        raise self._no_noise("to find the data in x_t")

    def ends_from_data(
        self,
        data: Float[Array, "batch *event"],
        x: Float[Array, "batch *event"],
        t: Float[Array, " batch"],
    ) -> Ends:
        """The ends of the path that passes ``x`` towards this data.

        Raises:
            InputError: for a path without Gaussian noise, but affine ones.
        """
        raise self._no_noise("to find the noise between data and x_t")

    def scales(
        self, t: Float[Array, " number"], x: Float[Array, "batch *event"]
    ) -> tuple[Float[Array, "number ..."], Float[Array, "number ..."]]:
        """(alpha, sigma): what data and noise are multiplied by in x_t, per column if they differ.

        Returns:
            Both to broadcast against the columns of ``x``, whose values are not read.

        Raises:
            InputError: for a path without Gaussian noise.
        """
        raise self._no_noise("for a signal-to-noise ratio")

    def log_transition(
        self,
        x: Float[Array, "batch points features"],
        data: Float[Array, "batch points features"],
        t: Float[Array, " batch"],
    ) -> Float[Array, "batch points"]:
        """log K_t(x | data) of every row, up to a constant of ``t``.

        Raises:
            InputError: for a path without Gaussian noise.
        """
        raise self._no_noise("for a transition density")

    def renoise(
        self,
        key: jax.Array,
        x: Float[Array, "batch *event"],
        t: Float[Array, ""],
        earlier: Float[Array, ""],
    ) -> Float[Array, "batch *event"]:
        """A draw of the state at time ``earlier`` <= ``t``, given ``x`` at ``t``.

        Raises:
            InputError: for a path without Gaussian noise.
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

    def unfit(self, expected: str, purpose: str, remedy: str) -> InputError:
        """The error for a path that cannot serve a purpose."""
        return InputError(f"expected {expected} {purpose}, got {self!r}; use {remedy}")

    def _no_noise(self, purpose: str) -> InputError:
        remedy = "a diffusion, or leave out the exchange and the churn"
        return self.unfit("a path with Gaussian noise", purpose, remedy)
