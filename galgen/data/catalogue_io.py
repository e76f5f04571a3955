"""One catalogue to a file and back, bit by bit, in the format that the file's suffix names.

=================  ==============================================================================
``.h5`` ``.hdf5``  a suite of one (:mod:`galgen.data.suite`)
``.fits``          extension 1, a binary table with units (``TUNIT``); extension ``GALGEN``, an
                   image of the bytes of the metadata, for header cards limit length and letters
``.parquet``       a table, and the metadata in its schema, key ``galgen``
``.asdf``          a tree: arrays by name in ``columns``, the metadata and a checksum in ``galgen``
``.csv``           ECSV of commas: types, units (h is ``littleh``) and metadata in comments before
                   the line of names
``.npy``           records, one field per column, whose title has the unit, ``x [Mpc/h]``; no
                   metadata
=================  ==============================================================================

The metadata are JSON, or a tree of the same. A name that FITS cannot hold (not ASCII, beginning
with a sign, too long, or the same as another but for case) becomes ``column_<number>`` there. CSV
and NumPy are for other programs: ``python -m data_prep table`` reads them. Files appear whole or
not at all. Parquet needs pyarrow, ASDF needs asdf (``pip install 'galgen[formats]'``).
"""

from __future__ import annotations

import json
import warnings
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from astropy.io import fits

from galgen.arrays import as_array
from galgen.data.catalogue import Catalogue
from galgen.data.suite import Suite
from galgen.data.suite_writing import write_suite
from galgen.errors import InputError
from galgen.places import HDF5
from galgen.publishing import Publication
from galgen.reading import regular_file
from galgen.reading.asdf import import_asdf, open_asdf, write_asdf
from galgen.reading.fits import fits_columns, fits_table, open_fits
from galgen.reading.parquet import import_pyarrow, open_parquet, parquet_columns, write_parquet

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
    read: Callable[[Path], Catalogue] | None
    """From a file; None for what other programs read."""
    signature: bytes
    """The first bytes of its files."""
    library: Callable[[], Any] = tuple
    """Raises an InputError where a package that it needs is not installed."""


def write_catalogue(path: str | Path, catalogue: Catalogue) -> None:
    """Write one catalogue, all or nothing; a file that is there is replaced.

    Raises:
        InputError: if the suffix names no format, there is no folder, or a package that the format
            needs is not installed.
    """
    path = Path(path)
    chosen = _format(path, FORMATS)
    chosen.library()
    with Publication(path) as publication:
        draft = publication.folder / f"draft{path.suffix}"
        chosen.write(draft, catalogue)
        publication.publish(draft)


def read_catalogue(path: str | Path) -> Catalogue:
    """The catalogue that :func:`write_catalogue` wrote.

    Raises:
        InputError: if the suffix names no format that is read, the file is missing, damaged or not
            galgen's, or a package that the format needs is not installed.
    """
    path = Path(path)
    read = _format(path, READ).read
    assert read is not None
    return read(regular_file(path, "a catalogue"))


def _format(path: Path, formats: Collection[str]) -> Format:
    """The format of a suffix, which must be among ``formats``."""
    suffix = path.suffix.lower()
    if suffix not in formats:
        table = "read it with python -m data_prep table" if suffix in FORMATS else "rename it"
        raise InputError(
            f"expected a file name that ends in {', '.join(formats)}, got {path.name!r}; {table}"
        )
    return FORMATS[suffix]


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
        plain = plain and (name[0].isalnum() or name[0] == "_")
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


def _write_asdf(path: Path, catalogue: Catalogue) -> None:
    found = json.loads(_metadata_of(catalogue))
    columns = dict(catalogue.columns)
    write_asdf(path, {KEY: found | {"crc32": _checksum(found, columns)}, "columns": columns})


def _read_asdf(path: Path) -> Catalogue:
    with open_asdf(path, "a whole ASDF file") as file:
        found = _parsed(json.dumps(file.tree.get(KEY), default=str), path)
        stored = file.tree["columns"]  # in the order of their names
        columns = {c["name"]: as_array(stored[c["name"]], c["name"]) for c in found["columns"]}
        stated = found.pop("crc32")
        if _checksum(found, columns) != stated:
            raise _changed(path, f"contents of checksum {stated}", _checksum(found, columns))
        return _catalogue_from(found, columns, path)


def _checksum(found: Mapping[str, Any], columns: Mapping[str, np.ndarray]) -> int:
    """CRC-32 of metadata and columns: ASDF has none of its tree."""
    checksum = zlib.crc32(json.dumps(found, sort_keys=True).encode())
    for values in columns.values():
        checksum = zlib.crc32(values.tobytes(), checksum)
    return checksum


def _write_csv(path: Path, catalogue: Catalogue) -> None:
    catalogue.to_table().write(path, format="ascii.ecsv", delimiter=",")


def _write_npy(path: Path, catalogue: Catalogue) -> None:
    titles = {n: f"{n} [{unit}]" for n, unit in catalogue.units.items() if unit}
    fields = [
        ((titles[n], n) if titles.get(n, n) not in catalogue.columns else n, values.dtype)
        for n, values in catalogue.columns.items()
    ]
    records = np.empty(len(catalogue), fields)
    for name, values in catalogue.columns.items():
        records[name] = values
    with path.open("wb") as file, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Stored array in format 3.0")  # names beyond Latin
        np.save(file, records)


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


FORMATS: Mapping[str, Format] = {
    ".h5": Format(_write_hdf5, _read_hdf5, HDF5),
    ".hdf5": Format(_write_hdf5, _read_hdf5, HDF5),
    ".fits": Format(_write_fits, _read_fits, b"SIMPLE  ="),
    ".parquet": Format(_write_parquet, _read_parquet, b"PAR1", import_pyarrow),
    ".asdf": Format(_write_asdf, _read_asdf, b"#ASDF", import_asdf),
    ".csv": Format(_write_csv, None, b"# %ECSV"),
    ".npy": Format(_write_npy, None, b"\x93NUMPY"),
}
READ = tuple(suffix for suffix, chosen in FORMATS.items() if chosen.read is not None)
"""Suffixes of the formats that :func:`read_catalogue` knows."""
