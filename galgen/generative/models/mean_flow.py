r"""Few-step generation by the average velocity of the flow (MeanFlow).

Geng et al. 2025, arXiv:2505.13447, with time turned round: theirs runs from data (0) to noise (1),
ours from noise (0) to data (1). With v the velocity of the flow and x_t a point that follows it,
the average velocity from t until s >= t is (their eq. 3)::

    (s - t) u(x_t, t, s) = integral of v(x_tau, tau) d tau  from t to s  = x_s - x_t

One evaluation carries x_t to x_s, along a geodesic on the torus::

    x_s = x_t + (s - t) u(x_t, t, s)

Differentiate the first line by t along the way, with s fixed. The left side gives
(s - t) du/dt - u, the right side -v, and so (their eq. 6, where the sign of the last term is
negative, for there x is carried back to the earlier time)::

    u = v + (s - t) du/dt,      du/dt = v . grad_x u + d_t u  at fixed s

The right side is the target, with the network's own u, held fixed, in its derivative. In both
places v may be the velocity of one pair of ends, x_1 - x_0 on a straight way: the target is linear
in it, so its mean given x_t is that with v of the flow, and least squares finds the mean (their
sec. 4.1). Where s = t the target is v, and this is flow matching. The weights by which the paper
divides the error of each example are left out: with them the minimiser is no longer a mean, which
matters in few dimensions.

Guidance (:mod:`galgen.generative.sampling.guidance`) is part of training and costs nothing in
drawing. The velocity v is replaced by that of the guided flow, in which the network stands for the
flow without condition (their eq. 19, with stopped gradients)::

    scale v + (1 - scale) u(x_t, t, t | no condition)

for examples that have their condition; those whose condition is dropped keep v.

Networks take one time. They see t, and the length of the jump s - t as one more column of the
condition, the last. The target holds d_t u, in which a feature of time weighs by its frequency, and
the Fourier features of :mod:`galgen.networks.layers` make up to 32 cycles in a unit of time. So
networks see t times a scale, by default so slow that the fastest makes 2 cycles: in the one trial
that was made, jumps then came out four times nearer the truth (benchmarks/RESULTS.md).
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from galgen.checked import Count, Fraction, NotNegative, Positive, ProperFraction, checked
from galgen.errors import InputError
from galgen.generative.coupling import Coupling, Independent
from galgen.generative.models.model import Denoiser, DenoisingModel
from galgen.generative.objectives.times import Times, UniformTimes
from galgen.generative.paths.affine import LinearPath
from galgen.generative.paths.path import ProbabilityPath, expand_time
from galgen.generative.paths.torus import TorusGeodesic
from galgen.generative.sampling.guidance import drop_condition
from galgen.generative.sampling.method import Samples, SamplingMethod
from galgen.generative.sampling.sampler import integrate
from galgen.losses import MeanLoss, mean_over_examples, mean_over_points, weight_of_clouds
from galgen.masking import zero_padding
from galgen.types import Batch

Average = Callable[
    [Float[Array, "batch *event"], Float[Array, " batch"], Float[Array, " batch"]],
    Float[Array, "batch *event"],
]
"""``average(x, t, until)``: an average velocity."""


@dataclasses.dataclass(frozen=True)
@checked
class MeanFlow(DenoisingModel):
    """A generative model that jumps: path, coupling and times in one object, and its loss.

    Attributes:
        path: joins base and data by straight ways, in Euclidean space or on the torus.
        coupling: which base row travels to which data row.
        times: the density of training times.
        matching: fraction of examples with s = t, whose target is the velocity itself. The others
            learn to jump from what these have learned.
        time_scale: what t is multiplied by before a network sees it; see the module's docstring.
        guidance: scale of the guidance towards the condition that is trained in; 1 for none.
        condition_dropout: the fraction of examples that are trained without their condition, which
            guidance needs.

    Raises:
        InputError: for another path, a fraction outside [0, 1], or guidance without dropout.
    """

    path: ProbabilityPath
    coupling: Coupling = Independent()
    times: Times = UniformTimes()
    matching: Fraction = 0.5
    time_scale: Positive = 1.0 / 16.0
    guidance: NotNegative = 1.0
    condition_dropout: ProperFraction = 0.0

    def __post_init__(self) -> None:
        for part in self.path.parts:
            if not isinstance(part, LinearPath | TorusGeodesic):
                raise part.unfit(
                    "a path of straight ways",
                    "for average velocities",
                    "LinearPath() or TorusGeodesic(), or another path with a Bridge",
                )
        if self.guidance != 1 and not self.condition_dropout:
            raise InputError(
                f"expected a condition_dropout above 0 for guidance={self.guidance}, got 0: the "
                "flow without condition is learned from those examples; try 0.1"
            )

    def sums(self, denoiser: Denoiser, key: jax.Array, batch: Batch) -> MeanLoss:
        """The squared error of the average velocity on one batch, in units of the velocity's power.

        With ``matching=1`` it is that of a :class:`~galgen.generative.models.bridge.Bridge` by
        velocity. Data that are not finite make it not finite.

        Raises:
            InputError: for a mask of the wrong shape.
        """
        key_base, key_coupling, key_time, key_until, key_way, key_drop = jax.random.split(key, 6)
        mask, data = batch.mask, zero_padding(batch.x, batch.mask)
        base = self.path.sample_base(key_base, data.shape).astype(data.dtype)
        base = zero_padding(base, mask)
        base = self.coupling(key_coupling, self.path, base, data, mask, batch.condition)
        t, until = self.intervals(key_time, key_until, len(data))
        x, ends = self.path.sample(key_way, base, data, t)
        velocity = zero_padding(self.path.velocity(ends.noise, ends.data, t), mask)
        x = zero_padding(x, mask)
        condition = drop_condition(key_drop, batch.condition, self.condition_dropout)
        followed = self._guided(denoiser, velocity, x, t, mask, condition)
        average = self.average(denoiser, mask, condition)
        output, target = self.output_and_target(average, followed, x, t, until)
        precise = jnp.promote_types(data.dtype, jnp.float32)
        unit = self.coupling.unit(self.path, data, mask)
        error, scale = (((a / unit).astype(precise)) for a in (output - target, velocity))
        each, power = (mean_over_points(a**2, mask) for a in (error, scale))
        return mean_over_examples(each, weight_of_clouds(batch), power)

    def _guided(self, denoiser, velocity, x, t, mask, condition):
        """The velocity of the guided flow; the given one where there is no condition."""
        if condition is None or self.guidance == 1:
            return velocity
        free = self.average(denoiser, mask, jnp.full_like(condition, jnp.nan))(x, t, t)
        guided = self.guidance * velocity + (1 - self.guidance) * jax.lax.stop_gradient(free)
        known = ~jnp.any(jnp.isnan(condition), axis=-1)
        return jnp.where(known.reshape(-1, *(1,) * (x.ndim - 1)), guided, velocity)

    def network_condition(
        self, condition: Float[Array, "batch _"] | None, number: int
    ) -> Float[Array, "batch _"]:
        """The condition and the length of the jump, which is the last column."""
        return _with_jump(condition, jnp.zeros((number, 1)))

    def intervals(
        self, key_time: jax.Array, key_until: jax.Array, number: int
    ) -> tuple[Float[Array, " number"], Float[Array, " number"]]:
        """Times t <= s of ``number`` examples, the fraction ``matching`` of them equal.

        Both ends of the others are independent draws, put in order.
        """
        key_other, key_shuffle, key_matching = jax.random.split(key_until, 3)
        one = self.times.sample(key_time, number)
        other = jax.random.permutation(key_shuffle, self.times.sample(key_other, number))
        rank = jax.random.permutation(key_matching, number)
        other = jnp.where(rank < self.matching * number, one, other)
        return jnp.minimum(one, other), jnp.maximum(one, other)

    def flow(self, denoiser: Denoiser) -> TrainedMeanFlow:
        return TrainedMeanFlow(self.path, functools.partial(self.average, denoiser))

    @property
    def default_sampler(self) -> SamplingMethod:
        return MeanFlowSampler()

    def average(
        self,
        denoiser: Denoiser,
        mask: Bool[Array, "batch points"] | None,
        condition: Float[Array, "batch condition"] | None,
    ) -> Average:
        """The average velocity that ``denoiser`` predicts; zero on padded rows."""

        def average(x, t, until):
            seen = _with_jump(condition, (until - t)[:, None])
            output = denoiser(x, self.time_scale * t, mask, seen).astype(x.dtype)
            return zero_padding(output * self.coupling.unit(self.path, x, mask), mask)

        return average

    def output_and_target(
        self,
        average: Average,
        velocity: Float[Array, "batch *event"],
        x: Float[Array, "batch *event"],
        t: Float[Array, " batch"],
        until: Float[Array, " batch"],
    ) -> tuple[Float[Array, "batch *event"], Float[Array, "batch *event"]]:
        """``average`` at ``x``, and what it should be given the velocity there, held fixed."""
        still, onward = jnp.zeros_like(until), jnp.ones_like(t)
        output, rate = jax.jvp(average, (x, t, until), (velocity, onward, still))
        length = expand_time(until - t, x).astype(x.dtype)
        return output, jax.lax.stop_gradient(velocity + length * rate)


def _with_jump(
    condition: Float[Array, "batch _"] | None, jump: Float[Array, "batch 1"]
) -> Float[Array, "batch _"]:
    return jump if condition is None else jnp.concatenate([condition, jump], axis=-1)


@dataclasses.dataclass(frozen=True, eq=False)
class TrainedMeanFlow:
    """A mean flow with its weights.

    Attributes:
        path: joins base and data.
        average: ``average(mask, condition)``, the average velocity of such examples.
    """

    path: ProbabilityPath
    average: Callable[..., Average]


@dataclasses.dataclass(frozen=True)
@checked
class MeanFlowSampler(SamplingMethod):
    """Jumps of equal length from base (t=0) to data (t=1), one evaluation each.

    Attributes:
        steps: how many.
    """

    steps: Count = 1

    draws = TrainedMeanFlow

    def __call__(self, model, key, shape, mask=None, condition=None, trajectory=False):
        path = model.path
        start_key = jax.random.split(key)[0]  # the start that other samplers draw from this key
        start = zero_padding(path.sample_start(start_key, shape), mask)
        times = jnp.linspace(0.0, 1.0, self.steps + 1, dtype=start.dtype)
        average = model.average(mask, condition)

        def advance(number, x, t, later, memory):
            t, later = (jnp.full(len(x), time) for time in (t, later))
            return path.move(x, expand_time(later - t, x) * average(x, t, later)), memory

        x, states = integrate(advance, start, mask, times, (), trajectory)
        return Samples(x, self.steps, states)
