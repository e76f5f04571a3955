"""n(z): the comoving number density of a survey in shells of redshift.

For objects with weights w_j over a solid angle Omega, and d(z) the comoving distance in Mpc/h::

    V_i = Omega / 3 (d(z_{i+1})³ - d(z_i)³)               in flat space; :func:`shell_volumes`
    n_i = sum_j w_j / V_i +- sqrt(sum_j w_j²) / V_i       over objects with z_i <= z < z_{i+1}

in (h/Mpc)³. Edges are taken in the precision of the redshifts: a float32 of 0.7 is at an edge of
0.7. The error is of Poisson sampling. The jackknife leaves out one region of the sky at a time,
with its share of the area, and so has the clustering too (between regions, which must be large). On
the host in float64.
"""

from __future__ import annotations

import flax.struct
import numpy as np
from jaxtyping import Float, Int

from galgen.arrays import ArrayLike, as_array, as_floats, check_range
from galgen.cosmology.background import Cosmology
from galgen.cosmology.coordinates import SKY_AREA
from galgen.cosmology.distances import MAXIMUM_REDSHIFT, shell_volumes
from galgen.errors import InputError
from galgen.statistics.binning import EnsembleMean, check_edges, edges_like, jackknife_ratio


@flax.struct.dataclass
class RedshiftDistribution:
    """n(z) of one survey.

    ======== ============== =========================================
    field    shape          meaning
    ======== ============== =========================================
    edges    ``(bins + 1)`` redshift; bins are [low, high)
    redshift ``(bins,)``    middle of each bin
    density  ``(bins,)``    n, (h/Mpc)³
    error    ``(bins,)``    Poisson error of n; zero for an empty bin
    weight   ``(bins,)``    sum of weights
    counts   ``(bins,)``    objects, integers
    volume   ``(bins,)``    (Mpc/h)³
    ======== ============== =========================================
    """

    edges: Float[np.ndarray, "edges"]
    redshift: Float[np.ndarray, "bins"]
    density: Float[np.ndarray, "bins"]
    error: Float[np.ndarray, "bins"]
    weight: Float[np.ndarray, "bins"]
    counts: Int[np.ndarray, "bins"]
    volume: Float[np.ndarray, "bins"]


def redshift_distribution(
    redshift: ArrayLike,
    edges: ArrayLike,
    cosmology: Cosmology,
    area: float,
    weights: ArrayLike | None = None,
) -> RedshiftDistribution:
    """n(z) with Poisson errors.

    Args:
        redshift: ``(objects,)``; those outside the edges are left out.
        edges: ``(bins + 1,)`` redshifts, from 0.
        cosmology: of astropy, or parameters by name; H_0 does not matter.
        area: of the survey in square degrees, less what is incomplete:
            :func:`~galgen.statistics.sky.angular_power.survey_area`.
        weights: ``(objects,)`` completeness weights; None for one each.

    Raises:
        InputError: bad edges, area, redshifts or weights.
    """
    limits, volume = _shells(edges, cosmology, area)
    values, weight = _check_objects(redshift, weights)
    place, bins = _places(values, edges_like(limits, redshift)), limits.size - 1
    # Without objects bincount returns integers.
    total = np.bincount(place, weight, minlength=bins + 1)[:bins].astype(np.float64)
    squares = np.bincount(place, weight**2, minlength=bins + 1)[:bins]
    return RedshiftDistribution(
        edges=limits,
        redshift=(limits[1:] + limits[:-1]) / 2,
        density=total / volume,
        error=np.sqrt(squares) / volume,
        weight=total,
        counts=np.bincount(place, minlength=bins + 1)[:bins],
        volume=volume,
    )


def jackknife_redshift_distribution(
    redshift: ArrayLike,
    region: ArrayLike,
    share: ArrayLike,
    edges: ArrayLike,
    cosmology: Cosmology,
    area: float,
    weights: ArrayLike | None = None,
) -> EnsembleMean:
    """n(z) ``(bins,)`` with the delete-one jackknife over regions of the sky.

    Args:
        region: ``(objects,)`` region of each object, from 0.
        share: ``(regions,)`` share of the area of each region:
            :class:`~galgen.statistics.sky.regions.SkyRegions` gives both.
        redshift, edges, cosmology, area, weights: as :func:`redshift_distribution`.

    Raises:
        InputError: as :func:`redshift_distribution`, regions that are not whole numbers below the
            number of shares, or shares that do not sum to one.
    """
    limits, volume = _shells(edges, cosmology, area)
    values, weight = _check_objects(redshift, weights)
    parts, label = as_floats(share, "share", ""), as_array(region, "region")
    if parts.ndim != 1 or np.any(~(parts > 0)) or abs(parts.sum() - 1) > 1e-6:
        raise InputError(
            f"expected positive shares of the area that sum to 1, got {parts.size} with the sum "
            f"{parts.sum():g}; pass SkyRegions.share"
        )
    whole = label.shape == values.shape and np.all(label == np.floor(label))
    if not whole or np.any((label < 0) | (label >= parts.size)):
        raise InputError(
            f"expected a region from 0 to {parts.size - 1} for each of {values.size} objects, got "
            f"shape {label.shape} of {label.dtype}; pass SkyRegions.label(...)"
        )
    bins = limits.size - 1
    flat = label.astype(np.int64) * (bins + 1) + _places(values, edges_like(limits, redshift))
    total = np.bincount(flat, weight, minlength=parts.size * (bins + 1))
    return jackknife_ratio(total.reshape(parts.size, bins + 1)[:, :bins], parts[:, None] * volume)


def _shells(
    edges: ArrayLike, cosmology: Cosmology, area: float
) -> tuple[Float[np.ndarray, "edges"], Float[np.ndarray, "bins"]]:
    """Edges in float64, and the comoving volume of each shell in (Mpc/h)³."""
    limits = check_edges(edges, "redshift edges")
    area = float(as_array(area, "area", "deg^2"))
    if not 0 < area <= SKY_AREA * (1 + 1e-9):
        raise InputError(
            f"expected an area in (0, {SKY_AREA:.6g}] square degrees, got {area:g}; "
            "convert steradians by 3282.8"
        )
    solid_angle = 4 * np.pi * area / SKY_AREA
    return limits, solid_angle * shell_volumes(limits, cosmology)


def _check_objects(
    redshift: ArrayLike, weights: ArrayLike | None
) -> tuple[Float[np.ndarray, "objects"], Float[np.ndarray, "objects"]]:
    """Redshifts and weights of one shape, finite."""
    values = as_floats(redshift, "redshift", "")
    weight = np.ones(values.shape) if weights is None else as_floats(weights, "weights", "")
    if values.ndim != 1 or weight.shape != values.shape:
        raise InputError(
            f"expected redshifts and weights of one shape (objects,), got {values.shape} and "
            f"{weight.shape}; take both from the same catalogue"
        )
    check_range("redshift", values, 0.0, MAXIMUM_REDSHIFT, "drop stars and failed redshifts")
    check_range("weights", weight, 0.0, np.finfo(float).max, "drop those objects")
    return values, weight


def _places(
    values: Float[np.ndarray, "objects"], edges: Float[np.ndarray, "edges"]
) -> Int[np.ndarray, "objects"]:
    """The bin of each value, [low, high); the number of bins for those outside."""
    place = np.searchsorted(edges, values, side="right") - 1
    return np.where((place < 0) | (place >= edges.size - 1), edges.size - 1, place)
