"""HDF5: files, datasets and attributes, checked before they are read.

A dataset must lie in the file itself, whole, in a standard type of number, and be no larger than
the file explains: a bit of its header that flipped would else move or rescale every value.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from galgen.arrays import NUMBERS, native_order
from galgen.errors import InputError
from galgen.reading.files import check_declared, reading, regular_file, said
from galgen.reading.hdf5_heaps import check_end, check_heaps


@contextlib.contextmanager
def open_hdf5(path: Path, what: str) -> Iterator[h5py.File]:
    """An HDF5 file, read-only; what goes wrong while it is open is one line.

    Args:
        path: of the file.
        what: is expected in it, for errors.

    Raises:
        InputError: if there is no such file, or HDF5 cannot open it.
    """
    with reading(regular_file(path, what), what):
        try:
            file = h5py.File(path, "r")
        except OSError as error:
            raise InputError(
                f"expected {what} in HDF5 at {path}, got a file that HDF5 cannot open (another "
                f"format, or truncated: {said(error)}); copy it again"
            ) from error
        with file:
            check_end(path)
            yield file


def check_self_contained(file: h5py.File, path: Path) -> None:
    """Refuse a file with links, or with datasets whose values lie in other files.

    HDF5 can store values elsewhere (external storage, virtual datasets), and names can be links to
    other files or places. A file from somebody else could so have any file of this machine read as
    numbers. What galgen writes has neither.

    Raises:
        InputError: naming the first such object.
    """
    found: list[str] = []

    def look(name: str, link: object) -> bool | None:
        if not isinstance(link, h5py.HardLink):
            found.append(f"{name!r}, a link to another place")
        elif isinstance(entry := file[name], h5py.Dataset) and (entry.external or entry.is_virtual):
            found.append(f"{name!r}, whose values lie in another file")
        return True if found else None

    file.visititems_links(look)
    if found:
        raise InputError(
            f"expected {path} to hold all its values itself, got {found[0]}; copy it with h5repack "
            "where it was made, or write it again"
        )


def members(group: h5py.Group) -> list[str]:
    """Names in a group, for errors; none if they cannot be read."""
    try:
        return sorted(group)
    except Exception:
        return []


def find_group(file: h5py.Group, name: str) -> h5py.Group:
    """A group by name.

    Raises:
        InputError: if there is none.
    """
    found = _found(file, name)
    if not isinstance(found, h5py.Group):
        raise InputError(f"expected a group {name!r}, got {members(file)}; is this another format?")
    return found


def find_dataset(group: h5py.Group, name: str, kinds: str = NUMBERS) -> h5py.Dataset:
    """A dataset of numbers by name, its values not read.

    Args:
        group: that it is in.
        name: of the dataset.
        kinds: of NumPy's data types that it may have.

    Raises:
        InputError: if there is none, it is of another type, lies in other files, or declares more
            than the file holds.
    """
    label = f"{group.name.strip('/')}/{name}".strip("/")
    found = _found(group, name)
    if not isinstance(found, h5py.Dataset):
        raise InputError(f"expected a field {label}, got {members(group)}; choose one of these")
    try:
        stored, external = found.dtype, found.external is not None or found.is_virtual
        whole = found.id.get_type().equal(h5py.h5t.py_create(stored, logical=True))
    except Exception as error:
        raise _broken(label, error) from error
    if found.shape is None or stored.kind not in kinds or stored.itemsize > 8 or not whole:
        shown = "nothing" if found.shape is None else str(stored)
        raise InputError(
            f"expected numbers in field {label}, got {shown} of another kind or layout; copy the "
            "file again, or choose another field"
        )
    if external:
        raise InputError(
            f"expected the values of field {label} in the file itself, got a link to others; read "
            "the files that hold them"
        )
    path = Path(group.file.filename)
    check_declared(math.prod(found.shape) * stored.itemsize, path, f"field {label}")
    offset = found.id.get_offset()
    if offset is not None and offset + found.nbytes > path.stat().st_size:
        raise InputError(
            f"expected field {label} to end within the file, got its end at byte "
            f"{offset + found.nbytes} of {path.stat().st_size}; it is truncated: copy it again"
        )
    return found


def read_numbers(
    group: h5py.Group, name: str, rows: int | None = None, kinds: str = NUMBERS
) -> np.ndarray:
    """The numbers of a dataset, in the byte order of the machine.

    Args:
        group: that it is in.
        name: of the dataset.
        rows: that it has, as the file says elsewhere; any number where None.
        kinds: of NumPy's data types that it may have.

    Raises:
        InputError: as :func:`find_dataset`, if it has other rows, or cannot be read.
    """
    found = find_dataset(group, name, kinds)
    label = found.name.strip("/")
    if rows is not None and (not found.shape or found.shape[0] != rows):
        raise InputError(
            f"expected {rows} values of {label}, as the header says, got shape {found.shape}; copy "
            "the file again"
        )
    try:
        return native_order(np.asarray(found[()]))
    except MemoryError:
        raise
    except Exception as error:
        raise _broken(label, error) from error


def attribute_names(place: h5py.Group | h5py.Dataset) -> list[str]:
    """Names of the attributes of a group or a dataset.

    Raises:
        InputError: if they cannot be read.
    """
    try:
        names = list(place.attrs)
    except Exception as error:
        raise _broken(f"list of attributes of {place.name}", error) from error
    damaged = [name for name in names if not isinstance(name, str)]
    if damaged:
        raise InputError(
            f"expected names of attributes of {place.name} in UTF-8, got {damaged[0]!r}; the file "
            "is damaged: copy it again"
        )
    return names


def attribute(place: h5py.Group | h5py.Dataset, name: str) -> Any:
    """An attribute as one Python number or text; arrays of one element are taken too.

    Raises:
        InputError: if it has several values, or cannot be read.
    """
    label = f"attribute {name!r} of {place.name.strip('/') or 'the file'}"
    try:
        if _is_of_variable_length(place.attrs.get_id(name).get_type()):
            check_heaps(Path(place.file.filename))
        value = place.attrs[name]
    except InputError:
        raise
    except Exception as error:
        raise _broken(label, error) from error
    array = np.asarray(value) if not isinstance(value, h5py.Empty) else np.zeros(0)
    if array.size != 1:
        raise InputError(
            f"expected one value in {label}, got {array.size}; is this another format?"
        )
    item = array.reshape(-1)[0]
    if isinstance(item, bytes):
        return item.decode(errors="replace")
    return str(item) if isinstance(item, str) else item


def _is_of_variable_length(kind: h5py.h5t.TypeID) -> bool:
    """Whether values of a type lie in a heap."""
    text = isinstance(kind, h5py.h5t.TypeStringID) and kind.is_variable_str()
    return text or kind.detect_class(h5py.h5t.VLEN)


def number_attribute(place: h5py.Group | h5py.Dataset, name: str) -> float:
    """An attribute as one number.

    Raises:
        InputError: if it is no number, has several values, or cannot be read.
    """
    value = attribute(place, name)
    if np.asarray(value).dtype.kind not in NUMBERS:
        raise InputError(
            f"expected a number in attribute {name!r} of {place.name.strip('/') or 'the file'}, "
            f"got {str(value)[:40]!r}; copy the file again, or is it another format?"
        )
    return float(value)


def _found(group: h5py.Group, name: str) -> Any:
    """What is in a group by a name; None if nothing is, or it is in another file."""
    try:
        link = group.get(name, getlink=True)
        found = None if link is None or isinstance(link, h5py.ExternalLink) else group[name]
        elsewhere = found is not None and found.file.filename != group.file.filename
        return None if elsewhere else found
    except KeyError:
        return None
    except Exception as error:
        raise _broken(f"{group.name.strip('/')}/{name}".strip("/"), error) from error


def _broken(label: str, error: Exception) -> InputError:
    return InputError(
        f"expected a whole {label}, got one that cannot be read ({said(error)}); copy the file "
        "again"
    )
