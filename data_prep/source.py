"""What every source is: its options, and the way from its boxes to a suite.

Boxes are read, cut, thinned and written one at a time: memory holds one of them.
"""

from __future__ import annotations

import abc
import dataclasses
import functools
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import tyro

from data_prep.account import Account
from data_prep.boxes import place_in_box, shown
from data_prep.checks import check_units
from data_prep.field_options import FieldOptions
from data_prep.options import Corner, Sides
from data_prep.tables.parameters import ParameterTable, simulation_of, together
from galgen.data.catalogue import Catalogue
from galgen.data.cutting import cut_into_cubes, grid_of, thin
from galgen.data.field import Field
from galgen.data.filling import gaps_of
from galgen.errors import InputError
from galgen.places import HDF5, check_file
from galgen.reading import reading

PUBLISHED = "published"
"""Provenance of a catalogue's split in the files it comes from."""

LENGTHS: Mapping[str, float] = {"kpc/h": 1e-3, "Mpc/h": 1.0}
LengthUnit = Literal["kpc/h", "Mpc/h"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source(abc.ABC):
    """Options that every source shares."""

    inputs: tyro.conf.Positional[tuple[Path, ...]]
    """Raw files."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """The suite to write."""
    cut: float | None = None
    """Cut into open cubes of this side [Mpc/h]."""
    splits: str = "train=0.8,test=0.2"
    """Fractions of the catalogues, at random by seed; or published, for those the files name."""
    split_by: Literal["catalogue", "box"] = "catalogue"
    """What goes to a split as a whole; box keeps the cubes of one box together."""
    seed: int = 0
    """Of the splits, of random thinning and of grid shifts."""
    mass_min: float | None = None
    """Drop points below this mass [Msun/h]."""
    n_max: int | None = None
    """Keep at most so many points of a catalogue: the most massive, or random without masses."""
    n_min: int = 1
    """Drop catalogues with fewer points; 0 keeps empty ones, which are data too."""
    account: Account = dataclasses.field(init=False, default_factory=Account, compare=False)
    """What was read and what was dropped."""

    @abc.abstractmethod
    def boxes(self) -> Iterator[Catalogue]:
        """The catalogues of the inputs, one after the other, as they are."""

    def field_of(self, place: int, box: Catalogue) -> Field | None:
        """The field that a box, the ``place``-th of all, comes from; None without."""
        return None

    def cubes(self, box: Catalogue) -> Iterator[Catalogue]:
        """A box above the mass limit, cut if asked."""
        limited = self._above_limit(box)
        yield from [limited] if self.cut is None else self._cut(limited, self.cut)

    def _above_limit(self, box: Catalogue) -> Catalogue:
        limited = thin(box, self.mass_min, None)
        self.account.drop(f"below {self.mass_min or 0:g} Msun/h", len(box) - len(limited))
        return limited

    def _cut(self, box: Catalogue, side: float) -> list[Catalogue]:
        """The cubes of a box, and in the account what is in none."""
        cubes, grid = cut_into_cubes(box, side), grid_of(box.box, side)
        lost = f"{100 * (1 - grid.kept):.3g}%"
        points = len(box) - sum(map(len, cubes))
        self.account.drop("in the rest of the box beyond the last whole cube", points)
        shape = " x ".join(f"{length:.9g}" for length in grid.sides)
        cells = " x ".join(map(str, grid.cells))
        self.account.note(f"cut: {cells} cubes of {shape} Mpc/h, {lost} of the volume in none")
        if grid.kept < 0.99:
            whole = max(box.box) / max(round(max(box.box) / side), 1)
            self.account.warn(
                "rest",
                f"--cut {side:g} leaves {lost} of the volume of a box of {shown(box.box)} Mpc/h, "
                f"and {points} points, in no cube; --cut {whole:.9g} divides {max(box.box):g}",
            )
        return cubes


@dataclasses.dataclass(frozen=True, kw_only=True)
class BoxSource(FieldOptions, Source):
    """Options of sources that read whole boxes of simulations."""

    parameter_table: Path | None = None
    """Table of cosmological parameters, a row per simulation."""
    parameter_names: tuple[str, ...] = ()
    """Names of all columns of the table of parameters, if its file does not have them."""
    ignore: tuple[str, ...] = ()
    """Columns of the table of parameters to leave out."""
    id_pattern: str = r"/([^/]+)/[^/]+$"
    """Regular expression whose group is the simulation in an input's path."""
    check_units: bool = True
    """Refuse masses and velocities that cannot be in Msun/h and km/s."""
    box: Sides | None = None
    """Sides of the box [Mpc/h], one number for a cube; what the files say, if not given."""
    wrap: bool = False
    """Positions beyond the box, by one side or less, are on its other side."""
    shift: Corner | None = None
    """Where the box of the files begins [Mpc/h], e.g. -50, or centre; 0 if not given."""
    open: bool = False
    """The boxes are parts of something larger, not periodic."""

    @abc.abstractmethod
    def read(self, path: Path) -> Iterator[Catalogue]:
        """The boxes of one input."""

    @functools.cached_property
    def _table_rows(self) -> Mapping[Path, Mapping[str, float]]:
        if self.parameter_table is None:
            if self.ignore:
                raise InputError("expected --parameter-table with --ignore, got none; pass it")
            return {}
        table = ParameterTable.read(self.parameter_table, self.ignore, self.parameter_names)
        return table.join(self.inputs, self.id_pattern)

    def row_of(self, path: Path) -> Mapping[str, float]:
        """The parameters that the table of parameters has for an input."""
        return self._table_rows.get(path, {})

    @functools.cached_property
    def _fields(self) -> tuple[Path, ...]:
        """The file of the field of each input; none without ``--field``."""
        names = [simulation_of(path, self.id_pattern) for path in self.inputs if self.field]
        fields = self.fields_of(names)
        if fields:
            check_file(self.output, fields, HDF5)
            if self.cut is not None:
                raise InputError("expected whole boxes with --field, got --cut; leave one out")
        return fields

    def field_of(self, place: int, box: Catalogue) -> Field | None:
        return self.read_field(self._fields[place], box, self.account) if self._fields else None

    def boxes(self) -> Iterator[Catalogue]:
        for path, field in itertools.zip_longest(self.inputs, self._fields):
            number = 0
            with reading(path, "raw data"):
                for box in self.read(path):
                    completed = self.checked(self._completed(box, self.row_of(path), path))
                    number += 1
                    if field is not None:
                        _check_single(number)
                        completed = self.with_field(completed, field)
                    self.account.read(len(completed), 1)
                    self._check_filled(completed, path)
                    yield completed
                if field is not None:
                    _check_single(number)

    def checked(self, box: Catalogue) -> Catalogue:
        """The box; an InputError if its masses and velocities cannot be in our units."""
        if self.check_units:
            check_units(box)
        return box

    def place(
        self, columns: Mapping[str, np.ndarray], side: float | None, **fields: Any
    ) -> Catalogue:
        """The catalogue of a box of this source: shifted and wrapped if asked, open or periodic.

        ``side`` [Mpc/h] is what the file says, or is assumed; None if it does not say. ``--box``
        goes before it. ``fields`` are others of the catalogue.

        Raises:
            InputError: as :func:`~data_prep.boxes.place_in_box`.
        """
        sides = side if self.box is None else self.box
        if sides is None:
            raise InputError("expected the side of the box, got none in the file; pass --box")
        if side is not None and not np.allclose(sides, side, rtol=1e-3):
            known = f"{side:g} Mpc/h that the files say or are known by"
            self.account.warn("box", f"--box goes before the side of {known}")
        if self.wrap:
            self.account.note("positions beyond a box are on its other side, as --wrap says")
        return place_in_box(columns, sides, self.shift, self.wrap, periodic=not self.open, **fields)

    def _check_filled(self, box: Catalogue, path: Path) -> None:
        """Warn of a periodic box of which a part is empty."""
        gaps = gaps_of(box) if box.periodic else []
        if gaps:
            self.account.warn(
                "empty",
                f"{path}: points do not fill the periodic box of {shown(box.box)} Mpc/h: "
                f"{'; '.join(map(str, gaps))}; pass --open if it is a part of something larger, "
                "--box X Y Z if it is no cube, or check the units",
            )

    def _completed(self, box: Catalogue, row: Mapping[str, float], path: Path) -> Catalogue:
        """The box with the parameters of its simulation."""
        if not row:
            return box
        if abs(row.get("redshift", box.redshift) - box.redshift) > 1e-3:
            raise InputError(
                f"expected redshift {row['redshift']:g} of {self.parameter_table}, got "
                f"{box.redshift:g} of {path}; pass --redshift, or --ignore redshift"
            )
        row = {name: value for name, value in row.items() if name != "redshift"}
        simulation = simulation_of(path, self.id_pattern)
        remedy = "check --id-pattern, or whether the file is mislabelled"
        sources = (str(path), str(self.parameter_table))
        return box.replace(
            cosmology=together(box.cosmology, row, sources, remedy),
            provenance={**box.provenance, "simulation": str(simulation)},
        )


def split_in(path: Path) -> dict[str, str]:
    """The published split that a file name tells, as provenance; none if it tells none."""
    words = path.stem.lower().replace("-", "_").split("_")
    known = {"train": "train", "val": "validation", "valid": "validation", "test": "test"}
    found = [known[word] for word in words if word in known]
    return {PUBLISHED: found[0]} if len(set(found)) == 1 else {}


def _check_single(number: int) -> None:
    if number != 1:
        raise InputError(
            f"expected one catalogue in each input with --field, got {number or 'none'}"
            f"{' or more' if number else ''}; make a file of each"
        )
