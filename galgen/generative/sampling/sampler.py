"""Sampling: follow the learned flow from base (t=0) to data (t=1), in one scan.

What varies is the step rule (:mod:`galgen.generative.sampling.step`), or the whole method
(:mod:`galgen.generative.sampling.adaptive`).
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from galgen.checked import Count, Positive, checked
from galgen.errors import InputError
from galgen.generative.models.bridge import Bridge
from galgen.generative.models.model import Model
from galgen.generative.sampling.guidance import Guidance
from galgen.generative.sampling.step import Flow, Heun, Memory, Step
from galgen.masking import zero_padding


@flax.struct.dataclass
class Samples:
    """What a sampler returns.

    =========== ================================ ======================================
    field       shape                            meaning
    =========== ================================ ======================================
    x           ``(batch, *event)``              draws, standardised; padded rows zero
    evaluations int or ``(batch,)``              network evaluations per draw
    trajectory  ``(steps + 1, batch, *event)``   states at every time, if asked for
    =========== ================================ ======================================
    """

    x: Float[Array, "batch *event"]
    evaluations: int | Int[Array, "*batch"]
    trajectory: Float[Array, "times batch *event"] | None = None


class SamplingMethod(abc.ABC):
    """A way to draw from a trained model."""

    refuses: ClassVar[bool] = False
    """Whether a call always raises: what it stands for makes no draws."""

    @property
    def draws(self) -> type[Model]:
        """The models that it draws from."""
        return Bridge

    @abc.abstractmethod
    def __call__(
        self,
        model: Any,
        denoiser: Any,
        key: jax.Array,
        shape: tuple[int, ...],
        mask: Bool[Array, "batch points"] | None = None,
        condition: Float[Array, "batch condition"] | None = None,
        trajectory: bool = False,
    ) -> Samples:
        """Draw ``shape[0]`` examples.

        Args:
            model: what the denoiser was trained for.
            denoiser: ``denoiser(x, t, mask, condition)``.
            key: fixes the start, and what is random in the steps.
            shape: ``(batch, *event)``.
            mask: True where a row is to be a real point.
            condition: standardised parameters, one row per example.
            trajectory: also return the states at every time.

        Raises:
            InputError: for a path that the method cannot follow.
        """

    def check(self, model: Model) -> None:
        """Accept the models that it draws from.

        Raises:
            InputError: for a model of another family; the message names the remedy.
        """
        if not issubclass(model.drawn_as, self.draws):
            raise InputError(
                f"expected a model that is drawn as a {self.draws.__name__} for "
                f"{type(self).__name__}, got {type(model).__name__}; a Bridge goes with Sampler, "
                "a MeanFlow with MeanFlowSampler, and MaximumLikelihood with FlowSampler"
            )


@dataclasses.dataclass(frozen=True)
@checked
class Sampler(SamplingMethod):
    """A step rule on a grid of times; the trajectory has every state.

    Attributes:
        step: the step rule.
        steps: how many.
        rho: step i of n starts at 1 - (1 - i / n)^rho: 1 for equal steps, more than 1
            for finer steps near the data.
        guidance: towards the condition, or None for the model as it is.
    """

    step: Step = Heun()
    steps: Count = 32
    rho: Positive = 1.0
    guidance: Guidance | None = None

    @property
    def times(self) -> Float[np.ndarray, "times"]:
        """The ``steps + 1`` times, from 0 to 1."""
        return 1.0 - (1.0 - np.linspace(0.0, 1.0, self.steps + 1)) ** self.rho

    def __call__(self, model, denoiser, key, shape, mask=None, condition=None, trajectory=False):
        path = model.path
        start_key, step_key = jax.random.split(key)
        start = zero_padding(path.sample_start(start_key, shape), mask)
        times = jnp.asarray(self.times, start.dtype)
        guided = denoiser if self.guidance is None else self.guidance(denoiser)

        def velocity(x, t):
            return model.velocity(guided, x, t, mask, condition)

        def ends(x, t):
            return model.ends(guided, x, t, mask, condition)

        flow = Flow(velocity, ends, path)

        def advance(number, x, t, later, memory):
            key = jax.random.fold_in(step_key, number)
            return self.step(flow, key, x, t, later - t, memory)

        memory = self.step.start(path, start)
        x, states = integrate(advance, start, mask, times, memory, trajectory)
        each = 1 if self.guidance is None else self.guidance.evaluations
        return Samples(x, self.steps * self.step.evaluations * each, states)


def integrate(
    advance: Callable[..., tuple[Float[Array, "batch *event"], Memory]],
    start: Float[Array, "batch *event"],
    mask: Bool[Array, "batch points"] | None,
    times: Float[Array, " times"],
    memory: Memory,
    trajectory: bool,
) -> tuple[Float[Array, "batch *event"], Float[Array, "times batch *event"] | None]:
    """From the first of ``times`` to the last in one scan; padded rows stay zero.

    Args:
        advance: ``(number, x, t, later, memory) -> (x, memory)``, one step.
        start: state at the first time.
        mask: True where a row is real.
        times: rising.
        memory: of the first step.
        trajectory: also return every state.
    """

    def body(state, interval):
        x, memory = advance(interval[0], state[0], *interval[1:], state[1])
        x = zero_padding(x, mask)
        return (x, memory), (x if trajectory else None)

    intervals = (jnp.arange(len(times) - 1), times[:-1], times[1:])
    (x, _), states = jax.lax.scan(body, (start, memory), intervals)
    return x, (jnp.concatenate([start[None], states]) if trajectory else None)
