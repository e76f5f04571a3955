"""From the options of a source to a suite: read, cut, thin, split, write, and an account."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from data_prep.boxes import check_fractions, parse_numbers, random_splits
from data_prep.source import PUBLISHED, Source
from galgen.data.cutting import thin
from galgen.data.suite import Suite, SuiteWriter
from galgen.data.suite_summary import suite_summary
from galgen.errors import InputError
from galgen.randomness import Role, child_seed


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
            for cube in source.cubes(box):
                catalogue = thin(
                    cube, None, source.n_max, child_seed(Role.CUBE, source.seed, number)
                )
                number += 1
                source.account.drop(
                    f"beyond the {source.n_max} of a catalogue", len(cube) - len(catalogue)
                )
                if len(catalogue) < source.n_min:
                    source.account.drop(
                        f"in catalogues of fewer than {source.n_min}", len(catalogue)
                    )
                else:
                    writer.add(catalogue)
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
    if len(published) < number:
        print(
            f"  dropped: {number - len(published)} catalogues of fewer than {source.n_min} points"
        )


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
