r"""A bridge model: path, coupling and prediction in one object, and its loss.

The training loss is the masked mean squared error of the network's prediction, per column in units
of the batch's own target power::

    loss = mean over columns of  < |network(x_t, t) - target|^2 > / < |target|^2 >

where < > is the mean over examples of the mean over their points: every catalogue counts once,
whatever its number of points. So every column weighs alike, and 1 means that nothing has been
learned beyond zero. The minimiser for each t and x_t is the conditional mean of the target,
whatever the (positive) normalisation; the batch's power depends on its own targets, but little
where it has many rows.

With a :class:`~galgen.generative.objectives.weighting.Weighting` the error is that of the noise,
weighted by log-SNR and in units of the mean weight; then it is the same for every prediction.

Inputs are checked where their values are at hand. Under ``jit`` they are not: a NaN in the data
makes the loss NaN, at which the trainer stops. Arrays keep the precision of the data, float32 or
bfloat16; times and the means of the loss are float32 at least.
"""

from __future__ import annotations

import dataclasses

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from galgen.checked import ProperFraction, checked
from galgen.errors import InputError
from galgen.generative.coupling import Coupling, Independent
from galgen.generative.models.model import Denoiser, DenoisingModel
from galgen.generative.objectives.exchange import Exchange
from galgen.generative.objectives.prediction import Prediction, VelocityPrediction, require_noise
from galgen.generative.objectives.times import Times, UniformTimes, log_snr
from galgen.generative.objectives.weighting import Weighting, mean_weight, noise_error
from galgen.generative.paths.path import ProbabilityPath
from galgen.generative.sampling.flow import Flow, check_mask
from galgen.generative.sampling.guidance import drop_condition
from galgen.generative.sampling.method import SamplingMethod
from galgen.generative.sampling.sampler import Sampler
from galgen.losses import MeanLoss, mean_over_examples, mean_over_points, weight_of_clouds
from galgen.masking import zero_padding
from galgen.types import Batch


@flax.struct.dataclass
class Regression:
    """The regression of one batch: inputs of a denoiser, and its target.

    ========= ================================ ==========================================
    field     shape                            meaning
    ========= ================================ ==========================================
    x         ``(batch, *event)``              states on the way; padded rows are zero
    t         ``(batch,)``                     their times
    mask      ``(batch, points)`` or None      True where a row is real
    condition ``(batch, condition)`` or None   as the network sees it, some dropped
    unit      broadcasts against ``x``         how far each column travels
    target    ``(batch, *event)``              what the network should output
    weight    ``(batch,)``                     how often each example counts; 0 without a point
    ========= ================================ ==========================================
    """

    x: Float[Array, "batch *event"]
    t: Float[Array, " batch"]
    mask: Bool[Array, "batch points"] | None
    condition: Float[Array, "batch condition"] | None
    unit: Float[Array, "..."]
    target: Float[Array, "batch *event"]
    weight: Float[Array, " batch"]


@dataclasses.dataclass(frozen=True)
@checked
class Bridge(DenoisingModel):
    """Everything that defines a generative model but its network.

    Attributes:
        path: joins base and data.
        coupling: which base row travels to which data row.
        prediction: what the network's output means.
        times: the density of training times.
        exchange: averages the target over which row came from which, for diffusions of clouds.
        weighting: of the squared error of the noise by log-SNR; None for the plain error of the
            output.
        condition_dropout: the fraction of examples that are trained without their condition, for
            :class:`~galgen.generative.sampling.guidance.Guidance`; 0.1 is usual.

    Raises:
        InputError: for a prediction, exchange or weighting that the path does not allow, or a
            dropout outside [0, 1).
    """

    path: ProbabilityPath
    coupling: Coupling = Independent()
    prediction: Prediction = VelocityPrediction()
    times: Times = UniformTimes()
    exchange: Exchange | None = None
    weighting: Weighting | None = None
    condition_dropout: ProperFraction = 0.0

    def __post_init__(self) -> None:
        self.prediction.check(self.path)
        if self.weighting is not None:
            require_noise(self.path, "for a weighting by signal-to-noise ratio")
        if self.exchange is not None and not isinstance(self.coupling, Independent):
            raise InputError(
                f"expected Independent() where targets are exchanged, got {self.coupling}: only "
                "then is the pairing a draw of the posterior; leave out one of them"
            )

    def sums(self, denoiser: Denoiser, key: jax.Array, batch: Batch) -> MeanLoss:
        """The normalised squared error of ``denoiser`` on one batch; see the module's docstring.

        Raises:
            InputError: for a mask of the wrong shape, or data that are not finite (not under jit).
        """
        task = self.regression(key, batch)
        return self.mean_error(task, self.answer(denoiser, task) - task.target)

    def regression(self, key: jax.Array, batch: Batch) -> Regression:
        """States, times and targets of one batch, drawn anew for every key.

        Raises:
            InputError: for a mask of the wrong shape, or data that are not finite (not under jit).
        """
        key_base, key_coupling, key_time, key_exchange, key_way, key_drop = jax.random.split(key, 6)
        check_mask(batch.x, batch.mask)
        data = zero_padding(batch.x, batch.mask)
        _check_finite(data)
        base = self.path.sample_base(key_base, data.shape).astype(data.dtype)
        base = zero_padding(base, batch.mask)
        base = self.coupling(key_coupling, self.path, base, data, batch.mask, batch.condition)
        t = self.times.sample(key_time, len(data))
        x, ends = self.path.sample(key_way, base, data, t)
        x = zero_padding(x, batch.mask)
        unit = self.unit(data, batch.mask)

        def target_of(ends):
            return self.prediction.target(self.path, ends, t, unit)

        if self.exchange is None:
            target = target_of(ends)
        else:
            target = self.exchange(key_exchange, self.path, target_of, x, data, batch.mask, t)
        condition = drop_condition(key_drop, batch.condition, self.condition_dropout)
        precise = jnp.promote_types(data.dtype, jnp.float32)
        weight = weight_of_clouds(batch)
        return Regression(x, t, batch.mask, condition, unit, target.astype(precise), weight)

    def answer(self, denoiser: Denoiser, task: Regression) -> Float[Array, "batch *event"]:
        """The output of ``denoiser``, in the precision of the target."""
        x = self.prediction.scale_input(self.path, task.x, task.t)
        return denoiser(x, task.t, task.mask, task.condition).astype(task.target.dtype)

    def mean_error(self, task: Regression, error: Float[Array, "batch *event"]) -> MeanLoss:
        """The loss of an ``error`` of the output; of any difference between two outputs."""
        if self.weighting is None:
            each, power = (mean_over_points(a**2, task.mask) for a in (error, task.target))
            return mean_over_examples(each, task.weight, power)
        error = noise_error(self.prediction, self.path, error, task.x, task.t, task.unit)
        weight = self.weighting(log_snr(self.path, task.t, task.x))
        mean = mean_weight(self.weighting, self.path, self.times, task.x)
        each = mean_over_points(weight * error**2, task.mask)
        return mean_over_examples(each, task.weight, mean)

    def unit(
        self, x: Float[Array, "batch *event"], mask: Bool[Array, "batch points"] | None
    ) -> Float[Array, "..."]:
        """How far each column of each example travels, to order of magnitude."""
        return self.coupling.unit(self.path, x, mask)

    def flow(self, denoiser: Denoiser) -> Flow:
        return Flow(self.path, self.coupling, self.prediction, denoiser)

    @property
    def default_sampler(self) -> SamplingMethod:
        return Sampler()


def _check_finite(data: Float[Array, "..."]) -> None:
    finite = jnp.all(jnp.isfinite(data))
    if not isinstance(finite, jax.core.Tracer) and not finite:
        number = int(jnp.sum(~jnp.isfinite(data)))
        raise InputError(
            f"expected finite data, got {number} values that are not, of {data.size}; "
            "clean the catalogue or mask these rows"
        )
