r"""Births: a family in which points appear one after another, and their number comes out by itself.

A catalogue X is a set of points in the unit box. Forward in noise, points are removed at random: at
time t in [0, 1] each is there with probability t, independently, so that X_0 is empty and X_1 is
the data. This is thinning, the diffusion of point sets of Luedke et al. 2023 (Add and Thin,
arXiv:2311.01139) and 2024 (arXiv:2410.22493), without points that are added. Going from 0 to 1,
points are born at the rate, in space and time, of::

    r(x, t | X_t) = lambda(x, t | X_t) / (1 - t)

with lambda the density of the points that are still missing, given those that are there. A network
gives the rate in cells (:mod:`galgen.networks.mesh_rate`). The rate of a Poisson process is its
intensity at all times, whatever was born; that of clustered points rises beside those that are
there. Within a distance ``exclusion`` of a point it is zero, exactly.

**Loss.** Under thinning each point is born at a time that is uniform in [0, 1]. The density of a
history of births is that of a point process in space and time (Daley and Vere-Jones 2003, eq.
7.2.4), so, relative to a Poisson process of intensity one (Jensen's inequality)::

    log p(X) >= 1 + E_t [ 1 / (1 - t)  sum over missing x_i of log r(x_i, t | X_t)
                          - integral of r(x, t | X_t) dx ]

The loss is minus that, per point of the data and without the 1. It is least where r is the true
rate, and the bound is then log p(X) itself: times of birth are uniform whatever X is.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from galgen.checked import NotNegative, checked
from galgen.errors import InputError
from galgen.generative.models.model import Model
from galgen.generative.objectives.times import UniformTimes
from galgen.generative.sampling.birth_process import TrainedBirths
from galgen.generative.sampling.birth_sampler import BirthSampler
from galgen.generative.sampling.method import SamplingMethod
from galgen.losses import MeanLoss, example_weight, mean_over_examples
from galgen.types import Batch, Params


@dataclasses.dataclass(frozen=True)
@checked
class Births(Model):
    """A model of positions in a periodic box, whose number of points is drawn with them.

    Attributes:
        exclusion: distance, in sides of the box, within which no second point is ever born. The
            data must keep it.
    """

    exclusion: NotNegative = 0.0

    reads_field = True

    def initial_params(self, network: nn.Module, key: jax.Array, batch: Batch) -> Params:
        """Fresh weights; the first rate is uniform, of the mean number of points of ``batch``."""
        number, mask = len(batch.x), _mask_of(batch)
        inputs = (batch.x, jnp.zeros(number), mask, batch.condition)
        weights = network.init(key, *inputs, *_given(batch.field))
        mean = jnp.maximum(jnp.mean(jnp.sum(mask, axis=1)), 1.0)
        return {"network": weights, "log_number": jnp.log(mean)}

    def mean_loss(
        self, network: nn.Module, params: Params, key: jax.Array, batch: Batch
    ) -> MeanLoss:
        """Minus the bound without its 1, in nats per point of the data."""
        trained = self.with_params(network, params).given_field(batch.field)
        mask = _mask_of(batch)
        key_time, key_rest = jax.random.split(key)
        t = UniformTimes().sample(key_time, len(batch.x))
        gained = trained.integrand(key_rest, t, jnp.asarray(batch.x), mask, batch.condition)
        return mean_over_examples(-gained, example_weight(batch), jnp.sum(mask, axis=1) * 1.0)

    def with_params(self, network: nn.Module, params: Params) -> TrainedBirths:
        def log_rate(x, t, mask, condition, field=None):
            inputs = (x, t, mask, condition, *_given(field))
            logits: Any = network.apply(params["network"], *inputs)
            if logits.ndim != x.shape[-1] + 1:
                raise InputError(
                    f"expected a network of a rate in cells, as MeshRate(), got output of shape "
                    f"{logits.shape} for points of shape {x.shape}; change the network"
                )
            return logits + params["log_number"]

        return TrainedBirths(log_rate, self.exclusion)

    @property
    def default_sampler(self) -> SamplingMethod:
        return BirthSampler()


def _given(field: Any) -> tuple[Any, ...]:
    """The field as a further input of a network that reads it, or none."""
    return () if field is None else (field,)


def _mask_of(batch: Batch) -> Bool[Array, "batch points"]:
    """Real points of clouds.

    Raises:
        InputError: for data that are no clouds in a plane or in space.
    """
    shape = batch.x.shape
    if len(shape) != 3 or shape[-1] not in (2, 3):
        raise InputError(
            f"expected clouds of positions alone (batch, points, 2 or 3), got shape {shape}; "
            "choose columns x y z, or another family for other columns"
        )
    return jnp.ones(shape[:2], bool) if batch.mask is None else jnp.asarray(batch.mask)
