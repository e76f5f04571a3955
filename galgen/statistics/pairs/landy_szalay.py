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

import warnings
from collections.abc import Sequence

import flax.struct
import numpy as np
from jaxtyping import Bool, Float

from galgen.arrays import ArrayLike
from galgen.errors import InputError
from galgen.statistics.binning import EnsembleMean
from galgen.statistics.pairs.bins import AngleBins, PairBins, ProjectedBins, as_bins
from galgen.statistics.pairs.counts import pair_sums
from galgen.statistics.pairs.multipoles import check_ells, legendre_weights
from galgen.statistics.pairs.points import Points, Product, RegionProduct
from galgen.statistics.pairs.survey_catalogue import SurveyCatalogue


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
        InputError: regions given to one of them only, or negative; fewer than two points of weight
            above zero, or none outside a region.

    Warns:
        UserWarning: bins without a pair of randoms, where xi is NaN.
    """
    chosen = as_bins(bins)
    regions = _regions(data, randoms)

    def counts(one: SurveyCatalogue, other: SurveyCatalogue | None) -> np.ndarray:
        sums = pair_sums(
            _points(one, regions),
            None if other is None else _points(other, regions),
            chosen,
            1.0,
            False,
            RegionProduct(regions) if regions else Product(),
        )
        # The last part is of all pairs, those before it of the pairs that touch each region.
        touching = sums.reshape(*chosen.shape, regions + 1)
        whole = touching[..., -1:]
        return np.concatenate([whole - touching[..., :-1], whole], axis=-1)

    of_data, of_randoms = (catalogue.totals(1, regions) for catalogue in (data, randoms))
    dd = counts(data, None) / _all_pairs(data, regions, "data")
    dr = counts(data, randoms) / (of_data * of_randoms)
    rr = counts(randoms, None) / _all_pairs(randoms, regions, "randoms")
    filled = rr > 0
    _warn_of_empty(chosen, ~filled)
    xi = np.where(filled, (dd - 2 * dr) / np.where(filled, rr, 1.0) + 1.0, np.nan)
    return SurveyCorrelation(
        xi=xi[..., -1],
        dd=dd[..., -1],
        dr=dr[..., -1],
        rr=rr[..., -1],
        jackknife=np.moveaxis(xi[..., :-1], -1, 0),
        bins=chosen,
    )


def _all_pairs(catalogue: SurveyCatalogue, regions: int, name: str) -> Float[np.ndarray, "parts"]:
    """(sum w)² - sum w²: without each region in turn, and last of all points."""
    total = catalogue.totals(1, regions) ** 2
    pairs = total - catalogue.totals(2, regions)
    lacking = np.flatnonzero(pairs <= 1e-12 * total)
    if len(lacking):
        where = "" if lacking[0] == regions else f" outside region {lacking[0]}"
        raise InputError(
            f"expected two points of weight above zero or more in the {name}{where}, got fewer; "
            "check the weights, or number fewer regions"
        )
    return pairs


def _warn_of_empty(bins: PairBins, empty: Bool[np.ndarray, "*bins parts"]) -> None:
    """Name the first bin without random pairs, and the first region that leaves one without."""
    flat = empty.reshape(-1, empty.shape[-1])
    whole, remedy = np.flatnonzero(flat[:, -1]), "use more randoms or wider bins"
    if len(whole):
        warnings.warn(
            f"no pair of randoms in {len(whole)} of {len(flat)} bins, the first of "
            f"{bins.name(int(whole[0]))}: xi is NaN there, and w_p and multipoles of that row are; "
            f"{remedy}",
            stacklevel=3,
        )
    emptied = np.argwhere(flat[:, :-1] & ~flat[:, -1:])
    if len(emptied):
        cell, region = emptied[0]
        warnings.warn(
            f"no pair of randoms outside region {region} in the bin of {bins.name(int(cell))}: its "
            f"jackknife error is NaN; {remedy}, or fewer regions",
            stacklevel=3,
        )


def _points(catalogue: SurveyCatalogue, regions: int) -> Points:
    """A batch of one, with weights and regions as attributes."""
    positions = catalogue.positions
    region = np.asarray(catalogue.regions) if regions else np.zeros(len(positions))
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
