r"""Fine-tuning a trained bridge by a reward.

A reward R(x) is a number that can be computed of one draw. Of all laws q as far from the model's
law p, by relative entropy, the one with the highest mean reward is the *tilt* of p::

    p*(x) = p(x) exp(R(x) / T) / Z      maximises      E_q[R] - T KL(q || p)

with T the temperature. :func:`tilted` makes draws of p draws of p*, by resampling with weights
exp(R / T), and a bridge trained on them is one of p*: reward-weighted regression (Peters and Schaal
2007; Peng et al. 2019, arXiv:1910.00177). It needs no gradient and no likelihood. The mean reward
of a group cancels in its weights: the advantage over the other draws at the same condition counts,
as in GRPO (Shao et al. 2024, arXiv:2402.03300).

Drawn anew from the model as it is tuned, k times, the law is p exp(k R / T), whose temperature
falls to zero: it collapses on the best draws. :class:`Anchored` adds a penalty that keeps the
network f near the one it started as, f_0 (Fan et al. 2025, arXiv:2502.06061)::

    loss = E|f - target|^2 + strength E|f - f_0|^2       at the same x_t and t, in the same norm

Its minimiser at every x_t is (f* + strength f_0) / (1 + strength), with f* that without penalty.
The penalty bounds how far the laws are apart. With x_t from the tuned flow:

velocity    W_2(q, p)^2 <= exp(2 L) times its integral over t, L a Lipschitz constant of f_0
            (Benton et al. 2023, arXiv:2305.16860, theorem 1);
noise       KL(q || p) <= half its integral over log-SNR, the KL of the two diffusions (Girsanov;
            Kingma et al. 2021, arXiv:2107.00630, eq. 17). That is SNRWeighting with times uniform
            in log-SNR; other weightings and times weigh the noise levels otherwise.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from galgen.checked import NotNegative, checked
from galgen.errors import InputError
from galgen.generative.models.bridge import Bridge
from galgen.generative.models.model import Denoiser, DenoisingModel
from galgen.generative.sampling.flow import Flow
from galgen.losses import MeanLoss
from galgen.types import Batch


def tilted(
    key: jax.Array,
    batch: Batch,
    reward: Float[Array, " batch"],
    temperature: float,
    groups: int = 1,
) -> Batch:
    """A batch resampled in proportion to exp(reward / temperature), of the same size.

    Systematic resampling (Carpenter et al. 1999): an example of weight w among n is drawn n w times
    on average, and at most one time more or less. With equal rewards the batch is unchanged.

    Args:
        key: of the resampling.
        batch: draws of a model.
        reward: of each.
        temperature: in the unit of the reward.
        groups: the batch is so many groups of equal size, one after the other, of one condition
            each; resampled within each, so that conditions do not compete.

    Raises:
        InputError: for a temperature that is not positive, or groups that do not divide the batch.
    """
    number = len(reward)
    if not temperature > 0:
        raise InputError(
            f"expected a positive temperature, got {temperature}; its unit is that of the reward"
        )
    if groups < 1 or number % groups:
        raise InputError(
            f"expected groups that divide the batch of {number}, got {groups}; draw as many "
            "examples at every condition"
        )
    weight = jax.nn.softmax(reward.reshape(groups, -1) / temperature, axis=-1)
    keys = jax.random.split(key, groups)
    chosen = jax.vmap(systematic)(keys, weight)
    rows = (chosen + jnp.arange(groups)[:, None] * (number // groups)).reshape(-1)
    return jax.tree.map(lambda array: array[rows], batch)


def systematic(key: jax.Array, weight: Float[Array, " rows"]) -> Int[Array, " rows"]:
    """Rows drawn by weights that sum to one, with a comb of one random offset; rising.

    Written out: blackjax starts JAX when it is imported, before the processes of a run have met.
    """
    number = len(weight)
    comb = (jnp.arange(number) + jax.random.uniform(key)) / number
    return jnp.clip(jnp.searchsorted(jnp.cumsum(weight), comb), 0, number - 1)


@dataclasses.dataclass(frozen=True)
@checked
class Anchored(DenoisingModel):
    """A bridge whose network is kept near a reference while it is tuned.

    Draws are made of ``bridge``. The reference holds weights: this model goes into ``Trainer.fit``
    or ``make_step``, not into a configuration.

    Attributes:
        bridge: what is tuned.
        reference: the flow it started as, ``bridge.with_params(network, params)``.
        strength: of the penalty, in units of the bridge's own loss.

    Raises:
        InputError: for a negative strength.
    """

    bridge: Bridge
    reference: Flow
    strength: NotNegative = 1.0

    def sums(self, denoiser: Denoiser, key: jax.Array, batch: Batch) -> MeanLoss:
        """The loss of the bridge and the penalty, on one batch."""
        task = self.bridge.regression(key, batch)
        answer = self.bridge.answer(denoiser, task)
        away = answer - jax.lax.stop_gradient(self.bridge.answer(self.reference.denoiser, task))
        error = self.bridge.mean_error(task, answer - task.target)
        penalty = self.bridge.mean_error(task, away)
        return MeanLoss(error.total + self.strength * penalty.total, error.weight)

    def departure(self, flow: Flow, key: jax.Array, batch: Batch) -> Float[Array, ""]:
        """The penalty without its strength: how far ``flow`` has gone, 0 for the reference."""
        task = self.bridge.regression(key, batch)
        now, first = (self.bridge.answer(f.denoiser, task) for f in (flow, self.reference))
        return self.bridge.mean_error(task, now - first).value

    def flow(self, denoiser):
        return self.bridge.flow(denoiser)

    @property
    def default_sampler(self):
        return self.bridge.default_sampler
