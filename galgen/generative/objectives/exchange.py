r"""Targets of less variance for clouds whose rows are exchangeable.

A diffusion is trained to regress the noise z_i of every row, x_i = noised(y_i, z_i), but a network
on clouds sees {x_i} as a set: which row of the data each noisy row came from is not to be known,
and wherever the noise is wider than the separation of points most of the target is just this. Given
both sets, the assignment pi (noisy row i came from data row pi(i)) has the posterior

    p(pi | x, y) = prod_i K_t(x_i | y_pi(i)) / sum over pi' of the same,

K_t the transition density of the path, and the target may be replaced by its mean over pi: the
minimiser of the loss, E[z | x], stays what it was, and the variance falls (Rao and Blackwell).

The mean is estimated without bias for any number of sweeps. The identity, by which x was made, is
an exact draw of the posterior, so a Markov chain of heat-bath swaps that starts there is stationary
from its first step, and the average of the target along it, with each swap counted by its
probability, has the right expectation. One sweep proposes a swap to disjoint pairs of rows,
neighbours in a space-filling order whose origin is drawn anew.

For haloes of 128 Mpc/h with 16 sweeps, the mean square of the target falls to 26, 46, 68 and 85% at
widths of 1.2, 0.7, 0.43 and 0.26 mean separations.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from galgen.checked import Count, checked
from galgen.errors import InputError
from galgen.generative.paths.path import Ends, ProbabilityPath
from galgen.geometry import morton_code
from galgen.periodic import wrap

Target = Callable[[Ends], Float[Array, "batch *event"]]
"""``target(ends)``, row by row."""


@dataclasses.dataclass(frozen=True)
@checked
class Exchange:
    """Averages a target over assignments of noisy rows to data rows; see the module's docstring.

    Attributes:
        sweeps: of pair swaps. Each costs a sort and a transition density per row, little beside a
            network on clouds.
    """

    sweeps: Count = 16

    def __call__(
        self,
        key: jax.Array,
        path: ProbabilityPath,
        target: Target,
        x: Float[Array, "batch *event"],
        data: Float[Array, "batch *event"],
        mask: Bool[Array, "batch points"] | None,
        t: Float[Array, " batch"],
    ) -> Float[Array, "batch *event"]:
        """The mean of ``target(ends)`` along the chain, one row for each row of ``x``.

        Raises:
            InputError: for data that are not clouds, or a path without a transition density.
        """
        if data.ndim != 3:
            raise InputError(
                f"expected clouds of shape (batch, points, features), got {data.shape}; "
                "use exchange=None for data that are not clouds"
            )
        real = jnp.ones(data.shape[:2], bool) if mask is None else mask

        def weigh(source):
            """log K and the target of every row, as it would be if it came from ``source``."""
            return path.log_transition(x, source, t), target(path.ends_from_data(source, x, t))

        def sweep(carry, key):
            source, log_here, here, total = carry
            pair_key, accept_key = jax.random.split(key)
            partner = _pairs(pair_key, x, real)
            other = jnp.take_along_axis(source, partner[..., None], axis=1)
            log_there, there = weigh(other)
            # The log odds of the pair as it is and swapped; alike in both rows of a pair.
            gain = log_there - log_here
            odds = jax.nn.sigmoid(gain + jnp.take_along_axis(gain, partner, axis=1))
            total = total + here + odds[..., None] * (there - here)
            threshold = jax.random.uniform(accept_key, real.shape)
            first = jnp.minimum(partner, jnp.arange(real.shape[1]))
            accepted = jnp.take_along_axis(threshold, first, axis=1) < odds
            moved = accepted[..., None]
            source, here = jnp.where(moved, other, source), jnp.where(moved, there, here)
            return (source, jnp.where(accepted, log_there, log_here), here, total), None

        start = (data, *weigh(data), jnp.zeros_like(data))
        (*_, total), _ = jax.lax.scan(sweep, start, jax.random.split(key, self.sweeps))
        return total / self.sweeps


def _pairs(
    key: jax.Array, x: Float[Array, "batch points features"], real: Bool[Array, "batch points"]
) -> Int[Array, "batch points"]:
    """A near partner for each real row, such that partners agree; itself for a row left over."""
    origin_key, parity_key = jax.random.split(key)
    batch, points = real.shape
    position = x[..., :3]
    origin = jax.random.uniform(origin_key, (batch, 1, position.shape[-1]))
    code = jnp.where(real, morton_code(wrap(position + origin)), np.uint32(2**32 - 1))
    order = jnp.argsort(code, axis=-1)
    rank = jnp.zeros_like(order).at[jnp.arange(batch)[:, None], order].set(jnp.arange(points))
    parity = jax.random.randint(parity_key, (batch, 1), 0, 2)
    wanted = jnp.where((rank + parity) % 2 == 0, rank + 1, rank - 1)
    paired = real & (wanted >= 0) & (wanted < jnp.sum(real, axis=-1, keepdims=True))
    there = jnp.take_along_axis(order, jnp.clip(wanted, 0, points - 1), axis=-1)
    return jnp.where(paired, there, jnp.arange(points))
