r"""The two-point correlation of a survey, whose shape is given by random points.

With normalised, weighted pair counts (Landy & Szalay 1993, ApJ 412, 64)::

    DD = sum_{i != j} w_i w_j / [(sum w)² - sum w²],   RR alike of the randoms,
    DR = sum_{i, j} w_i w_j / (sum w_data  sum w_randoms),
    xi = (DD - 2 DR + RR) / RR

in bins of the separation, of (s, mu), or of (rp, pi), with the line of sight towards the midpoint
of each pair as seen from the observer at the origin (:mod:`galgen.statistics.pairs.bins`).
Multipoles and w_p are those of :mod:`galgen.statistics.pairs.multipoles`, with RR that varies with
mu.

**Jackknife.** With the sky cut in n regions, xi_(k) is that of the survey without region k: all
pairs that touch it are taken away, and so are its points from the sums. All of these come from one
pass over the pairs, each of which is added to the regions of both of its points. Then (Norberg et
al. 2009, MNRAS 396, 19)::

    C = (n - 1)/n  sum_k (xi_(k) - mean)(xi_(k) - mean)^T
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import flax.struct
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from galgen.errors import InputError
from galgen.statistics.binning import ArrayLike, EnsembleMean
from galgen.statistics.pairs.bins import AngleBins, PairBins, ProjectedBins, as_bins
from galgen.statistics.pairs.cells import sums_by_cells
from galgen.statistics.pairs.multipoles import check_ells, legendre_weights
from galgen.statistics.pairs.points import PairQuantity, Points, Product


@dataclasses.dataclass(frozen=True)
class RegionProduct(PairQuantity):
    """The product of weights, added to the regions that a pair touches and to the total.

    Attributes:
        regions: how many. The second attribute of a point is its region.
    """

    regions: int

    @property
    def parts(self) -> int:
        return self.regions + 1

    def of(self, apart, first, second):
        return [first[0] * second[0]]

    def into(self, index, first, second):
        one, other = (columns[1].astype(jnp.int32) for columns in (first, second))
        nowhere = jnp.iinfo(jnp.int32).max
        start = index * self.parts
        return [
            start + self.regions,
            start + one,
            jnp.where(one == other, nowhere, start + other),
        ]


@dataclasses.dataclass(frozen=True)
class SurveyCatalogue:
    """Galaxies or randoms of a survey, as an observer at the origin sees them.

    ========= =============== ================================================================
    field     shape           meaning
    ========= =============== ================================================================
    positions ``(points, 3)`` comoving, Mpc/h, of ``sky.coordinates.cartesian_positions``
    weights   ``(points,)``   None for one each
    regions   ``(points,)``   region of the jackknife, 0 to n - 1; None for no jackknife
    ========= =============== ================================================================

    Raises:
        InputError: shapes that do not agree, or values that are not finite.
    """

    positions: Float[np.ndarray, "_ _"]
    weights: Float[np.ndarray, " _"] | None = None
    regions: Int[np.ndarray, " _"] | None = None

    def __post_init__(self) -> None:
        positions = np.asarray(self.positions)
        if positions.ndim != 2 or positions.shape[1] != 3 or len(positions) < 2:
            raise InputError(
                f"expected positions of shape (points, 3) with at least 2 points, got "
                f"{positions.shape}; pass comoving x, y, z in Mpc/h"
            )
        for name in ("weights", "regions"):
            column = getattr(self, name)
            if column is not None and np.shape(column) != (len(positions),):
                raise InputError(
                    f"expected {name} of shape {(len(positions),)}, got {np.shape(column)}; pass "
                    "one for each point"
                )
        if not np.all(np.isfinite(positions)) or not np.all(np.isfinite(self.weight)):
            raise InputError(
                "expected finite positions and weights, got NaN or infinity; drop those rows"
            )

    @property
    def weight(self) -> Float[np.ndarray, "points"]:
        """Weights, ones where none are given."""
        if self.weights is None:
            return np.ones(len(self.positions))
        return np.asarray(self.weights, np.float64)

    def totals(self, power: int, regions: int) -> Float[np.ndarray, "parts"]:
        """Sum of weights to a power: without each region in turn, and last of all points."""
        each = self.weight**power
        if not regions:
            return np.array([each.sum()])
        inside = np.bincount(np.asarray(self.regions), each, regions)
        return np.append(each.sum() - inside, each.sum())


@flax.struct.dataclass
class SurveyCorrelation:
    """xi of a survey, and of the survey without each region in turn.

    ========= ====================== ==========================================================
    field     shape                  meaning
    ========= ====================== ==========================================================
    xi        ``(*bins)``            Landy-Szalay; NaN in a bin without random pairs
    dd, dr    ``(*bins)``            normalised pair counts
    rr        ``(*bins)``            normalised random pairs
    jackknife ``(regions, *bins)``   xi without each region; no rows without regions
    bins      PairBins               of separation, (s, mu) or (rp, pi)
    ========= ====================== ==========================================================
    """

    xi: Float[np.ndarray, "*bins"]
    dd: Float[np.ndarray, "*bins"]
    dr: Float[np.ndarray, "*bins"]
    rr: Float[np.ndarray, "*bins"]
    jackknife: Float[np.ndarray, "regions *bins"]
    bins: PairBins = flax.struct.field(pytree_node=False)

    def correlation(self) -> EnsembleMean:
        """xi with its jackknife error and covariance.

        Raises:
            InputError: measured without regions.
        """
        return self._with_error(self.xi, self.jackknife)

    def multipoles(self, ells: Sequence[int] = (0, 2, 4)) -> EnsembleMean:
        """xi_l(s), ``(multipoles, bins)``, with the jackknife error and covariance.

        Raises:
            InputError: bins that are not of (s, mu), odd multipoles, or measured without regions.
        """
        if not isinstance(self.bins, AngleBins):
            raise InputError(
                f"expected bins of (s, mu), got {type(self.bins).__name__}; measure with AngleBins"
            )
        weight = legendre_weights(check_ells(ells), self.bins.mu_bins) / self.bins.mu_bins
        sums = (np.einsum("...sm,lm->...ls", xi, weight) for xi in (self.xi, self.jackknife))
        return self._with_error(*sums)

    def projected(self) -> EnsembleMean:
        """w_p(rp) in Mpc/h, with the jackknife error and covariance.

        Raises:
            InputError: bins that are not of (rp, pi), or measured without regions.
        """
        if not isinstance(self.bins, ProjectedBins):
            raise InputError(
                f"expected bins of (rp, pi), got {type(self.bins).__name__}; measure with "
                "ProjectedBins"
            )
        step = 2 * self.bins.pi_max / self.bins.pi_bins
        return self._with_error(*(step * xi.sum(axis=-1) for xi in (self.xi, self.jackknife)))

    def _with_error(self, value: np.ndarray, without: np.ndarray) -> EnsembleMean:
        number = len(without)
        if number < 2:
            raise InputError(
                "expected at least 2 regions for a jackknife error, got a measurement without; "
                "give regions to both catalogues, or read xi itself"
            )
        difference = (without - without.mean(axis=0)).reshape(number, -1)
        covariance = (number - 1) / number * difference.T @ difference
        error = np.sqrt(np.diag(covariance)).reshape(value.shape)
        return EnsembleMean(mean=value, error=error, covariance=covariance, number=number)


def landy_szalay(
    data: SurveyCatalogue, randoms: SurveyCatalogue, bins: PairBins | ArrayLike
) -> SurveyCorrelation:
    """xi of a survey from its galaxies and randoms, on the host's float64.

    Args:
        data, randoms: both with regions for a jackknife, or neither. 20 randoms a galaxy or more
            keep the noise of RR and DR below that of DD.
        bins: edges of the separation in Mpc/h, or ``AngleBins`` or ``ProjectedBins`` with
            ``line_of_sight=None``.

    Raises:
        InputError: regions given to one of them only, or negative.
    """
    chosen = as_bins(bins)
    regions = _regions(data, randoms)

    def counts(one: SurveyCatalogue, other: SurveyCatalogue | None) -> np.ndarray:
        sums = sums_by_cells(
            _points(one, regions),
            None if other is None else _points(other, regions),
            chosen,
            np.ones(3),
            False,
            RegionProduct(regions) if regions else Product(),
        )
        # The last part is of all pairs, those before it of the pairs that touch each region.
        touching = sums.reshape(*chosen.shape, regions + 1)
        whole = touching[..., -1:]
        return np.concatenate([whole - touching[..., :-1], whole], axis=-1)

    of_data, of_randoms = (catalogue.totals(1, regions) for catalogue in (data, randoms))
    dd = counts(data, None) / (of_data**2 - data.totals(2, regions))
    dr = counts(data, randoms) / (of_data * of_randoms)
    rr = counts(randoms, None) / (of_randoms**2 - randoms.totals(2, regions))
    filled = rr > 0
    xi = np.where(filled, (dd - 2 * dr) / np.where(filled, rr, 1.0) + 1.0, np.nan)
    return SurveyCorrelation(
        xi=xi[..., -1],
        dd=dd[..., -1],
        dr=dr[..., -1],
        rr=rr[..., -1],
        jackknife=np.moveaxis(xi[..., :-1], -1, 0),
        bins=chosen,
    )


def _points(catalogue: SurveyCatalogue, regions: int) -> Points:
    """A batch of one, with weights and regions as attributes."""
    positions = np.asarray(catalogue.positions, np.float64)
    region = np.zeros(len(positions)) if not regions else np.asarray(catalogue.regions, np.float64)
    attributes = np.stack([catalogue.weight, region], axis=-1)
    return Points(positions[None], np.ones((1, len(positions)), bool), attributes[None])


def _regions(data: SurveyCatalogue, randoms: SurveyCatalogue) -> int:
    """How many regions; 0 for none.

    Raises:
        InputError: regions of one catalogue only, negative ones, or one without randoms.
    """
    if (data.regions is None) != (randoms.regions is None):
        raise InputError(
            "expected regions of both data and randoms, or of neither, got those of one; assign "
            "both from the same map"
        )
    if data.regions is None or randoms.regions is None:
        return 0
    if min(np.min(data.regions), np.min(randoms.regions)) < 0:
        raise InputError("expected regions from 0 up, got a negative one; drop those points")
    number = int(max(np.max(data.regions), np.max(randoms.regions))) + 1
    empty = np.flatnonzero(np.bincount(np.asarray(randoms.regions), minlength=number) == 0)
    if len(empty):
        raise InputError(
            f"expected randoms in every region, got none in region {empty[0]}; number the regions "
            "without gaps"
        )
    return number
