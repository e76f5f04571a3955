r"""Coupling layers: half of the columns steer the other half, both ways in one pass.

The first d = D // 2 columns pass unchanged and set, with the condition, the monotone maps T
(:mod:`~galgen.generative.normalizing_flow.transforms`) that carry the others (Dinh et al. 2016,
arXiv:1605.08803, eqs. 4 and 5, where T is affine; Durkan et al. 2019, arXiv:1906.04032, section 2,
where it is a spline)::

    x_1:d = z_1:d,   x_d+1:D = T(z_d+1:D; network(z_1:d, condition))

The Jacobian is triangular, so log |det dx/dz| is the sum of log dT/dz (eq. 6). The last weights of
the network start from zero, and a new layer is the identity.
"""

from __future__ import annotations

from collections.abc import Callable

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from galgen.checked import Layers, Size, checked
from galgen.errors import InputError
from galgen.generative.normalizing_flow.bijection import Bijection, Carried, Condition, Rows
from galgen.generative.normalizing_flow.transforms import RationalQuadraticSpline, ScalarTransform


class CouplingNetwork(nn.Module):
    """Parameters of the steered columns from the others and the condition.

    Attributes:
        parameters: per steered column.
        width: of the hidden layers.
        depth: hidden layers.
    """

    parameters: int
    width: int
    depth: int

    @nn.compact
    def __call__(
        self, x: Rows, condition: Condition, columns: int
    ) -> Float[Array, "*lead columns parameters"]:
        hidden = x if condition is None else jnp.concatenate([x, condition], axis=-1)
        for _ in range(self.depth):
            hidden = nn.silu(nn.Dense(self.width)(hidden))
        raw = nn.Dense(columns * self.parameters, kernel_init=nn.initializers.zeros_init())(hidden)
        return raw.reshape(*raw.shape[:-1], columns, self.parameters)


@checked
class CouplingLayer(Bijection):
    """The first half of the columns and the condition set the maps that carry the second half.

    Attributes:
        transform: the monotone map.
        width: of the network's hidden layers.
        depth: hidden layers.
    """

    transform: ScalarTransform = RationalQuadraticSpline()
    width: Size = 64
    depth: Layers = 2

    def setup(self) -> None:
        self.network = CouplingNetwork(self.transform.parameters, self.width, self.depth)

    def forward(self, z: Rows, condition: Condition = None) -> Carried:
        return self._carry(self.transform.forward, z, condition)

    def inverse(self, x: Rows, condition: Condition = None) -> Carried:
        return self._carry(self.transform.inverse, x, condition)

    def _carry(self, carry: Callable, rows: Rows, condition: Condition) -> Carried:
        if rows.shape[-1] < 2:
            raise InputError(
                f"expected at least two columns to couple, got {rows.shape[-1]}; "
                "use MaskedAutoregressive for one"
            )
        first, second = jnp.split(rows, [rows.shape[-1] // 2], axis=-1)
        raw = self.network(first, condition, second.shape[-1])
        second, log_slope = carry(second, raw)
        return jnp.concatenate([first, second], axis=-1), jnp.sum(log_slope, axis=-1)
