"""Sampling in adaptive steps: the flow from t=0 to t=1, as fine as each draw needs.

The equation is that of :mod:`galgen.generative.sampling.sampler`. It is solved for the displacement
from the start, and the network sees the start moved along it by the path: on the torus the motion
is geodesic and never meets the edge of the box.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated

import jax
import jax.numpy as jnp

from galgen.checked import between, checked
from galgen.generative.sampling.flow import Flow
from galgen.generative.sampling.method import Samples, SamplingMethod
from galgen.generative.sampling.ode import AdaptiveSteps
from galgen.masking import zero_padding


@dataclasses.dataclass(frozen=True)
@checked
class AdaptiveSampler(SamplingMethod):
    """A solver in adaptive steps, from the same start as a ``Sampler`` with the same key.

    Every draw has steps of its own. The denoiser is called with batches of one, under ``jax.vmap``.

    Attributes:
        solver: the tolerance, of the displacement from the start.
        frames: states of a trajectory, equally far apart in time from t=0 to t=1.
    """

    solver: AdaptiveSteps = AdaptiveSteps(1e-4, 1e-4)
    frames: Annotated[int, between(2, 2**20)] = 33

    draws = Flow

    def __call__(self, model, key, shape, mask=None, condition=None, trajectory=False):
        path = model.path
        start_key = jax.random.split(key)[0]
        start = zero_padding(path.sample_start(start_key, shape), mask)
        times = jnp.linspace(0.0, 1.0, self.frames if trajectory else 2, dtype=start.dtype)

        def example(start, mask, condition):
            start, mask, condition = jax.tree.map(lambda a: a[None], (start, mask, condition))
            flow = model.given(mask, condition)

            def field(t, displacement):
                return flow.velocity(path.move(start, displacement), t)

            displacements, evaluations = self.solver(field, jnp.zeros_like(start), times)
            return jax.vmap(path.move, (None, 0))(start, displacements)[:, 0], evaluations

        states, evaluations = jax.vmap(example, out_axes=(1, 0))(start, mask, condition)
        return Samples(states[-1], evaluations, states if trajectory else None)
