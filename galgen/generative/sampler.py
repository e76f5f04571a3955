"""Sampling: integrate the learned velocity from base (t=0) to data (t=1), in one scan.

What varies is the step rule. With velocity v(x, t) and step h (Karras et al. 2022,
arXiv:2206.00364, algorithm 1, in velocity form)::

    Euler  x' = x + h v(x, t)
    Heun   x* = x + h v(x, t);  x' = x + h (v(x, t) + v(x*, t + h)) / 2

where "+" is the path's own motion: a geodesic step on the torus. ``Churn`` makes either
stochastic (ibid., algorithm 2).
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from galgen.generative.bridge import Bridge, Denoiser
from galgen.generative.path import Path
from galgen.masking import zero_padding


class Flow(NamedTuple):
    """A learned flow: what a step rule may ask of it.

    Attributes:
        velocity: ``velocity(x, t)``.
        path: supplies motion along a step, and fresh noise.
    """

    velocity: Callable[[Float[Array, "batch *event"], Float[Array, ""]], Float[Array, "..."]]
    path: Path


class Step(abc.ABC):
    """One step of an integrator."""

    @property
    @abc.abstractmethod
    def evaluations(self) -> int:
        """Network evaluations per step."""

    @abc.abstractmethod
    def __call__(
        self,
        flow: Flow,
        key: jax.Array,
        x: Float[Array, "batch *event"],
        t: Float[Array, ""],
        size: Float[Array, ""],
    ) -> Float[Array, "batch *event"]:
        """``x`` carried from ``t`` to ``t + size``; ``key`` feeds what is random in it."""


@dataclasses.dataclass(frozen=True)
class Euler(Step):
    """First order, one evaluation."""

    evaluations = 1

    def __call__(self, flow, key, x, t, size):
        return flow.path.move(x, size * flow.velocity(x, t))


@dataclasses.dataclass(frozen=True)
class Heun(Step):
    """Second order, two evaluations."""

    evaluations = 2

    def __call__(self, flow, key, x, t, size):
        first = flow.velocity(x, t)
        second = flow.velocity(flow.path.move(x, size * first), t + size)
        return flow.path.move(x, size * 0.5 * (first + second))


@dataclasses.dataclass(frozen=True)
class Churn(Step):
    """Any step rule made stochastic: fresh noise carries x back in time, the rule forward again.

    The state first returns to ``t - amount * size`` (not before 0) by the path's own exact law, and
    is then carried to ``t + size``. Errors made earlier are forgotten on the scale of the noise,
    at the price of longer steps. With ``amount=1`` the noise added is that of ancestral sampling,
    to first order in the step. The law is that of an independent coupling: under another one base
    and data move together, and fresh noise is not theirs.

    Attributes:
        step: the rule that carries it forward.
        amount: how far back, in steps.
    """

    step: Step = Heun()
    amount: float = 1.0

    def __post_init__(self) -> None:
        if not self.amount >= 0:
            raise ValueError(f"expected an amount of 0 or more, got {self.amount}; 1 is ancestral")

    @property
    def evaluations(self) -> int:
        return self.step.evaluations

    def __call__(self, flow, key, x, t, size):
        noise_key, step_key = jax.random.split(key)
        back = jnp.maximum(t - self.amount * size, 0.0)
        x = flow.path.renoise(noise_key, x, t, back)
        return self.step(flow, step_key, x, back, t + size - back)


@flax.struct.dataclass
class Samples:
    """What a sampler returns.

    =========== ================================ ======================================
    field       shape                            meaning
    =========== ================================ ======================================
    x           ``(batch, *event)``              draws, standardised; padded rows zero
    evaluations int                              network evaluations per draw
    trajectory  ``(steps + 1, batch, *event)``   the way there, if it was asked for
    =========== ================================ ======================================
    """

    x: Float[Array, "batch *event"]
    evaluations: int = flax.struct.field(pytree_node=False)
    trajectory: Float[Array, "times batch *event"] | None = None


@dataclasses.dataclass(frozen=True)
class Sampler:
    """A step rule on a grid of times.

    Attributes:
        step: the step rule.
        steps: how many.
        lateness: step i of n starts at 1 - (1 - i / n)^lateness: 1 for equal steps, more than 1
            for finer steps near the data.
    """

    step: Step = Heun()
    steps: int = 32
    lateness: float = 1.0

    def __post_init__(self) -> None:
        if self.steps < 1 or not self.lateness > 0:
            raise ValueError(
                f"expected at least one step and a positive lateness, got steps={self.steps} and "
                f"lateness={self.lateness}"
            )

    @property
    def times(self) -> Float[np.ndarray, "times"]:
        """The ``steps + 1`` times, from 0 to 1."""
        return 1.0 - (1.0 - np.linspace(0.0, 1.0, self.steps + 1)) ** self.lateness

    def __call__(
        self,
        bridge: Bridge,
        denoiser: Denoiser,
        key: jax.Array,
        shape: tuple[int, ...],
        mask: Bool[Array, "batch points"] | None = None,
        condition: Float[Array, "batch condition"] | None = None,
        trajectory: bool = False,
    ) -> Samples:
        """Draw ``shape[0]`` examples.

        Args:
            bridge: the model that the denoiser was trained for.
            denoiser: ``denoiser(x, t, mask, condition)``.
            fixes the start, and what a stochastic step draws.
            shape: ``(batch, *event)``.
            mask: True where a row is to be a real point.
            condition: standardised parameters, one row per example.
            trajectory: also return every intermediate state.
        """
        path = bridge.path
        start_key, step_key = jax.random.split(key)
        start = zero_padding(path.sample_start(start_key, shape), mask)
        times = jnp.asarray(self.times, start.dtype)

        def velocity(x, t):
            return bridge.velocity(denoiser, x, t, mask, condition)

        flow = Flow(velocity, path)

        def body(x, interval):
            t, size, number = interval
            x = self.step(flow, jax.random.fold_in(step_key, number), x, t, size)
            x = zero_padding(x, mask)
            return x, (x if trajectory else None)

        intervals = (times[:-1], jnp.diff(times), jnp.arange(self.steps))
        x, states = jax.lax.scan(body, start, intervals)
        way = jnp.concatenate([start[None], states]) if trajectory else None
        return Samples(x, self.steps * self.step.evaluations, way)
