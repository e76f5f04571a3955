"""Fast-food files, the binary catalogues of Corrfunc (Sinha and Garrison 2020).

Fortran records, each between two copies of its length in bytes (int32)::

    int32[5]    second entry: number of points N
    float32[9]  first entry: box side [Mpc/h]
    float32[1]  redshift
    x[N] y[N] z[N] (weight[N])   float32 or float64
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from data_prep.checks import checked_redshift
from data_prep.files import assumptions, provenance_of
from data_prep.source import BoxSource
from galgen.data.catalogue import Catalogue
from galgen.errors import InputError
from galgen.reading import reading, regular_file


@dataclasses.dataclass(frozen=True, kw_only=True)
class FastFoodSource(BoxSource):
    """Corrfunc fast-food binaries of a box, with weights where they have them."""

    def read(self, path: Path) -> Iterator[Catalogue]:
        with reading(regular_file(path, "a fast-food file"), "a fast-food file"):
            records = _records(path)
            columns = _columns(records)
        yield self.place(
            columns,
            float(np.frombuffer(records[1], np.float32)[0]),
            redshift=checked_redshift(float(np.frombuffer(records[2], np.float32)[0])),
            provenance={**provenance_of([path]), **assumptions(["x y z in Mpc/h"])},
        )


def _columns(records: list[bytes]) -> dict[str, np.ndarray]:
    """The columns that there are, after a look at all records: their number and sizes must fit."""
    sizes = [len(record) for record in records]
    if len(records) not in (6, 7) or sizes[:3] != [20, 36, 4]:
        raise InputError(
            "expected a fast-food header (20, 36 and 4 bytes), x, y, z and perhaps a weight, got "
            f"records of {sizes[:8]} bytes; is this another format?"
        )
    points = int(np.frombuffer(records[0], np.int32)[1])
    width = sizes[3] / max(points, 1)
    if points < 1 or width not in (4, 8) or len(set(sizes[3:])) > 1:
        raise InputError(
            f"expected {points} float32 or float64 values in each record of x, y, z and weight, "
            f"got {sizes[3:]} bytes; write the file again"
        )
    kind = np.dtype(f"f{int(width)}")
    names = ("x", "y", "z", "weight")[: len(records) - 3]
    return {name: np.frombuffer(records[3 + i], kind) for i, name in enumerate(names)}


def _records(path: Path) -> list[bytes]:
    content = path.read_bytes()
    records, start = [], 0
    while start < len(content):
        length = int.from_bytes(content[start : start + 4], "little", signed=True)
        end = start + 4 + length
        closing = int.from_bytes(content[end : end + 4], "little", signed=True)
        if length < 0 or end + 4 > len(content) or closing != length:
            raise InputError(
                f"expected whole Fortran records, got one of {length} bytes that does not close at "
                f"byte {start}; copy the file again, or is it byte-swapped or of another format?"
            )
        records.append(content[start + 4 : end])
        start = end + 4
    return records
