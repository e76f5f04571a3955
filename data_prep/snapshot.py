"""Headers of Gadget and AREPO snapshots: box, redshift and cosmology for catalogues without them.

Binary format 1 (Springel 2005, section 6.2): a record of 256 bytes with its length before and
after: ``int32 npart[6]; float64 mass[6], time, redshift; int32 flag_sfr, flag_feedback; uint32
npartTotal[6]; int32 flag_cooling, num_files; float64 BoxSize, Omega0, OmegaLambda, HubbleParam;
...``. Format 2 has a record of 8 bytes, ``HEAD``, before it. Both come in either byte order. HDF5
has the same as attributes of ``/Header``, or of ``/Parameters`` (Gadget-4) or ``/Cosmology``.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import h5py
import numpy as np

from data_prep.files import existing, naming, open_hdf5
from galgen.errors import InputError

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
    ("box", "f8"),
    ("omega_m", "f8"),
    ("omega_lambda", "f8"),
    ("h", "f8"),
    ("rest", "u1", 96),
)
WHERE = {
    "omega_m": ("Omega0", "Omega_m"),
    "h": ("HubbleParam", "h"),
}


@dataclasses.dataclass(frozen=True)
class SnapshotHeader:
    """What a snapshot says of itself.

    Attributes:
        box: side, in the snapshot's unit of length.
        redshift: of the snapshot.
        omega_m: matter density today.
        h: Hubble constant in 100 km/s/Mpc.
    """

    box: float
    redshift: float
    omega_m: float
    h: float

    def __post_init__(self) -> None:
        sound = self.box > 0 and self.redshift > -0.01 and 0 < self.omega_m <= 1 and 0 < self.h < 2
        if not sound:
            raise InputError(
                "expected a header with BoxSize above 0, a redshift, Omega0 up to 1 and "
                f"HubbleParam up to 2, got {self}; is it the header of a cosmological snapshot?"
            )

    def cosmology(self) -> dict[str, float]:
        """Parameters by galgen's names."""
        return {"omega_m": self.omega_m, "h": self.h}


def read_snapshot_header(path: Path) -> SnapshotHeader:
    """The header of a snapshot, or of one file of it.

    Raises:
        InputError: if it is missing, truncated or no snapshot.
    """
    existing(path, "a snapshot")
    with naming(path):
        if path.suffix in (".hdf5", ".h5"):
            with open_hdf5(path, "a snapshot") as file:
                return hdf5_header(file)
        return _binary_header(path)


def hdf5_header(file: h5py.File) -> SnapshotHeader:
    """The header of an open snapshot or group catalogue.

    Raises:
        InputError: if an attribute is missing, or scale factor and redshift contradict.
    """
    attributes: dict[str, float] = {}
    for group in ("Parameters", "Cosmology", "Header"):
        if group in file:
            numbers = {n: v for n, v in file[group].attrs.items() if np.size(v) == 1}
            attributes |= {n: v for n, v in numbers.items() if np.asarray(v).dtype.kind in "fiu"}
    if "Header" not in file:
        raise InputError(f"expected a group 'Header', got {list(file)}; is this another format?")

    def value(*names: str) -> float:
        for name in names:
            if name in attributes:
                return float(np.asarray(attributes[name]).reshape(()))
        raise InputError(
            f"expected an attribute {names[0]!r} of Header, got {sorted(attributes)}; copy the "
            "file again, or take another"
        )

    redshift = value("Redshift")
    if "Time" in attributes and abs(value("Time") * (1 + redshift) - 1) > 1e-3:
        raise InputError(
            f"expected attribute 'Time' 1 / (1 + Redshift) = {1 / (1 + redshift):.4g}, got "
            f"{value('Time'):.4g}; the header is mislabelled"
        )
    return SnapshotHeader(
        box=value("BoxSize"),
        redshift=redshift,
        omega_m=value(*WHERE["omega_m"]),
        h=value(*WHERE["h"]),
    )


def _binary_header(path: Path) -> SnapshotHeader:
    with path.open("rb") as file:
        start = file.read(2 * LENGTH)
    for order in "<>":
        length = np.dtype(order + "u4")
        head = [("size", length), ("label", "S4"), ("next", "V4"), ("end", length)]
        kind = np.dtype(
            [
                ("opening", length),
                *((name, order + code, *shape) for name, code, *shape in FIELDS),
                ("closing", length),
            ]
        )
        place = 0
        if len(start) >= 16:
            block = np.frombuffer(start, np.dtype(head), 1)[0]
            place = 16 if (int(block["size"]), block["label"]) == (8, b"HEAD") else 0
        if len(start) < place + kind.itemsize:
            continue
        found = np.frombuffer(start, kind, 1, place)[0]
        if found["opening"] == found["closing"] == LENGTH:
            names = ("box", "redshift", "omega_m", "h")
            return SnapshotHeader(**{name: float(found[name]) for name in names})
    raise InputError(
        "expected a Gadget header, a record of 256 bytes, at the start, got another beginning; "
        "is it truncated, or in another format (HDF5 ends in .hdf5)?"
    )
