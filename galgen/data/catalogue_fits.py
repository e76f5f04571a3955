"""A catalogue as FITS: extension 1 is a binary table, extension ``GALGEN`` the metadata.

The table has the catalogue's columns with their units (``TUNIT``), so that any tool reads it; a
name that FITS cannot hold (not ASCII, too long, or the same as another but for case) becomes
``column_<number>`` there. The metadata, which has the true names, are bytes of JSON in an image:
header cards would limit length and letters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits

from galgen.data.catalogue import Catalogue
from galgen.data.catalogue_metadata import catalogue_from, described_columns, metadata_of, not_ours
from galgen.errors import InputError
from galgen.reading.fits import fits_columns, fits_table, open_fits

EXTENSION = "GALGEN"
LONGEST = 60
WIDER: Mapping[str, np.dtype] = {"float16": np.dtype(np.float32), "int8": np.dtype(np.int16)}
"""FITS has no float16 and no signed bytes: they are stored as these."""


def write_fits(path: Path, catalogue: Catalogue) -> None:
    """Write a FITS file; one that is there is replaced."""
    names = _table_names(list(catalogue.columns))
    stored = [
        values.astype(WIDER.get(values.dtype.name, values.dtype), copy=False)
        for values in catalogue.columns.values()
    ]
    units = [_ascii(catalogue.units[name]) or "" for name in catalogue.columns]
    table = fits_table(dict(zip(names, stored, strict=True)), units, "CATALOGUE")
    metadata = np.frombuffer(metadata_of(catalogue).encode(), np.uint8)
    image = fits.ImageHDU(metadata, name=EXTENSION)
    fits.HDUList([fits.PrimaryHDU(), table, image]).writeto(path, overwrite=True, checksum=True)


def read_fits(path: Path) -> Catalogue:
    """The catalogue of a FITS file that :func:`write_fits` wrote.

    Raises:
        InputError: if it is not FITS, is damaged, or has no metadata of galgen's.
    """
    with open_fits(path, "a whole FITS file", strict=True, uint=True, checksum=True) as file:
        if EXTENSION not in file:
            raise not_ours(path)
        text = file[EXTENSION].data.tobytes()
        values = [column.complete() for column in fits_columns(file[1])]
        names = described_columns(text, path)
        if len(names) != len(values):
            raise InputError(
                f"expected {len(names)} columns in {path}, got {len(values)}; it was changed after "
                "galgen wrote it: write it again"
            )
        return catalogue_from(text, dict(zip(names, values, strict=True)), path, WIDER)


def _table_names(names: Sequence[str]) -> list[str]:
    seen: set[str] = set()
    chosen = []
    for number, name in enumerate(names):
        plain = _ascii(name) is not None and len(name) <= LONGEST and name == name.strip()
        chosen.append(name if plain and name.lower() not in seen else f"column_{number}")
        seen.add(chosen[-1].lower())
    return chosen


def _ascii(text: str) -> str | None:
    """``text`` if FITS can hold it."""
    return text if text and text.isascii() and text.isprintable() else None
