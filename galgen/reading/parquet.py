"""Parquet: files whose declared rows fit their size, with the checksums of pages verified.

pyarrow does it, which is not among what galgen needs otherwise: ``pip install 'galgen[formats]'``.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from galgen.errors import InputError
from galgen.reading.files import check_declared, reading, regular_file

WIDTH = 8
"""Bytes of the widest number."""


@contextlib.contextmanager
def open_parquet(path: Path, what: str) -> Iterator[Any]:
    """A Parquet file as pyarrow's ParquetFile; what goes wrong while it is open is one line.

    Args:
        path: of the file.
        what: is expected in it, for errors.

    Raises:
        InputError: if pyarrow is not installed, there is no such file, it is no Parquet, or
            declares more rows than a file of its size holds.
    """
    _, parquet = import_pyarrow()
    with (
        reading(regular_file(path, what), what),
        parquet.ParquetFile(path, page_checksum_verification=True) as file,
    ):
        check_declared(WIDTH * file.metadata.num_rows, path, "rows (num_rows)")
        yield file


def import_pyarrow() -> tuple[Any, Any]:
    """The modules pyarrow and pyarrow.parquet.

    Raises:
        InputError: if pyarrow is not installed.
    """
    try:
        return importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise InputError(
            "expected pyarrow for Parquet, got none installed; pip install 'galgen[formats]'"
        ) from error
