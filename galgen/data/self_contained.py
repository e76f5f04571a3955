"""HDF5 files that hold what they say: none of it is read from anywhere else.

HDF5 can store the values of a dataset in another file (external storage, virtual datasets) and
names of objects can point to other files or places (external and soft links). A file from somebody
else could so have any file of this machine read as numbers. What galgen writes has neither.
"""

from __future__ import annotations

from pathlib import Path

import h5py

from galgen.errors import InputError


def check_self_contained(file: h5py.File, path: Path) -> None:
    """Refuse a file with links, or with datasets whose values lie in other files.

    Args:
        file: that is open.
        path: of it, for the error.

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
