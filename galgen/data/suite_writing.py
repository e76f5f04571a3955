"""Writing a suite (its layout is in :mod:`galgen.data.suite`), all or nothing.

The file is written beside its place under a temporary name and moved there when complete, so that
a reader never sees half, and a failure leaves what was there before.
"""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np

from galgen.data.catalogue import Catalogue
from galgen.errors import InputError

FORMAT = "galgen-suite"
VERSION = 1


def write_suite(
    path: str | Path, catalogues: Sequence[Catalogue], splits: Sequence[str] | str = "train"
) -> None:
    """Write catalogues to an HDF5 suite, all or nothing.

    Args:
        path: the file to write; one that is there is replaced.
        catalogues: with the same columns, units and cosmology names.
        splits: the split of each catalogue, or one name for all.

    Raises:
        InputError: if there is no catalogue, one has no points, or they differ in columns, units
            or cosmology names, or in number from the splits.
    """
    names = [splits] * len(catalogues) if isinstance(splits, str) else list(splits)
    _check_alike(catalogues, names)
    with _replacing(Path(path)) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["format"] = FORMAT
        file.attrs["version"] = VERSION
        first = catalogues[0]
        file.create_group("columns", track_order=True)
        file.create_group("cosmology", track_order=True)
        for name in first.columns:
            values = np.concatenate([c.columns[name] for c in catalogues])
            file.create_dataset(f"columns/{name}", data=values).attrs["unit"] = first.units[name]
        counts = [len(c) for c in catalogues]
        file["offsets"] = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        file["box"] = np.array([c.box for c in catalogues], dtype=np.float64)
        file["periodic"] = np.array([c.periodic for c in catalogues], dtype=bool)
        file["redshift"] = np.array([c.redshift for c in catalogues], dtype=np.float64)
        for name in first.cosmology:
            file[f"cosmology/{name}"] = np.array([c.cosmology[name] for c in catalogues])
        _write_text(file, "split", names)
        _write_text(file, "provenance", [json.dumps(dict(c.provenance)) for c in catalogues])


def _write_text(file: h5py.File, name: str, values: Sequence[str]) -> None:
    file.create_dataset(name, data=np.array(values, dtype=object), dtype=h5py.string_dtype())


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that becomes it on success and vanishes on failure."""
    if not path.parent.is_dir():
        raise InputError(f"expected a folder {path.parent}, got none; create it first")
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _check_alike(catalogues: Sequence[Catalogue], splits: Sequence[str]) -> None:
    if not catalogues:
        raise InputError("expected at least one catalogue to write, got none; pass some")
    if len(splits) != len(catalogues):
        raise InputError(
            f"expected one split per catalogue, got {len(splits)} for {len(catalogues)}; "
            "pass a name for each, or one for all"
        )
    first = catalogues[0]
    for i, catalogue in enumerate(catalogues):
        if not len(catalogue):
            raise InputError(
                f"expected at least one point in every catalogue, got none in catalogue {i}; "
                "drop it before writing the suite"
            )
        for what, wanted, found in (
            ("columns and units", first.units, catalogue.units),
            ("cosmology names", set(first.cosmology), set(catalogue.cosmology)),
        ):
            if wanted != found:
                raise InputError(
                    f"expected the {what} of catalogue 0, {wanted}, got {found} in catalogue {i}; "
                    "give all catalogues the same"
                )
