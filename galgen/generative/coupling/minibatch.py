r"""Optimal transport across the examples of a minibatch, for toys and images.

Base draws and examples of a batch are paired by the exact assignment of least summed squared
distance (Tong et al. 2023, arXiv:2302.00482, sec. 3.2; Pooladian et al. 2023, arXiv:2304.14772):
ways cross less, and the learned flow is straighter. Both marginals are left intact, for base draws
are only permuted across the batch. What changes is their law *given* something of the example.

With a condition c that matters, the law of base draws given c. Optimal transport sends the base
draws that happen to lie nearest to the examples of a class, so the base of p(x_1 | c) in training
is a part of the base, while sampling starts from the whole of it: starts that were never trained
for that c. On eight Gaussians to moons the squared Wasserstein-2 distance is 2.14 with transport
that ignores the condition and 0.03 without transport (arXiv:2503.10636). The remedy of that paper
adds the distance of conditions to the cost, base draw i carrying the condition of example i::

    C_ij = |x_0i - x_1j|^2 + w |c_i - c_j|^2

For w to infinity pairs are exchanged only between equal conditions, and p(x_0 | c) is exact. Where
no two conditions of a batch are equal, as for continuous ones, that limit is the independent
coupling, and a finite w trades shorter ways for a base that is skewed on scales of
|x_0 - x_1| / w^(1/2) in c.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated

import jax.numpy as jnp

from galgen.checked import ABOVE_ZERO, INFINITE, checked
from galgen.errors import InputError
from galgen.generative.coupling.assignment import assign
from galgen.generative.coupling.base import Coupling


@dataclasses.dataclass(frozen=True)
@checked
class MinibatchTransport(Coupling):
    """Exact optimal transport between the base draws and the examples of a batch, on the host.

    Off where there is a condition, unless ``condition_weight`` is given: plain transport skews the
    base of each condition; see the module's docstring.

    Attributes:
        condition_weight: w, the weight of squared distances between conditions beside those between
            base and data. ``math.inf`` exchanges between equal conditions only, and is right for
            classes; a finite weight leaves some skew.
    """

    condition_weight: Annotated[float, ABOVE_ZERO, INFINITE] | None = None

    def __call__(self, key, path, base, data, mask, condition=None):
        if mask is not None:
            raise InputError(
                "expected whole examples without a mask, got padded clouds; "
                "use OptimalAssignment() within each cloud"
            )
        if (condition is None) != (self.condition_weight is None):
            given = "none" if condition is None else f"one of shape {condition.shape}"
            raise InputError(
                f"expected a condition if, and only if, there is a condition_weight, got "
                f"condition_weight={self.condition_weight} and for the condition {given}: optimal "
                "transport that ignores it skews the base of every condition; use "
                "MinibatchTransport(condition_weight=math.inf) for classes, or Independent()"
            )
        precise = jnp.promote_types(data.dtype, jnp.float32)
        rows, targets = (x.reshape(len(x), -1).astype(precise) for x in (base, data))
        cost = path.squared_distance(rows, targets)
        if condition is not None and self.condition_weight is not None:
            apart = jnp.sum((condition[:, None] - condition[None]) ** 2, axis=-1)
            # Not a plain sum: an infinite weight times no distance is not a number.
            cost = jnp.where(apart > 0, cost + self.condition_weight * apart, cost)
        order = assign(cost[None], jnp.ones((1, len(data)), bool), threads=1)[0]
        return jnp.take(base, order, axis=0)
