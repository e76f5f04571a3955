"""Seeded damage to files, and what a reader must do about it.

A damaged file is either refused in one line that names it, or read; then no value may differ that
the damage did not touch. ``SUBJECTS`` has every reader with a small file that it reads.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from galgen.errors import InputError

ODD = (-7.0, 1e30, float("nan"), 0.0, -1.0, 1e-30, float("inf"), 0.5)
"""Numbers that a header may have, and should not."""


@dataclasses.dataclass(frozen=True)
class Content:
    """What a reader made of a file.

    Attributes:
        columns: name -> values, of all catalogues side by side.
        header: everything else that has a meaning, by name.
    """

    columns: Mapping[str, np.ndarray]
    header: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Subject:
    """A reader, and a file for it.

    Attributes:
        name: of the file; its suffix and words may matter to the reader.
        write: a small sound file.
        read: the file.
        text: whether rows are lines, so that a file cut at the end of one is whole.
        changes: of structure rather than of bytes, which not every reader has.
        spread: how many values may hang on one byte: those of a direction on an angle, of a
            compressed piece on each of its bytes.
        scaled: whether values hang on the header: positions in units of the box.
        renamed: whether names of columns are free, so that one of another name is another.
        sealed: whether checksums cover all of it, so that no damage may be read at all but what
            leaves everything as it is.
    """

    name: str
    write: Callable[[Path], None]
    read: Callable[[Path], Content]
    text: bool = False
    changes: tuple[Callable[[Path, np.random.Generator], float], ...] = ()
    spread: int = 1
    scaled: bool = False
    renamed: bool = False
    sealed: bool = False


@dataclasses.dataclass(frozen=True)
class Mutation:
    """What was done to a file.

    Attributes:
        name: of the way.
        touched: at most so many values may be others after it, or lost, where rows are text.
    """

    name: str
    touched: float


EVERYTHING = float("inf")


def damage(path: Path, subject: Subject, generator: np.random.Generator) -> Mutation:
    """Damage a sound file in one way, by chance."""
    if subject.changes and generator.random() < 0.35:
        change = subject.changes[generator.integers(len(subject.changes))]
        return Mutation(change.__name__, change(path, generator))
    content = bytearray(path.read_bytes())
    before = len(content)
    choices = (flip_bits, flip_bytes, zero_block, truncate, duplicate_block, insert_nul, drop_block)
    choice = choices[generator.integers(len(choices))]
    touched = choice(content, generator)
    path.write_bytes(content)
    if not subject.text and len(content) != before and subject.spread == 1:
        return Mutation(choice.__name__, 0)  # What lies behind would be read at another place.
    return Mutation(choice.__name__, touched)


def flip_bits(content: bytearray, generator: np.random.Generator) -> int:
    """One bit, or a few."""
    number = int(generator.integers(1, 4))
    for place in generator.integers(0, len(content), number):
        content[place] ^= 1 << int(generator.integers(8))
    return number


def flip_bytes(content: bytearray, generator: np.random.Generator) -> int:
    """One byte, or a few, become others."""
    number = int(generator.integers(1, 5))
    for place in generator.integers(0, len(content), number):
        content[place] = int(generator.integers(256))
    return number


def zero_block(content: bytearray, generator: np.random.Generator) -> int:
    """A block becomes zeros, as on a disk that was never written."""
    start, stop = _block(content, generator)
    content[start:stop] = bytes(stop - start)
    return stop - start


def truncate(content: bytearray, generator: np.random.Generator) -> int:
    """The end is missing."""
    place = int(generator.integers(0, len(content)))
    touched = len(content) - place
    del content[place:]
    return touched


def duplicate_block(content: bytearray, generator: np.random.Generator) -> int:
    """A block is there twice."""
    start, stop = _block(content, generator)
    content[start:start] = content[start:stop]
    return stop - start


def drop_block(content: bytearray, generator: np.random.Generator) -> int:
    """A block is missing."""
    start, stop = _block(content, generator)
    del content[start:stop]
    return stop - start


def insert_nul(content: bytearray, generator: np.random.Generator) -> int:
    """A NUL byte more."""
    place = int(generator.integers(0, len(content) + 1))
    content[place:place] = b"\0"
    return 1


def _block(content: bytearray, generator: np.random.Generator) -> tuple[int, int]:
    length = int(2 ** generator.uniform(0, 9))
    start = int(generator.integers(0, max(len(content) - length, 1)))
    return start, min(start + length, len(content))


def objects_of(file: h5py.File) -> tuple[list[str], list[str]]:
    """Names of all datasets, and of all groups, of an HDF5 file."""
    datasets: list[str] = []
    groups: list[str] = ["/"]

    def look(name: str, place: Any) -> None:
        (datasets if isinstance(place, h5py.Dataset) else groups).append(name)

    file.visititems(look)
    return datasets, groups


def rename_field(path: Path, generator: np.random.Generator) -> int:
    """A dataset or group of HDF5 gets another name; no value is touched."""
    with h5py.File(path, "r+") as file:
        names = [name for found in objects_of(file) for name in found if name != "/"]
        name = names[generator.integers(len(names))]
        file.move(name, f"{name}x")
    return 0


def retype_field(path: Path, generator: np.random.Generator) -> int:
    """A dataset of HDF5 gets another type, byte order, shape or layout."""
    with h5py.File(path, "r+") as file:
        datasets, _ = objects_of(file)
        if not datasets:
            return 0
        name = datasets[generator.integers(len(datasets))]
        values, attributes = file[name][()], dict(file[name].attrs)
        kinds = (">f8", "<f8", ">f4", ">i8", "u1", "S5", "bool", "c8", "shorter", "flat", "packed")
        kind = kinds[generator.integers(len(kinds))]
        array = np.asarray(values)
        options: dict[str, Any] = {}
        if kind == "shorter":
            array = array[:-1] if array.ndim else array
        elif kind == "flat":
            array = array.reshape(1, *array.shape)
        elif kind == "packed":
            options = {"compression": "gzip"} if array.ndim and array.size else {}
        elif array.dtype.kind in "biuf":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                array = array.astype(kind)
        del file[name]
        file.create_dataset(name, data=array, **options)
        file[name].attrs.update(attributes)
    return array.size


def odd_attribute(path: Path, generator: np.random.Generator) -> float:
    """An attribute of HDF5 becomes another number, text, array, or goes.

    That of a field is about all its values.
    """
    with h5py.File(path, "r+") as file:
        datasets, groups = objects_of(file)
        places = [name for name in (*groups, *datasets) if len(file[name].attrs)]
        if not places:
            return 0
        place = file[places[generator.integers(len(places))]]
        attributes = place.attrs
        names = list(attributes)
        name = names[generator.integers(len(names))]
        odd: tuple[Any, ...] = (*ODD, "text", b"\xff", [1.0, 2.0], np.zeros((0,)), 2**63 - 1, None)
        value = odd[generator.integers(len(odd))]
        if value is None:
            del attributes[name]
        elif isinstance(value, float) and generator.random() < 0.5:
            attributes[name] = np.array([value], ">f4")
        else:
            attributes[name] = value
        return EVERYTHING if isinstance(place, h5py.Dataset) else 0


def odd_number(path: Path, generator: np.random.Generator) -> int:
    """A number in text becomes another."""
    content = path.read_bytes()
    found = list(re.finditer(rb"(?<![\w.])[-+]?\d+\.?\d*(?:[eE][-+]?\d+)?(?![\w.])", content))
    match = found[generator.integers(len(found))]
    word = repr(ODD[generator.integers(len(ODD))]).encode()
    path.write_bytes(content[: match.start()] + word + content[match.end() :])
    return 1


HDF5_CHANGES = (rename_field, retype_field, odd_attribute)


def verdict(
    subject: Subject, path: Path, reference: Content, mutation: Mutation
) -> tuple[str, str]:
    """What a reader did about a damaged file: ``refused``, ``read``, or what is wrong with that."""
    before = sorted(place.name for place in path.parent.iterdir())
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            found = subject.read(path)
        except InputError as error:
            outcome = _refusal(str(error), path)
        except Exception as error:
            outcome = "traceback", f"{type(error).__name__}: {error}"
        else:
            outcome = _difference(subject, reference, found, mutation)
    if said and outcome[0] in ("read", "refused"):
        outcome = "warned", str(said[0].message)
    left = {place.name for place in path.parent.iterdir()} - set(before)
    return ("left behind", str(left)) if left else outcome


def _refusal(line: str, path: Path) -> tuple[str, str]:
    if "\n" in line or path.name not in line:
        return "unnamed", line
    if "TypeCheckError" in line:  # of the tests themselves: no error that a user would see
        return "traceback", line
    return "refused", line


def _difference(
    subject: Subject, reference: Content, found: Content, mutation: Mutation
) -> tuple[str, str]:
    """``read``, unless values differ that the damage did not touch."""
    touched = mutation.touched * subject.spread
    same_header = {k: str(v) for k, v in found.header.items()} == {
        k: str(v) for k, v in reference.header.items()
    }
    missing = [name for name in reference.columns if name not in found.columns]
    if missing and not subject.renamed:
        return "silent", f"no columns {missing}"
    changed = 0
    for name, values in reference.columns.items():
        others = found.columns.get(name, values)
        if subject.text and len(others) != len(values):
            return _rows(reference, found, touched)
        if len(others) != len(values):
            return "silent", f"{len(others)} rows of {name} for {len(values)}"
        changed += int(np.sum(np.asarray(others) != values))
    if subject.sealed and (changed or not same_header):
        return "silent", f"{changed} values and header {found.header}"
    if changed > touched and (same_header or not subject.scaled):
        return "silent", f"{changed} values for {touched} bytes"
    return "read", f"{changed} values"


def _rows(reference: Content, found: Content, touched: float) -> tuple[str, str]:
    """Of rows of text: all that were not touched must be there, whatever else is."""
    names = [name for name in reference.columns if name in found.columns]
    rows = np.column_stack([reference.columns[name] for name in names])
    others = np.column_stack([found.columns[name] for name in names])
    known = {row.tobytes() for row in others}
    lost = sum(row.tobytes() not in known for row in rows)
    shortest = 8 * rows.shape[1] // 4
    if lost > 2 + touched / shortest:
        return "silent", f"{lost} of {len(rows)} rows lost for {touched} bytes"
    return "read", f"{lost} rows lost"


def attack(
    subject: Subject, folder: Path, number: int, seed: int = 0
) -> Iterator[tuple[int, Mutation, tuple[str, str]]]:
    """Damage a file ``number`` times, each time in one way; what the reader did about each."""
    path = folder / subject.name
    subject.write(path)
    sound = path.read_bytes()
    reference = subject.read(path)
    name = int.from_bytes(hashlib.sha256(subject.name.encode()).digest()[:4], "big")
    place = done = 0
    while done < number:
        generator = np.random.default_rng([seed, name, place])
        path.write_bytes(sound)
        mutation = damage(path, subject, generator)
        if path.read_bytes() != sound:
            done += 1
            yield place, mutation, verdict(subject, path, reference, mutation)
        place += 1
