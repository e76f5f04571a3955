"""Power spectrum multipoles of a survey, whose shape is given by random points.

With galaxies g of weights w_g, randoms s of weights w_s, and the observer at the origin (Feldman,
Kaiser & Peacock 1994, ApJ 426, 23, eqs. 2.1.3 to 2.1.9; multipoles by Yamamoto et al. 2006 through
transforms, :mod:`galgen.statistics.fourier.survey_field`)::

    F(x)  = sum_g w_g delta(x - x_g) - alpha sum_s w_s delta(x - x_s),  alpha = sum w_g / sum w_s
    raw_l = (2 l + 1) / A  <Re F_0(k) F_l(k)*>             over the modes of a bin
    P_0   = raw_0 - (sum_g w_g² + alpha² sum_s w_s²) / A,   P_l = raw_l for l > 0
    A     = integral n(x)² w(x)² d³x                       in (h/Mpc)³

w is the whole weight of an object, for completeness and of :func:`fkp_weights`. A is either the sum
``alpha sum_s n(x_s) w_s²`` over randoms whose density n is given and whose weight is that of FKP
alone, or the integral of the density of galaxies times alpha that of randoms on the mesh, as in
pypower: unbiased by clustering, but low by about the share of the volume that lies within a cell of
the edge. P is that of the survey, convolved with its window
(:mod:`galgen.statistics.fourier.survey_window`), which is divided by the same A: theory and data
are compared without knowing it. Nor is F free to have a mean: P vanishes as k goes to zero.

Aliases and precision are as in :mod:`galgen.statistics.fourier.power_spectrum`. The shot noise is
taken from the monopole only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from galgen.arrays import ArrayLike, as_array
from galgen.errors import InputError
from galgen.statistics.binning import check_multipoles
from galgen.statistics.fourier.amplitudes import Painting
from galgen.statistics.fourier.mesh import TRIANGULAR_SHAPED_CLOUD, Resampler, check_mesh_size
from galgen.statistics.fourier.modes import FourierModes
from galgen.statistics.fourier.power_spectrum import modes_of
from galgen.statistics.fourier.survey_field import SurveyBox, field_multipoles, mesh_product
from galgen.statistics.pairs.survey_catalogue import SurveyCatalogue


@dataclasses.dataclass(frozen=True)
class SurveyPowerSpectrum:
    """P_l(k) of one survey, on the host in float64.

    ============= ====================== ===============================================
    field         shape                  meaning
    ============= ====================== ===============================================
    k_edges       ``(bins + 1,)``        h/Mpc; bins are [low, high)
    k             ``(bins,)``            mean |k| of the modes, h/Mpc
    modes         ``(bins,)``            modes per bin, both of k and -k
    raw_power     ``(multipoles, bins)`` with shot noise, over A, (Mpc/h)³
    shot_noise    float                  over A, (Mpc/h)³
    normalisation float                  A, (h/Mpc)³
    alpha         float                  sum of weights of galaxies over that of randoms
    total_weight  float                  sum of weights of galaxies
    box           SurveyBox              of the transforms
    multipoles    tuple                  l of the first axis
    ============= ====================== ===============================================
    """

    k_edges: Float[np.ndarray, "edges"]
    k: Float[np.ndarray, "bins"]
    modes: Int[np.ndarray, "bins"]
    raw_power: Float[np.ndarray, "multipoles bins"]
    shot_noise: float
    normalisation: float
    alpha: float
    total_weight: float
    box: SurveyBox
    multipoles: tuple[int, ...]

    @property
    def power(self) -> Float[np.ndarray, "multipoles bins"]:
        """``raw_power`` with the shot noise taken from the monopole, (Mpc/h)³."""
        monopole = np.array([ell == 0 for ell in self.multipoles])
        return self.raw_power - self.shot_noise * monopole[:, None]


def fkp_weights(density: ArrayLike, power: float = 1e4) -> Float[np.ndarray, "*shape"]:
    """1 / (1 + n P_0), which is of least variance where P(k) is P_0 (FKP 1994, eq. 2.3.4).

    Args:
        density: n at each object, (h/Mpc)³; see
            :func:`~galgen.statistics.sky.redshift_distribution.redshift_distribution`.
        power: P_0, (Mpc/h)³.

    Raises:
        InputError: a density or P_0 that is negative or not finite.
    """
    number = as_array(density, "density", "h^3/Mpc^3").astype(np.float64)
    if not np.all((number >= 0) & np.isfinite(number)) or not 0 <= power < np.inf:
        raise InputError(
            "expected densities in (h/Mpc)³ and P_0 in (Mpc/h)³, finite and not negative, got "
            f"{number.min(initial=np.inf):g} at least and P_0 = {power:g}; 1e-4 and 1e4 are usual"
        )
    return 1 / (1 + number * power)


def survey_power_spectrum(
    data: SurveyCatalogue,
    randoms: SurveyCatalogue,
    mesh_size: int,
    k_edges: ArrayLike | None = None,
    multipoles: Sequence[int] = (0, 2, 4),
    box: SurveyBox | None = None,
    density: ArrayLike | None = None,
    resampler: Resampler = TRIANGULAR_SHAPED_CLOUD,
    interlaced: bool = True,
) -> SurveyPowerSpectrum:
    """P_l(k) of a survey from its galaxies and randoms, seen from the origin.

    Positions come from :func:`~galgen.cosmology.coordinates.cartesian_positions`. A point of
    weight zero is not there: mocks padded to one number of rows share one compiled program.

    Args:
        data, randoms: with their whole weights; regions are not used. 20 randoms a galaxy or more
            keep their noise small.
        mesh_size: cells along each side of the box.
        k_edges: ``(bins + 1,)`` in h/Mpc, up to Nyquist; None for bins of the fundamental mode of
            the box up to 0.6 of it.
        multipoles: any of 0, 2, 4.
        box: of the transforms; None for :meth:`SurveyBox.around` both.
        density: ``(randoms,)`` n at each random, (h/Mpc)³, for A; None for A from the mesh.
        resampler: mass assignment.
        interlaced: a second, shifted mesh against aliasing; twice the time.

    Raises:
        InputError: points outside the box, weights that sum to nothing, a density of another shape
            or not positive, or as :func:`~galgen.statistics.fourier.power_spectrum.power_spectrum`.

    Warns:
        UserWarning: edges beyond 0.6 of the Nyquist wavenumber.
    """
    alpha = weight_ratio(float(data.weight.sum()), randoms)
    place = SurveyBox.around(*map(weighted_positions, (data, randoms))) if box is None else box
    painting = Painting(check_mesh_size(mesh_size), resampler, bool(interlaced))
    ells = check_multipoles(multipoles)
    galaxies, others = (placed(catalogue, place) for catalogue in (data, randoms))
    table = modes_of(galaxies[0].dtype, place.sides, painting, k_edges, (0,), 2)
    sides = jnp.asarray(place.sides, galaxies[0].dtype)
    if density is None:
        normalisation = alpha * float(mesh_product(galaxies, others, sides, painting))
    else:
        normalisation = alpha * float(np.sum(_density(density, randoms) * randoms.weight**2))
    if not normalisation > 0:
        raise InputError(
            f"expected galaxies and randoms that overlap, got A = {normalisation:g}; check that "
            "both have the same coordinates"
        )
    field = tuple(
        jnp.concatenate(both)
        for both in zip(galaxies, (others[0], -alpha * others[1]), strict=True)
    )
    sums = multipoles_in_box(field, place, table, painting, ells)
    noise = np.sum(data.weight**2) + alpha**2 * np.sum(randoms.weight**2)
    return SurveyPowerSpectrum(
        k_edges=np.asarray(table.k_edges, np.float64),
        k=np.asarray(table.k, np.float64),
        modes=np.asarray(table.count),
        raw_power=sums / normalisation,
        shot_noise=float(noise / normalisation),
        normalisation=normalisation,
        alpha=alpha,
        total_weight=float(data.weight.sum()),
        box=place,
        multipoles=ells,
    )


def weighted_positions(catalogue: SurveyCatalogue) -> Float[np.ndarray, "_ 3"]:
    """Those of the points whose weight is not zero."""
    return catalogue.positions[catalogue.weight != 0]


def placed(catalogue: SurveyCatalogue, box: SurveyBox) -> tuple[Array, Array]:
    """Positions from the corner of the box, and weights, on the device.

    Points of weight zero are put at the corner, wherever they were.

    Raises:
        InputError: a point with a weight outside the box.
    """
    dtype = jax.dtypes.canonicalize_dtype(np.float64)
    there = (catalogue.weight != 0)[:, None]
    positions = box.place(np.where(there, catalogue.positions, box.corner))
    return jnp.asarray(positions, dtype), jnp.asarray(catalogue.weight, dtype)


def multipoles_in_box(
    field: tuple[Array, ...],
    box: SurveyBox,
    table: FourierModes,
    painting: Painting,
    multipoles: tuple[int, ...],
) -> Float[np.ndarray, "multipoles bins"]:
    """:func:`field_multipoles` of points placed in a box, in float64."""
    positions, weights = field
    corner, sides = (jnp.asarray(part, positions.dtype) for part in (box.corner, box.sides))
    sums = field_multipoles(positions, weights, corner, sides, table, painting, multipoles)
    return np.asarray(sums, np.float64)


def weight_ratio(galaxies: float, randoms: SurveyCatalogue) -> float:
    """alpha, the sum of weights of galaxies over that of randoms.

    Raises:
        InputError: a sum that is not positive.
    """
    others = float(randoms.weight.sum())
    if not (galaxies > 0 and others > 0):
        raise InputError(
            f"expected galaxies and randoms of positive total weight, got {galaxies:g} and "
            f"{others:g}; check the weights"
        )
    return galaxies / others


def _density(density: ArrayLike, randoms: SurveyCatalogue) -> Float[np.ndarray, "randoms"]:
    """n at the randoms, zero for those of weight zero."""
    there = randoms.weight != 0
    number = as_array(density, "density", "h^3/Mpc^3").astype(np.float64)
    if number.shape != there.shape or not np.all((number > 0) & np.isfinite(number) | ~there):
        raise InputError(
            f"expected a positive density for each of {len(randoms.weight)} randoms, got shape "
            f"{number.shape}; give n(x) in (h/Mpc)³ at the randoms, or None"
        )
    return np.where(there, number, 0.0)
