"""Draws of haloes on a Lagrangian grid: births of cells in steps, then marks for all together."""

from __future__ import annotations

import dataclasses
import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from galgen.checked import Count, ProperFraction, checked
from galgen.errors import InputError
from galgen.generative.sampling.method import Samples, SamplingMethod
from galgen.generative.sampling.sampler import Sampler
from galgen.lagrangian.candidates import CHUNK, Candidates, likeliest, part_of
from galgen.lagrangian.layout import COLUMNS, HIGHEST
from galgen.lagrangian.sums import WIDTHS, offsets
from galgen.lagrangian.trained import TrainedHaloes

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
                mine = part_of(rows, chunk)
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
