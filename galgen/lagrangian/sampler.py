"""Draws of haloes on a Lagrangian grid: births of cells in steps, then marks for all together."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from galgen.checked import Count, ProperFraction, checked
from galgen.errors import InputError
from galgen.generative.sampling.method import Samples, SamplingMethod
from galgen.generative.sampling.sampler import Sampler
from galgen.geometry import PeriodicBox
from galgen.lagrangian.layout import COLUMNS, HIGHEST, INPUTS, PAD
from galgen.lagrangian.sums import WIDTHS, contributions, offsets
from galgen.lagrangian.trained import TrainedHaloes, displacement_of, known_of, log_maps

SLAB = 16
"""Blocks along x that the encoder sees at once, at most."""
CHUNK = 128
"""Births whose neighbours are gone through at once."""

PART = 2**12
"""Cells whose rate is computed at once."""


@dataclasses.dataclass(frozen=True)
@checked
class LagrangianSampler(SamplingMethod):
    """Equal steps of time from no halo (t=0) to all (t=1), then the marks.

    In each step a halo comes in every empty cell with the probability of its rate. Those that come
    in one step see each other: in random order, each stays with the probability by which the ones
    before it lower its rate. Where they raise it, it stays.

    Attributes:
        steps: of births.
        cells: fraction of all cells in which haloes may come, those of the largest lambda. The
            others' share is dealt to them.
        marks: how marks are drawn.
    """

    steps: Count = 32
    cells: ProperFraction = 0.125
    marks: Sampler = Sampler(steps=8)

    draws = TrainedHaloes
    has_own_number = True

    def __call__(self, model, key, shape, mask=None, condition=None, trajectory=False):
        if mask is not None or trajectory:
            raise InputError(
                "expected draws of haloes of the model's own number, without their trajectory, got "
                "a number or a trajectory to give; leave it out"
            )
        keys = jax.random.split(key, shape[0])
        drawn = [self._one(model.example(i, condition), keys[i], shape[1]) for i in range(shape[0])]
        x, mask = (jnp.stack(parts) for parts in zip(*drawn, strict=True))
        return Samples(x, self.steps + self.marks.steps * self.marks.step.evaluations, None, mask)

    def _one(
        self, model: TrainedHaloes, key: jax.Array, rows: int
    ) -> tuple[Float[Array, "rows columns"], Bool[Array, " rows"]]:
        key_births, key_marks = jax.random.split(key)
        found = likeliest(model, self.cells)
        born, sums = self.births(model, found, key_births, rows)
        return self.of_births(model, found, born, sums, key_marks, rows)

    def of_births(
        self,
        model: TrainedHaloes,
        found: Candidates,
        born: Bool[Array, " room"],
        sums: Float[Array, "room widths"],
        key: jax.Array,
        rows: int,
    ) -> tuple[Float[Array, "rows columns"], Bool[Array, " rows"]]:
        """Cells of haloes and their marks, and which rows are haloes.

        Args:
            model: with its field.
            found: cells in which haloes may come.
            born: those in which one did.
            sums: over all of them, as of :meth:`births`.
            key: of the marks.
            rows: haloes, at most.
        """
        chosen = jnp.nonzero(born, size=rows, fill_value=len(born))[0]
        haloes = found.haloes(model, chosen, sums)
        mask = haloes.mask
        flow = model.marks.flow(haloes.denoiser(model))
        marks = self.marks(flow, key, (1, rows, COLUMNS), mask[None], None).x[0]
        marks = marks.at[:, 3].set(model.mass(marks[:, 3]))
        x = jnp.concatenate([haloes.cells.astype(marks.dtype), marks], axis=-1)
        return jnp.where(mask[:, None], x, 0.0), mask

    def births(
        self, model: TrainedHaloes, found: Candidates, key: jax.Array, rows: int
    ) -> tuple[Bool[Array, " candidates"], Float[Array, "candidates widths"]]:
        """Which candidates hold a halo, and the sums over all haloes at each.

        Args:
            model: with its field.
            found: cells in which haloes may come.
            key: of all that is random.
            rows: haloes, at most.
        """
        room = len(found.cells)
        most = math.ceil((1.6 * rows / self.steps + 128) / CHUNK) * CHUNK

        def excess(at, sums, t):
            known = jax.tree.map(lambda values: values[at], found.known)
            cells = known.log_rate, known.maps, known.features
            return model.excess(*cells, sums, jnp.full(len(at), t))

        def chance(at, g):
            """Of a birth in this step."""
            rate = jnp.exp(found.known.log_rate[at] + g)
            return -jnp.expm1(-rate * (found.share / self.steps))

        def step(state, number):
            sums, born = state
            t = number / self.steps
            key_come, key_order, key_stay = jax.random.split(jax.random.fold_in(key, number), 3)
            level = jax.random.uniform(key_come, (room,))
            # Only where the highest rate would let one come is the rate computed.
            may = (level < chance(slice(None), HIGHEST)) & ~born[:room]
            may_come = jnp.nonzero(may, size=-(-room // PART) * PART, fill_value=room)[0]

            def look(part, state):
                comes, g = state
                rows = jax.lax.dynamic_slice(may_come, (part * PART,), (PART,))
                at = jnp.minimum(rows, room - 1)
                found_here = excess(at, sums[at], t)
                comes = comes.at[rows].set(level[at] < chance(at, found_here), mode="drop")
                return comes, g.at[rows].set(found_here, mode="drop")

            parts = -(-jnp.sum(may) // PART)
            start = jnp.zeros(room, bool), jnp.zeros(room)
            comes, g = jax.lax.fori_loop(0, parts, look, start)
            rows = jnp.nonzero(comes, size=most, fill_value=room)[0]
            order = jax.random.uniform(key_order, (most,))
            turn = jnp.full(room + 1, jnp.inf).at[rows].set(order).at[room].set(jnp.inf)

            def before(chunk, seen):
                mine = _part(rows, chunk)
                # Whichever are fewer: cells around them, or all that come.
                few = most < len(offsets())
                there, counted = (
                    found.between(mine, rows, model.cell) if few else found.around(mine, model.cell)
                )
                earlier = turn[there] < turn[mine][:, None]
                found_now = jnp.einsum("bo,bow->bw", earlier * 1.0, counted)
                return jax.lax.dynamic_update_slice(seen, found_now, (chunk * CHUNK, 0))

            # Loops end with the births of the step, which are far fewer than there is room for.
            number_born = jnp.minimum(jnp.sum(comes), most)
            at = jnp.minimum(rows, room - 1)
            seen = jnp.zeros((most, WIDTHS))
            seen = jax.lax.fori_loop(0, -(-number_born // CHUNK), before, seen)
            change = excess(at, sums[at] + seen, t) - g[at]
            stays = jax.random.uniform(key_stay, (most,)) < jnp.exp(change)
            rows = jnp.where(stays, rows, room)
            sums = found.with_haloes(sums, rows, number_born, model.cell)
            return (sums, born.at[rows].set(True)), None

        start = jnp.zeros((room + 1, WIDTHS)), jnp.zeros(room + 1, bool)
        (sums, born), _ = jax.lax.scan(step, start, jnp.arange(self.steps))
        return born[:room], sums[:room]


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
            there, counted = self.around(_part(rows, chunk), cell)
            return sums.at[there.ravel()].add(counted.reshape(-1, WIDTHS))

        return jax.lax.fori_loop(0, -(-number // CHUNK), add, sums)


def _part(values: Array, chunk: Any) -> Array:
    return jax.lax.dynamic_slice(values, (chunk * CHUNK,), (CHUNK,))


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
