"""galgen sample: draws from a trained run, at conditions given or those of a suite."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from galgen.commands.command import Command
from galgen.data.catalogue import Catalogue
from galgen.data.encoding import CloudEncoding, Condition, Encoding
from galgen.data.suite import Suite
from galgen.errors import InputError
from galgen.experiment import Run
from galgen.serialization import read_json


class Sample(Command):
    """Draw from a trained run; a condition not given is drawn uniformly from its trained range.

    Example: galgen sample runs/demo --number 16 --omega-m 0.31 --sigma-8 0.81 --output mocks.h5
    """

    folder: Path
    number: int
    like: Path | None
    splits: tuple[str, ...]
    points: int | None
    output: Path | None
    seed: int
    batch: int
    extrapolate: bool

    def _fixed(self) -> dict[str, float]:
        names = read_json(self.folder / "encoding.json").condition_ranges
        given = {name: getattr(self, _option(name)) for name in names}
        return {name: value for name, value in given.items() if value is not None}

    def run(self) -> None:
        run = Run.load(self.folder)
        if self.like is None:
            conditions = run.encoding.random_conditions(self.number, self._fixed(), self.seed)
            splits = ["sample"] * self.number
        else:
            conditions, splits = conditions_of(self.like, self.splits, run.encoding)
        output = self.output or self.folder / f"samples{run.encoding.suffix}"
        examples = run.sample(
            conditions, self.seed, self.batch, self.points, self.extrapolate, progress=True
        )
        save(run, examples, splits, output)


def save(run: Run, examples: Sequence[Any], splits: Sequence[str], output: Path) -> None:
    """Write what was drawn, and say so."""
    output.parent.mkdir(parents=True, exist_ok=True)
    run.encoding.save(output, examples, splits)
    print(f"{len(examples)} draws written to {output}")


def _option(name: str) -> str:
    return f"condition_{name}"


def sample_command(folder: Path) -> type[Sample]:
    """``Sample`` with an option for each condition of the run in ``folder``."""
    encoding: Encoding[Any] = read_json(folder / "encoding.json")
    fields: list[Any] = [
        ("folder", Annotated[tyro.conf.Positional[Path], tyro.conf.arg(help="The run.")]),
        _field("number", int, 16, "Catalogues to draw."),
    ]
    for name, (low, high) in encoding.condition_ranges.items():
        text = f"Trained from {low:.4g} to {high:.4g}."
        fields.append(_field(_option(name), float | None, None, text, option=name))
    fields += [
        _field("like", Path | None, None, "Draw one for each catalogue of this suite instead."),
        _field("splits", tuple[str, ...], ("test", "low", "high"), "Which of its splits."),
        _field(
            "points", int | None, None, "Points per catalogue; else drawn from p(N | condition)."
        ),
        _field("output", Path | None, None, "File to write; <run>/samples.h5 if not given."),
        _field("seed", int, 0, "Seed of the draws."),
        _field("batch", int, 16, "Catalogues per call of the sampler."),
        _field("extrapolate", bool, False, "Allow conditions outside the trained range."),
    ]
    return dataclasses.make_dataclass(
        "Sample", fields, bases=(Sample,), frozen=True, namespace={"__doc__": Sample.__doc__}
    )


def _field(name: str, kind: Any, default: Any, text: str, option: str | None = None) -> Any:
    return (
        name,
        Annotated[kind, tyro.conf.arg(help=text, name=option)],
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
        raise InputError("expected a run that draws catalogues for --like, got one of arrays")
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
