"""What the reader and the writer of suites share (the layout is in :mod:`galgen.data.suite`)."""

from __future__ import annotations

import dataclasses
import json
import zlib
from collections.abc import Mapping, Sequence

import h5py
import numpy as np
from jaxtyping import Bool, Float, Float32, Int, Int64

from galgen.data.catalogue import Catalogue
from galgen.data.field import Field
from galgen.errors import InputError

FORMAT = "galgen-suite"
VERSION = 4
OLDEST = 2
"""The versions that are read."""
WITHOUT_FIELD = 3
"""The version that is written where there is no field: an older galgen reads it."""
FIELD = "field"
"""Dataset with the field of every catalogue."""
REMEDY = "write it with galgen or data_prep"

CONTENTS = "contents"
"""Attribute with the names that a suite has, in JSON: types of columns, and the cosmology."""
CHECKSUM = "crc32"
"""Attribute of the offsets with the CRC-32 of their bytes."""
LIBRARY = ("v108", "v108")
"""Versions of HDF5's own layout that are written: the oldest that has checksums of metadata."""

TABLES: Mapping[str, tuple[str, tuple[int, ...]]] = {
    "box": ("float64", (3,)),
    "periodic": ("bool", ()),
    "redshift": ("float64", ()),
    "split": ("int32", ()),
}
"""Datasets of one row per catalogue: data type and shape of a row."""

_ESCAPES = (("%", "%25"), ("/", "%2F"), (".", "%2E"))


def dataset_name(name: str) -> str:
    """A column or parameter name as a name in HDF5, where a slash and a dot mean folders."""
    for letter, escape in _ESCAPES:
        name = name.replace(letter, escape)
    return name


def original_name(dataset: str) -> str:
    """The inverse of :func:`dataset_name`."""
    for letter, escape in reversed(_ESCAPES):
        dataset = dataset.replace(escape, letter)
    return dataset


def checksum(values: np.ndarray) -> int:
    """The CRC-32 of an array's bytes, as little-endian numbers."""
    return zlib.crc32(values.astype(values.dtype.newbyteorder("<")).tobytes())


def set_text(attributes: h5py.AttributeManager, name: str, text: str) -> None:
    """Write text as an attribute of fixed length, which the checksum of metadata covers.

    Text of variable length lies in a heap without one, and HDF5 may never come back from a heap
    that is damaged.
    """
    encoded = text.encode()
    attributes.create(name, encoded, dtype=h5py.string_dtype("utf-8", max(len(encoded), 1)))


def texts(words: Sequence[str]) -> np.ndarray:
    """Text of fixed length, to be a dataset.

    Raises:
        InputError: for a NUL character, which HDF5 takes for the end.
    """
    for word in words:
        if "\0" in word:
            raise InputError(f"expected names without NUL, got {word!r}; rename it")
    encoded = [word.encode() for word in words]
    width = max(map(len, encoded), default=0)
    return np.array(encoded, h5py.string_dtype("utf-8", max(width, 1)))


@dataclasses.dataclass(frozen=True)
class Block:
    """Some catalogues side by side, as they lie in a suite.

    ========== ====================== ======================================================
    field      type                   meaning
    ========== ====================== ======================================================
    columns    name -> ``(points,)``  the points of all, one catalogue after the other
    units      name -> str            of every column
    counts     ``(n,)``               points of each
    box        ``(n, 3)``             side lengths [Mpc/h]
    periodic   ``(n,)``               False for open sub-boxes
    redshift   ``(n,)``
    cosmology  name -> ``(n,)``
    splits     n names
    provenance n JSON texts
    fields     ``(n, m, m, m)``       values of the field that each comes from, or None
    field_of   name -> value          kind, redshift and smoothing of fields; empty without
    ========== ====================== ======================================================
    """

    columns: Mapping[str, np.ndarray]
    units: Mapping[str, str]
    counts: Int64[np.ndarray, " catalogues"]
    box: Float[np.ndarray, "catalogues 3"]
    periodic: Bool[np.ndarray, " catalogues"]
    redshift: Float[np.ndarray, " catalogues"]
    cosmology: Mapping[str, Float[np.ndarray, " catalogues"]]
    splits: Sequence[str]
    provenance: Sequence[bytes]
    fields: Float32[np.ndarray, "catalogues mesh mesh mesh"] | None = None
    field_of: Mapping[str, str | float] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, catalogue: Catalogue, split: str, field: Field | None = None) -> Block:
        """The block of one catalogue.

        Raises:
            InputError: if the field is of another box.
        """
        if field is not None and catalogue.box != (field.box,) * 3:
            raise InputError(
                f"expected a field of the box of its catalogue, {catalogue.box} Mpc/h, got one of "
                f"{field.box:g}; give the field that the catalogue comes from"
            )
        return cls(
            columns=catalogue.columns,
            units=catalogue.units,
            counts=np.array([len(catalogue)], np.int64),
            box=np.array([catalogue.box]),
            periodic=np.array([catalogue.periodic]),
            redshift=np.array([catalogue.redshift]),
            cosmology={name: np.array([value]) for name, value in catalogue.cosmology.items()},
            splits=[split],
            provenance=[json.dumps(dict(catalogue.provenance)).encode()],
            fields=None if field is None else field.values[None],
            field_of={} if field is None else field.attributes,
        )

    def kind(self) -> dict[str, object]:
        """What all catalogues of a suite share, by what an error calls it."""
        return {
            "columns and units": dict(self.units),
            "data types": {name: str(self.columns[name].dtype) for name in self.units},
            "cosmology names": set(self.cosmology),
            "field": dict(self.field_of) and {"mesh": self.field_mesh, **self.field_of},
        }

    @property
    def field_mesh(self) -> int | None:
        """Points per side of the fields, None without."""
        return None if self.fields is None else self.fields.shape[-1]


def codes(splits: Sequence[str], names: list[str]) -> Int[np.ndarray, " catalogues"]:
    """Each split as its place in ``names``, to which new ones are added."""
    for split in splits:
        if split not in names:
            names.append(split)
    places = {name: place for place, name in enumerate(names)}
    return np.array([places[split] for split in splits], np.int32)
