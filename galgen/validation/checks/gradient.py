"""d ln S / d theta: how the mean of a statistic depends on cosmology, from one split of many.

For single catalogues S_i = above_i / below_i + offset with weights below_i, the straight line of
least squares over the catalogues of a split whose cosmologies vary::

    S_i = a + sum_p b_p (theta_ip - <theta_p>),      d ln S / d theta_p = b_p / a

<theta_p> is the weighted mean, so that a is the mean of the split, a ratio of sums. The fit is
linear in S and not in ln S, because a single noisy catalogue may have S < 0. Errors and covariances
are those of leaving out one catalogue, in closed form: with design X, weights W and leverage
h_i = w_i x_i^T (X^T W X)^-1 x_i, the coefficients without i are those of all less
(X^T W X)^-1 x_i w_i e_i / (1 - h_i), e_i the residual (Miller 1974, Ann. Statist. 2, 880).

Generated is compared with held-out by the slope of :mod:`galgen.validation.checks.response`: 1 is
right, 0 a mock that ignores the parameter. What a split can tell is a mean over its range of
parameters and, where these were drawn together, of their degenerate directions.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Bool, Float

from galgen.measurements.ratio import Curve, Ratio
from galgen.resolution import SINGLE, spread
from galgen.validation.checks.conditions import Conditions
from galgen.validation.checks.response import Response, respond

LEAST_PER_COEFFICIENT = 4


@dataclasses.dataclass(frozen=True)
class Gradient:
    """d ln S / d theta of generated against held-out.

    Attributes:
        parameter: theta.
        bins: those where S of held-out is significant; in others b / a says nothing.
        response: its curves are the gradients in these bins, its slope generated against held-out.
    """

    parameter: str
    bins: Bool[np.ndarray, " all_bins"]
    response: Response


def gradients(
    name: str,
    generated: Ratio,
    held_out: Ratio,
    conditions: Conditions,
    significance: float,
    target: float,
) -> tuple[Gradient, ...]:
    """The gradient of one statistic for every parameter that varies in both sets.

    Empty where the cosmologies do not vary, vary together, or are too few for a straight line, and
    where no bin is significant.
    """
    values = (conditions.generated_parameters, conditions.held_out_parameters)
    if not conditions.names or not all(_enough(each) for each in values):
        return ()
    mean = held_out.curve()
    bins = np.abs(mean.mean) > significance * mean.error
    if not bins.any():
        return ()
    mock, truth = (
        log_gradients(ratio.of(bins=bins), each)
        for ratio, each in zip((generated, held_out), values, strict=True)
    )
    return tuple(
        Gradient(parameter, bins, respond(name, truth[index], mock[index], significance, target))
        for index, parameter in enumerate(conditions.names)
    )


def _enough(parameters: Float[np.ndarray, "catalogues names"]) -> bool:
    number, names = parameters.shape
    if number < LEAST_PER_COEFFICIENT * (names + 1):
        return False
    std = spread(parameters, SINGLE)
    if not np.all(std > 0):
        return False
    scaled = (parameters - parameters.mean(axis=0)) / std
    return bool(np.linalg.eigvalsh(scaled.T @ scaled / number)[0] > 1e-3)


def log_gradients(
    ratio: Ratio, parameters: Float[np.ndarray, "catalogues names"]
) -> tuple[Curve, ...]:
    """d ln S / d theta of every parameter, each a curve over the bins."""
    number, names = parameters.shape
    bins = ratio.above.shape[1]
    found = np.empty((names, bins))
    without = np.empty((names, number, bins))
    for index in range(bins):
        value, others = _one_bin(ratio, index, parameters)
        found[:, index], without[:, :, index] = value, others.T
    return tuple(
        Curve.of_jackknife(value, each) for value, each in zip(found, without, strict=True)
    )


def _one_bin(
    ratio: Ratio, index: int, parameters: np.ndarray
) -> tuple[Float[np.ndarray, " names"], Float[np.ndarray, "catalogues names"]]:
    """b / a of one bin, with all catalogues and without each."""
    weight = ratio.below[:, index]
    value = np.nan_to_num(ratio.single()[:, index])
    scale = parameters.std(axis=0)
    centred = (parameters - np.average(parameters, axis=0, weights=weight)) / scale
    design = np.column_stack([np.ones(len(value)), centred])
    inverse = np.linalg.inv(design.T @ (weight[:, None] * design))
    coefficients = inverse @ (design.T @ (weight * value))
    rest = value - design @ coefficients
    leverage = weight * np.einsum("ij,jk,ik->i", design, inverse, design)
    step = (design @ inverse) * (weight * rest / np.maximum(1 - leverage, 1e-9))[:, None]
    others = coefficients - step
    return coefficients[1:] / coefficients[0] / scale, others[:, 1:] / others[:, :1] / scale
