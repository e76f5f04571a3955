"""PQMass: a test whether two sets of catalogues are draws of one distribution, by all summaries.

Of both sets together, R vectors are drawn as references and taken out. Every other vector falls to
its nearest reference. This cuts space into R cells, in which two equal distributions have equal
masses. With k_i and l_i vectors of the two sets (m and n in all) in cell i::

    chi² = sum_i [ (k_i - e_i)² / e_i + (l_i - f_i)² / f_i ],
    e_i = m (k_i + l_i) / (m + n),   f_i = n (k_i + l_i) / (m + n)

For equal distributions it follows chi-square with R - 1 degrees of freedom in any dimension (Lemos
et al. 2024, arXiv:2402.04355). It is averaged over many draws of references. These share the
vectors, and the average does not follow the textbook law. References are drawn without regard to
the labels: relabelling (:mod:`galgen.validation.sets`) moves no cell and gives the exact null.

The vectors are standardised by held-out. chi² far **below** its degrees of freedom is a warning
too: the sets are closer than chance allows, as copies are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial.distance import cdist

from galgen.randomness import Role, random_generator
from galgen.resolution import SINGLE, divisors, spread
from galgen.validation.sets import Conditions, halvings, p_value

LEAST_PER_CELL = 5
MOST_CELLS = 50
TESSELLATIONS = 40


@dataclasses.dataclass(frozen=True)
class TwoSample:
    """PQMass of generated against held-out.

    Attributes:
        chi_square: mean over tessellations, per degree of freedom.
        null: of one half of held-out against the other, per degree of freedom; mean over halvings.
        null_error: standard deviation over halvings.
        p_value: by relabelling; small when the sets differ.
        cells: references R.
        dimensions: of a summary vector, without what is constant.
        catalogues: of generated and of held-out that entered.
        constant: names of the numbers that are the same in both sets, and are left out.
    """

    chi_square: float
    null: float
    null_error: float
    p_value: float
    cells: int
    dimensions: int
    catalogues: tuple[int, int]
    constant: tuple[str, ...] = ()


def standardised(
    vectors: Float[np.ndarray, "catalogues dimensions"],
    held_out: Float[np.ndarray, "held_out dimensions"],
    everything: Float[np.ndarray, "all dimensions"],
) -> Float[np.ndarray, "catalogues dimensions"]:
    """Vectors less the mean of held-out, in its standard deviations.

    A number that is constant in held-out but for rounding is told by the deviation of
    ``everything``, and is 0 where it is constant in that too.
    """
    finite, whole = (rows[np.isfinite(rows).all(axis=1)] for rows in (held_out, everything))
    own, shared = spread(finite, SINGLE), spread(whole, SINGLE)
    scales = np.where((own > 0) | (shared == 0), own, shared)
    return (vectors - finite.mean(axis=0)) / divisors(scales)


def two_sample_test(
    generated: Float[np.ndarray, "generated dimensions"],
    held_out: Float[np.ndarray, "held_out dimensions"],
    conditions: Conditions,
    labels: Bool[np.ndarray, "labellings both"],
    seed: int,
    names: Sequence[str] | None = None,
) -> TwoSample:
    """PQMass of two sets of vectors; one that is not finite is left out.

    Args:
        generated, held_out: summary vectors, in any units.
        conditions: of the same catalogues.
        labels: from ``conditions.relabelled``.
        seed: of the references and the halves.
        names: of the numbers of a vector, for what is said of those that are left out.
    """
    both = np.concatenate([generated, held_out])
    vectors = standardised(both, held_out, both)
    keep = np.isfinite(vectors).all(axis=1)
    varied = np.any(vectors[keep] != 0, axis=0)
    dropped = np.flatnonzero(~varied).tolist()
    constant = tuple(f"number {i}" if names is None else names[i] for i in dropped)
    vectors = vectors[:, varied]
    vectors, labels = vectors[keep], labels[:, keep]
    truth = vectors[labels[0]]
    condition = conditions.held_out[keep[len(generated) :]]
    cells = number_of_cells(len(vectors))
    found = mean_chi_square(vectors, labels, cells, seed) / (cells - 1)
    half_cells = number_of_cells(len(truth))
    splits = np.stack(list(halvings(condition, seed, repeats=16)))
    null = mean_chi_square(truth, splits, half_cells, seed, role=Role.HALF_CELLS) / (half_cells - 1)
    return TwoSample(
        chi_square=float(found[0]),
        null=float(null.mean()),
        null_error=float(null.std(ddof=1)),
        p_value=p_value(found) if varied.any() else np.nan,
        cells=cells,
        dimensions=vectors.shape[1],
        catalogues=(int(np.sum(~labels[0])), int(np.sum(labels[0]))),
        constant=constant,
    )


def number_of_cells(vectors: int) -> int:
    """As many cells as leave :data:`LEAST_PER_CELL` vectors for each on average, 2 to 50."""
    return int(np.clip(vectors // (LEAST_PER_CELL + 1), 2, MOST_CELLS))


def mean_chi_square(
    vectors: Float[np.ndarray, "both dimensions"],
    labels: Bool[np.ndarray, "labellings both"],
    cells: int,
    seed: int,
    tessellations: int = TESSELLATIONS,
    role: Role = Role.CELLS,
) -> Float[np.ndarray, " labellings"]:
    """chi² above for every labelling, mean over tessellations."""
    rng = random_generator(role, seed)
    total = np.zeros(len(labels))
    for _ in range(tessellations):
        chosen = rng.choice(len(vectors), cells, replace=False)
        rest = np.setdiff1d(np.arange(len(vectors)), chosen)
        cell = np.argmin(cdist(vectors[rest], vectors[chosen]), axis=1)
        total += _chi_square(labels[:, rest], cell, cells)
    return total / tessellations


def _chi_square(
    labels: Bool[np.ndarray, "labellings rest"], cell: Int[np.ndarray, " rest"], cells: int
) -> Float[np.ndarray, " labellings"]:
    member = (cell[:, None] == np.arange(cells)).astype(float)
    both = member.sum(axis=0)
    total = np.zeros(len(labels))
    for side in (labels, ~labels):
        counts = side.astype(float) @ member
        expected = side.sum(axis=1, keepdims=True) * both / len(cell)
        safe = np.where(expected > 0, expected, 1.0)
        total += np.sum(np.where(expected > 0, (counts - expected) ** 2 / safe, 0.0), axis=1)
    return total
