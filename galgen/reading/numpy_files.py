"""``.npy`` and ``.npz``: arrays whose headers say the size that they have, checksums verified."""

from __future__ import annotations

import io
import math
import os
import warnings
import zipfile
from pathlib import Path

import numpy as np
from numpy.lib import format as layout

from galgen.errors import InputError
from galgen.reading.files import check_declared, reading, regular_file

ENDING = ".npy"
VERSIONS = ((1, 0), (2, 0), (3, 0))


def read_npy(path: Path, what: str = "a NumPy array", mapped: bool = False) -> np.ndarray:
    """The array of an ``.npy`` file, read-only.

    Args:
        path: of the file.
        what: is expected in it, for errors.
        mapped: whether it is a memory map, of which only what is used is read.

    Raises:
        InputError: if there is no such file, it is no array of numbers or records, or its size is
            not what its header says.
    """
    with reading(regular_file(path, what), what), path.open("rb") as file:
        shape, fortran, dtype = _header(file, os.fstat(file.fileno()).st_size)
        if dtype.hasobject:
            raise InputError(
                "expected plain numbers, got Python objects; save an array of numbers with np.save"
            )
        if mapped and 0 not in shape:
            return np.memmap(file, dtype, "r", file.tell(), shape, "F" if fortran else "C")
        return _shaped(np.fromfile(file, dtype), shape, fortran)


def read_npz(path: Path, what: str = "NumPy arrays") -> dict[str, np.ndarray]:
    """The arrays of an ``.npz`` file by name, read-only, the checksum of each verified.

    Args:
        path: of the file.
        what: is expected in it, for errors.

    Returns:
        Arrays of numbers, text or records. Those of Python objects are left out.

    Raises:
        InputError: if there is no such file, it is no zip file of arrays, two have one name, one is
            damaged, or all are of Python objects; the message names it.
    """
    arrays: dict[str, np.ndarray] = {}
    with reading(regular_file(path, what), what), zipfile.ZipFile(path) as archive:
        members = {entry.filename: entry for entry in archive.infolist()}
        for name, member in members.items():
            with reading(path, f"a whole array {name!r}"):
                check_declared(member.file_size, path, f"array {name!r}")
                values = array_in(archive.read(member))
            if not values.dtype.hasobject:
                arrays[name.removesuffix(ENDING)] = values
        if len(members) < len(archive.infolist()) or not arrays:
            raise InputError(
                f"expected arrays of numbers, each with a name of its own, got {list(members)}; "
                "write the file again with np.savez"
            )
    return arrays


def array_in(content: bytes) -> np.ndarray:
    """The array of the bytes of an ``.npy`` file, read-only; an empty one if it is of objects.

    Raises:
        InputError: if its size is not what its header says.
    """
    file = io.BytesIO(content)
    shape, fortran, dtype = _header(file, len(content))
    if dtype.hasobject:
        return np.empty(0, dtype)
    number = math.prod(shape)
    values = np.frombuffer(content, dtype, -1, file.tell()) if number else np.empty(0, dtype)
    return _shaped(values, shape, fortran)


def _shaped(values: np.ndarray, shape: tuple[int, ...], fortran: bool) -> np.ndarray:
    return values.reshape(shape, order="F") if fortran else values.reshape(shape)


def _header(file: io.BufferedIOBase, size: int) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, order and data type, and the file at the first value.

    Args:
        file: at its beginning.
        size: of it in bytes.
    """
    version = layout.read_magic(file)
    if version not in VERSIONS:
        raise InputError(f"expected a version of .npy among {VERSIONS}, got {version}; copy again")
    read = layout.read_array_header_1_0 if version == (1, 0) else layout.read_array_header_2_0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of headers that Python 2 wrote, or that are damaged
        shape, fortran, dtype = read(file)
    if dtype.hasobject:
        return shape, fortran, dtype
    declared, held = math.prod(shape) * dtype.itemsize, size - file.tell()
    if min(shape, default=0) < 0 or declared != held:
        raise InputError(
            f"expected {declared} bytes for shape {shape} of {dtype}, as the header says, got "
            f"{held}; it is truncated or damaged: copy it again"
        )
    return shape, fortran, dtype
