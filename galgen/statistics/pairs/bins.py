"""Into which bin a pair of points falls: by separation, by angle to the line of sight, projected.

With d the separation of a pair (the nearest image, in a periodic box), l its line of sight, a unit
vector::

    s = |d|,   pi = |d . l|,   mu = pi / s,   rp² = s² - pi²

l is an axis of the box (a distant observer), or, for surveys, the direction of the midpoint of the
pair as seen from the origin (line_of_sight None). All bins are half open, [low, high), as in
Corrfunc, but that mu = 1 belongs to the last bin of mu; mu of a pair at one place is 0. What is on
an edge but for its rounding is on it (:mod:`galgen.statistics.binning`).
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from galgen.arrays import ArrayLike
from galgen.errors import InputError
from galgen.statistics.binning import check_edges, check_whole, reached_from
from galgen.statistics.digitizing import count_above, digitize
from galgen.statistics.redshift_space import check_axis

MOST_BINS = 100_000
FEW_EDGES = 48
"""As many edges are compared with every pair in less time than one number is added to a bin."""
Components = tuple[Float[Array, "*pairs"], Float[Array, "*pairs"], Float[Array, "*pairs"]]
"""x, y and z of a vector for each pair."""
Pairs = Bool[Array, "*pairs"]


class PairBins(abc.ABC):
    """Bins of pairs; frozen and hashable, so that a compiled program can be made for them."""

    @property
    @abc.abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Bins along every axis."""

    @property
    @abc.abstractmethod
    def reach(self) -> float:
        """No pair farther apart is in a bin, Mpc/h."""

    @property
    def extent(self) -> float:
        """No pair farther apart along one axis is in a bin, Mpc/h."""
        return self.reach

    @abc.abstractmethod
    def index(self, apart: Components, middle: Components) -> Int[Array, "*pairs"]:
        """The flat bin of every pair; :attr:`size` for one that is in none.

        Args:
            apart: separations, Mpc/h.
            middle: sums of the two positions, from the observer, Mpc/h.
        """

    def count(
        self, total: Int[Array, " places"], apart: Components, middle: Components, pair: Pairs
    ) -> Int[Array, " places"]:
        """``total``, of :attr:`size` + 1 places, with the pairs added for which ``pair`` is True.

        What is in no bin goes to the last place, or nowhere.
        """
        index = jnp.where(pair, self.index(apart, middle), self.size)
        return total.at[index.ravel()].add(1, mode="promise_in_bounds")

    @property
    def size(self) -> int:
        """Bins in all."""
        return int(np.prod(self.shape))

    def name(self, index: int) -> str:
        """What a flat bin holds, in words."""
        return f"number {index}"


@dataclasses.dataclass(frozen=True)
class SeparationBins(PairBins):
    """Bins of the separation s.

    Attributes:
        edges: in Mpc/h.

    Raises:
        InputError: edges that are not increasing numbers from 0 up.
    """

    edges: tuple[float, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "edges", as_edges(self.edges))

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.edges) - 1,)

    @property
    def reach(self) -> float:
        return self.edges[-1]

    def name(self, index):
        return f"{_range(self.edges, index, 'r')} Mpc/h"

    def index(self, apart, middle):
        return _bin_of(_dot(apart, apart), self.edges)

    def count(self, total, apart, middle, pair):
        if len(self.edges) > FEW_EDGES:
            return super().count(total, apart, middle, pair)
        squared = jnp.where(pair, _dot(apart, apart), jnp.inf)
        above = count_above(squared, reached_from(self.edges) ** 2).astype(total.dtype)
        return total.at[: self.size].add(above[:-1] - above[1:])


@dataclasses.dataclass(frozen=True)
class AngleBins(PairBins):
    """Bins of the separation s and of mu, ``mu_bins`` even ones from 0 to 1.

    Attributes:
        edges: of s in Mpc/h.
        mu_bins: how many.
        line_of_sight: the axis 0, 1 or 2; None for the midpoint as seen from the origin.

    Raises:
        InputError: bad edges, no bins of mu, or another axis.
    """

    edges: tuple[float, ...]
    mu_bins: int = 100
    line_of_sight: int | None = 2

    def __post_init__(self) -> None:
        object.__setattr__(self, "edges", as_edges(self.edges))
        whole = check_whole(self.mu_bins, 1, MOST_BINS, "mu_bins of at least 1", "100 is usual")
        object.__setattr__(self, "mu_bins", whole)
        _check_line_of_sight(self.line_of_sight)

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.edges) - 1, self.mu_bins)

    @property
    def reach(self) -> float:
        return self.edges[-1]

    def name(self, index):
        row, wedge = divmod(index, self.mu_bins)
        mu = np.arange(self.mu_bins + 1) / self.mu_bins
        return f"{_range(self.edges, row, 's')} Mpc/h, {_range(mu, wedge, 'mu')}"

    def index(self, apart, middle):
        squared = _dot(apart, apart)
        along = _along(apart, middle, self.line_of_sight)
        mu = along / jnp.sqrt(jnp.where(squared > 0, squared, 1.0))
        wedge = jnp.minimum(_even_bin(mu, 1.0, self.mu_bins), self.mu_bins - 1)
        radial = _bin_of(squared, self.edges)
        return jnp.where(radial < self.shape[0], radial * self.mu_bins + wedge, self.size)


@dataclasses.dataclass(frozen=True)
class ProjectedBins(PairBins):
    """Bins of rp and of pi, ``pi_bins`` even ones from 0 to ``pi_max``.

    Attributes:
        edges: of rp in Mpc/h.
        pi_max: pairs at pi_max or more apart along the line of sight do not count, Mpc/h.
        pi_bins: how many; 0 for one of 1 Mpc/h each, as in Corrfunc.
        line_of_sight: the axis 0, 1 or 2; None for the midpoint as seen from the origin.

    Raises:
        InputError: bad edges, pi_max not positive (or no whole number with ``pi_bins=0``), or
            another axis.
    """

    edges: tuple[float, ...]
    pi_max: float = 40.0
    pi_bins: int = 0
    line_of_sight: int | None = 2

    def __post_init__(self) -> None:
        object.__setattr__(self, "edges", as_edges(self.edges))
        if not 0 < self.pi_max < np.inf:
            raise InputError(f"expected a positive pi_max in Mpc/h, got {self.pi_max}; 40 is usual")
        if self.pi_bins == 0 and self.pi_max == int(self.pi_max):
            object.__setattr__(self, "pi_bins", int(self.pi_max))
        elif self.pi_bins == 0:
            raise InputError(
                f"expected a whole pi_max for bins of 1 Mpc/h, got {self.pi_max}; give pi_bins"
            )
        whole = check_whole(self.pi_bins, 1, MOST_BINS, "pi_bins of at least 1", "40 is usual")
        object.__setattr__(self, "pi_bins", whole)
        _check_line_of_sight(self.line_of_sight)

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.edges) - 1, self.pi_bins)

    @property
    def reach(self) -> float:
        return float(np.hypot(self.edges[-1], self.pi_max))

    @property
    def extent(self) -> float:
        return self.reach if self.line_of_sight is None else max(self.edges[-1], self.pi_max)

    def name(self, index):
        row, step = divmod(index, self.pi_bins)
        pi = np.arange(self.pi_bins + 1) * self.pi_max / self.pi_bins
        return f"{_range(self.edges, row, 'rp')}, {_range(pi, step, 'pi')} Mpc/h"

    def index(self, apart, middle):
        along = _along(apart, middle, self.line_of_sight)
        if self.line_of_sight is None:
            across = jnp.maximum(_dot(apart, apart) - along * along, 0.0)
        else:
            across = sum(apart[i] * apart[i] for i in range(3) if i != self.line_of_sight)
        row = _bin_of(across, self.edges)
        step = _even_bin(along, self.pi_max, self.pi_bins)
        inside = (row < self.shape[0]) & (along < float(reached_from(self.pi_max)))
        # pi just below pi_max can round up to one bin too many.
        step = jnp.minimum(step, self.pi_bins - 1)
        return jnp.where(inside, row * self.pi_bins + step, self.size)


def as_bins(bins: PairBins | ArrayLike) -> PairBins:
    """Bins as they are, or bins of separation from their edges in Mpc/h."""
    return bins if isinstance(bins, PairBins) else SeparationBins(as_edges(bins))


def as_edges(edges: ArrayLike) -> tuple[float, ...]:
    """Checked edges in Mpc/h, hashable.

    Raises:
        InputError: edges that are not increasing numbers from 0 up.
    """
    return tuple(check_edges(edges, unit="Mpc/h").tolist())


def _range(edges: Sequence[float] | np.ndarray, index: int, symbol: str) -> str:
    return f"{symbol} {edges[index]:g} to {edges[index + 1]:g}"


def _check_line_of_sight(line_of_sight: int | None) -> None:
    if line_of_sight is not None:
        check_axis(line_of_sight)


def _dot(first: Components, second: Components) -> Array:
    """Products in the order x, y, z, the same in every program."""
    return first[0] * second[0] + first[1] * second[1] + first[2] * second[2]


def _along(apart: Components, middle: Components, line_of_sight: int | None) -> Array:
    """pi = |d . l|."""
    if line_of_sight is not None:
        return jnp.abs(apart[line_of_sight])
    length = _dot(middle, middle)
    return jnp.abs(_dot(apart, middle)) / jnp.sqrt(jnp.where(length > 0, length, 1.0))


def _even_bin(values: Float[Array, "*pairs"], top: float, number: int) -> Int[Array, "*pairs"]:
    """The one of ``number`` even bins from 0 to ``top``: as a comparison with every edge says."""
    guess = (values * (number / top)).astype(jnp.int32)
    width = float(reached_from(top / number))
    return guess + (values >= (guess + 1) * width) - (values < guess * width)


def _bin_of(squared: Float[Array, "*pairs"], edges: tuple[float, ...]) -> Int[Array, "*pairs"]:
    """The bin of numbers whose squares are given; one past the last bin where there is none."""
    below = digitize(squared, reached_from(edges) ** 2)
    return jnp.where(below > 0, below, len(edges)) - 1
