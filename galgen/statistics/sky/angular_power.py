"""Angular power spectrum C_l of galaxies on a masked sky, by HEALPix and pseudo-C_l.

With n_p galaxies (or their weight) in pixel p, a completeness w_p between 0 and 1, sums over the
whole sky of N pixels of solid angle Omega_p (Hivon et al. 2002, ApJ 567, 2; Alonso et al. 2019,
MNRAS 484, 4127)::

    n     = sum n_p / sum w_p                       galaxies in a complete pixel
    F_p   = n_p / n - w_p                           overdensity times completeness
    C~_l  = sum_m |F_lm|² / (2 l + 1)               pseudo power
    N~    = Omega_p <q_p> / n²                      shot noise, q_p the sum of squared weights
    C_l   = (C~_l - N~) / (f_2 p_l²),  f_k = <w^k>  averages over the whole sky

Dividing by f_2 corrects for the part of the sky that is seen, f_sky for a mask of zeros and ones,
**on average only**: the mask also mixes neighbouring l, which this does not undo, so use bands
wider than pi / (width of the survey in radians), and compare like with like. Below that l power is
lost, since n is the mean of the survey itself. p_l is the pixel window.

The error of a band is that of a Gaussian sky, with shot noise, over its modes (Knox 1995)::

    sigma² = 2 (C_b + N_b)² / (f_2² / f_4  sum_l (2 l + 1))

C_l is dimensionless, in steradians as is usual for overdensities. On the host, in float64.
"""

from __future__ import annotations

import flax.struct
import healpy
import numpy as np
from jaxtyping import Float, Int

from galgen.arrays import ArrayLike, as_array, as_floats, check_range
from galgen.cosmology.coordinates import SKY_AREA, unit_vectors
from galgen.errors import InputError
from galgen.statistics.binning import check_edges
from galgen.statistics.sky.regions import nested_pixels


@flax.struct.dataclass
class SkyField:
    """An overdensity seen through a mask, in ring order.

    ============ ============= ================================================================
    field        shape         meaning
    ============ ============= ================================================================
    weighted     ``(pixels,)`` overdensity times completeness; zero where nothing is seen
    completeness ``(pixels,)`` w, of any scale: C_l does not depend on it
    noise        float         N~, pseudo power of the shot noise
    second       float         <w²> of the true completeness, without that of the noise of randoms
    ============ ============= ================================================================
    """

    weighted: Float[np.ndarray, "pixels"]
    completeness: Float[np.ndarray, "pixels"]
    noise: float
    second: float

    @property
    def nside(self) -> int:
        """Resolution of the pixels."""
        return int(healpy.npix2nside(self.completeness.size))


@flax.struct.dataclass
class AngularPower:
    """Band powers.

    ===== ============== =================================================
    field shape          meaning
    ===== ============== =================================================
    edges ``(bins + 1)`` whole l; bands are [low, high)
    ell   ``(bins,)``    mean l of the modes
    power ``(bins,)``    C_b, weighted by 2 l + 1, without shot noise
    noise ``(bins,)``    the shot noise that was subtracted
    error ``(bins,)``    standard error of a Gaussian sky, with shot noise
    modes ``(bins,)``    sum of 2 l + 1 on the whole sky
    ===== ============== =================================================
    """

    edges: Int[np.ndarray, "edges"]
    ell: Float[np.ndarray, "bins"]
    power: Float[np.ndarray, "bins"]
    noise: Float[np.ndarray, "bins"]
    error: Float[np.ndarray, "bins"]
    modes: Int[np.ndarray, "bins"]


def count_map(
    right_ascension: ArrayLike, declination: ArrayLike, nside: int, weights: ArrayLike | None = None
) -> Float[np.ndarray, "pixels"]:
    """Objects, or their weight, in each HEALPix pixel, in ring order.

    Raises:
        InputError: bad angles, weights of another shape or not finite, or a bad nside.
    """
    pixels = _pixels_of(nside, right_ascension, declination)
    if weights is None:
        return np.bincount(pixels, minlength=12 * nside**2).astype(np.float64)
    values = as_floats(weights, "weights", "")
    if values.shape != pixels.shape or not np.all(np.isfinite(values)):
        raise InputError(
            f"expected finite weights of shape {pixels.shape}, got {values.shape}; "
            "pass one weight per object"
        )
    return np.bincount(pixels, values, minlength=12 * nside**2).astype(np.float64)


def survey_area(completeness: ArrayLike) -> float:
    """Area of a completeness map in square degrees, partly seen pixels in part.

    Raises:
        InputError: not a HEALPix map, or values outside [0, 1].
    """
    values = _check_map(completeness, "completeness")
    check_range("completeness", values, 0.0, 1.0, "set unseen pixels to 0")
    return float(values.mean()) * SKY_AREA


def galaxy_field(
    counts: ArrayLike,
    completeness: ArrayLike,
    squared_weights: ArrayLike | None = None,
    from_randoms: bool = False,
) -> SkyField:
    """The overdensity of galaxies, and its shot noise.

    Galaxies in pixels of no completeness lie outside the survey and are dropped.

    Args:
        counts: ``(pixels,)`` galaxies, or their weight, in ring order: see :func:`count_map`.
        completeness: ``(pixels,)``, not negative; or unweighted counts of random points.
        squared_weights: ``(pixels,)`` sum of squared weights; None where each galaxy counts one.
        from_randoms: ``completeness`` is counts of randoms, with Poisson noise of their own.

    Raises:
        InputError: not HEALPix maps of one size, values that are negative or not finite, no
            galaxies in the survey, or too few randoms.
    """
    seen, number = _check_map(completeness, "completeness"), _check_map(counts, "counts")
    squares = number if squared_weights is None else _check_map(squared_weights, "squared weights")
    if not seen.shape == number.shape == squares.shape:
        raise InputError(
            f"expected maps of one nside, got {number.size}, {seen.size} and {squares.size} "
            "pixels; use healpy.ud_grade on one of them"
        )
    inside = (seen > 0) | from_randoms
    number, squares = np.where(inside, number, 0.0), np.where(inside, squares, 0.0)
    if not (number.sum() > 0 and seen.sum() > 0):
        raise InputError(
            f"expected galaxies in the survey, got a weight of {number.sum():g} in a completeness "
            f"of {seen.sum():g}; check that both maps are in ring order and celestial coordinates"
        )
    density = number.sum() / seen.sum()
    own = seen.mean() if from_randoms else 0.0
    second = float(np.mean(seen**2) - own)
    if second <= 0:
        raise InputError(
            f"expected several randoms per pixel, got {seen.sum():g} on {np.count_nonzero(seen)} "
            "pixels; pass more randoms, or a coarser map"
        )
    return SkyField(
        weighted=number / density - seen,
        completeness=seen,
        noise=4 * np.pi / seen.size * float(squares.mean() / density**2 + own),
        second=second,
    )


def masked_field(overdensity: ArrayLike, completeness: ArrayLike) -> SkyField:
    """A noiseless overdensity map, e.g. of a simulation, seen through a mask.

    Args:
        overdensity: ``(pixels,)`` in ring order; anything where the completeness is zero.
        completeness: ``(pixels,)``, not negative.

    Raises:
        InputError: not HEALPix maps of one size, or values that are not finite where they are seen.
    """
    seen = _check_map(completeness, "completeness")
    where = seen > 0 if np.shape(overdensity) == seen.shape else None
    values = as_array(overdensity, "overdensity", where=where).astype(np.float64)
    if values.shape != seen.shape or not np.all(np.isfinite(values[seen > 0])):
        raise InputError(
            f"expected a finite overdensity on {seen.size} pixels, got shape {values.shape}; "
            "use one nside, and completeness 0 where it is unknown"
        )
    weighted = np.where(seen > 0, values, 0.0) * seen
    return SkyField(weighted, seen, noise=0.0, second=float(np.mean(seen**2)))


def angular_power(
    field: SkyField, edges: ArrayLike, pixel_window: ArrayLike | None = None
) -> AngularPower:
    """Band powers of a field on the sky.

    Args:
        field: from :func:`galaxy_field` or :func:`masked_field`.
        edges: whole l, from 0 to at most 3 nside.
        pixel_window: ``(l,)`` from 0, e.g. ``healpy.pixwin(nside)`` (it fetches its table); None
            where the pixels are far smaller than the scales measured.

    Raises:
        InputError: edges that are not whole or beyond 3 nside, or too short a window.
    """
    limits = check_edges(edges)
    if np.any(limits != np.round(limits)) or limits[-1] > 3 * field.nside:
        raise InputError(
            f"expected edges as whole l up to 3 nside = {3 * field.nside}, got "
            f"{limits[0]:g} to {limits[-1]:g}; round them, or use finer pixels"
        )
    limits = limits.astype(np.int64)
    ell = np.arange(limits[-1])
    window = (
        np.ones(ell.size) if pixel_window is None else as_floats(pixel_window, "pixel_window", "")
    )
    if window.ndim != 1 or window.size < ell.size:
        raise InputError(
            f"expected a pixel window for l = 0 to {ell[-1]}, got shape {window.shape}; "
            "pass healpy.pixwin(nside)"
        )
    raw = healpy.anafast(field.weighted, lmax=int(ell[-1]), pol=False)
    transfer = field.second * window[: ell.size] ** 2
    degree = 2 * ell + 1
    modes = np.add.reduceat(degree, limits[:-1])

    def band(values: Float[np.ndarray, "ell"]) -> Float[np.ndarray, "bins"]:
        return np.add.reduceat(degree * values, limits[:-1]) / modes

    power, noise = band((raw - field.noise) / transfer), band(field.noise / transfer)
    share = field.second**2 / np.mean(field.completeness**4)
    return AngularPower(
        edges=limits,
        ell=band(ell.astype(np.float64)),
        power=power,
        noise=noise,
        error=np.abs(power + noise) * np.sqrt(2 / (share * modes)),
        modes=modes,
    )


def _pixels_of(
    nside: int, right_ascension: ArrayLike, declination: ArrayLike
) -> Int[np.ndarray, "objects"]:
    """Pixel of each object in ring order; the same as in nested order, between two pixels too."""
    if not healpy.isnsideok(nside):
        raise InputError(f"expected nside as a whole number from 1, got {nside!r}; pass e.g. 64")
    if nside & (nside - 1) == 0:
        pixels = nested_pixels(nside, right_ascension, declination)
        return np.asarray(healpy.nest2ring(nside, pixels), np.int64).ravel()
    direction = unit_vectors(right_ascension, declination).reshape(-1, 3)
    return np.asarray(healpy.vec2pix(nside, *direction.T), np.int64)


def _check_map(values: ArrayLike, name: str) -> Float[np.ndarray, "pixels"]:
    """A HEALPix map of finite numbers that are not negative."""
    found = as_floats(values, name, "")
    if found.ndim != 1 or not healpy.isnpixok(found.size):
        raise InputError(
            f"expected {name} as a HEALPix map of 12 nside² pixels, got shape {found.shape}; "
            "pass a full-sky map in ring order"
        )
    check_range(name, found, 0.0, np.finfo(float).max, "set unseen pixels to 0")
    return found
