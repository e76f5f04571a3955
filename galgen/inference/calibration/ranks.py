r"""Simulation-based calibration: the rank of the truth among the draws of its posterior.

Where truths come from the prior, data from the truths, and L independent draws from each posterior,
the number of draws below the truth is uniform on 0 ... L (Talts et al. 2018, arXiv:1804.06788,
theorem 1). Posteriors that are too narrow have too many truths at the ends, too wide ones in the
middle, biased ones at one end.

The same ranks give the coverage of central intervals: that of level a holds the truth where
|2 u - 1| <= a. Here u is the rank, spread evenly within its step of 1 / (L + 1), so that it is
uniform on [0, 1] however few the draws. The fraction over catalogues should be a.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

from galgen.arrays import as_finite
from galgen.errors import InputError
from galgen.randomness import Role, random_generator

BAND = 0.99
"""Probability of the bands that are drawn."""


@dataclasses.dataclass(frozen=True, eq=False)
class Ranks:
    """Ranks of truths among draws.

    ====== ============================== ==========================================
    field  shape                          meaning
    ====== ============================== ==========================================
    names  one per parameter              of the parameters
    places ``(catalogues, parameters)``   the u of each truth, see the module's docstring
    draws  int                            of each posterior
    ====== ============================== ==========================================

    Raises:
        InputError: for a place outside [0, 1], or NaN.
    """

    names: tuple[str, ...]
    places: Float[np.ndarray, "catalogues parameters"]
    draws: int

    def __post_init__(self) -> None:
        wrong = int(np.sum(~((self.places >= 0) & (self.places <= 1))))
        if wrong:
            raise InputError(
                f"expected places in [0, 1], got {wrong} outside or NaN of {self.places.size}; "
                "ranks_of makes them"
            )

    @property
    def ranks(self) -> Int[np.ndarray, "catalogues parameters"]:
        """Number of draws below the truth, from 0 to ``draws``."""
        return np.floor(self.places * (self.draws + 1)).astype(int)

    @property
    def bins(self) -> int:
        """Number of bins of a histogram, each with an equal expectation of five ranks or more."""
        most = max(2, min(20, len(self.places) // 5))
        return max(n for n in range(1, most + 1) if (self.draws + 1) % n == 0)

    def histogram(self) -> Int[np.ndarray, "parameters bins"]:
        """Catalogues in equal bins of rank."""
        edges = np.linspace(0, self.draws + 1, self.bins + 1)
        return np.stack([np.histogram(column, edges)[0] for column in self.ranks.T])

    @property
    def band(self) -> tuple[int, int]:
        """The range of counts of one bin in 99 of 100 cases."""
        low, high = stats.binom(len(self.places), 1 / self.bins).interval(BAND)
        return int(low), int(high)

    @property
    def p_values(self) -> dict[str, float]:
        """The p-value of chi-squared of each parameter's histogram against a flat one."""
        if self.bins == 1:
            raise InputError(
                f"expected draws such that draws + 1 has small divisors, got {self.draws}; "
                "99 or 999 are usual"
            )
        found = [stats.chisquare(counts).pvalue for counts in self.histogram()]
        return dict(zip(self.names, map(float, found), strict=True))

    def coverage(
        self, levels: Float[np.ndarray, " levels"]
    ) -> Float[np.ndarray, "parameters levels"]:
        """The fraction of catalogues whose central interval of each level holds the truth."""
        reach = np.abs(2 * self.places - 1)
        return np.mean(reach[..., None] <= levels, axis=0)

    @property
    def coverage_p_values(self) -> dict[str, float]:
        """The p-value of the largest distance between coverage and level (Kolmogorov-Smirnov)."""
        reach = np.abs(2 * self.places - 1)
        found = [stats.kstest(column, "uniform").pvalue for column in reach.T]
        return dict(zip(self.names, map(float, found), strict=True))

    @property
    def half_width(self) -> float:
        """Half the width of the band of a whole calibrated coverage curve in 99 of 100 cases."""
        return float(stats.kstwo.ppf(BAND, len(self.places)))


def ranks_of(
    names: tuple[str, ...],
    samples: Float[np.ndarray, "catalogues draws parameters"],
    truths: Float[np.ndarray, "truths _"],
    seed: int = 0,
) -> Ranks:
    """Ranks of truths; draws that equal the truth fall on either side at random.

    Args:
        names: of the parameters.
        samples: independent draws of each posterior: chains must be thinned first.
        truths: what each catalogue was made with, drawn from the prior.
        seed: of the ties, and of the place within a step.

    Raises:
        InputError: for shapes that do not fit, or fewer than ten catalogues.
    """
    check_sets(samples, truths)
    rng = random_generator(Role.RANKS, seed)
    below = np.sum(samples < truths[:, None], axis=1)
    ties = np.sum(samples == truths[:, None], axis=1)
    steps = below + rng.integers(0, ties + 1) + rng.random(truths.shape)
    return Ranks(names, steps / (samples.shape[1] + 1), samples.shape[1])


def check_sets(samples: np.ndarray, truths: np.ndarray) -> None:
    """Refuse, with an InputError, all but a finite posterior for each of ten truths or more."""
    if samples.ndim != 3 or truths.shape != (samples.shape[0], samples.shape[2]):
        raise InputError(
            f"expected samples (catalogues, draws, parameters) and truths (catalogues, parameters),"
            f" got {samples.shape} and {truths.shape}; give one truth per posterior"
        )
    if len(truths) < 10:
        raise InputError(
            f"expected 10 catalogues or more for a test of calibration, got {len(truths)}; "
            "infer more of them"
        )
    wrong = np.flatnonzero(~np.all(np.isfinite(samples), axis=(1, 2)))
    if len(wrong):
        shown = ", ".join(map(str, wrong[:5])) + ", ..." * (len(wrong) > 5)
        raise InputError(
            f"expected finite draws, got NaN or infinite ones in {len(wrong)} of {len(truths)} "
            f"posteriors (numbers {shown}); mend these, for a NaN has no rank"
        )
    as_finite(truths, "truths")
