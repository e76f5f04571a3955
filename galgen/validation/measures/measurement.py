"""All statistics of every catalogue of a set, in batches of one compiled size."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np

from galgen.data.catalogue import Catalogue
from galgen.errors import InputError
from galgen.validation.measures.ratio import Ratio, joined
from galgen.validation.measures.statistic import Axis, Clouds, Statistic, Survey


@dataclasses.dataclass(frozen=True)
class Measurement:
    """What was measured of a set: a ratio for each axis of the instrument, in its order.

    Attributes:
        axes: of the instrument.
        ratios: one for each axis.
    """

    axes: tuple[Axis, ...]
    ratios: tuple[Ratio, ...]

    def ratio(self, name: str) -> Ratio:
        """The ratio of the curve of that name."""
        return self.ratios[[axis.name for axis in self.axes].index(name)]


@dataclasses.dataclass(frozen=True)
class Instrument:
    """Measures any set of catalogues on fixed bins; one compiled program for all sets.

    Attributes:
        survey: what all catalogues share.
        statistics: what is measured.
        batch_size: catalogues at a time.
        rows: points that every cloud is padded to.
    """

    survey: Survey
    statistics: tuple[Statistic, ...]
    batch_size: int
    rows: int

    @functools.cached_property
    def axes(self) -> tuple[Axis, ...]:
        """Of every curve.

        Raises:
            InputError: two curves of one name.
        """
        axes = tuple(a for statistic in self.statistics for a in statistic.axes(self.survey))
        names = [axis.name for axis in axes]
        if len(set(names)) < len(names):
            raise InputError(
                f"expected curves of different names, got {names}; drop a statistic or rename it"
            )
        return axes

    def measure(self, catalogues: Sequence[Catalogue]) -> Measurement:
        """Every statistic of catalogues of any sizes up to ``rows``.

        Raises:
            InputError: a catalogue without a column that a statistic needs.
        """
        parts: list[list[Ratio]] = [[] for _ in self.axes]
        for start in range(0, len(catalogues), self.batch_size):
            some = catalogues[start : start + self.batch_size]
            clouds = self._padded(some)
            found = [r for s in self.statistics for r in s.measure(clouds, self.survey)]
            for part, ratio in zip(parts, found, strict=True):
                above, below = ratio.above[: len(some)], ratio.below[: len(some)]
                part.append(dataclasses.replace(ratio, above=above, below=below))
        return Measurement(self.axes, tuple(joined(part) for part in parts))

    def _padded(self, some: Sequence[Catalogue]) -> Clouds:
        """A full batch: clouds padded with zeros, and empty ones after the last."""
        names = sorted({name for statistic in self.statistics for name in statistic.columns})
        x = np.zeros((self.batch_size, self.rows, 3), np.float32)
        mask = np.zeros((self.batch_size, self.rows), bool)
        columns = {n: np.zeros((self.batch_size, self.rows), np.float32) for n in names}
        for index, catalogue in enumerate(some):
            x[index, : len(catalogue)] = catalogue.positions
            mask[index, : len(catalogue)] = True
            for name in names:
                columns[name][index, : len(catalogue)] = catalogue.column(name)
        shared = [n for n in some[0].cosmology if all(n in c.cosmology for c in some)]
        filled = [*some, *[some[-1]] * (self.batch_size - len(some))]
        return Clouds(
            x,
            mask,
            columns,
            np.array([c.redshift for c in filled]),
            {n: np.array([c.cosmology[n] for c in filled]) for n in shared},
            tuple(c.cosmology for c in filled),
        )
