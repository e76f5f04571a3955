r"""Regression of parameters from clouds or from summaries, scored as public benchmarks score it.

One linear layer reads the network's vector. The loss is the mean squared error of the standardised
parameters, whose minimiser is the posterior mean. Held-out scores of each parameter,
in physical units, over catalogues i (MSE as in arXiv:2410.20516, R^2 as
in arXiv:2507.03707)::

    MSE = < (theta_i - mean_i)^2 >,     R^2 = 1 - MSE / < (theta_i - <theta>)^2 >

R^2 is 1 for perfect estimates, 0 for the mean of the held-out parameters whatever the data, and
negative for worse. In a box the number of points alone may tell much. Compare the scores of a
network with those of ``LogNumber`` and ``LogCorrelation`` of the same catalogues.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from galgen.arrays import as_finite
from galgen.checked import checked
from galgen.data.catalogue import Catalogue
from galgen.errors import InputError
from galgen.generative.models.model import Model
from galgen.inference.neural.catalogue_batches import catalogue_batches, standardizer_of
from galgen.inference.neural.inference_model import check_condition, encode
from galgen.inference.neural.vectors import Parameters
from galgen.inference.results.result_warning import check_catalogue
from galgen.inference.trained_run import TrainedRun
from galgen.losses import MeanLoss, example_weight, mean_over_examples
from galgen.resolution import SINGLE, spread
from galgen.training.precision import multiplying_in
from galgen.types import Batch, Params

Estimate = Callable[[Batch], Float[Array, "batch parameters"]]
"""Standardised parameters of every example."""


@dataclasses.dataclass(frozen=True)
@checked
class Regression(Model):
    """The mean of the condition given the data."""

    def initial_params(self, network: nn.Module, key: jax.Array, batch: Batch) -> Params:
        key_encoder, key_last = jax.random.split(key)
        encoder = network.init(key_encoder, batch.x, batch.mask)
        last = _last(check_condition(batch).shape[-1])
        return {"encoder": encoder, "last": last.init(key_last, encode(network, encoder, batch))}

    def mean_loss(
        self, network: nn.Module, params: Params, key: jax.Array, batch: Batch
    ) -> MeanLoss:
        error = self.with_params(network, params)(batch) - check_condition(batch)
        return mean_over_examples(jnp.mean(error**2, axis=-1), example_weight(batch))

    def with_params(self, network: nn.Module, params: Params) -> Estimate:
        last = params["last"]

        def estimate(data):
            features = nn.silu(encode(network, params["encoder"], data))
            return cast(Array, _last(len(last["params"]["bias"])).apply(last, features))

        return estimate


def _last(parameters: int) -> nn.Dense:
    return nn.Dense(parameters, kernel_init=nn.initializers.zeros_init())


@dataclasses.dataclass(frozen=True)
class RegressionScores:
    """How well parameters were estimated.

    ================== ============ ====================================================
    field              shape        meaning
    ================== ============ ====================================================
    names              one each     of the parameters
    r_squared          one each     1 is perfect, 0 no better than the mean
    mean_squared_error one each     in the square of the parameter's unit
    error              one each     standard error of the MSE over catalogues
    catalogues         int          that were scored
    ================== ============ ====================================================
    """

    names: tuple[str, ...]
    r_squared: Float[np.ndarray, " parameters"]
    mean_squared_error: Float[np.ndarray, " parameters"]
    error: Float[np.ndarray, " parameters"]
    catalogues: int


def score(
    names: Sequence[str],
    truth: Float[np.ndarray, "catalogues parameters"],
    predicted: Float[np.ndarray, "_ _"],
) -> RegressionScores:
    """R^2 and MSE of each parameter.

    Raises:
        InputError: for arrays that do not pair, parameters that do not vary, or estimates that
            are not finite.
    """
    if truth.shape != predicted.shape or truth.ndim != 2 or len(truth) < 2:
        raise InputError(
            f"expected as many estimates as truths, two or more, got {predicted.shape} and "
            f"{truth.shape}; pass one row for each catalogue"
        )
    variance = spread(truth, SINGLE) ** 2
    constant = [name for name, value in zip(names, variance, strict=True) if not value > 0]
    if constant:
        raise InputError(
            f"expected parameters that vary among the catalogues, got {', '.join(constant)} the "
            "same in all but for rounding; score held-out catalogues of several cosmologies"
        )
    as_finite(predicted, "the estimates")
    squared = (truth - predicted) ** 2
    mean, error = squared.mean(axis=0), squared.std(axis=0, ddof=1) / np.sqrt(len(truth))
    return RegressionScores(tuple(names), 1 - mean / variance, mean, error, len(truth))


def predict(
    run: TrainedRun, catalogues: Sequence[Catalogue]
) -> Float[np.ndarray, "catalogues parameters"]:
    """The parameters that a run of :class:`Regression` estimates, in physical units.

    Raises:
        InputError: for a run of another kind, or a catalogue unlike those trained on.
    """
    model, network = run.experiment.model, run.experiment.network
    if not isinstance(model, Regression):
        raise InputError(
            f"expected a run of a regression, got one of {type(model).__name__}; train with "
            "model=Regression()"
        )
    known = standardizer_of(run.encoding)
    for catalogue in catalogues:
        check_catalogue(known, catalogue)

    @jax.jit
    def estimate(params, batch):
        with multiplying_in(run.experiment.precision):
            return model.with_params(network, params)(batch)

    found = np.empty((len(catalogues), len(known.condition)))
    for rows, batch in catalogue_batches(run.encoding, catalogues):
        found[rows] = np.asarray(estimate(run.params, batch))[: len(rows)]
    return Parameters.of(known).decode(found)


def compare_regressions(
    runs: Mapping[str, TrainedRun], catalogues: Sequence[Catalogue]
) -> dict[str, RegressionScores]:
    """The scores of several runs on the same held-out catalogues.

    Raises:
        InputError: as :func:`predict`, or where a catalogue does not know its parameters.
    """
    scores = {}
    for name, run in runs.items():
        known = standardizer_of(run.encoding)
        truth = np.array([list(known.condition_values(c).values()) for c in catalogues])
        scores[name] = score(known.condition, truth, predict(run, catalogues))
    return scores


def regression_table(scores: Mapping[str, RegressionScores]) -> str:
    """Scores side by side, a line for each."""
    lines = []
    for name, found in scores.items():
        columns = zip(
            found.names, found.r_squared, found.mean_squared_error, found.error, strict=True
        )
        each = [f"{n} R² {r:6.3f}, MSE {m:.3g} ± {e:.1g}" for n, r, m, e in columns]
        lines.append(f"{name:24s} {';  '.join(each)}")
    return "\n".join(lines)
