"""galgen validate: generated catalogues against held-out ones, the report, a gate for scripts."""

from __future__ import annotations

import dataclasses
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import tyro

import galgen
from galgen.checked import DISTINCT, Count, Names, Positive, Seed, Whole, checked
from galgen.commands import runs, suites
from galgen.commands.command import Command
from galgen.commands.options import Output
from galgen.commands.statistics import StatisticName, statistics_named
from galgen.errors import InputError
from galgen.model_file import SUFFIX
from galgen.places import check_folder
from galgen.printing import say
from galgen.publishing import own_folder, publish_text
from galgen.randomness import Role, child_seed

CARD = "model_card.html"
NOT_MET = 1
"""Exit status of a requirement that is not met."""


@dataclasses.dataclass(frozen=True)
@checked
class Validate(Command):
    """Compare generated catalogues with held-out ones of the same splits, and write a report.

    Example, of a run: galgen validate runs/demo --held-out suite.h5

    Example, of two suites: galgen validate mocks.h5 suite.h5 --output report

    Example, of two folders of arrays: galgen validate mocks truth --box 128 --output report

    Example, as a gate: galgen validate runs/demo --require "verdicts.bad == 0 and all.P0.p > 0.01"

    Example, of more than xi and P: galgen validate runs/demo --statistics bispectrum

    A requirement is made of comparisons joined by and, or, not, and must hold in every split. Its
    names: verdicts.bad, verdicts.good, verdicts.cannot_tell; of every measure .p, .error, .noise,
    .tolerance (to which it is shown good), .finds, .enough, .bad, .good: xi.p, xi.spread.p,
    xi.response.p (low to high), xi.gradient.omega_m.p, all so for P0, P2, N and what --statistics
    adds (knn1, knn2, knn4, v12, xis0, xis2, B_equilateral, B_squeezed, cells, void, marked);
    log10_mass.p; also xi.closure, xi.chi2, xi.bias, xi.variance_ratio, xi.rank_p, xi.crps_ratio,
    xi.response, N.ratio, N.std_ratio, log10_mass.ks, pqmass.chi2, pqmass.p, memorisation.p (also
    .fraction, .point_fraction, .expected, .excess, .copies); of catalogues that share fields
    r.truth, r.transfer, r.ceiling, r.difference; of one split alone with its name before:
    low.xi.tolerance. All of them with their values are in comparison.json under "numbers". Exit
    status: 0, 1 for a requirement that is not met, 2 for input that cannot be used.
    """

    folder: tyro.conf.Positional[Path]
    """The run, or the suite (or folder of .npy) of generated catalogues."""
    suite: tyro.conf.Positional[Path | None] = None
    """The suite of held-out catalogues, where the first is a suite too."""
    held_out: Path | None = None
    """Suite with held-out catalogues; the one that the run was trained on if not given."""
    samples: Path | None = None
    """Suite of drawn catalogues; drawn now, at the held-out conditions, if not given."""
    training: Path | None = None
    """Suite with training catalogues (split train), to test for memorisation; a run knows it."""
    repeats: Count = 64
    """The most catalogues drawn now at one and the same condition of a split."""
    splits: Names = ("test", "low", "high")
    """Splits to compare, those that the suites have; of two that share none of these, all."""
    output: Output[Path | None] = None
    """Folder of the report, and of what is drawn for it (samples.h5); <run>/report, or validation
    beside two suites, if not given."""
    second_draws: Whole = 16
    """Of a run that reads fields, the most fields of a split to draw on a second time, for the
    ceiling of r(k): four or more; 0 for none. Those draws go to second_draws.h5."""
    seed: Seed = 0
    """Seed of draws made now."""
    trust: bool = False
    """Import classes of other packages that the run names."""
    best: bool = False
    """Draw with the checkpoint that the evaluation in training found best."""
    statistics: Annotated[tuple[StatisticName, ...], DISTINCT] = ()
    """Statistics besides xi and P. By velocities: pairwise-velocity, redshift-space-multipoles; by
    the column mass: marked-correlation; by positions: the others."""
    box: Positive | None = None
    """Side in Mpc/h of catalogues that are a folder of .npy files, one each: (points, 3), x, y, z
    in Mpc/h, (points, 6) with velocities in km/s, (points, 7) with masses in Msun/h, or records."""
    tolerance: Positive = 0.05
    """Relative error up to which a measure is good: 0.05 is 5%."""
    require: str | None = None
    """Exit with status 1 unless this holds, e.g. "verdicts.bad == 0 and all.P0.p > 0.01"."""

    def __post_init__(self) -> None:
        if self.suite is not None and (self.held_out or self.samples):
            raise InputError(
                "expected two suites, or a run with --held-out and --samples, got both; "
                "leave out the options"
            )
        if self.second_draws in (1, 2, 3):
            raise InputError(
                f"expected second_draws of 0, or of 4 and more, got {self.second_draws}; change "
                "--second-draws"
            )
        if self.suite is None and self.folder.is_file() and self.folder.suffix != SUFFIX:
            raise InputError(
                f"expected a run or two suites, got the file {self.folder} alone; "
                "name the suite of held-out catalogues after it"
            )

    def run(self) -> None:
        requirement = None if self.require is None else galgen.validation.Requirement(self.require)
        check_folder(self.output or self._beside)
        if self.suite is None:
            generated, held_out, training, phases, details = self._of_run()
        else:
            pairs = suites.split_pairs(self.folder, self.suite, self.splits)
            held_out = suites.held_out_groups(self.suite, tuple(pairs), self.box)
            mock = suites.held_out_groups(self.folder, tuple(pairs.values()), self.box)
            generated = {name: mock[other] for name, other in pairs.items()}
            phases = suites.shared_fields(self.folder, self.suite, pairs)
            training = self._training_asked
            details = {"generated": str(self.folder), "held-out": str(self.suite)}
        settings = galgen.validation.ValidationSettings(
            tolerance=self.tolerance, statistics=statistics_named(self.statistics)
        )
        comparison = galgen.compare(generated, held_out, settings, training, phases)
        report = galgen.write_report(
            comparison,
            generated,
            held_out,
            self._place(),
            f"galgen: {self.folder.name}" + (f" against {self.suite.name}" if self.suite else ""),
            {"command": self._command(), **details},
            {CARD: "The model, its costs, and where it may be used"}
            if self.suite is None
            else None,
        )
        if self.suite is None:
            self._write_card(report.parent)
        say(galgen.validation.table(comparison))
        say(f"\nreport: {report}")
        if requirement is None:
            return
        splits = [split.name for split in comparison.splits]
        if reason := requirement.shortcoming(comparison.numbers, splits):
            print(f"galgen: {reason}", file=sys.stderr)
            raise SystemExit(NOT_MET)

    def _write_card(self, folder: Path) -> None:
        """The card of the run beside its report, which leads to it."""
        from galgen.card_page import as_html
        from galgen.model_card import model_card

        run = galgen.Run.load(self.folder, best=self.best, trust=self.trust)
        card = model_card(run, run.name, folder / "comparison.json")
        publish_text(folder / CARD, as_html(card))

    @property
    def _beside(self) -> Path:
        """Where the folder of the report lies if it is not named."""
        return self.folder.parent if self.suite else runs.outputs_of(self.folder)

    def _place(self) -> Path:
        """The folder of the report, made by the first that writes into it."""
        name = "report" if self.suite is None else "validation"
        return self.output or own_folder(self._beside / name)

    def _of_run(
        self,
    ) -> tuple[
        dict[str, list[galgen.Catalogue]],
        dict[str, list[galgen.Catalogue]],
        list[galgen.Catalogue] | None,
        dict[str, list[galgen.validation.SharedField]],
        dict[str, str],
    ]:
        """Generated, held-out and training catalogues of a run, the fields that the first two
        share, and what is to be said of it."""
        experiment = runs.experiment_of(self.folder, self.trust)
        path = self.held_out or experiment.data.held_out()
        if path is None:
            raise InputError(
                f"expected a run on catalogues, got {type(experiment.data).__name__}; "
                "validate compares catalogues"
            )
        if self.held_out is None and not path.exists():
            raise InputError(
                f"expected the suite that {self.folder} was trained on at {path}, found none; name "
                "held-out catalogues by --held-out"
            )
        held_out = suites.held_out_groups(path, self.splits)
        training = self._training(experiment, held_out)
        samples, second = self.samples, None
        if samples is None:
            run = galgen.Run.load(self.folder, best=self.best, trust=self.trust)
            conditions, splits, fields = suites.conditions_of(
                path, self.splits, run.encoding, self.repeats
            )
            samples = self._place() / "samples.h5"
            # Held-out cosmologies are what they are: one just outside the range is still judged.
            galgen.sample(
                run,
                conditions,
                samples,
                self.seed,
                extrapolate=True,
                splits=splits,
                progress=True,
                fields=fields,
            )
            say(f"{len(conditions)} draws written to {samples}")
            if fields is not None and self.second_draws:
                second = self._draw_again(run, conditions, splits, fields)
        generated = suites.held_out_groups(samples, tuple(held_out))
        names = {name: name for name in generated}
        phases = suites.shared_fields(samples, path, names, second)
        details = {
            **runs.run_details(self.folder, self.trust),
            **range_note(self.folder, held_out, self.trust),
        }
        return generated, held_out, training, phases, details

    def _draw_again(
        self,
        run: galgen.Run,
        conditions: Sequence[galgen.data.Condition],
        splits: Sequence[str],
        fields: Sequence[galgen.data.Field],
    ) -> Path:
        """The suite of second draws, on the first fields of every split."""
        rows = [i for i, split in enumerate(splits) if splits[:i].count(split) < self.second_draws]
        path = self._place() / "second_draws.h5"
        galgen.sample(
            run,
            [conditions[i] for i in rows],
            path,
            child_seed(Role.SECOND_DRAWS, self.seed),
            extrapolate=True,
            splits=[splits[i] for i in rows],
            progress=True,
            fields=[fields[i] for i in rows],
        )
        return path

    @property
    def _training_asked(self) -> list[galgen.Catalogue] | None:
        """The training catalogues of the suite that was named."""
        return None if self.training is None else suites.training_catalogues(self.training, "train")

    def _training(
        self, experiment: galgen.Experiment, held_out: Mapping[str, list[galgen.Catalogue]]
    ) -> list[galgen.Catalogue] | None:
        """The training catalogues of a run, where they are known and can be compared."""
        data = experiment.data
        if self.training is not None:
            return self._training_asked
        if not isinstance(data, galgen.data.CatalogueDataset) or not data.path.exists():
            return None
        known = suites.training_catalogues(data.path, data.split)
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


def comparable(training: Sequence[galgen.Catalogue], held_out: Sequence[galgen.Catalogue]) -> bool:
    """Whether the training catalogues of a run can be held against these at all."""
    from galgen.validation.sets import MINIMUM_CATALOGUES

    boxes = {c.box for c in (*training, *held_out)}
    return len(boxes) == 1 and sum(len(c) > 1 for c in training) >= MINIMUM_CATALOGUES


def range_note(
    folder: Path, held_out: Mapping[str, Sequence[galgen.Catalogue]], trust: bool
) -> Mapping[str, str]:
    """How many held-out catalogues have a condition outside the trained range, if any have."""
    from galgen.data.encoding import CatalogueEncoding

    encoding = runs.encoding_of(folder, trust)
    assert isinstance(encoding, CatalogueEncoding)
    ranges = encoding.condition_ranges
    known = [encoding.condition_values(c) for each in held_out.values() for c in each]
    outside = sum(
        any(not low <= one[name] <= high for name, (low, high) in ranges.items()) for one in known
    )
    if not outside:
        return {}
    return {"extrapolation": f"{outside} held-out catalogues lie outside the trained range"}
