"""A bridge model: path, coupling and prediction in one object, its loss and its velocity.

The training loss is the masked mean squared error of the network's prediction, per column in units
of the batch's own target power::

    loss = mean over columns of  < |network(x_t, t) - target|^2 > / < |target|^2 >

so that every column weighs alike, and 1 means that nothing has been learned beyond zero. The
minimiser for each t and x_t is the conditional mean of the target, whatever the (positive)
normalisation.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from galgen.generative.coupling import Coupling, Independent
from galgen.generative.exchange import Exchange
from galgen.generative.path import Path
from galgen.generative.prediction import Prediction, VelocityPrediction
from galgen.generative.times import Times, UniformTimes
from galgen.masking import masked_mean, zero_padding
from galgen.types import Batch

Denoiser = Callable[
    [
        Float[Array, "batch *event"],
        Float[Array, " batch"],
        Bool[Array, "batch points"] | None,
        Float[Array, "batch condition"] | None,
    ],
    Float[Array, "batch *event"],
]
"""``denoiser(x, t, mask, condition)``: a network with its weights bound."""


@dataclasses.dataclass(frozen=True)
class Bridge:
    """Everything that defines a generative model but its network.

    Attributes:
        path: joins base and data.
        coupling: which base row travels to which data row.
        prediction: what the network's output means.
        times: the density of training times.
        exchange: averages the target over which row came from which, for diffusions of clouds.
    """

    path: Path
    coupling: Coupling = Independent()
    prediction: Prediction = VelocityPrediction()
    times: Times = UniformTimes()
    exchange: Exchange | None = None

    def __post_init__(self) -> None:
        if self.exchange is not None and not isinstance(self.coupling, Independent):
            raise ValueError(
                f"expected Independent() where targets are exchanged, got {self.coupling}: only "
                "then is the pairing a draw of the posterior; leave out one of them"
            )

    def loss(self, denoiser: Denoiser, key: jax.Array, batch: Batch) -> Float[Array, ""]:
        """The normalised squared error of ``denoiser`` on one batch; see the module's docstring."""
        key_base, key_coupling, key_time, key_exchange = jax.random.split(key, 4)
        data = zero_padding(batch.x, batch.mask)
        base = zero_padding(self.path.sample_base(key_base, data.shape), batch.mask)
        base = self.coupling(key_coupling, self.path, base, data, batch.mask)
        t = self.times.sample(key_time, len(data))
        x = zero_padding(self.path.interpolate(base, data, t), batch.mask)
        unit = self.unit(data, batch.mask)

        def target_of(base, data):
            return self.prediction.target(self.path, base, data, t, unit)

        if self.exchange is None:
            target = target_of(base, data)
        else:
            target = self.exchange(key_exchange, self.path, target_of, x, data, batch.mask, t)
        error = denoiser(x, t, batch.mask, batch.condition) - target
        axes = tuple(range(data.ndim - 1))
        power = masked_mean(target**2, batch.mask, axes)
        unexplained = masked_mean(error**2, batch.mask, axes)
        return jnp.mean(unexplained / jnp.maximum(power, 1e-12))

    def unit(
        self, x: Float[Array, "batch *event"], mask: Bool[Array, "batch points"] | None
    ) -> Float[Array, "..."]:
        """How far each column of each example travels, to order of magnitude."""
        return self.path.travelled(self.coupling.length(x, mask), x)

    def velocity(
        self,
        denoiser: Denoiser,
        x: Float[Array, "batch *event"],
        t: Float[Array, ""],
        mask: Bool[Array, "batch points"] | None,
        condition: Float[Array, "batch condition"] | None,
    ) -> Float[Array, "batch *event"]:
        """d x / d t of the generating flow at ``x``; zero on padded rows."""
        times = jnp.full((len(x),), t)
        output = denoiser(x, times, mask, condition)
        unit = self.unit(x, mask)
        return zero_padding(self.prediction.velocity(self.path, output, x, times, unit), mask)
