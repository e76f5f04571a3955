"""What every source does with its catalogues: place in a box, cut, thin, and split."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from galgen.data.catalogue import POSITIONS, Catalogue
from galgen.errors import InputError
from galgen.randomness import Role, random_generator

_EDGE = 1e-6


def place_in_box(columns: Mapping[str, np.ndarray], side: float, **fields: Any) -> Catalogue:
    """A catalogue in a periodic cube, with positions that rounding left on its edge wrapped.

    Raises:
        InputError: if positions are outside the box, or fill less than a hundredth of it.
    """
    if not side > 0:
        raise InputError(f"expected a positive box side in Mpc/h, got {side}; pass --box")
    wrapped = dict(columns)
    for name in POSITIONS:
        if name not in columns:
            raise InputError(
                f"expected a column {name!r}, got {list(columns)}; map it with --columns"
            )
        values = np.asarray(columns[name], dtype=np.float64)
        on_edge = (values >= side) & (values <= side * (1 + _EDGE))
        values = np.where(on_edge | ((values < 0) & (values >= -side * _EDGE)), 0.0, values)
        if len(values) > 10 and np.ptp(values) < 0.01 * side:
            raise InputError(
                f"expected positions that fill a box of {side:g} Mpc/h, got {name!r} within "
                f"{np.ptp(values):.3g}; check the units (Gpc/h?) or pass the true --box"
            )
        wrapped[name] = values
    return Catalogue(wrapped, (side, side, side), **fields)


def cut_into_cubes(catalogue: Catalogue, side: float) -> list[Catalogue]:
    """The catalogue in open cubes of a side, positions relative to each corner; rests are dropped.

    Cubes without a point are among them: they tell how often there is none.

    Raises:
        InputError: if the cube is larger than the box.
    """
    cells = [int(length / side * (1 + 1e-9)) for length in catalogue.box]
    if side <= 0 or min(cells) < 1:
        raise InputError(
            f"expected a positive cube side up to the box {catalogue.box} Mpc/h, got {side:g}; "
            "pass a smaller --cut"
        )
    cell = np.floor(catalogue.positions / side).astype(np.int64)
    inside = np.flatnonzero(np.all(cell < cells, axis=1))
    flat = np.ravel_multi_index(tuple(cell[inside].T), cells)
    order = np.argsort(flat, kind="stable")
    number = int(np.prod(cells))
    bounds = np.searchsorted(flat[order], np.arange(number + 1))
    return [
        open_cube(
            catalogue.select(inside[order[bounds[i] : bounds[i + 1]]]),
            np.array(np.unravel_index(i, cells)) * side,
            side,
        )
        for i in range(number)
    ]


def open_cube(
    catalogue: Catalogue, corner: Float[np.ndarray, "3"], side: float, **changes: Any
) -> Catalogue:
    """The points of one cube as an open catalogue, positions from its corner."""
    columns = dict(catalogue.columns)
    for axis, name in enumerate(POSITIONS):
        relative = columns[name] - corner[axis]
        columns[name] = np.clip(relative, 0.0, np.nextafter(side, 0.0))
    text = " ".join(f"{value:g}" for value in corner)
    return catalogue.replace(
        columns=columns,
        box=(side, side, side),
        periodic=False,
        provenance={**catalogue.provenance, "corner [Mpc/h]": text},
        **changes,
    )


def thin(
    catalogue: Catalogue, mass_min: float | None, n_max: int | None, seed: int = 0
) -> Catalogue:
    """The points above a mass, and at most so many: the most massive, or random without mass.

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
        kept = np.argsort(-catalogue.columns["mass"], kind="stable")[:n_max]
    else:
        kept = random_generator(Role.KEPT_POINTS, seed).choice(len(catalogue), n_max, replace=False)
    return catalogue.select(np.sort(kept))


def check_fractions(fractions: Mapping[str, float]) -> None:
    """Raise unless the fractions of splits are fractions of one whole.

    Raises:
        InputError: if there is none, or they are not positive or do not add up to one.
    """
    shares = np.array(list(fractions.values()))
    if not (len(shares) and np.all(shares > 0) and abs(shares.sum() - 1) <= 1e-6):
        raise InputError(
            f"expected positive split fractions that add up to 1, got {dict(fractions)}; "
            "pass e.g. --splits train=0.8,test=0.2"
        )


def random_splits(number: int, fractions: Mapping[str, float], seed: int) -> list[str]:
    """A split for each of ``number`` catalogues, at random by seed, in exact proportions.

    Raises:
        InputError: if the fractions are not positive or do not add up to one, or a split would be
            empty.
    """
    check_fractions(fractions)
    rising = np.cumsum([0.0, *fractions.values()])
    edges = np.rint(rising * number).astype(int)
    sizes = np.diff(edges)
    if np.any(sizes < 1):
        raise InputError(
            f"expected a catalogue or more in each split, got {number} catalogues for "
            f"{dict(fractions)}; cut into more boxes, or pass --splits train=1"
        )
    labels = itertools.chain.from_iterable(
        itertools.repeat(name, int(size)) for name, size in zip(fractions, sizes, strict=True)
    )
    return random_generator(Role.SPLITS, seed).permutation(list(labels)).tolist()


def parse_pairs(text: str) -> dict[str, str]:
    """``"a=1,b=2"`` as a dictionary of text.

    Raises:
        InputError: if it does not read so, or a name comes twice.
    """
    pairs = [item.split("=", 1) for item in text.split(",") if item]
    if any(len(pair) != 2 or not pair[0].strip() or not pair[1].strip() for pair in pairs):
        raise InputError(f"expected name=value pairs with commas, got {text!r}; write a=1,b=2")
    names = [name.strip() for name, _ in pairs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"expected each name once in {text!r}, got {twice} again; leave one out")
    return {name.strip(): value.strip() for name, value in pairs}


def parse_numbers(text: str) -> dict[str, float]:
    """``"a=1,b=2"`` as a dictionary of numbers.

    Raises:
        InputError: if a value is not a number.
    """
    try:
        return {name: float(value) for name, value in parse_pairs(text).items()}
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"expected numbers in {text!r}, got other text; {error}") from error


def columns_of(table: Mapping[str, Any], wanted: Sequence[str]) -> dict[str, Any]:
    """Columns of a table by name in any case.

    Raises:
        InputError: if one is missing; the message lists those present.
    """
    by_lower = {name.lower(): name for name in table}
    missing = [name for name in wanted if name.lower() not in by_lower]
    if missing:
        raise InputError(
            f"expected columns {list(wanted)}, got {list(table)}; rename "
            f"{', '.join(missing)} or choose another file"
        )
    return {name: table[by_lower[name.lower()]] for name in wanted}
