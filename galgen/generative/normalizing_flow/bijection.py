r"""Bijections: invertible maps whose volume change is known.

A normalizing flow pushes a base density p_z through an invertible map f (Tabak and Turner 2013;
Rezende and Mohamed 2015, arXiv:1505.05770, eq. 5). Forward goes from base to data, inverse from
data to base; both give log |det J| of the direction they went::

    x = f(z),  log p_x(x) = log p_z(f^-1(x)) + log |det df^-1/dx|
    f = f_n o ... o f_1,  log |det df/dz| = sum_i log |det df_i/dz_i|

Every bijection acts on the last axis and may depend on a condition. What is fixed here holds for
any number of columns, read from the data as networks read theirs.

The opening lesson is the transform of Box and Muller (1958; already in Paley and Wiener 1934): a
whole flow in closed form, from the unit square to two independent normals::

    r = sqrt(-2 log z_1),  theta = 2 pi z_2,  x = (r cos theta, r sin theta)
    |det dx/dz| = 2 pi / z_1,   so that   log p_x(x) = -log(2 pi) - r^2 / 2

which is the standard normal density: no more than the change of variables was used.
"""

from __future__ import annotations

import abc

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from galgen.checked import Seed, checked
from galgen.errors import InputError

Rows = Float[Array, "*lead features"]
"""What bijections carry: rows of numbers, whatever the leading axes."""
Condition = Float[Array, "*lead condition"] | None
"""One condition per row, or None."""
Carried = tuple[Float[Array, "*lead features"], Float[Array, "*lead"]]
"""Where the rows went, and log |det J| of the way."""


class Bijection(nn.Module, abc.ABC):
    """An invertible map of the last axis; see the module's docstring."""

    @abc.abstractmethod
    def forward(self, z: Rows, condition: Condition = None) -> Carried:
        """From base to data: x and log |det dx/dz|."""

    @abc.abstractmethod
    def inverse(self, x: Rows, condition: Condition = None) -> Carried:
        """From data to base: z and log |det dz/dx|."""


@checked
class Chain(Bijection):
    """Bijections one after the other.

    Attributes:
        bijections: the first acts on the base, the last gives the data.
    """

    bijections: tuple[Bijection, ...]

    def forward(self, z: Rows, condition: Condition = None) -> Carried:
        total = jnp.zeros(z.shape[:-1], z.dtype)
        for bijection in self.bijections:
            z, log_det = bijection.forward(z, condition)
            total += log_det
        return z, total

    def inverse(self, x: Rows, condition: Condition = None) -> Carried:
        total = jnp.zeros(x.shape[:-1], x.dtype)
        for bijection in reversed(self.bijections):
            x, log_det = bijection.inverse(x, condition)
            total += log_det
        return x, total


@checked
class Inverse(Bijection):
    """A bijection run backwards.

    Of a masked autoregressive bijection it makes the inverse autoregressive one (Kingma et al.
    2016, arXiv:1606.04934), which samples in one pass and gives densities in as many as columns.

    Attributes:
        bijection: whose directions are exchanged.
    """

    bijection: Bijection

    def forward(self, z: Rows, condition: Condition = None) -> Carried:
        return self.bijection.inverse(z, condition)

    def inverse(self, x: Rows, condition: Condition = None) -> Carried:
        return self.bijection.forward(x, condition)


class Orthogonal(Bijection):
    """A fixed orthogonal matrix, which mixes columns and keeps volumes."""

    @abc.abstractmethod
    def matrix(self, features: int) -> Float[np.ndarray, "features features"]:
        """What a row of the base is multiplied by, from the right."""

    def forward(self, z: Rows, condition: Condition = None) -> Carried:
        return self._multiply(z, self.matrix(z.shape[-1]))

    def inverse(self, x: Rows, condition: Condition = None) -> Carried:
        return self._multiply(x, self.matrix(x.shape[-1]).T)

    def _multiply(self, rows: Rows, matrix: np.ndarray) -> Carried:
        # Accelerators multiply matrices in fewer digits unless told: not invertible enough.
        carried = jnp.matmul(rows, matrix.astype(rows.dtype), precision="highest")
        return carried, jnp.zeros(rows.shape[:-1], rows.dtype)


@checked
class Reversal(Orthogonal):
    """The last column first: between layers that treat columns in order."""

    def matrix(self, features: int) -> Float[np.ndarray, "features features"]:
        return np.eye(features)[::-1]


@checked
class Rotation(Orthogonal):
    """A random orthogonal matrix, uniform over all of them, reflections included.

    Attributes:
        seed: of the draw.
    """

    seed: Seed = 0

    def matrix(self, features: int) -> Float[np.ndarray, "features features"]:
        normal = np.random.default_rng(self.seed).standard_normal((features, features))
        orthogonal, triangle = np.linalg.qr(normal)
        return orthogonal * np.sign(np.diag(triangle))


@checked
class BoxMuller(Bijection):
    """The unit square to two standard normals, pair by pair of an even number of columns.

    Column i and column i + features / 2 make a pair. A zero, which generators of uniform numbers
    do draw, is taken for the smallest positive number.
    """

    def forward(self, z: Rows, condition: Condition = None) -> Carried:
        first, second = _halves(z)
        first = jnp.maximum(first, jnp.finfo(z.dtype).tiny)
        radius, angle = jnp.sqrt(-2.0 * jnp.log(first)), 2.0 * jnp.pi * second
        x = jnp.concatenate([radius * jnp.cos(angle), radius * jnp.sin(angle)], axis=-1)
        return x, jnp.sum(jnp.log(2.0 * jnp.pi) - jnp.log(first), axis=-1)

    def inverse(self, x: Rows, condition: Condition = None) -> Carried:
        first, second = _halves(x)
        half_square = 0.5 * (first**2 + second**2)
        turn = jnp.mod(jnp.arctan2(second, first) / (2.0 * jnp.pi), 1.0)
        z = jnp.concatenate([jnp.exp(-half_square), turn], axis=-1)
        return z, -jnp.sum(jnp.log(2.0 * jnp.pi) + half_square, axis=-1)


def _halves(x: Rows) -> tuple[Float[Array, "*lead half"], Float[Array, "*lead half"]]:
    if x.shape[-1] % 2:
        raise InputError(
            f"expected an even number of columns, got {x.shape[-1]}; Box-Muller works on pairs"
        )
    first, second = jnp.split(x, 2, axis=-1)
    return first, second
