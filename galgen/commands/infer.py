"""galgen infer: posteriors of cosmological parameters from catalogues, by a trained run."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from tqdm import tqdm

from galgen import __version__
from galgen.checked import Count, Names, PairedDraws, Seed, at_least, checked
from galgen.commands.command import Command
from galgen.commands.sample import held_out_groups
from galgen.data.catalogue import Catalogue
from galgen.data.catalogue_io import read_catalogue
from galgen.data.encoding import Encoding
from galgen.data.features import condition_value
from galgen.data.suite import Suite
from galgen.errors import InputError
from galgen.experiment import Experiment, Run
from galgen.inference.likelihood.field_level import FieldLevel
from galgen.inference.likelihood.log_density import ByBound, log_density_of
from galgen.inference.likelihood.profile import grid_posterior
from galgen.inference.neural.amortized import sample_posterior
from galgen.inference.neural.inference_model import PosteriorModel
from galgen.inference.priors.prior import Gaussian, Prior, ProductPrior, Uniform
from galgen.inference.results.caution import Caution
from galgen.inference.results.posterior_file import CataloguePosterior, left_over, write_posteriors
from galgen.inference.results.posterior_report import (
    calibration_of,
    calibration_text,
    summary_table,
    write_figures,
    write_table,
)
from galgen.inference.sampling import (
    HMC,
    NUTS,
    PosteriorSampler,
    PosteriorSamples,
    RandomWalk,
    TemperedSMC,
    VariationalGaussian,
    field_target,
)
from galgen.places import check_folder
from galgen.printing import say
from galgen.publishing import own_folder
from galgen.randomness import STREAMS, Role, child_seed
from galgen.serialization import read_json

Method = Literal["auto", "grid", "nuts", "hmc", "random-walk", "tempered", "variational"]
SAMPLERS: Mapping[str, type[PosteriorSampler]] = {
    "nuts": NUTS,
    "hmc": HMC,
    "random-walk": RandomWalk,
    "tempered": TemperedSMC,
    "variational": VariationalGaussian,
}
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
    output: Path | None = None
    """Folder for posterior.h5, summary.ecsv and figures; <run>/posterior if not given."""
    splits: Names = ("test",)
    """Which splits of suites."""
    first: Count | None = None
    """No more than this many catalogues."""
    method: Method = "auto"
    """Of a generative run; auto is the grid for one or two parameters, else nuts."""
    bounds: dict[str, tuple[float, float]] = dataclasses.field(default_factory=dict)
    """Name, low, high: a prior uniform between bounds; the trained range if not given."""
    gaussian: dict[str, tuple[float, float]] = dataclasses.field(default_factory=dict)
    """Name, mean, deviation: a normal prior, cut at the bounds."""
    chains: Count = 4
    """Chains of draws."""
    draws: Annotated[int, at_least(4)] = 1000
    """Draws of each chain."""
    grid: Annotated[int, at_least(3)] = 7
    """Conditions along each parameter of the grid, between which log p is interpolated."""
    replicas: Annotated[int, at_least(2)] = 8
    """Independent noises of the likelihood, averaged; the grid tells their error."""
    evaluations: PairedDraws = 16
    """Draws of time and noise in each, where the likelihood is an evidence lower bound; even."""
    batch: Count = 16
    """Conditions of the grid per call of the network."""
    seed: Seed = 0
    """Seed of noise and draws."""
    trust: bool = False
    """Import classes of other packages that the run names."""
    extrapolate: bool = False
    """Allow priors beyond the trained range."""

    def run(self) -> None:
        check_folder(self.output or self.folder)
        experiment: Experiment = read_json(self.folder / "experiment.json", Experiment, self.trust)
        encoding: Encoding[Any] = read_json(self.folder / "encoding.json", Encoding, self.trust)
        catalogues = self._read()
        amortized = isinstance(experiment.model, PosteriorModel)
        prior = self._prior(encoding, amortized)
        run = Run.load(self.folder, trust=self.trust)
        output = self.output or self.folder / "posterior"
        path, job = output / "posterior.h5", self._job(run)
        done = left_over(path, job)
        missing = {i: c for i, (_, c) in enumerate(catalogues) if i not in done}
        if amortized and missing:  # whose draws depend on the place of a catalogue among all
            missing, done = {i: c for i, (_, c) in enumerate(catalogues)}, {}
        infer = self._amortized if amortized else self._field_level
        with tqdm(total=len(catalogues), initial=len(done), desc="infer", unit="catalogue") as bar:
            for number, samples in infer(run, prior, missing):
                where, catalogue = catalogues[number]
                truth = _truth(samples.names, catalogue)
                cautions = samples.cautions + _beyond(run, truth, prior)
                samples = dataclasses.replace(samples, cautions=cautions)
                done[number] = CataloguePosterior(samples, {**catalogue.provenance, **where}, truth)
                if not amortized:  # which takes its time, and may be stopped
                    self._make(output)
                    write_posteriors(path, done, job)
                bar.update()
        self._make(output)
        if amortized:
            write_posteriors(path, done, job)
        self._report(output, done, prior)

    def _make(self, output: Path) -> None:
        """The folder that is written to, by the first that writes."""
        if self.output is None:
            own_folder(output)
        output.mkdir(parents=True, exist_ok=True)

    def _read(self) -> list[tuple[dict[str, str], Catalogue]]:
        """Every catalogue, and where it was found."""
        found = []
        for path in self.catalogues:
            suite = path.suffix.lower() in (".h5", ".hdf5")
            if suite and path.is_file() and len(Suite(path)) > 1:
                groups = held_out_groups(path, self.splits)
                found += [
                    ({"file": str(path), "split": split, "place": str(place)}, catalogue)
                    for split, members in groups.items()
                    for place, catalogue in enumerate(members)
                ]
            else:
                found.append(({"file": str(path)}, read_catalogue(path)))
        found = found[: self.first]
        if not found:
            raise InputError("expected a catalogue to infer from, got none; name a file")
        return found

    def _prior(self, encoding: Encoding[Any], amortized: bool) -> Prior | None:
        """The prior of a likelihood; that of a neural posterior was trained in."""
        ranges = encoding.condition_ranges
        unknown = [name for name in (*self.bounds, *self.gaussian) if name not in ranges]
        if unknown:
            raise InputError(
                f"expected priors of {', '.join(ranges) or 'nothing'}, got one of {unknown[0]}; "
                "leave it out"
            )
        if amortized:
            if self.bounds or self.gaussian or self.method != "auto":
                raise InputError(
                    "expected no prior and no method for a run of a neural posterior, which was "
                    "trained with its own, got --bounds, --gaussian or --method; leave them out"
                )
            return None
        parts: list[Prior] = []
        for name, trained in ranges.items():
            low, high = self.bounds.get(name, trained)
            if name in self.gaussian:
                parts.append(Gaussian(name, *self.gaussian[name], low, high))
            else:
                parts.append(Uniform(name, low, high))
        return ProductPrior(tuple(parts))

    def _job(self, run: Run) -> dict[str, Any]:
        """What decides the numbers."""
        settings = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in ("folder", "output", "first", "batch", "trust")
        }
        settings["catalogues"] = [str(path) for path in self.catalogues]
        source = {"source": f"galgen {__version__}", "run": self.folder.name}
        return source | {"streams": STREAMS, "weights": run.weights_hash, "settings": settings}

    def _amortized(
        self, run: Run, prior: Prior | None, catalogues: Mapping[int, Catalogue]
    ) -> Iterator[tuple[int, PosteriorSamples]]:
        number = self.chains * self.draws
        found = sample_posterior(run, list(catalogues.values()), number, self.seed)
        yield from zip(catalogues, found, strict=True)

    def _field_level(
        self, run: Run, prior: Prior | None, catalogues: Mapping[int, Catalogue]
    ) -> Iterator[tuple[int, PosteriorSamples]]:
        assert prior is not None
        field = self._field(run)
        few = len(field.names) <= 2
        method = ("grid" if few else "nuts") if self.method == "auto" else self.method
        if method == "grid" and not few:
            raise InputError(
                f"expected one or two parameters for a grid, got {list(field.names)}; use "
                "--method nuts"
            )
        for number, catalogue in catalogues.items():
            seed = child_seed(Role.CATALOGUE, self.seed, number)
            if method == "grid":
                options = (self.replicas, self.batch)
                found = grid_posterior(field, catalogue, prior, self.grid, 101, seed, *options)
                yield number, found.drawn(self.chains, self.draws, seed)
            else:
                sampler = SAMPLERS[method](chains=self.chains, draws=self.draws)
                target = field_target(field, catalogue, prior, seed, self.replicas)
                yield number, sampler(target, seed)

    def _field(self, run: Run) -> FieldLevel:
        experiment = run.experiment
        density = log_density_of(experiment.model)
        if isinstance(density, ByBound):
            density = dataclasses.replace(density, draws=self.evaluations)
        return FieldLevel(
            experiment.model,
            experiment.network,
            run.params,
            run.encoding,
            density,
            experiment.precision,
            self.extrapolate,
        )

    def _report(
        self, output: Path, done: Mapping[int, CataloguePosterior], prior: Prior | None
    ) -> None:
        table = summary_table(done)
        write_table(output / "summary.ecsv", table)
        for line in table[:SHOWN].pformat(max_lines=-1, max_width=-1):
            say(line)
        found = calibration_of(done)
        if found is not None:
            say("\n".join(calibration_text(found)))
        figures = write_figures(output, done, prior)
        say(f"posteriors of {len(done)} catalogues in {output}, with {len(figures)} figures")


def _truth(names: tuple[str, ...], catalogue: Catalogue) -> dict[str, float]:
    """The parameters that a catalogue says it was made with."""
    known = {"redshift", *catalogue.cosmology}
    return {name: condition_value(catalogue, name) for name in names if name in known}


def _beyond(run: Run, truth: Mapping[str, float], prior: Prior | None) -> tuple[Caution, ...]:
    """Says which parameters of a catalogue the model or the prior does not reach."""
    ranges = run.encoding.condition_ranges
    if prior is not None:
        ranges = dict(zip(prior.names, prior.bounds, strict=True))
    out = [
        f"{name}={value:g} outside {ranges[name][0]:g} to {ranges[name][1]:g}"
        for name, value in truth.items()
        if not ranges[name][0] - 1e-6 <= value <= ranges[name][1] + 1e-6
    ]
    return (Caution("range", f"made with {', '.join(out)}"),) if out else ()
