"""A catalogue as Parquet: one row per point, the metadata as JSON in the schema, key ``galgen``.

pyarrow does it, which is not among what galgen needs otherwise: ``pip install 'galgen[formats]'``.
"""

from __future__ import annotations

from pathlib import Path

from galgen.data.catalogue import Catalogue
from galgen.data.catalogue_metadata import catalogue_from, metadata_of, not_ours
from galgen.reading import parquet

KEY = "galgen"


def write_parquet(path: Path, catalogue: Catalogue) -> None:
    """Write a Parquet file; one that is there is replaced.

    Raises:
        InputError: if pyarrow is not installed.
    """
    metadata = {KEY: metadata_of(catalogue)}
    parquet.write_parquet(path, catalogue.columns, catalogue.units, metadata)


def read_parquet(path: Path) -> Catalogue:
    """The catalogue of a Parquet file that :func:`write_parquet` wrote.

    Raises:
        InputError: if pyarrow is not installed, or the file is not Parquet, is damaged, or has no
            metadata of galgen's.
    """
    with parquet.open_parquet(path, "a whole Parquet file") as file:
        text = (file.schema_arrow.metadata or {}).get(KEY.encode())
        if text is None:
            raise not_ours(path)
        columns = {c.name: c.complete() for c in parquet.parquet_columns(file)}
        return catalogue_from(text, columns, path)
