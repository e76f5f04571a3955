r"""Long range: the Fourier modes of learned densities on the box, and what points read of them.

A density of feature c over the points j of a cloud has, in the mode n of the unit box, ::

    S_c(n) = N^(-1/2) sum_j a_jc exp(-2 pi i n . x_j)

With the square root, a mode of an unclustered cloud has the same variance whatever N. A learned
response multiplies every mode and the product is read back at the points, as a scalar and as its
gradient, a vector along n / |n| (the potential and the force of a gravity code)::

    phi_c(x) = M^(-1/2) Re sum_n R_c(|n|, t, condition) S_c(n) exp(2 pi i n . x),   M modes

Two ways, for two ranges of |n|:

``DirectModes``
    sums over points, exact, for the lowest few modes: cost N times modes.
``PaintedMesh``
    points are painted on a mesh as triangular-shaped clouds, transformed, and read back with the
    same clouds; both windows W(n) = prod sinc^3(n_a / mesh) are divided out (Hockney and Eastwood
    1988, section 5-3). Modes up to a quarter of the mesh, where images are 4% or less: cost N +
    mesh^3 log mesh. Translation-equivariant to mesh resolution.

Both depend on differences of positions alone.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from galgen.masking import number_of_points, zero_padding
from galgen.networks.painted_mesh import PaintedMesh


def half_modes(largest: int) -> Float[np.ndarray, "modes 3"]:
    """Integer wave vectors with 0 < |n| <= ``largest``, one of each pair (n, -n)."""
    axis = range(-largest, largest + 1)
    vectors = [n for n in itertools.product(axis, repeat=3) if n > (0, 0, 0)]
    inside = [n for n in vectors if sum(c * c for c in n) <= largest**2]
    return np.array(sorted(inside, key=lambda n: (sum(c * c for c in n), n)), np.float32)


class DirectModes(NamedTuple):
    """The lowest Fourier modes of the box, at the points of a batch.

    ======== ========================= ================================================
    field    shape                     meaning
    ======== ========================= ================================================
    waves    ``(batch, points, 2 m)``  cos(2 pi n.x) of every mode, then sin; 0 on padding
    unit     ``(m, 3)``                direction of each n
    shell    ``(m,)``                  index of |n| among the distinct ones
    shells   ``(s,)``                  the distinct |n|, rising
    points   ``(batch,)``              real points
    ======== ========================= ================================================
    """

    waves: Float[Array, "batch points waves"]
    unit: Float[np.ndarray, "modes 3"]
    shell: Int[np.ndarray, " modes"]
    shells: Float[np.ndarray, " shells"]
    points: Float[Array, " batch"]

    @classmethod
    def of(
        cls,
        positions: Float[Array, "batch points 3"],
        mask: Bool[Array, "batch points"] | None,
        largest: int,
    ) -> DirectModes:
        """The modes 0 < |n| <= ``largest`` of the unit box at the points."""
        vectors = half_modes(largest)
        length = np.linalg.norm(vectors, axis=-1)
        shells, shell = np.unique(length, return_inverse=True)
        # Full precision: a GPU's default would round the phase.
        angle = 2.0 * jnp.pi * jnp.matmul(positions, vectors.T, precision="highest")
        waves = zero_padding(jnp.concatenate([jnp.cos(angle), jnp.sin(angle)], axis=-1), mask)
        unit = vectors / length[:, None]
        return cls(waves, unit, shell, shells, number_of_points(positions, mask))

    def density(
        self, sources: Float[Array, "batch points channels"]
    ) -> Float[Array, "batch 2 modes channels"]:
        """Real and imaginary parts of S."""
        total = jnp.einsum("bnw,bnc->bwc", self.waves, sources)
        total = total.reshape(len(total), 2, len(self.unit), -1)
        signs = jnp.array([1.0, -1.0], total.dtype)[:, None, None]
        return total * signs / jnp.sqrt(self.points)[:, None, None, None]

    def respond(
        self,
        density: Float[Array, "batch 2 modes channels"],
        response: Float[Array, "batch shells channels"],
    ) -> Float[Array, "batch 2 modes channels"]:
        """R S."""
        return density * response[:, None, self.shell]

    def read(
        self, amplitude: Float[Array, "batch 2 modes channels"]
    ) -> Float[Array, "batch points channels"]:
        """Re[sum_n amplitude_n exp(2 pi i n.x)] / sqrt(m), at the points."""
        parts = jnp.concatenate([amplitude[:, 0], -amplitude[:, 1]], axis=1)
        return jnp.einsum("bnw,bwc->bnc", self.waves, parts) / np.sqrt(len(self.unit))

    def gradient(
        self, amplitude: Float[Array, "batch 2 modes channels"]
    ) -> Float[Array, "batch points channels 3"]:
        """The same sum with i n / |n| times each mode: a vector along each wave."""
        turned = jnp.stack([-amplitude[:, 1], amplitude[:, 0]], axis=1)
        vectors = turned[..., None] * self.unit[:, None]
        read = self.read(vectors.reshape(*turned.shape[:3], -1))
        return read.reshape(*read.shape[:2], -1, 3)


Modes = DirectModes | PaintedMesh


class Response(nn.Module):
    """R_c(|n|, t, condition): a free value per shell of few, Gaussians in log |n| of many.

    Attributes:
        channels: responses c.
        initializer: of the values of the shells.
        most: the most functions of the length of n.
    """

    channels: int
    initializer: nn.initializers.Initializer = nn.initializers.lecun_normal()
    most: int = 24

    @nn.compact
    def __call__(
        self, shells: Float[np.ndarray, " shells"], embedding: Float[Array, "batch embedding"]
    ) -> Float[Array, "batch shells channels"]:
        number = min(len(shells), self.most)
        values = nn.Dense(number * self.channels, kernel_init=self.initializer)(embedding)
        values = values.reshape(-1, number, self.channels)
        if len(shells) <= self.most:
            return values
        place = np.log(shells / shells[0]) / np.log(shells[-1] / shells[0]) * (number - 1)
        basis = np.exp(-0.5 * (place[:, None] - np.arange(number)) ** 2)
        basis = (basis / basis.sum(axis=-1, keepdims=True)).astype(np.float32)
        return jnp.einsum("sk,bkc->bsc", basis, values)
