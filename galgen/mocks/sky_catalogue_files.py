"""Survey catalogues on disk: FITS, HDF5 and Parquet, by the suffix of the file.

Each keeps columns to the bit, with their units, and cosmology and provenance as JSON text:

========== ======================== =================================== ======================
suffix     columns                  units                               JSON
========== ======================== =================================== ======================
.fits      table LSS, extension 1   TUNITn                              cards COSMO and PROVENAN
.h5, .hdf5 datasets /columns/NAME   attribute unit of each              root attributes
.parquet   columns                  metadata of each field              metadata of the schema
========== ======================== =================================== ======================

In units, h is H_0 / (100 km/s/Mpc). A file appears whole or not at all
(:mod:`galgen.publishing`). Parquet needs pyarrow (``pip install 'galgen[formats]'``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from astropy.io import fits

from galgen.data.suite_layout import LIBRARY, set_text
from galgen.errors import InputError
from galgen.mocks.sky_catalogue import SkyCatalogue
from galgen.publishing import Publication
from galgen.reading import reading, regular_file
from galgen.reading.columns import Column
from galgen.reading.fits import fits_columns, fits_table, open_fits
from galgen.reading.hdf5 import attribute, attribute_names, find_group, open_hdf5, read_numbers
from galgen.reading.parquet import open_parquet, parquet_columns, write_parquet

FORMAT = "galgen-sky"
VERSION = 2
"""Text in HDF5 is of fixed length since version 2; the other formats are as in version 1."""
EXTENSION = "LSS"


def write_sky_catalogue(path: str | Path, catalogue: SkyCatalogue) -> None:
    """Write a survey catalogue; one that is there is replaced.

    Raises:
        InputError: an unknown suffix, no folder to put it in, or Parquet without pyarrow.
    """
    place = Path(path)
    write = _of_suffix(place)[0]
    with Publication(place) as publication:
        file = publication.folder / place.name
        write(file, catalogue)
        publication.publish(file)


def read_sky_catalogue(path: str | Path) -> SkyCatalogue:
    """What :func:`write_sky_catalogue` wrote.

    Raises:
        InputError: no such file, an unknown suffix, another format, a damaged file, or Parquet
            without pyarrow.
    """
    place = Path(path)
    read = _of_suffix(place)[1]
    with reading(regular_file(place, "a survey catalogue"), f"a whole {FORMAT} file"):
        return read(place)


def read_provenance(path: Path) -> dict[str, str]:
    """Provenance of a FITS file, without its rows.

    Raises:
        InputError: as :func:`read_sky_catalogue`.
    """
    with open_fits(path, f"a whole {FORMAT} file", strict=True) as file:
        header = file[EXTENSION].header
        _check_format(header.get("FORMAT"), header.get("VERSION"), path)
        return dict(json.loads(header["PROVENAN"]))


def _write_fits(path: Path, catalogue: SkyCatalogue) -> None:
    units = [catalogue.units[name] for name in catalogue.columns]
    table = fits_table(catalogue.columns, units, EXTENSION)
    header = table.header
    header["FORMAT"], header["VERSION"] = FORMAT, VERSION
    header["COSMO"] = json.dumps(dict(catalogue.cosmology))
    header["PROVENAN"] = json.dumps(dict(catalogue.provenance))
    header["COMMENT"] = "In units, h is H_0 / (100 km/s/Mpc)."
    # A time in place of this word would make two equal mocks differ.
    table.add_checksum(when="galgen")
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)


def _read_fits(path: Path) -> SkyCatalogue:
    with open_fits(path, f"a whole {FORMAT} file", strict=True, checksum=True) as file:
        table = file[EXTENSION]
        header = table.header
        _check_format(header.get("FORMAT"), header.get("VERSION"), path)
        if table.verify_datasum() != 1:
            raise InputError(
                f"expected the rows of their DATASUM in {path}, got others; copy it again"
            )
        columns, units = _columns(fits_columns(table))
        texts = header["COSMO"], header["PROVENAN"]
    return SkyCatalogue(columns, json.loads(texts[0]), units, json.loads(texts[1]))


def _write_hdf5(path: Path, catalogue: SkyCatalogue) -> None:
    with h5py.File(path, "w", libver=LIBRARY) as file:
        for name, text in _texts(catalogue).items():
            set_text(file.attrs, name, text)
        file.attrs["version"] = VERSION
        group = file.create_group("columns", track_order=True)
        for name, values in catalogue.columns.items():
            set_text(group.create_dataset(name, data=values).attrs, "unit", catalogue.units[name])


def _read_hdf5(path: Path) -> SkyCatalogue:
    with open_hdf5(path, f"a whole {FORMAT} file") as file:
        present = attribute_names(file)
        found = {name: attribute(file, name) for name in TEXTS if name in present}
        version = attribute(file, "version") if "version" in present else None
        _check_format(found.get("format"), version, path)
        group = find_group(file, "columns")
        columns = {name: read_numbers(group, name) for name in group}
        units = {name: str(attribute(group[name], "unit")) for name in group}
    return _from_texts(columns, units, found)


def _write_parquet(path: Path, catalogue: SkyCatalogue) -> None:
    metadata = {**_texts(catalogue), "version": str(VERSION)}
    write_parquet(path, catalogue.columns, catalogue.units, metadata)


def _read_parquet(path: Path) -> SkyCatalogue:
    with open_parquet(path, f"a whole {FORMAT} file") as file:
        metadata = file.schema_arrow.metadata or {}
        found = {key.decode(): text.decode() for key, text in metadata.items()}
        version = int(found["version"]) if "version" in found else None
        _check_format(found.get("format"), version, path)
        columns, units = _columns(parquet_columns(file))
    return _from_texts(columns, units, found)


def _columns(found: Sequence[Column]) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Values and units by name."""
    return {c.name: c.complete() for c in found}, {c.name: c.unit for c in found}


TEXTS = ("format", "cosmology", "provenance", "columns")
"""Texts of the root; the names of columns are there since version 2."""


def _texts(catalogue: SkyCatalogue) -> dict[str, str]:
    return {
        "format": FORMAT,
        "cosmology": json.dumps(dict(catalogue.cosmology)),
        "provenance": json.dumps(dict(catalogue.provenance)),
        "columns": json.dumps(list(catalogue.columns)),
    }


def _from_texts(
    columns: Mapping[str, np.ndarray], units: Mapping[str, str], texts: Mapping[str, Any]
) -> SkyCatalogue:
    cosmology, provenance = (json.loads(texts[name]) for name in ("cosmology", "provenance"))
    if "columns" in texts and json.loads(texts["columns"]) != list(columns):
        raise InputError(
            f"expected columns {texts['columns']}, got {list(columns)}; write it again"
        )
    return SkyCatalogue(columns, cosmology, units, provenance)


def _check_format(found: Any, version: Any, path: Path) -> None:
    whole = isinstance(version, int | np.integer)
    if found != FORMAT or not whole or not 1 <= version <= VERSION:
        newer = found == FORMAT and whole and version > VERSION
        remedy = "upgrade galgen, which is older" if newer else "read other surveys with data_prep"
        raise InputError(
            f"expected a survey catalogue of format {FORMAT!r} version 1 to {VERSION} in {path}, "
            f"got {found!r} version {version}; {remedy}"
        )


Writer = Callable[[Path, SkyCatalogue], None]
Reader = Callable[[Path], SkyCatalogue]


def _of_suffix(path: Path) -> tuple[Writer, Reader]:
    """How files of this suffix are written and read."""
    known: dict[str, tuple[Writer, Reader]] = {
        ".fits": (_write_fits, _read_fits),
        ".h5": (_write_hdf5, _read_hdf5),
        ".hdf5": (_write_hdf5, _read_hdf5),
        ".parquet": (_write_parquet, _read_parquet),
    }
    suffix = path.suffix.lower()
    if suffix not in known:
        raise InputError(
            f"expected a file of {', '.join(known)}, got {path.name!r}; choose one of these"
        )
    return known[suffix]
