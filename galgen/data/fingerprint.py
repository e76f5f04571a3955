"""The fingerprint of training data: the SHA-256 of each part of them.

A run keeps the fingerprint. A resumed run compares it with that of its data, wherever they lie now,
and names the parts that differ. Every byte that training uses is hashed, in the pass that reads the
data anyway: a change of one value shows. SHA-256 takes about a second for a gigabyte, less than
reading and standardising it. A date or a sample of the file would miss a change. Other splits,
other columns and the layout of the file are not hashed.
"""

from __future__ import annotations

import collections
import dataclasses
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from galgen.data.catalogue import Catalogue
from galgen.errors import InputError

Fingerprint = Mapping[str, str]
"""Name of a part -> SHA-256, or a number of examples as text."""


class Parts:
    """The SHA-256 of named arrays that come piece by piece."""

    def __init__(self) -> None:
        self._parts: dict[str, Any] = {}
        self._catalogues = 0

    def add(self, name: str, values: Any, unit: str = "") -> None:
        """One more piece of a part; type and unit count, the order of bytes does not."""
        array = np.ascontiguousarray(values)
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        if name not in self._parts:
            self._parts[name] = hashlib.sha256(f"{array.dtype.str} {unit}".encode())
        self._parts[name].update(array.data)

    def through(
        self, catalogues: Iterator[Catalogue], columns: Sequence[str] | None = None
    ) -> Iterator[Catalogue]:
        """The same catalogues, each added as it passes.

        Args:
            catalogues: in order.
            columns: names of those of their columns that count; None for all.
        """
        for catalogue in catalogues:
            self._catalogues += 1
            self.add("numbers of points", np.int64(len(catalogue)))
            self.add("boxes", [*catalogue.box, float(catalogue.periodic)])
            self.add("redshift", catalogue.redshift)
            for name, value in catalogue.cosmology.items():
                self.add(name, value)
            for name in catalogue.columns if columns is None else columns:
                if name in catalogue.columns:
                    self.add(f"column {name}", catalogue.columns[name], catalogue.units[name])
            yield catalogue

    @property
    def fingerprint(self) -> Fingerprint:
        """Of all that was added."""
        found = {name: digest.hexdigest() for name, digest in self._parts.items()}
        return {"catalogues": str(self._catalogues), **found} if self._catalogues else found


def fingerprint_of(
    catalogues: Iterator[Catalogue], columns: Sequence[str] | None = None
) -> Fingerprint:
    """Of catalogues that are read for it alone."""
    parts = Parts()
    collections.deque(parts.through(catalogues, columns), maxlen=0)
    return parts.fingerprint


@dataclasses.dataclass(frozen=True)
class Origin:
    """What a run was made of, restored when it goes on.

    Attributes:
        encoding: between its numbers and data.
        fingerprint: of its training data; empty where none was kept.
    """

    encoding: Any
    fingerprint: Fingerprint

    def same(self, given: Fingerprint, where: Path | str) -> Any:
        """The encoding, if the data are those that it was made of.

        Parts that the fingerprint does not have may be anything.

        Raises:
            InputError: for other data; the message names the parts that differ.
        """
        known = self.fingerprint
        other = [
            f"{given.get(name, 'no')} {name} for {value}" if value.isdigit() else f"other {name}"
            for name, value in known.items()
            if given.get(name) != value
        ]
        if other:
            raise InputError(
                "expected the training data that the run was started with, got "
                f"{', '.join(other)} in {where}; name those data, wherever they lie now, by "
                "--data.path, or train anew in another --run"
            )
        return self.encoding
