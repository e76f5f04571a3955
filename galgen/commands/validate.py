"""galgen validate: generated catalogues against held-out ones, the report, a gate for scripts."""

from __future__ import annotations

import dataclasses
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import tyro

from galgen.checked import DISTINCT, Count, Names, Seed, checked
from galgen.commands.command import Command
from galgen.commands.further import Further, further_statistics
from galgen.commands.sample import conditions_of, held_out_groups, save
from galgen.data.catalogue import Catalogue
from galgen.data.dataset import CatalogueDataset
from galgen.data.encoding import Encoding
from galgen.data.features import condition_value
from galgen.data.suite import Suite
from galgen.errors import InputError
from galgen.experiment import Experiment, Run
from galgen.places import check_folder
from galgen.printing import say
from galgen.publishing import own_folder
from galgen.serialization import read_json
from galgen.training.tracking import read_metrics
from galgen.validation import ValidationSettings, compare, table, write_report
from galgen.validation.numbers import numbers
from galgen.validation.requirement import Requirement
from galgen.validation.sets import MINIMUM_CATALOGUES

NOT_MET = 1
"""Exit status of a requirement that is not met."""
MOST_TRAINING = 1024
"""Training catalogues that are compared, evenly chosen from more."""


@dataclasses.dataclass(frozen=True)
@checked
class Validate(Command):
    """Compare generated catalogues with held-out ones of the same splits, and write a report.

    Example, of a run: galgen validate runs/demo --held-out suite.h5

    Example, of two suites: galgen validate mocks.h5 suite.h5 --output report

    Example, as a gate: galgen validate runs/demo --require "xi.closure > 0.85 and P0.chi2 < 2"

    Example, of more than xi and P: galgen validate runs/demo --further bispectrum counts-in-cells

    A requirement is made of comparisons joined by and, or, not. Its names: targets.met,
    targets.missed, xi.response (low to high); of the main split: xi.closure, xi.closure_median,
    xi.chi2, xi.p, xi.chi2_diagonal, xi.bias, xi.variance_ratio, xi.rank_p, xi.crps_ratio,
    xi.gradient.omega_m, all so for P0 and P2 and for what --further adds (knn1, knn2, knn4, v12,
    xis0, xis2, B_equilateral, B_squeezed, cells, void, marked); N.ratio, N.std_ratio,
    log10_mass.ks, pqmass.chi2, pqmass.p, memorisation.fraction (also .point_fraction, .expected,
    .excess, .copies); of another split with its name before: low.xi.closure. All of them with
    their values are in comparison.json under "numbers". Exit status: 0, 1 for a requirement that
    is not met, 2 for input that cannot be used.
    """

    folder: tyro.conf.Positional[Path]
    """The run, or the suite of generated catalogues."""
    suite: tyro.conf.Positional[Path | None] = None
    """The suite of held-out catalogues, where the first is a suite too."""
    held_out: Path | None = None
    """Suite with held-out catalogues; the one that the run was trained on if not given."""
    samples: Path | None = None
    """Suite of drawn catalogues; drawn now, at the held-out conditions, if not given."""
    train: Path | None = None
    """Suite with training catalogues (split train), to test for memorisation; a run knows it."""
    repeats: Count = 64
    """The most catalogues drawn now at one and the same condition of a split."""
    splits: Names = ("test", "low", "high")
    """Splits to compare, those that the suites have; of two that share none of these, all."""
    output: Path | None = None
    """Folder of the report; <run>/report, or validation beside two suites, if not given."""
    seed: Seed = 0
    """Seed of draws made now."""
    trust: bool = False
    """Import classes of other packages that the run names."""
    best: bool = False
    """Draw with the checkpoint that the evaluation in training found best."""
    further: Annotated[tuple[Further, ...], DISTINCT] = ()
    """Statistics besides xi and P. By velocities: pairwise-velocity, redshift-space-multipoles; by
    the column mass: marked-correlation; by positions: the others."""
    require: str | None = None
    """Exit with status 1 unless this holds, e.g. "xi.closure > 0.85 and P0.chi2 < 2"."""

    def __post_init__(self) -> None:
        if self.suite is not None and (self.held_out or self.samples):
            raise InputError(
                "expected two suites, or a run with --held-out and --samples, got both; "
                "leave out the options"
            )
        if self.suite is None and self.folder.is_file():
            raise InputError(
                f"expected a run or two suites, got the file {self.folder} alone; "
                "name the suite of held-out catalogues after it"
            )

    def run(self) -> None:
        requirement = None if self.require is None else Requirement(self.require)
        place = self.folder if self.suite is None else self.folder.parent
        check_folder(self.output or place)
        if self.suite is None:
            generated, held_out, training, details = self._of_run()
        else:
            generated, held_out = suite_pair(self.folder, self.suite, self.splits)
            training = None if self.train is None else training_catalogues(self.train, "train")
            details = {"generated": str(self.folder), "held-out": str(self.suite)}
        settings = ValidationSettings(further=further_statistics(self.further))
        comparison = compare(generated, held_out, settings, training)
        beside = "report" if self.suite is None else "validation"
        report = write_report(
            comparison,
            generated,
            held_out,
            self.output or own_folder(place / beside),
            f"galgen: {self.folder.name}" + (f" against {self.suite.name}" if self.suite else ""),
            {"command": self._command(), **details},
        )
        say(table(comparison))
        say(f"\nreport: {report}")
        if requirement is not None and (reason := requirement.shortcoming(numbers(comparison))):
            print(f"galgen: {reason}", file=sys.stderr)
            raise SystemExit(NOT_MET)

    def _of_run(
        self,
    ) -> tuple[
        dict[str, list[Catalogue]],
        dict[str, list[Catalogue]],
        list[Catalogue] | None,
        dict[str, str],
    ]:
        """Generated, held-out and training catalogues of a run, and what is to be said of it."""
        experiment: Experiment = read_json(self.folder / "experiment.json", Experiment, self.trust)
        path = self.held_out or experiment.data.held_out()
        if path is None:
            raise InputError(
                f"expected a run on catalogues, got {type(experiment.data).__name__}; "
                "validate compares catalogues"
            )
        held_out = held_out_groups(path, self.splits)
        training = self._training(experiment, held_out)
        samples = self.samples
        if samples is None:
            samples = self.folder / "samples.h5"
            run = Run.load(self.folder, best=self.best, trust=self.trust)
            conditions, splits = conditions_of(path, self.splits, run.encoding, self.repeats)
            # Held-out cosmologies are what they are: one just outside the range is still judged.
            drawn = run.sample(conditions, self.seed, extrapolate=True, progress=True)
            save(run, drawn, splits, samples)
        generated = held_out_groups(samples, tuple(held_out))
        details = {
            **run_details(self.folder, self.trust),
            **range_note(self.folder, held_out, self.trust),
        }
        return generated, held_out, training, details

    def _training(
        self, experiment: Experiment, held_out: Mapping[str, list[Catalogue]]
    ) -> list[Catalogue] | None:
        """The training catalogues of a run, where they are known and can be compared."""
        if self.train is not None:
            return training_catalogues(self.train, "train")
        data = experiment.data
        if not isinstance(data, CatalogueDataset) or not data.path.exists():
            return None
        known = training_catalogues(data.path, data.split)
        return known if comparable(known, next(iter(held_out.values()))) else None

    def _command(self) -> str:
        """The command that makes this report again."""
        words = ["galgen", "validate", str(self.folder)]
        if self.suite is not None:
            words.append(str(self.suite))
        for field in dataclasses.fields(self)[2:]:
            value = getattr(self, field.name)
            if value != field.default:
                words.append(f"--{field.name.replace('_', '-')}")
                if value is not True:  # a switch has no value
                    words += map(str, value if isinstance(value, tuple) else (value,))
        return shlex.join(words)


def suite_pair(
    generated: Path, held_out: Path, splits: Sequence[str]
) -> tuple[dict[str, list[Catalogue]], dict[str, list[Catalogue]]]:
    """The catalogues of two suites by split.

    Of the splits asked for, those that both have; else all that both have; else, where each has one
    split only, that one by the name it has in held-out.

    Raises:
        InputError: a suite that cannot be read, or no split in common.
    """
    first, second = splits_of(generated), splits_of(held_out)
    common = [name for name in second if name in first]
    chosen = [name for name in splits if name in common] or common
    if chosen:
        return held_out_groups(generated, chosen), held_out_groups(held_out, chosen)
    if len(first) == len(second) == 1:
        mock = held_out_groups(generated, first)[first[0]]
        return {second[0]: mock}, held_out_groups(held_out, second)
    raise InputError(
        f"expected a split that both suites have, got {first} in {generated} and {second} in "
        f"{held_out}; draw with galgen sample RUN --like {held_out}"
    )


def splits_of(path: Path) -> list[str]:
    """The splits of a suite, in the order of its catalogues."""
    with Suite(path) as suite:
        return list(dict.fromkeys(str(split) for split in suite.splits))


def training_catalogues(path: Path, split: str) -> list[Catalogue]:
    """The training catalogues of a suite, at most :data:`MOST_TRAINING` of them.

    Raises:
        InputError: a suite without that split.
    """
    with Suite(path) as suite:
        rows = [i for i, name in enumerate(suite.splits) if name == split]
        if not rows:
            raise InputError(
                f"expected training catalogues in the split {split!r} of {path}, got splits "
                f"{sorted(set(suite.splits))}; leave out --train, and memorisation is not tested"
            )
        step = max(1, len(rows) / MOST_TRAINING)
        chosen = [rows[int(i * step)] for i in range(min(len(rows), MOST_TRAINING))]
        return [suite[i] for i in chosen]


def comparable(training: Sequence[Catalogue], held_out: Sequence[Catalogue]) -> bool:
    """Whether the training catalogues of a run can be held against these at all."""
    boxes = {c.box for c in (*training, *held_out)}
    return len(boxes) == 1 and sum(len(c) > 1 for c in training) >= MINIMUM_CATALOGUES


def range_note(
    folder: Path, held_out: Mapping[str, Sequence[Catalogue]], trust: bool
) -> Mapping[str, str]:
    """How many held-out catalogues have a condition outside the trained range, if any have."""
    ranges = read_json(folder / "encoding.json", Encoding, trust).condition_ranges
    outside = sum(
        any(not low <= condition_value(c, name) <= high for name, (low, high) in ranges.items())
        for catalogues in held_out.values()
        for c in catalogues
    )
    if not outside:
        return {}
    return {"extrapolation": f"{outside} held-out catalogues lie outside the trained range"}


def run_details(folder: Path, trust: bool = False) -> Mapping[str, str]:
    """What a report says of the run: its parts and what its training came to."""
    experiment: Experiment = read_json(folder / "experiment.json", Experiment, trust)
    details = {
        field.name: " ".join(repr(getattr(experiment, field.name)).split())
        for field in dataclasses.fields(experiment)
    }
    if lines := read_metrics(folder / "metrics.jsonl"):
        details["last step"] = ", ".join(f"{k} {v:.5g}" for k, v in lines[-1].items())
    return details
