r"""A diffusion whose noise schedule is learned with its network.

Kingma et al. 2021, arXiv:2107.00630, sections 4 and 5 and appendix H: the evidence lower bound
(:mod:`galgen.generative.models.variational`) of a variance-preserving path whose log-SNR l(t) has
weights of its own. The bound does not depend on l between its ends (their eq. 18), but the variance
of its estimate does; the ends enter by prior and reconstruction. All weights descend the same loss,
where the paper has the interior of l minimise the variance instead (appendix I.2).
"""

from __future__ import annotations

import dataclasses
from typing import cast

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from galgen.checked import PairedDraws, checked
from galgen.generative.models.bridge import Bridge
from galgen.generative.models.model import Model, denoiser_of, initial_denoiser
from galgen.generative.models.variational import VariationalDiffusion
from galgen.generative.objectives.prediction import NoisePrediction, Prediction
from galgen.generative.paths.affine import VariancePreserving
from galgen.generative.paths.noise_schedule import MonotoneSchedule
from galgen.generative.sampling.flow import Flow
from galgen.generative.sampling.method import SamplingMethod
from galgen.generative.sampling.sampler import Sampler
from galgen.losses import MeanLoss
from galgen.types import Batch, Params


@dataclasses.dataclass(frozen=True)
@checked
class LearnedDiffusion(Model):
    """A variance-preserving diffusion and its schedule, trained by the evidence lower bound.

    Its weights are ``{"network": ..., "schedule": ...}``.

    Attributes:
        schedule: a learned log-SNR: ``LearnedLinearSchedule()`` or ``MonotoneSchedule()``.
        prediction: what the network's output means.
        draws: of time and noise per example; even.
    """

    schedule: nn.Module = MonotoneSchedule()
    prediction: Prediction = NoisePrediction()
    draws: PairedDraws = 2

    def bound(self, params: Params, draws: int | None = None) -> VariationalDiffusion:
        """The bound with the schedule as learned, by another number of draws if given."""

        def log_snr(t: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
            return cast(Array, self.schedule.apply(params["schedule"], t))

        bridge = Bridge(VariancePreserving(log_snr), prediction=self.prediction)
        return VariationalDiffusion(bridge, draws=self.draws if draws is None else draws)

    def initial_params(self, network: nn.Module, key: jax.Array, batch: Batch) -> Params:
        key_network, key_schedule = jax.random.split(key)
        return {
            "network": initial_denoiser(network, key_network, batch),
            "schedule": self.schedule.init(key_schedule, jnp.zeros(1)),
        }

    def mean_loss(
        self, network: nn.Module, params: Params, key: jax.Array, batch: Batch
    ) -> MeanLoss:
        return self.bound(params).sums(denoiser_of(network, params["network"]), key, batch)

    def with_params(self, network: nn.Module, params: Params) -> Flow:
        return self.bound(params).with_params(network, params["network"])

    @property
    def default_sampler(self) -> SamplingMethod:
        return Sampler()
