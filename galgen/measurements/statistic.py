"""The interface of all summary statistics of catalogues.

A :class:`Statistic` turns a batch of padded catalogues into one :class:`Ratio` for every curve that
it yields. The mean over a set, its error, a comparison and its figures follow from the ratios and
from the :class:`Axis` of each curve. Called on one catalogue, a statistic is the vector of its
values: a summary to infer from, or to check a prediction with.

To add one, subclass ``Statistic``. It may ask for other columns, ``("vx", "vy", "vz")`` say, by
name. Values that are no ratios of sums have the denominator 1.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float

from galgen.data.batching import pad
from galgen.data.catalogue import Catalogue
from galgen.errors import InputError
from galgen.measurements.ratio import Ratio, joined

ROWS = 256
"""Catalogues are padded to a multiple of this many points: few sizes are compiled."""


@dataclasses.dataclass(frozen=True)
class Volume:
    """What all catalogues that are measured together share.

    Attributes:
        box: three sides [Mpc/h].
        periodic: False for an open box.
        mean_count: mean number of points, for the choice of bins; None where it is not known.
    """

    box: tuple[float, float, float]
    periodic: bool
    mean_count: float | None = None

    @property
    def known_count(self) -> float:
        """The mean number of points.

        Raises:
            InputError: where it is not known.
        """
        if self.mean_count is None:
            raise InputError(
                "expected bins for a statistic of single catalogues, got none; give it edges"
            )
        return self.mean_count

    @property
    def mean_separation(self) -> float:
        """(V / N)^(1/3) [Mpc/h]."""
        return float(np.prod(self.box) / self.known_count) ** (1 / 3)


@dataclasses.dataclass(frozen=True)
class Axis:
    """One curve of a statistic: its name and its bins.

    ============ =========== ==================================================================
    field        shape       meaning
    ============ =========== ==================================================================
    name         str         ``xi``, ``P0``
    symbol       str         of the abscissa, ``r`` or ``k``; empty for a single number
    unit         str         of the abscissa
    edges        ``(edges)`` of the bins
    targeted     bool        whether it is one of the vectors of single catalogues that are tested
    weight_power int         drawn as symbol**weight_power times the curve
    logarithmic  bool        whether the abscissa is drawn so
    ============ =========== ==================================================================
    """

    name: str
    symbol: str
    unit: str
    edges: Float[np.ndarray, "edges"]
    targeted: bool = False
    weight_power: int = 0
    logarithmic: bool = True

    @property
    def centre(self) -> Float[np.ndarray, "bins"]:
        """The middle of every bin."""
        return (self.edges[1:] + self.edges[:-1]) / 2

    def bin_name(self, index: int) -> str:
        """The range of a bin in words."""
        low, high = self.edges[index], self.edges[index + 1]
        if self.symbol not in ("r", "k"):
            return f"{self.symbol} {low:.4g}-{high:.4g}" if self.symbol else ""
        digits = 3 if self.symbol == "k" else 2 if self.edges[0] < 1 else 1
        return f"{self.symbol} {low:.{digits}f}-{high:.{digits}f}"

    @property
    def bin_names(self) -> tuple[str, ...]:
        """The range of every bin in words."""
        return tuple(self.bin_name(index) for index in range(len(self.edges) - 1))


@dataclasses.dataclass(frozen=True)
class Clouds:
    """Catalogues of one batch, padded to one number of rows.

    =========== =========================== ================================================
    field       shape                       meaning
    =========== =========================== ================================================
    positions   ``(batch, points, 3)``      float32 [Mpc/h], zero in the padding
    mask        ``(batch, points)``         True where real; a catalogue may be empty
    columns     name -> ``(batch, points)`` those that the statistics asked for
    redshift    ``(batch,)``
    cosmology   name -> ``(batch,)``        parameters that every catalogue of the batch has
    cosmologies ``(batch,)``                all parameters of each catalogue, by name
    =========== =========================== ================================================
    """

    positions: Float[np.ndarray, "batch points 3"]
    mask: Bool[np.ndarray, "batch points"]
    columns: Mapping[str, Float[np.ndarray, "batch points"]]
    redshift: Float[np.ndarray, "batch"]
    cosmology: Mapping[str, Float[np.ndarray, "batch"]]
    cosmologies: tuple[Mapping[str, float], ...]

    @property
    def filled(self) -> Bool[np.ndarray, "batch 1"]:
        """Which catalogues have a point."""
        return np.any(self.mask, axis=1, keepdims=True)

    def stacked(self, names: Sequence[str]) -> Float[np.ndarray, "batch points names"]:
        """Several columns side by side."""
        return np.stack([self.columns[name] for name in names], axis=-1)


@dataclasses.dataclass(frozen=True)
class Statistic(abc.ABC):
    """A summary statistic of catalogues, with its settings as fields."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that it needs besides the positions."""
        return ()

    @abc.abstractmethod
    def axes(self, volume: Volume) -> tuple[Axis, ...]:
        """The curves that it yields."""

    @abc.abstractmethod
    def measure(self, clouds: Clouds, volume: Volume) -> tuple[Ratio, ...]:
        """Numerators and denominators ``(batch, bins)`` for each of ``axes``.

        Both are zero for a catalogue that has nothing in a bin, never NaN.
        """

    def __call__(self, catalogue: Catalogue) -> Float[np.ndarray, " numbers"]:
        """The values of one catalogue, curve after curve; NaN where it has nothing.

        Raises:
            InputError: a statistic without edges that chooses its bins by the mean number of
                points, which one catalogue does not tell.
        """
        return measure((self,), [catalogue], volume_of(catalogue)).vectors[0]

    def names(self, catalogue: Catalogue) -> tuple[str, ...]:
        """What the values of a catalogue are called."""
        return Measurement(self.axes(volume_of(catalogue)), ()).names


@dataclasses.dataclass(frozen=True)
class Measurement:
    """What was measured of a set: a ratio for each axis, in its order.

    Attributes:
        axes: of every curve of every statistic.
        ratios: one for each axis.
    """

    axes: tuple[Axis, ...]
    ratios: tuple[Ratio, ...]

    def ratio(self, name: str) -> Ratio:
        """The ratio of the curve of that name."""
        return self.ratios[[axis.name for axis in self.axes].index(name)]

    @property
    def targeted(self) -> Measurement:
        """Of the curves that vectors of single catalogues are made of."""
        kept = [i for i, axis in enumerate(self.axes) if axis.targeted]
        return Measurement(tuple(self.axes[i] for i in kept), tuple(self.ratios[i] for i in kept))

    @property
    def vectors(self) -> Float[np.ndarray, "catalogues numbers"]:
        """The values of every catalogue on its own, curve after curve."""
        return np.concatenate([ratio.single() for ratio in self.ratios], axis=1)

    @property
    def names(self) -> tuple[str, ...]:
        """What the numbers of a vector are called."""
        return tuple(f"{a.name} {name}".strip() for a in self.axes for name in a.bin_names)


def measure(
    statistics: Sequence[Statistic],
    catalogues: Sequence[Catalogue],
    volume: Volume,
    batch_size: int = 1,
    rows: int | None = None,
) -> Measurement:
    """Measure statistics of catalogues, in batches of one compiled size.

    Args:
        statistics: what is measured.
        catalogues: of any sizes up to ``rows``.
        volume: what they share.
        batch_size: catalogues at a time; memory grows with it.
        rows: points that every catalogue is padded to; None for those of the largest.

    Raises:
        InputError: two curves of one name, or a catalogue without a column that a statistic needs.
    """
    axes = tuple(axis for statistic in statistics for axis in statistic.axes(volume))
    names = [axis.name for axis in axes]
    if len(set(names)) < len(names):
        raise InputError(
            f"expected curves of different names, got {names}; drop a statistic or rename it"
        )
    columns = sorted({name for statistic in statistics for name in statistic.columns})
    rows = rows_of(catalogues) if rows is None else rows
    parts: list[list[Ratio]] = [[] for _ in axes]
    for start in range(0, len(catalogues), batch_size):
        some = catalogues[start : start + batch_size]
        clouds = _padded(some, columns, batch_size, rows)
        found = [ratio for s in statistics for ratio in s.measure(clouds, volume)]
        for part, ratio in zip(parts, found, strict=True):
            part.append(ratio.of(slice(len(some))))
    return Measurement(axes, tuple(joined(part) for part in parts))


def rows_of(catalogues: Sequence[Catalogue]) -> int:
    """Rows for the largest of some catalogues, a multiple of :data:`ROWS`."""
    return -(-max(len(c) for c in catalogues) // ROWS) * ROWS


def volume_of(catalogue: Catalogue) -> Volume:
    """The volume of one catalogue, whose number of points chooses no bins."""
    return Volume(catalogue.box, catalogue.periodic)


def _padded(some: Sequence[Catalogue], names: Sequence[str], batch_size: int, rows: int) -> Clouds:
    """A full batch: catalogues padded with zeros, and empty ones after the last."""
    short = batch_size - len(some)

    def padded(arrays: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        return pad([*arrays, *[arrays[0][:0]] * short], rows)

    x, mask = padded([c.positions for c in some])
    columns = {n: padded([c.column(n)[:, None] for c in some])[0][..., 0] for n in names}
    shared = [n for n in some[0].cosmology if all(n in c.cosmology for c in some)]
    filled = [*some, *[some[-1]] * short]
    return Clouds(
        x,
        mask,
        columns,
        np.array([c.redshift for c in filled]),
        {n: np.array([c.cosmology[n] for c in filled]) for n in shared},
        tuple(c.cosmology for c in filled),
    )
