"""xi(r) and P(k) as statistics of a comparison, and the bins that they choose when not told.

Separations default to geometric bins from 0.16 mean separations of the held-out points to a fifth
of the shortest side: closer there are few pairs, farther the box itself is felt. The bins are few
and wide: one just above the threshold of significance has noise of its own beyond the target.
Wavenumbers default to bins of the fundamental mode 2 pi / L up to half the Nyquist wavenumber,
where interlaced triangular-shaped clouds are right to 0.03%, widened geometrically to at most
fifteen bins.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float

from galgen.checked import Count, Edges, Size, checked
from galgen.errors import InputError
from galgen.statistics.fourier.modes import nyquist
from galgen.statistics.fourier.power_spectrum import power_spectrum
from galgen.statistics.pairs.correlation import two_point_correlation
from galgen.validation.measures.ratio import Ratio
from galgen.validation.measures.statistic import Axis, Clouds, Statistic, Survey

MAXIMUM_WAVENUMBER_BINS = 15


@dataclasses.dataclass(frozen=True)
@checked
class Correlation(Statistic):
    """xi(r), by the natural estimator.

    Attributes:
        edges: in Mpc/h; None for the default of ``bins`` bins.
        bins: how many, where the edges are not given.
    """

    edges: Edges | None = None
    bins: Count = 7

    def axes(self, survey: Survey) -> tuple[Axis, ...]:
        edges = self.edges_in(survey.box, survey.mean_count)
        return (Axis("xi", "r", "Mpc/h", edges, targeted=True, weight_power=2),)

    def edges_in(
        self, box: tuple[float, float, float], mean_count: float
    ) -> Float[np.ndarray, "edges"]:
        """Edges as set, or chosen for a box with ``mean_count`` points."""
        if self.edges is not None:
            return np.asarray(self.edges, np.float64)
        last = 0.2 * min(box)
        first = 0.16 * float(np.prod(box) / mean_count) ** (1 / 3)
        return np.geomspace(min(first, last / 4), last, self.bins + 1)

    def measure(self, clouds: Clouds, survey: Survey) -> tuple[Ratio, ...]:
        xi = two_point_correlation(
            clouds.positions,
            clouds.mask,
            self.axes(survey)[0].edges,
            survey.box,
            survey.periodic,
        )
        pairs = np.asarray(xi.pairs, np.float64)
        return (Ratio(pairs, np.asarray(xi.random_pairs, np.float64), -1.0, pairs=True),)


@dataclasses.dataclass(frozen=True)
@checked
class Power(Statistic):
    """Multipoles of P(k) along the z axis, shot noise taken off.

    For an open box it is the P(k) of the box as if it were periodic: convolved with the window,
    alike for every set.

    Attributes:
        edges: in h/Mpc; None for the default.
        mesh_size: cells along each side.
        multipoles: 0 among them.
    """

    edges: Edges | None = None
    mesh_size: Size = 64
    multipoles: tuple[int, ...] = (0, 2)

    def axes(self, survey: Survey) -> tuple[Axis, ...]:
        edges = self.edges_in(survey.box)
        return tuple(
            Axis(f"P{ell}", "k", "h/Mpc", edges, targeted=ell == 0, weight_power=1)
            for ell in self.multipoles
        )

    def edges_in(self, box: tuple[float, float, float]) -> Float[np.ndarray, "edges"]:
        """Edges as set, or chosen for a box.

        Raises:
            InputError: a mesh too coarse for one bin.
        """
        if self.edges is not None:
            return np.asarray(self.edges, np.float64)
        fundamental = 2 * np.pi / min(box)
        last = int(np.floor(0.5 * nyquist(box, self.mesh_size) / fundamental - 0.5 + 1e-9))
        if last < 1:
            raise InputError(
                "expected a mesh that resolves the box to half its Nyquist wavenumber, got "
                f"mesh_size={self.mesh_size} for a box of {box}; enlarge mesh_size"
            )
        index = np.arange(last + 1)
        if last > MAXIMUM_WAVENUMBER_BINS:
            steps = np.geomspace(1, last + 1, MAXIMUM_WAVENUMBER_BINS + 1)
            index = np.unique(np.round(steps).astype(int)) - 1
        return fundamental * (index + 0.5)

    def measure(self, clouds: Clouds, survey: Survey) -> tuple[Ratio, ...]:
        edges = self.edges_in(survey.box)
        spectrum = power_spectrum(
            clouds.positions, clouds.mask, survey.box, self.mesh_size, edges, self.multipoles
        )
        powers = np.asarray(spectrum.power, np.float64)
        real = np.any(clouds.mask, axis=1).reshape(-1, 1, 1)
        powers = np.where(real, powers, 0.0)
        ones = np.where(real, np.ones_like(powers), 0.0)
        return tuple(Ratio(powers[:, i], ones[:, i]) for i in range(len(self.multipoles)))
