"""The catalogues that are compared: checked, and put in an order that does not depend on yours.

Nothing here knows which set was generated. Every set is sorted by cosmology, then by number of
points and content, so that a comparison does not depend on the order of the catalogues, and so that
neighbours in the order have near cosmologies: halves of a set are made of one of each such pair.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Bool

from galgen.data.catalogue import Catalogue
from galgen.errors import InputError
from galgen.randomness import Role, random_generator

MINIMUM_CATALOGUES = 4
Sets = Mapping[str, Sequence[Catalogue]]


def common_splits(generated: Sets, held_out: Sets) -> tuple[str, ...]:
    """Splits that both have, in the order of held-out, with ``test`` first.

    Raises:
        InputError: none in common.
    """
    names = [name for name in held_out if name in generated]
    if not names:
        raise InputError(
            f"expected a split that both sets have, got generated {list(generated)} and held-out "
            f"{list(held_out)}; generate catalogues for a split of held-out"
        )
    return tuple(sorted(names, key=lambda name: name != "test"))


def check_sets(generated: Sets, held_out: Sets, splits: Sequence[str]) -> None:
    """Refuse sets that cannot be compared.

    Raises:
        InputError: too few catalogues, no positions, or boxes that differ.
    """
    for kind, sets in (("generated", generated), ("held-out", held_out)):
        for split in splits:
            usable = sum(len(catalogue) > 1 for catalogue in sets[split])
            if usable < MINIMUM_CATALOGUES:
                raise InputError(
                    f"expected at least {MINIMUM_CATALOGUES} catalogues of two points or more in "
                    f"split {split!r} of {kind}, got {usable}; add catalogues, the jackknife error "
                    "needs them"
                )
    _check_one_box([c for sets in (held_out, generated) for s in splits for c in sets[s]])


def check_training(training: Sequence[Catalogue], held_out: Catalogue) -> None:
    """Refuse training catalogues that cannot be held against the others.

    Raises:
        InputError: too few catalogues, or another box.
    """
    usable = sum(len(catalogue) > 1 for catalogue in training)
    if usable < MINIMUM_CATALOGUES:
        raise InputError(
            f"expected at least {MINIMUM_CATALOGUES} training catalogues of two points or more, "
            f"got {usable}; leave them out, and memorisation is not tested"
        )
    _check_one_box([held_out, *training])


def _check_one_box(catalogues: Sequence[Catalogue]) -> None:
    first = catalogues[0]
    for catalogue in catalogues:
        same = np.allclose(catalogue.box, first.box, rtol=1e-6)
        if not same or catalogue.periodic != first.periodic:
            raise InputError(
                f"expected catalogues of one box, got {_box(first)} and {_box(catalogue)}; compare "
                "each kind of box on its own"
            )


def _box(catalogue: Catalogue) -> str:
    sides = " x ".join(f"{side:g}" for side in catalogue.box)
    return f"{sides} Mpc/h {'periodic' if catalogue.periodic else 'open'}"


def in_order(catalogues: Sequence[Catalogue]) -> tuple[Catalogue, ...]:
    """The catalogues sorted by cosmology, number of points and content."""

    def key(catalogue: Catalogue) -> tuple[tuple[tuple[str, float], ...], int, float]:
        first = next(iter(catalogue.columns.values()))
        return cosmology(catalogue), len(catalogue), math.fsum(first.tolist())

    return tuple(sorted(catalogues, key=key))


def cosmology(catalogue: Catalogue) -> tuple[tuple[str, float], ...]:
    """Names and values of the cosmology, to seven digits, by name."""
    return tuple((n, float(f"{v:.7g}")) for n, v in sorted(catalogue.cosmology.items()))


def same_cosmologies(first: Sequence[Catalogue], second: Sequence[Catalogue]) -> bool:
    """Whether two sets hold the same cosmologies in the same proportions."""
    counts = [Counter(cosmology(catalogue) for catalogue in each) for each in (first, second)]
    if counts[0].keys() != counts[1].keys():
        return False
    return all(counts[0][c] * len(second) == counts[1][c] * len(first) for c in counts[0])


def halves(number: int, seed: int, repeats: int = 32) -> Iterator[Bool[np.ndarray, " number"]]:
    """Ways to halve an ordered set: of each pair of neighbours, one to either half by coin."""
    coin = random_generator(Role.HALVES, seed).random((repeats, (number + 1) // 2)) < 0.5
    for heads in coin:
        half = np.zeros(number, bool)
        half[0::2] = heads
        half[1::2] = ~heads[: number // 2]
        yield half
