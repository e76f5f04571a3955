"""galgen validate: drawn catalogues against held-out ones, and the report."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import tyro

from galgen.commands.command import Command
from galgen.commands.sample import conditions_of, held_out_groups, save
from galgen.data.catalogue import Catalogue
from galgen.data.features import condition_value
from galgen.errors import InputError
from galgen.experiment import Experiment, Run
from galgen.serialization import read_json
from galgen.validation import compare, table, write_report


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

    def __post_init__(self) -> None:
        if self.repeats < 1:
            raise InputError(f"expected repeats of at least 1, got {self.repeats}; 64 is usual")

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
