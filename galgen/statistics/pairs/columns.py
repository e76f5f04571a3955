"""Pair counts on CPUs: points sorted into columns, and loops that numba compiles.

A catalogue is cut into square columns along the line of sight, and these into cells. A point meets
the columns within reach, half of them where pairs are of one catalogue; in each, a run of cells
that is as long as the chord of the sphere of the last edge (or twice pi_max) there. Images in a
periodic box are shifts of whole runs. Nothing is approximate: the integers are those of all pairs.

Time grows as N times the points within reach, memory as N. The work is cut into parts that depend
on the catalogues only and are added in order, so that weighted sums do not depend on the number of
threads. Counts are int64, sums float64.
"""

from __future__ import annotations

import functools
import itertools
import math
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Int, Num

from galgen.periodic import wrap
from galgen.statistics.binning import reached_from
from galgen.statistics.pairs.bins import AngleBins, PairBins, ProjectedBins, SeparationBins
from galgen.statistics.pairs.points import (
    PairQuantity,
    Points,
    Product,
    RadialVelocity,
    RegionProduct,
)
from galgen.statistics.pairs.tiles import shape_of

Columns = tuple[Float[np.ndarray, "_ 3"], Float[np.ndarray, "_ _"]]
"""Positions and attributes of one catalogue."""
SLACK = 1e-6
"""More than rounding can add to the distance from a column, in units of the reach."""
PARTS = 64
"""Most parts of the work on one catalogue."""
LARGEST = 2**23
"""Sums of all parts together, unless there is one part."""
QUANTITIES: dict[type, int] = {type(None): 0, Product: 1, RegionProduct: 2, RadialVelocity: 3}
BINS: dict[type, int] = {SeparationBins: 0, AngleBins: 1, ProjectedBins: 2}


def counts_by_columns(bins: PairBins, quantity: PairQuantity | None) -> bool:
    """Whether :func:`sums_by_columns` knows these bins and this quantity, and the device is a CPU.

    Subclasses may change what they sum, so they are not known.
    """
    return type(quantity) in QUANTITIES and type(bins) in BINS and jax.default_backend() == "cpu"


def sums_by_columns(
    first: Points,
    second: Points | None,
    bins: PairBins,
    box: Float[np.ndarray, "3"],
    periodic: bool,
    quantity: PairQuantity | None,
) -> Num[np.ndarray, "batch quantities *bins"]:
    """As :func:`~galgen.statistics.pairs.tiles.sums_by_tiles`, on the host, for the bins and
    quantities that galgen has.

    Points are those of ``as_points``: finite, of float64.
    """
    sides = box if periodic else np.zeros(3)
    catalogues = [
        (points_of(first, index), None if second is None else points_of(second, index))
        for index in range(len(first.mask))
    ]
    threads = _threads()
    with ThreadPoolExecutor(threads) as pool:
        mapped = functools.partial(_mapped, pool, threads)
        # Catalogues side by side, or the parts of each.
        many = len(catalogues) >= threads
        total = functools.partial(
            _sums, bins=bins, sides=sides, quantity=quantity, each=map if many else mapped
        )
        sums = list((mapped if many else map)(total, catalogues))
    dtype = np.int64 if quantity is None else np.float64
    return np.array(sums, dtype).reshape(len(sums), *shape_of(bins, quantity))


def points_of(points: Points, index: int) -> Columns:
    """Positions and attributes of the real points of one catalogue, on the host."""
    real = np.asarray(points.mask[index])
    columns = np.asarray(points.positions[index]), np.asarray(points.attributes[index])
    return columns if real.all() else (columns[0][real], columns[1][real])


def _threads() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _mapped(
    pool: ThreadPoolExecutor, threads: int, function: Callable[..., Any], items: Iterable[Any]
) -> Iterable[Any]:
    """``map``, by the threads if there are several."""
    return pool.map(function, items) if threads > 1 else map(function, items)


def _sums(
    pair: tuple[Columns, Columns | None],
    bins: PairBins,
    sides: Float[np.ndarray, "3"],
    quantity: PairQuantity | None,
    each: Callable[..., Iterable[np.ndarray]],
) -> Num[np.ndarray, "places"]:
    """Flat sums over the ordered pairs of one catalogue, or those of two."""
    from galgen.statistics.pairs import compiled  # numba takes a third of a second

    size = math.prod(shape_of(bins, quantity))
    (first, second), own = pair, pair[1] is None
    catalogues = [first] if second is None else [first, second]
    if not all(len(points) for points, _ in catalogues):
        return np.zeros(size)
    order = _order(bins)
    sides = sides[order]
    content = []
    for points, attributes in catalogues:
        placed = wrap(points[:, order], sides) if sides.any() else points[:, order]
        turned = attributes[:, order] if isinstance(quantity, RadialVelocity) else attributes
        # One layout, so that one program is compiled.
        content.append(tuple(np.array(a, np.float64, order="C") for a in (placed, turned)))
    reach, depth = (length * (1 + SLACK) for length in _reach(bins))
    numbers, low, cell = _cells([points for points, _ in content], reach, depth, sides)
    filled = [compiled.fill_columns(*columns, low, cell, numbers) for columns in content]
    starts = filled[0][0][:: numbers[2] + 1]
    empty = np.zeros((1, compiled.LANES))
    geometry = (numbers, low, cell, sides, reach, depth, *filled[0], *filled[-1], own)
    constants = _constants(bins)
    midpoint = getattr(bins, "line_of_sight", 0) is None

    def part(columns: tuple[int, int]) -> np.ndarray:
        counts = np.zeros((size if quantity is None else 1, compiled.LANES), np.int64)
        sums = empty if quantity is None else np.zeros((size, compiled.LANES))
        compiled.add_columns(
            columns, *geometry, BINS[type(bins)], midpoint, QUANTITIES[type(quantity)],
            *constants, counts, sums,
        )  # fmt: skip
        return (counts if quantity is None else sums).sum(axis=1)

    parts = max(1, min(PARTS, LARGEST // size, len(first[0]) // 1000))
    total = np.zeros(size, np.int64 if quantity is None else np.float64)
    for more in each(part, _shares(starts, parts)):
        total += more
    return 2 * total if own else total


def _order(bins: PairBins) -> list[int]:
    """The axes, the line of sight last."""
    line = getattr(bins, "line_of_sight", None)
    return [0, 1, 2] if line is None else [axis for axis in range(3) if axis != line] + [line]


def _reach(bins: PairBins) -> tuple[float, float]:
    """How far apart pairs can be across the columns and along them, Mpc/h."""
    if isinstance(bins, ProjectedBins) and bins.line_of_sight is not None:
        return bins.edges[-1], bins.pi_max
    return bins.reach, bins.reach


def _cells(
    catalogues: list[Float[np.ndarray, "_ 3"]],
    reach: float,
    depth: float,
    sides: Float[np.ndarray, "3"],
) -> tuple[tuple[int, int, int], Float[np.ndarray, "3"], Float[np.ndarray, "3"]]:
    """How many cells there are along each axis, where they begin, and their sides.

    Fewer columns make longer runs, more columns hold fewer points out of reach. Three points in a
    run are worth a column.
    """
    points = max(len(x) for x in catalogues)
    if sides.any():
        low, extent = np.zeros(3), sides
    else:
        low = np.min([x.min(axis=0) for x in catalogues], axis=0)
        extent = np.max([x.max(axis=0) for x in catalogues], axis=0) - low
        extent = np.maximum(extent, 1e-9 * max(reach, float(extent.max())))
    near = points * min(1.0, reach**2 / (extent[0] * extent[1])) * min(1.0, depth / extent[2])
    wanted = extent / (reach / np.clip(math.ceil((near / 100) ** (1 / 3)), 1, 4))
    across = np.clip(np.minimum(wanted[:2], math.sqrt(points)), 1, None).astype(int)
    room = (4 * points + 64) // int(across.prod())
    along = max(1, min(int(8 * extent[2] / depth), room))
    numbers = (int(across[0]), int(across[1]), along)
    return numbers, low, extent / numbers


def _constants(bins: PairBins) -> tuple[Any, ...]:
    """The edges, their table, and the even bins of mu or of pi, as ``add_columns`` takes them."""
    edges = reached_from(bins.edges) ** 2  # type: ignore[attr-defined]
    even, top = {
        SeparationBins: lambda: (1, 1.0),
        AngleBins: lambda: (bins.mu_bins, 1.0),  # type: ignore[attr-defined]
        ProjectedBins: lambda: (bins.pi_bins, bins.pi_max),  # type: ignore[attr-defined]
    }[type(bins)]()
    width = float(reached_from(top / even))
    deepest = float(reached_from(top)) if isinstance(bins, ProjectedBins) else math.inf
    return np.append(edges, np.inf), *_address(edges), even, float(top), width, deepest


def _address(edges: Float[np.ndarray, "edges"]) -> tuple[np.ndarray, tuple[int, int, int]]:
    """A table of bins by the leading bits of a square, and how to look up in it.

    The address of a square is its bits, without the last ``shift``, above the ``lowest`` entry. Of
    the edges, at most ``steps`` have one address, and that many comparisons find the bin.
    """
    bits = edges[edges > 0].view(np.int64)
    shift = 52
    while shift > 42 and np.any(np.diff(bits >> shift) == 0):
        shift -= 1
    address = bits >> shift
    lowest = int(address[0]) - 1
    starts = (np.arange(lowest, int(address[-1]) + 1) << shift).view(np.float64)
    table = np.searchsorted(edges, starts, side="right") - 1
    steps = int(np.bincount(address - lowest).max())
    return np.maximum(table, 0).astype(np.int32), (shift, lowest, steps)


def _shares(starts: Int[np.ndarray, "columns"], parts: int) -> list[tuple[int, int]]:
    """Columns in parts of like numbers of points."""
    wanted = np.linspace(0, starts[-1], parts + 1)
    cuts = np.unique(np.searchsorted(starts, wanted))
    cuts[0] = 0
    return [(int(a), int(b)) for a, b in itertools.pairwise(cuts)]
