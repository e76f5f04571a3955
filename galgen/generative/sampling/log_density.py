r"""How log p(x | condition) of one example is estimated, for many conditions at once.

Every estimate sees the same noise at all conditions: the same times and noise of an evidence lower
bound, the same probes of a divergence. What they have in common then cancels in differences between
conditions, which are all that a posterior knows, and their error is that of the difference alone
(:mod:`galgen.inference.likelihood.profile`). For one key an estimate is a smooth function of the
condition, so samplers may follow its gradient.

Densities are in model space and of rows in their order;
:mod:`galgen.inference.likelihood.field_level` turns them to physical units and sets of points.
"""

from __future__ import annotations

import abc
import dataclasses
from typing import Any

import jax
from jaxtyping import Array, Bool, Float

from galgen.checked import PairedDraws, checked
from galgen.errors import InputError
from galgen.generative.models.bridge import Bridge
from galgen.generative.models.variational import VariationalDiffusion
from galgen.generative.objectives.times import LogSNRTimes, Times, UniformTimes
from galgen.generative.sampling.flow import Flow
from galgen.generative.sampling.likelihood import Hutchinson, Likelihood
from galgen.generative.sampling.ode import FixedSteps


class LogDensity(abc.ABC):
    """An estimate of log p(x | condition); see the module's docstring."""

    def check(self, model: Any) -> None:
        """Raise an InputError for a model, with its weights, without a density of this kind."""
        if not isinstance(model, Flow):
            raise InputError(
                f"expected a model with a density of clouds, got a {type(model).__name__}; train a "
                "Bridge, VariationalDiffusion, LearnedDiffusion or ContinuousFlow"
            )

    @abc.abstractmethod
    def __call__(
        self,
        flow: Flow,
        key: jax.Array,
        x: Float[Array, "*event"],
        mask: Bool[Array, " points"] | None,
        condition: Float[Array, "conditions parameters"],
    ) -> Float[Array, " conditions"]:
        """log p(x | condition) at each condition, in nats of model space.

        Args:
            flow: a bridge with its weights.
            key: of the noise, the same for all conditions.
            x: one standardised example.
            mask: True where a row is real.
            condition: standardised.
        """


@dataclasses.dataclass(frozen=True)
@checked
class ByBound(LogDensity):
    """The evidence lower bound, for models with Gaussian noise: a mean over draws, and cheap.

    It lies below log p by a gap that may depend on the condition; what that does to posteriors is
    for calibration to say (:mod:`galgen.inference.calibration`).

    Attributes:
        draws: of time and noise, each a network evaluation; even.
        times: their density; None for even times of the path, from log-SNR -8 to 10 where the
            path's own ends are infinite.
    """

    draws: PairedDraws = 16
    times: Times | None = None

    def check(self, model: Any) -> None:
        super().check(model)
        if model.bound is None and not _gaussian(model):
            raise InputError(
                "expected a model with Gaussian noise for an evidence lower bound, got the path "
                f"{model.path!r}; use ByFlow()"
            )

    def bound_of(self, flow: Flow) -> VariationalDiffusion:
        """The bound of a flow."""
        self.check(flow)
        found = _bound_of_path(flow, self.times) if flow.bound is None else flow.bound
        if self.times is not None:
            found = dataclasses.replace(found, times=self.times)
        return dataclasses.replace(found, draws=self.draws)

    def __call__(self, flow, key, x, mask, condition):
        bound, alone = self.bound_of(flow), None if mask is None else mask[None]

        def at(condition):
            return bound(flow.denoiser, key, x[None], alone, condition[None]).total[0]

        # What does not depend on the condition, the noise and who is near whom, is there once.
        return jax.vmap(at)(condition)


@dataclasses.dataclass(frozen=True)
@checked
class ByFlow(LogDensity):
    """The density of the probability flow, its divergence by random probes.

    Attributes:
        likelihood: how the flow is integrated. Fixed steps have gradients that compile fast; their
            error is that of the solver, which more of them tell.
    """

    likelihood: Likelihood = Likelihood(Hutchinson(2), FixedSteps(32))

    def __call__(self, flow, key, x, mask, condition):
        alone = None if mask is None else mask[None]

        def at(condition):
            return self.likelihood(flow, key, x[None], alone, condition[None]).value[0]

        return jax.vmap(at)(condition)


def log_density_of(model: Any, draws: int = 16) -> LogDensity:
    """The estimate that suits a model with its weights.

    What was trained by a bound has that bound, what was trained by likelihood that likelihood with
    random probes. Of other flows those with Gaussian noise have a bound.

    Args:
        model: as ``Model.with_params`` returns it.
        draws: of time and noise, where it is a bound.

    Raises:
        InputError: for a model without a density of clouds: the few-step models have none, and
            normalizing flows are of vectors.
    """
    ByFlow().check(model)
    if model.likelihood is not None:
        return ByFlow(dataclasses.replace(model.likelihood, divergence=Hutchinson(2)))
    return ByFlow() if model.bound is None and not _gaussian(model) else ByBound(draws)


def _gaussian(flow: Flow) -> bool:
    return all(part.gaussian for part in flow.path.parts)


def _bound_of_path(flow: Flow, times: Times | None) -> VariationalDiffusion:
    """The bound of a flow that was trained by regression."""
    bridge = Bridge(flow.path, flow.coupling, flow.prediction)
    with jax.ensure_compile_time_eval():  # Within jit too the ends of the path are numbers.
        try:
            return VariationalDiffusion(bridge, times or UniformTimes())
        except InputError:
            return VariationalDiffusion(bridge, LogSNRTimes(flow.path.parts[0]))
