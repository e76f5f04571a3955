"""The continuous ranked probability score (CRPS) of held-out values against draws, and its null.

Of a held-out value t against m draws g_i, in the form that is unbiased for any m (Ferro 2014, Q. J.
R. Meteorol. Soc. 140, 1917)::

    crps = 1/m sum_i |g_i - t|  -  1/(2 m (m - 1)) sum_ij |g_i - g_j|

Its mean over held-out is least for the true distribution. The null is the score of one half of
held-out against the other; crps / null is 1 for a perfect mock and greater for any other. Less the
null it is half the energy distance of the two sets (Székely & Rizzo 2013). That distance is
degenerate where the sets agree, and its error comes of relabelling (:mod:`galgen.validation.sets`)
and not of a jackknife.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

from galgen.measurements.ratio import divided
from galgen.validation.sets import halvings


def fair_crps(
    draws: Float[np.ndarray, "draws bins"], values: Float[np.ndarray, "values bins"]
) -> Float[np.ndarray, "values bins"]:
    """The score of every value against two draws or more."""
    number = len(draws)
    ordered = np.sort(draws, axis=0)
    sums = np.concatenate([np.zeros((1, draws.shape[1])), np.cumsum(ordered, axis=0)])
    weight = 2 * np.arange(number) - number + 1
    among = weight @ ordered / (number * (number - 1))
    scores = np.empty_like(values)
    for column in range(values.shape[1]):
        below = np.searchsorted(ordered[:, column], values[:, column])
        distance = values[:, column] * (2 * below - number)
        distance += sums[-1, column] - 2 * sums[below, column]
        scores[:, column] = distance / number - among[column]
    return scores


def grouped_crps(
    draws: np.ndarray, values: np.ndarray, draw_group: np.ndarray, group: np.ndarray
) -> np.ndarray:
    """The score of every value against the draws of its group; NaN for fewer than two."""
    scores = np.full(values.shape, np.nan)
    for each in np.unique(group):
        chosen = draws[draw_group == each]
        if len(chosen) > 1:
            scores[group == each] = fair_crps(chosen, values[group == each])
    return scores


def half_crps(
    values: np.ndarray, group: np.ndarray, condition: np.ndarray, seed: int
) -> np.ndarray:
    """The score of every held-out value against the half that it is not in, mean over halvings."""
    total, times = np.zeros(values.shape), np.zeros(values.shape)
    for half in halvings(condition, seed, repeats=16):
        for rows in (half, ~half):
            scores = grouped_crps(values[rows], values[~rows], group[rows], group[~rows])
            found = np.isfinite(scores)
            total[~rows] += np.where(found, scores, 0.0)
            times[~rows] += found
    return np.where(times > 0, total / np.maximum(times, 1), np.nan)


def relabelled_crps_ratio(
    values: Float[np.ndarray, "both bins"],
    group: Int[np.ndarray, " both"],
    labels: Bool[np.ndarray, "labellings both"],
) -> Float[np.ndarray, "labellings bins"]:
    """crps over its null for every labelling, the null of each held-out against all the others.

    NaN where no group has two of either.
    """
    above = np.zeros((len(labels), values.shape[1]))
    below = np.zeros_like(above)
    for each in np.unique(group):
        rows = group == each
        truth = labels[:, rows].astype(np.float64)
        held_out = truth.sum(axis=1)
        draws = rows.sum() - held_out
        if min(held_out.min(), draws.min()) < 2:
            continue
        for column in range(values.shape[1]):
            distance = np.abs(values[rows, column, None] - values[rows, column])
            to_truth = truth @ distance
            within = np.sum(to_truth * truth, axis=1)
            across = np.sum(to_truth, axis=1) - within
            among = distance.sum() - within - 2 * across
            above[:, column] += across / draws - held_out * among / (2 * draws * (draws - 1))
            below[:, column] += within / (2 * (held_out - 1))
    return divided(above, below)
