r"""Step rules: how a learned flow is followed from one time to the next.

With velocity v(x, t) and step h (Karras et al. 2022, arXiv:2206.00364, algorithm 1, in velocity
form)::

    Euler   x' = x + h v(x, t)
    Heun    x* = x + h v(x, t);  x' = x + h (v(x, t) + v(x*, t + h)) / 2

where "+" is the path's own motion: a geodesic step on the torus. ``Churn`` makes any of these
stochastic (ibid., algorithm 2).

With the ends (data, noise) that the network sees in x at t, and the path's interpolation to t'::

    DDIM           x' = interpolate(c noise + sqrt(1 - c^2) z, data, t'),   z fresh
                   c^2 = 1 - eta^2 (1 - SNR_t / SNR_t')

(Song et al. 2021, arXiv:2010.02502, eq. 12 and 16): eta = 0 is deterministic, eta = 1 is ancestral
sampling, a draw of the posterior of x_t' given x_t and the data (Ho et al. 2020, arXiv:2006.11239,
eq. 7; on the torus to first order, since windings of the noise are not known).

    DPM-Solver++   x' = interpolate(noise of D', D', t'),   D' = D + (D - D_before) h / (2 h_before)

with h the step in half log-SNR (Lu et al. 2022, arXiv:2211.01095, algorithm 2): second order with
one evaluation a step, since it remembers the data D_before seen at the step before.
"""

from __future__ import annotations

import abc
import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from galgen.checked import Fraction, NotNegative, checked
from galgen.errors import InputError
from galgen.generative.objectives.prediction import require_affine, require_noise
from galgen.generative.paths.path import SMALLEST_COEFFICIENT, ProbabilityPath
from galgen.generative.sampling.flow import Flow

Memory = Any
"""A pytree of arrays that a step hands to the next one."""


class Step(abc.ABC):
    """One step of an integrator."""

    @property
    @abc.abstractmethod
    def evaluations(self) -> int:
        """Network evaluations per step."""

    def start(self, path: ProbabilityPath, x: Float[Array, "batch *event"]) -> Memory:
        """The memory before the first step; none unless said otherwise.

        Raises:
            InputError: for a path that the rule cannot follow.
        """
        return ()

    @abc.abstractmethod
    def __call__(
        self,
        flow: Flow,
        key: jax.Array,
        x: Float[Array, "batch *event"],
        t: Float[Array, ""],
        size: Float[Array, ""],
        memory: Memory,
    ) -> tuple[Float[Array, "batch *event"], Memory]:
        """``x`` carried from ``t`` to ``t + size``; ``key`` feeds what is random in it."""


@dataclasses.dataclass(frozen=True)
@checked
class Euler(Step):
    """First order, one evaluation."""

    evaluations = 1

    def __call__(self, flow, key, x, t, size, memory):
        return flow.path.move(x, size * flow.velocity(x, t)), memory


@dataclasses.dataclass(frozen=True)
@checked
class Heun(Step):
    """Second order, two evaluations."""

    evaluations = 2

    def __call__(self, flow, key, x, t, size, memory):
        first = flow.velocity(x, t)
        second = flow.velocity(flow.path.move(x, size * first), t + size)
        return flow.path.move(x, size * 0.5 * (first + second)), memory


@dataclasses.dataclass(frozen=True)
@checked
class DDIM(Step):
    """From the ends seen at one time to the next time; see the module's docstring.

    Attributes:
        eta: fresh noise, from 0 (deterministic, any path) to 1 (ancestral, a path with Gaussian
            noise).
    """

    eta: Fraction = 0.0
    evaluations = 1

    def start(self, path, x):
        if self.eta:
            require_noise(path, "for fresh noise (eta > 0)")
        return ()

    def __call__(self, flow, key, x, t, size, memory):
        here, there = (jnp.full(len(x), time, x.dtype) for time in (t, t + size))
        data, noise = flow.ends(x, t)
        if self.eta:
            (alpha, sigma), (alpha_next, sigma_next) = (
                flow.path.scales(s, x) for s in (here, there)
            )
            ratio = (alpha * sigma_next / jnp.maximum(alpha_next * sigma, 1e-12)) ** 2
            fresh = self.eta**2 * (1.0 - jnp.clip(ratio, 0.0, 1.0))
            noise = jnp.sqrt(1.0 - fresh) * noise
            noise = noise + jnp.sqrt(fresh) * jax.random.normal(key, x.shape, x.dtype)
        return flow.path.interpolate(noise, data, there), memory


@dataclasses.dataclass(frozen=True)
@checked
class DPMSolver(Step):
    """DPM-Solver++(2M): second order, one evaluation, in Euclidean space.

    The first step is DDIM's, and so is one that ends where no noise is left (LinearPath at t=1).
    """

    evaluations = 1

    def start(self, path, x):
        require_affine(path, "for DPM-Solver++")
        require_noise(path, "for DPM-Solver++")
        alpha, _ = path.scales(jnp.zeros(1, x.dtype), x)
        return jnp.zeros_like(x), jnp.full_like(alpha, jnp.inf)

    def __call__(self, flow, key, x, t, size, memory):
        before, size_before = memory
        times = [jnp.full(1, time, x.dtype) for time in (t, t + size)]
        scales = [flow.path.scales(time, x) for time in times]
        half = [
            jnp.log(jnp.maximum(alpha, SMALLEST_COEFFICIENT))
            - jnp.log(jnp.maximum(sigma, SMALLEST_COEFFICIENT))
            for alpha, sigma in scales
        ]
        size_now = half[1] - half[0]
        weight = jnp.where(scales[1][1] > SMALLEST_COEFFICIENT, 0.5 * size_now / size_before, 0.0)
        data = flow.ends(x, t).data
        ahead = data + jnp.where(weight > 0, weight * (data - before), 0.0)
        here, there = (jnp.broadcast_to(time, len(x)) for time in times)
        noise = flow.path.ends_from_data(ahead, x, here).noise
        return flow.path.interpolate(noise, ahead, there), (data, size_now)


@dataclasses.dataclass(frozen=True)
@checked
class Churn(Step):
    """Any step rule made stochastic: fresh noise carries x back in time, the rule forward again.

    The state first returns to ``t - amount * size`` (not before 0) by the path's own exact law, and
    is then carried to ``t + size``. Errors made earlier are forgotten on the scale of the noise,
    at the price of longer steps. With ``amount=1`` the noise added is that of ancestral sampling,
    to first order in the step. The law is that of an independent coupling: under another one base
    and data move together, and fresh noise is not theirs.

    Attributes:
        step: the rule that carries it forward, one without memory.
        amount: how far back, in steps.
    """

    step: Step = Heun()
    amount: NotNegative = 1.0

    def __post_init__(self) -> None:
        if isinstance(self.step, DPMSolver):
            raise InputError(
                f"expected a step without memory to churn, got {self.step}: fresh noise makes what "
                "it remembers false; use Heun() or DDIM()"
            )

    @property
    def evaluations(self) -> int:
        return self.step.evaluations

    def start(self, path, x):
        return self.step.start(path, x)

    def __call__(self, flow, key, x, t, size, memory):
        noise_key, step_key = jax.random.split(key)
        back = jnp.maximum(t - self.amount * size, 0.0)
        x = flow.path.renoise(noise_key, x, t, back)
        return self.step(flow, step_key, x, back, t + size - back, memory)
