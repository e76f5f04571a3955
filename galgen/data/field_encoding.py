"""Between the field of a catalogue and what a model sees of it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float32

from galgen.checked import NotNegative, Positive, Size, checked
from galgen.data.field import Field
from galgen.errors import InputError

Encoded = Float32[np.ndarray, "mesh mesh mesh 1"]
"""A field in units of its scale, at the centres of cells."""


@dataclasses.dataclass(frozen=True)
@checked
class FieldEncoding:
    """What the fields of training have in common.

    Models count points in cells, so they see a field at the centres of its cells: it is moved by
    half a cell, which is exact for waves longer than two cells.

    Attributes:
        mesh: points per side.
        scale: one standard deviation of all of them, which they are divided by.
        box: side [Mpc/h].
        kind: as of :class:`~galgen.data.field.Field`.
        redshift: as there.
        smoothing: as there [Mpc/h].
    """

    mesh: Size
    scale: Positive
    box: Positive
    kind: str = "linear"
    redshift: NotNegative = 0.0
    smoothing: NotNegative = 0.0

    @classmethod
    def fit(cls, fields: Iterable[Field]) -> FieldEncoding:
        """Of the fields of training, which are alike but for their values.

        Raises:
            InputError: if all are zero.
        """
        squares = []
        for field in fields:
            squares.append(float(np.mean(np.square(field.values, dtype=np.float64))))
        scale = math.sqrt(math.fsum(squares) / len(squares))
        if not scale > 0:
            raise InputError(
                "expected fields that vary, got zero everywhere; write the suite with the fields "
                "that its catalogues come from"
            )
        return cls(field.mesh, scale, field.box, field.kind, field.redshift, field.smoothing)

    def encode(self, field: Field | np.ndarray) -> Encoded:
        """A field as a model sees it; arguments and errors are those of :meth:`whole`."""
        return (at_centres(self.whole(field).values) / np.float32(self.scale))[..., None]

    def whole(self, field: Field | np.ndarray) -> Field:
        """A field like those of training; values alone are taken for such a field.

        Raises:
            InputError: for values that are no such field, or a field of another mesh, box, kind,
                redshift or smoothing.
        """
        common = {"kind": self.kind, "redshift": self.redshift, "smoothing": self.smoothing}
        if not isinstance(field, Field):
            field = Field(field, self.box, **common)  # type: ignore[arg-type]
        wanted = {"mesh": self.mesh, "box": self.box, **common}
        found = {"mesh": field.mesh, "box": field.box, **field.attributes}
        for name, value in wanted.items():
            if found[name] != value:
                raise InputError(
                    f"expected a field with the {name} of training, {value}, got {found[name]}; "
                    "make it anew, as galgen.simulation.linear_field does"
                )
        return field

    def blank(self, number: int) -> Float32[np.ndarray, "batch mesh mesh mesh 1"]:
        """Zeros in the place of as many fields."""
        return np.zeros((number, *(self.mesh,) * 3, 1), np.float32)

    def __str__(self) -> str:
        return f"{self.mesh}^3 points of {self.box:g} Mpc/h"


def encoded_fields(
    encoding: FieldEncoding | None, fields: Sequence[Field | np.ndarray] | None, number: int
) -> Sequence[Encoded] | None:
    """The fields of as many draws as a model sees them; None where it sees none.

    Raises:
        InputError: if they are missing, too many or too few, not wanted, or no such fields.
    """
    if encoding is None:
        if fields is not None:
            raise InputError(
                f"expected no fields for a model that was trained without, got {len(fields)}; "
                "leave them out, or train with --data.field"
            )
        return None
    if fields is None:
        raise InputError(
            f"expected a field of {encoding} for each of {number} draws of a model that reads one, "
            "got none; pass fields= as galgen.simulation.linear_field makes them, or --like a "
            "suite that has them"
        )
    if len(fields) != number:
        raise InputError(
            f"expected a field for each of {number} draws, got {len(fields)}; pass as many"
        )
    return [encoding.encode(field) for field in fields]


def at_centres(values: Float32[np.ndarray, "mesh mesh mesh"]) -> Float32[np.ndarray, "..."]:
    """The field half a cell further along each axis, by its modes below the Nyquist frequency."""
    mesh = len(values)
    full = np.fft.fftfreq(mesh).astype(np.float32)
    half = np.fft.rfftfreq(mesh).astype(np.float32)
    modes = np.fft.rfftn(values)
    for axis, wave in enumerate((full, full, half)):
        turn = np.where(np.abs(wave) == 0.5, 0, np.exp(1j * np.pi * wave)).astype(np.complex64)
        modes *= turn.reshape([-1 if axis == other else 1 for other in range(3)])
    return np.fft.irfftn(modes, values.shape, (0, 1, 2)).astype(np.float32)
