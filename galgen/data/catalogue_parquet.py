"""A catalogue as Parquet: one row per point, the metadata as JSON in the schema, key ``galgen``.

pyarrow does it, which is not among what galgen needs otherwise: ``pip install 'galgen[formats]'``.
"""

from __future__ import annotations

from pathlib import Path

from galgen.arrays import as_array
from galgen.data.catalogue import Catalogue
from galgen.data.catalogue_metadata import catalogue_from, metadata_of, not_ours
from galgen.reading.parquet import import_pyarrow, open_parquet

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
    table = arrow.Table.from_arrays(arrays, schema=schema)
    parquet.write_table(table, path, write_page_checksum=True)


def read_parquet(path: Path) -> Catalogue:
    """The catalogue of a Parquet file that :func:`write_parquet` wrote.

    Raises:
        InputError: if pyarrow is not installed, or the file is not Parquet, is damaged, or has no
            metadata of galgen's.
    """
    with open_parquet(path, "a whole Parquet file") as file:
        table = file.read()
        text = (table.schema.metadata or {}).get(KEY)
        if text is None:
            raise not_ours(path)
        columns = {n: as_array(table.column(n), f"column {n!r}") for n in table.column_names}
        return catalogue_from(text, columns, path)
