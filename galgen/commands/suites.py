"""What commands read of a suite: its splits, the conditions of its catalogues, its training set."""

from __future__ import annotations

import contextlib
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import galgen
from galgen.commands import point_files
from galgen.errors import InputError

MOST_TRAINING = 1024
"""Training catalogues that are compared, evenly chosen from more."""


def held_out_groups(
    path: Path, splits: Sequence[str], box: float | None = None
) -> dict[str, list[galgen.Catalogue]]:
    """The catalogues of a suite by split, of those splits it has.

    Args:
        path: of the suite, or of a folder of arrays, all of which are of the split ``test``.
        splits: asked for.
        box: side of the catalogues of a folder.

    Raises:
        InputError: if it has none of them.
    """
    if point_files.is_folder(path):
        return {point_files.SPLIT: point_files.read_folder(path, _known(box, path))}
    with galgen.Suite(path) as suite:
        present = sorted(set(suite.splits))
        chosen = [split for split in splits if split in present]
        if not chosen:
            raise InputError(
                f"expected one of the splits {list(splits)} in {path}, got {present}; "
                "name some with --splits"
            )
        return {split: suite.catalogues(split) for split in chosen}


def conditions_of(
    path: Path,
    splits: Sequence[str],
    encoding: galgen.data.Encoding[Any],
    repeats: int | None = None,
) -> tuple[list[galgen.data.Condition], list[str], list[galgen.data.Field] | None]:
    """The condition, the split and the field of every catalogue of a suite in ``splits``.

    There are no fields for a model that reads none.

    Args:
        path: of the suite.
        splits: those that it has are used.
        encoding: of the run, which says what a condition is.
        repeats: the most catalogues of one split and one condition; None for all.

    Raises:
        InputError: if the model draws no catalogues, or the suite has none of the splits, or no
            fields for a model that reads them.
    """
    if not isinstance(encoding, galgen.data.CatalogueEncoding):
        raise InputError(
            "expected a run that draws catalogues for --like, got one of arrays; leave it out"
        )
    conditions: list[galgen.data.Condition] = []
    chosen: list[str] = []
    places: list[tuple[str, int]] = []
    for split, catalogues in held_out_groups(path, splits).items():
        seen: Counter[tuple[float, ...]] = Counter()
        for number, catalogue in enumerate(catalogues):
            condition = encoding.condition_values(catalogue)
            key = tuple(condition.values())
            seen[key] += 1
            if repeats is None or seen[key] <= repeats:
                conditions.append(condition)
                chosen.append(split)
                places.append((split, number))
    if not encoding.reads_field:
        return conditions, chosen, None
    with galgen.Suite(path) as suite:
        return conditions, chosen, [suite[split].field(number) for split, number in places]


def split_pairs(generated: Path, held_out: Path, splits: Sequence[str]) -> dict[str, str]:
    """The splits of two suites to compare: by name in held-out, the name in generated.

    Of the splits asked for, those that both have; else all that both have; else, where each has one
    split only, that one by the name it has in held-out.

    Raises:
        InputError: a suite that cannot be read, or no split in common.
    """
    first, second = splits_of(generated), splits_of(held_out)
    common = [name for name in second if name in first]
    chosen = [name for name in splits if name in common] or common
    if chosen:
        return {name: name for name in chosen}
    if len(first) == len(second) == 1:
        return {second[0]: first[0]}
    raise InputError(
        f"expected a split that both suites have, got {first} in {generated} and {second} in "
        f"{held_out}; draw with galgen sample RUN --like {held_out}"
    )


def shared_fields(
    generated: Path, held_out: Path, splits: Mapping[str, str], second: Path | None = None
) -> dict[str, list[galgen.validation.SharedField]]:
    """By split, the fields that catalogues of both suites come from, where both hold fields.

    Args:
        generated: suite of draws. Of two or more on one field, the first two are taken.
        held_out: suite of the truth.
        splits: by name in ``held_out``, the name in ``generated``.
        second: suite of second draws, of the splits of ``held_out``.
    """
    found = {}
    if point_files.is_folder(generated) or point_files.is_folder(held_out):
        return {}
    with contextlib.ExitStack() as stack:
        truth, mock = (stack.enter_context(galgen.Suite(path)) for path in (held_out, generated))
        if truth.field_mesh is None or mock.field_mesh is None:
            return {}
        suites = [(mock, splits)]
        if second is not None:
            suites.append(
                (stack.enter_context(galgen.Suite(second)), {name: name for name in splits})
            )
        for name in splits:
            drawn: dict[bytes, list[galgen.Catalogue]] = defaultdict(list)
            for suite, names in suites:
                for view, i, key in _by_field(suite, names[name]):
                    drawn[key].append(view[i])
            found[name] = [
                galgen.validation.SharedField(view.field(i), view[i], *drawn.pop(key)[:2])
                for view, i, key in _by_field(truth, name)
                if key in drawn
            ]
    return found


def _by_field(
    suite: galgen.Suite, split: str
) -> Iterator[tuple[galgen.data.SuiteView, int, bytes]]:
    """Every catalogue of a split, as its view and place, and what only equal fields share."""
    view = suite[split]
    for i in range(len(view)):
        field = view.field(i)
        yield view, i, hashlib.sha256(field.values.tobytes() + str(field.box).encode()).digest()


def _known(box: float | None, path: Path) -> float:
    if box is None:
        raise InputError(f"expected the side of the box of {path}, got none; name it with --box")
    return box


def splits_of(path: Path) -> list[str]:
    """The splits of a suite, in the order of its catalogues."""
    if point_files.is_folder(path):
        return [point_files.SPLIT]
    with galgen.Suite(path) as suite:
        return list(dict.fromkeys(str(split) for split in suite.splits))


def training_catalogues(path: Path, split: str) -> list[galgen.Catalogue]:
    """The training catalogues of a suite, at most :data:`MOST_TRAINING` of them.

    Raises:
        InputError: a suite without that split.
    """
    with galgen.Suite(path) as suite:
        rows = [i for i, name in enumerate(suite.splits) if name == split]
        if not rows:
            raise InputError(
                f"expected training catalogues in the split {split!r} of {path}, got splits "
                f"{sorted(set(suite.splits))}; leave out --training, and memorisation is not tested"
            )
        step = max(1, len(rows) / MOST_TRAINING)
        chosen = [rows[int(i * step)] for i in range(min(len(rows), MOST_TRAINING))]
        return [suite[i] for i in chosen]
