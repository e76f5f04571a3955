r"""Haloes on the Lagrangian grid of a field: births of cells, with marks.

A catalogue is a set of cells of the initial grid, with a mark each. Haloes are born in them at the
rate lambda e^g of :mod:`galgen.lagrangian.network`, given those that are there, as told in
:mod:`galgen.generative.models.births`; no cell holds two. Marks are drawn afterwards, for all
haloes together, by a bridge. Three losses are added, each per halo:

- of lambda, as if births were independent: sum over cells of lambda - n log lambda;
- of g: at times t with each halo there with probability t, over the missing ones and over cells
  drawn by lambda,  (1 / N) sum lambda e^g - mean over missing of g;
- of the marks, by their bridge.

Pieces of a larger grid are what is trained on. What lies at their edges is seen, and no part of the
second and third loss.
"""

from __future__ import annotations

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from galgen.checked import Count, Whole, checked
from galgen.generative import Bridge, LinearPath
from galgen.generative.models.model import Model, with_weights
from galgen.generative.sampling.method import SamplingMethod
from galgen.geometry import Euclidean
from galgen.lagrangian.calibration import calibrated
from galgen.lagrangian.layout import COLUMNS, INPUTS, NEAR_Q, NEAR_X, PAD, REACH, WAVES
from galgen.lagrangian.mark_training import further_marks
from galgen.lagrangian.sampler import LagrangianSampler
from galgen.lagrangian.sums import WIDTHS, contributions
from galgen.lagrangian.trained import TrainedHaloes, displacement_of, known_of, log_maps
from galgen.losses import MeanLoss, example_weight, mean_over_examples
from galgen.types import Batch, Params

LATEST = 0.98
"""Of the times that births are trained at."""


@dataclasses.dataclass(frozen=True)
@checked
class LagrangianHaloes(Model):
    """Haloes on the Lagrangian grid of a field; see the module's docstring.

    Attributes:
        times: at which births are trained in each step.
        places: cells drawn for the integral of the rate.
        noises: at which marks are trained in each step.
        own_draws: of whole boxes, from which the trained model learns what its draws are short of
            (:mod:`galgen.lagrangian.calibration`).
        marks: the bridge of marks.
        mark_steps: of further training of the marks alone (:mod:`galgen.lagrangian.mark_training`).
    """

    times: Count = 4
    places: Count = 3000
    noises: Count = 6
    own_draws: Whole = 60
    marks: Bridge = Bridge(LinearPath())
    mark_steps: Whole = 0

    reads_field = True

    def initial_params(self, network: nn.Module, key: jax.Array, batch: Batch) -> Params:
        told = jnp.asarray(batch.condition)[:1, :-1]
        one, number = jnp.ones(1), network.features
        rate = one, *(jnp.ones((1, n)) for n in (len(NEAR_Q), number, len(NEAR_Q), len(NEAR_X)))
        points, mask = jnp.zeros((1, 2, 3)), jnp.ones((1, 2), bool)
        known = jnp.zeros((1, 2, number + 1 + WIDTHS + WAVES))
        edges = network.edges(points, mask, one, Euclidean())
        marks = jnp.zeros((1, 2, COLUMNS)), one, mask, told, known, edges
        field = jnp.zeros((1, 2 * PAD + 1, 2 * PAD + 1, 2 * PAD + 1, INPUTS))
        return network.init(key, field, told, (*rate, one, told), marks)

    def mean_loss(
        self, network: nn.Module, params: Params, key: jax.Array, batch: Batch
    ) -> MeanLoss:
        """In nats per halo, but for the marks, whose loss is a mean square."""
        assert batch.mask is not None and batch.condition is not None and batch.field is not None
        trained = self.with_params(network, params).given_field(batch.field)
        each = []
        for number, one in enumerate(jax.random.split(key, len(batch.x))):
            example = trained.example(number, batch.condition)
            losses = self.losses(example, one, batch.x[number], batch.mask[number])
            each.append(sum(losses))
        haloes = jnp.sum(batch.mask, axis=1) * 1.0
        return mean_over_examples(jnp.stack(each) * haloes, example_weight(batch), haloes)

    def losses(
        self,
        model: TrainedHaloes,
        key: jax.Array,
        x: Float[Array, "points columns"],
        mask: Bool[Array, " points"],
    ) -> tuple[Float[Array, ""], Float[Array, ""], Float[Array, ""]]:
        """The three losses of one piece of a grid.

        Args:
            model: with the field of the piece.
            key: of all that is random.
            x: cells of the piece, and marks.
            mask: real rows.
        """
        key_births, key_marks = jax.random.split(key)
        log_rate, features = model.encode(model.field[..., :INPUTS])
        inner = model.field[PAD:-PAD, PAD:-PAD, PAD:-PAD]
        moved, side = displacement_of(inner[..., INPUTS:]), log_rate.shape[0]
        at = x[:, :3].astype(jnp.int32)
        here = tuple(at.T)
        rate = jnp.exp(log_rate)
        gained = jnp.sum(jnp.where(mask, log_rate[here], 0.0))
        independent = (jnp.sum(rate) - gained) / jnp.maximum(jnp.sum(mask), 1)

        inside = mask & jnp.all((at >= REACH) & (at < side - REACH), axis=-1)
        given, sums = self._births(model, key_births, at, mask, inside, log_rate, features, moved)

        of_cells = features[here], log_rate[here], sums
        known = known_of(*of_cells, model.field, at + 2 * PAD, model.network.waves_at)
        size = side * model.cell
        positions = (at * model.cell + moved[here]) / size
        denoiser = model.denoiser(positions, mask, known, size, Euclidean())
        keys = jax.random.split(key_marks, self.noises)
        marks = [model.mark_error(denoiser, each, x[:, 3:], mask, inside) for each in keys]
        return independent, given, jnp.mean(jnp.stack(marks))

    def _births(
        self,
        model: TrainedHaloes,
        key: jax.Array,
        at: Int[Array, "points 3"],
        mask: Bool[Array, " points"],
        inside: Bool[Array, " points"],
        log_rate: Float[Array, "x y z"],
        features: Float[Array, "x y z features"],
        moved: Float[Array, "x y z 3"],
    ) -> tuple[Float[Array, ""], Float[Array, "points widths"]]:
        """The loss of g, and the sums over all haloes at each."""
        key_place, key_time, key_there = jax.random.split(key, 3)
        points, side = len(at), log_rate.shape[0]
        rate = jax.lax.stop_gradient(jnp.exp(log_rate))
        core = rate[(slice(REACH, side - REACH),) * 3]
        upto = jnp.cumsum(core.ravel())
        drawn = jax.random.uniform(key_place, (self.places,)) * upto[-1]
        drawn = jnp.minimum(jnp.searchsorted(upto, drawn), core.size - 1)
        places = jnp.stack(jnp.unravel_index(drawn, core.shape), axis=-1) + REACH
        cells = jnp.concatenate([at, places])
        where = tuple(cells.T)
        steps = cells[:, None] - at
        near = contributions(steps, moved[where][:, None] - moved[tuple(at.T)], model.cell)

        t = (jnp.arange(self.times) + jax.random.uniform(key_time, (self.times,))) / self.times
        t = jnp.minimum(t, LATEST)[:, None]
        there = mask & (jax.random.uniform(key_there, (self.times, points)) < t)
        sums = jnp.einsum("cpw,tp->tcw", near, there * 1.0)
        maps = log_maps(rate, model.cell, cells)
        g = model.excess(log_rate[where] + 0.0 * t, maps, features[where], sums, t)

        missing = inside & ~there
        gained = jnp.sum(jnp.where(missing, g[:, :points], 0.0), axis=1)
        gained = gained / jnp.maximum(jnp.sum(missing, axis=1), 1)
        same = jnp.all(steps[points:] == 0, axis=-1)
        taken = jnp.einsum("cp,tp->tc", same * 1.0, there * 1.0) > 0
        rates = jnp.mean(jnp.where(taken, 0.0, jnp.exp(g[:, points:])), axis=1)
        expected = rates * upto[-1] / jnp.maximum(jnp.sum(inside), 1)
        everything = jnp.einsum("cpw,p->cw", near[:points], mask * 1.0)
        return jnp.mean(expected - gained), everything

    def calibration(self, network, params, source, sampler, seed):
        model = self.with_params(network, params)
        marks = further_marks(model, source, sampler, seed, self.mark_steps)
        model = model.replaced(with_weights(params, marks))
        return {**marks, **calibrated(model, source, sampler, seed, self.own_draws)}

    def with_params(self, network: nn.Module, params: Params) -> TrainedHaloes:
        return TrainedHaloes(network, params, self.marks)  # type: ignore[arg-type]

    @property
    def default_sampler(self) -> SamplingMethod:
        return LagrangianSampler()
