"""The catalogues that are compared: checked, ordered, and how their labels may be exchanged.

Nothing here knows which set was generated. Every set is sorted by cosmology, then by number of
points and content. A comparison does not depend on the order of the catalogues, and neighbours in
the order have near cosmologies: halves of a set are made of one of each such pair.

If the mock is right, a generated and a held-out catalogue **at the same condition** can be
exchanged without a trace. The null of a test on two sets is therefore found by relabelling: within
every condition where both sets hold the same conditions in the same proportions or there are
several draws at each, and over the whole split otherwise. A cosmology is compared to seven digits;
sets without one have a single condition.
"""

from __future__ import annotations

import dataclasses
import enum
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from galgen.data.catalogue import Catalogue
from galgen.errors import InputError
from galgen.randomness import Role, random_generator

MINIMUM_CATALOGUES = 4
Sets = Mapping[str, Sequence[Catalogue]]
OrderedSets = Mapping[str, tuple[Catalogue, ...]]


class Groups(enum.StrEnum):
    """What catalogues are pooled over: a condition, or a split, of matched cosmologies or not."""

    CONDITION = "condition"
    MATCHED_SPLIT = "matched split"
    UNMATCHED_SPLIT = "unmatched split"


def comparable(
    generated: Sets, held_out: Sets, training: Sequence[Catalogue] | None
) -> tuple[OrderedSets, OrderedSets, tuple[Catalogue, ...] | None]:
    """The splits that both sets have, ``test`` first, and training catalogues, all in order.

    Raises:
        InputError: no common split, too few catalogues, no positions, or boxes that differ.
    """
    names = [name for name in held_out if name in generated]
    if not names:
        raise InputError(
            f"expected a split that both sets have, got generated {list(generated)} and held-out "
            f"{list(held_out)}; generate catalogues for a split of held-out"
        )
    names.sort(key=lambda name: name != "test")
    for kind, sets in (("generated", generated), ("held-out", held_out)):
        for split in names:
            what = f"catalogues of two points or more in split {split!r} of {kind}"
            _check_enough(sets[split], what, "add catalogues, the jackknife error needs them")
    check_one_box([c for sets in (held_out, generated) for s in names for c in sets[s]])
    if training is not None:
        remedy = "leave them out, and memorisation is not tested"
        _check_enough(training, "training catalogues of two points or more", remedy)
        check_one_box([held_out[names[0]][0], *training])
        training = in_order(training)
    first, second = ({n: in_order(sets[n]) for n in names} for sets in (generated, held_out))
    return first, second, training


def _check_enough(catalogues: Sequence[Catalogue], what: str, remedy: str) -> None:
    usable = sum(len(catalogue) > 1 for catalogue in catalogues)
    if usable < MINIMUM_CATALOGUES:
        raise InputError(f"expected at least {MINIMUM_CATALOGUES} {what}, got {usable}; {remedy}")


def check_one_box(catalogues: Sequence[Catalogue]) -> None:
    """Refuse boxes that differ.

    Raises:
        InputError: naming two of them.
    """
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
    return tuple(sorted(catalogues, key=_content))


def _content(catalogue: Catalogue) -> tuple[tuple[tuple[str, float], ...], int, float]:
    first = next(iter(catalogue.columns.values()))
    return cosmology(catalogue), len(catalogue), math.fsum(first.tolist())


def cosmology(catalogue: Catalogue) -> tuple[tuple[str, float], ...]:
    """Names and values of the cosmology, to seven digits, by name."""
    return tuple((n, _rounded(v)) for n, v in sorted(catalogue.cosmology.items()))


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


@dataclasses.dataclass(frozen=True)
class Conditions:
    """The condition of every catalogue of a split.

    ======================= ==================== ==========================================
    field                   shape                meaning
    ======================= ==================== ==========================================
    generated, held_out     ``(catalogues,)``    number of the condition, shared
    matched                 bool                 same conditions in the same proportions
    names                   tuple                parameters that vary in held-out
    generated_parameters    ``(cat., names)``    their values; so ``held_out_parameters``
    partners                ``(generated,)``     held-out of the field that each was drawn on, each
                                                 once; None where not all share one
    ======================= ==================== ==========================================
    """

    generated: Int[np.ndarray, " generated"]
    held_out: Int[np.ndarray, " held_out"]
    matched: bool
    names: tuple[str, ...]
    generated_parameters: Float[np.ndarray, "generated names"]
    held_out_parameters: Float[np.ndarray, "held_out names"]
    partners: Int[np.ndarray, " generated"] | None = None

    @property
    def repeated(self) -> bool:
        """Two catalogues or more of either set at every condition of held-out."""
        return self._every(2, 2)

    @property
    def drawn_repeatedly(self) -> bool:
        """Two generated catalogues or more at every condition of held-out."""
        return self._every(2, 1)

    @property
    def varied(self) -> bool:
        """More than one condition in held-out."""
        return len(np.unique(self.held_out)) > 1

    def _every(self, generated: int, held_out: int) -> bool:
        counts = [
            (np.sum(self.generated == c), np.sum(self.held_out == c))
            for c in np.unique(self.held_out)
        ]
        return all(g >= generated and t >= held_out for g, t in counts)

    @property
    def variance_groups(self) -> tuple[np.ndarray, np.ndarray, Groups]:
        """Group numbers of generated and held-out over which variances are pooled."""
        return self._grouped(self.repeated)

    @property
    def rank_groups(self) -> tuple[np.ndarray, np.ndarray, Groups]:
        """Group numbers of generated and held-out within which held-out has ranks."""
        return self._grouped(self.drawn_repeatedly)

    def _grouped(self, by_condition: bool) -> tuple[np.ndarray, np.ndarray, Groups]:
        if by_condition:
            return self.generated, self.held_out, Groups.CONDITION
        whole = (np.zeros_like(self.generated), np.zeros_like(self.held_out))
        return *whole, Groups.MATCHED_SPLIT if self.matched else Groups.UNMATCHED_SPLIT

    def relabelled(self, number: int, seed: int) -> Bool[np.ndarray, "number both"]:
        """Which of generated + held-out are called held-out, the true labels first.

        Args:
            number: of labellings, the true one among them.
            seed: of the others.
        """
        rng = random_generator(Role.RELABELLINGS, seed)
        group = np.concatenate([self.generated, self.held_out])
        if not (self.matched or self.drawn_repeatedly):
            group = np.zeros_like(group)
        label = np.arange(len(group)) >= len(self.generated)
        labels = np.tile(label, (number, 1))
        for condition in np.unique(group):
            rows = np.flatnonzero(group == condition)
            labels[1:, rows] = rng.permuted(np.tile(label[rows], (number - 1, 1)), axis=1)
        return labels


def conditions(
    generated: Sequence[Catalogue],
    held_out: Sequence[Catalogue],
    partners: Sequence[tuple[Catalogue, Catalogue]] = (),
) -> Conditions:
    """The conditions of both sets, and pairs of a generated and a held-out one of one field."""
    keys = [[cosmology(c) for c in each] for each in (generated, held_out)]
    number = {key: i for i, key in enumerate(sorted({*keys[0], *keys[1]}))}
    first, second = (np.array([number[key] for key in each], np.int64) for each in keys)
    everything = [*generated, *held_out]
    shared = [n for n in everything[0].cosmology if all(n in c.cosmology for c in everything)]
    kinds = {n: {_rounded(c.cosmology[n]) for c in held_out} for n in sorted(shared)}
    names = tuple(n for n, values in kinds.items() if len(values) > 1)
    values = [
        np.array([[c.cosmology[n] for n in names] for c in each]) for each in (generated, held_out)
    ]
    return Conditions(
        generated=first,
        held_out=second,
        matched=same_cosmologies(generated, held_out),
        names=names,
        generated_parameters=values[0].reshape(len(generated), len(names)),
        held_out_parameters=values[1].reshape(len(held_out), len(names)),
        partners=_partners(generated, held_out, partners),
    )


def _partners(
    generated: Sequence[Catalogue],
    held_out: Sequence[Catalogue],
    pairs: Sequence[tuple[Catalogue, Catalogue]],
) -> Int[np.ndarray, " generated"] | None:
    place = {_content(catalogue): number for number, catalogue in enumerate(held_out)}
    of = {_content(mock): place.get(_content(truth), -1) for mock, truth in pairs}
    found = [of.get(_content(catalogue), -1) for catalogue in generated]
    return np.array(found) if sorted(found) == list(range(len(held_out))) else None


def halvings(
    condition: Int[np.ndarray, " catalogues"], seed: int, repeats: int
) -> Iterator[Bool[np.ndarray, " catalogues"]]:
    """Ways to halve a set: at random within a condition, one of two neighbours among conditions.

    The catalogues of a condition are paired anew every time, for in the order of their numbers of
    points they are alike, and halves of alike pairs are more alike than two draws.
    """
    rng = random_generator(Role.PAIRS, seed)
    for half in halves(len(condition), seed, repeats):
        order = np.lexsort((rng.random(len(condition)), condition))
        found = np.zeros(len(condition), bool)
        found[order] = half
        yield found


def _rounded(value: float) -> float:
    return float(f"{value:.7g}")


def p_value(statistics: Float[np.ndarray, " labellings"]) -> float:
    """Fraction of labellings whose statistic is at least that of the first; NaN where one is."""
    if not np.all(np.isfinite(statistics)):
        return np.nan
    return float(np.mean(statistics >= statistics[0] * (1 - 1e-12)))
