r"""Samplers that follow the gradient: Hamiltonian Monte Carlo and the No-U-Turn sampler.

A parameter u gets a momentum p; the energy H = -log density(u) + p^T M^-1 p / 2 is conserved along
trajectories up to the error of the leapfrog steps, which a Metropolis test corrects (Neal 2011,
arXiv:1206.1901). NUTS chooses the length of each trajectory (Hoffman and Gelman 2014,
arXiv:1111.4246). The step and the mass matrix M are adapted in the windows of Stan's warm-up.
"""

from __future__ import annotations

import abc
import dataclasses
from typing import Annotated, Any

import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from galgen.checked import ABOVE_ZERO, BELOW_ONE, Count, checked
from galgen.inference.sampling.library import blackjax
from galgen.inference.sampling.sampler import Draws, PosteriorSampler
from galgen.inference.sampling.target import Target


@dataclasses.dataclass(frozen=True)
@checked
class _Hamiltonian(PosteriorSampler, abc.ABC):
    """The part that HMC and NUTS share.

    Attributes:
        acceptance: that the step is adapted to.
    """

    acceptance: Annotated[float, ABOVE_ZERO, BELOW_ONE] = 0.8

    @property
    @abc.abstractmethod
    def _algorithm(self) -> Any:
        """The algorithm of blackjax."""

    @property
    def _options(self) -> dict[str, Any]:
        """Arguments of the warm-up besides step and mass matrix."""
        return {}

    def _length(self, key: PRNGKeyArray) -> tuple[Any, ...]:
        """Arguments of a transition besides them."""
        return ()

    def chain(self, target: Target, key: PRNGKeyArray) -> Draws:
        key_start, key_warmup, key_chain = jax.random.split(key, 3)
        start = target.starts(key_start, 1)[0]
        warmup = blackjax().window_adaptation(
            self._algorithm,
            target.log_density,
            is_mass_matrix_diagonal=False,
            target_acceptance_rate=self.acceptance,
            **self._options,
        )
        (state, adapted), _ = warmup.run(key_warmup, start, self.warmup)
        kernel = self._algorithm.build_kernel()
        factors = (adapted["step_size"], adapted["inverse_mass_matrix"])

        def step(state, key):
            key_length, key_step = jax.random.split(key)
            length = self._length(key_length)
            state, info = kernel(key_step, state, target.log_density, *factors, *length)
            return state, (state.position, info.acceptance_rate, info.is_divergent)

        _, (free, accepted, diverged) = jax.lax.scan(
            step, state, jax.random.split(key_chain, self.draws)
        )
        return Draws(free, jnp.mean(accepted), jnp.sum(diverged))


@dataclasses.dataclass(frozen=True)
class NUTS(_Hamiltonian):
    """The No-U-Turn sampler; see the module's docstring."""

    @property
    def _algorithm(self) -> Any:
        return blackjax().nuts


@dataclasses.dataclass(frozen=True)
@checked
class HMC(_Hamiltonian):
    """Hamiltonian Monte Carlo.

    The number of steps of each trajectory is drawn between 1 and twice ``steps`` (ibid., section
    3.2): with one length, trajectories of a nearly normal posterior may come back to where they
    began.

    Attributes:
        steps: leapfrog steps of a trajectory, on average.
    """

    steps: Count = 10

    @property
    def _algorithm(self) -> Any:
        return blackjax().hmc

    @property
    def _options(self) -> dict[str, Any]:
        return {"num_integration_steps": self.steps}

    def _length(self, key: PRNGKeyArray) -> tuple[Any, ...]:
        return (jax.random.randint(key, (), 1, 2 * self.steps),)
