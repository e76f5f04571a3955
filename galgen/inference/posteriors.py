"""From catalogues to posteriors of their parameters, by a trained run of either kind.

A generative run is used as a likelihood of whole catalogues, whose noise is drawn once. A run of a
neural posterior draws at once, with the prior that it was trained with.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from galgen.data.catalogue import Catalogue
from galgen.data.features import condition_value
from galgen.errors import InputError
from galgen.generative.sampling.log_density import log_density_of
from galgen.inference.calibration.typical import Aspect, aspects, at_the_edge, unlike
from galgen.inference.likelihood.field_level import FieldLevel
from galgen.inference.likelihood.profile import grid_posterior
from galgen.inference.neural.amortized import sample_posterior
from galgen.inference.neural.catalogue_batches import standardizer_of
from galgen.inference.neural.inference_model import PosteriorModel
from galgen.inference.priors.prior import Prior, uniform_prior
from galgen.inference.results.result_warning import ResultWarning, most_severe_first
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
from galgen.inference.settings import InferenceSettings
from galgen.inference.trained_run import TrainedRun
from galgen.randomness import Role, child_seed, random_generator

SAMPLERS: Mapping[str, type[PosteriorSampler]] = {
    "nuts": NUTS,
    "hmc": HMC,
    "random-walk": RandomWalk,
    "tempered": TemperedSMC,
    "variational": VariationalGaussian,
}
DEFAULT = InferenceSettings()
DENSITY_POINTS = 101
"""Points of a grid posterior along each parameter."""
ROUGH = 8
"""Evaluations of the likelihood of one draw that a catalogue is compared with, at most."""


def infer(
    run: TrainedRun,
    catalogues: Sequence[Catalogue],
    prior: Prior | None = None,
    settings: InferenceSettings = DEFAULT,
) -> list[PosteriorSamples]:
    """Draws of the posterior of each catalogue.

    Args:
        run: a trained run, as :meth:`galgen.run.Run.load` gives it.
        catalogues: of the box, boundary and columns that the run was trained on.
        prior: of a generative run; uniform over the trained range if not given.
        settings: how they are drawn.

    Raises:
        InputError: for a prior or a catalogue that the run was not trained for.
    """
    numbered = dict(enumerate(catalogues))
    return [samples for _, samples in infer_each(run, numbered, prior, settings)]


def infer_each(
    run: TrainedRun,
    catalogues: Mapping[int, Catalogue],
    prior: Prior | None = None,
    settings: InferenceSettings = DEFAULT,
) -> Iterator[tuple[int, PosteriorSamples]]:
    """The posterior of each catalogue with its number, as soon as it is there.

    Draws by a likelihood depend on the seed and the number, not on the other catalogues.

    Raises:
        InputError: as :func:`infer`.
    """
    check_prior(run.experiment.model, prior, settings)
    rough = None
    if is_amortized(run.experiment.model):
        number = settings.chains * settings.draws
        found = sample_posterior(run, list(catalogues.values()), number, settings.seed)
        pairs: Iterator[tuple[int, PosteriorSamples]] = zip(catalogues, found, strict=True)
    else:
        prior = uniform_prior(run.encoding.condition_ranges) if prior is None else prior
        pairs = _field_level(run, catalogues, prior, settings)
        if settings.predictive:
            rough = _likelihood(run, min(settings.evaluations, ROUGH), settings)
    for number, samples in pairs:
        catalogue = catalogues[number]
        warnings = (
            *(_unlike(run, rough, catalogue, samples, settings, number) if rough else ()),
            *samples.warnings,
            *_beyond(run, known_parameters(samples.names, catalogue), prior),
            *at_the_edge(samples.names, samples.flat, list(_ranges(run, prior).values())),
        )
        yield number, dataclasses.replace(samples, warnings=most_severe_first(warnings))


def is_amortized(model: object) -> bool:
    """Whether a model draws posteriors itself, for any catalogue."""
    return isinstance(model, PosteriorModel)


def check_prior(model: object, prior: Prior | None, settings: InferenceSettings) -> None:
    """Refuse a prior or a method that a model has no use for.

    Raises:
        InputError: for a neural posterior, whose prior was trained in.
    """
    if is_amortized(model) and (prior is not None or settings.method != "auto"):
        raise InputError(
            "expected no prior and no method for a run of a neural posterior, which was trained "
            "with its own, got one of them; leave it out"
        )


def known_parameters(names: Sequence[str], catalogue: Catalogue) -> dict[str, float]:
    """The parameters that a catalogue says it was made with."""
    known = {"redshift", *catalogue.cosmology}
    return {name: condition_value(catalogue, name) for name in names if name in known}


def _field_level(
    run: TrainedRun, catalogues: Mapping[int, Catalogue], prior: Prior, settings: InferenceSettings
) -> Iterator[tuple[int, PosteriorSamples]]:
    field = _likelihood(run, settings.evaluations, settings)
    few = len(field.names) <= 2
    method = ("grid" if few else "nuts") if settings.method == "auto" else settings.method
    if method == "grid" and not few:
        raise InputError(
            f"expected one or two parameters for a grid, got {list(field.names)}; use --method nuts"
        )
    chains, draws, replicas = settings.chains, settings.draws, settings.replicas
    for number, catalogue in catalogues.items():
        seed = child_seed(Role.CATALOGUE, settings.seed, number)
        if method == "grid":
            options = settings.grid, DENSITY_POINTS, seed, replicas, settings.batch
            found = grid_posterior(field, catalogue, prior, *options)
            yield number, found.drawn(chains, draws, seed)
        else:
            target = field_target(field, catalogue, prior, seed, replicas)
            yield number, SAMPLERS[method](chains=chains, draws=draws)(target, seed)


def _likelihood(run: TrainedRun, evaluations: int, settings: InferenceSettings) -> FieldLevel:
    model = run.experiment.model.with_params(run.experiment.network, run.params)
    return FieldLevel.of(run, log_density_of(model, evaluations), settings.extrapolate)


def _unlike(
    run: TrainedRun,
    rough: FieldLevel,
    catalogue: Catalogue,
    samples: PosteriorSamples,
    settings: InferenceSettings,
    number: int,
) -> tuple[ResultWarning, ...]:
    """Warnings of what sets a catalogue apart from draws of a model at its posterior.

    ``rough`` is the likelihood by few evaluations.
    """
    if not np.all(np.isfinite(samples.flat)):
        return ()
    rng = random_generator(Role.PREDICTIVE, settings.seed, number)
    rows, seed = rng.choice(samples.flat, settings.predictive), int(rng.integers(2**31))
    conditions = [dict(zip(samples.names, row.tolist(), strict=True)) for row in rows]
    drawn = run.sample(conditions, seed, extrapolate=settings.extrapolate)
    middle = samples.flat.mean(axis=0)[None]

    def density(one: Catalogue) -> np.ndarray:
        value = rough.evaluate(rough.encode(one), middle, seed, replicas=2).mean()
        return np.array([np.log(len(one)), value / len(one)])

    labels = "ln N", "log p per point at the posterior's mean"
    kinds = [*aspects(standardizer_of(run.encoding), catalogue), Aspect(labels, density)]
    return unlike(kinds, catalogue, [one for one in drawn if len(one)])


def _ranges(run: TrainedRun, prior: Prior | None) -> Mapping[str, tuple[float, float]]:
    """Of the prior, by name."""
    if prior is None:
        return run.encoding.condition_ranges
    return dict(zip(prior.names, prior.bounds, strict=True))


def _beyond(
    run: TrainedRun, truth: Mapping[str, float], prior: Prior | None
) -> tuple[ResultWarning, ...]:
    """A warning of the parameters of a catalogue that the model or the prior does not reach."""
    ranges = _ranges(run, prior)
    out = [
        f"{name}={value:g} outside {ranges[name][0]:g} to {ranges[name][1]:g}"
        for name, value in truth.items()
        if not ranges[name][0] - 1e-6 <= value <= ranges[name][1] + 1e-6
    ]
    return (ResultWarning("range", f"made with {', '.join(out)}"),) if out else ()
