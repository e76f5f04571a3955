"""A mesh that points are painted on: Fourier modes at a cost that hardly grows with their number.

What is computed is told in :mod:`galgen.networks.fourier`. Where devices share a cloud, each paints
its points on a mesh of its own; the meshes are summed and dealt out by channels, so that every
device transforms whole meshes of some channels, and gathered again where points read them.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float, Int

from galgen.collectives import (
    CHANNEL_SPEC,
    CLOUD_SPEC,
    POINT_SPEC,
    all_gather,
    points_axis_size,
    psum,
    psum_scatter,
    shard_map,
)
from galgen.errors import InputError
from galgen.masking import number_of_points
from galgen.mass_assignment import shares, window

TRIANGULAR = 3
"""Order of the triangular-shaped cloud."""


class PaintedMesh(NamedTuple):
    """A mesh over the unit box, and how the points of a batch lie on it.

    ========= ============================ ===================================================
    field     shape                        meaning
    ========= ============================ ===================================================
    cells     ``(batch, points, 3)``       nearest mesh point of each point
    weights   ``(batch, points, 3, 3)``    cloud of each axis at cell - 1, cell, cell + 1; the
                                           first axis's are zero on padding
    size      int                          mesh points per side
    unit      ``(x, y, z, 3)``             n / |n| of every mode of the half-complex transform
    shell     ``(x, y, z)``                index of |n| among ``shells``; past the end for a
                                           mode that is left out
    window    ``(x, y, z)``                1 / W^2, times the norm of the transform
    shells    ``(s,)``                     the distinct |n|, rising
    points    ``(batch,)``                 real points
    ========= ============================ ===================================================
    """

    cells: Int[Array, "batch points 3"]
    weights: Float[Array, "batch points 3 3"]
    size: int
    unit: Float[np.ndarray, "x y z 3"]
    shell: Int[np.ndarray, "x y z"]
    window: Float[np.ndarray, "x y z"]
    shells: Float[np.ndarray, " shells"]
    points: Float[Array, " batch"]

    @classmethod
    def of(
        cls,
        positions: Float[Array, "batch points 3"],
        mask: Bool[Array, "batch points"] | None,
        size: int,
        beyond: int,
    ) -> PaintedMesh:
        """The modes ``beyond`` < |n| <= ``size / 4`` of the unit box.

        Raises:
            InputError: if the mesh is too coarse to have such a mode.
        """
        if size // 4 <= beyond:
            raise InputError(
                f"expected a mesh of at least {4 * beyond + 4} per side, whose modes up to a "
                f"quarter of it go beyond the direct ones (|n| <= {beyond}), got {size}; "
                "raise mesh or lower largest_mode"
            )
        scaled = positions * size
        nearest = jnp.floor(scaled + 0.5)
        weights = jnp.stack(shares(scaled - nearest, TRIANGULAR), axis=-1)
        if mask is not None:
            weights = weights.at[:, :, 0].multiply(mask[..., None])
        whole = np.fft.fftfreq(size, 1 / size)
        n = np.stack(np.meshgrid(whole, whole, np.arange(size // 2 + 1), indexing="ij"), axis=-1)
        length = np.linalg.norm(n, axis=-1)
        inside = (length > beyond) & (length <= size / 4)
        shells = np.unique(length[inside])
        shell = np.where(inside, np.searchsorted(shells, length), len(shells))
        divided = np.where(inside, np.prod(window(n / size, TRIANGULAR), axis=-1), 1.0) ** -2.0
        # numpy's transform has no factor forwards and size^-3 back; the sum wants 1 / sqrt(modes).
        modes = 0.5 * np.sum(np.where(n[..., 2] > 0, 2.0, 1.0)[inside])
        norm = size**3 / (2.0 * np.sqrt(modes))
        return cls(
            jnp.mod(nearest, size).astype(jnp.int32),
            weights,
            size,
            (n / np.maximum(length, 1.0)[..., None]).astype(np.float32),
            shell.astype(np.int32),
            (divided * norm).astype(np.float32),
            shells,
            number_of_points(positions, mask),
        )

    def density(
        self, sources: Float[Array, "batch points channels"]
    ) -> Complex[Array, "batch x y z channels"]:
        """S of every mode, but for the window."""
        channels = sources.shape[-1]
        by_channel = channels % points_axis_size() == 0

        def transformed(cells, weights, sources, points):
            rows = jnp.arange(len(cells))[:, None]

            @jax.checkpoint
            def paint(mesh, step):
                flat, weight = _corner(cells, weights, step, self.size)
                return mesh.at[rows, flat].add(weight[..., None] * sources), None

            empty = jnp.zeros((len(cells), self.size**3, channels), sources.dtype)
            mesh, _ = jax.lax.scan(paint, empty, jnp.arange(27))
            mesh = psum_scatter(mesh, axis=2) if by_channel else psum(mesh)
            mesh = mesh / jnp.sqrt(points)[:, None, None]
            return jnp.fft.rfftn(mesh.reshape(len(mesh), *(self.size,) * 3, -1), axes=(1, 2, 3))

        return shard_map(
            transformed,
            *(self.cells, self.weights, sources, self.points),
            in_specs=(POINT_SPEC, POINT_SPEC, POINT_SPEC, CLOUD_SPEC),
            out_specs=CHANNEL_SPEC if by_channel else CLOUD_SPEC,
        )

    def respond(
        self,
        density: Complex[Array, "batch x y z channels"],
        response: Float[Array, "batch shells channels"],
    ) -> Complex[Array, "batch x y z channels"]:
        """R S, windows divided out; zero for modes left out."""
        table = jnp.pad(response, ((0, 0), (0, 1), (0, 0)))
        return density * (table[:, self.shell] * self.window[..., None])

    def read(
        self, amplitude: Complex[Array, "batch x y z channels"]
    ) -> Float[Array, "batch points channels"]:
        """Re[sum_n amplitude_n exp(2 pi i n.x)] / sqrt(modes), at the points."""
        by_channel = amplitude.shape[-1] % points_axis_size() == 0

        def at_points(cells, weights, amplitude):
            mesh = jnp.fft.irfftn(amplitude, s=(self.size,) * 3, axes=(1, 2, 3))
            mesh = mesh.reshape(len(mesh), -1, mesh.shape[-1])
            mesh = all_gather(mesh, axis=2) if by_channel else mesh
            rows = jnp.arange(len(mesh))[:, None]

            @jax.checkpoint
            def add(total, step):
                flat, weight = _corner(cells, weights, step, self.size)
                return total + weight[..., None] * mesh[rows, flat], None

            empty = jnp.zeros((*cells.shape[:2], mesh.shape[-1]), mesh.dtype)
            return jax.lax.scan(add, empty, jnp.arange(27))[0]

        split = (POINT_SPEC, POINT_SPEC, CHANNEL_SPEC if by_channel else CLOUD_SPEC)
        arrays = self.cells, self.weights, amplitude
        return shard_map(at_points, *arrays, in_specs=split, out_specs=POINT_SPEC)

    def gradient(
        self, amplitude: Complex[Array, "batch x y z channels"]
    ) -> Float[Array, "batch points channels 3"]:
        """The same sum with i n / |n| times each mode: a vector along each wave."""
        axes = [self.read(amplitude * (1j * self.unit[..., a, None])) for a in range(3)]
        return jnp.stack(axes, axis=-1)


def _corner(
    cells: Int[Array, "batch points 3"],
    weights: Float[Array, "batch points 3 3"],
    step: Int[Array, ""],
    size: int,
) -> tuple[Int[Array, "batch points"], Float[Array, "batch points"]]:
    """Flat mesh index and weight of every point at corner number ``step`` of its cloud."""
    corner = jnp.stack([step // 9, (step // 3) % 3, step % 3])
    place = jnp.mod(cells + corner - 1, size)
    flat = (place[..., 0] * size + place[..., 1]) * size + place[..., 2]
    chosen = jnp.take_along_axis(weights, corner[None, None, :, None], axis=-1)[..., 0]
    return flat, jnp.prod(chosen, axis=-1)
