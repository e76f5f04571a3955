"""From the options of a source to a suite: read, cut, thin, split, write, and an account."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np

from data_prep.options import parse_numbers
from data_prep.source import PUBLISHED, Source
from galgen.data.cutting import thin
from galgen.data.suite import Suite, SuiteWriter
from galgen.data.suite_summary import suite_summary
from galgen.errors import InputError
from galgen.randomness import Role, child_seed, random_generator


def prepare(source: Source) -> None:
    """Read, cut, thin, split and write; then print what was written.

    Raises:
        InputError: if the inputs cannot be used.
    """
    if not source.inputs:
        raise InputError("expected an input file or more, got none; name them after the source")
    fractions = None if source.splits == PUBLISHED else parse_numbers(source.splits)
    if fractions is not None:
        check_fractions(fractions)
    number, published, box_of = 0, [], []
    with SuiteWriter(source.output) as writer:
        for place, box in enumerate(source.boxes()):
            field = source.field_of(place, box)
            for cube in source.cubes(box):
                seed = child_seed(Role.CUBE, source.seed, number)
                catalogue = thin(cube, None, source.n_max, seed)
                number += 1
                beyond = f"beyond the {source.n_max} of a catalogue"
                source.account.drop(beyond, len(cube) - len(catalogue))
                if len(catalogue) < source.n_min:
                    few = f"in catalogues of fewer than {source.n_min}"
                    source.account.drop(few, len(catalogue))
                    continue
                writer.add(catalogue, field=field)
                published.append(catalogue.provenance.get(PUBLISHED, ""))
                box_of.append(place)
        if number and not published:
            raise InputError(
                f"expected catalogues of {source.n_min} points or more, got {number} with fewer; "
                "lower --n-min or --mass-min"
            )
        if fractions is None:
            writer.resplit(_named(published))
        else:
            writer.resplit(_splits(source, fractions, box_of))
    with Suite(source.output) as suite:
        print(f"wrote {suite_summary(suite)}")
        print(source.account.text(int(suite.counts.sum())))
    source.account.print_warnings()
    lost = number - len(published)
    if lost:
        print(f"  dropped: {lost} catalogues of fewer than {source.n_min} points")


def _splits(source: Source, fractions: Mapping[str, float], box_of: list[int]) -> list[str]:
    if source.split_by == "catalogue":
        return random_splits(len(box_of), fractions, source.seed)
    boxes, place = np.unique(box_of, return_inverse=True)
    names = random_splits(len(boxes), fractions, source.seed)
    return [names[number] for number in place]


def _named(published: list[str]) -> list[str]:
    if not all(published):
        raise InputError(
            "expected inputs whose names end in their split (train, val, test) for --splits "
            "published, got others; pass fractions, e.g. --splits train=0.8,test=0.2"
        )
    return published


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
        InputError: as :func:`check_fractions`, and if a split would be empty.
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
