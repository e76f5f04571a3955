"""Boxes made ready: positions shifted and wrapped, cubes cut, points thinned.

A file's box may begin anywhere, and a halo finder may leave centres beyond its edge; a
:class:`~galgen.data.catalogue.Catalogue` has positions in ``[0, side)``. :func:`shift` and
:func:`wrap` bring columns there. :func:`cut_into_cubes` and :func:`thin` make many small catalogues
of a large one, and :func:`grid_of` tells what a cut leaves over before it is made.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from galgen import periodic
from galgen.data.catalogue import POSITIONS, Catalogue
from galgen.errors import InputError
from galgen.randomness import Role, random_generator

WHOLE = 1e-3
"""A box of within so many cubes of a whole number along an axis is cut into that number."""


def shift(columns: Mapping[str, np.ndarray], corner: Any) -> dict[str, np.ndarray]:
    """Columns whose positions are counted from a corner of the box.

    Args:
        columns: ``x``, ``y``, ``z`` [Mpc/h] and others, which stay.
        corner: where the box begins [Mpc/h]: one number for the three axes, or three.
    """
    begins = np.broadcast_to(np.asarray(corner, dtype=np.float64), 3)
    moved = {n: np.asarray(columns[n], np.float64) - begins[i] for i, n in enumerate(POSITIONS)}
    return {**columns, **moved}


def wrap(columns: Mapping[str, np.ndarray], box: Any) -> dict[str, np.ndarray]:
    """Columns whose positions are inside a periodic box.

    Args:
        columns: ``x``, ``y``, ``z`` [Mpc/h] and others, which stay.
        box: its side [Mpc/h], or its three sides.

    Raises:
        InputError: if a position is more than a side away from the box, as in another unit.
    """
    sides = np.broadcast_to(np.asarray(box, dtype=np.float64), 3)
    inside = dict(columns)
    for name, side in zip(POSITIONS, sides, strict=True):
        values = np.asarray(columns[name], dtype=np.float64)
        if np.any((values < -side) | (values > 2 * side)):
            raise InputError(
                f"expected positions at most one side, {side:g} Mpc/h, beyond the box to wrap, got "
                f"column {name!r} from {values.min():.6g} to {values.max():.6g}; check the units "
                "(kpc/h?), the side, or where the box begins"
            )
        inside[name] = periodic.wrap(values, side)
    return inside


@dataclasses.dataclass(frozen=True)
class Grid:
    """How a box is cut.

    Attributes:
        cells: cubes along each axis.
        sides: of a cube [Mpc/h].
        kept: share of the volume of the box that is in cubes.
    """

    cells: tuple[int, int, int]
    sides: tuple[float, float, float]
    kept: float


def grid_of(box: tuple[float, float, float], side: float) -> Grid:
    """The cubes of about a side that a box is cut into.

    Along each axis, a box that holds a whole number of cubes to within a thousandth of one is cut
    into that number, its cubes as much larger or smaller than ``side`` as that needs: a box of
    999.9997 Mpc/h is eight of 124.99996. Of another box, the rest beyond the last whole cube is
    left over.

    Args:
        box: sides [Mpc/h].
        side: of the cubes [Mpc/h].

    Raises:
        InputError: if the cube is not positive, or larger than the box.
    """
    number = np.array(box) / side if side > 0 else np.zeros(3)
    whole = np.abs(number - np.rint(number)) <= WHOLE
    cells = np.where(whole, np.rint(number), np.floor(number)).astype(int)
    if not np.all(cells >= 1):
        raise InputError(
            f"expected a positive cube side up to the box {box} Mpc/h, got {side:g}; "
            "pass a smaller --cut"
        )
    sides = np.where(whole, np.array(box) / np.maximum(cells, 1), side)
    kept = float(np.prod(np.where(whole, 1.0, cells * sides / box)))
    a, b, c = cells.tolist()
    return Grid((a, b, c), (float(sides[0]), float(sides[1]), float(sides[2])), kept)


def cut_into_cubes(catalogue: Catalogue, side: float) -> list[Catalogue]:
    """The catalogue in open cubes of :func:`grid_of`, positions relative to each corner.

    Cubes without a point are among them: they tell how often there is none. Points in what is left
    over are in no cube.

    Args:
        catalogue: to cut.
        side: of the cubes [Mpc/h].

    Raises:
        InputError: if the cube is larger than the box.
    """
    grid = grid_of(catalogue.box, side)
    sides, cells = np.array(grid.sides), np.array(grid.cells)
    cell = np.floor(catalogue.positions / sides).astype(np.int64)
    # Rounding may put a point at the end of an axis into a cube beyond the last.
    full = cells * sides >= np.array(catalogue.box) * (1 - 1e-9)
    cell = np.where(full, np.minimum(cell, cells - 1), cell)
    inside = np.flatnonzero(np.all(cell < cells, axis=1))
    flat = np.ravel_multi_index(tuple(cell[inside].T), grid.cells)
    order = np.argsort(flat, kind="stable")
    number = int(np.prod(cells))
    bounds = np.searchsorted(flat[order], np.arange(number + 1))
    return [
        open_cube(
            catalogue.select(inside[order[bounds[i] : bounds[i + 1]]]),
            np.array(np.unravel_index(i, grid.cells)) * sides,
            grid.sides,
        )
        for i in range(number)
    ]


def open_cube(
    catalogue: Catalogue,
    corner: Float[np.ndarray, "3"],
    sides: tuple[float, float, float],
    **changes: Any,
) -> Catalogue:
    """The points of one cube as an open catalogue, positions from its corner.

    Args:
        catalogue: the points that are in the cube.
        corner: of the cube [Mpc/h].
        sides: of the cube [Mpc/h].
        changes: other fields of the new catalogue.
    """
    columns = dict(catalogue.columns)
    for axis, name in enumerate(POSITIONS):
        relative = columns[name] - corner[axis]
        columns[name] = np.clip(relative, 0.0, np.nextafter(sides[axis], 0.0))
    text = " ".join(f"{value:g}" for value in corner)
    return catalogue.replace(
        columns=columns,
        box=sides,
        periodic=False,
        provenance={**catalogue.provenance, "corner [Mpc/h]": text},
        **changes,
    )


def thin(
    catalogue: Catalogue, mass_min: float | None, n_max: int | None, seed: int = 0
) -> Catalogue:
    """The points above a mass, and at most so many: the most massive, or random without mass.

    Args:
        catalogue: to thin.
        mass_min: of the points that stay [Msun/h]; None for all.
        n_max: the most points that stay; None for all.
        seed: of a random choice.

    Raises:
        InputError: if there is a mass limit and no mass, or ``n_max`` is below one.
    """
    if mass_min is not None:
        catalogue = catalogue.select(catalogue.column("mass") >= mass_min)
    if n_max is None or len(catalogue) <= n_max:
        return catalogue
    if n_max < 1:
        raise InputError(f"expected at least one point to keep, got {n_max}; raise --n-max")
    if "mass" in catalogue.columns:
        heaviest = np.argsort(-catalogue.columns["mass"].astype(np.float64), kind="stable")
        return catalogue.select(np.sort(heaviest[:n_max]))
    kept = random_generator(Role.KEPT_POINTS, seed).choice(len(catalogue), n_max, replace=False)
    return catalogue.select(np.sort(kept))
