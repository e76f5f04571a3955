r"""Solvers of ordinary differential equations dy/dt = f(t, y), for one example at a time.

An explicit Runge-Kutta method with coefficients a_ij and b_i carries y over a step of h::

    k_i = f(t + c_i h, y + h sum over j < i of a_ij k_j),      c_i = sum over j of a_ij
    y'  = y + h sum over i of b_i k_i

(Hairer, Norsett and Wanner 1993, Solving Ordinary Differential Equations I, section II.1). In
steps fixed beforehand, its error falls with the number of steps to the power of the order:
``EULER`` 1, ``HEUN`` 2, ``RK4`` 4.

In adaptive steps, a method of order 5 with an embedded one of order 4 (Tsitouras 2011, of diffrax)
takes the longest steps for which every entry of the difference is below ``atol + rtol |y|``.

Adaptive steps are chosen for one example alone, and solvers are batched by ``jax.vmap``: with steps
chosen for a batch, the answer for an example would change with its neighbours. The largest entry
decides, not the mean square, so that zeros on padded rows do not lengthen the steps.

Fixed steps are our own, on one scan: diffrax, which takes the adaptive ones, compiles its reverse
mode for about ten seconds even for a trivial field, and has no forward mode with it.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from galgen.checked import Count, NotNegative, Positive, checked
from galgen.errors import InputError

State = Any
"""A pytree of arrays."""

Field = Callable[[Float[Array, ""], State], State]
"""``field(t, y)``, the time derivative of the state ``y``."""


class Solution(NamedTuple):
    """The result of a solver.

    Attributes:
        states: a pytree like the first state, each array with a leading axis of times.
        evaluations: calls of the field.
    """

    states: State
    evaluations: Int[Array, ""]


class Solver(abc.ABC):
    """Integrates a field from the first of some times to the last, forwards or backwards."""

    @abc.abstractmethod
    def __call__(self, field: Field, state: State, times: Float[Array, " times"]) -> Solution:
        """The states at ``times``, of which the first is ``state``."""


@dataclasses.dataclass(frozen=True)
@checked
class RungeKutta:
    """An explicit method; see the module's docstring.

    Attributes:
        rows: a_ij; row i has an entry for each stage before it, and the first has none.
        weights: b_i.
    """

    rows: tuple[tuple[float, ...], ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        if [len(row) for row in self.rows] != list(range(len(self.weights))) or not self.weights:
            raise InputError(
                "expected one weight per row and in each row one entry per row before it, got "
                f"rows={self.rows} and weights={self.weights}; give a lower triangle"
            )

    def __call__(
        self, field: Field, state: State, t: Float[Array, ""], later: Float[Array, ""]
    ) -> State:
        """The state carried from ``t`` to ``later`` in one step."""
        slopes: list[State] = []

        def ahead(factors: tuple[float, ...]) -> State:
            def moved(y, *slope):
                return y + (later - t) * sum(a * k for a, k in zip(factors, slope, strict=True))

            return jax.tree.map(moved, state, *slopes)

        for row in self.rows:
            slopes.append(field(t + sum(row) * (later - t), ahead(row)))
        return ahead(self.weights)


EULER = RungeKutta(((),), (1.0,))
HEUN = RungeKutta(((), (1.0,)), (0.5, 0.5))
RK4 = RungeKutta(((), (0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)), (1 / 6, 1 / 3, 1 / 3, 1 / 6))


@dataclasses.dataclass(frozen=True)
@checked
class FixedSteps(Solver):
    """Equal steps. Gradients rerun each step rather than keep its intermediate values.

    Attributes:
        steps: from each time to the next.
        method: of each step.
    """

    steps: Count = 32
    method: RungeKutta = RK4

    def __call__(self, field: Field, state: State, times: Float[Array, " times"]) -> Solution:
        @jax.checkpoint
        def step(state, ends):
            return self.method(field, state, *ends), None

        def reach(state, ends):
            first, last = ends
            grid = jnp.linspace(first, last, self.steps + 1)
            state, _ = jax.lax.scan(step, state, (grid[:-1], grid[1:]))
            return state, state

        _, later = jax.lax.scan(reach, state, (times[:-1], times[1:]))
        states = jax.tree.map(lambda y, ys: jnp.concatenate([y[None], ys]), state, later)
        made = (len(times) - 1) * self.steps * len(self.method.rows)
        return Solution(states, jnp.asarray(made))


_STAGES = 6  # calls of the field in a step of Tsit5: its seventh stage is the next step's first


@dataclasses.dataclass(frozen=True)
@checked
class AdaptiveSteps(Solver):
    """Steps as long as the tolerance allows; see the module's docstring.

    Differentiable in reverse mode (diffrax keeps checkpoints), not in forward mode. Under ``vmap``
    all examples are carried along until the last is done.

    Attributes:
        rtol, atol: tolerated error of a step, relative to each entry of the state and absolute.
        max_steps: tried; more are an error at run time.
    """

    rtol: NotNegative = 1e-5
    atol: Positive = 1e-5
    max_steps: Count = 4096

    def __call__(self, field: Field, state: State, times: Float[Array, " times"]) -> Solution:
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, y, _: field(jnp.asarray(t), y)),
            diffrax.Tsit5(),
            times[0],
            times[-1],
            0.01 * (times[-1] - times[0]),
            state,
            saveat=diffrax.SaveAt(ts=times),
            stepsize_controller=diffrax.PIDController(self.rtol, self.atol, norm=_largest),
            max_steps=self.max_steps,
        )
        return Solution(solution.ys, 1 + _STAGES * solution.stats["num_steps"])


def _largest(state: State) -> Float[Array, ""]:
    return jnp.max(jnp.stack([jnp.max(jnp.abs(y)) for y in jax.tree.leaves(state)]))
