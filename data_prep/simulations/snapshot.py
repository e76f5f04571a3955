"""Headers of Gadget and AREPO snapshots: box, redshift and cosmology for catalogues without them.

Binary format 1 (Springel 2005, section 6.2): a record of 256 bytes with its length before and
after: ``int32 npart[6]; float64 mass[6], time, redshift; int32 flag_sfr, flag_feedback; uint32
npartTotal[6]; int32 flag_cooling, num_files; float64 BoxSize, Omega0, OmegaLambda, HubbleParam;
...``. Format 2 has a record of 8 bytes, ``HEAD``, before it. Both come in either byte order. HDF5
has the same as attributes of ``/Header``, ``/Parameters`` (Gadget-4) or ``/Cosmology`` (SWIFT), and
may state its units (:mod:`data_prep.simulations.hdf5_units`).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np

from data_prep.checks import checked_redshift, cosmology_of
from data_prep.simulations.hdf5_units import Kind, system_of
from galgen.cosmology import canonical_parameters
from galgen.errors import InputError
from galgen.reading import reading, regular_file
from galgen.reading.hdf5 import attribute_names, find_group, number_attribute, open_hdf5

LENGTH = 256
FIELDS = (
    ("npart", "i4", 6),
    ("mass", "f8", 6),
    ("time", "f8"),
    ("redshift", "f8"),
    ("flag_sfr", "i4"),
    ("flag_feedback", "i4"),
    ("npart_total", "u4", 6),
    ("flag_cooling", "i4"),
    ("num_files", "i4"),
    ("BoxSize", "f8"),
    ("Omega0", "f8"),
    ("OmegaLambda", "f8"),
    ("HubbleParam", "f8"),
    ("rest", "u1", 96),
)
NUMBERS = ("time", "redshift", "BoxSize", "Omega0", "OmegaLambda", "HubbleParam")
GROUPS = ("Parameters", "Cosmology", "Units", "Header")
SCALE = ("ExpansionFactor", "Scale-factor", "Time")
MATTER = ("Omega0", "Omega_m", "Omega_Matter")
HUBBLE = ("HubbleParam", "h")
SILENT = re.compile(r"Hubble|DarkEnergyFile|Omega_?(r|g|ur|Radiation)|Omega_nu", re.IGNORECASE)
"""Names that look like cosmology and change no distance: radiation, the Hubble constant in a code's
own units, and densities of neutrinos at the snapshot's own time."""


@dataclasses.dataclass(frozen=True)
class SnapshotHeader:
    """What a snapshot says of itself.

    Attributes:
        box: side, in the snapshot's unit of length.
        redshift: of the snapshot.
        cosmology: parameters by galgen's names, omega_m and h among them.
        units: factors for Mpc/h, Msun/h and km/s, of those units that it states.
    """

    box: float
    redshift: float
    cosmology: Mapping[str, float]
    units: Mapping[Kind, float] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (np.isfinite(self.box) and self.box > 0):
            raise InputError(
                f"expected BoxSize above 0, got {self.box:g}; is it the header of a cosmological "
                "snapshot?"
            )


def read_snapshot_header(path: Path) -> SnapshotHeader:
    """The header of a snapshot, or of one file of it.

    Raises:
        InputError: if it is missing, truncated or no snapshot.
    """
    if path.suffix in (".hdf5", ".h5"):
        with open_hdf5(path, "a snapshot") as file:
            return hdf5_header(file)
    with reading(regular_file(path, "a snapshot"), "a snapshot"):
        return _binary_header(path)


def hdf5_header(file: h5py.File) -> SnapshotHeader:
    """The header of an open snapshot or group catalogue.

    Raises:
        InputError: if an attribute is missing, has several values or one that cannot be true, or
            scale factor and redshift contradict.
    """
    find_group(file, "Header")
    places = {name: find_group(file, name) for name in GROUPS if name in file}
    named = [name for place in places.values() for name in attribute_names(place)]
    stated = next((name for name in SCALE if name in named), None)
    scale = None if stated is None else _number(places, stated)
    redshift = _number(places, "Redshift")
    redshift = checked_redshift(redshift, "attribute 'Redshift'", scale, f"attribute {stated!r}")
    for names in (MATTER, HUBBLE):
        _number(places, *names)
    cosmology = cosmology_of(named, lambda name: _number(places, name), SILENT)
    return SnapshotHeader(
        box=_number(places, "BoxSize"),
        redshift=redshift,
        cosmology=cosmology,
        units=system_of(places, cosmology["h"]),
    )


def _number(places: Mapping[str, h5py.Group], *names: str) -> float:
    """The attribute of one of the names, in whichever group; all that are there must agree."""
    found: dict[str, float] = {}
    for where, place in places.items():
        for name in names:
            if name in place.attrs:
                found[f"{where}/{name}"] = number_attribute(place, name)
    if not found:
        present = sorted({name for place in places.values() for name in attribute_names(place)})
        raise InputError(
            f"expected an attribute {names[0]!r} of Header, got {present}; copy the file again, or "
            "take another"
        )
    values = list(found.values())
    if not np.allclose(values, values[0], rtol=1e-6, atol=0, equal_nan=True):
        raise InputError(f"expected one value of {names[0]!r}, got {found}; mend the one wrong")
    return values[0]


def _binary_header(path: Path) -> SnapshotHeader:
    with path.open("rb") as file:
        start = file.read(2 * LENGTH)
    for order in "<>":
        length = np.dtype(order + "u4")
        head = [("size", length), ("label", "S4"), ("next", "V4"), ("end", length)]
        kind = np.dtype(
            [("opening", length)]
            + [(name, order + code, *shape) for name, code, *shape in FIELDS]
            + [("closing", length)]
        )
        place = 0
        if len(start) >= 16:
            block = np.frombuffer(start, np.dtype(head), 1)[0]
            place = 16 if (int(block["size"]), block["label"]) == (8, b"HEAD") else 0
        if len(start) < place + kind.itemsize:
            continue
        found = np.frombuffer(start, kind, 1, place)[0]
        if found["opening"] == found["closing"] == LENGTH:
            return _of_fields({name: float(found[name]) for name in NUMBERS})
    raise InputError(
        "expected a Gadget header, a record of 256 bytes, at the start, got another beginning; "
        "is it truncated, or in another format (HDF5 ends in .hdf5)?"
    )


def _of_fields(found: Mapping[str, float]) -> SnapshotHeader:
    scale = found["time"] or None
    redshift = checked_redshift(found["redshift"], "field 'redshift'", scale, "field 'time'")
    named = {name: found[name] for name in ("Omega0", "OmegaLambda", "HubbleParam")}
    return SnapshotHeader(
        box=found["BoxSize"], redshift=redshift, cosmology=canonical_parameters(named, "the header")
    )
