"""Folders of ``.npy`` files as sets of catalogues, for mocks that no suite was made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from galgen.data.catalogue import POSITIONS, VELOCITIES, Catalogue
from galgen.errors import InputError
from galgen.reading.numpy_files import ENDING, read_npy

COLUMNS = (*POSITIONS, *VELOCITIES, "mass")
"""Of an array without names, as many as it has: three, six or seven."""
SPLIT = "test"


def is_folder(path: Path) -> bool:
    """Whether a path is a folder of arrays, and no suite or run."""
    return path.is_dir() and any(path.glob(f"*{ENDING}"))


def read_folder(path: Path, box: float) -> list[Catalogue]:
    """Every file of a folder as a catalogue of a periodic box.

    Args:
        path: of the folder. Its arrays are ``(points, 3)`` with x, y, z [Mpc/h], ``(points, 6)``
            with velocities [km/s] or ``(points, 7)`` with masses [Msun/h] too, or records with the
            names of columns.
        box: its side [Mpc/h].

    Raises:
        InputError: an array of another shape, or one that is no catalogue of that box.
    """
    return [_read(file, box) for file in sorted(path.glob(f"*{ENDING}"))]


def _read(path: Path, box: float) -> Catalogue:
    what = "an array (points, 3), (points, 6) or (points, 7), or records"
    found = read_npy(path, what)
    if found.dtype.names and found.ndim == 1:
        columns = {name: found[name] for name in found.dtype.names}
    elif found.ndim == 2 and found.shape[1] in (3, 6, 7):
        columns = dict(zip(COLUMNS, np.asarray(found, np.float64).T, strict=False))
    else:
        raise InputError(f"expected {what} in {path}, got {found.shape}; save one catalogue a file")
    try:
        return Catalogue(columns, (box,) * 3, provenance={"file": path.name})
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
