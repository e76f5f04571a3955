r"""Masked autoregressive bijections: each column is steered by the columns before it.

Column i is carried by a monotone map T (:mod:`~galgen.generative.normalizing_flow.transforms`) that
the columns before it and the condition set (Papamakarios et al. 2017, arXiv:1705.07057, eqs. 2 to
5, where T is affine and each p(x_i | x_1:i-1) Gaussian)::

    x_i = T(z_i; network_i(x_1:i-1, condition)),   log |det dx/dz| = sum_i log dT/dz_i

Inverse takes one pass, for all of x is known; forward takes one pass per column. One network gives
the parameters of all columns, with weights masked (MADE, Germain et al. 2015, arXiv:1502.03509,
eqs. 12 and 13). Each unit has a degree, the columns it may have seen: column i counts i and the
condition 0. A hidden unit reads units of degrees up to its own; an output for column i reads
degrees below i. Where there is a condition hidden degrees start from 0, or else the first column,
which sees nothing of x, would not see the condition either.

The last weights start from zero, and a new layer is the identity.
"""

from __future__ import annotations

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from galgen.checked import Layers, Size, checked
from galgen.generative.normalizing_flow.bijection import Bijection, Carried, Condition, Rows
from galgen.generative.normalizing_flow.transforms import RationalQuadraticSpline, ScalarTransform


class MaskedDense(nn.Module):
    """A dense layer that keeps only the weights between units that ``degrees`` allow.

    Attributes:
        degrees: of the output units.
        strict: an output sees lower degrees only, not its own.
        kernel_init: of the weights.
    """

    degrees: tuple[int, ...]
    strict: bool = False
    kernel_init: nn.initializers.Initializer = nn.initializers.lecun_normal()

    @nn.compact
    def __call__(
        self, x: Float[Array, "*lead inputs"], degrees: Int[np.ndarray, " inputs"]
    ) -> Float[Array, "*lead outputs"]:
        own = np.asarray(self.degrees)
        mask = own > degrees[:, None] if self.strict else own >= degrees[:, None]
        kernel = self.param("kernel", self.kernel_init, mask.shape)
        bias = self.param("bias", nn.initializers.zeros_init(), own.shape)
        return x @ (kernel * mask) + bias


class MaskedNetwork(nn.Module):
    """MADE: parameters of each column from the columns before it and the condition.

    Attributes:
        parameters: per column.
        width: of the hidden layers.
        depth: hidden layers.
    """

    parameters: int
    width: int
    depth: int

    @nn.compact
    def __call__(self, x: Rows, condition: Condition) -> Float[Array, "*lead features parameters"]:
        features = x.shape[-1]
        columns = np.arange(1, features + 1)
        degrees, hidden = columns, x
        if condition is not None:
            degrees = np.concatenate([columns, np.zeros(condition.shape[-1], int)])
            hidden = jnp.concatenate([x, condition], axis=-1)
        lowest = 0 if condition is not None or features == 1 else 1
        units = lowest + np.arange(self.width) * (features - lowest) // self.width
        for _ in range(self.depth):
            hidden = nn.silu(MaskedDense(tuple(units.tolist()))(hidden, degrees))
            degrees = units
        outputs = tuple(np.repeat(columns, self.parameters).tolist())
        raw = MaskedDense(outputs, strict=True, kernel_init=nn.initializers.zeros_init())(
            hidden, degrees
        )
        return raw.reshape(*x.shape, self.parameters)


@checked
class MaskedAutoregressive(Bijection):
    """Each column is carried by a map that the columns before it and the condition set.

    Attributes:
        transform: the monotone map.
        width: of the network's hidden layers.
        depth: hidden layers.
    """

    transform: ScalarTransform = RationalQuadraticSpline()
    width: Size = 64
    depth: Layers = 2

    def setup(self) -> None:
        self.network = MaskedNetwork(self.transform.parameters, self.width, self.depth)

    def forward(self, z: Rows, condition: Condition = None) -> Carried:
        columns = jnp.arange(z.shape[-1])

        def fill(network, carry, column):
            new = self.transform.forward(z, network(carry[0], condition))
            return jax.tree.map(functools.partial(jnp.where, columns == column), new, carry), None

        scan = nn.scan(fill, variable_broadcast="params", split_rngs={"params": False})
        (x, log_slope), _ = scan(self.network, (jnp.zeros_like(z), jnp.zeros_like(z)), columns)
        return x, jnp.sum(log_slope, axis=-1)

    def inverse(self, x: Rows, condition: Condition = None) -> Carried:
        z, log_slope = self.transform.inverse(x, self.network(x, condition))
        return z, jnp.sum(log_slope, axis=-1)
