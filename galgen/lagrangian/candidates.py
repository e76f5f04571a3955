"""Cells in which haloes may be born, and what is known of them and of haloes before their marks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from galgen.geometry import PeriodicBox
from galgen.lagrangian.layout import INPUTS, PAD
from galgen.lagrangian.sums import WIDTHS, contributions, offsets
from galgen.lagrangian.trained import TrainedHaloes, displacement_of, known_of, log_maps

SLAB = 16
"""Blocks along x that the encoder sees at once, at most."""
CHUNK = 128
"""Haloes whose neighbours are gone through at once."""


@flax.struct.dataclass
class Known:
    """What does not change of cells.

    ======== ===================== ========================
    field    shape                 meaning
    ======== ===================== ========================
    log_rate ``(cells,)``          log lambda
    maps     ``(cells, 5)``        logs of smoothed lambda
    features ``(cells, features)`` learned
    ======== ===================== ========================
    """

    log_rate: Float[Array, " cells"]
    maps: Float[Array, "cells widths"]
    features: Float[Array, "cells features"]


@flax.struct.dataclass
class KnownHaloes:
    """Haloes of a box before their marks.

    ========= ==================== ==============================
    field     shape                meaning
    ========= ==================== ==============================
    cells     ``(rows, 3)``        of the grid
    known     ``(rows, features)`` of :func:`known_of`
    positions ``(rows, 3)``        of the cells, in the unit box
    mask      ``(rows,)``          real rows
    side      scalar               of the box [R]
    ========= ==================== ==============================
    """

    cells: Int[Array, "rows 3"]
    known: Float[Array, "rows features"]
    positions: Float[Array, "rows 3"]
    mask: Bool[Array, " rows"]
    side: Float[Array, ""]

    def denoiser(self, model: TrainedHaloes) -> Callable[..., Any]:
        """Of their marks."""
        return model.denoiser(self.positions, self.mask, self.known, self.side, PeriodicBox())


@flax.struct.dataclass
class Candidates:
    """Cells in which haloes may be born.

    ======== ====================== =========================================================
    field    shape                  meaning
    ======== ====================== =========================================================
    cells    ``(room, 3)``          of the grid
    known    of ``(room,)``         what does not change of them
    moved    ``(room + 1, 3)``      displacement [R]
    number   ``(mesh, mesh, mesh)`` which candidate a cell is; ``room`` for none
    share    scalar                 that of all cells over that of these, of lambda
    ======== ====================== =========================================================
    """

    cells: Int[Array, "room 3"]
    known: Known
    moved: Float[Array, "more 3"]
    number: Int[Array, "mesh mesh mesh"]
    share: Float[Array, ""]

    def around(
        self, rows: Int[Array, " some"], cell: Float[Array, ""]
    ) -> tuple[Int[Array, "some offsets"], Float[Array, "some offsets widths"]]:
        """The candidates around some, ``room`` for none, and what these count there."""
        room, mesh = len(self.cells), len(self.number)
        reach = jnp.asarray(offsets())
        at = self.cells[jnp.minimum(rows, room - 1)]
        there = self.number[tuple(jnp.moveaxis((at[:, None] + reach) % mesh, -1, 0))]
        there = jnp.where((rows < room)[:, None], there, room)
        moved = self.moved[there] - self.moved[rows][:, None]
        return there, contributions(reach, moved, cell)

    def between(
        self, rows: Int[Array, " some"], others: Int[Array, " others"], cell: Float[Array, ""]
    ) -> tuple[Int[Array, "1 others"], Float[Array, "some others widths"]]:
        """Some candidates, ``room`` for none, and what they count at others."""
        last, mesh = len(self.cells) - 1, len(self.number)
        at, of = (self.cells[jnp.minimum(each, last)] for each in (rows, others))
        apart = (of - at[:, None] + mesh // 2) % mesh - mesh // 2
        moved = self.moved[others] - self.moved[rows][:, None]
        return others[None], contributions(apart, moved, cell)

    def haloes(
        self, model: TrainedHaloes, rows: Int[Array, " rows"], sums: Float[Array, "more widths"]
    ) -> KnownHaloes:
        """Haloes in some candidates, ``room`` for none, given the sums at all."""
        room = len(self.cells)
        at = jnp.minimum(rows, room - 1)
        cells, side = self.cells[at], 2 * model.field.shape[0] * model.cell
        of_cells = self.known.features[at], self.known.log_rate[at], sums[at]
        known = known_of(*of_cells, model.field, cells, model.network.waves_at)
        positions = (cells * model.cell + self.moved[at]) / side % 1.0
        return KnownHaloes(cells, known, positions, rows < room, side)

    def of_data(
        self, x: Float[Array, "rows columns"], number: Int[Array, ""], cell: Float[Array, ""]
    ) -> tuple[Int[Array, " rows"], Float[Array, "more widths"]]:
        """The candidates of the first haloes of ``x``, ``room`` for none, and sums at all."""
        room = len(self.cells)
        rows = self.number[tuple(x[:, :3].astype(jnp.int32).T)]
        rows = jnp.where(jnp.arange(len(x)) < number, rows, room)
        return rows, self.with_haloes(jnp.zeros((room + 1, WIDTHS)), rows, number, cell)

    def with_haloes(
        self,
        sums: Float[Array, "more widths"],
        rows: Int[Array, " most"],
        number: Int[Array, ""],
        cell: Float[Array, ""],
    ) -> Float[Array, "more widths"]:
        """Sums at all candidates with haloes in some, in the first ``number`` of rows or fewer."""

        def add(chunk, sums):
            there, counted = self.around(part_of(rows, chunk), cell)
            return sums.at[there.ravel()].add(counted.reshape(-1, WIDTHS))

        return jax.lax.fori_loop(0, -(-number // CHUNK), add, sums)


def likeliest(model: TrainedHaloes, part: float) -> Candidates:
    """The cells of the largest lambda of a periodic box, that ``part`` of each slab.

    The box is encoded in slabs, and of each only these are kept.
    """
    half = len(model.field)
    padded = jnp.pad(model.field[..., :INPUTS], (*((PAD, PAD),) * 3, (0, 0)), mode="wrap")
    of_block = 8 * half**2

    def encode(start, blocks):
        piece = (blocks + 2 * PAD, *padded.shape[1:])
        log_rate, features = model.encode(jax.lax.dynamic_slice(padded, (start, 0, 0, 0), piece))
        rate, kept = log_rate.ravel(), max(1, math.ceil(part * blocks * of_block))
        chosen = jnp.nonzero(rate >= jnp.sort(rate)[-kept], size=kept, fill_value=0)[0]
        of_chosen = features.reshape(rate.size, -1)[chosen]
        return rate, chosen + start * of_block, of_chosen

    # Slabs of one size, and what is left.
    slab = -(-half // -(-half // SLAB))
    number, rest = divmod(half, slab)
    found = jax.lax.map(lambda start: encode(start, slab), slab * jnp.arange(number))
    parts = [tuple(values.reshape(-1, *values.shape[2:]) for values in found)]
    if rest:
        parts.append(encode(number * slab, rest))
    log_rate, chosen, features = (jnp.concatenate(each) for each in zip(*parts, strict=True))
    log_rate = log_rate.reshape((2 * half,) * 3)
    cells = jnp.stack(jnp.unravel_index(chosen, log_rate.shape), axis=-1).astype(jnp.int32)
    rate, room = jnp.exp(log_rate), len(chosen)
    nobody = jnp.full(rate.size, room, jnp.int32)
    number_of = nobody.at[chosen].set(jnp.arange(room, dtype=jnp.int32))
    moved = displacement_of(model.field[..., INPUTS:])[tuple(cells.T)]
    return Candidates(
        cells,
        Known(
            log_rate[tuple(cells.T)],
            log_maps(rate, model.cell, cells),
            features,
        ),
        jnp.concatenate([moved, jnp.zeros((1, 3))]),
        number_of.reshape(rate.shape),
        jnp.sum(rate) / jnp.sum(rate[tuple(cells.T)]),
    )


def part_of(values: Array, chunk: Any) -> Array:
    """The values of one chunk of rows."""
    return jax.lax.dynamic_slice(values, (chunk * CHUNK,), (CHUNK,))
