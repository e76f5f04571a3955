"""A continuous normalizing flow: a velocity network trained by likelihood.

The loss is the mean negative log likelihood, in nats per dimension of each example (Chen et al.
2018, arXiv:1806.07366, section 4; Grathwohl et al. 2019, arXiv:1810.01367)::

    loss = - < log p_1(x_1) / dimensions >

with log p_1 as in :mod:`galgen.generative.sampling.likelihood`. It asks nothing of the way between
start and data, where flow matching regresses the velocity of a way that is given: every step of
training solves the equation backwards and differentiates through it, tens of network evaluations
for one. Its value is the quality of the model, which that of flow matching is not.
"""

from __future__ import annotations

import dataclasses

import jax

from galgen.checked import checked
from galgen.generative.models.bridge import Bridge
from galgen.generative.models.model import Denoiser, DenoisingModel
from galgen.generative.sampling.flow import Flow
from galgen.generative.sampling.likelihood import ExactDivergence, Likelihood
from galgen.generative.sampling.method import SamplingMethod
from galgen.generative.sampling.ode import FixedSteps
from galgen.losses import MeanLoss, dimensions, mean_over_examples, weight_of_clouds
from galgen.types import Batch


@dataclasses.dataclass(frozen=True)
@checked
class ContinuousFlow(DenoisingModel):
    """The flow of a bridge, trained by likelihood instead of by regression.

    Samplers and likelihoods take its ``bridge``.

    Attributes:
        bridge: the start at t=0, the motion, and what the network's output means.
        likelihood: how the loss is found. In fixed steps the equation has the same cost throughout
            training, but the loss is that of the steps: judge the result in adaptive ones.
    """

    bridge: Bridge
    likelihood: Likelihood = Likelihood(ExactDivergence(), FixedSteps(8))

    def sums(self, denoiser: Denoiser, key: jax.Array, batch: Batch) -> MeanLoss:
        """The mean negative log likelihood of one batch, in nats per dimension."""
        flow = self.bridge.flow(denoiser)
        found = self.likelihood(flow, key, batch.x, batch.mask, batch.condition).value
        return mean_over_examples(-found / dimensions(batch), weight_of_clouds(batch))

    def flow(self, denoiser: Denoiser) -> Flow:
        return dataclasses.replace(self.bridge.flow(denoiser), likelihood=self.likelihood)

    @property
    def default_sampler(self) -> SamplingMethod:
        return self.bridge.default_sampler
