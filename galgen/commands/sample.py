"""galgen sample: draws from a trained run, at conditions given or those of a suite."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import tyro

import galgen
from galgen.arrays import as_finite
from galgen.checked import Count, Names, Positive, Seed, checked
from galgen.commands.command import Command
from galgen.commands.runs import encoding_of, outputs_of
from galgen.commands.suites import conditions_of
from galgen.data.encoding import CatalogueEncoding, Condition, Encoding
from galgen.data.field import Field
from galgen.errors import InputError
from galgen.places import HDF5, check_file
from galgen.printing import say
from galgen.reading import regular_file
from galgen.reading.numpy_files import read_npy

TABLE_FORMATS = {".fits": "fits", ".csv": "ascii.csv", ".ecsv": "ascii.ecsv"}


@checked
class Sample(Command):
    """Draw from a trained run; a condition not given is drawn uniformly from its trained range.

    Example: galgen sample runs/demo --number 16 --omega-m 0.31 --sigma-8 0.81 --output mocks.h5
    """

    folder: Path
    number: int
    like: Path | None
    splits: tuple[str, ...]
    points: int | None
    table: Path | None
    repeats: int
    box: float | None
    field: Path | None
    output: Path | None
    seed: int
    batch: int
    mesh: str | None
    extrapolate: bool
    best: bool
    trust: bool

    def _fixed(self, encoding: Encoding[Any]) -> dict[str, float]:
        """The conditions that are given."""
        given = {
            n: getattr(self, f"condition_{i}") for i, n in enumerate(encoding.condition_ranges)
        }
        return {name: value for name, value in given.items() if value is not None}

    def run(self) -> None:
        shape = galgen.training.MeshShape
        mesh = shape() if self.mesh is None else shape.parse(self.mesh)
        encoding = encoding_of(self.folder, self.trust)
        output = self._output(encoding.suffix)
        clouds = isinstance(encoding, CatalogueEncoding)
        check_file(output, (self.like, self.table), HDF5 if clouds else None)
        conditions, splits, fields = self._conditions(encoding)
        galgen.sample(
            galgen.Run.load(self.folder, best=self.best, trust=self.trust),
            conditions,
            output,
            self.seed,
            self.batch,
            self.points,
            self.extrapolate,
            splits,
            mesh,
            progress=True,
            fields=self._fields(encoding, len(conditions)) if fields is None else fields,
            box=self.box if self.field is None else None,
        )
        say(f"{len(conditions)} draws written to {output}")

    def _conditions(
        self, encoding: Encoding[Any]
    ) -> tuple[list[Condition], list[str], list[Field] | None]:
        """The condition, the split and the field of every catalogue."""
        fixed = self._fixed(encoding)
        if self.like is not None and (self.table is not None or fixed):
            raise InputError(
                "expected one of --like, --table and conditions, got --like with another; leave "
                "one out"
            )
        if self.like is not None:
            return conditions_of(self.like, self.splits, encoding)
        if self.table is not None:
            conditions = conditions_in(self.table, fixed, encoding, self.repeats)
        else:
            conditions = encoding.random_conditions(self.number, fixed, self.seed)
        return conditions, ["sample"] * len(conditions), None

    def _fields(self, encoding: Encoding[Any], number: int) -> list[Field] | None:
        """The field of --field, for every draw."""
        if self.field is None:
            return None
        if self.like is not None:
            raise InputError(
                "expected one of --like and --field, got both; leave one out: --like reads the "
                "fields of its suite"
            )
        if self.box is None:
            raise InputError(
                f"expected the side of the box of {self.field} in Mpc/h, got none; pass --box"
            )
        return [Field(read_npy(self.field, "a linear field"), self.box)] * number

    def _output(self, suffix: str) -> Path:
        if self.output is None:
            return outputs_of(self.folder) / f"samples{suffix}"
        if self.output.is_dir() or not self.output.suffix:
            return self.output / f"samples{suffix}"
        return self.output


def conditions_in(
    path: Path, fixed: Condition, encoding: Encoding[Any], repeats: int
) -> list[Condition]:
    """The conditions in the rows of a table, each ``repeats`` times.

    Args:
        path: text, CSV, ECSV or FITS, with a column for every condition that is not fixed.
        fixed: conditions that are the same in all rows.
        encoding: of the run, which says what a condition is.
        repeats: catalogues of each row.

    Raises:
        InputError: if the table cannot be read, lacks a column, has none, or repeats are below 1.
    """
    from astropy.table import Table

    names = [name for name in encoding.condition_ranges if name not in fixed]
    try:
        regular_file(path, "a table of conditions")
        table = Table.read(path, format=TABLE_FORMATS.get(path.suffix, "ascii"))
    except InputError:
        raise
    except Exception as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"expected a table with a line of column names in {path}, got {reason}; write CSV "
            f"with columns {', '.join(names)}"
        ) from error
    missing = [name for name in names if name not in table.colnames]
    if missing or not len(table) or repeats < 1:
        raise InputError(
            f"expected rows with columns {names} in {path} and 1 or more catalogues of each, got "
            f"{len(table)} rows with columns {table.colnames} and {repeats} of each; rename the "
            "columns, or fix a condition by its option"
        )
    columns = [as_finite(table[name], f"column {name} of {path}").tolist() for name in names]
    rows = [{**fixed, **dict(zip(names, row, strict=True))} for row in zip(*columns, strict=True)]
    return [row for row in rows for _ in range(repeats)]


def _options(names: Iterable[str]) -> list[str]:
    """The option of each condition: its name, in letters that an option can have, and its own."""
    taken, found = set(Sample.__annotations__), []
    for i, name in enumerate(names):
        plain = re.sub(r"[^\w.]", "_", name).strip("._")
        found.append(plain if plain and plain not in taken else f"condition_{i}")
        taken.add(found[-1])
    return found


def sample_command(folder: Path, trust: bool = False) -> type[Sample]:
    """``Sample`` with an option for each condition of the run in ``folder``."""
    return with_conditions(encoding_of(folder, trust).condition_ranges)


def with_conditions(ranges: Mapping[str, tuple[float, float]]) -> type[Sample]:
    """``Sample`` with an option for each condition, trained over a range."""
    fields: list[Any] = [
        ("folder", Annotated[tyro.conf.Positional[Path], tyro.conf.arg(help="The run.")]),
        _field("number", Count, 16, "Catalogues to draw.", alias="-n"),
    ]
    for i, (option, (low, high)) in enumerate(zip(_options(ranges), ranges.values(), strict=True)):
        text = f"Trained from {low:.4g} to {high:.4g}."
        fields.append(_field(f"condition_{i}", float | None, None, text, option=option))
    fields += [
        _field("like", Path | None, None, "Draw one for each catalogue of this suite instead."),
        _field("splits", Names, ("test", "low", "high"), "Which of its splits."),
        _field("table", Path | None, None, "Draw at the conditions in the rows of this table."),
        _field("repeats", Count, 1, "Catalogues of each row of the table."),
        _field(
            "box",
            Positive | None,
            None,
            "Side of the box [Mpc/h], for a model that draws from a linear field: that field is "
            "drawn first, its phases by the seed.",
        ),
        _field(
            "field",
            Path | None,
            None,
            "A linear density contrast of that box instead, .npy (mesh, mesh, mesh).",
        ),
        _field(
            "points",
            Count | None,
            None,
            "Points per catalogue, of haloes from a field the heaviest; else drawn.",
        ),
        _field(
            "output",
            Path | None,
            None,
            "File or folder to write; <run>/samples.h5 if not given. What a stopped job has drawn "
            "is kept beside it, and the same command goes on.",
            alias="-o",
        ),
        _field("seed", Seed, 0, "Seed of the draws."),
        _field("batch", Count, 16, "Catalogues per call of the sampler."),
        _field(
            "mesh",
            str | None,
            None,
            "Devices along each axis, e.g. data=1,points=8: those of points share the points of "
            "each catalogue; all on data if not given.",
        ),
        _field("extrapolate", bool, False, "Allow conditions outside the trained range."),
        _field(
            "best", bool, False, "Use the checkpoint that the evaluation in training found best."
        ),
        _field("trust", bool, False, "Import classes of other packages that the run names."),
    ]
    return dataclasses.make_dataclass(
        "Sample", fields, bases=(Sample,), frozen=True, namespace={"__doc__": Sample.__doc__}
    )


def _field(
    name: str, kind: Any, default: Any, text: str, option: str | None = None, alias: str = ""
) -> Any:
    aliases = (alias,) if alias else None
    told = Annotated[kind, tyro.conf.arg(help=text, name=option, aliases=aliases)]
    return (name, told, dataclasses.field(default=default))
