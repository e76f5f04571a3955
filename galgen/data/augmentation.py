"""The symmetries of a periodic box, drawn anew for every catalogue at every step.

A statistically homogeneous and isotropic catalogue in a periodic cube stays as probable when it is
moved by any translation s of the torus and by any of the 48 rotations and reflections R of the
cube, so each example becomes, about the centre c = (1/2, 1/2, 1/2)::

    x -> R (x - c) + c + s   (mod 1),        v -> R v

with R uniform over the 48, s uniform over the box, and both independent for each example. Positions
are features 0 to 2 in unit-box coordinates; velocities rotate and do not translate. The box must be
a cube. An open box (``periodic=False``) has the rotations only: ``translate=False``.
"""

from __future__ import annotations

import abc
import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from galgen.checked import Positive, Whole, checked
from galgen.geometry import cube_symmetries
from galgen.masking import zero_padding
from galgen.periodic import into_unit_box

_MATRICES = cube_symmetries()
_AXES = np.argmax(np.abs(_MATRICES), axis=-1)
_SIGNS = np.sum(_MATRICES, axis=-1)


class Augmentation(abc.ABC):
    """A random change of every example, drawn anew at every step."""

    @abc.abstractmethod
    def __call__(
        self,
        key: jax.Array,
        x: Float[Array, "batch *event"],
        mask: Bool[Array, "batch points"] | None = None,
    ) -> Float[Array, "batch *event"]:
        """The changed batch; padded rows stay zero."""


@dataclasses.dataclass(frozen=True)
@checked
class Dequantization(Augmentation):
    """Values that come in steps, spread evenly over each step: [value, value + step).

    A density of whole numbers has no bound; that of the spread values is at most the probability of
    the number, on average over the spread (Theis et al. 2016, arXiv:1511.01844, section 3.1).

    Attributes:
        step: between neighbouring values.
    """

    step: Positive

    def __call__(
        self,
        key: jax.Array,
        x: Float[Array, "batch *event"],
        mask: Bool[Array, "batch points"] | None = None,
    ) -> Float[Array, "batch *event"]:
        return zero_padding(x + self.step * jax.random.uniform(key, x.shape, x.dtype), mask)


@dataclasses.dataclass(frozen=True)
@checked
class BoxAugmentation(Augmentation):
    """A random symmetry of the cube and a random translation of the torus, for each example.

    Attributes:
        velocity_columns: feature indices of vx, vy, vz, or None if there are no velocities.
        rotate: draw one of the 48 rotations and reflections.
        translate: draw a translation; False for an open box.
    """

    velocity_columns: tuple[Whole, Whole, Whole] | None = None
    rotate: bool = True
    translate: bool = True

    def __call__(
        self,
        key: jax.Array,
        x: Float[Array, "batch points features"],
        mask: Bool[Array, "batch points"] | None = None,
    ) -> Float[Array, "batch points features"]:
        """The transformed batch; padded rows stay zero."""
        symmetry_key, translation_key = jax.random.split(key)
        batch = x.shape[0]
        positions = x[..., :3]
        if self.rotate:
            symmetry = jax.random.randint(symmetry_key, (batch,), 0, len(_MATRICES))
            positions = apply_symmetry(symmetry, positions - 0.5) + 0.5
            if self.velocity_columns is not None:
                velocities = np.asarray(self.velocity_columns)
                x = x.at[..., velocities].set(apply_symmetry(symmetry, x[..., velocities]))
        if self.translate:
            shift = jax.random.uniform(translation_key, (batch, 1, 3), x.dtype)
            positions = positions + shift
        positions = into_unit_box(positions, self.translate)
        return zero_padding(x.at[..., :3].set(positions), mask)


def apply_symmetry(
    symmetry: Array, vectors: Float[Array, "batch points 3"]
) -> Float[Array, "batch points 3"]:
    """Symmetry number ``symmetry`` (batch,) of :func:`galgen.geometry.cube_symmetries`, exactly.

    A signed permutation of the components rather than a matrix product, which an accelerator
    would round.
    """
    axes = jnp.broadcast_to(jnp.asarray(_AXES)[symmetry][:, None, :], vectors.shape)
    signs = jnp.asarray(_SIGNS)[symmetry][:, None, :]
    return signs * jnp.take_along_axis(vectors, axes, axis=-1)
