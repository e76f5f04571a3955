"""Writing a suite (its layout is in :mod:`galgen.data.suite`) in bounded memory, all or nothing.

Each dataset is streamed to a plain file in a private folder beside the suite. When all catalogues
are there, their number of points is known, and the plain files are copied, a few megabytes at a
time, into contiguous datasets of an HDF5 file, which is published by one rename
(:mod:`galgen.publishing`). While it writes it takes twice the space of the suite on disk.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from galgen.data.catalogue import Catalogue
from galgen.data.field import Field
from galgen.data.suite_layout import (
    CHECKSUM,
    CONTENTS,
    FIELD,
    FORMAT,
    LIBRARY,
    TABLES,
    VERSION,
    WITHOUT_FIELD,
    Block,
    checksum,
    codes,
    dataset_name,
    set_text,
    texts,
)
from galgen.errors import InputError
from galgen.publishing import Publication

PIECE = 1 << 23
"""Bytes that are copied at a time."""
OFFSETS = {"counts": "offsets", "provenance/counts": "provenance/offsets"}
"""What is streamed as numbers and stored as their running sum."""


def write_suite(
    path: str | Path,
    catalogues: Sequence[Catalogue],
    splits: Sequence[str] | str = "train",
    fields: Sequence[Field | None] | None = None,
) -> None:
    """Write catalogues to an HDF5 suite, all or nothing.

    Args:
        path: the file to write; one that is there is replaced.
        catalogues: with the same columns, units, data types and cosmology names.
        splits: the split of each catalogue, or one name for all.
        fields: the field that each comes from, all of one mesh, kind, redshift and smoothing; None
            for none.

    Raises:
        InputError: if there is no catalogue, or they differ in columns, units, data types,
            cosmology names or kind of field, or in number from the splits or the fields.
    """
    names = [splits] * len(catalogues) if isinstance(splits, str) else list(splits)
    if len(names) != len(catalogues):
        raise InputError(
            f"expected one split per catalogue, got {len(names)} for {len(catalogues)}; "
            "pass a name for each, or one for all"
        )
    theirs = [None] * len(catalogues) if fields is None else list(fields)
    if len(theirs) != len(catalogues):
        raise InputError(
            f"expected one field per catalogue, got {len(theirs)} for {len(catalogues)}; pass one "
            "for each, or None"
        )
    with SuiteWriter(path) as writer:
        for catalogue, split, field in zip(catalogues, names, theirs, strict=True):
            writer.add(catalogue, split, field)


class SuiteWriter(contextlib.AbstractContextManager["SuiteWriter"]):
    """Writes a suite catalogue by catalogue; memory does not grow with their points.

    A context manager: the suite is published when it is left, and not at all if by an exception.

    Attributes:
        path: the file to write; one that is there is replaced.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._publication = Publication(self.path)
        self._streams: dict[str, _Stream] = {}
        self._first: Block | None = None
        self._split_names: list[str] = []
        self._splits: list[int] = []

    def add(self, catalogue: Catalogue, split: str = "train", field: Field | None = None) -> None:
        """Add one catalogue, and the field that it comes from.

        Raises:
            InputError: if it differs from the first in columns, units, data types, cosmology names
                or kind of field, or if the field is of another box.
        """
        self.add_block(Block.of(catalogue, split, field))

    def add_block(self, block: Block) -> None:
        """Add many catalogues that lie side by side.

        Raises:
            InputError: if they differ from the first in columns, units, data types, cosmology
                names or kind of field.
        """
        if self._first is None:
            self._first = block
        self._check_alike(block)
        for name, values in block.columns.items():
            self._append(f"columns/{dataset_name(name)}", values)
        for name in ("box", "periodic", "redshift"):
            self._append(name, getattr(block, name))
        for name, values in block.cosmology.items():
            self._append(f"cosmology/{dataset_name(name)}", values)
        if block.fields is not None:
            self._append(FIELD, block.fields)
        self._append("counts", block.counts)
        lengths = np.array([len(text) for text in block.provenance], np.int64)
        self._append("provenance/counts", lengths)
        self._append("provenance/json", np.frombuffer(b"".join(block.provenance), np.uint8))
        self._splits += codes(block.splits, self._split_names).tolist()

    def __len__(self) -> int:
        return len(self._splits)

    def resplit(self, splits: Sequence[str]) -> None:
        """Give every catalogue so far another split.

        Raises:
            InputError: if they differ in number.
        """
        if len(splits) != len(self):
            raise InputError(
                f"expected a split for each of {len(self)} catalogues, got {len(splits)}; "
                "pass one for each"
            )
        self._split_names = []
        self._splits = codes(splits, self._split_names).tolist()

    def _check_alike(self, block: Block) -> None:
        assert self._first is not None
        wanted, found = self._first.kind(), block.kind()
        for what in wanted:
            if wanted[what] != found[what]:
                raise InputError(
                    f"expected the {what} of catalogue 0, {wanted[what]}, got {found[what]} in "
                    f"catalogue {len(self)}; give all catalogues the same"
                )

    def _append(self, name: str, values: np.ndarray) -> None:
        if name not in self._streams:
            place = self._publication.folder / f"{len(self._streams)}.raw"
            self._streams[name] = _Stream(place, values.dtype, values.shape[1:])
        self._streams[name].append(values)

    def _finish(self) -> None:
        if self._first is None:
            raise InputError("expected at least one catalogue to write, got none; pass some")
        place = self._publication.folder / "suite.h5"
        for stream in self._streams.values():
            stream.close()
        with h5py.File(place, "w", libver=LIBRARY) as file:
            set_text(file.attrs, "format", FORMAT)
            file.attrs["version"] = VERSION if self._first.field_of else WITHOUT_FIELD
            set_text(file.attrs, CONTENTS, json.dumps(self._contents()))
            for name in ("columns", "cosmology", "provenance"):
                file.create_group(name, track_order=True)
            for name, stream in self._streams.items():
                if name in OFFSETS:
                    offsets = stream.summed()
                    file[OFFSETS[name]] = offsets
                    file[OFFSETS[name]].attrs[CHECKSUM] = checksum(offsets)
                else:
                    stream.copy_to(file, name)
                stream.remove()
            file["split"] = np.array(self._splits, TABLES["split"][0])
            file["split_names"] = texts(self._split_names)
            for name, unit in self._first.units.items():
                set_text(file[f"columns/{dataset_name(name)}"].attrs, "unit", unit)
            if self._first.field_of:
                set_text(file[FIELD].attrs, "unit", "")
                set_text(file[FIELD].attrs, "kind", str(self._first.field_of["kind"]))
                for name in ("redshift", "smoothing"):
                    file[FIELD].attrs[name] = float(self._first.field_of[name])
        self._publication.publish(place)

    def _contents(self) -> dict[str, object]:
        """The names that the suite has, types of columns, and the mesh of fields."""
        assert self._first is not None
        types = {name: values.dtype.name for name, values in self._first.columns.items()}
        names: dict[str, object] = {"columns": types, "cosmology": list(self._first.cosmology)}
        mesh = self._first.field_mesh
        return names if mesh is None else {**names, FIELD: mesh}

    def __exit__(self, *error: Any) -> None:
        with self._publication, contextlib.ExitStack() as streams:
            for stream in self._streams.values():
                streams.callback(stream.drop)
            if error[1] is not None:
                raise error[1]
            self._finish()


class _Stream:
    """A plain file of values of one type that grows at its end."""

    def __init__(self, path: Path, dtype: np.dtype, row: tuple[int, ...]) -> None:
        self._path = path
        self._file = path.open("wb")
        self._dtype = dtype
        self._row = row
        self._rows = 0

    def append(self, values: np.ndarray) -> None:
        self._file.write(np.ascontiguousarray(values, self._dtype).data)
        self._rows += len(values)

    def close(self) -> None:
        self._file.close()

    def drop(self) -> None:
        """Close it, whether or not the disk has room for the rest of it."""
        with contextlib.suppress(OSError):
            self._file.close()

    def remove(self) -> None:
        self._path.unlink()

    def summed(self) -> np.ndarray:
        """Offsets of what the values count: 0 and their running sum."""
        return np.concatenate([[0], np.cumsum(np.fromfile(self._path, self._dtype))])

    def copy_to(self, file: h5py.File, name: str) -> None:
        shape = (self._rows, *self._row)
        dataset = file.create_dataset(name, shape, self._dtype)
        width = int(np.prod(self._row, dtype=int))
        rows = max(1, PIECE // (width * self._dtype.itemsize))
        with self._path.open("rb") as source:
            for start in range(0, self._rows, rows):
                stop = min(start + rows, self._rows)
                values = np.fromfile(source, self._dtype, (stop - start) * width)
                dataset[start:stop] = values.reshape(stop - start, *self._row)
