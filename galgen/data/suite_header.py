"""The header of a suite, everything but the points: read whole and checked when it is opened.

A suite of 100,000 catalogues has a header of a few megabytes. Checks are of whole arrays, never
catalogue by catalogue; values of columns are checked when a catalogue is read.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Bool, Float, Int32, Int64

from galgen.data.self_contained import check_self_contained
from galgen.data.suite_layout import FORMAT, REMEDY, TABLES, VERSION, original_name
from galgen.errors import InputError

DATASETS = ("offsets", *TABLES, "split_names", "provenance/offsets", "provenance/json")
GROUPS = ("columns", "cosmology", "provenance")


@dataclasses.dataclass(frozen=True)
class Stored:
    """Where a dataset lies in the file.

    Attributes:
        name: in the file.
        dtype: of its values.
        rows: how many.
        place: its first byte, if its values lie side by side as numpy has them; None if they are
            in chunks, compressed or byte-swapped, or there are none.
    """

    name: str
    dtype: np.dtype
    rows: int
    place: int | None

    @classmethod
    def of(cls, dataset: h5py.Dataset) -> Stored:
        """Where ``dataset`` lies."""
        plain = dataset.chunks is None and dataset.dtype.isnative and dataset.size
        place = dataset.id.get_offset() if plain else None
        return cls(dataset.name.lstrip("/"), dataset.dtype, len(dataset), place)


@dataclasses.dataclass(frozen=True)
class Header:
    """Everything but the points of ``n`` catalogues.

    ================== ============== =======================================================
    field              type           meaning
    ================== ============== =======================================================
    columns            name -> Stored where the points are
    units              name -> str    of every column
    offsets            ``(n + 1,)``   rows ``offsets[i]:offsets[i + 1]`` are catalogue ``i``
    box                ``(n, 3)``     side lengths [Mpc/h]
    periodic           ``(n,)``
    redshift           ``(n,)``
    cosmology          name -> (n,)
    split              ``(n,)``       places in ``split_names``
    split_names        text
    provenance         Stored         UTF-8 bytes of JSON
    provenance_offsets ``(n + 1,)``   bytes of catalogue ``i``, as ``offsets``
    inode              int            of the file that was read
    ================== ============== =======================================================
    """

    columns: Mapping[str, Stored]
    units: Mapping[str, str]
    offsets: Int64[np.ndarray, " _"]
    box: Float[np.ndarray, "_ 3"]
    periodic: Bool[np.ndarray, " _"]
    redshift: Float[np.ndarray, " _"]
    cosmology: Mapping[str, Float[np.ndarray, " _"]]
    split: Int32[np.ndarray, " _"]
    split_names: np.ndarray
    provenance: Stored
    provenance_offsets: Int64[np.ndarray, " _"]
    inode: int

    @classmethod
    def read(cls, path: Path) -> Header:
        """The header of the suite at ``path``.

        Raises:
            InputError: if the file is missing, is not a galgen suite of this version, is
                truncated, takes values from other files, or its datasets do not fit together.
        """
        with open_file(path) as file:
            check_self_contained(file, path)
            _check_format(file, path)
            units = {}
            for dataset, column in file["columns"].items():
                name = original_name(dataset)
                if "unit" not in column.attrs:
                    raise _broken(path, f"no attribute unit of column {name!r}")
                units[name] = str(column.attrs["unit"])
            header = cls(
                columns={original_name(n): Stored.of(d) for n, d in file["columns"].items()},
                units=units,
                offsets=file["offsets"][()],
                **{name: file[name][()] for name in TABLES},
                cosmology={original_name(n): d[()] for n, d in file["cosmology"].items()},
                split_names=np.array(file["split_names"].asstr()[()], dtype=str),
                provenance=Stored.of(file["provenance/json"]),
                provenance_offsets=file["provenance/offsets"][()],
                inode=os.fstat(file.id.get_vfd_handle()).st_ino,
            )
        header.check(path)
        return header

    def check(self, path: Path) -> None:
        """Raise if the parts do not fit together."""
        self._check_offsets(path)
        number = len(self.offsets) - 1
        for name, table in (*self.cosmology.items(), *((n, getattr(self, n)) for n in TABLES)):
            if len(table) != number:
                raise _broken(path, f"{len(table)} entries of {name} for {number} catalogues")
            if table.dtype.kind == "f" and not np.all(np.isfinite(table)):
                bad = int(np.argwhere(~np.isfinite(table))[0, 0])
                raise _broken(path, f"a {name} of catalogue {bad} that is not finite")
        if np.any(self.box <= 0):
            bad = int(np.argwhere(self.box <= 0)[0, 0])
            raise _broken(path, f"a box of catalogue {bad} that is not positive")
        if np.any((self.split < 0) | (self.split >= len(self.split_names))):
            raise _broken(path, f"a split that is none of the {len(self.split_names)} named")

    def _check_offsets(self, path: Path) -> None:
        if not self.columns:
            raise _broken(path, "no columns")
        if len(self.provenance_offsets) != len(self.offsets):
            raise _broken(path, "offsets of points and of provenance that differ in number")
        ends = [
            (self.offsets, stored.rows, f"rows of column {name!r}")
            for name, stored in self.columns.items()
        ]
        ends.append((self.provenance_offsets, self.provenance.rows, "bytes of provenance"))
        for offsets, rows, what in ends:
            if len(offsets) < 2 or offsets[0] != 0 or np.any(np.diff(offsets) < 0):
                raise _broken(path, "offsets that do not rise from 0")
            if rows != offsets[-1]:
                raise _broken(path, f"{rows} {what} where offsets end at {offsets[-1]}")
        size = path.stat().st_size
        for name, stored in self.columns.items():
            if stored.place is not None:
                end = stored.place + stored.rows * stored.dtype.itemsize
                if end > size:
                    raise _broken(path, f"{size} bytes where column {name!r} ends at {end}")


def open_file(path: Path) -> h5py.File:
    """The HDF5 file at ``path``, read-only.

    Raises:
        InputError: if there is none, or HDF5 cannot open it.
    """
    if not path.is_file():
        raise InputError(f"expected a suite at {path}, got no such file; check the path")
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise InputError(
            f"expected an HDF5 file at {path}, got one that HDF5 cannot open (another format, or "
            f"truncated); {REMEDY} again"
        ) from error


def _check_format(file: h5py.File, path: Path) -> None:
    found = (file.attrs.get("format"), file.attrs.get("version"))
    if found != (FORMAT, VERSION):
        raise InputError(
            f"expected a suite of format {FORMAT!r} version {VERSION} in {path}, got format "
            f"{found[0]!r} version {found[1]}; {REMEDY} of this version"
        )
    missing = [name for name in (*GROUPS, *DATASETS) if name not in file]
    if missing:
        raise _broken(path, f"no {', '.join(missing)}")
    wanted = {name: kind for name, (kind, _) in TABLES.items()}
    wanted |= {"offsets": "int64", "provenance/offsets": "int64", "provenance/json": "uint8"}
    wanted |= {f"cosmology/{name}": "float64" for name in file["cosmology"]}
    shapes = {name: row for name, (_, row) in TABLES.items()}
    for name, kind in wanted.items():
        dataset = file[name]
        if dataset.dtype != np.dtype(kind) or dataset.shape[1:] != shapes.get(name, ()):
            raise _broken(path, f"{dataset.dtype} of shape {dataset.shape} in {name}, not {kind}")
    for name, column in file["columns"].items():
        if column.dtype.kind not in "fiub" or column.ndim != 1:
            raise _broken(path, f"{column.dtype} of shape {column.shape} in column {name!r}")


def _broken(path: Path, found: str) -> InputError:
    return InputError(f"expected a whole suite in {path}, got {found}; write it again")
