"""The window of a survey, in Fourier space and in separation, for codes that convolve a model.

With W = alpha sum_s w_s delta(x - x_s) of the randoms, and A of the power spectrum that the model
is to be compared with (:mod:`galgen.statistics.fourier.survey_power_spectrum`; Wilson et al. 2017,
MNRAS 464, 3121; Beutler & McDonald 2021, JCAP 11, 031)::

    P_W,l(k) = (2 l + 1) / A  <Re W_0(k) W_l(k)*>  -  [l = 0] alpha² sum_s w_s² / A
    Q_l(s)   = (2 l + 1) / (A V_shell)  alpha² sum_{s != t} w_s w_t L_l(mu)     over pairs in a bin

P_W,l in (Mpc/h)³, Q_l without unit: each the Hankel transform of the other, P_W,0 / V summed over
all modes of a box of volume V, and Q_0 at s = 0, are 1 where A is exact. P_W,l has the line of
sight at one point of a pair, as the spectrum has; Q_l at the midpoint, with mu in [-1, 1].

The window is needed at smaller k than P: transform the randoms in a wider box. The mode k = 0,
which is in no bin, has the power ``zero_mode``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from galgen.arrays import ArrayLike
from galgen.errors import InputError
from galgen.publishing import Publication
from galgen.statistics.binning import check_multipoles
from galgen.statistics.fourier.amplitudes import Painting
from galgen.statistics.fourier.mesh import TRIANGULAR_SHAPED_CLOUD, Resampler, check_mesh_size
from galgen.statistics.fourier.power_spectrum import modes_of
from galgen.statistics.fourier.survey_field import SurveyBox
from galgen.statistics.fourier.survey_power_spectrum import (
    SurveyPowerSpectrum,
    multipoles_in_box,
    placed,
    weight_ratio,
    weighted_positions,
)
from galgen.statistics.pairs.bins import AngleBins, as_edges
from galgen.statistics.pairs.counts import pair_counts
from galgen.statistics.pairs.multipoles import legendre_weights
from galgen.statistics.pairs.survey_catalogue import SurveyCatalogue


@dataclasses.dataclass(frozen=True)
class SurveyWindow:
    """What a code that convolves a model with the window of a survey asks for.

    ================ ============================= ===============================================
    field            shape                         meaning
    ================ ============================= ===============================================
    k_edges          ``(bins + 1,)``               h/Mpc; bins are [low, high)
    k                ``(bins,)``                   mean |k| of the modes, h/Mpc
    modes            ``(bins,)``                   modes per bin, both of k and -k
    power            ``(multipoles, bins)``        P_W,l without shot noise, (Mpc/h)³
    zero_mode        float                         P_W,0 at k = 0, (Mpc/h)³
    shot_noise       float                         taken from the monopole, (Mpc/h)³
    normalisation    float                         A, (h/Mpc)³
    alpha            float                         sum of weights of galaxies over that of randoms
    corner, sides    ``(3,)``                      of the box of the transforms, Mpc/h
    mesh_size        int                           cells along each side of it
    separation_edges ``(separations + 1,)``        Mpc/h; bins are [low, high)
    correlation      ``(multipoles, separations)`` Q_l(s)
    multipoles       ``(multipoles,)``             l
    ================ ============================= ===============================================
    """

    k_edges: Float[np.ndarray, "edges"]
    k: Float[np.ndarray, "bins"]
    modes: Int[np.ndarray, "bins"]
    power: Float[np.ndarray, "multipoles bins"]
    zero_mode: float
    shot_noise: float
    normalisation: float
    alpha: float
    corner: Float[np.ndarray, "3"]
    sides: Float[np.ndarray, "3"]
    mesh_size: int
    separation_edges: Float[np.ndarray, "separation_edges"]
    correlation: Float[np.ndarray, "multipoles separations"]
    multipoles: Int[np.ndarray, "multipoles"]

    def save(self, path: Path | str) -> None:
        """Write all fields to an ``.npz`` file, by name."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        with Publication(path) as publication:
            draft = publication.folder / "draft.npz"
            np.savez(draft, **fields)
            publication.publish(draft)

    @classmethod
    def load(cls, path: Path | str) -> SurveyWindow:
        """Read what :meth:`save` wrote.

        Raises:
            InputError: a file without one of the fields.
        """
        names = [field.name for field in dataclasses.fields(cls)]
        with np.load(path, allow_pickle=False) as file:
            if missing := [name for name in names if name not in file]:
                raise InputError(
                    f"expected a window written by SurveyWindow.save, got {path} without "
                    f"{missing[0]!r}; write it again"
                )
            return cls(*(file[name] if file[name].ndim else file[name].item() for name in names))


def survey_window(
    randoms: SurveyCatalogue,
    spectrum: SurveyPowerSpectrum,
    mesh_size: int,
    separation_edges: ArrayLike,
    k_edges: ArrayLike | None = None,
    multipoles: Sequence[int] = (0, 2, 4),
    box: SurveyBox | None = None,
    mu_bins: int = 100,
    resampler: Resampler = TRIANGULAR_SHAPED_CLOUD,
    interlaced: bool = True,
) -> SurveyWindow:
    """The window of a survey whose power spectrum was measured with these randoms.

    Args:
        randoms: as for the spectrum. Pairs are counted up to the last of ``separation_edges``:
            take a part of them, at random, where there are many.
        spectrum: for its A and the total weight of its galaxies.
        mesh_size: cells along each side of the box.
        separation_edges: ``(separations + 1,)`` of Q_l in Mpc/h.
        k_edges: as those of the survey's power spectrum.
        multipoles: any of 0, 2, 4.
        box: None for a cube three times as wide as the survey.
        mu_bins: even bins of mu from 0 to 1.
        resampler: mass assignment.
        interlaced: a second, shifted mesh against aliasing; twice the time.

    Raises:
        InputError: as ``survey_power_spectrum``, or bad edges.

    Warns:
        UserWarning: edges beyond 0.6 of the Nyquist wavenumber.
    """
    # Not the alpha of the spectrum: a part of its randoms will do here.
    alpha = weight_ratio(spectrum.total_weight, randoms)
    place = SurveyBox.around(weighted_positions(randoms), padding=1.0) if box is None else box
    painting = Painting(check_mesh_size(mesh_size), resampler, bool(interlaced))
    ells = check_multipoles(multipoles)
    positions, weights = placed(randoms, place)
    table = modes_of(positions.dtype, place.sides, painting, k_edges, (0,), 2)
    sums = multipoles_in_box((positions, alpha * weights), place, table, painting, ells)
    noise = alpha**2 * float(np.sum(randoms.weight**2)) / spectrum.normalisation
    monopole = np.array([ell == 0 for ell in ells])[:, None]
    return SurveyWindow(
        k_edges=np.asarray(table.k_edges, np.float64),
        k=np.asarray(table.k, np.float64),
        modes=np.asarray(table.count),
        power=sums / spectrum.normalisation - noise * monopole,
        zero_mode=spectrum.total_weight**2 / spectrum.normalisation - noise,
        shot_noise=noise,
        normalisation=spectrum.normalisation,
        alpha=alpha,
        corner=np.array(place.corner),
        sides=np.array(place.sides),
        mesh_size=painting.mesh_size,
        separation_edges=np.array(as_edges(separation_edges)),
        correlation=_correlation(randoms, separation_edges, mu_bins, ells)
        * (alpha**2 / spectrum.normalisation),
        multipoles=np.array(ells),
    )


def _correlation(
    randoms: SurveyCatalogue, edges: ArrayLike, mu_bins: int, multipoles: tuple[int, ...]
) -> Float[np.ndarray, "multipoles separations"]:
    """(2 l + 1) / V_shell times the sum of w w' L_l(mu) over ordered pairs of each bin."""
    bins = AngleBins(as_edges(edges), mu_bins, None)
    pairs = pair_counts(
        randoms.positions[None], randoms.weight[None] != 0, bins, 1.0,
        periodic=False, weights=randoms.weight[None],
    )  # fmt: skip
    shell = 4 * np.pi / 3 * np.diff(np.power(bins.edges, 3))
    return legendre_weights(multipoles, mu_bins) @ np.asarray(pairs[0]).T / shell
