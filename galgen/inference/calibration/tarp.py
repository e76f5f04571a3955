r"""TARP: expected coverage by distances to random points, of all parameters at once.

Lemos et al. 2023, arXiv:2302.03026, algorithm 2. For each catalogue a reference point is drawn that
knows nothing of the posterior, and

    f = fraction of draws that lie nearer to the reference point than the truth does.

Where posteriors are right, f is uniform; the expected coverage at credibility a is the fraction of
catalogues with f < a. Where it is for every way to place the reference points, posteriors are right
(their theorem 3): one place for all, or places that follow the data, see different faults.
Distances are Euclidean, in units of the spread of the truths.

The largest distance between coverage and credibility has the distribution of Kolmogorov's
statistic, which gives the p-value and the band that holds a whole calibrated curve in 99 of 100
cases.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float
from scipy import stats

from galgen.arrays import as_finite
from galgen.errors import InputError
from galgen.inference.calibration.ranks import BAND, check_sets
from galgen.randomness import Role, random_generator
from galgen.resolution import SINGLE, spread


@dataclasses.dataclass(frozen=True, eq=False)
class Tarp:
    """The fractions f of a test.

    ========= ================== ==============================================
    field     shape              meaning
    ========= ================== ==============================================
    fractions ``(catalogues,)``  draws nearer to the reference point than the
                                 truth; uniform for right posteriors
    ========= ================== ==============================================
    """

    fractions: Float[np.ndarray, " catalogues"]

    def coverage(self, levels: Float[np.ndarray, " levels"]) -> Float[np.ndarray, " levels"]:
        """Expected coverage at each credibility."""
        return np.mean(self.fractions[:, None] < levels, axis=0)

    @property
    def distance(self) -> float:
        """The largest between coverage and credibility."""
        return float(stats.kstest(self.fractions, "uniform").statistic)

    @property
    def half_width(self) -> float:
        """Half the width of the band that holds the whole curve in 99 of 100 cases."""
        return float(stats.kstwo.ppf(BAND, len(self.fractions)))

    @property
    def p_value(self) -> float:
        """Probability of a distance as large, for right posteriors."""
        return float(stats.kstest(self.fractions, "uniform").pvalue)

    @property
    def within_band(self) -> bool:
        """Whether the whole curve lies in the 99% band."""
        return self.distance <= self.half_width


def tarp(
    samples: Float[np.ndarray, "catalogues draws parameters"],
    truths: Float[np.ndarray, "truths _"],
    references: Float[np.ndarray, "references _"] | None = None,
    seed: int = 0,
) -> Tarp:
    """The test of expected coverage.

    Args:
        samples: independent draws of each posterior.
        truths: what each catalogue was made with, drawn from the prior.
        references: reference points; None draws them uniformly over the range of the truths.
        seed: of these, and of the place of f between two draws.

    Raises:
        InputError: for shapes that do not fit, fewer than ten catalogues, or truths all alike.
    """
    check_sets(samples, truths)
    low, high, std = truths.min(axis=0), truths.max(axis=0), spread(truths, SINGLE)
    if not np.all(std > 0):
        constant = np.flatnonzero(std == 0).tolist()
        raise InputError(
            "expected truths that differ in every parameter, got the same but for rounding in "
            f"columns {constant}; vary them, or leave them out"
        )
    if references is None:
        references = random_generator(Role.TARP_REFERENCES, seed).uniform(low, high, truths.shape)
    as_finite(references, "references")
    if references.shape != truths.shape:
        raise InputError(
            f"expected reference points of shape {truths.shape}, got {references.shape}; "
            "give one for each truth"
        )
    reach = np.linalg.norm((truths - references) / std, axis=-1)
    distances = np.linalg.norm((samples - references[:, None]) / std, axis=-1)
    nearer = np.sum(distances < reach[:, None], axis=1)
    # With a finite number of draws f takes steps; spread evenly within them it stays uniform.
    draws = samples.shape[1]
    places = random_generator(Role.TARP_PLACES, seed).random(len(nearer))
    return Tarp((nearer + places) / (draws + 1))
