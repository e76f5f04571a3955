"""Online tuning by a reward: draw, judge, draw again among the draws by their rewards, train.

The theory is in :mod:`galgen.generative.sampling.tilting`. One round, with R the reward and T the
temperature::

    x ~ the model as it is  ->  R(x)  ->  resampled in proportion to exp(R / T)  ->  some updates

The reward is a function of NumPy arrays on the host: a statistic, a classifier, anything that gives
a number for one draw. Draws are made with the averaged weights, which are also what is returned.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from galgen.checked import Count, Positive, ProperFraction, Seed, checked
from galgen.errors import InputError
from galgen.generative.sampling.method import SamplingMethod
from galgen.generative.sampling.tilting import Anchored, tilted
from galgen.losses import MeanLoss
from galgen.randomness import Role, random_key
from galgen.training.state import initial_state, make_step
from galgen.types import Batch, Params

Reward = Callable[[Float[np.ndarray, "draws *event"]], Float[np.ndarray, "draws"]]
"""``reward(draws)``: one number for each, the larger the better."""
Augment = Callable[[jax.Array, Float[Array, "batch *event"]], Float[Array, "batch *event"]]
"""``augment(key, x)``: changes of the draws under which the law is the same."""


@dataclasses.dataclass(frozen=True)
class Round:
    """The model before one round of tuning.

    Attributes:
        params: averaged weights.
        draws: of the model, ``(draws, *event)``, standardised.
        rewards: of the draws.
        departure: from the reference, ``Anchored.departure``; 0 at the start.
    """

    params: Params
    draws: Float[np.ndarray, "draws *event"]
    rewards: Float[np.ndarray, "draws"]
    departure: float


@dataclasses.dataclass(frozen=True)
@checked
class RewardTuning:
    """How to tune an unconditional bridge by a reward.

    Attributes:
        temperature: in the unit of the reward; the lower, the fewer draws of a round are kept.
        rounds: of drawing and training.
        draws: per round.
        batch_size: draws per update.
        steps: updates per round.
        learning_rate: of Adam, reached after ten updates.
        clip_norm: gradients are scaled down to this global norm.
        ema_decay: of the averaged weights.
        seed: of draws, times and noise.
    """

    temperature: Positive = 1.0
    rounds: Count = 20
    draws: Count = 128
    batch_size: Count = 32
    steps: Count = 8
    learning_rate: Positive = 1e-3
    clip_norm: Positive = 1.0
    ema_decay: ProperFraction = 0.95
    seed: Seed = 0

    def __post_init__(self) -> None:
        if not 1 <= self.batch_size <= self.draws:
            raise InputError(
                f"expected a batch_size from 1 to the {self.draws} draws of a round, got "
                f"{self.batch_size}; raise draws"
            )

    def __call__(
        self,
        model: Anchored,
        network: nn.Module,
        params: Params,
        sampler: SamplingMethod,
        event: tuple[int, ...],
        reward: Reward,
        augment: Augment | None = None,
    ) -> Iterator[Round]:
        """The model before the first round, and after each: ``rounds + 1`` items.

        Args:
            model: the bridge and the reference that it is held to.
            network: denoiser.
            params: the weights to start from.
            sampler: draws from the bridge.
            event: the shape of one draw.
            reward: judges draws.
            augment: applied to the draws that are trained on.

        Raises:
            FloatingPointError: for a reward that is not finite; the message names the round.
        """

        def loss(params: Params, key: jax.Array, batch: Batch) -> MeanLoss:
            key_augment, key_loss = jax.random.split(key)
            x = batch.x if augment is None else augment(key_augment, batch.x)
            return model.mean_loss(network, params, key_loss, Batch(x))

        @jax.jit
        def draw(params, key):
            key_draw, key_departure = jax.random.split(key)
            flow = model.with_params(network, params)
            x = sampler(flow, key_draw, (self.draws, *event)).x
            return x, model.departure(flow, key_departure, Batch(x))

        optimizer = optax.chain(
            optax.clip_by_global_norm(self.clip_norm),
            optax.adam(optax.linear_schedule(0.0, self.learning_rate, 10)),
        )
        step = jax.jit(make_step(loss, optimizer, self.ema_decay))
        state, start = initial_state(params, optimizer), random_key(Role.REWARD_TUNING, self.seed)
        for number in range(self.rounds + 1):
            draw_key, tilt_key, order_key, step_key = jax.random.split(
                jax.random.fold_in(start, number), 4
            )
            x, departure = draw(state.ema, draw_key)
            rewards = np.asarray(reward(np.asarray(x)))
            if not np.all(np.isfinite(rewards)):
                raise FloatingPointError(
                    f"expected finite rewards, got others in round {number}; mend the reward"
                )
            yield Round(state.ema, np.asarray(x), rewards, float(departure))
            if number == self.rounds:
                return
            better = tilted(tilt_key, Batch(x), jnp.asarray(rewards), self.temperature)
            for row_key in jax.random.split(order_key, self.steps):
                rows = jax.random.permutation(row_key, self.draws)[: self.batch_size]
                state, _ = step(state, step_key, Batch(better.x[rows]))
