"""A model of haloes on the Lagrangian grid with its weights, and what it knows of cells."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from galgen.generative import Bridge
from galgen.geometry import Geometry
from galgen.lagrangian.layout import CELL, INPUTS, NEAR_Q, WAVES
from galgen.lagrangian.network import LagrangianNetwork
from galgen.types import Batch, HostOrDevice, Params


@dataclasses.dataclass(frozen=True, eq=False)
class TrainedHaloes:
    """A network with its weights and, for one example, its field and condition.

    Attributes:
        network: of three parts.
        params: weights.
        marks: the bridge of marks.
        field: inputs and displacements of blocks.
        condition: ln sigma(R) and slope, standardised, and the side of a cell [R].
    """

    network: LagrangianNetwork
    params: Params
    marks: Bridge
    field: Any = None
    condition: Any = None

    def given_field(self, field: Float[HostOrDevice, "batch bx by bz channels"]) -> TrainedHaloes:
        """Of examples that come from these fields."""
        return dataclasses.replace(self, field=field)

    def replaced(self, params: Params) -> TrainedHaloes:
        """The same with other weights."""
        return dataclasses.replace(self, params=params)

    def example(self, number: int, condition: Float[HostOrDevice, "batch 3"]) -> TrainedHaloes:
        """One of the examples alone."""
        field, condition = jnp.asarray(self.field[number]), jnp.asarray(condition[number])
        return dataclasses.replace(self, field=field, condition=condition)

    @property
    def cell(self) -> Float[Array, ""]:
        """Side of a cell [R]."""
        return self.condition[-1]

    def _apply(self, method: Callable[..., Any], *inputs: Any, **options: Any) -> Any:
        return self.network.apply(self.params, *inputs, method=method, **options)

    def encode(self, field: Float[Array, "bx by bz inputs"]) -> tuple[Any, Any]:
        """log lambda and features of the cells, but for those of two blocks at each end."""
        found = self._apply(self.network.encode, field[None], self.condition[None, :-1])
        return found[0][0] + 3.0 * jnp.log(self.cell / CELL), found[1][0]

    def excess(
        self,
        log_rate: Float[Array, "*lead cells"],
        maps: Float[Array, "cells 5"],
        features: Float[Array, "cells features"],
        sums: Float[Array, "*lead cells widths"],
        t: Float[Array, "*lead one"],
    ) -> Float[Array, "*lead cells"]:
        """g of cells, given the sums over the haloes that are there at time t."""
        near = sums[..., : len(NEAR_Q)], sums[..., len(NEAR_Q) :]
        inputs = log_rate, maps, features, *near, t, self.condition[:-1]
        return self._apply(self.network.excess, *inputs)

    def mass(self, drawn: Float[Array, " points"]) -> Float[Array, " points"]:
        """Standardised masses as they are in the data, of masses as they are drawn."""
        return self._apply(self.network.mass, drawn)

    def denoiser(
        self,
        positions: Float[Array, "points 3"],
        mask: Bool[Array, " points"],
        known: Float[Array, "points features"],
        side: Any,
        geometry: Geometry,
    ) -> Callable[..., Any]:
        """Of marks of haloes at ``positions`` in the unit box, ``side`` in R.

        Neighbours are found here, once for all times.
        """
        edges = self.network.edges(positions[None], mask[None], jnp.full(1, side), geometry)

        def denoise(noisy, t, mask, _):
            about = self.condition[None, :-1], known[None], edges
            return self._apply(self.network.denoise, noisy, t, mask, *about)

        return denoise

    def mark_error(
        self,
        denoiser: Callable[..., Any],
        key: jax.Array,
        marks: Float[Array, "points columns"],
        mask: Bool[Array, " points"],
        counted: Bool[Array, " points"],
    ) -> Float[Array, ""]:
        """Mean square error of a denoiser at one noise, over some of the haloes."""
        task = self.marks.regression(key, Batch(marks[None], mask[None]))
        error = self.marks.answer(denoiser, task) - task.target
        squares = jnp.where(counted[:, None], error[0] ** 2, 0.0)
        return jnp.sum(squares) / (marks.shape[1] * jnp.maximum(jnp.sum(counted), 1))


def known_of(
    features: Float[Array, "points features"],
    log_rate: Float[Array, " points"],
    sums: Float[Array, "points widths"],
    blocks: Float[Array, "bx by bz channels"],
    cells: Int[Array, "points 3"],
    at: Literal["blocks", "cells"],
) -> Float[Array, "points more"]:
    """What is known of haloes before their marks.

    Args:
        features: of their cells.
        log_rate: log lambda there.
        sums: over the other haloes.
        blocks: the field.
        cells: of the haloes, in those blocks, which wrap.
        at: where displacements are read.
    """
    waves = blocks[..., INPUTS - WAVES : INPUTS]
    waves = between_blocks(waves, cells) if at == "cells" else waves[tuple((cells // 2).T)]
    return jnp.concatenate([features, log_rate[:, None] * 0.4 + 2.0, sums, 4.0 * waves], axis=-1)


def between_blocks(
    blocks: Float[Array, "bx by bz channels"], cells: Int[Array, "points 3"]
) -> Float[Array, "points channels"]:
    """Means of blocks, linear between their middles, in the middles of cells; blocks wrap."""
    near, sides = cells // 2, jnp.array(blocks.shape[:3])
    far = near + 2 * (cells % 2) - 1
    total = jnp.zeros((len(cells), blocks.shape[-1]), blocks.dtype)
    for corner in np.ndindex(2, 2, 2):
        at = jnp.where(np.array(corner), far, near) % sides
        total += 0.75 ** (3 - sum(corner)) * 0.25 ** sum(corner) * blocks[tuple(at.T)]
    return total


def displacement_of(blocks: Float[Array, "bx by bz 24"]) -> Float[Array, "x y z 3"]:
    """Displacements in cells, from those in blocks."""
    a, b, c, _ = blocks.shape
    h = blocks.reshape(a, b, c, 3, 2, 2, 2).transpose(0, 4, 1, 5, 2, 6, 3)
    return h.reshape(2 * a, 2 * b, 2 * c, 3)


def log_maps(
    rate: Float[Array, "x y z"],
    cell: Float[Array, ""] | float,
    cells: Int[Array, "cells 3"],
) -> Float[Array, "cells widths"]:
    """Logs of lambda, smoothed by the widths of the sums, as expected numbers in some cells."""
    modes, where = jnp.fft.rfftn(rate), tuple(cells.T)
    lengths = [np.fft.fftfreq(side) for side in rate.shape[:2]] + [np.fft.rfftfreq(rate.shape[2])]
    k2 = sum(k**2 for k in np.ix_(*lengths))
    found = []
    for width in NEAR_Q:
        s = width / cell
        smooth = jnp.fft.irfftn(modes * jnp.exp(-2.0 * (np.pi * s) ** 2 * k2), rate.shape)[where]
        found.append(jnp.log(jnp.maximum(smooth * (2 * np.pi * s**2) ** 1.5, 1e-6)))
    return jnp.stack(found, axis=-1)
