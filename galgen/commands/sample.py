"""galgen sample: draws from a trained run, at conditions given or those of a suite."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro
from astropy.table import Table
from tqdm import tqdm

from galgen.arrays import as_finite
from galgen.checked import Count, Names, Seed, checked
from galgen.commands.command import Command
from galgen.data.catalogue import Catalogue
from galgen.data.encoding import CloudEncoding, Condition, Draw, Encoding
from galgen.data.suite import Suite
from galgen.data.suite_parts import SuiteParts
from galgen.errors import InputError
from galgen.experiment import Run
from galgen.places import HDF5, check_file
from galgen.printing import say
from galgen.randomness import STREAMS
from galgen.reading import regular_file
from galgen.serialization import read_json
from galgen.training.sharding import ALL_ON_DATA, MeshShape

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
    output: Path | None
    seed: int
    batch: int
    mesh: str
    extrapolate: bool
    best: bool
    trust: bool

    def _fixed(self) -> dict[str, float]:
        names = read_json(self.folder / "encoding.json", Encoding, self.trust).condition_ranges
        given = {name: getattr(self, f"condition_{i}") for i, name in enumerate(names)}
        return {name: value for name, value in given.items() if value is not None}

    def run(self) -> None:
        mesh = MeshShape.parse(self.mesh)
        encoding: Encoding[Any] = read_json(self.folder / "encoding.json", Encoding, self.trust)
        clouds = isinstance(encoding, CloudEncoding)
        output = self._output(encoding.suffix)
        check_file(output, (self.like, self.table), HDF5 if clouds else None)
        conditions, splits = self._conditions(encoding)
        run = Run.load(self.folder, best=self.best, trust=self.trust)
        if not clouds:
            options = self.batch, self.points, self.extrapolate
            examples = run.sample(conditions, self.seed, *options, progress=True, mesh=mesh)
            save(run, examples, splits, output)
            return
        draws = run.plan(
            conditions, self.seed, self.batch, self.points, self.extrapolate, mesh=mesh
        )
        job = {
            "weights": run.weights_hash,
            "conditions": hashlib.sha256(json.dumps([conditions, splits]).encode()).hexdigest(),
            "seed": self.seed,
            "streams": STREAMS,
            "batch": draws[0].shape[0],
            "points": self.points,
        }
        output.parent.mkdir(parents=True, exist_ok=True)
        with SuiteParts(output, len(draws), job) as parts:
            stream_draws(run, draws, splits, self.seed, parts, mesh)
        say(f"{len(conditions)} draws written to {output}")

    def _conditions(self, encoding: Encoding[Any]) -> tuple[list[Condition], list[str]]:
        """The condition and the split of every catalogue."""
        fixed = self._fixed()
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
        return conditions, ["sample"] * len(conditions)

    def _output(self, suffix: str) -> Path:
        if self.output is None:
            return self.folder / f"samples{suffix}"
        if self.output.is_dir() or not self.output.suffix:
            return self.output / f"samples{suffix}"
        return self.output


def stream_draws(
    run: Run,
    draws: Sequence[Draw],
    splits: Sequence[str],
    seed: int,
    parts: SuiteParts,
    mesh: MeshShape,
) -> None:
    """Write each draw of a plan as soon as it is made, then the suite in the order asked for."""
    missing = parts.missing
    total = sum(len(draw.wanted) for draw in draws)
    left = sum(len(draws[number].wanted) for number in missing)
    with tqdm(total=total, initial=total - left, desc="sample", unit="catalogue") as bar:
        for number, drawn in run.draw(draws, seed, missing, mesh):
            parts.write(number, drawn, [splits[row] for row in draws[number].wanted])
            bar.update(len(drawn))
    places = [
        (row, (number, place))
        for number, draw in enumerate(draws)
        for place, row in enumerate(draw.wanted)
    ]
    parts.finish([place for _, place in sorted(places)])


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


def save(run: Run, examples: Sequence[Any], splits: Sequence[str], output: Path) -> None:
    """Write what was drawn, and say so."""
    output.parent.mkdir(parents=True, exist_ok=True)
    run.encoding.save(output, examples, splits)
    say(f"{len(examples)} draws written to {output}")


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
    encoding: Encoding[Any] = read_json(folder / "encoding.json", Encoding, trust)
    fields: list[Any] = [
        ("folder", Annotated[tyro.conf.Positional[Path], tyro.conf.arg(help="The run.")]),
        _field("number", Count, 16, "Catalogues to draw.", aliases=("-n", "--n")),
    ]
    ranges = encoding.condition_ranges
    for i, (option, (low, high)) in enumerate(zip(_options(ranges), ranges.values(), strict=True)):
        text = f"Trained from {low:.4g} to {high:.4g}."
        fields.append(_field(f"condition_{i}", float | None, None, text, option=option))
    fields += [
        _field("like", Path | None, None, "Draw one for each catalogue of this suite instead."),
        _field("splits", Names, ("test", "low", "high"), "Which of its splits."),
        _field("table", Path | None, None, "Draw at the conditions in the rows of this table."),
        _field("repeats", Count, 1, "Catalogues of each row of the table."),
        _field(
            "points", Count | None, None, "Points per catalogue; else drawn from p(N | condition)."
        ),
        _field(
            "output",
            Path | None,
            None,
            "File or folder to write; <run>/samples.h5 if not given. What a stopped job has drawn "
            "is kept beside it, and the same command goes on.",
            aliases=("-o",),
        ),
        _field("seed", Seed, 0, "Seed of the draws."),
        _field("batch", Count, 16, "Catalogues per call of the sampler."),
        _field(
            "mesh",
            str,
            str(ALL_ON_DATA),
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
    name: str,
    kind: Any,
    default: Any,
    text: str,
    option: str | None = None,
    aliases: tuple[str, ...] | None = None,
) -> Any:
    return (
        name,
        Annotated[kind, tyro.conf.arg(help=text, name=option, aliases=aliases)],
        dataclasses.field(default=default),
    )


def conditions_of(
    path: Path, splits: Sequence[str], encoding: Encoding[Any], repeats: int | None = None
) -> tuple[list[Condition], list[str]]:
    """The condition and the split of every catalogue of a suite in ``splits``.

    Args:
        path: of the suite.
        splits: those that it has are used.
        encoding: of the run, which says what a condition is.
        repeats: the most catalogues of one split and one condition; None for all.

    Raises:
        InputError: if the model draws no catalogues, or the suite has none of the splits.
    """
    if not isinstance(encoding, CloudEncoding):
        raise InputError(
            "expected a run that draws catalogues for --like, got one of arrays; leave it out"
        )
    conditions: list[Condition] = []
    chosen: list[str] = []
    for split, catalogues in held_out_groups(path, splits).items():
        seen: Counter[tuple[float, ...]] = Counter()
        for catalogue in catalogues:
            condition = encoding.standardizer.condition_values(catalogue)
            key = tuple(condition.values())
            seen[key] += 1
            if repeats is None or seen[key] <= repeats:
                conditions.append(condition)
                chosen.append(split)
    return conditions, chosen


def held_out_groups(path: Path, splits: Sequence[str]) -> dict[str, list[Catalogue]]:
    """The catalogues of a suite by split, of those splits it has.

    Raises:
        InputError: if it has none of them.
    """
    with Suite(path) as suite:
        present = sorted(set(suite.splits))
        chosen = [split for split in splits if split in present]
        if not chosen:
            raise InputError(
                f"expected one of the splits {list(splits)} in {path}, got {present}; "
                "name some with --splits"
            )
        return {split: suite.catalogues(split) for split in chosen}
