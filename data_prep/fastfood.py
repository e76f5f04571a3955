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

from data_prep.boxes import place_in_box
from data_prep.files import provenance_of
from data_prep.source import BoxSource
from galgen.data.catalogue import Catalogue
from galgen.errors import InputError


@dataclasses.dataclass(frozen=True, kw_only=True)
class FastFoodSource(BoxSource):
    """Corrfunc fast-food binaries of a periodic box."""

    box: float | None = None
    """Side of the box [Mpc/h], if not the header's."""

    def read(self, path: Path) -> Iterator[Catalogue]:
        yield read_fastfood(path, self.box)


def read_fastfood(path: Path, box: float | None = None) -> Catalogue:
    """The catalogue of a fast-food file; weights are left out.

    Args:
        path: the file.
        box: side [Mpc/h]; the header's where None.

    Raises:
        InputError: if the file is missing, cut short, or of another format.
    """
    if not path.is_file():
        raise InputError(f"expected a fast-food file at {path}, got none; check the path")
    records = _records(path)
    if len(records) < 6 or len(records[0]) != 20 or len(records[1]) != 36:
        raise InputError(
            f"expected a fast-food header (20 and 36 bytes) and x, y, z in {path}, got records of "
            f"{[len(record) for record in records[:6]]} bytes; is this another format?"
        )
    points = int(np.frombuffer(records[0], np.int32)[1])
    side = float(np.frombuffer(records[1], np.float32)[0]) if box is None else box
    redshift = float(np.frombuffer(records[2], np.float32)[0])
    widths = {len(record) / max(points, 1) for record in records[3:6]}
    if points < 1 or not widths <= {4.0, 8.0}:
        raise InputError(
            f"expected {points} float32 or float64 values in each position record of {path}, got "
            f"{[len(record) for record in records[3:6]]} bytes; write the file again"
        )
    columns = {
        name: np.frombuffer(record, np.float32 if len(record) == 4 * points else np.float64)
        for name, record in zip("xyz", records[3:6], strict=True)
    }
    return place_in_box(columns, side, redshift=redshift, provenance=provenance_of([path]))


def _records(path: Path) -> list[bytes]:
    content = path.read_bytes()
    records, start = [], 0
    while start < len(content):
        length = int.from_bytes(content[start : start + 4], "little", signed=True)
        end = start + 4 + length
        closing = int.from_bytes(content[end : end + 4], "little", signed=True)
        if length < 0 or end + 4 > len(content) or closing != length:
            raise InputError(
                f"expected whole Fortran records in {path}, got one of {length} bytes that does "
                f"not close at byte {start}; copy the file again, or is it "
                "byte-swapped or of another format?"
            )
        records.append(content[start + 4 : end])
        start = end + 4
    return records
