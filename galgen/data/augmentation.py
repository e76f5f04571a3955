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
from jaxtyping import Array, Bool, Float, Int

from galgen.checked import Positive, Whole, checked
from galgen.geometry import cube_symmetries
from galgen.masking import zero_padding
from galgen.periodic import into_unit_box
from galgen.types import Batch

_MATRICES = cube_symmetries()
_AXES = np.argmax(np.abs(_MATRICES), axis=-1)
_SIGNS = np.sum(_MATRICES, axis=-1)
_IDENTITY = int(np.argmax(np.trace(_MATRICES, axis1=1, axis2=2)))


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

    def with_field(
        self,
        key: jax.Array,
        x: Float[Array, "batch *event"],
        mask: Bool[Array, "batch points"] | None,
        field: Float[Array, "batch *cells channels"],
    ) -> tuple[Float[Array, "batch *event"], Float[Array, "batch *cells channels"]]:
        """The changed batch, and the field that it comes from, moved with it."""
        return self(key, x, mask), field


def augmented(augment: Augmentation, key: jax.Array, batch: Batch) -> Batch:
    """A batch changed at random, and its field with it."""
    if batch.field is None:
        return dataclasses.replace(batch, x=augment(key, batch.x, batch.mask))
    x, field = augment.with_field(key, batch.x, batch.mask, batch.field)
    return dataclasses.replace(batch, x=x, field=field)


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
        return self._moved(*self._drawn(key, x), x, mask)

    def with_field(
        self,
        key: jax.Array,
        x: Float[Array, "batch points features"],
        mask: Bool[Array, "batch points"] | None,
        field: Float[Array, "batch cells cells cells channels"],
    ) -> tuple[Float[Array, "batch points features"], Float[Array, "batch cells cells cells _"]]:
        """The transformed batch and its field; translations are by whole cells."""
        symmetry, shift = self._drawn(key, x)
        cells = jnp.floor(shift[:, 0] * field.shape[1]).astype(jnp.int32)
        moved = self._moved(symmetry, cells[:, None] / field.shape[1], x, mask)
        if not self.rotate:
            symmetry = jnp.full(len(x), _IDENTITY)
        return moved, jax.vmap(_moved_field)(symmetry, cells * self.translate, field)

    def _drawn(
        self, key: jax.Array, x: Float[Array, "batch points features"]
    ) -> tuple[Int[Array, " batch"], Float[Array, "batch 1 3"]]:
        """A symmetry and a translation for each example."""
        symmetry_key, translation_key = jax.random.split(key)
        symmetry = jax.random.randint(symmetry_key, (len(x),), 0, len(_MATRICES))
        return symmetry, jax.random.uniform(translation_key, (len(x), 1, 3), x.dtype)

    def _moved(
        self,
        symmetry: Int[Array, " batch"],
        shift: Float[Array, "batch 1 3"],
        x: Float[Array, "batch points features"],
        mask: Bool[Array, "batch points"] | None,
    ) -> Float[Array, "batch points features"]:
        positions = x[..., :3]
        if self.rotate:
            positions = apply_symmetry(symmetry, positions - 0.5) + 0.5
            if self.velocity_columns is not None:
                velocities = np.asarray(self.velocity_columns)
                x = x.at[..., velocities].set(apply_symmetry(symmetry, x[..., velocities]))
        if self.translate:
            positions = positions + shift
        positions = into_unit_box(positions, self.translate)
        return zero_padding(x.at[..., :3].set(positions), mask)


def _moved_field(
    symmetry: Int[Array, ""], shift: Int[Array, "3"], field: Float[Array, "cells cells cells _"]
) -> Float[Array, "cells cells cells _"]:
    """A field at the centres of cells after a symmetry and a translation by whole cells."""
    last = field.shape[0] - 1
    place = jnp.stack(jnp.indices(field.shape[:3]), axis=-1) - shift
    place = jnp.mod(place, field.shape[0])
    flipped = jnp.where(jnp.asarray(_SIGNS)[symmetry] > 0, place, last - place)
    # Component ``axes[a]`` of where it came from is component a of where it is.
    source = jnp.take(flipped, jnp.argsort(jnp.asarray(_AXES)[symmetry]), axis=-1)
    return field[tuple(jnp.moveaxis(source, -1, 0))]


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
