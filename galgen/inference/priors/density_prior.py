"""A prior of any density: of a function of one's own, or of another package such as numpyro."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from galgen.errors import InputError
from galgen.inference.priors.prior import Bounds, Prior, within


@dataclasses.dataclass(frozen=True)
class DensityPrior(Prior):
    """A log density that is a function of the parameters, within bounds.

    Attributes:
        parameters: their names.
        density: ``density(theta)``, batched on leading axes; it need not be normalised.
        limits: (low, high) of each parameter.
        draw: ``draw(key, number)``, for samplers that start from draws of the prior.
    """

    parameters: tuple[str, ...]
    density: Callable[[Float[Array, "*lead parameters"]], Float[Array, "*lead"]]
    limits: tuple[Bounds, ...]
    draw: Callable[[jax.Array, int], Float[Array, "number parameters"]] | None = None

    def __post_init__(self) -> None:
        if len(self.limits) != len(self.parameters) or any(not a < b for a, b in self.limits):
            raise InputError(
                f"expected rising limits of each of {list(self.parameters)}, got {self.limits}; "
                "use -inf and inf where there is none"
            )

    @property
    def names(self) -> tuple[str, ...]:
        return self.parameters

    @property
    def bounds(self) -> tuple[Bounds, ...]:
        return self.limits

    def sample(self, key: jax.Array, number: int) -> Float[Array, "number parameters"]:
        if self.draw is None:
            raise InputError(
                f"expected a way to draw from the prior of {list(self.parameters)}, got its density"
                " alone; pass draw=, or give the sampler its starting points"
            )
        return self.draw(key, number)

    def log_prob(self, theta: Float[Array, "*lead parameters"]) -> Float[Array, "*lead"]:
        each = jnp.zeros_like(theta)
        return self.density(theta) + within(theta, self.limits, each)
