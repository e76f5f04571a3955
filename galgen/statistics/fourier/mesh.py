"""Points painted on a periodic mesh, and the window that painting multiplies each mode by.

Points are shared out over cells by a B-spline (:mod:`galgen.mass_assignment`); positions on or
beyond a face wrap. Dividing a mode by its window W (compensation) restores modes below the Nyquist
wavenumber pi / H, H the cell side, up to aliases at k + 2 pi m / H. Interlacing (Sefusatti et al.
2016, MNRAS 460, 3624) averages with a second mesh, painted half a cell away and shifted back by a
phase: the aliases with odd m_x + m_y + m_z cancel.

The mesh is differentiable in positions and weights, but for order 1, whose slope in the positions
is zero: a point gives all its weight to one cell.
"""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from galgen.arrays import ArrayLike
from galgen.errors import InputError
from galgen.mass_assignment import ORDERS, shares, window
from galgen.statistics.arguments import check_points, check_weights
from galgen.statistics.binning import check_box, check_whole


@dataclasses.dataclass(frozen=True)
class Resampler:
    """A B-spline mass assignment, named by its order.

    Order 1 is nearest grid point, 2 cloud in cell, 3 triangular-shaped cloud, 4 piecewise cubic
    spline: a point touches ``order`` cells along each axis.

    Raises:
        InputError: another order.
    """

    order: int = 3

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise InputError(
                "expected a resampler of order 1 (nearest grid point), 2 (cloud in cell), "
                "3 (triangular-shaped cloud) or 4 (piecewise cubic spline), "
                f"got {self.order!r}; pass Resampler(3)"
            )

    def weights(
        self, cells: Float[Array, "points 3"]
    ) -> tuple[Float[Array, "points 3"], Float[Array, "order points 3"]]:
        """The first cell that each point touches, as a float, and its weights from there on."""
        centre = jnp.round(cells) if self.order % 2 else jnp.floor(cells)
        return centre - (self.order - 1) // 2, jnp.stack(shares(cells - centre, self.order))

    def window(self, phase: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """W along one axis at ``phase`` = k H / (2 pi), in cycles per cell, on the host."""
        return window(phase, self.order)


NEAREST_GRID_POINT = Resampler(1)
CLOUD_IN_CELL = Resampler(2)
TRIANGULAR_SHAPED_CLOUD = Resampler(3)
PIECEWISE_CUBIC_SPLINE = Resampler(4)

ROW_UPDATE = lax.ScatterDimensionNumbers(
    update_window_dims=(1,), inserted_window_dims=(0,), scatter_dims_to_operand_dims=(0, 1)
)
"""Each update is a run of neighbouring cells within one row of the mesh."""


def paint_one(
    positions: Float[Array, "points 3"],
    weights: Float[Array, "points"],
    box: Float[Array, "3"],
    mesh_size: int,
    resampler: Resampler,
    shift: float = 0.0,
) -> Float[Array, "mesh mesh mesh"]:
    """One weighted catalogue on a mesh; ``shift`` moves the points, in cells along every axis.

    One pass per row (along z) that a point touches, each adding ``order`` neighbouring cells at
    once. Rows are ``order - 1`` cells too long, so that no run wraps; the excess is folded back.
    """
    order = resampler.order
    base, splines = resampler.weights(positions / box * mesh_size + shift)
    corner = jnp.mod(base.astype(jnp.int32), mesh_size)
    along_z = weights[:, None] * splines[:, :, 2].T

    def add_row(
        rows: Float[Array, "rows long"], step: Int[Array, "2"]
    ) -> tuple[Float[Array, "rows long"], None]:
        x, y = (jnp.mod(corner[:, axis] + step[axis], mesh_size) for axis in range(2))
        place = jnp.stack([x * mesh_size + y, corner[:, 2]], axis=1)
        share = (splines[step[0], :, 0] * splines[step[1], :, 1])[:, None] * along_z
        mode = lax.GatherScatterMode.PROMISE_IN_BOUNDS
        return lax.scatter_add(rows, place, share, ROW_UPDATE, mode=mode), None

    steps = jnp.asarray([(i, j) for i in range(order) for j in range(order)], jnp.int32)
    empty = jnp.zeros((mesh_size**2, mesh_size + order - 1), along_z.dtype)
    rows, _ = lax.scan(add_row, empty, steps)
    mesh = rows[:, :mesh_size].at[:, : order - 1].add(rows[:, mesh_size:])
    return mesh.reshape(mesh_size, mesh_size, mesh_size)


def paint(
    positions: ArrayLike,
    mask: ArrayLike | None,
    box: ArrayLike,
    mesh_size: int,
    resampler: Resampler = TRIANGULAR_SHAPED_CLOUD,
    weights: ArrayLike | None = None,
) -> Float[Array, "batch mesh mesh mesh"]:
    """Weight per cell of every catalogue: each mesh sums to the weights of its real points.

    Cell ``n`` is centred on the position ``n * side / mesh_size``.

    Args:
        positions: ``(batch, points, 3)`` in Mpc/h.
        mask: ``(batch, points)``, True where real; None for all.
        box: the three sides in Mpc/h.
        mesh_size: cells along each side.
        resampler: mass assignment.
        weights: ``(batch, points)``, of any sign; None for one each.

    Raises:
        InputError: bad shapes, box or mesh size.
    """
    size, limits = check_mesh_size(mesh_size), check_box(box)
    points, keep = check_points(positions, mask, box=limits)
    mass = check_weights(weights, keep, points)
    return _paint(points, mass, jnp.asarray(limits, points.dtype), size, resampler)


@functools.partial(jax.jit, static_argnames=("mesh_size", "resampler"))
def _paint(
    positions: Float[Array, "batch points 3"],
    weights: Float[Array, "batch points"],
    box: Float[Array, "3"],
    mesh_size: int,
    resampler: Resampler,
) -> Float[Array, "batch mesh mesh mesh"]:
    """Every catalogue on its mesh."""
    return jax.vmap(lambda x, w: paint_one(x, w, box, mesh_size, resampler))(positions, weights)


def check_mesh_size(mesh_size: int) -> int:
    """Refuse a mesh too coarse for a cloud, or one whose cell index overflows int32.

    Raises:
        InputError: not a whole number from 4 to 1290.
    """
    wanted = "4 to 1290 cells per side (int32 cell index)"
    return check_whole(mesh_size, 4, 1290, wanted, "pass e.g. 64")
