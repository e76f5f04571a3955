"""Points painted on a periodic mesh, and the window that painting multiplies each mode by.

A point at ``u`` (in cells) gives the cell ``n`` the weight ``prod_axes W(u - n)``, with W the
B-spline of Hockney & Eastwood (1981): ``order`` top hats of one cell convolved. Weights over cells
sum to one; positions on or beyond a face wrap. With H the cell side, a mode k is multiplied by

    W(k) = prod_axes [sin(k H / 2) / (k H / 2)]^order

so dividing by it (compensation) restores modes below the Nyquist wavenumber pi / H, up to aliases
at k + 2 pi m / H. Interlacing (Sefusatti et al. 2016, MNRAS 460, 3624) averages with a second mesh,
painted half a cell away and shifted back by a phase: the aliases with odd m_x + m_y + m_z cancel.
"""

from __future__ import annotations

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from galgen.errors import InputError
from galgen.statistics.binning import ArrayLike, check_box, check_points


@dataclasses.dataclass(frozen=True)
class Resampler:
    """A B-spline mass assignment: order 2 is cloud in cell, order 3 triangular-shaped cloud.

    Raises:
        InputError: another order.
    """

    order: int = 3

    def __post_init__(self) -> None:
        if self.order not in (2, 3):
            raise InputError(
                f"expected a resampler of order 2 (cloud in cell) or 3 (triangular-shaped cloud), "
                f"got {self.order!r}; pass Resampler(3)"
            )

    def weights(
        self, cells: Float[Array, "points 3"]
    ) -> tuple[Float[Array, "points 3"], Float[Array, "order points 3"]]:
        """The first cell that each point touches, as a float, and its weights from there on."""
        if self.order == 2:
            base = jnp.floor(cells)
            offset = cells - base
            return base, jnp.stack([1 - offset, offset])
        nearest = jnp.round(cells)
        offset = cells - nearest
        below, above = 0.5 * (0.5 - offset) ** 2, 0.5 * (0.5 + offset) ** 2
        return nearest - 1, jnp.stack([below, 0.75 - offset**2, above])

    def window(self, phase: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """W along one axis at ``phase`` = k H / (2 pi), in cycles per cell, on the host."""
        return np.sinc(phase) ** self.order


CLOUD_IN_CELL = Resampler(2)
TRIANGULAR_SHAPED_CLOUD = Resampler(3)


def paint_one(
    positions: Float[Array, "points 3"],
    mask: Bool[Array, "points"],
    box: Float[Array, "3"],
    mesh_size: int,
    resampler: Resampler,
    shift: float = 0.0,
) -> Float[Array, "mesh mesh mesh"]:
    """One masked catalogue on a mesh; ``shift`` moves the points, in cells along every axis."""
    base, weights = resampler.weights(positions / box * mesh_size + shift)
    corner = base.astype(jnp.int32)
    real = mask.astype(positions.dtype)
    steps = np.array(list(itertools.product(range(resampler.order), repeat=3)))
    x, y, z = (jnp.mod(corner[:, axis] + steps[:, axis, None], mesh_size) for axis in range(3))
    share = real * weights[steps[:, 0], :, 0] * weights[steps[:, 1], :, 1]
    share = share * weights[steps[:, 2], :, 2]
    mesh = jnp.zeros(mesh_size**3, positions.dtype)
    mesh = mesh.at[((x * mesh_size + y) * mesh_size + z).ravel()].add(share.ravel())
    return mesh.reshape(mesh_size, mesh_size, mesh_size)


def paint(
    positions: ArrayLike,
    mask: ArrayLike | None,
    box: ArrayLike,
    mesh_size: int,
    resampler: Resampler = TRIANGULAR_SHAPED_CLOUD,
) -> Float[Array, "batch mesh mesh mesh"]:
    """Points per cell of every catalogue: each mesh sums to its number of real points.

    Cell ``n`` is centred on the position ``n * side / mesh_size``.

    Args:
        positions: ``(batch, points, 3)`` in Mpc/h.
        mask: ``(batch, points)``, True where real; None for all.
        box: the three sides in Mpc/h.
        mesh_size: cells along each side.
        resampler: :data:`CLOUD_IN_CELL` or :data:`TRIANGULAR_SHAPED_CLOUD`.

    Raises:
        InputError: bad shapes, box or mesh size.
    """
    check_mesh_size(mesh_size)
    points, keep = check_points(positions, mask)
    sides = jnp.asarray(check_box(box), points.dtype)
    return jax.jit(jax.vmap(lambda x, m: paint_one(x, m, sides, mesh_size, resampler)))(
        points, keep
    )


def check_mesh_size(mesh_size: int) -> None:
    """Refuse a mesh too coarse for a cloud, or one whose cell index overflows int32.

    Raises:
        InputError: not between 4 and 1290.
    """
    if not 4 <= mesh_size <= 1290:
        raise InputError(
            f"expected 4 to 1290 cells per side (int32 cell index), got {mesh_size}; pass e.g. 64"
        )
