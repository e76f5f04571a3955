"""Sampling: integrate the learned velocity from base (t=0) to data (t=1), in one scan.

What varies is the step rule. With velocity v(x, t) and step h (Karras et al. 2022,
arXiv:2206.00364, algorithm 1, in velocity form)::

    Euler  x' = x + h v(x, t)
    Heun   x* = x + h v(x, t);  x' = x + h (v(x, t) + v(x*, t + h)) / 2

where "+" is the path's own motion: a geodesic step on the torus.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from galgen.generative.bridge import Bridge, Denoiser
from galgen.masking import zero_padding

Velocity = Callable[[Float[Array, "batch *event"], Float[Array, ""]], Float[Array, "batch *event"]]
Move = Callable[
    [Float[Array, "batch *event"], Float[Array, "batch *event"]], Float[Array, "batch *event"]
]


class Step(abc.ABC):
    """One step of an integrator."""

    evaluations: int
    """Network evaluations per step."""

    @abc.abstractmethod
    def __call__(
        self,
        velocity: Velocity,
        move: Move,
        x: Float[Array, "batch *event"],
        t: Float[Array, ""],
        size: Float[Array, ""],
    ) -> Float[Array, "batch *event"]:
        """``x`` carried from ``t`` to ``t + size``."""


@dataclasses.dataclass(frozen=True)
class Euler(Step):
    """First order, one evaluation."""

    evaluations = 1

    def __call__(self, velocity, move, x, t, size):
        return move(x, size * velocity(x, t))


@dataclasses.dataclass(frozen=True)
class Heun(Step):
    """Second order, two evaluations."""

    evaluations = 2

    def __call__(self, velocity, move, x, t, size):
        first = velocity(x, t)
        second = velocity(move(x, size * first), t + size)
        return move(x, size * 0.5 * (first + second))


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
            key: fixes the base draw; the flow itself is deterministic.
            shape: ``(batch, *event)``.
            mask: True where a row is to be a real point.
            condition: standardised parameters, one row per example.
            trajectory: also return every intermediate state.
        """
        path = bridge.path
        base = zero_padding(path.sample_base(key, shape), mask)
        times = jnp.asarray(self.times, base.dtype)

        def velocity(x, t):
            return bridge.velocity(denoiser, x, t, mask, condition)

        def body(x, interval):
            start, size = interval
            x = zero_padding(self.step(velocity, path.move, x, start, size), mask)
            return x, (x if trajectory else None)

        x, states = jax.lax.scan(body, base, (times[:-1], jnp.diff(times)))
        way = jnp.concatenate([base[None], states]) if trajectory else None
        return Samples(x, self.steps * self.step.evaluations, way)
