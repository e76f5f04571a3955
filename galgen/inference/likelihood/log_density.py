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
from typing import Any, cast

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from galgen.checked import PairedDraws, checked
from galgen.errors import InputError
from galgen.generative import (
    Bridge,
    ContinuousFlow,
    FixedSteps,
    Hutchinson,
    LearnedDiffusion,
    Likelihood,
    LogSNRTimes,
    Model,
    Times,
    UniformTimes,
    VariationalDiffusion,
)
from galgen.types import Params


class LogDensity(abc.ABC):
    """An estimate of log p(x | condition); see the module's docstring."""

    @abc.abstractmethod
    def check(self, model: Model) -> None:
        """Raise an InputError for a model that has no density of this kind."""

    @abc.abstractmethod
    def __call__(
        self,
        model: Model,
        bound: Any,
        params: Params,
        key: jax.Array,
        x: Float[Array, "*event"],
        mask: Bool[Array, " points"] | None,
        condition: Float[Array, "conditions parameters"],
    ) -> Float[Array, " conditions"]:
        """log p(x | condition) at each condition, in nats of model space.

        Args:
            model: a family, as it was trained.
            bound: its network with its weights, of ``model.bind``.
            params: the weights.
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

    def check(self, model: Model) -> None:
        if isinstance(model, LearnedDiffusion | VariationalDiffusion):
            return
        if not (isinstance(model, Bridge) and all(part.gaussian for part in model.path.parts)):
            raise InputError(
                f"expected a model with Gaussian noise for an evidence lower bound, got {model!r}; "
                "use ByFlow()"
            )

    def bound_of(self, model: Model, params: Params) -> VariationalDiffusion:
        """The bound of a model, all of whose examples see the same noise."""
        self.check(model)
        if isinstance(model, LearnedDiffusion):
            found = model.bound(params, self.draws)
        elif isinstance(model, VariationalDiffusion):
            found = dataclasses.replace(model, draws=self.draws)
        else:
            assert isinstance(model, Bridge)
            found = self._of_bridge(model)
        if self.times is not None:
            found = dataclasses.replace(found, times=self.times)
        return dataclasses.replace(found, shared=True)

    def _of_bridge(self, bridge: Bridge) -> VariationalDiffusion:
        try:
            return VariationalDiffusion(bridge, self.times or UniformTimes(), self.draws)
        except ValueError:
            return VariationalDiffusion(bridge, LogSNRTimes(bridge.path.parts[0]), self.draws)

    def __call__(self, model, bound, params, key, x, mask, condition):
        x, mask = _repeated(len(condition), x, mask)
        return self.bound_of(model, params)(bound, key, x, mask, condition).total


@dataclasses.dataclass(frozen=True)
@checked
class ByFlow(LogDensity):
    """The density of the probability flow, its divergence by random probes.

    Attributes:
        likelihood: how the flow is integrated. Fixed steps have gradients that compile fast; their
            error is that of the solver, which more of them tell.
    """

    likelihood: Likelihood = Likelihood(Hutchinson(2), FixedSteps(32))

    def check(self, model: Model) -> None:
        if not issubclass(model.drawn_as, Bridge):
            raise InputError(
                f"expected a bridge, whose flow has a density, got {model!r}; train another family"
            )

    def __call__(self, model, bound, params, key, x, mask, condition):
        self.check(model)
        bridge = cast(Bridge, model.drawn_from(params))
        alone = None if mask is None else mask[None]

        def at(condition):
            return self.likelihood(bridge, bound, key, x[None], alone, condition[None]).value[0]

        return jax.vmap(at)(condition)


def log_density_of(model: Model) -> LogDensity:
    """The estimate that suits a family: the bound where there is one, else the flow.

    Raises:
        InputError: for a family without a density of clouds: the few-step models have none, and
            normalizing flows are of vectors.
    """
    if isinstance(model, LearnedDiffusion | VariationalDiffusion):
        return ByBound()
    if isinstance(model, Bridge):
        return ByBound() if all(part.gaussian for part in model.path.parts) else ByFlow()
    if isinstance(model, ContinuousFlow):
        return ByFlow(dataclasses.replace(model.likelihood, divergence=Hutchinson(2)))
    raise InputError(
        f"expected a model with a density of clouds, got {model!r}; train a Bridge, "
        "VariationalDiffusion, LearnedDiffusion or ContinuousFlow"
    )


def _repeated(number, x, mask):
    """One example, ``number`` times."""
    x = jnp.broadcast_to(x, (number, *x.shape))
    return x, None if mask is None else jnp.broadcast_to(mask, (number, *mask.shape))
