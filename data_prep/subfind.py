"""Subfind group catalogues in HDF5, as AREPO, Gadget-4, IllustrisTNG and CAMELS publish them.

``/Header`` has BoxSize, Redshift, Omega0, HubbleParam, NumFiles and Ngroups_Total (and so on of
subhaloes, which Gadget-4 counts as Nsubhalos, the others as Nsubgroups), ``/Group`` and
``/Subhalo`` a dataset per field; a snapshot may be in several files,
``fof_subhalo_tab_099.3.hdf5`` or ``groups_099.hdf5``. Lengths are in kpc/h, masses in 1e10 Msun/h.
GroupVel is the peculiar velocity times a, SubhaloVel the peculiar velocity itself (IllustrisTNG
data release, Nelson et al. 2019, arXiv:1812.05609, and its list of fields).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import h5py
import numpy as np

from data_prep.boxes import place_in_box
from data_prep.fields import Unit, parse_fields, read_columns, require
from data_prep.files import naming, open_hdf5, pieces, provenance_of
from data_prep.snapshot import SnapshotHeader, hdf5_header
from data_prep.source import LENGTHS, BoxSource, LengthUnit
from galgen.data.catalogue import Catalogue
from galgen.errors import InputError

NAMES = r"(?:fof_subhalo_tab|fof_tab|groups)_\d+(\.(?P<number>\d+))?\.(?:hdf5|h5)"
Objects = Literal["haloes", "subhaloes"]
GROUPS: Mapping[Objects, tuple[str, tuple[str, ...]]] = {
    "haloes": ("Group", ("Ngroups",)),
    "subhaloes": ("Subhalo", ("Nsubgroups", "Nsubhalos")),
}
"""Where each is, and what the header calls their number: AREPO's name, then Gadget-4's."""
LENGTH_ENDINGS = ("Pos", "CM", "HalfmassRad", "HalfmassRadType", "VmaxRad", "PhotometricsRad")
"""Of the names of lengths; SubhaloMassInRad, a mass within a radius, is none."""
SMALLEST_BOX = 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class SubfindSource(BoxSource):
    """Subfind catalogues in HDF5 (CAMELS, IllustrisTNG, AREPO): files, or their folders."""

    objects: Objects = "haloes"
    """Friends-of-friends haloes (/Group), or subhaloes (/Subhalo)."""
    mass: str | None = None
    """Field of the mass; GroupMass or SubhaloMass if not given. E.g. Group_M_Crit200."""
    columns: str = ""
    """More columns, galgen name=field, [i] a component, e.g. stars=SubhaloMassType[4]."""
    length_unit: LengthUnit = "kpc/h"
    """Of positions and box."""
    velocity: Literal["arepo", "peculiar", "sqrt_a"] = "arepo"
    """arepo, GroupVel times a, SubhaloVel as it is; both as they are; or both over sqrt(a)."""

    def read(self, path: Path) -> Iterator[Catalogue]:
        group, _ = GROUPS[self.objects]
        standard = ",".join(
            f"{name}={group}{vector}[{axis}]"
            for vector, names in (("Pos", ("x", "y", "z")), ("Vel", ("vx", "vy", "vz")))
            for axis, name in enumerate(names)
        )
        mass = self.mass or f"{group}Mass"
        fields = parse_fields(f"{standard},mass={mass},{self.columns}")
        values, header, files = read_subfind(
            path, self.objects, [field.name for field in fields.values()]
        )
        side = header.box * LENGTHS[self.length_unit]
        if side < SMALLEST_BOX:
            raise InputError(
                f"expected attribute 'BoxSize' in {self.length_unit}, got {header.box:g}, a box of "
                f"{side:g} Mpc/h; if lengths are in Mpc/h pass --length-unit Mpc/h"
            )
        require(fields, values)
        units = {name: unit for name in values if (unit := self._unit(name, header.redshift))}
        columns, names = read_columns(fields, values.__getitem__, units)
        yield place_in_box(
            columns,
            side,
            units=names,
            redshift=header.redshift,
            cosmology=header.cosmology(),
            provenance={**provenance_of(files), "objects": self.objects},
        )

    def _unit(self, field: str, redshift: float) -> Unit | None:
        """The unit of a field, by its name."""
        a = 1 / (1 + redshift)
        if field.endswith(LENGTH_ENDINGS) or "_R_" in field:
            return Unit(LENGTHS[self.length_unit], "Mpc/h")
        if "Mass" in field or "_M_" in field:
            return Unit(1e10, "Msun/h")
        if field in ("GroupVel", "SubhaloVel"):
            stored_times_a = self.velocity == "arepo" and field == "GroupVel"
            over_root = self.velocity == "sqrt_a"
            return Unit(1 / a if stored_times_a else a**0.5 if over_root else 1.0, "km/s")
        return Unit(1.0, "km/s") if field in ("SubhaloVelDisp", "SubhaloVmax") else None


def read_subfind(
    path: Path, objects: Objects, fields: Sequence[str]
) -> tuple[dict[str, np.ndarray], SnapshotHeader, list[Path]]:
    """Fields of a snapshot's catalogue, as stored, its header, and the files they are from.

    Args:
        path: one of its files, or their folder.
        objects: which.
        fields: names of datasets.

    Raises:
        InputError: if a file is missing or truncated, the header contradicts itself or the other
            files, or a field is missing; the message names file and field.
    """
    group, counts = GROUPS[objects]
    files = pieces(path, NAMES, "a Subfind catalogue")
    parts: list[dict[str, np.ndarray]] = []
    headers = []
    for place in files:
        with naming(place), open_hdf5(place, "a Subfind catalogue") as file:
            headers.append(hdf5_header(file))
            wanted = _whole_number(file, ("NumFiles",))
            total = _whole_number(file, [f"{count}_Total" for count in counts])
            number = _whole_number(file, [f"{count}_ThisFile" for count in counts])
            parts.append({n: _read_field(file, group, n, number) for n in fields if number})
    if len(files) != wanted or len(set(headers)) != 1:
        raise InputError(
            f"expected {wanted} files of one snapshot, as {files[-1]} says, got {len(files)} with "
            f"{len(set(headers))} different headers; copy those that are missing"
        )
    filled = [part for part in parts if part]
    columns = {name: np.concatenate([part[name] for part in filled]) for name in fields if filled}
    found = len(next(iter(columns.values()))) if columns else 0
    if found != total or not found:
        remedy = "copy the files again" if total else "take another snapshot"
        raise InputError(
            f"expected {total or 'some'} {objects} in {files[0]} and its pieces, got {found}; "
            f"{remedy}"
        )
    return columns, headers[0], files


def _read_field(file: h5py.File, group: str, name: str, number: int) -> np.ndarray:
    if group not in file or name not in file[group]:
        present = sorted(file[group]) if group in file else sorted(file)
        raise InputError(f"expected a field {group}/{name}, got {present}; choose one of these")
    try:
        values = file[group][name][()]
    except OSError as error:
        raise InputError(
            f"expected a whole field {group}/{name}, got one that cannot be read ({error}); copy "
            "the file again"
        ) from error
    if len(values) != number:
        raise InputError(
            f"expected {number} values of {group}/{name}, as the header says, got {len(values)}; "
            "copy the file again"
        )
    return values


def _whole_number(file: h5py.File, names: Sequence[str]) -> int:
    """The attribute of Header that has one of the names."""
    attributes = file["Header"].attrs
    for name in names:
        if name in attributes:
            return int(attributes[name])
    raise InputError(
        f"expected an attribute {' or '.join(map(repr, names))} of Header, got "
        f"{sorted(attributes)}; is it a group catalogue?"
    )
