"""One catalogue to a file and back, bit by bit, in the format that the file's suffix names.

=================  ==============================================================================
``.h5`` ``.hdf5``  a suite of one (:mod:`galgen.data.suite`)
``.fits``          a binary table, and an image ``GALGEN`` of the metadata
                   (:mod:`galgen.data.catalogue_fits`)
``.parquet``       a table, and the metadata in its schema (:mod:`galgen.data.catalogue_parquet`)
=================  ==============================================================================

All keep data types, units, box, redshift, cosmology and provenance. Files appear whole or not at
all.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from galgen.data.catalogue import Catalogue
from galgen.data.catalogue_fits import read_fits, write_fits
from galgen.data.catalogue_parquet import read_parquet, write_parquet
from galgen.data.suite import Suite
from galgen.data.suite_writing import write_suite
from galgen.errors import InputError
from galgen.publishing import Publication
from galgen.reading import regular_file


@dataclasses.dataclass(frozen=True)
class Format:
    """How a format is written and read.

    Attributes:
        write: to a path that nobody else knows yet.
        read: from a file.
    """

    write: Callable[[Path, Catalogue], None]
    read: Callable[[Path], Catalogue]


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


HDF5 = Format(_write_hdf5, _read_hdf5)
FORMATS = {
    ".h5": HDF5,
    ".hdf5": HDF5,
    ".fits": Format(write_fits, read_fits),
    ".parquet": Format(write_parquet, read_parquet),
}


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
