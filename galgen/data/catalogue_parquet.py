"""A catalogue as Parquet: one row per point, the metadata as JSON in the schema, key ``galgen``.

pyarrow does it, which is not among what galgen needs otherwise: ``pip install 'galgen[formats]'``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from galgen.data.catalogue import Catalogue
from galgen.data.catalogue_metadata import catalogue_from, metadata_of, not_ours
from galgen.errors import InputError
from galgen.reading.parquet import import_pyarrow

KEY = b"galgen"


def write_parquet(path: Path, catalogue: Catalogue) -> None:
    """Write a Parquet file; one that is there is replaced.

    Raises:
        InputError: if pyarrow is not installed.
    """
    arrow, parquet = import_pyarrow()
    fields, arrays = [], []
    for name, values in catalogue.columns.items():
        arrays.append(arrow.array(values))
        unit = {b"unit": catalogue.units[name].encode()}
        fields.append(arrow.field(name, arrays[-1].type, nullable=False, metadata=unit))
    schema = arrow.schema(fields, metadata={KEY: metadata_of(catalogue).encode()})
    parquet.write_table(arrow.Table.from_arrays(arrays, schema=schema), path)


def read_parquet(path: Path) -> Catalogue:
    """The catalogue of a Parquet file that :func:`write_parquet` wrote.

    Raises:
        InputError: if pyarrow is not installed, or the file is not Parquet, is damaged, or has no
            metadata of galgen's.
    """
    _, parquet = import_pyarrow()
    try:
        with parquet.ParquetFile(path) as file:
            table = file.read()
    except (OSError, ValueError) as error:
        raise InputError(
            f"expected a whole Parquet file in {path}, got one that pyarrow cannot read "
            f"({' '.join(str(error).split())}); copy or write it again"
        ) from error
    text = (table.schema.metadata or {}).get(KEY)
    if text is None:
        raise not_ours(path)
    columns = {name: np.asarray(table.column(name)) for name in table.column_names}
    return catalogue_from(text, columns, path)
