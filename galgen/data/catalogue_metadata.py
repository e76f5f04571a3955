"""Everything of a catalogue but its columns' values, as JSON for formats that keep text.

JSON keeps float64 bit by bit: Python writes the shortest decimal that reads back the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from galgen.data.catalogue import Catalogue
from galgen.errors import InputError

FORMAT = "galgen-catalogue"
VERSION = 1


def metadata_of(catalogue: Catalogue) -> str:
    """The JSON of a catalogue."""
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


def described_columns(text: str | bytes, path: Path) -> list[str]:
    """Names of the columns that the JSON describes, in order.

    Raises:
        InputError: if it is not JSON of a galgen catalogue.
    """
    return [column["name"] for column in _parsed(text, path)["columns"]]


def catalogue_from(
    text: str | bytes,
    columns: Mapping[str, np.ndarray],
    path: Path,
    wider: Mapping[str, np.dtype] | None = None,
) -> Catalogue:
    """The catalogue of a JSON and the values of its columns.

    Args:
        text: what :func:`metadata_of` gave.
        columns: by name.
        path: of the file, for errors.
        wider: types that the format lacks, by name, and those that it has in their place.

    Raises:
        InputError: if it is not JSON of a galgen catalogue, or does not fit the columns.
    """
    found = _parsed(text, path)
    described = {column["name"]: column for column in found["columns"]}
    if list(described) != list(columns):
        raise InputError(
            f"expected columns {list(described)} in {path}, got {list(columns)}; it was changed "
            "after galgen wrote it: write it again"
        )
    types = {name: str(column["type"]) for name, column in described.items()}
    for name, values in columns.items():
        stored = (wider or {}).get(types[name], np.dtype(types[name]))
        if values.dtype != stored:
            raise InputError(
                f"expected column {name!r} of {stored} in {path}, got {values.dtype}; it was "
                "changed after galgen wrote it: write it again"
            )
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


def _parsed(text: str | bytes, path: Path) -> dict:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or (found.get("format"), found.get("version")) != (
        FORMAT,
        VERSION,
    ):
        raise not_ours(path)
    return found


def not_ours(path: Path) -> InputError:
    """The error for a readable file without metadata of galgen's."""
    return InputError(
        f"expected a catalogue that galgen wrote in {path}, got one without its metadata; read it "
        "with python -m data_prep table, which takes columns and box as options"
    )
