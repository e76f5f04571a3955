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

from galgen.arrays import as_array
from galgen.data.catalogue import Catalogue
from galgen.data.catalogue_metadata import (
    catalogue_from,
    described_columns,
    metadata_of,
    not_ours,
)
from galgen.errors import InputError
from galgen.reading.fits import open_fits

EXTENSION = "GALGEN"
LONGEST = 60
WIDER: Mapping[str, np.dtype] = {"float16": np.dtype(np.float32), "int8": np.dtype(np.int16)}
"""FITS has no float16 and no signed bytes: they are stored as these."""


def write_fits(path: Path, catalogue: Catalogue) -> None:
    """Write a FITS file; one that is there is replaced."""
    names = _table_names(list(catalogue.columns))
    columns = [
        fits.Column(
            name,
            _format(values),
            unit=_ascii(catalogue.units[column]),
            bzero=_zero(values),
            array=values,
        )
        for name, (column, values) in zip(names, _storable(catalogue), strict=True)
    ]
    table = fits.BinTableHDU.from_columns(columns, uint=True, name="CATALOGUE")
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
        table = file[1].data
        values = [as_array(table.field(i), f"column {i}") for i in range(len(table.columns))]
        names = described_columns(text, path)
        if len(names) != len(values):
            raise InputError(
                f"expected {len(names)} columns in {path}, got {len(values)}; it was changed after "
                "galgen wrote it: write it again"
            )
        return catalogue_from(text, dict(zip(names, values, strict=True)), path, WIDER)


def _storable(catalogue: Catalogue) -> list[tuple[str, np.ndarray]]:
    """Columns in the types of FITS: some are widened."""
    return [
        (name, values.astype(WIDER.get(values.dtype.name, values.dtype), copy=False))
        for name, values in catalogue.columns.items()
    ]


def _format(values: np.ndarray) -> str:
    codes = {"b1": "L", "u1": "B", "i2": "I", "u2": "I", "i4": "J", "u4": "J", "i8": "K"}
    codes |= {"u8": "K", "f4": "E", "f8": "D"}
    return codes[values.dtype.str[1:]]


def _zero(values: np.ndarray) -> int | None:
    """FITS has no unsigned integers but bytes: they are stored less half their range."""
    unsigned = values.dtype.kind == "u" and values.dtype.itemsize > 1
    return 1 << (8 * values.dtype.itemsize - 1) if unsigned else None


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
