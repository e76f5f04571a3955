"""A suite: many catalogues in one HDF5 file, read at random without loading the rest.

Format ``galgen-suite``, version 4 (the root attributes ``format`` and ``version`` say so). Points
of all catalogues lie side by side; row ``offsets[i]:offsets[i + 1]`` belongs to catalogue ``i``,
which may have none::

    /columns/<name>      (points of all,)  attribute unit, "" if dimensionless
    /offsets             (n + 1,) int64    attribute crc32 of its bytes
    /box                 (n, 3) float64    side lengths [Mpc/h]
    /periodic            (n,) bool         False for open sub-boxes of something larger
    /redshift            (n,) float64
    /cosmology/<name>    (n,) float64      what models may be conditioned on: omega_m, sigma_8, ...
    /split               (n,) int32        places in split_names
    /split_names         text              train, validation, test, ...
    /provenance/json     bytes             UTF-8 of one JSON object of text per catalogue
    /provenance/offsets  (n + 1,) int64    bytes of catalogue i
    /field               (n, m, m, m)      float32, the field that each comes from, if any;
                                           attributes unit "", kind, redshift, smoothing [Mpc/h]

All catalogues have the same columns, units, data types and cosmology names, and the root attribute
``contents`` has them in JSON, with the mesh m of fields. Positions lie in ``[0, side)``. In names
of columns and parameters ``%``, ``/`` and ``.`` are written ``%25``, ``%2F`` and ``%2E``, for HDF5
takes the latter two for folders. A catalogue that ``data_prep`` made has the name of its raw file
and the SHA-256 of its bytes in the provenance, as ``source`` and ``source sha256``, so that they
stay with it wherever it goes. Text is UTF-8 of fixed length, and metadata have HDF5's checksums:
damage to anything but the points and fields themselves is noticed.

A suite without fields is written as version 3, which has none and which galgen of before reads.
Version 2, without ``contents`` and checksums, is read too. Version 1, which had text where version
2 has ``split`` and ``provenance``, is refused.

Datasets are contiguous, so the file is memory-mapped: opening reads the header alone, some 80
bytes per catalogue, and a catalogue costs no more than its own points (``benchmarks/suites.py``).
A file that another tool repacked into chunks is read too, through HDF5. A suite is written to a
private folder beside its place and published by one rename (:mod:`galgen.data.suite_writing`), so
that a reader never sees half, and one that is read while it is replaced goes on reading the old.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import mmap
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import overload

import h5py
import numpy as np
from jaxtyping import Float, Int

from galgen.arrays import native_order
from galgen.data.catalogue import Catalogue
from galgen.data.field import Field
from galgen.data.suite_header import Header, Stored
from galgen.data.suite_layout import Block
from galgen.data.suite_writing import SuiteWriter, write_suite
from galgen.errors import InputError
from galgen.printing import printable
from galgen.reading import reading

__all__ = ["Suite", "SuiteView", "SuiteWriter", "write_suite"]

BLOCK_ROWS = 1 << 19
BLOCK_CATALOGUES = 4096
BLOCK_BYTES = 1 << 26
"""Of fields."""


class Suite(contextlib.AbstractContextManager["Suite"]):
    """A suite opened read-only: ``suite[i]`` is a :class:`Catalogue`.

    ``suite[3:10]`` and ``suite["test"]`` are sequences of catalogues, each read when it is asked
    for. A context manager. Everything but the points is read, and checked, when it is opened. It
    may be pickled and used in several processes, forked or spawned, at once.

    Raises:
        InputError: if the file is missing, is not a galgen suite, is truncated, or its parts do
            not fit together.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._file: tuple[int, h5py.File] | None = None
        self._map: mmap.mmap | None = None
        while self._map is None:
            self._header = Header.read(self.path)
            with self.path.open("rb") as raw:
                # The file may have been replaced since its header was read.
                if os.fstat(raw.fileno()).st_ino == self._header.inode:
                    self._map = mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ)
        # Reading ahead of a random access reads what nobody asked for, megabytes of it.
        self._map.madvise(mmap.MADV_RANDOM)

    def __reduce__(self) -> tuple[type[Suite], tuple[Path]]:
        return (Suite, (self.path,))

    def __len__(self) -> int:
        return len(self._header.offsets) - 1

    @overload
    def __getitem__(self, index: int) -> Catalogue: ...
    @overload
    def __getitem__(self, index: slice | str) -> SuiteView: ...
    def __getitem__(self, index: int | slice | str) -> Catalogue | SuiteView:
        """Catalogue ``index``, negative from the end; of a slice or a split, a view of several.

        Raises:
            IndexError: if there is no such catalogue.
            InputError: if there is no such split, its values are not finite, or its positions are
                outside its box.
        """
        if isinstance(index, slice | str):
            rows = self.indices(index) if isinstance(index, str) else np.arange(len(self))[index]
            return SuiteView(self, rows)
        i, header = self._row(index), self._header
        start, stop = int(header.offsets[i]), int(header.offsets[i + 1])
        side_x, side_y, side_z = (float(side) for side in header.box[i])
        with reading(Path(f"{self.path}, catalogue {i}"), "a whole catalogue"):
            return Catalogue(
                columns={n: self._read(c, start, stop) for n, c in header.columns.items()},
                box=(side_x, side_y, side_z),
                redshift=float(header.redshift[i]),
                cosmology={name: float(v[i]) for name, v in header.cosmology.items()},
                periodic=bool(header.periodic[i]),
                units=header.units,
                provenance=json.loads(self._provenance(i, i + 1)[0]),
            )

    def __iter__(self) -> Iterator[Catalogue]:
        return (self[i] for i in range(len(self)))

    def field(self, index: int) -> Field:
        """The field that catalogue ``index``, negative from the end, comes from.

        Raises:
            IndexError: if there is no such catalogue.
            InputError: if the suite has no fields, or the values are no density contrast.
        """
        i, header = self._row(index), self._header
        if header.field is None:
            raise InputError(
                f"expected a suite with fields, got {self.path} without; make it by galgen "
                "simulate --field-mesh or data_prep --field, or write it with fields"
            )
        with reading(Path(f"{self.path}, catalogue {i}"), "a whole field"):
            values = self._read(header.field, i, i + 1)[0]
            return Field(values, float(header.box[i, 0]), **header.field_of)  # type: ignore[arg-type]

    def _row(self, index: int) -> int:
        if not -len(self) <= index < len(self):
            raise IndexError(f"expected an index below {len(self)}, got {index}")
        return int(index) % len(self)

    def blocks(self) -> Iterator[Block]:
        """All catalogues in order, many at a time; no block is much larger than a catalogue."""
        header, start, fields = self._header, 0, self._header.field
        most_catalogues = BLOCK_CATALOGUES
        if fields is not None:
            most_catalogues = max(
                1, min(most_catalogues, BLOCK_BYTES // (4 * math.prod(fields.row)))
            )
        while start < len(self):
            most = np.searchsorted(header.offsets, header.offsets[start] + BLOCK_ROWS, "right") - 1
            stop = max(start + 1, min(int(most), start + most_catalogues, len(self)))
            rows = int(header.offsets[start]), int(header.offsets[stop])
            yield Block(
                columns={n: self._read(c, *rows) for n, c in header.columns.items()},
                units=header.units,
                counts=self.counts[start:stop],
                box=header.box[start:stop],
                periodic=header.periodic[start:stop],
                redshift=header.redshift[start:stop],
                cosmology={n: v[start:stop] for n, v in header.cosmology.items()},
                splits=header.split_names[header.split[start:stop]].tolist(),
                provenance=self._provenance(start, stop),
                fields=None if fields is None else self._read(fields, start, stop),
                field_of=header.field_of,
            )
            start = stop

    def provenance(self, start: int, stop: int) -> list[dict[str, str]]:
        """Where catalogues ``start:stop``, as of a list, come from; their points are not read."""
        low, high, _ = slice(start, stop).indices(len(self))
        with reading(self.path, "provenance in JSON"):
            return [json.loads(text) for text in self._provenance(low, max(low, high))]

    def _provenance(self, start: int, stop: int) -> list[bytes]:
        """The JSON of catalogues ``start:stop``."""
        offsets = self._header.provenance_offsets[start : stop + 1]
        text = self._read(self._header.provenance, int(offsets[0]), int(offsets[-1])).tobytes()
        bounds = (offsets - offsets[0]).tolist()
        return [text[low:high] for low, high in itertools.pairwise(bounds)]

    def _read(self, stored: Stored, start: int, stop: int) -> np.ndarray:
        """Some rows of a dataset, as an array of their own."""
        if self._map is None:
            raise InputError(f"expected an open suite, got {self.path} closed; open it again")
        if stored.place is None:
            with reading(self.path, f"whole {stored.name}"):
                return native_order(self._opened(self._map)[stored.name][start:stop])
        width = math.prod(stored.row)
        first = stored.place + start * width * stored.dtype.itemsize
        length = (stop - start) * width * stored.dtype.itemsize
        if length:
            page = first - first % mmap.PAGESIZE
            self._map.madvise(mmap.MADV_WILLNEED, page, first + length - page)
        values = np.frombuffer(self._map, stored.dtype, (stop - start) * width, first)
        values = values.reshape(stop - start, *stored.row)
        return values.view(np.uint8) != 0 if stored.dtype == bool else np.array(values)

    def _opened(self, mapped: mmap.mmap) -> h5py.File:
        """The file in this process: an HDF5 handle does not survive a fork.

        It is read from the map, for another file may have taken the path since.
        """
        if self._file is None or self._file[0] != os.getpid():
            self._file = (os.getpid(), h5py.File(mapped, "r"))
        return self._file[1]

    @property
    def version(self) -> int:
        """The version of the file's format."""
        return self._header.version

    @property
    def column_names(self) -> list[str]:
        """Names of the columns."""
        return list(self._header.columns)

    @property
    def units(self) -> Mapping[str, str]:
        """Unit of each column."""
        return dict(self._header.units)

    @property
    def dtypes(self) -> Mapping[str, np.dtype]:
        """Data type of each column."""
        return {name: stored.dtype for name, stored in self._header.columns.items()}

    @property
    def field_mesh(self) -> int | None:
        """Points per side of the fields; None without."""
        return None if self._header.field is None else self._header.field.row[0]

    @property
    def field_of(self) -> Mapping[str, str | float]:
        """Kind, redshift and smoothing [Mpc/h] of the fields; empty without."""
        return dict(self._header.field_of)

    @property
    def counts(self) -> Int[np.ndarray, " catalogues"]:
        """Number of points of each catalogue."""
        return np.diff(self._header.offsets)

    @property
    def splits(self) -> np.ndarray:
        """The split of each catalogue, as text."""
        return self._header.split_names[self._header.split]

    @property
    def boxes(self) -> Float[np.ndarray, "catalogues 3"]:
        """Side lengths of each box [Mpc/h]."""
        return self._header.box

    @property
    def periodic(self) -> np.ndarray:
        """Whether each box is periodic."""
        return self._header.periodic

    @property
    def redshifts(self) -> Float[np.ndarray, " catalogues"]:
        """Redshift of each catalogue."""
        return self._header.redshift

    @property
    def parameter_names(self) -> list[str]:
        """Names of the cosmological parameters."""
        return list(self._header.cosmology)

    def parameter_table(self, names: Sequence[str]) -> Float[np.ndarray, "catalogues parameters"]:
        """The named parameters of every catalogue.

        Raises:
            InputError: if a name is absent; the message lists those present.
        """
        for name in names:
            if name not in self._header.cosmology:
                raise InputError(
                    f"expected a parameter {name!r} in {self.path}, got {self.parameter_names}; "
                    "choose among these or write the suite with it"
                )
        columns = [self._header.cosmology[name] for name in names]
        return np.stack(columns, axis=-1) if columns else np.zeros((len(self), 0))

    def indices(self, split: str) -> Int[np.ndarray, " chosen"]:
        """Indices of the catalogues in a split.

        Raises:
            InputError: if no catalogue is in it; the message lists those present.
        """
        names = self._header.split_names
        chosen = np.flatnonzero(np.isin(self._header.split, np.flatnonzero(names == split)))
        if not len(chosen):
            raise InputError(
                f"expected a split {split!r} in {self.path}, got {sorted(set(names.tolist()))}; "
                "choose one of these"
            )
        return chosen

    def catalogues(self, split: str | None = None) -> list[Catalogue]:
        """The catalogues of a split, or all."""
        return list(self if split is None else self[split])

    def close(self) -> None:
        """Let go of the file; catalogues that were read stay."""
        if self._file is not None and self._file[0] == os.getpid():
            self._file[1].close()
        self._file = self._map = None

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        names, numbers = np.unique(self.splits, return_counts=True)
        splits = ", ".join(f"{n} {k}" for n, k in zip(names, numbers, strict=True))
        return printable(
            f"Suite({str(self.path)!r}: {len(self)} catalogues ({splits}) of {self.counts.min()} "
            f"to {self.counts.max()} points; columns {' '.join(self.column_names)}; "
            f"parameters {' '.join(self.parameter_names) or 'none'})"
        )


class SuiteView(Sequence[Catalogue]):
    """Some catalogues of a suite, read when they are asked for.

    Args:
        suite: an open suite.
        indices: of the catalogues.
    """

    def __init__(self, suite: Suite, indices: Int[np.ndarray, " chosen"]) -> None:
        self._suite, self._indices = suite, np.asarray(indices)

    def __len__(self) -> int:
        return len(self._indices)

    @overload
    def __getitem__(self, index: int) -> Catalogue: ...
    @overload
    def __getitem__(self, index: slice) -> SuiteView: ...
    def __getitem__(self, index: int | slice) -> Catalogue | SuiteView:
        if isinstance(index, slice):
            return SuiteView(self._suite, self._indices[index])
        return self._suite[int(self._indices[index])]

    def field(self, index: int) -> Field:
        """The field that catalogue ``index`` of these comes from.

        Raises:
            IndexError: if there is no such catalogue.
            InputError: if the suite has no fields, or the values are no density contrast.
        """
        return self._suite.field(int(self._indices[index]))

    def __iter__(self) -> Iterator[Catalogue]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return printable(
            f"SuiteView({len(self)} of {len(self._suite)} in {str(self._suite.path)!r})"
        )
