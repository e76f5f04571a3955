"""Regions of about equal area on the sky, for a delete-one jackknife of a survey.

The random points of a survey say where it looked, and how completely. They are counted on HEALPix
pixels (Gorski et al. 2005, ApJ 622, 759) in nested order, which keeps neighbours on the sky
together. With w_p the random weight of pixel p, C_p that of all pixels before it, C that of all::

    region(p) = floor(R (C_p + w_p / 2) / C)

cuts the sky into R runs of pixels, whose weights are equal to within that of the heaviest pixel. A
pixel without randoms belongs to the run that it lies in. A run is compact, but may come in two
pieces where it passes from one of the 12 base pixels to the next. Nothing is drawn: the same
randoms, in any order, give the same regions. On the host in float64.
"""

from __future__ import annotations

import flax.struct
import healpy
import numpy as np
from jaxtyping import Float, Int

from galgen.arrays import ArrayLike, as_floats, check_range
from galgen.cosmology.coordinates import unit_vectors
from galgen.errors import InputError
from galgen.statistics.binning import check_whole


@flax.struct.dataclass
class SkyRegions:
    """A partition of the whole sky.

    ========= ============== =============================================
    field     shape          meaning
    ========= ============== =============================================
    of_pixel  ``(pixels,)``  region of each pixel, in nested order
    share     ``(regions,)`` share of the random weight, summing to 1
    nside     int            resolution of the pixels
    ========= ============== =============================================
    """

    of_pixel: Int[np.ndarray, "pixels"]
    share: Float[np.ndarray, "regions"]
    nside: int = flax.struct.field(pytree_node=False)

    def label(
        self, right_ascension: ArrayLike, declination: ArrayLike
    ) -> Int[np.ndarray, "*shape"]:
        """The region of each object, from 0, by its right ascension and declination in degrees.

        Raises:
            InputError: angles of different shapes, out of range or not finite.
        """
        return self.of_pixel[nested_pixels(self.nside, right_ascension, declination)]


def sky_regions(
    random_right_ascension: ArrayLike,
    random_declination: ArrayLike,
    regions: int,
    weights: ArrayLike | None = None,
    nside: int = 64,
) -> SkyRegions:
    """Regions of about equal random weight; label galaxies and randoms with the result.

    Args:
        random_right_ascension: ``(randoms,)`` degrees.
        random_declination: ``(randoms,)`` degrees.
        regions: how many.
        weights: ``(randoms,)``, not negative; None for one each.
        nside: resolution, a power of 2; 64 means pixels of 0.84 square degrees.

    Raises:
        InputError: bad angles, weights, resolution or number of regions, or a region that no
            random falls into.
    """
    check_nside(nside)
    number = check_whole(regions, 2, 2**31, "at least 2 regions", "pass e.g. 50")
    pixels = nested_pixels(nside, random_right_ascension, random_declination)
    count = np.ones(pixels.shape) if weights is None else as_floats(weights, "weights", "")
    if count.shape != pixels.shape or pixels.ndim != 1:
        raise InputError(
            f"expected randoms and weights of one shape (randoms,), got {pixels.shape} and "
            f"{count.shape}; pass one weight per random"
        )
    check_range("random weights", count, 0.0, np.finfo(float).max, "drop those randoms")
    if not count.sum() > 0:
        raise InputError("expected randoms of positive weight, got none; pass the survey's randoms")
    # Sorted before summing, so that the order of the randoms cannot change a rounding.
    order = np.lexsort((count, pixels))
    weight = np.bincount(pixels[order], count[order], minlength=12 * nside**2)
    before = np.cumsum(weight) - weight
    place = np.floor(number * (before + weight / 2) / weight.sum()).astype(np.int64)
    of_pixel = np.clip(place, 0, number - 1)
    share = np.bincount(of_pixel, weight, minlength=number) / weight.sum()
    empty = np.count_nonzero(share == 0)
    if empty:
        raise InputError(
            f"expected randoms in every one of {number} regions, got {empty} regions without; "
            f"raise nside above {nside} or ask for fewer regions"
        )
    return SkyRegions(of_pixel=of_pixel, share=share, nside=nside)


def nested_pixels(
    nside: int, right_ascension: ArrayLike, declination: ArrayLike
) -> Int[np.ndarray, "*shape"]:
    """HEALPix pixel of each object in nested order, from angles in degrees."""
    direction = unit_vectors(right_ascension, declination)
    return np.asarray(healpy.vec2pix(nside, *np.moveaxis(direction, -1, 0), nest=True), np.int64)


def check_nside(nside: int) -> None:
    """Refuse a resolution that nested order does not know.

    Raises:
        InputError: not a power of 2 from 1 to 8192.
    """
    whole = isinstance(nside, int | np.integer)
    if not whole or nside < 1 or nside > 8192 or nside & (nside - 1):
        raise InputError(
            f"expected nside as a power of 2 from 1 to 8192, got {nside}; pass e.g. 64"
        )
