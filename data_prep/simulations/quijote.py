"""Friends-of-friends catalogues of Gadget, as Quijote publishes them (``group_tab_*``).

The layout is the one that readfof of Pylians3 reads: ``int32 Ngroups, TotNgroups, Nids; uint64
TotNids; uint32 Nfiles``, then per group ``int32 GroupLen, GroupOffset; float32 GroupMass,
GroupPos[3], GroupVel[3]; int32 GroupLenType[6]; float32 GroupMassType[6]``, each field for all
groups, and with star formation or types four or eight bytes more, as the size of the file tells. A
snapshot may be in several files. ``group_ids_*`` (and whether its ids are long) is of no use to a
catalogue and is not read.

Positions are in kpc/h, masses in 1e10 Msun/h, and GroupVel times 1 + z is the peculiar velocity.
Files know neither box nor redshift: Quijote's are 1000 Mpc/h and by the number of the snapshot
(Villaescusa-Navarro et al. 2020, arXiv:1909.05273, section 2); else they are options, or in the
header of a snapshot.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from data_prep.checks import checked_redshift
from data_prep.fields import Unit, parse_fields, read_columns, require
from data_prep.files import assumptions, pieces, provenance_of
from data_prep.options import Sides
from data_prep.simulations.hdf5_units import agree
from data_prep.simulations.snapshot import SnapshotHeader, read_snapshot_header
from data_prep.source import LENGTHS, BoxSource, LengthUnit
from data_prep.tables.parameters import simulation_of
from galgen.data.catalogue import Catalogue
from galgen.errors import InputError
from galgen.reading import reading, regular_file

NAMES = r"group_tab_\d+(\.(?P<number>\d+))?"
HEADER = np.dtype(
    [("groups", "i4"), ("all", "i4"), ("ids", "i4"), ("all_ids", "u8"), ("files", "u4")]
)
LAYOUT: Mapping[str, tuple[str, int]] = {
    "GroupLen": ("i4", 1),
    "GroupOffset": ("i4", 1),
    "GroupMass": ("f4", 1),
    "GroupPos": ("f4", 3),
    "GroupVel": ("f4", 3),
    "GroupLenType": ("i4", 6),
    "GroupMassType": ("f4", 6),
}
WIDTH = sum(4 * width for _, width in LAYOUT.values())
REDSHIFTS = {0: 3.0, 1: 2.0, 2: 1.0, 3: 0.5, 4: 0.0}
COLUMNS = (
    "x=GroupPos[0],y=GroupPos[1],z=GroupPos[2],vx=GroupVel[0],vy=GroupVel[1],vz=GroupVel[2],"
    "mass=GroupMass"
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class QuijoteSource(BoxSource):
    """Friends-of-friends groups of Quijote or Gadget: group_tab files, or their folders."""

    columns: str = COLUMNS
    """galgen name=field of the file, [i] a component."""
    box: Sides | None = None
    """Sides [Mpc/h]; the snapshot's, or 1000, if not given."""
    redshift: float | None = None
    """Of the catalogues; the snapshot's, or Quijote's for the number in the name, if not given."""
    snapshot: str | None = None
    """Snapshot whose header has box, redshift and cosmology; {id} stands for the simulation."""
    swap: bool = False
    """The groups are in the other byte order."""
    length_unit: LengthUnit | None = None
    """Of positions, and of the snapshot's box if it does not state it; kpc/h if not given."""
    id_pattern: str = r"/([^/]+)/groups_\d+"
    """Regular expression whose group is the simulation in an input's path."""

    def read(self, path: Path) -> Iterator[Catalogue]:
        header = self._header(path)
        assumed = ["masses in 1e10 Msun/h", "velocities in km/s times a"]
        length = LENGTHS[self.length_unit or "kpc/h"]
        if self.length_unit is None:
            assumed.append("lengths in kpc/h")
        side, redshift = 1000.0 if header is None else self._side(header), self.redshift
        assumed += ["a box of 1000 Mpc/h"] if header is None and self.box is None else []
        if redshift is None:
            redshift = _quijote_redshift(path) if header is None else header.redshift
            assumed += [f"redshift {redshift:g}"] if header is None else []
        groups, files = _read_groups(path, self.swap)
        fields = parse_fields(self.columns)
        require(fields, groups)
        units = dict.fromkeys(("GroupMass", "GroupMassType"), Unit(1e10, "Msun/h"))
        units["GroupPos"] = Unit(length, "Mpc/h")
        units["GroupVel"] = Unit(1 + checked_redshift(redshift), "km/s")
        columns, names = read_columns(fields, groups.__getitem__, units)
        yield self.place(
            columns,
            side,
            units=names,
            redshift=redshift,
            cosmology={} if header is None else header.cosmology,
            provenance={**provenance_of(files), **assumptions(assumed)},
        )

    def _side(self, header: SnapshotHeader) -> float:
        """The side of the snapshot's box [Mpc/h], in the unit that it states, or that of groups."""
        stated = header.units.get("length")
        if stated is not None and self.length_unit is not None:
            agree(stated, LENGTHS[self.length_unit], "length", f"--length-unit {self.length_unit}")
        return header.box * (stated or LENGTHS[self.length_unit or "kpc/h"])

    def _header(self, path: Path) -> SnapshotHeader | None:
        if self.snapshot is None:
            return None
        simulation = simulation_of(path, self.id_pattern) or ""
        return read_snapshot_header(Path(self.snapshot.replace("{id}", simulation)))


def _read_groups(path: Path, swap: bool) -> tuple[dict[str, np.ndarray], list[Path]]:
    """The fields of all groups of a snapshot, as stored, and the files they are from."""
    what = "a group_tab file"
    files, parts, heads = pieces(path, NAMES, what), [], []
    for place in files:
        with reading(regular_file(place, what), what):
            head, fields = _read_file(place, swap)
        heads.append(head)
        parts.append(fields)
    wanted, total = int(heads[0]["files"]), int(heads[0]["all"])
    found = sum(int(head["groups"]) for head in heads)
    alike = all((head["files"], head["all"]) == (wanted, total) for head in heads)
    if (len(files), found) != (wanted, total) or not alike:
        raise InputError(
            f"expected {total} groups in {wanted} files, as {files[0]} says, got {found} in "
            f"{len(files)}; copy those that are missing"
        )
    return {name: np.concatenate([part[name] for part in parts]) for name in LAYOUT}, files


def _read_file(path: Path, swap: bool) -> tuple[np.void, dict[str, np.ndarray]]:
    content = path.read_bytes()
    if len(content) < HEADER.itemsize:
        raise InputError(
            f"expected a header of {HEADER.itemsize} bytes, got {len(content)}; copy it again"
        )
    kinds = (HEADER.newbyteorder("<"), HEADER.newbyteorder(">"))
    heads = [np.frombuffer(content[: HEADER.itemsize], kind) for kind in kinds]
    sizes = {}
    for head in heads:
        if 0 <= head["groups"][0] <= head["all"][0] and 0 < head["files"][0] < 1 << 16:
            body = len(content) - HEADER.itemsize - WIDTH * int(head["groups"][0])
            sizes[body] = head[0]
    extra = [b for b, head in sizes.items() if b in (0, 4 * head["groups"], 8 * head["groups"])]
    if not extra:
        raise InputError(
            f"expected {WIDTH} bytes per group after a header of {HEADER.itemsize}, got "
            f"{len(content)} bytes that fit no number of groups; is it truncated, or of another "
            "format?"
        )
    head = sizes[extra[0]]
    number, place, fields = int(head["groups"]), HEADER.itemsize, {}
    order = ">" if swap else "<"
    for name, (code, width) in LAYOUT.items():
        values = np.frombuffer(content, order + code, number * width, place)
        place += values.nbytes
        fields[name] = values.reshape(number, width) if width > 1 else values
    _check_order(fields, head, swap)
    return head, fields


def _check_order(fields: Mapping[str, np.ndarray], head: np.void, swap: bool) -> None:
    """Groups have particles, and weigh no more than the universe, in one byte order only."""
    length, mass = fields["GroupLen"], fields["GroupMass"]
    sound = np.all(length > 0) and np.all(np.isfinite(mass) & (mass > 0) & (mass < 1e8))
    if not sound or (head["all_ids"] and int(length.sum(dtype=np.int64)) > int(head["all_ids"])):
        remedy = "leave out --swap" if swap else "pass --swap"
        raise InputError(
            "expected field 'GroupLen' of one particle or more and 'GroupMass' in 1e10 Msun/h, got "
            f"{length[:3].tolist()}... and {mass[:3].tolist()}...; bytes may be swapped: {remedy}"
        )
    types = fields["GroupLenType"].sum(axis=1, dtype=np.int64)
    if np.any(types) and np.any(types != length):
        first = int(np.flatnonzero(types != length)[0])
        raise InputError(
            f"expected field 'GroupLenType' of group {first} to add up to its 'GroupLen', "
            f"{length[first]}, got {types[first]}; the file is damaged: copy it again"
        )


def _quijote_redshift(path: Path) -> float:
    match = re.search(r"(?:group_tab|groups)_(\d+)", path.as_posix())
    number = int(match.group(1)) if match else -1
    if number not in REDSHIFTS:
        raise InputError(
            f"expected a snapshot of Quijote, number {min(REDSHIFTS)} to {max(REDSHIFTS)}, got "
            f"{path}; pass --redshift"
        )
    return REDSHIFTS[number]
