"""Which catalogues of both sets were made at one cosmology, and how their labels may be exchanged.

If the mock is right, a generated and a held-out catalogue **at the same condition** could be
exchanged and nobody would know. The null of a test on two sets is therefore found by relabelling
within every condition when both sets hold the same conditions in the same proportions or there are
several draws at each, and over the whole split otherwise. A cosmology is compared to seven digits;
sets without one have a single condition.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from galgen.data.catalogue import Catalogue
from galgen.randomness import Role, random_generator
from galgen.validation.sets import cosmology, halves, same_cosmologies

WITHIN = "at each condition"
MIXED = "over the whole split, whose cosmologies are the same in both sets"
APART = "over the whole split, whose cosmologies are not the same in both sets"


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
    ======================= ==================== ==========================================
    """

    generated: Int[np.ndarray, " generated"]
    held_out: Int[np.ndarray, " held_out"]
    matched: bool
    names: tuple[str, ...]
    generated_parameters: Float[np.ndarray, "generated names"]
    held_out_parameters: Float[np.ndarray, "held_out names"]

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

    def grouped(self, by_condition: bool) -> tuple[np.ndarray, np.ndarray, str]:
        """Group numbers of generated and held-out, and in words how they were made."""
        if by_condition:
            return self.generated, self.held_out, WITHIN
        whole = (np.zeros_like(self.generated), np.zeros_like(self.held_out))
        return *whole, MIXED if self.matched else APART

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


def conditions(generated: Sequence[Catalogue], held_out: Sequence[Catalogue]) -> Conditions:
    """The conditions of both sets."""
    keys = [[cosmology(c) for c in each] for each in (generated, held_out)]
    number = {key: i for i, key in enumerate(sorted({*keys[0], *keys[1]}))}
    first, second = (np.array([number[key] for key in each], np.int64) for each in keys)
    everything = [*generated, *held_out]
    shared = [n for n in everything[0].cosmology if all(n in c.cosmology for c in everything)]
    names = tuple(n for n in sorted(shared) if len({_rounded(c, n) for c in held_out}) > 1)
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
    )


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


def _rounded(catalogue: Catalogue, name: str) -> float:
    return float(f"{catalogue.cosmology[name]:.7g}")


def p_value(statistics: Float[np.ndarray, " labellings"]) -> float:
    """Fraction of labellings whose statistic is at least that of the first; NaN where one is."""
    if not np.all(np.isfinite(statistics)):
        return np.nan
    return float(np.mean(statistics >= statistics[0] * (1 - 1e-12)))
