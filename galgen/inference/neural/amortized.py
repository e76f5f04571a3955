"""Posteriors of catalogues from a run that was trained once for all of them."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import flax.linen as nn
import jax
import numpy as np
from jaxtyping import Array, Bool, Float

from galgen.data.catalogue import Catalogue
from galgen.errors import InputError
from galgen.inference.neural.catalogue_batches import catalogue_batches, standardizer_of
from galgen.inference.neural.inference_model import PosteriorModel
from galgen.inference.neural.summaries import SummaryEncoding
from galgen.inference.neural.vectors import Parameters
from galgen.inference.results.result_warning import check_catalogue
from galgen.inference.sampling.diagnosis import degenerate
from galgen.inference.sampling.result import PosteriorSamples
from galgen.inference.trained_run import TrainedRun
from galgen.randomness import Role, random_key
from galgen.training.precision import Precision, multiplying_in
from galgen.types import Batch, Params


def sample_posterior(
    run: TrainedRun, catalogues: Sequence[Catalogue], number: int = 4000, seed: int = 0
) -> list[PosteriorSamples]:
    """Independent draws of the posterior of each catalogue, in physical units.

    Draws of a catalogue depend on the seed and its place in the list, not on the others.

    Args:
        run: of a neural posterior, likelihood or ratio, trained on catalogues.
        catalogues: of the box, boundary and columns that the run was trained on.
        number: draws of each; one chain of :class:`PosteriorSamples`.
        seed: of the draws.

    Raises:
        InputError: for a run of another kind, or a catalogue unlike those trained on.
    """
    model, network = run.experiment.model, run.experiment.network
    settings = (model, network, run.experiment.precision)
    if not isinstance(model, PosteriorModel):
        raise InputError(
            f"expected a run of a posterior, got one of {type(model).__name__}; train with "
            "model=NeuralPosterior(), see configs/posterior_haloes.py"
        )
    known = standardizer_of(run.encoding)
    warnings = [check_catalogue(known, catalogue) for catalogue in catalogues]
    if isinstance(run.encoding, SummaryEncoding):
        warnings = [
            (*found, *run.encoding.check(catalogue))
            for found, catalogue in zip(warnings, catalogues, strict=True)
        ]
    parameters = Parameters.of(known)

    start = random_key(Role.POSTERIOR, seed)
    drawn: dict[int, np.ndarray] = {}
    for rows, batch in catalogue_batches(run.encoding, catalogues):
        filled = np.array([*rows, *[rows[-1]] * (len(batch.x) - len(rows))])
        keys = jax.vmap(functools.partial(jax.random.fold_in, start))(filled)
        standard = _draw(settings, number, run.params, keys, batch.x, batch.mask)
        drawn |= dict(zip(rows, parameters.decode(np.asarray(standard)), strict=False))
    names, found = parameters.names, []
    for row in range(len(catalogues)):
        samples = drawn[row][None]
        judged = (*warnings[row], *degenerate(names, samples))
        found.append(PosteriorSamples(names, samples, warnings=judged))
    return found


@functools.partial(jax.jit, static_argnums=(0, 1))
def _draw(
    settings: tuple[PosteriorModel, nn.Module, Precision],
    number: int,
    params: Params,
    keys: jax.Array,
    x: Float[Array, "batch *event"],
    mask: Bool[Array, "batch points"] | None,
) -> Float[Array, "batch number parameters"]:
    """Draws for each example by its own key; compiled once for every size."""
    model, network, precision = settings
    posterior = model.with_params(network, params)

    def one(arguments):
        key, *arrays = arguments
        row = Batch(*jax.tree.map(lambda a: a[None], arrays))
        return posterior.sample(key, row, number)[0]

    with multiplying_in(precision):
        return jax.lax.map(one, (keys, x, mask))
