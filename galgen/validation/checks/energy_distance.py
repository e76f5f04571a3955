"""The energy distance of two samples of vectors, and its null by relabelling."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.spatial.distance import cdist

from galgen.randomness import Role, random_generator


def energy_distance(
    one: Float[np.ndarray, "n dimensions"],
    two: Float[np.ndarray, "n dimensions"],
    relabellings: int = 200,
) -> tuple[float, float, float]:
    """2 E|x - y| - E|x - x'| - E|y - y'| of two samples (Szekely and Rizzo 2013).

    doi:10.1016/j.jspi.2013.03.018, with pairs of a vector and itself.

    Args:
        one, two: of one number of vectors.
        relabellings: of both samples together, for the null.

    Returns:
        It, its mean where the labels are dealt at random, and the p-value.
    """
    n, both = len(one), np.concatenate([one, two])
    distances = cdist(both, both)
    labels = np.repeat([1.0, -1.0], n)
    rng = random_generator(Role.RELABELLINGS, 0)
    every = np.array([labels, *(rng.permutation(labels) for _ in range(relabellings))])
    found, *null = (-np.einsum("li,li->l", every @ distances, every) / n**2).tolist()
    p_value = (1 + sum(value >= found for value in null)) / (1 + relabellings)
    return found, float(np.mean(null)), p_value
