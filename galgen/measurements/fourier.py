"""Statistics of waves: P(k), its logarithm and the bispectrum.

In an open box they are those of the box as if it were periodic, convolved with its window, alike
for every set. The bispectrum is taken as it is: Q = B / (P P + ...) has a denominator that may
vanish, and that of points placed at random does.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from galgen.checked import Count, Edges, Size, checked
from galgen.errors import InputError
from galgen.measurements.bins import triangle_edges, wavenumber_edges
from galgen.measurements.ratio import Ratio
from galgen.measurements.statistic import Axis, Clouds, Statistic, Volume
from galgen.statistics.fourier.bispectrum import bispectrum
from galgen.statistics.fourier.power_spectrum import power_spectrum
from galgen.statistics.fourier.triangles import equilateral, squeezed


@dataclasses.dataclass(frozen=True)
@checked
class Power(Statistic):
    """Multipoles of P(k) along the z axis, shot noise taken off.

    Attributes:
        edges: in h/Mpc; None for those of :func:`~galgen.measurements.bins.wavenumber_edges`.
        mesh_size: cells along each side.
        multipoles: 0 among them.
    """

    edges: Edges | None = None
    mesh_size: Size = 64
    multipoles: tuple[int, ...] = (0, 2)

    def axes(self, volume: Volume) -> tuple[Axis, ...]:
        edges = wavenumber_edges(volume, self.edges, self.mesh_size)
        return tuple(
            Axis(f"P{ell}", "k", "h/Mpc", edges, targeted=ell == 0, weight_power=1)
            for ell in self.multipoles
        )

    def measure(self, clouds: Clouds, volume: Volume) -> tuple[Ratio, ...]:
        edges = self.axes(volume)[0].edges
        spectrum = power_spectrum(
            clouds.positions, clouds.mask, volume.box, self.mesh_size, edges, self.multipoles
        )
        powers = np.asarray(spectrum.power, np.float64)
        return tuple(
            Ratio.of_values(powers[:, i], clouds.filled) for i in range(len(self.multipoles))
        )


@dataclasses.dataclass(frozen=True)
@checked
class LogPower(Statistic):
    """ln of P(k) with its shot noise, of a periodic box: positive in every bin.

    Attributes:
        edges: of the bins, h/Mpc.
        mesh_size: cells along each side of the box.
    """

    edges: Edges
    mesh_size: Size = 64

    def axes(self, volume: Volume) -> tuple[Axis, ...]:
        return (Axis("ln_P", "k", "h/Mpc", np.asarray(self.edges, np.float64)),)

    def measure(self, clouds: Clouds, volume: Volume) -> tuple[Ratio, ...]:
        if not volume.periodic:
            raise InputError(
                "expected a periodic box for P(k), got an open one; use LogCorrelation"
            )
        found = power_spectrum(
            clouds.positions, clouds.mask, volume.box, self.mesh_size, self.edges, (0,)
        )
        value = np.log(np.maximum(np.asarray(found.raw_power[:, 0]), 1e-30))
        return (Ratio.of_values(value, clouds.filled),)


@dataclasses.dataclass(frozen=True)
@checked
class Bispectrum(Statistic):
    """B of equilateral triangles, and of squeezed ones whose long wave is in the first bin.

    Attributes:
        edges: in h/Mpc; None for ``bins`` even ones of two fundamental modes each.
        bins: how many, where the edges are not given; as many as end below half of Nyquist.
        mesh_size: cells along each side.
    """

    edges: Edges | None = None
    bins: Count = 5
    mesh_size: Size = 64

    def axes(self, volume: Volume) -> tuple[Axis, ...]:
        edges = triangle_edges(volume, self.edges, self.mesh_size, self.bins)
        curves = (("B_equilateral", edges), ("B_squeezed", edges[1:]))
        return tuple(Axis(name, "k", "h/Mpc", part, weight_power=3) for name, part in curves)

    def measure(self, clouds: Clouds, volume: Volume) -> tuple[Ratio, ...]:
        edges = self.axes(volume)[0].edges
        bins = len(edges) - 1
        found = bispectrum(
            clouds.positions, clouds.mask, volume.box, self.mesh_size, edges,
            (*equilateral(bins), *squeezed(bins)),
        )  # fmt: skip
        both = Ratio.of_values(np.asarray(found.bispectrum, np.float64), clouds.filled)
        return both.of(bins=slice(bins)), both.of(bins=slice(bins, None))
