"""Subfind group catalogues in HDF5, as AREPO, Gadget-4, IllustrisTNG and CAMELS publish them.

``/Header`` has BoxSize, Redshift, Omega0, HubbleParam, NumFiles and Ngroups_Total (and so on of
subhaloes, which Gadget-4 counts as Nsubhalos, the others as Nsubgroups), ``/Group`` and
``/Subhalo`` a dataset per field; a snapshot may be in several files,
``fof_subhalo_tab_099.3.hdf5`` or ``groups_099.hdf5``. Lengths are in kpc/h, masses in 1e10 Msun/h.
GroupVel is the peculiar velocity times a, SubhaloVel the peculiar velocity itself (IllustrisTNG
data release, Nelson et al. 2019, arXiv:1812.05609, and its list of fields). What a file states of
its units comes first (:mod:`data_prep.simulations.hdf5_units`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import h5py
import numpy as np

from data_prep.fields import parse_fields, read_columns, require
from data_prep.files import assumptions, pieces, provenance_of
from data_prep.simulations.hdf5_units import Stated, of_field
from data_prep.simulations.snapshot import SnapshotHeader, hdf5_header
from data_prep.simulations.subfind_units import FieldUnits, Velocity, kind_of
from data_prep.source import BoxSource, LengthUnit
from galgen.data.catalogue import Catalogue
from galgen.errors import InputError
from galgen.reading.hdf5 import (
    attribute_names,
    find_group,
    number_attribute,
    open_hdf5,
    read_numbers,
)

NAMES = r"(?:fof_subhalo_tab|fof_tab|groups)_\d+(\.(?P<number>\d+))?\.(?:hdf5|h5)"
Objects = Literal["haloes", "subhaloes"]
GROUPS: Mapping[Objects, tuple[str, tuple[str, ...]]] = {
    "haloes": ("Group", ("Ngroups",)),
    "subhaloes": ("Subhalo", ("Nsubgroups", "Nsubhalos")),
}
"""Where each is, and what the header calls their number: AREPO's name, then Gadget-4's."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SubfindSource(BoxSource):
    """Subfind catalogues in HDF5 (CAMELS, IllustrisTNG, AREPO): files, or their folders."""

    objects: Objects = "haloes"
    """Friends-of-friends haloes (/Group), or subhaloes (/Subhalo)."""
    mass: str | None = None
    """Field of the mass; GroupMass or SubhaloMass if not given. E.g. Group_M_Crit200."""
    columns: str = ""
    """More columns, galgen name=field, [i] a component, e.g. stars=SubhaloMassType[4]."""
    length_unit: LengthUnit | None = None
    """Of positions and box, where the file does not state it; kpc/h if not given."""
    velocity: Velocity | None = None
    """arepo, GroupVel times a, SubhaloVel as it is; both as they are; or both over sqrt(a). Where
    the file does not state it; arepo if not given."""

    def read(self, path: Path) -> Iterator[Catalogue]:
        group, _ = GROUPS[self.objects]
        standard = ",".join(
            f"{name}={group}{vector}[{axis}]"
            for vector, names in (("Pos", ("x", "y", "z")), ("Vel", ("vx", "vy", "vz")))
            for axis, name in enumerate(names)
        )
        mass = self.mass or f"{group}Mass"
        fields = parse_fields(f"{standard},mass={mass},{self.columns}")
        found = _read(path, self.objects, [field.name for field in fields.values()])
        require(fields, found.fields)
        known = FieldUnits(found.header, found.stated, self.length_unit, self.velocity)
        side = known.side(f"{group}Pos")
        units = {name: unit for name in found.fields if (unit := known.unit(name))}
        columns, names = read_columns(fields, found.fields.__getitem__, units)
        yield self.place(
            columns,
            side,
            units=names,
            redshift=found.header.redshift,
            cosmology=found.header.cosmology,
            provenance={
                **provenance_of(found.files),
                "objects": self.objects,
                **assumptions(known.assumed),
            },
        )


class _Found(NamedTuple):
    """Fields as stored, what the file states of their units, the header, and the files."""

    fields: Mapping[str, np.ndarray]
    stated: Mapping[str, Stated]
    header: SnapshotHeader
    files: Sequence[Path]


def _read(path: Path, objects: Objects, fields: Sequence[str]) -> _Found:
    """Fields of the catalogue of a snapshot of which ``path`` is a file, or the folder.

    Files that are missing, or contradict each other or themselves, are refused.
    """
    group, counts = GROUPS[objects]
    files = pieces(path, NAMES, "a Subfind catalogue")
    parts: list[dict[str, np.ndarray]] = []
    stated: list[Mapping[str, Stated]] = []
    headers: list[SnapshotHeader] = []
    for place in files:
        with open_hdf5(place, "a Subfind catalogue") as file:
            headers.append(hdf5_header(file))
            wanted = _whole_number(file, "NumFiles")
            total = _whole_number(file, *(f"{count}_Total" for count in counts))
            number = _whole_number(file, *(f"{count}_ThisFile" for count in counts))
            if number:
                within = find_group(file, group)
                parts.append({name: read_numbers(within, name, number) for name in fields})
                stated.append(_stated(within, fields, headers[-1].cosmology["h"]))
    if len(files) != wanted:
        raise InputError(
            f"expected {wanted} files of one snapshot, as {files[-1]} says, got {len(files)}; copy "
            "those that are missing"
        )
    _check_alike(headers, files, "the same header")
    _check_alike(stated, files, "fields in the same units")
    columns = {name: np.concatenate([part[name] for part in parts]) for name in fields if parts}
    found = len(next(iter(columns.values()))) if columns else 0
    if found != total or not found:
        remedy = "copy the files again" if total else "take another snapshot"
        raise InputError(
            f"expected {total or 'some'} {objects} in {files[0]} and its pieces, got {found}; "
            f"{remedy}"
        )
    return _Found(columns, stated[0], headers[0], files)


def _check_alike(found: Sequence[object], files: Sequence[Path], what: str) -> None:
    for place, one in zip(files, found, strict=False):
        if one != found[0]:
            raise InputError(
                f"expected {what} in all files of a snapshot, got another in {place} than in "
                f"{files[0]}; copy it again"
            )


def _stated(group: h5py.Group, fields: Sequence[str], h: float) -> dict[str, Stated]:
    """What the file says of the units of fields whose kind is known."""
    kinds = {name: kind for name in fields if (kind := kind_of(name))}
    found = {name: of_field(group[name], kind, h) for name, kind in kinds.items()}
    return {name: unit for name, unit in found.items() if unit is not None}


def _whole_number(file: h5py.File, *names: str) -> int:
    """The attribute of Header that has one of the names."""
    header = find_group(file, "Header")
    present = attribute_names(header)
    for name in names:
        if name in present:
            value = number_attribute(header, name)
            if not (value >= 0 and value.is_integer()):
                raise InputError(
                    f"expected a whole number in attribute {name!r} of Header, got {value:g}; copy "
                    "the file again"
                )
            return int(value)
    raise InputError(
        f"expected an attribute {' or '.join(map(repr, names))} of Header, got "
        f"{sorted(present)}; is it a group catalogue?"
    )
