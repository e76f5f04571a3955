"""The field that a catalogue comes from: the linear density contrast of its initial conditions."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping

import numpy as np
from jaxtyping import Complex, Float32

from galgen.arrays import as_array
from galgen.errors import InputError

KINDS = ("linear",)
"""What a field may be: the linear density contrast."""
COARSEST = 4
"""Points per side of a mesh, at least: fewer hold no wave."""
MEAN = 1e-3
"""Of a contrast, at most, in units of its standard deviation: float32 leaves a millionth."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Field:
    """A density contrast on a periodic mesh; point (i, j, l) lies at (i, j, l) ``cell``.

    ========= ======================== =======================================================
    field     type                     meaning
    ========= ======================== =======================================================
    values    ``(mesh, mesh, mesh)``   float32, dimensionless, of mean zero; axes x, y, z
    box       float                    side [Mpc/h]
    kind      str                      ``linear``
    redshift  float                    that its amplitude is extrapolated to
    smoothing float                    standard deviation of a Gaussian [Mpc/h]; 0 for none but
                                       that of the mesh
    ========= ======================== =======================================================

    Raises:
        InputError: if the values are no cube of finite numbers of mean zero, or what is said of
            them makes no sense.
    """

    values: np.ndarray
    box: float
    kind: str = "linear"
    redshift: float = 0.0
    smoothing: float = 0.0

    def __post_init__(self) -> None:
        values = as_array_of_field(self.values)
        object.__setattr__(self, "values", values)
        check_field_of(self.attributes)
        if not 0.0 < self.box < np.inf:
            raise InputError(
                f"expected the side of a box in Mpc/h, got {self.box}; give that of the catalogue"
            )
        mean, spread = float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64))
        if abs(mean) > MEAN * spread:
            raise InputError(
                f"expected a density contrast of mean 0, got {mean:.3g} with a standard deviation "
                f"of {spread:.3g}; divide a density by its mean and subtract 1"
            )

    @property
    def mesh(self) -> int:
        """Points per side."""
        return len(self.values)

    @property
    def cell(self) -> float:
        """Distance between mesh points [Mpc/h]."""
        return self.box / self.mesh

    @property
    def attributes(self) -> Mapping[str, str | float]:
        """What the fields of a suite have in common."""
        return {name: getattr(self, name) for name in ("kind", "redshift", "smoothing")}

    @property
    def digest(self) -> bytes:
        """SHA-256 of its values and of what is said of them."""
        told = repr((self.box, *self.attributes.values())).encode()
        return hashlib.sha256(told + np.ascontiguousarray(self.values).tobytes()).digest()

    def __repr__(self) -> str:
        return (
            f"Field({self.kind}, {self.mesh} points per side in {self.box:g} Mpc/h; redshift "
            f"{self.redshift:g}; smoothing {self.smoothing:g} Mpc/h)"
        )


def as_array_of_field(values: object) -> Float32[np.ndarray, "mesh mesh mesh"]:
    """Values of a field as they are kept.

    Raises:
        InputError: if they are no cube of finite numbers.
    """
    with np.errstate(over="ignore"):  # to infinity, which is refused
        array = as_array(values, "the field").astype(np.float32)
    wrong = int(np.sum(~np.isfinite(array)))
    if wrong:
        raise InputError(
            f"expected finite values in the field, got {wrong} NaN or infinite of {array.size}; "
            "make it again with a number at every point"
        )
    if array.ndim != 3 or len(set(array.shape)) > 1 or len(array) < 2:
        raise InputError(
            f"expected a field of shape (mesh, mesh, mesh), got {array.shape}; give one number for "
            "each point of a cubic mesh"
        )
    return array


def check_field_of(attributes: Mapping[str, str | float]) -> None:
    """Refuse a kind, redshift or smoothing that is none.

    Raises:
        InputError: naming it.
    """
    if attributes["kind"] not in KINDS:
        raise InputError(
            f"expected a field of kind {' or '.join(KINDS)}, got {attributes['kind']!r}; upgrade "
            "galgen if it is of a newer one"
        )
    for name in ("redshift", "smoothing"):
        value = attributes[name]
        if isinstance(value, str) or not 0.0 <= value < np.inf:
            raise InputError(f"expected a {name} of a field of 0 or more, got {value!r}; mend it")


def check_field_mesh(mesh: int, points: int, name: str = "mesh") -> None:
    """Refuse a mesh that is odd, too coarse, or finer than the field.

    Raises:
        InputError: names the meshes that are not.
    """
    if mesh % 2 or not COARSEST <= mesh <= points:
        raise InputError(
            f"expected an even {name} of {COARSEST} to {points} points for a field of {points}, "
            f"got {mesh}; choose another, or make the field on a finer mesh"
        )


def resampled_modes(
    modes: Complex[np.ndarray, "mesh mesh half"], mesh: int
) -> Complex[np.ndarray, "new new new_half"]:
    """Modes of a field on another mesh: those below the Nyquist frequency of both, others zero.

    Args:
        modes: as ``rfftn`` gives them, unnormalised.
        mesh: points per side of the other.
    """
    size = len(modes)
    low = min(mesh, size) // 2
    kept = np.zeros((mesh, mesh, mesh // 2 + 1), np.complex64)
    for x in (slice(0, low), slice(-low + 1, None)):
        for y in (slice(0, low), slice(-low + 1, None)):
            kept[x, y, :low] = modes[x, y, :low]
    return kept * np.float32((mesh / size) ** 3)
