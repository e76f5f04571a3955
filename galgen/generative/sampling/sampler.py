"""Sampling: follow the learned flow from base (t=0) to data (t=1), in one scan.

What varies is the step rule (:mod:`galgen.generative.sampling.step`), or the whole method
(:mod:`galgen.generative.sampling.adaptive`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from galgen.checked import Count, Positive, checked
from galgen.generative.sampling.flow import Flow
from galgen.generative.sampling.guidance import Guidance
from galgen.generative.sampling.method import Samples, SamplingMethod
from galgen.generative.sampling.step import Heun, Memory, Step
from galgen.masking import zero_padding


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

    draws = Flow

    @property
    def times(self) -> Float[np.ndarray, "times"]:
        """The ``steps + 1`` times, from 0 to 1."""
        return 1.0 - (1.0 - np.linspace(0.0, 1.0, self.steps + 1)) ** self.rho

    def __call__(self, model, key, shape, mask=None, condition=None, trajectory=False):
        flow, path = model.given(mask, condition), model.path
        if self.guidance is not None:
            flow = dataclasses.replace(flow, denoiser=self.guidance(flow.denoiser))
        start_key, step_key = jax.random.split(key)
        start = zero_padding(path.sample_start(start_key, shape), mask)
        times = jnp.asarray(self.times, start.dtype)

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
