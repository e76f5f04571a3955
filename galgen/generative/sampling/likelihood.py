r"""The likelihood of data under a flow, by integrating it backwards.

A state that follows the velocity, dx/dt = v(x, t), from the start at t=0 to data at t=1 changes its
log density at the rate -div v (Chen et al. 2018, arXiv:1806.07366, eq. 8; for the probability flow
of a diffusion, Song et al. 2021, arXiv:2011.13456, eq. 39)::

    log p_1(x_1) = log p_0(x_0) - integral from 0 to 1 of div v(x_t, t) dt

The pair of x and the integral is solved from t=1 back to t=0. The divergence is the trace of the
Jacobian J = dv/dx, found by products J e with directions e::

    exact       sum over i of e_i . J e_i,  e_i the unit vectors: one product per dimension
    Hutchinson  mean over k of e_k . J e_k,  e_k random signs (Hutchinson 1990; Grathwohl et al.
                2019, arXiv:1810.01367): unbiased, and the spread over k gives its standard error

Random signs are drawn once per example and kept through its solve: with fresh ones at each call the
field would be noise, which an adaptive solver cannot follow.

What is solved for is the displacement from x_1, and the network sees x_1 moved along it by the
path: on the torus the motion is geodesic and never meets the edge of the box. The integral is
carried in nats per dimension, which is the unit of its tolerance.

The density is that of rows in their order, in model space: for a cloud that is a set of N points,
add log N!, and for physical units the log Jacobian of the standardising.
"""

from __future__ import annotations

import abc
import dataclasses
import math
from typing import Annotated

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from galgen.checked import at_least, checked
from galgen.generative.sampling.flow import Flow
from galgen.generative.sampling.ode import AdaptiveSteps, Solver
from galgen.masking import zero_padding


class Divergence(abc.ABC):
    """A trace of the Jacobian, by products with directions that are fixed for a whole solve."""

    @abc.abstractmethod
    def directions(self, key: jax.Array, x: Float[Array, "*event"]) -> Float[Array, "_ *event"]:
        """The directions to which the Jacobian of one example ``x`` is applied."""

    @abc.abstractmethod
    def estimates(self, products: Float[Array, " directions"]) -> Float[Array, " estimates"]:
        """Estimates of the trace, from e . J e of each direction."""


@dataclasses.dataclass(frozen=True)
@checked
class ExactDivergence(Divergence):
    """The full trace, at one product per dimension: for data of few dimensions."""

    def directions(self, key: jax.Array, x: Float[Array, "*event"]) -> Float[Array, "_ *event"]:
        return jnp.eye(x.size, dtype=x.dtype).reshape(x.size, *x.shape)

    def estimates(self, products: Float[Array, " directions"]) -> Float[Array, " estimates"]:
        return jnp.sum(products, keepdims=True)


@dataclasses.dataclass(frozen=True)
@checked
class Hutchinson(Divergence):
    """Random signs: unbiased at any dimension, with an error that is reported.

    Attributes:
        probes: random vectors; the error falls with the square root of their number.
    """

    probes: Annotated[int, at_least(2)] = 8

    def directions(self, key: jax.Array, x: Float[Array, "*event"]) -> Float[Array, "_ *event"]:
        # Rows lead, so that a row's signs do not change with the number of rows padded on.
        rows, *rest = x.shape
        return jnp.moveaxis(jax.random.rademacher(key, (rows, self.probes, *rest), x.dtype), 1, 0)

    def estimates(self, products: Float[Array, " directions"]) -> Float[Array, " estimates"]:
        return products


@flax.struct.dataclass
class LogLikelihood:
    """The result of :class:`Likelihood`.

    =========== ==================== ==========================================================
    field       shape                meaning
    =========== ==================== ==========================================================
    value       ``(batch,)``         log density of each example, nats
    error       ``(batch,)``         its standard error over probes; zero where exact
    start       ``(batch, *event)``  the state at t=0 that flows to the data
    evaluations ``(batch,)``         network evaluations, each with a product per direction
    =========== ==================== ==========================================================
    """

    value: Float[Array, " batch"]
    error: Float[Array, " batch"]
    start: Float[Array, "batch *event"]
    evaluations: Int[Array, " batch"]


@dataclasses.dataclass(frozen=True)
@checked
class Likelihood:
    """The log density of data under a trained flow; see the module's docstring.

    Differentiable with respect to the data, the condition and the weights of the flow. The
    denoiser is called with batches of one, under ``jax.vmap``.

    Attributes:
        divergence: how the trace is found.
        solver: how the flow is integrated.
    """

    divergence: Divergence = ExactDivergence()
    solver: Solver = AdaptiveSteps()

    def __call__(
        self,
        flow: Flow,
        key: jax.Array,
        x: Float[Array, "batch *event"],
        mask: Bool[Array, "batch points"] | None = None,
        condition: Float[Array, "batch condition"] | None = None,
    ) -> LogLikelihood:
        """The log density of every example of ``x``.

        Args:
            flow: a bridge with its weights.
            key: of the random probes.
            x: standardised data.
            mask: True where a row is real; the density is that of the real rows.
            condition: standardised parameters, one row per example.

        Raises:
            InputError: if the density of the path's start is not known.
        """
        x = zero_padding(x, mask)

        def example(key, x, mask, condition):
            return self._example(flow, key, x, mask, condition)

        start, integrals, evaluations = jax.vmap(example)(
            jax.random.split(key, len(x)), x, mask, condition
        )
        number = integrals.shape[1]
        value = flow.path.log_start(start, mask) - jnp.mean(integrals, axis=1)
        spread = jnp.std(integrals, axis=1, ddof=1) if number > 1 else jnp.zeros_like(value)
        return LogLikelihood(value, spread / math.sqrt(number), start, evaluations)

    def _example(
        self,
        flow: Flow,
        key: jax.Array,
        x: Float[Array, "*event"],
        mask: Bool[Array, " points"] | None,
        condition: Float[Array, " condition"] | None,
    ) -> tuple[Float[Array, "*event"], Float[Array, " estimates"], Int[Array, ""]]:
        """State at t=0, estimates of the integral of the divergence, and evaluations."""
        x, mask, condition = jax.tree.map(lambda a: a[None], (x, mask, condition))
        flow = flow.given(mask, condition)
        directions = self.divergence.directions(key, x[0])
        dimensions = x.size if mask is None else jnp.sum(mask) * (x.size // mask.size)
        dimensions = jnp.maximum(dimensions, 1).astype(x.dtype)

        def field(t, state):
            def velocity(displacement):
                return flow.velocity(flow.path.move(x, displacement[None]), t)[0]

            rate, jacobian = jax.linearize(velocity, state[0])
            products = jax.vmap(lambda e: jnp.vdot(e, jacobian(e)))(directions)
            return rate, self.divergence.estimates(products) / dimensions

        none = jnp.zeros_like(self.divergence.estimates(jnp.zeros(len(directions), x.dtype)))
        times = jnp.array([1.0, 0.0], x.dtype)
        states, evaluations = self.solver(field, (jnp.zeros_like(x[0]), none), times)
        displacement, integral = jax.tree.map(lambda y: y[-1], states)
        # The integral was run from t=1 to t=0.
        return flow.path.move(x, displacement[None])[0], -dimensions * integral, evaluations
