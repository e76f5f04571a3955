"""The linear density field of any seed and cosmology, on the mesh that a model reads."""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np

from galgen.checked import NotNegative, Positive, Seed, Size, Whole, checked
from galgen.data.field import Field, check_field_mesh
from galgen.errors import InputError
from galgen.randomness import Role, random_generator
from galgen.simulation.cosmology import Cosmology
from galgen.simulation.initial_field import field_of_noise
from galgen.simulation.linear_power import LinearPower


def linear_field(
    cosmology: Cosmology,
    phases: int | np.ndarray,
    box: float,
    mesh: int,
    points: int | None = None,
    redshift: float = 0.0,
) -> Field:
    """The linear density contrast of given phases, low-passed in Fourier space to a mesh.

    It has the modes below the Nyquist frequency of ``mesh``, and no others. Those of a seed depend
    on ``points``: with that of a simulator (``field_points``) they are the phases of its catalogue.

    Args:
        cosmology: of the power spectrum.
        phases: a seed of galgen simulate, or white noise of unit variance ``(points, points,
            points)``, as another code drew it.
        box: side in Mpc/h.
        mesh: points per side of the field.
        points: per side, of the mesh that the noise of a seed is drawn on; None for ``mesh``.
        redshift: that the amplitude is extrapolated to.

    Raises:
        InputError: a seed below zero, noise that is no cube, or a mesh that is odd, too coarse or
            finer than the noise.
    """
    if isinstance(phases, np.ndarray):
        if phases.ndim != 3 or len(set(phases.shape)) > 1:
            raise InputError(
                f"expected white noise of shape (points, points, points), got {phases.shape}; give "
                "one number for each point of a cubic mesh"
            )
        check_field_mesh(mesh, len(phases))
        noise = phases.astype(np.float32)
    else:
        points = mesh if points is None else points
        check_field_mesh(mesh, points)
        generator = random_generator(Role.PHASES, phases)
        noise = generator.standard_normal((points,) * 3, dtype=np.float32)
    field = field_of_noise(LinearPower(cosmology, redshift), box, noise).resampled(mesh)
    return Field(field.filtered(np.ones_like), box, redshift=redshift)


@dataclasses.dataclass(frozen=True)
@checked
class SeededField:
    """A linear field that is made when it is needed; its phases depend on seed, number and points.

    Attributes:
        cosmology: of the power spectrum.
        seed: of the phases.
        number: which of the fields of the seed.
        box: side [Mpc/h].
        points: mesh points per side.
        redshift: that the amplitude is extrapolated to.
    """

    cosmology: Cosmology
    seed: Seed
    number: Whole
    box: Positive
    points: Size
    redshift: NotNegative = 0.0

    def made(self) -> Field:
        """The field."""
        generator = random_generator(Role.DRAWN_PHASES, self.seed, self.number)
        noise = generator.standard_normal((self.points,) * 3, dtype=np.float32)
        return linear_field(self.cosmology, noise, self.box, self.points, redshift=self.redshift)

    @property
    def digest(self) -> bytes:
        """Of what it is made from."""
        return hashlib.sha256(repr(self).encode()).digest()
