"""Power spectrum multipoles of a field on a periodic mesh, e.g. an overdensity.

With f_n on the M³ cells of a box of volume V, at x_n::

    F(k) = sum_n f_n exp(-i k . x_n)
    P_l  = (2 l + 1) V / M⁶  <|F(k)|² L_l(mu)>      over the modes of a bin
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from galgen.arrays import ArrayLike, as_array
from galgen.errors import InputError
from galgen.statistics.arguments import check_finite, precision_of
from galgen.statistics.binning import check_box
from galgen.statistics.fourier.amplitudes import field_amplitudes, mean_in_shells, product
from galgen.statistics.fourier.mesh import Resampler
from galgen.statistics.fourier.modes import FourierModes, device_modes
from galgen.statistics.fourier.power_spectrum import PowerSpectrum, spectrum_of


def field_power_spectrum(
    field: ArrayLike,
    box: ArrayLike,
    k_edges: ArrayLike | None = None,
    multipoles: Sequence[int] = (0, 2, 4),
    line_of_sight: int = 2,
    resampler: Resampler | None = None,
) -> PowerSpectrum:
    """P_l(k) of fields on a mesh, e.g. an overdensity: V / M⁶ <|F(k)|²>, no shot noise taken.

    The unit is that of the field squared times (Mpc/h)³.

    Args:
        field: ``(batch, mesh, mesh, mesh)``, at ``n * side / mesh``.
        box: the three sides in Mpc/h.
        k_edges: ``(bins + 1,)`` in h/Mpc, up to Nyquist; None for :func:`default_k_edges`. A field
            has no aliases but those that it was made with.
        multipoles: any of 0, 2, 4.
        line_of_sight: the axis, 0, 1 or 2.
        resampler: whose window to divide by, for a field that :func:`paint` made; None for none.

    Raises:
        InputError: a field that is not a batch of cubes, or as :func:`power_spectrum`.
    """
    values = check_field(field)
    size = values.shape[-1]
    table = device_modes(
        values.dtype, box, size, k_edges, multipoles, line_of_sight, resampler
    )  # fmt: skip
    raw = field_power_of_modes(values, jnp.asarray(check_box(box), values.dtype), table)
    return spectrum_of(table, raw, jnp.zeros_like(raw[:, 0, 0]), multipoles)


def check_field(field: ArrayLike) -> Float[Array, "batch mesh mesh mesh"]:
    """The field as floating-point numbers.

    Raises:
        InputError: not ``(batch, mesh, mesh, mesh)``, or not finite.
    """
    values = field if isinstance(field, jax.Array) else as_array(field, "field")
    if values.ndim != 4 or len(set(values.shape[1:])) != 1:
        raise InputError(
            f"expected a field of shape (batch, mesh, mesh, mesh), got {values.shape}; "
            "add a leading axis with field[None] for one field"
        )
    check_finite(values, "field")
    return jnp.asarray(values.astype(precision_of(values)))


@jax.jit
def field_power_of_modes(
    field: Float[Array, "batch mesh mesh mesh"], box: Float[Array, "3"], table: FourierModes
) -> Float[Array, "batch multipoles bins"]:
    """Power of fields; the compiled part of :func:`field_power_spectrum`."""

    def one(values: Float[Array, "mesh mesh mesh"]) -> Float[Array, "multipoles bins"]:
        amplitude = field_amplitudes(table, values)
        return mean_in_shells(product(amplitude, amplitude), table)

    return jax.lax.map(one, field) * (jnp.prod(box) / float(field.shape[-1]) ** 6)
