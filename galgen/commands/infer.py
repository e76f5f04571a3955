"""galgen infer: posteriors of cosmological parameters from catalogues, by a trained run."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import tyro

import galgen
from galgen.checked import Count, Names, checked
from galgen.commands.command import Command
from galgen.commands.options import Number, Output
from galgen.commands.runs import encoding_of, experiment_of, outputs_of
from galgen.commands.suites import held_out_groups
from galgen.errors import InputError
from galgen.inference.settings import InferenceSettings
from galgen.places import check_folder
from galgen.printing import say
from galgen.publishing import own_folder
from galgen.randomness import STREAMS

WARNED = 1
"""Exit status of --strict."""
SHOWN = 20
"""Rows of the summary that are printed."""


@dataclasses.dataclass(frozen=True)
@checked
class Infer(Command):
    """Infer the parameters that catalogues were made with: samples, a summary, figures.

    A generative run is used as a likelihood of whole catalogues; its noise is drawn once, and what
    it does to the means is in the column mean_noise. A run of a neural posterior draws at once.
    Where ten catalogues or more know their parameters, coverage is tested too. What a stopped job
    has inferred is kept, and the same command goes on.

    Example: galgen infer runs/demo suite.h5 --splits test --first 50

    Example: galgen infer runs/demo mock.fits --bounds omega_m 0.25 0.4 --gaussian sigma_8 0.8 0.02
    """

    folder: tyro.conf.Positional[Path]
    """The run."""
    catalogues: tyro.conf.Positional[tuple[Path, ...]]
    """Suites (.h5) or single catalogues (.h5, .fits, .parquet)."""
    output: Output[Path | None] = None
    """Folder for posterior.h5, summary.ecsv and figures; <run>/posterior if not given."""
    splits: Names = ("test",)
    """Which splits of suites."""
    number: Number[Count | None] = None
    """No more than this many catalogues, the first; all if not given."""
    bounds: dict[str, tuple[float, float]] = dataclasses.field(default_factory=dict)
    """Name, low, high: a prior uniform between bounds; the trained range if not given."""
    gaussian: dict[str, tuple[float, float]] = dataclasses.field(default_factory=dict)
    """Name, mean, standard deviation: a normal prior, cut at the bounds."""
    settings: Annotated[InferenceSettings, tyro.conf.arg(name="")] = InferenceSettings()
    """How posteriors are drawn."""
    strict: bool = False
    """Exit with status 1 if a posterior has a warning, of more than columns left out."""
    best: bool = False
    """Use the checkpoint that the evaluation in training found best."""
    trust: bool = False
    """Import classes of other packages that the run names."""

    def run(self) -> None:
        from tqdm import tqdm

        from galgen.inference import posteriors
        from galgen.inference.results.posterior_file import (
            CataloguePosterior,
            left_over,
            write_posteriors,
        )

        check_folder(self.output or outputs_of(self.folder))
        model = experiment_of(self.folder, self.trust).model
        encoding = encoding_of(self.folder, self.trust)
        catalogues = self._read()
        amortized = posteriors.is_amortized(model)
        prior = self._prior(encoding, amortized)
        posteriors.check_prior(model, prior, self.settings)
        run = galgen.Run.load(self.folder, best=self.best, trust=self.trust)
        output = self.output or outputs_of(self.folder) / "posterior"
        path, job = output / "posterior.h5", self._job(run)
        done = left_over(path, job)
        missing = {i: c for i, (_, c) in enumerate(catalogues) if i not in done}
        if amortized and missing:  # whose draws depend on the place of a catalogue among all
            missing, done = {i: c for i, (_, c) in enumerate(catalogues)}, {}
        found = posteriors.infer_each(run, missing, prior, self.settings) if missing else ()
        with tqdm(total=len(catalogues), initial=len(done), desc="infer", unit="catalogue") as bar:
            for number, samples in found:
                where, catalogue = catalogues[number]
                truth = posteriors.known_parameters(samples.names, catalogue)
                done[number] = CataloguePosterior(samples, {**catalogue.provenance, **where}, truth)
                if not amortized:  # which takes its time, and may be stopped
                    self._make(output)
                    write_posteriors(path, done, job)
                bar.update()
        self._make(output)
        if amortized:
            write_posteriors(path, done, job)
        self._report(output, done, prior)
        warned = self._warn(done)
        if self.strict and warned:
            raise SystemExit(WARNED)

    def _warn(self, done: Mapping[int, galgen.inference.CataloguePosterior]) -> bool:
        """A line for each warning; whether any is of more than columns left out."""
        warned = False
        for number, posterior in sorted(done.items()):
            for warning in posterior.samples.warnings:
                print(f"galgen: catalogue {number}: {warning}", file=sys.stderr)
                warned |= warning.name != "columns"
        return warned

    def _make(self, output: Path) -> None:
        """The folder that is written to, by the first that writes."""
        if self.output is None:
            own_folder(output)
        output.mkdir(parents=True, exist_ok=True)

    def _read(self) -> list[tuple[dict[str, str], galgen.Catalogue]]:
        """Every catalogue, and where it was found."""
        found = []
        for path in self.catalogues:
            suite = path.suffix.lower() in (".h5", ".hdf5")
            if suite and path.is_file() and len(galgen.Suite(path)) > 1:
                groups = held_out_groups(path, self.splits)
                found += [
                    ({"file": str(path), "split": split, "place": str(place)}, catalogue)
                    for split, members in groups.items()
                    for place, catalogue in enumerate(members)
                ]
            else:
                found.append(({"file": str(path)}, galgen.read_catalogue(path)))
        found = found[: self.number]
        if not found:
            raise InputError("expected a catalogue to infer from, got none; name a file")
        return found

    def _prior(
        self, encoding: galgen.data.Encoding[Any], amortized: bool
    ) -> galgen.inference.Prior | None:
        """The prior of a likelihood; that of a neural posterior was trained in."""
        ranges = encoding.condition_ranges
        unknown = [name for name in (*self.bounds, *self.gaussian) if name not in ranges]
        if unknown:
            raise InputError(
                f"expected priors of {', '.join(ranges) or 'nothing'}, got one of {unknown[0]}; "
                "leave it out"
            )
        if amortized and not (self.bounds or self.gaussian):
            return None
        parts: list[galgen.inference.Prior] = []
        for name, trained in ranges.items():
            low, high = self.bounds.get(name, trained)
            if name in self.gaussian:
                parts.append(galgen.inference.Gaussian(name, *self.gaussian[name], low, high))
            else:
                parts.append(galgen.inference.Uniform(name, low, high))
        return galgen.inference.ProductPrior(tuple(parts))

    def _job(self, run: galgen.Run) -> dict[str, Any]:
        """What decides the numbers."""
        settings = {
            "splits": self.splits,
            "bounds": self.bounds,
            "gaussian": self.gaussian,
            "catalogues": [str(path) for path in self.catalogues],
            **dataclasses.asdict(self.settings),
        }
        del settings["batch"]
        source = {"source": f"galgen {galgen.__version__}", "run": self.folder.name}
        return source | {"streams": STREAMS, "weights": run.weights_hash, "settings": settings}

    def _report(
        self,
        output: Path,
        done: Mapping[int, galgen.inference.CataloguePosterior],
        prior: galgen.inference.Prior | None,
    ) -> None:
        from galgen.inference.results import posterior_report

        table = posterior_report.summary_table(done)
        posterior_report.write_table(output / "summary.ecsv", table)
        for line in table[:SHOWN].pformat(max_lines=-1, max_width=-1):
            say(line)
        found = posterior_report.calibration_of(done)
        if found is not None:
            say("\n".join(posterior_report.calibration_text(found)))
        figures = posterior_report.write_figures(output, done, prior)
        say(f"posteriors of {len(done)} catalogues in {output}, with {len(figures)} figures")
