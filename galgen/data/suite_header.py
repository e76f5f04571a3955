"""The header of a suite, everything but the points: read whole and checked when it is opened.

A suite of 100,000 catalogues has a header of a few megabytes. Checks are of whole arrays, never
catalogue by catalogue; values of columns are checked when a catalogue is read.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from jaxtyping import Bool, Float, Int32, Int64

from galgen.data.catalogue import STANDARD_UNITS
from galgen.data.field import check_field_of
from galgen.data.suite_layout import (
    CHECKSUM,
    CONTENTS,
    FIELD,
    FORMAT,
    OLDEST,
    REMEDY,
    TABLES,
    VERSION,
    WITHOUT_FIELD,
    checksum,
    original_name,
)
from galgen.errors import InputError
from galgen.reading import check_declared, reading
from galgen.reading.hdf5 import (
    attribute,
    attribute_names,
    check_self_contained,
    find_dataset,
    find_group,
    open_hdf5,
    read_numbers,
)
from galgen.reading.hdf5_heaps import check_heaps
from galgen.units import conversion_factor

DATASETS = ("offsets", *TABLES, "split_names", "provenance/offsets", "provenance/json")
GROUPS = ("columns", "cosmology", "provenance")


@dataclasses.dataclass(frozen=True)
class Stored:
    """Where a dataset lies in the file.

    Attributes:
        name: in the file.
        dtype: of its values.
        rows: how many.
        row: shape of one; () for columns.
        place: its first byte, if its values lie side by side as numpy has them; None if they are
            in chunks, compressed or byte-swapped, or there are none.
    """

    name: str
    dtype: np.dtype
    rows: int
    row: tuple[int, ...]
    place: int | None

    @classmethod
    def of(cls, dataset: h5py.Dataset) -> Stored:
        """Where ``dataset`` lies."""
        plain = dataset.chunks is None and dataset.dtype.isnative and dataset.size
        place = dataset.id.get_offset() if plain else None
        rows, *row = dataset.shape
        return cls(dataset.name.lstrip("/"), dataset.dtype, rows, tuple(row), place)


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
    version            int            of the format
    inode              int            of the file that was read
    field              Stored         values of the field of each, or None
    field_of           name -> value  kind, redshift and smoothing of fields; empty without
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
    version: int
    inode: int
    field: Stored | None
    field_of: Mapping[str, str | float]

    @classmethod
    def read(cls, path: Path) -> Header:
        """The header of the suite at ``path``.

        Raises:
            InputError: if the file is missing, is not a galgen suite of this version, is
                truncated, takes values from other files, or its datasets do not fit together.
        """
        with open_hdf5(path, "a suite") as file:
            check_self_contained(file, path)
            version = _checked_version(file, path)
            stored = find_group(file, "columns")
            columns = {name: find_dataset(stored, name) for name in stored}
            cosmology = find_group(file, "cosmology")
            provenance = find_group(file, "provenance")
            field = find_dataset(file, FIELD, "f") if version > WITHOUT_FIELD else None
            header = cls(
                columns={original_name(n): Stored.of(d) for n, d in columns.items()},
                units={original_name(n): _unit(d) for n, d in columns.items()},
                offsets=_table(file, "offsets", "int64", (), path),
                **{n: _table(file, n, kind, row, path) for n, (kind, row) in TABLES.items()},
                cosmology={
                    original_name(name): _table(cosmology, name, "float64", (), path)
                    for name in cosmology
                },
                split_names=_names(file, path),
                provenance=Stored.of(find_dataset(provenance, "json", "u")),
                provenance_offsets=_table(provenance, "offsets", "int64", (), path),
                version=version,
                inode=os.fstat(file.id.get_vfd_handle()).st_ino,
                field=None if field is None else Stored.of(field),
                field_of={} if field is None else _field_of(field),
            )
            contents = attribute(file, CONTENTS) if version > OLDEST else None
            written = _checksum(file["offsets"])
        header.check(path)
        if written not in (None, checksum(header.offsets)):
            raise _broken(path, "offsets that are not those that were written")
        if contents is not None:
            with reading(path, "the names of a suite in JSON"):
                header.check_contents(json.loads(contents), path)
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
        if self.field is not None:
            self._check_field(self.field, path)

    def check_contents(self, wanted: Mapping[str, Any], path: Path) -> None:
        """Raise if there are other columns or parameters than were written."""
        types = {name: stored.dtype.name for name, stored in self.columns.items()}
        found: dict[str, Any] = {"columns": types, "cosmology": list(self.cosmology)}
        if self.field is not None:
            found[FIELD] = self.field.row[0]
        for what, names in found.items():
            if names != wanted[what]:
                raise _broken(path, f"{what} {names}, not {wanted[what]}")

    def _check_field(self, field: Stored, path: Path) -> None:
        number = len(self.box)
        cube = len(field.row) == 3 and len(set(field.row)) == 1
        if field.dtype != np.float32 or field.rows != number or not cube:
            shape = (field.rows, *field.row)
            raise _broken(path, f"{field.dtype} of shape {shape} in {FIELD} of {number} catalogues")
        odd = np.flatnonzero(np.ptp(self.box, axis=1) > 0)
        if len(odd):
            raise _broken(path, f"a field of catalogue {odd[0]}, whose box is no cube")

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


def _checked_version(file: h5py.File, path: Path) -> int:
    """The version of a file's format, if it is known here and the file has all its datasets."""
    present = attribute_names(file)
    found = attribute(file, "format") if "format" in present else None
    version: Any = attribute(file, "version") if "version" in present else None
    whole = isinstance(version, int | np.integer)
    if found != FORMAT or not whole or not OLDEST <= version <= VERSION:
        newer = found == FORMAT and whole and version > VERSION
        remedy = "upgrade galgen, which is older" if newer else f"{REMEDY} of this version"
        raise InputError(
            f"expected a suite of format {FORMAT!r} version {OLDEST} to {VERSION} in {path}, got "
            f"format {found!r} version {version}; {remedy}"
        )
    missing = [name for name in (*GROUPS, *DATASETS) if name not in file]
    if missing:
        raise _broken(path, f"no {', '.join(missing)}")
    return int(version)


def _table(group: h5py.Group, name: str, kind: str, row: tuple[int, ...], path: Path) -> np.ndarray:
    """A dataset of one row per catalogue, of the type that it must have."""
    values = read_numbers(group, name)
    if values.dtype != np.dtype(kind) or values.ndim < 1 or values.shape[1:] != row:
        raise _broken(path, f"{values.dtype} of shape {values.shape} in {name}, not {kind}")
    return values


def _checksum(offsets: h5py.Dataset) -> int | None:
    """The checksum of the offsets that was written with them; older files have none."""
    return int(attribute(offsets, CHECKSUM)) if CHECKSUM in attribute_names(offsets) else None


def _unit(column: h5py.Dataset) -> str:
    """The unit of a column; that of a standard column is the standard one."""
    name = original_name(column.name.rsplit("/", 1)[-1])
    if column.ndim != 1:
        raise InputError(
            f"expected column {name!r} of one number per point, got {column.shape}; {REMEDY}"
        )
    if "unit" not in attribute_names(column):
        raise InputError(f"expected an attribute unit of column {name!r}, got none; {REMEDY}")
    stated, standard = str(attribute(column, "unit")), STANDARD_UNITS.get(name)
    if standard is None or stated == standard:
        return stated
    if conversion_factor(stated, standard, f"column {name!r}") != 1.0:
        raise InputError(
            f"expected column {name!r} in {standard}, got {stated}; convert it and write it again"
        )
    return standard


def _field_of(field: h5py.Dataset) -> Mapping[str, str | float]:
    """Kind, redshift and smoothing of fields, which are dimensionless."""
    wanted = ("unit", "kind", "redshift", "smoothing")
    present = attribute_names(field)
    missing = [name for name in wanted if name not in present]
    if missing:
        raise InputError(
            f"expected attributes {', '.join(wanted)} of {FIELD}, got no {missing[0]}; {REMEDY}"
        )
    unit, kind, redshift, smoothing = (attribute(field, name) for name in wanted)
    if unit:
        raise InputError(f"expected a field without a unit, got {unit!r}; make it a contrast")
    found = {"kind": str(kind), "redshift": redshift, "smoothing": smoothing}
    check_field_of(found)
    return found


def _names(file: h5py.File, path: Path) -> np.ndarray:
    """The names of splits."""
    dataset = file["split_names"]
    kind = h5py.check_string_dtype(dataset.dtype) if isinstance(dataset, h5py.Dataset) else None
    if kind is None or dataset.ndim != 1:
        raise _broken(path, "split_names that are no list of text")
    check_declared(dataset.size * dataset.dtype.itemsize, path, "split_names")
    if kind.length is None:
        check_heaps(path)
    return np.array(dataset.asstr()[()], dtype=str)


def _broken(path: Path, found: str) -> InputError:
    return InputError(f"expected a whole suite in {path}, got {found}; write it again")
