"""What each command of ``galgen`` does; :mod:`galgen.cli` parses them."""

from __future__ import annotations

import abc
import dataclasses
import json
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from tqdm import tqdm

from galgen.data.catalogue import Catalogue
from galgen.data.encoding import CloudEncoding, Condition, Encoding
from galgen.data.features import condition_value
from galgen.data.suite import Suite, write_suite
from galgen.errors import InputError
from galgen.experiment import Experiment, Run, load_config
from galgen.serialization import read_json, to_json
from galgen.simulation.recipe import SuiteRecipe
from galgen.validation import compare, table, write_report

PROCESSES = os.cpu_count() or 1


class Command(abc.ABC):
    """One command, its options as fields."""

    @abc.abstractmethod
    def run(self) -> None:
        """Do it."""


@dataclasses.dataclass(frozen=True)
class Simulate(Command):
    """Make a suite of halo catalogues with the embedded simulator.

    Example: galgen simulate --output suite.h5 --train 400 --omega-m 0.2 0.4 --sigma-8 0.7 0.9
    """

    recipe: Annotated[SuiteRecipe, tyro.conf.arg(name="")] = SuiteRecipe()
    """What to make."""
    output: Path = Path("suite.h5")
    """The HDF5 suite to write."""
    processes: int = PROCESSES
    """Worker processes; the result is the same for any number."""

    def run(self) -> None:
        total = len(self.recipe.cosmologies()[0])
        catalogues: list[Catalogue] = []
        splits: list[str] = []
        with tqdm(total=total, desc="simulate", unit="catalogue") as bar:
            for catalogue, split in self.recipe.simulate(self.processes):
                note = {"recipe": json.dumps(to_json(self.recipe))}
                catalogues.append(catalogue.replace(provenance={**catalogue.provenance, **note}))
                splits.append(split)
                bar.update()
        self.output.parent.mkdir(parents=True, exist_ok=True)
        write_suite(self.output, catalogues, splits)
        print(f"{len(catalogues)} catalogues written to {self.output}")

    @property
    def cached(self) -> bool:
        """Whether ``output`` already holds this very suite."""
        if not self.output.exists():
            return False
        with Suite(self.output) as suite:
            made = suite[0].provenance.get("recipe")
        return made == json.dumps(to_json(self.recipe))


@dataclasses.dataclass(frozen=True)
class Train(Command):
    """Train by a configuration file; any field of it can be overridden by name.

    Ctrl-C saves a checkpoint; --resume goes on from the newest with the same numbers.

    Example: galgen train configs/demo.py --run runs/mine --trainer.steps 2000 --network.width 96
    """

    config: tyro.conf.Positional[Path]
    """The configuration file."""
    experiment: Annotated[Experiment, tyro.conf.arg(name="")]
    """The experiment it builds."""
    run_folder: Annotated[Path | None, tyro.conf.arg(name="run")] = None
    """Where to keep the run; runs/<name of the configuration> if not given."""
    resume: bool = False
    """Go on with the run in that folder."""

    def run(self) -> None:
        folder = self.run_folder or Path("runs") / self.config.stem
        try:
            self.experiment.train(folder, self.resume)
        except KeyboardInterrupt:
            print(f"stopped; galgen train {self.config} --run {folder} --resume goes on")
            raise
        print(f"trained run in {folder}")


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


@dataclasses.dataclass(frozen=True)
class Validate(Command):
    """Compare drawn catalogues with held-out ones of the same splits, and write a report.

    Example: galgen validate runs/demo --held-out suite.h5
    """

    folder: tyro.conf.Positional[Path]
    """The run."""
    held_out: Path | None = None
    """Suite with held-out catalogues; the one that the run was trained on if not given."""
    samples: Path | None = None
    """Suite of drawn catalogues; drawn now, at the held-out conditions, if not given."""
    repeats: int = 64
    """The most catalogues drawn now at one and the same condition of a split."""
    splits: tuple[str, ...] = ("test", "low", "high")
    """Splits to compare, those that the suite has."""
    output: Path | None = None
    """Folder of the report; <run>/report if not given."""
    seed: int = 0
    """Seed of draws made now."""

    def run(self) -> None:
        experiment: Experiment = read_json(self.folder / "experiment.json")
        path = self.held_out or experiment.data.held_out()
        if path is None:
            raise InputError(
                f"expected a run on catalogues, got {type(experiment.data).__name__}; "
                "validate compares catalogues"
            )
        held_out = held_out_groups(path, self.splits)
        samples = self.samples
        if samples is None:
            samples = self.folder / "samples.h5"
            run = Run.load(self.folder)
            if self.repeats < 4:
                raise InputError(
                    f"expected repeats of 4 or more, got {self.repeats}; fewer cannot be compared"
                )
            conditions, splits = conditions_of(path, self.splits, run.encoding, self.repeats)
            # Held-out cosmologies are what they are: one just outside the range is still judged.
            drawn = run.sample(conditions, self.seed, extrapolate=True, progress=True)
            save(run, drawn, splits, samples)
        generated = held_out_groups(samples, tuple(held_out))
        comparison = compare(generated, held_out)
        details = {**run_details(self.folder), **range_note(self.folder, held_out)}
        report = write_report(
            comparison,
            generated,
            held_out,
            self.output or self.folder / "report",
            f"galgen: {self.folder.name}",
            details,
        )
        print(table(comparison))
        print(f"\nreport: {report}")


def range_note(folder: Path, held_out: Mapping[str, Sequence[Catalogue]]) -> Mapping[str, str]:
    """How many held-out catalogues have a condition outside the trained range, if any have."""
    ranges = read_json(folder / "encoding.json").condition_ranges
    outside = sum(
        any(not low <= condition_value(c, name) <= high for name, (low, high) in ranges.items())
        for catalogues in held_out.values()
        for c in catalogues
    )
    if not outside:
        return {}
    return {"extrapolation": f"{outside} held-out catalogues lie outside the trained range"}


def run_details(folder: Path) -> Mapping[str, str]:
    """What a report says of the run: its parts and what its training came to."""
    experiment: Experiment = read_json(folder / "experiment.json")
    details = {
        field.name: " ".join(repr(getattr(experiment, field.name)).split())
        for field in dataclasses.fields(experiment)
    }
    metrics = folder / "metrics.jsonl"
    if metrics.exists() and (lines := metrics.read_text().splitlines()):
        last = json.loads(lines[-1])
        details["last step"] = ", ".join(f"{k} {v:.5g}" for k, v in last.items())
    return details


@dataclasses.dataclass(frozen=True)
class Inspect(Command):
    """Print what a suite of catalogues, or a run, holds.

    Example: galgen inspect suite.h5
    """

    path: tyro.conf.Positional[Path]
    """A suite (HDF5 file) or a run (folder)."""

    def run(self) -> None:
        if self.path.is_dir():
            run = read_json(self.path / "experiment.json")
            encoding: Encoding[Any] = read_json(self.path / "encoding.json")
            print(f"run {self.path}")
            for name, text in run_details(self.path).items():
                print(f"  {name}: {text}")
            for name, (low, high) in encoding.condition_ranges.items():
                print(f"  condition {name}: trained from {low:.4g} to {high:.4g}")
            assert isinstance(run, Experiment)
            return
        with Suite(self.path) as suite:
            print(suite_summary(suite))


def suite_summary(suite: Suite) -> str:
    """Splits, columns, counts and parameter ranges of a suite, and its first catalogue."""
    names, numbers = np.unique(suite.splits, return_counts=True)
    counts = suite.counts
    lines = [
        f"{len(suite)} catalogues, {counts.sum()} points "
        f"({counts.min()} to {counts.max()} each, mean {counts.mean():.1f})",
        "splits: " + ", ".join(f"{n} {k}" for n, k in zip(names, numbers, strict=True)),
        "columns: " + ", ".join(f"{c} [{suite.units[c]}]" for c in suite.column_names),
    ]
    for name in suite.parameter_names:
        values = suite.parameter_table([name])[:, 0]
        lines.append(f"{name}: {values.min():.5g} to {values.max():.5g}")
    lines.append(f"first: {suite[0]!r}")
    return "\n".join(lines)


@dataclasses.dataclass(frozen=True)
class Demo(Command):
    """The main job in minutes: simulate, train, sample, validate.

    Example: galgen demo --folder runs/demo
    """

    folder: Path = Path("runs/demo")
    """The run; its suite is kept beside it and used again."""
    config: Path = Path("configs/demo.py")
    """The configuration file."""
    processes: int = PROCESSES
    """Worker processes of the simulator."""

    def run(self) -> None:
        start = time.perf_counter()
        experiment = load_config(self.config)
        suite = experiment.data.held_out()
        if suite is None:
            raise InputError(f"expected a configuration of catalogues, got {self.config}")
        simulate = Simulate(output=suite, processes=self.processes)
        if simulate.cached:
            print(f"suite {suite} is there already")
        else:
            simulate.run()
        resume = (self.folder / "experiment.json").exists()
        experiment.train(self.folder, resume)
        Validate(self.folder).run()
        print(f"demo took {(time.perf_counter() - start) / 60:.1f} minutes")
