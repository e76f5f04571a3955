"""One catalogue to a file and back, bit by bit, in the format that the file's suffix names.

=================  ==============================================================================
``.h5`` ``.hdf5``  a suite of one (:mod:`galgen.data.suite`)
``.fits``          extension 1, a binary table with units (``TUNIT``); extension ``GALGEN``, an
                   image of the bytes of the metadata, for header cards limit length and letters
``.parquet``       a table, and the metadata in its schema, key ``galgen``
=================  ==============================================================================

The metadata are JSON. A name that FITS cannot hold (not
ASCII, too long, or the same as another but for case) becomes ``column_<number>`` there. Files
appear whole or not at all. Parquet needs pyarrow (``pip install 'galgen[formats]'``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from astropy.io import fits

from galgen.data.catalogue import Catalogue
from galgen.data.suite import Suite
from galgen.data.suite_writing import write_suite
from galgen.errors import InputError
from galgen.publishing import Publication
from galgen.reading import regular_file
from galgen.reading.fits import fits_columns, fits_table, open_fits
from galgen.reading.parquet import open_parquet, parquet_columns, write_parquet

FORMAT = "galgen-catalogue"
VERSION = 1
EXTENSION = "GALGEN"
KEY = "galgen"
LONGEST = 60
WIDER: Mapping[str, np.dtype] = {"float16": np.dtype(np.float32), "int8": np.dtype(np.int16)}
"""FITS has no float16 and no signed bytes: they are stored as these."""


class Format(NamedTuple):
    """How a format is written to a path, and read from a file."""

    write: Callable[[Path, Catalogue], None]
    """To a path that nobody else knows yet."""
    read: Callable[[Path], Catalogue]
    """From a file."""


def write_catalogue(path: str | Path, catalogue: Catalogue) -> None:
    """Write one catalogue, all or nothing; a file that is there is replaced.

    Raises:
        InputError: if the suffix names no format, there is no folder, or Parquet is asked for and
            pyarrow is not installed.
    """
    path = Path(path)
    chosen = _format(path)
    with Publication(path) as publication:
        draft = publication.folder / f"draft{path.suffix}"
        chosen.write(draft, catalogue)
        publication.publish(draft)


def read_catalogue(path: str | Path) -> Catalogue:
    """The catalogue that :func:`write_catalogue` wrote.

    Raises:
        InputError: if the suffix names no format, the file is missing, damaged or not galgen's, or
            Parquet is asked for and pyarrow is not installed.
    """
    path = Path(path)
    chosen = _format(path)
    return chosen.read(regular_file(path, "a catalogue"))


def _format(path: Path) -> Format:
    if path.suffix.lower() not in FORMATS:
        raise InputError(
            f"expected a file name that ends in {', '.join(FORMATS)}, got {path.name!r}; rename it"
        )
    return FORMATS[path.suffix.lower()]


def _write_hdf5(path: Path, catalogue: Catalogue) -> None:
    write_suite(path, [catalogue])


def _read_hdf5(path: Path) -> Catalogue:
    with Suite(path) as suite:
        if len(suite) != 1:
            raise InputError(
                f"expected one catalogue in {path}, got a suite of {len(suite)}; open it with "
                "galgen.data.suite.Suite"
            )
        return suite[0]


def _write_fits(path: Path, catalogue: Catalogue) -> None:
    stored = [
        values.astype(WIDER.get(values.dtype.name, values.dtype), copy=False)
        for values in catalogue.columns.values()
    ]
    names = _table_names(list(catalogue.columns))
    units = [_ascii(catalogue.units[name]) or "" for name in catalogue.columns]
    table = fits_table(dict(zip(names, stored, strict=True)), units, "CATALOGUE")
    metadata = np.frombuffer(_metadata_of(catalogue).encode(), np.uint8)
    image = fits.ImageHDU(metadata, name=EXTENSION)
    fits.HDUList([fits.PrimaryHDU(), table, image]).writeto(path, overwrite=True, checksum=True)


def _read_fits(path: Path) -> Catalogue:
    with open_fits(path, "a whole FITS file", strict=True, uint=True, checksum=True) as file:
        text = file[EXTENSION].data.tobytes() if EXTENSION in file else None
        found = _parsed(text, path)
        names = [column["name"] for column in found["columns"]]
        values = [column.complete() for column in fits_columns(file[1])]
        if len(names) != len(values):
            raise _changed(path, f"{len(names)} columns", len(values))
        return _catalogue_from(found, dict(zip(names, values, strict=True)), path, WIDER)


def _table_names(names: Sequence[str]) -> list[str]:
    """Names that FITS can hold, different without case."""
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


def _write_parquet(path: Path, catalogue: Catalogue) -> None:
    write_parquet(path, catalogue.columns, catalogue.units, {KEY: _metadata_of(catalogue)})


def _read_parquet(path: Path) -> Catalogue:
    with open_parquet(path, "a whole Parquet file") as file:
        found = _parsed((file.schema_arrow.metadata or {}).get(KEY.encode()), path)
        return _catalogue_from(found, {c.name: c.complete() for c in parquet_columns(file)}, path)


def _metadata_of(catalogue: Catalogue) -> str:
    """All of a catalogue but the values of its columns, as JSON, which keeps float64 bit by bit."""
    return json.dumps(
        {
            "format": FORMAT,
            "version": VERSION,
            "columns": [
                {"name": name, "unit": catalogue.units[name], "type": values.dtype.name}
                for name, values in catalogue.columns.items()
            ],
            "box": catalogue.box,
            "periodic": catalogue.periodic,
            "redshift": catalogue.redshift,
            "cosmology": dict(catalogue.cosmology),
            "provenance": dict(catalogue.provenance),
        }
    )


def _catalogue_from(
    found: Mapping[str, Any],
    columns: Mapping[str, np.ndarray],
    path: Path,
    wider: Mapping[str, np.dtype] | None = None,
) -> Catalogue:
    """The catalogue of metadata and columns, which must be those that they describe.

    ``wider`` has the types that the format lacks, by name, and those that it has in their place.
    """
    described = {column["name"]: column for column in found["columns"]}
    if list(described) != list(columns):
        raise _changed(path, f"columns {list(described)}", list(columns))
    types = {name: str(column["type"]) for name, column in described.items()}
    for name, values in columns.items():
        stored = (wider or {}).get(types[name], np.dtype(types[name]))
        if values.dtype != stored:
            raise _changed(path, f"column {name!r} of {stored}", values.dtype)
    side_x, side_y, side_z = found["box"]
    return Catalogue(
        columns={name: values.astype(types[name], copy=False) for name, values in columns.items()},
        box=(side_x, side_y, side_z),
        redshift=found["redshift"],
        cosmology=found["cosmology"],
        periodic=found["periodic"],
        units={name: column["unit"] for name, column in described.items()},
        provenance=found["provenance"],
    )


def _parsed(text: str | bytes | None, path: Path) -> dict[str, Any]:
    """The metadata of a text; the error for a file without them."""
    try:
        found = json.loads(text or "")
    except ValueError:
        found = None
    if isinstance(found, dict) and (found.get("format"), found.get("version")) == (FORMAT, VERSION):
        return found
    raise InputError(
        f"expected a catalogue that galgen wrote in {path}, got one without its metadata; read it "
        "with python -m data_prep table, which takes columns and box as options"
    )


def _changed(path: Path, wanted: str, found: object) -> InputError:
    return InputError(
        f"expected {wanted} in {path}, got {found}; it was changed after galgen wrote it: write it "
        "again"
    )


FORMATS = {
    ".h5": Format(_write_hdf5, _read_hdf5),
    ".hdf5": Format(_write_hdf5, _read_hdf5),
    ".fits": Format(_write_fits, _read_fits),
    ".parquet": Format(_write_parquet, _read_parquet),
}
