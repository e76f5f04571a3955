r"""The evidence lower bound of a diffusion, for paths with Gaussian noise, wrapped or not.

Kingma et al. 2021, arXiv:2107.00630, eqs. 11 to 18, with their time reversed: t=0 is noise. The
model draws x_0 from the path's start, carries it to t=1 by the diffusion in which the denoiser's
noise eps_hat stands for the truth's, and blurs what arrives by a decoder. For data y and
x_t = alpha y + sigma eps, with l = log alpha^2 / sigma^2 the log-SNR of each column::

    -log p(y) <= prior + diffusion + reconstruction                                  (eq. 11)
    prior          = KL( q(x_0 | y) || p(x_0) )
    diffusion      = 1/2 int_0^1 sum over columns  l'(t) E |eps - eps_hat(x_t, t)|^2 dt  (eq. 17)
    reconstruction = -E log p(y | x_1),    p(y | x_1) = N(y; x_1 / alpha_1, d^2)

Prior and reconstruction are closed forms; with d the decoder's width the latter is
log d + log(2 pi) / 2 + (sigma_1 / alpha_1 d)^2 / 2 per column, least at d = sigma_1 / alpha_1.
In terms of l the integral depends on the schedule through its ends alone (eq. 18).

Where the denoiser is optimal, the mean gap to the likelihood is what both ends leave: of the order
of SNR_0 and of 1 / SNR_1. Where l is infinite at t=1, as along linear paths, diffusion and
reconstruction are too: such paths are cut short, at the ends of the range of ``times``. Draws
weigh by d l / d quantile. Where that varies much, few draws carry the integral, and though its
error's square stays right on average many examples underrate theirs: for Gaussian data the mean of
(miss / error)^2 over 64 draws is near 1 where l rises evenly (within 0.25, by test), 1.7 for a
cosine schedule in uniform times, and 48 for a linear path in logit-normal times.
:class:`~galgen.generative.objectives.times.LogSNRTimes` make any path's l rise evenly.

On the torus the same holds. Backwards in time the noise is a Brownian motion dx = g dW with
g^2 = -d sigma^2 / dt, on the torus as in the plane, and its law at t given y is the wrapped normal
K(x - y; sigma), which solves the heat equation there. So given y the reverse process has the drift
of the *wrapped* score, grad log K, the model's has that of its own score s_hat, and by Girsanov's
theorem the relative entropy of the two laws of trajectories is::

    diffusion = 1/2 int_0^1 (-d sigma^2 / dt) E |grad log K(x_t - y; sigma) - s_hat(x_t, t)|^2 dt

With eps = -sigma grad log K, the mean of the noise over windings
(:mod:`galgen.generative.paths.torus`), and l = -2 log sigma it is the equation above, so that the
columns of a product of paths just add. The prior is the relative entropy of a wrapped normal and
the uniform density, the decoder a wrapped normal (:mod:`galgen.generative.paths.wrapped_normal`).

The integral is estimated from pairs of draws (time and noise), each pair in one of ``draws / 2``
equal parts of probability of ``times`` (ibid., appendix I.1, but for the pairs). Times of a pair
are independent. Half their squared difference is an unbiased estimate of the variance::

    error^2 = sum over pairs (a - b)^2 / (4 S^2),    S = draws / 2

Within each part the examples of a batch are spread evenly too, in an order drawn anew for each
draw, which lowers the variance of the batch's mean and leaves each example's error as it is.
"""

from __future__ import annotations

import dataclasses

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from galgen.checked import PairedDraws, Positive, checked
from galgen.errors import InputError
from galgen.generative.models.bridge import Bridge
from galgen.generative.models.model import Denoiser, DenoisingModel
from galgen.generative.objectives.prediction import require_noise
from galgen.generative.objectives.times import Times, UniformTimes, log_snr
from galgen.generative.objectives.weighting import noise_error
from galgen.generative.paths.path import ProbabilityPath
from galgen.generative.paths.product import ProductPath
from galgen.generative.paths.wrapped_normal import gaussian_cross_entropy
from galgen.generative.sampling.flow import Flow
from galgen.generative.sampling.method import SamplingMethod
from galgen.losses import MeanLoss, dimensions, mean_over_examples, weight_of_clouds
from galgen.masking import masked_sum, zero_padding
from galgen.types import Batch


@flax.struct.dataclass
class Elbo:
    """The terms of the bound, in nats, each of shape ``(batch,)``.

    ============== =================================================================
    field          meaning
    ============== =================================================================
    prior          relative entropy of x_0 given the data and the path's start
    diffusion      what the denoiser's errors cost
    reconstruction -E log p(data | x_1)
    error          standard error of ``diffusion`` over draws; the rest is exact
    ============== =================================================================
    """

    prior: Float[Array, " batch"]
    diffusion: Float[Array, " batch"]
    reconstruction: Float[Array, " batch"]
    error: Float[Array, " batch"]

    @property
    def total(self) -> Float[Array, " batch"]:
        """The lower bound of the log density of each example, nats."""
        return -(self.prior + self.diffusion + self.reconstruction)


@dataclasses.dataclass(frozen=True)
@checked
class VariationalDiffusion(DenoisingModel):
    """The evidence lower bound of a bridge's model; see the module's docstring.

    Of the bridge, path and prediction count; coupling, exchange, weighting and dropout of the
    condition belong to its own loss. The density bounded is that of rows in their order, in model
    space, as it is by :class:`~galgen.generative.sampling.likelihood.Likelihood`.

    Attributes:
        bridge: the model.
        times: the density of times, whose range the diffusion fills: from the start at quantile 0
            to the decoder at quantile 1. Log-SNR should rise evenly with the quantile.
        draws: of time and noise per example, each a network evaluation; even. Two will do in
            training, where the batch averages.
        decoder: width of the Gaussian blur that the model ends with, in model units: one for all
            columns, one per column, or None for that of the path's noise at t=1, which is best.
            Times the side of the box for positions (Mpc/h), or times the standard deviation of a
            standardised column, it is in physical units: the scale below which nothing is told
            apart.

    Raises:
        InputError: for a path without Gaussian noise, a log-SNR that is infinite at an end (not
            under jit), or draws that are odd.
    """

    bridge: Bridge
    times: Times = UniformTimes()
    draws: PairedDraws = 64
    decoder: Positive | tuple[Positive, ...] | None = None

    def __post_init__(self) -> None:
        require_noise(self.bridge.path, "for an evidence lower bound")
        for part in self.bridge.path.parts:
            levels = log_snr(part, self.times.quantile(jnp.array([0.0, 1.0])), jnp.zeros((1, 1)))
            if not isinstance(levels, jax.core.Tracer) and not np.all(np.isfinite(levels)):
                raise InputError(
                    f"expected a bridge and times of finite log-SNR at both ends, got "
                    f"{np.ravel(levels)} from {part!r} and {self.times!r}; cut the path short by "
                    "LogSNRTimes"
                )

    def __call__(
        self,
        denoiser: Denoiser,
        key: jax.Array,
        x: Float[Array, "batch *event"],
        mask: Bool[Array, "batch points"] | None = None,
        condition: Float[Array, "batch condition"] | None = None,
    ) -> Elbo:
        """The bound of every example of ``x``; differentiable but for its error.

        Args:
            denoiser: ``denoiser(x, t, mask, condition)``.
            key: of times and noise.
            x: standardised data.
            mask: True where a row is real; the bound is that of the real rows.
            condition: standardised parameters, one row per example.

        Raises:
            InputError: for a mask of the wrong shape, or decoder widths of the wrong number.
        """
        data = zero_padding(x, mask)
        precise = data.astype(jnp.promote_types(data.dtype, jnp.float32))
        prior, reconstruction = self._prior(precise, mask), self._reconstruction(precise, mask)
        diffusion, error = self._diffusion(denoiser, key, data, mask, condition)
        return Elbo(prior, diffusion, reconstruction, error)

    def sums(self, denoiser: Denoiser, key: jax.Array, batch: Batch) -> MeanLoss:
        """Minus the bound of each example in nats per real dimension, averaged over a batch."""
        batch = jax.tree.map(jnp.asarray, batch)
        found = self(denoiser, key, batch.x, batch.mask, batch.condition)
        return mean_over_examples(-found.total / dimensions(batch), weight_of_clouds(batch))

    def flow(self, denoiser: Denoiser) -> Flow:
        return dataclasses.replace(self.bridge.flow(denoiser), bound=self)

    @property
    def default_sampler(self) -> SamplingMethod:
        return self.bridge.default_sampler

    def _prior(self, data, mask):
        """log p(x_0) is quadratic, or constant: two points give its mean over the noise."""
        alpha, sigma = self._scales_at(0.0, data)
        path, features = self.bridge.path, data.shape[-1]
        mean = (alpha * data).reshape(-1, features)
        sides = path.log_start(mean + sigma, None) + path.log_start(mean - sigma, None)
        rows = -0.5 * sides - jnp.sum(
            gaussian_cross_entropy(_is_wrapped(path, features), sigma, sigma)
        )
        return _sum_rows(rows.reshape(data.shape[:-1]), mask)

    def _reconstruction(self, data, mask):
        alpha, sigma = self._scales_at(1.0, data)
        noise, features = sigma / alpha, data.shape[-1]
        width = noise if self.decoder is None else jnp.asarray(self.decoder, data.dtype)
        if width.size not in (1, features):
            raise InputError(
                f"expected one decoder width, or one for each of {features} columns, got "
                f"{width.size}; change the decoder or the data's columns"
            )
        row = jnp.sum(gaussian_cross_entropy(_is_wrapped(self.bridge.path, features), noise, width))
        return _sum_rows(jnp.full(data.shape[:-1], row), mask)

    def _scales_at(self, quantile, data):
        """(alpha, sigma) of every column at one end."""
        scales = self.bridge.path.scales(self.times.quantile(jnp.full(1, quantile)), data[:1])
        return (jnp.broadcast_to(c.ravel().astype(data.dtype), data.shape[-1:]) for c in scales)

    def _diffusion(self, denoiser, key, data, mask, condition):
        """The integral and its standard error, of every example."""
        key_time, key_noise = jax.random.split(key)
        places = self._places(key_time, len(data))

        def cost(draw):
            place, key = draw
            return self._cost(denoiser, place, key, data, mask, condition)

        costs = jax.lax.map(cost, (places, jax.random.split(key_noise, self.draws)))
        pairs = jax.lax.stop_gradient(costs).reshape(-1, 2, len(data))
        error = jnp.sqrt(jnp.sum((pairs[:, 0] - pairs[:, 1]) ** 2, axis=0)) / self.draws
        return jnp.mean(costs, axis=0), error

    def _places(self, key: jax.Array, number: int) -> Float[Array, "draws number"]:
        """Quantiles of time, two in each part, and one of each draw's in each part of a part."""
        key_rank, key_offset = jax.random.split(key)
        ranks = jnp.broadcast_to(jnp.arange(number), (self.draws, number))
        ranks = jax.random.permutation(key_rank, ranks, axis=1, independent=True)
        within = (ranks + jax.random.uniform(key_offset, ranks.shape)) / number
        part = jnp.arange(self.draws)[:, None] // 2
        return (part + within) / (self.draws // 2)

    def _cost(self, denoiser, place, key, data, mask, condition):
        """The integrand of every example at one draw, with respect to the quantile of time."""
        key_noise, key_way = jax.random.split(key)
        path, prediction = self.bridge.path, self.bridge.prediction

        def level(place):
            return log_snr(path, self.times.quantile(place), data)

        rate = jax.jvp(level, (place,), (jnp.ones_like(place),))[1]
        t = jnp.broadcast_to(self.times.quantile(place), len(data))
        # Rows lead, so that a row's noise does not change with the number of rows padded on.
        shape = (*data.shape[1:-1], len(place), data.shape[-1])
        noise = jnp.moveaxis(path.sample_base(key_noise, shape), -2, 0).astype(data.dtype)
        base = zero_padding(jnp.broadcast_to(noise, data.shape), mask)
        x, ends = path.sample(key_way, base, data, t)
        x, unit = zero_padding(x, mask), self.bridge.unit(data, mask)
        output = denoiser(prediction.scale_input(path, x, t), t, mask, condition)
        precise = jnp.promote_types(data.dtype, jnp.float32)
        target = prediction.target(path, ends, t, unit).astype(precise)
        error = noise_error(prediction, path, output.astype(precise) - target, x, t, unit)
        return 0.5 * masked_sum(rate * error**2, mask, tuple(range(1, data.ndim)))


def _sum_rows(
    rows: Float[Array, "batch *rows"], mask: Bool[Array, "batch points"] | None
) -> Float[Array, " batch"]:
    return masked_sum(rows, mask, tuple(range(1, rows.ndim)))


def _is_wrapped(path: ProbabilityPath, features: int) -> Bool[np.ndarray, " features"]:
    """True for the columns on the torus."""
    if not isinstance(path, ProductPath):
        return np.full(features, not path.affine)
    groups = zip(path.paths, path.columns, strict=True)
    return np.concatenate([_is_wrapped(part, columns) for part, columns in groups])
