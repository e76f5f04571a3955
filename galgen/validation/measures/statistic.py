"""What a comparison can measure: the one interface of all its statistics.

A :class:`Statistic` turns padded clouds into one :class:`Ratio` for every curve that it yields.
Everything else (closure, chi-square, spread, response, figures, JSON) follows from the ratios and
from the :class:`Axis` of each curve. To add one, subclass ``Statistic`` and name an instance in
``ValidationSettings.further``. It may ask for other columns, ``("vx", "vy", "vz")`` say, by name.
The uniform base carries the columns of held-out on points at random, so that such a statistic has
a base too.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float

from galgen.validation.measures.ratio import Ratio


@dataclasses.dataclass(frozen=True)
class Survey:
    """What all catalogues of a comparison share.

    Attributes:
        box: three sides [Mpc/h].
        periodic: False for an open box.
        mean_count: mean number of points of held-out, for the choice of bins.
    """

    box: tuple[float, float, float]
    periodic: bool
    mean_count: float


@dataclasses.dataclass(frozen=True)
class Axis:
    """One curve of a statistic: its name and its bins.

    ============ =========== ==================================================================
    field        shape       meaning
    ============ =========== ==================================================================
    name         str         ``xi``, ``P0``; a word of letters, digits and underscores
    symbol       str         of the abscissa, ``r`` or ``k``
    unit         str         of the abscissa
    edges        ``(edges)`` of the bins
    targeted     bool        whether its closure has a target
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
    def bin_names(self) -> tuple[str, ...]:
        """The range of every bin in words."""
        return tuple(
            bin_name(self.symbol, self.edges, index) for index in range(len(self.edges) - 1)
        )


def bin_name(symbol: str, edges: Float[np.ndarray, "edges"], index: int) -> str:
    """The range of a bin in words."""
    low, high = edges[index], edges[index + 1]
    if symbol not in ("r", "k"):
        return f"{symbol} {low:.4g}-{high:.4g}"
    digits = 3 if symbol == "k" else 2 if edges[0] < 1 else 1
    return f"{symbol} {low:.{digits}f}-{high:.{digits}f}"


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


@dataclasses.dataclass(frozen=True)
class Statistic(abc.ABC):
    """A statistic with its settings as fields."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that it needs besides the positions."""
        return ()

    @abc.abstractmethod
    def axes(self, survey: Survey) -> tuple[Axis, ...]:
        """The curves that it yields."""

    @abc.abstractmethod
    def measure(self, clouds: Clouds, survey: Survey) -> tuple[Ratio, ...]:
        """Numerators and denominators ``(batch, bins)`` for each of ``axes``.

        Both are zero for a catalogue that has nothing in a bin, never NaN.
        """
