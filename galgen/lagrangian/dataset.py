"""Catalogues with their fields, on Lagrangian grids, in pieces to train on."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32

from galgen.checked import Count, NotNegative, checked
from galgen.data.catalogue import Catalogue
from galgen.data.dataset import Dataset, Prepared
from galgen.data.examples import fields_through
from galgen.data.field import Field
from galgen.data.fingerprint import Parts
from galgen.data.order import Order
from galgen.data.suite import Suite, SuiteView
from galgen.errors import InputError
from galgen.lagrangian.encoding import LagrangianEncoding
from galgen.lagrangian.grid import GridUnits, as_inputs
from galgen.lagrangian.halo_table import COLUMNS_READ, HaloTable
from galgen.lagrangian.layout import PAD, REACH
from galgen.randomness import Role, random_generator
from galgen.types import Batch

FEW_DROPPED = 0.01
"""Of all haloes, above which those that are left out are told of."""
MULTIPLE = 256
"""Padded numbers of haloes are multiples of it."""


@dataclasses.dataclass(frozen=True)
@checked
class LagrangianDataset(Dataset):
    """Haloes with velocities and masses, of a suite that holds the linear field of each box.

    Attributes:
        path: the HDF5 suite, of periodic cubes of any sizes, at any flat cosmologies.
        split: which of its catalogues to train on.
        minimum_masses: least masses that catalogues are cut at [Msun/h], each once; 0 for that of
            the lightest halo that it holds.
        piece: side of what one step sees, in cells, or the whole box if that is smaller.
        units: scales of the grid.
    """

    path: Path
    split: str = "train"
    minimum_masses: tuple[NotNegative, ...] = (0.0,)
    piece: Count = 64
    units: GridUnits = GridUnits()

    def prepare(self, batch_size, seed, shard=(0, 1), origin=None):
        parts = Parts()
        tables = self._tables(self.split, parts)
        if origin is None:
            encoding = LagrangianEncoding.fit(self.units, tables)
        else:
            encoding = origin.same(parts.fingerprint, self.path)
        source = PieceSource(tables, encoding, self.piece, batch_size, seed, shard)
        return Prepared(source, encoding, None, parts.fingerprint)

    def held_out_source(self, encoding, batch_size, split, shard=(0, 1)):
        tables = self._tables(split, Parts())
        return PieceSource(tables, encoding, self.piece, batch_size, 0, shard)

    def held_out_fingerprint(self, split):
        parts = Parts()
        for _ in self._catalogues(split, parts):
            pass
        return parts.fingerprint

    def held_out_fields(self, split, number):
        suite = Suite(self.path)
        return [suite.field(i) for i in suite.indices(split)[:number].tolist()]

    def held_out(self) -> Path | None:
        return self.path

    def _catalogues(self, split: str, parts: Parts) -> Iterator[tuple[Catalogue, Field]]:
        suite = Suite(self.path)
        view = SuiteView(suite, suite.indices(split))
        passing = parts.through(iter(view), COLUMNS_READ)
        return zip(passing, fields_through(view, parts), strict=True)

    def _tables(self, split: str, parts: Parts) -> list[HaloTable]:
        found = [
            HaloTable.of(catalogue, field, limit, self.units).small()
            for catalogue, field in self._catalogues(split, parts)
            for limit in self.minimum_masses
        ]
        dropped, kept = sum(t.dropped for t in found), sum(len(t.cells) for t in found)
        if dropped > FEW_DROPPED * kept:
            warnings.warn(
                f"{dropped} of {dropped + kept} haloes lie in a cell with a heavier one and are "
                "left out, so draws have fewer; raise --data.minimum-masses, or take satellites "
                "out",
                stacklevel=3,
            )
        return found


class PieceSource:
    """Pieces at random places, turned and mirrored at random, as a pure function of the step.

    Args:
        tables: of catalogues.
        encoding: of training.
        side: of a piece, in cells.
        batch_size: pieces in every batch.
        seed: of order, places and symmetries.
        shard: which part of every batch this is, of how many.
    """

    def __init__(
        self,
        tables: Sequence[HaloTable],
        encoding: LagrangianEncoding,
        side: int,
        batch_size: int,
        seed: int,
        shard: tuple[int, int] = (0, 1),
    ) -> None:
        side = min(side, *(table.grid.mesh for table in tables)) // 2 * 2
        if side < 2 * REACH + 8:
            raise InputError(
                f"expected pieces of {2 * REACH + 8} cells or more, got {side}; raise --data.piece"
            )
        self._tables, self._encoding, self._side, self._seed = tables, encoding, side, seed
        self._shard, self._order = shard, Order(np.ones(len(tables), int), batch_size, seed)
        self._marks = [
            encoding.marks_of(table, random_generator(Role.EQUAL_MASSES, 0, number))
            for number, table in enumerate(tables)
        ]

    def batch(self, step: int) -> Batch:
        """Batch number ``step``, a pure function of the seed and the step."""
        return self._made(self._order.batch(step), None, step)

    def once(self, most: int) -> Iterator[Batch]:
        """One piece of every catalogue, with weight 1; what fills the last batch has 0."""
        for number, (rows, weight) in enumerate(self._order.once(most)):
            yield self._made(rows, weight, number)

    def __len__(self) -> int:
        """Catalogues, each as often as there are least masses."""
        return len(self._tables)

    def whole(self, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Haloes, condition and field of one box, as it is."""
        table = self._tables[number]
        x = np.concatenate([table.cells, self._marks[number]], axis=1).astype(np.float32)
        return x, self._encoding.condition_of(table.grid), table.grid.inputs()

    def _made(self, rows: np.ndarray, weight: np.ndarray | None, step: int) -> Batch:
        part, parts = self._shard
        rngs = [
            random_generator(Role.PIECES, self._seed, step, place) for place in range(len(rows))
        ]
        pieces = [self._piece(*each) for each in zip(rows.tolist(), rngs, strict=True)]
        size = -(-max(len(x) for x, _, _ in pieces) // MULTIPLE) * MULTIPLE
        mine = np.split(np.arange(len(rows)), parts)[part]
        x = [np.pad(pieces[i][0], ((0, size - len(pieces[i][0])), (0, 0))) for i in mine]
        mask = [np.arange(size) < len(pieces[i][0]) for i in mine]
        condition, field = (np.stack([pieces[i][part] for i in mine]) for part in (1, 2))
        kept = None if weight is None else weight[mine]
        return Batch(np.stack(x), np.stack(mask), condition, kept, field)

    def _piece(
        self, row: int, rng: np.random.Generator
    ) -> tuple[
        Float32[np.ndarray, "points columns"],
        Float32[np.ndarray, "3"],
        Float32[np.ndarray, "b b b channels"],
    ]:
        """Haloes, condition and field of one, with what lies around it."""
        table, grid, side = self._tables[row], self._tables[row].grid, self._side
        origin = 2 * rng.integers(0, grid.mesh // 2, 3)
        axes, mirrored = rng.permutation(3), rng.integers(0, 2, 3).astype(bool)
        sign = np.where(mirrored, -1, 1).astype(np.float32)

        def cut(values: np.ndarray, unit: int) -> np.ndarray:
            low, high = (origin - 2 * PAD) // unit, (origin + side + 2 * PAD) // unit
            ends = zip(low, high, strict=True)
            x, y, z = np.ix_(*(np.arange(*pair) % (grid.mesh // unit) for pair in ends))
            return turned(values[..., x, y, z], axes, mirrored)

        def cut_vectors(values: np.ndarray, unit: int) -> np.ndarray:
            pieces = cut(values, unit)
            vectors = pieces.reshape(-1, 3, *pieces.shape[1:])[:, axes] * sign[:, None, None, None]
            return vectors.reshape(pieces.shape)

        field = as_inputs(
            cut(grid.density, 1),
            cut(grid.spheres, 2),
            cut_vectors(grid.waves, 2),
            cut_vectors(grid.displacement, 1),
        )
        cells = (table.cells - origin) % grid.mesh
        inside = np.all(cells < side, axis=1)
        cells, marks = cells[inside][:, axes], self._marks[row][inside]
        cells = np.where(mirrored, side - 1 - cells, cells)
        offset, speed = (marks[:, part][:, axes] * sign for part in (slice(3), slice(4, None)))
        x = np.concatenate([cells, offset, marks[:, 3:4], speed], axis=1).astype(np.float32)
        return x, self._encoding.condition_of(grid), field


def turned(
    values: Float[np.ndarray, "*lead x y z"], axes: np.ndarray, mirrored: np.ndarray
) -> Float[np.ndarray, "*lead a b c"]:
    """The last three axes in another order, then some of them mirrored."""
    lead = values.ndim - 3
    values = values.transpose(*range(lead), *(lead + axes))
    return np.flip(values, tuple((lead + np.flatnonzero(mirrored)).tolist()))
